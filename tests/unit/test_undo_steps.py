"""The next step of an undo, where two processes take one run back at once."""

from __future__ import annotations

from pathlib import Path

import pytest

from ml_coach.change_log import ChangeLog
from ml_coach.core.changes import FileChange
from ml_coach.undo_steps import next_step


@pytest.mark.asyncio
async def test_who_comes_second_does_not_redo_what_they_want_undone(tmp_path: Path) -> None:
    log, file = ChangeLog(tmp_path / "run"), tmp_path / "a.py"

    async def read(name: str) -> str | None:
        return file.read_text() if file.exists() else None

    file.write_text("2\n")
    log.begin(tmp_path)
    log.add(FileChange("a.py", "1\n", "2\n"), "run")
    assert await next_step(log, read, "redo") is None
    step = await next_step(log, read, "undo")
    assert step is not None
    assert (step.action, step.changes) == ("undo", (FileChange("a.py", "2\n", "1\n"),))
    log.add(step.changes[0], "undo")
    file.write_text("1\n")
    assert await next_step(log, read, "undo") is None
    again = await next_step(log, read)
    assert again is not None
    assert again.action == "redo"
