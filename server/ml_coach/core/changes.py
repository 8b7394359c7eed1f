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
    """Why a diff was not taken. `hunk` counts from 1, 0 when the whole diff is meant.

    `nearest` is the text in the file that comes closest to what the hunk looked for.
    """

    reason: str
    file: str = ""
    hunk: int = 0
    nearest: str = ""
