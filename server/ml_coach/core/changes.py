"""Changes of files: what a patch is, and why one is refused."""

from __future__ import annotations

from dataclasses import dataclass
from hashlib import sha256


@dataclass(frozen=True, slots=True)
class FileChange:
    """One file before and after. `None` stands for a file that does not exist."""

    file: str
    before: str | None
    after: str | None


@dataclass(frozen=True, slots=True)
class Patch:
    """A change to files, all or nothing. `text` is the canonical unified diff of `changes`."""

    changes: tuple[FileChange, ...]
    text: str

    @property
    def id(self) -> str:
        """A short hash of the diff, by which an editor or a command names the patch."""
        return sha256(self.text.encode("utf-8", "surrogatepass")).hexdigest()[:12]


@dataclass(frozen=True, slots=True)
class PatchRefused:
    """Why a diff was not taken, as one sentence; it counts the hunks of a reply from 1."""

    reason: str
