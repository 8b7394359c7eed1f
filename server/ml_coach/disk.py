"""A folder on disk as a run's workspace.

Writes are atomic: a reader sees the old text or the new one. They never follow a link out of the
folder. Texts of ours are recorded, so that a file which the user changed since is recognized as
theirs. What the user changes during a run is not overwritten.
"""

from __future__ import annotations

import asyncio
import codecs
import logging
import os
import shutil
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path

from ml_coach.change_log import ChangeLog
from ml_coach.claims import Claim
from ml_coach.core.changes import FileChange
from ml_coach.json_lines import JsonLines, append

logger = logging.getLogger(__name__)

_ANY_WRITE = 0o222
# A program, its tests and what an editor keeps beside them.
_LEAST_FREE_BYTES = 1_000_000


@dataclass(frozen=True, slots=True)
class WrittenFiles:
    """Which texts ML Coach wrote where: one JSON line per write, the text as its SHA-256."""

    file: Path

    def note(self, path: Path, text: str) -> None:
        """Records that ML Coach gives `path` this text."""
        try:
            append(self.file, self._line(path, text))
        except OSError as error:
            # The run is worth more: without the note, the next one asks before it overwrites.
            logger.warning("%s was not noted as ours: %s.", path, error)

    def wrote(self, path: Path, text: str) -> bool:
        """Whether ML Coach gave `path` this text at any time."""
        wanted = self._line(path, text)
        return any(line == wanted for line in JsonLines(self.file))

    def _line(self, path: Path, text: str) -> dict[str, str]:
        return {"path": str(path), "sha256": _digest(text)}


@dataclass(frozen=True, slots=True)
class FolderWorkspace:
    """A `core.ports.Workspace` in the folder `root`.

    Who writes a text of ML Coach's calls `note` first; an undo also writes texts of the user's.
    Files are paths relative to `root`; `PermissionError` is raised for one outside of it, and
    `OSError` for one that is not UTF-8 text.
    """

    root: Path
    written_files: WrittenFiles

    async def read(self, file: str) -> str | None:
        """See `core.ports.Workspace.read`."""
        return await asyncio.to_thread(self._read, file)

    async def check_writable(self, files: Sequence[str]) -> None:
        """See `core.ports.Workspace.check_writable`."""
        for file in files:
            await asyncio.to_thread(self._check_writable, file)

    async def write(self, texts: Mapping[str, str]) -> None:
        """See `core.ports.Workspace.write`."""
        for file, text in texts.items():
            await asyncio.to_thread(self.write_file, file, text)

    def write_file(self, file: str, text: str) -> None:
        """Writes one file, with the folders above it; blocks meanwhile."""
        path = self.place(file)
        path.parent.mkdir(parents=True, exist_ok=True)
        # Who marked the file as UTF-8 finds the mark again; texts are read without it.
        encoding = "utf-8-sig" if _has_byte_order_mark(path) else "utf-8"
        handle, scratch = tempfile.mkstemp(prefix=f".{path.name}.", dir=path.parent)
        try:
            with os.fdopen(handle, "w", encoding=encoding, newline="") as out:
                out.write(text)
            Path(scratch).chmod(path.stat().st_mode & 0o777 if path.exists() else 0o644)
            Path(scratch).replace(path)
        except BaseException:
            Path(scratch).unlink(missing_ok=True)
            raise

    async def delete(self, file: str) -> None:
        """Removes `file`; it may be gone already."""
        await asyncio.to_thread(self.place(file).unlink, missing_ok=True)

    def wrote(self, file: str, text: str) -> bool:
        """Whether ML Coach gave `file` this text at any time, here or through an editor."""
        return self.written_files.wrote(self.place(file), text)

    def note(self, file: str, text: str) -> None:
        """Records that ML Coach gives `file` this text, here or through an editor."""
        self.written_files.note(self.place(file), text)

    def was_ours(self, change: FileChange) -> bool:
        """Whether there was nothing of the user's in the file before this change of it."""
        return change.before is None or self.wrote(change.file, change.before)

    def texts(self, files: Sequence[str]) -> dict[str, str | None]:
        """The text of each of `files`, None where there is no such file."""
        return {file: self._read(file) for file in files}

    def foreign(self, files: Sequence[str]) -> list[str]:
        """Those of `files` that exist and hold something that ML Coach did not write."""
        return [
            file
            for file, text in self.texts(files).items()
            if text is not None and not self.written_files.wrote(self.place(file), text)
        ]

    def _check_writable(self, file: str) -> None:
        path = self.place(file)
        there = next(p for p in (path, *path.parents) if p.exists())
        if there != path and not there.is_dir():
            raise OSError(f"{path} cannot be written: {there} is a file.")
        self._read(file)
        # A superuser may write everything, but a read-only file says that nobody should.
        if not os.access(there, os.W_OK) or not there.stat().st_mode & _ANY_WRITE:
            what = f"{there} is read-only" if there == path else f"the folder {there} is read-only"
            raise OSError(f"{path} cannot be written: {what}.")
        if shutil.disk_usage(there).free < _LEAST_FREE_BYTES:
            raise OSError(f"{path} cannot be written: the disk is full.")

    def place(self, file: str) -> Path:
        """Where the file is, links followed. Raises `PermissionError` for one outside of `root`."""
        root = self.root.resolve()
        try:
            path = (root / file).resolve()
        except (OSError, RuntimeError, ValueError) as error:  # Links that lead to each other.
            raise OSError(f"{file} cannot be found: {error}") from error
        if not path.is_relative_to(root):
            raise PermissionError(f"{file} lies outside {root}; ML Coach writes only inside it.")
        return path

    def _read(self, file: str) -> str | None:
        path = self.place(file)
        if path.is_fifo():
            raise OSError(f"{path} is a pipe; name another file.")
        try:
            # newline="" keeps the user's line endings.
            with path.open(encoding="utf-8-sig", newline="") as text:
                return text.read()
        except FileNotFoundError:
            return None
        except IsADirectoryError as error:
            raise OSError(f"{path} is a folder; name another file.") from error
        except UnicodeDecodeError as error:
            raise OSError(f"{path} is not UTF-8 text; ML Coach leaves it alone.") from error


