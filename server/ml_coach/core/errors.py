"""What can go wrong between us and a model, each with what the user can do about it.

ModelError
├── AuthError          the key is missing, wrong or not allowed: not retried
├── BadRequestError    the provider refuses the request as it is: not retried
├── BlockedError       the provider's safety filter: not retried; has the category
├── QuotaError         429; has the delay that the provider asks for
├── UnavailableError   5xx, refused or cut connection, crashed local model
├── BadAnswerError     the reply breaks the protocol (HTML, no finish reason, empty)
└── DeadlineError      the whole call took longer than allowed
BudgetSpent            the run's own limit of calls, tokens or seconds; not a fault
"""

from __future__ import annotations

import errno


class ModelError(Exception):
    """Its text is one sentence for the user. It never holds a key or a request's headers."""


class AuthError(ModelError):
    """The key is missing, wrong or not allowed; asking again does not help."""


class BadRequestError(ModelError):
    """The provider refuses the request as it is; asking again does not help."""


class BlockedError(ModelError):
    """The provider's safety filter refused; `category` is its reason, or empty."""

    def __init__(self, message: str, category: str = "") -> None:
        super().__init__(message)
        self.category = category


class QuotaError(ModelError):
    """Too many requests. `retry_after_seconds` is the delay the provider asks for, else None."""

    def __init__(self, message: str, retry_after_seconds: float | None = None) -> None:
        super().__init__(message)
        self.retry_after_seconds = retry_after_seconds


class UnavailableError(ModelError):
    """The provider did not answer. `retry_after_seconds` is the delay it asks for, else None."""

    def __init__(self, message: str, retry_after_seconds: float | None = None) -> None:
        super().__init__(message)
        self.retry_after_seconds = retry_after_seconds


class BadAnswerError(ModelError):
    """The reply breaks the protocol: HTML, no finish reason, nothing at all."""


class DeadlineError(ModelError):
    """The whole call took longer than `Call.timeout_seconds`."""


class BudgetSpent(Exception):
    """Raised before a call that the run's budget no longer covers; its text names the limit."""


class SetupError(Exception):
    """Something that every run needs is missing; its text says what to do about it."""


class ExaminationError(Exception):
    """Tests cannot be run as they were given; its text is a sentence for who asked."""


# What the system's errors mean for a user who does not know them.
_OS_WORDS = {
    "ENOENT": "there is no such file or folder",
    "ENOTDIR": "a part of the path is a file, not a folder",
    "EISDIR": "it is a folder",
    "EACCES": "you may not do that",
    "EPERM": "you may not do that",
    "EROFS": "it is on a file system that is read-only",
    "ENOSPC": "the disk is full",
    "EDQUOT": "your share of the disk is used up",
    "ENAMETOOLONG": "its name is too long",
    "EMFILE": "too many files are open",
    "ELOOP": "its links lead to each other",
}


def os_error_text(error: OSError) -> str:
    """An error of the system as one sentence for the user. Our own are sentences already."""
    if error.errno is None:
        return str(error)
    known = _OS_WORDS.get(errno.errorcode.get(error.errno, ""))
    why = known or (error.strerror or "the system refuses").lower()
    where = f"{error.filename} cannot be used: " if error.filename else ""
    return f"{where or why[:1].upper()}{why if where else why[1:]}."
