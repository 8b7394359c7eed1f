"""Generate → failing test → diagnostic → quick fix → passed → undo, under each client's profile."""

from __future__ import annotations

from typing import Any

import pytest
from editor import PROFILES

from conftest import StartEditor
from scripted_model import PROMPT, RIGHT, WRONG

ALL = sorted(path.stem for path in PROFILES.glob("*.json"))


@pytest.mark.parametrize("profile", ALL)
async def test_a_program_is_generated_repaired_and_taken_back(start: StartEditor, profile: str):
    editor = await start(profile)
    run_id = await editor.generate(PROMPT)

    offer: dict[str, Any] = await editor.until(lambda: editor.event("PatchOffered"))
    assert (offer["passed"], offer["total"]) == (2, 2)
    assert editor.text("generated_code.py") == WRONG
    editor_has_tests = editor.text("test_generated.py")
    assert "def test_small():" in editor_has_tests

    if editor.uri("test_generated.py") not in editor.buffers:
        editor.open("test_generated.py")
        editor.open("generated_code.py")
    (finding,) = await editor.findings("test_generated.py")
    assert finding.source == "ML Coach"
    line = editor_has_tests.splitlines()[finding.range.start.line]
    assert line.strip() == "assert add(1, 2) == 3"
    assert "-1" in finding.message
    assert "3" in finding.message

    quick_fix = await editor.action("test_generated.py", "Apply", finding.range.start.line)
    assert quick_fix.is_preferred
    assert list(quick_fix.diagnostics) == [finding]
    answer = await editor.choose(quick_fix)
    assert answer == {"applied": True, "reason": ""}

    report = await editor.until(editor.finished)
    assert report["outcome"] == "passed"
    assert report["files"]["generated_code.py"] == RIGHT
    assert editor.text("generated_code.py") == RIGHT
    assert await editor.findings("test_generated.py") == []

    undone = await editor.command("undoRun", runId=run_id)
    assert undone["action"] == "undone"
    for file in ("generated_code.py", "test_generated.py"):
        assert not (editor.root / file).exists()
        if editor.text(file):
            # This client can neither delete nor edit: it was told to close the buffer.
            assert any(f"{file} was removed" in message for message in editor.messages)
        editor.close(file)

    redone = await editor.command("undoRun", runId=run_id)
    assert redone["action"] == "redone"
    assert editor.text("generated_code.py") == RIGHT
    assert editor.text("test_generated.py") == editor_has_tests

    assert await editor.quit() == 0