@dataclass(frozen=True, slots=True)
class RunWorkspace:
    """The `core.ports.Workspace` of one run, which overwrites no change that others make meanwhile.

    `known` holds each file's text as the run found it, and later as the run wrote it. A file with
    any other text was changed by the user or by another run. It stays as it is, and what this run
    wanted to write goes into the folder `kept`, beside which the log of changes is. The run may
    put whole new texts into the files `replaced`; any other file of the user's stays theirs. What
    it writes is taken by its `claim` before.
    """

    folder: FolderWorkspace
    known: dict[str, str | None]
    kept: Path
    replaced: frozenset[str] = frozenset()
    claim: Claim | None = None

    @property
    def root(self) -> Path:
        """See `core.ports.Workspace`."""
        return self.folder.root

    async def read(self, file: str) -> str | None:
        """See `core.ports.Workspace.read`."""
        return await self.folder.read(file)

    async def check_writable(self, files: Sequence[str]) -> None:
        """See `core.ports.Workspace.check_writable`."""
        await self.folder.check_writable(files)

    async def write(self, texts: Mapping[str, str]) -> None:
        """Writes all files, or none where that would lose a change of others.

        Raises `OSError` in that case; its text is a sentence for the user.
        """
        if self.claim is not None:
            self.claim.take(self.root / file for file in texts)
        changes: list[FileChange] = []
        for file, text in texts.items():
            now, known = await self.folder.read(file), self.known.get(file)
            if now == known and text != known:
                changes.append(FileChange(file, known, text))
            elif now is None or text not in (now, known):
                self._keep(texts)
                how = "removed" if now is None else "changed"
                raise OSError(
                    f"{file} was {how} while the run worked, so it is left as it is. "
                    f"What ML Coach wrote is kept in {self.kept}"
                )
        log = ChangeLog(self.kept.parent)
        for change in log.each(changes, "run", self.root.resolve()):
            text = texts[change.file]
            # Before the write: a process that is killed in between leaves a file known as ours.
            if change.file in self.replaced or self.folder.was_ours(change):
                self.folder.note(change.file, text)
            await self.folder.write({change.file: text})
        self.known.update(texts)

    def _keep(self, texts: Mapping[str, str]) -> None:
        for file, text in texts.items():
            path = self.kept / file
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text, encoding="utf-8", newline="")


def _digest(text: str) -> str:
    return sha256(text.encode("utf-8", "surrogatepass")).hexdigest()


def _has_byte_order_mark(path: Path) -> bool:
    try:
        with path.open("rb") as file:
            return file.read(len(codecs.BOM_UTF8)) == codecs.BOM_UTF8
    except FileNotFoundError:
        return False
