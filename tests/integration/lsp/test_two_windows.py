"""Two servers on one folder: neither works on what the other is working on, either may stop it."""

from __future__ import annotations

from pathlib import Path

import pytest
from editor import Editor
from pygls.exceptions import JsonRpcException

from conftest import StartEditor
from scripted_model import PROMPT, RIGHT, WRONG, ScriptedModel


async def two_windows(start: StartEditor) -> tuple[Editor, Editor, str]:
    """A window whose run waits for a decision on its patch, and a second one."""
    first = await start()
    run_id = await first.generate(PROMPT)
    await first.until(lambda: first.event("PatchOffered"))
    return first, await start(), run_id


async def test_a_run_of_another_window_is_listed_as_active_elsewhere(start: StartEditor):
    first, second, run_id = await two_windows(start)
    (row,) = (await second.command("runs"))["runs"]
    assert (row["runId"], row["active"], row["elsewhere"]) == (run_id, True, True)
    # Also where the note of who it is was damaged.
    (Path(row["folder"]) / "claim.json").write_bytes(b"\xff{")
    (row,) = (await second.command("runs"))["runs"]
    assert (row["active"], row["elsewhere"]) == (True, True)
    (row,) = (await first.command("runs"))["runs"]
    assert (row["active"], row["elsewhere"]) == (True, False)
    await first.choose(await first.action("generated_code.py", "Apply"))
    await first.until(first.finished)
    (row,) = (await second.command("runs"))["runs"]
    assert (row["active"], row["elsewhere"], row["outcome"]) == (False, False, "passed")


@pytest.mark.parametrize("command", ["undoRun", "resume", "generate"])
async def test_nothing_is_done_to_what_another_window_works_on(start: StartEditor, command: str):
    first, second, run_id = await two_windows(start)
    before = first.text("generated_code.py"), first.text("test_generated.py")
    argument = {"prompt": PROMPT} if command == "generate" else {"runId": run_id}
    with pytest.raises(JsonRpcException, match=f"of another window.*{first.process.pid}"):
        await second.command(command, **argument)
    assert (first.text("generated_code.py"), first.text("test_generated.py")) == before
    await first.choose(await first.action("generated_code.py", "Apply"))
    assert (await first.until(first.finished))["outcome"] == "passed"
    assert first.text("generated_code.py") == RIGHT
    # Now nobody works on it.
    if command == "undoRun":
        second.open("generated_code.py", RIGHT)
        second.open("test_generated.py", first.text("test_generated.py"))
        assert (await second.command(command, **argument))["action"] == "undone"


async def test_another_run_is_not_undone_while_a_file_of_it_is_worked_on(
    start: StartEditor, root: Path
):
    first = await start("kate-22.12")
    old = await first.generate(PROMPT, autoPatch=True)
    await first.until(first.finished)
    first.events.clear()
    run_id = await first.generate(PROMPT)
    await first.until(lambda: first.event("PatchOffered"))
    second = await start("kate-22.12")
    with pytest.raises(JsonRpcException, match=f"{run_id}.* is working on generated_code.py"):
        await second.command("undoRun", runId=old)
    assert (root / "generated_code.py").read_text() == WRONG


async def test_another_window_may_stop_a_run(start: StartEditor, model: ScriptedModel):
    first, second, run_id = await two_windows(start)
    assert await second.command("stop", runId=run_id) == {"stopped": [run_id]}
    assert (await first.until(first.finished))["outcome"] == "stopped"
    (row,) = (await second.command("runs"))["runs"]
    assert (row["active"], row["outcome"]) == (False, "stopped")


async def test_a_killed_window_holds_nothing(start: StartEditor):
    first, second, run_id = await two_windows(start)
    first.process.kill()
    await first.process.wait()
    (row,) = (await second.command("runs"))["runs"]
    assert (row["runId"], row["active"], row["elsewhere"]) == (run_id, False, False)
    for file in ("generated_code.py", "test_generated.py"):
        second.open(file, first.text(file))
    assert (await second.command("undoRun", runId=run_id))["action"] == "undone"
