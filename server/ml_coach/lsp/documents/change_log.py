"""What a run did to the user's files, so that exactly this can be taken back.

<run folder>/changes.jsonl    {"root": …}, then one change a line, oldest first
<run folder>/kept/FILE        a text that the editor did not take
"""

from __future__ import annotations

import json
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal

from ml_coach.core.types import FileChange
from ml_coach.lsp.documents.texts import same_text

Action = Literal["run", "undo", "redo"]
"""What made a change: the run itself, or its undoing or redoing. On disk the key is `act`."""


@dataclass(frozen=True, slots=True)
class ChangeLog:
    """The changes of one run. `folder` is the run's log folder; it may not exist yet."""

    folder: Path

    @property
    def _file(self) -> Path:
        return self.folder / "changes.jsonl"

    def begin(self, root: Path) -> None:
        """Notes the workspace folder that the run works in, once."""
        if not self._file.exists():
            self._append({"root": str(root)})

    def add(self, change: FileChange, action: Action) -> None:
        """Notes one change after it was made. Raises `OSError`."""
        line = {"file": change.file, "before": change.before, "after": change.after, "act": action}
        self._append(line)

    def save_copy(self, file: str, text: str) -> Path:
        """Saves a text beside the log and returns its path."""
        path = self.folder / "kept" / file
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8", newline="")
        return path

    @property
    def root(self) -> Path | None:
        """The folder that the run worked in, None for a run that was not started by an editor."""
        lines = self._lines()
        return Path(lines[0]["root"]) if lines and "root" in lines[0] else None

    def last_action(self) -> tuple[Action, tuple[FileChange, ...]]:
        """The latest action and what it changed, each file's oldest change first.

        Steps are one change as long as nobody else changed the file between them.
        """
        action, changes = "run", dict[str, list[FileChange]]()
        for line in self._lines():
            if "file" not in line:
                continue
            if line["act"] != action:
                action, changes = line["act"], {}
            change = FileChange(line["file"], line["before"], line["after"])
            former = changes.setdefault(change.file, [])
            if former and same_text(former[-1].after, change.before):
                change = replace(change, before=former.pop().before)
            former.append(change)
        return action, tuple(c for each in changes.values() for c in each if c.before != c.after)

    def _append(self, line: dict[str, Any]) -> None:
        self.folder.mkdir(parents=True, exist_ok=True)
        with self._file.open("a", encoding="utf-8") as lines:
            lines.write(json.dumps(line) + "\n")

    def _lines(self) -> list[dict[str, Any]]:
        try:
            text = self._file.read_text(encoding="utf-8")
        except OSError:
            return []
        lines: list[dict[str, Any]] = []
        for line in text.split("\n"):
            try:
                lines.append(json.loads(line))
            except ValueError:
                continue  # A process that was killed left half a line.
        return lines
