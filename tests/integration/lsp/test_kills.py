"""A server that is killed at any moment: undo and resume do what they say afterwards.

ML_COACH_KILLS is the number of kills. Every third is during an undo, the others during a run; the
clients take turns: one that edits documents, and one for which the server writes to the disk.
"""

from __future__ import annotations

import asyncio
import os
from dataclasses import dataclass
from pathlib import Path
from random import Random

import pytest
from editor import Editor
from pygls.exceptions import JsonRpcException

from conftest import StartEditor
from scripted_model import PROMPT, RIGHT, ScriptedModel

KILLS = int(os.environ.get("ML_COACH_KILLS", "15"))
FILES = ("generated_code.py", "test_generated.py")
OWN = {"generated_code.py": "MINE = 1\n", "test_generated.py": "# my tests\n"}
EDITS, WRITES = "vscode-1.139-languageclient-9", "kate-22.12"


@dataclass(frozen=True)
class Kill:
    """After `message` messages of the server and `delay_seconds` more."""

    profile: str
    owns_files: bool
    during_undo: bool
    message: int
    delay_seconds: float


def kill_of(number: int) -> Kill:
    random = Random(number)
    during_undo = number % 3 == 2
    most = 6 if during_undo else 60
    delay = random.choice([0.0, 0.0, random.uniform(0.0, 0.05)])
    return Kill((EDITS, WRITES)[number % 2], bool(number // 2 % 2), during_undo,
                random.randint(1, most), delay)  # fmt: skip


class KillingEvent(asyncio.Event):
    """Kills the server's process once it has sent so many messages."""

    def __init__(self, editor: Editor, kill: Kill) -> None:
        super().__init__()
        self._editor, self._kill, self._left = editor, kill, kill.message
        self.killed = asyncio.Event()

    def set(self) -> None:
        super().set()
        self._left -= 1
        if self._left == 0:
            asyncio.get_running_loop().call_later(self._kill.delay_seconds, self.fire)

    def fire(self) -> None:
        if self._editor.process.returncode is None:
            self._editor.process.kill()
        self.killed.set()


def texts(editor: Editor) -> dict[str, str]:
    """What the user sees; an empty buffer and no file are the same to them."""
    return {file: editor.text(file) or "" for file in FILES}


async def until_killed(editor: Editor, kill: Kill, run_id: str) -> None:
    """Runs, and undoes where that is asked for, until the server is dead."""
    bomb = KillingEvent(editor, kill)
    if not kill.during_undo:
        editor._changed = bomb
        await editor.generate(PROMPT, autoPatch=True, overwrite=True)
    else:
        run_id = await editor.generate(PROMPT, autoPatch=True, overwrite=True)
        await editor.until(editor.finished)
        editor._changed = bomb
        await editor.command("undoRun", runId=run_id)
    async with asyncio.timeout(60):
        while not (bomb.killed.is_set() or editor.finished()):
            bomb.clear()
            await bomb.wait()


async def killed(editor: Editor, kill: Kill) -> None:
    working = asyncio.ensure_future(until_killed(editor, kill, ""))
    dying = asyncio.ensure_future(editor.process.wait())
    await asyncio.wait({working, dying}, return_when=asyncio.FIRST_COMPLETED)
    if editor.process.returncode is None:
        editor.process.kill()  # The run or the undo took fewer messages.
    await dying
    working.cancel()
    await asyncio.gather(working, return_exceptions=True)


@pytest.mark.parametrize("number", range(KILLS))
async def test_after_a_kill_undo_and_resume_do_what_they_say(
    start: StartEditor, root: Path, model: ScriptedModel, number: int
):
    kill = kill_of(number)
    for file, text in OWN.items() if kill.owns_files else ():
        (root / file).write_text(text)
    first = await start(kill.profile)
    if kill.profile == EDITS:
        for file in FILES if kill.owns_files else ():
            first.open(file)
    original = texts(first)
    await killed(first, kill)

    second = await start(kill.profile)
    for uri, buffer in first.buffers.items():
        second._open(uri, buffer.text)
    found = texts(second)
    rows = (await second.command("runs"))["runs"]
    if not rows:
        assert found == original, kill
        return
    run_id = rows[0]["runId"]
    undone = await second.command("undoRun", runId=run_id)
    if found == original:
        assert undone["action"] in ("refused", "redone", "undone"), (kill, undone)
    else:
        assert (undone["action"], texts(second)) == ("undone", original), (kill, undone, found)
        redone = await second.command("undoRun", runId=run_id)
        assert redone["action"] == "redone", (kill, redone)
        if not kill.during_undo:
            assert texts(second) == found, kill
    await _resume(second, run_id, original, kill)


async def _resume(editor: Editor, run_id: str, original: dict[str, str], kill: Kill) -> None:
    before = texts(editor)
    asked = len(editor.questions)
    try:
        resumed = (await editor.command("resume", runId=run_id))["runId"]
    except JsonRpcException:
        resumed = ""  # Killed before the run was begun.
    if not resumed:
        assert before == original, kill
        return
    report = await editor.until(editor.finished)
    if before == original and kill.owns_files:
        # The user's own files: they are asked, and gave no answer.
        assert report["outcome"] in ("stopped", "passed"), (kill, report)
        return
    assert report["outcome"] == "passed", (kill, report)
    assert editor.text("generated_code.py") == RIGHT, kill
    assert len(editor.questions) == asked, (kill, editor.questions)
    undone = await editor.command("undoRun", runId=resumed)
    assert undone["action"] in ("undone", "refused"), (kill, undone)
    assert texts(editor) == before, (kill, undone)
