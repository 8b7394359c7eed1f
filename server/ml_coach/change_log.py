"""What a run did to the user's files, so that exactly this can be taken back.

<run folder>/changes.jsonl    {"root": …}, then what is to be changed, then what became of it
<run folder>/kept/FILE        a text that the editor did not take

A change is noted before it is made. So where the server is killed in between, the file itself shows
whether the change arrived: `last_action` asks for it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal, TypeGuard, cast, get_args

from ml_coach.core.changes import FileChange
from ml_coach.json_lines import JsonLines, append
from ml_coach.text_merging import holds_half_character, same_text

Action = Literal["run", "undo", "redo"]
"""What made a change: the run itself, or its undoing or redoing. On disk the key is `act`."""


@dataclass(frozen=True, slots=True)
class LoggedAction:
    """The latest action of a run: what it changed, each file's oldest change first, and what it was
    about to change when its server ended."""

    action: Action
    changes: tuple[FileChange, ...]
    unfinished: tuple[FileChange, ...] = ()


@dataclass(slots=True)
class _Entry:
    """A change in the log, and what became of it. A plan whose server was killed is "given up"
    where the file shows that it was not carried out."""

    change: FileChange
    action: Action
    state: Literal["planned", "made", "given up"]


@dataclass(frozen=True, slots=True)
class ChangeLog:
    """The changes of one run. `folder` is the run's log folder; it may not exist yet."""

    folder: Path

    @property
    def _file(self) -> Path:
        return self.folder / "changes.jsonl"

    def begin(self, root: Path) -> None:
        """Notes the workspace folder that the run works in, once."""
        if self.root is None:
            append(self._file, {"root": str(root)})

    def plan(self, changes: Iterable[FileChange], action: Action) -> None:
        """Notes changes before they are made: all or none, so that a killed undo can be finished.
        Raises `OSError`."""
        append(self._file, *(_line(change, action) | {"planned": True} for change in changes))

    def add(self, change: FileChange, action: Action) -> None:
        """Notes one change that was made. Raises `OSError`."""
        append(self._file, _line(change, action))

    def each(
        self, changes: Sequence[FileChange], action: Action, root: Path
    ) -> Iterator[FileChange]:
        """Yields each of `changes` for the caller to make in the folder `root`. All are noted
        before the first one, and each again once it is made. Raises `OSError`."""
        if changes:
            self.begin(root)
            self.plan(changes, action)
        for change in changes:
            yield change
            self.add(change, action)

    def save_copy(self, file: str, text: str) -> Path:
        """Saves a text beside the log and returns its path."""
        path = self.folder / "kept" / file
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8", newline="")
        return path

    @property
    def root(self) -> Path | None:
        """The folder that the run worked in, None for a run that changed nothing."""
        for line in JsonLines(self._file):
            root = line.get("root")
            if isinstance(root, str) and Path(root).is_absolute() and "\0" not in root:
                return Path(root)
        return None

    @property
    def is_damaged(self) -> bool:
        """Whether a whole line cannot be read, so that a change may be missing.

        A line that a crash cut off does not count: nothing was changed before it was written.
        """
        lines = JsonLines(self._file)
        known = sum("root" in line or _entry(line) is not None for line in lines)
        return lines.damaged > 0 or known < lines.read

    def files(self) -> tuple[str, ...]:
        """The files that the run changed, or was about to change."""
        return tuple(dict.fromkeys(entry.change.file for entry in self._entries()))

    def replaced(self) -> tuple[str, ...]:
        """The files that held another text before the run."""
        entries = self._entries()
        first = {entry.change.file: entry.change.before for entry in reversed(entries)}
        last = {entry.change.file: entry.change.after for entry in entries}
        return tuple(file for file, text in first.items() if text and text != last[file])

    def latest_action(self) -> Action | None:
        """Who made the latest change that is noted, None where there is none or the log is damaged.

        Only for what is offered: a plan that was not carried out counts, too.
        """
        entries = self._entries()
        return entries[-1].action if entries and not self.is_damaged else None

    def last_action(self, holds: Callable[[FileChange], bool]) -> LoggedAction:
        """The latest action. `holds` says whether a file holds a change, where the log does not.

        Steps are one change as long as nobody else changed the file between them.
        """
        entries = self._entries()
        _settle(entries, holds)
        action, changes = "run", dict[str, list[FileChange]]()
        unfinished: list[FileChange] = []
        for entry in entries:
            if entry.state == "given up":
                continue
            if entry.action != action:
                action, changes, unfinished = entry.action, {}, []
            if entry.state == "planned":
                unfinished.append(entry.change)
            else:
                _add_step(changes.setdefault(entry.change.file, []), entry.change)
        made = tuple(c for each in changes.values() for c in each if c.before != c.after)
        return LoggedAction(action, made, tuple(unfinished))

    def _entries(self) -> list[_Entry]:
        """Each change once, with its latest state."""
        entries: list[_Entry] = []
        for line in JsonLines(self._file):
            entry = _entry(line)
            if entry is None:
                continue
            if entry.state == "made":
                entries = [e for e in entries if not _is_plan_for(e, entry.change.file)]
            entries.append(entry)
        return entries


def _line(change: FileChange, action: Action) -> dict[str, Any]:
    return {"file": change.file, "before": change.before, "after": change.after, "act": action}


def _entry(line: dict[str, Any]) -> _Entry | None:
    """The change in a line, None where it holds none that this version knows."""
    file, action = line.get("file"), line.get("act")
    texts = [line.get("before", 0), line.get("after", 0)]
    if not _is_text(file) or not file or "\0" in file or action not in get_args(Action):
        return None
    if not all(text is None or _is_text(text) for text in texts):
        return None
    change = FileChange(file, *cast("list[str | None]", texts))
    return _Entry(change, cast("Action", action), "planned" if line.get("planned") else "made")


def _is_text(value: Any) -> TypeGuard[str]:
    return isinstance(value, str) and not holds_half_character(value)


def _is_plan_for(entry: _Entry, file: str) -> bool:
    # A plan that was not carried out was followed by another, because the user typed meanwhile.
    return entry.state == "planned" and entry.change.file == file


def _settle(entries: Sequence[_Entry], holds: Callable[[FileChange], bool]) -> None:
    """Finds out what became of the plans that a killed server left.

    Of several plans for a file only the one that was carried out last can show in it.
    """
    seen: set[str] = set()
    for entry in reversed(entries):
        file = entry.change.file
        if entry.state == "planned" and file not in seen and holds(entry.change):
            entry.state = "made"
        elif entry.state == "planned" and entry.action == "run":
            entry.state = "given up"
        if entry.state == "made":
            seen.add(file)


def _add_step(former: list[FileChange], change: FileChange) -> None:
    if former and same_text(former[-1].after, change.before):
        change = replace(change, before=former.pop().before)
    former.append(change)
