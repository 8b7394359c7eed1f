"""What a run did to the user's files, so that exactly this can be taken back.

<run folder>/changes.jsonl    {"root": …}, then one change a line, oldest first
<run folder>/kept/FILE        a text that the editor did not take
"""

from __future__ import annotations

import json
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from ml_coach.core.types import FileChange
from ml_coach.lsp.documents.texts import same_text

RUN = "run"


@dataclass(frozen=True, slots=True)
class ChangeLog:
    """`act` names what made a change: the run itself, `undo` or `redo`."""

    folder: Path

    @property
    def _file(self) -> Path:
        return self.folder / "changes.jsonl"

    def begin(self, root: Path) -> None:
        if not self._file.exists():
            self._append({"root": str(root)})

    def note(self, change: FileChange, act: str = RUN) -> None:
        line = {"file": change.file, "before": change.before, "after": change.after, "act": act}
        self._append(line)

    def keep(self, file: str, text: str) -> Path:
        """Saves a text beside the log and says where."""
        path = self.folder / "kept" / file
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8", newline="")
        return path

    @property
    def root(self) -> Path | None:
        """The folder that the run worked in, None for a run that was not started by an editor."""
        lines = self._lines()
        return Path(lines[0]["root"]) if lines and "root" in lines[0] else None

    def last_act(self) -> tuple[str, tuple[FileChange, ...]]:
        """The latest act and what it changed, each file's oldest change first.

        Steps are one change as long as nobody else changed the file between them.
        """
        act, changes = "", dict[str, list[FileChange]]()
        for line in self._lines():
            if "file" not in line:
                continue
            if line["act"] != act:
                act, changes = line["act"], {}
            change = FileChange(line["file"], line["before"], line["after"])
            former = changes.setdefault(change.file, [])
            if former and same_text(former[-1].after, change.before):
                change = replace(change, before=former.pop().before)
            former.append(change)
        return act, tuple(c for each in changes.values() for c in each if c.before != c.after)

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
                continue  # The last line of a process that was killed.
        return lines
