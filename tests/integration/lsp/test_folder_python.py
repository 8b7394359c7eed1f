"""A folder's own Python is started once its user has agreed, which VS Code asks by itself."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from editor import Editor

from conftest import StartEditor
from scripted_model import PROMPT


async def with_environment(root: Path) -> None:
    venv = [sys.executable, "-m", "venv", "--without-pip", str(root / ".venv")]
    made = await asyncio.create_subprocess_exec(*venv)
    assert await made.wait() == 0


def answering(answer: str | None) -> Callable[[Editor], None]:
    def prepare(editor: Editor) -> None:
        editor.answer = lambda question: answer if "the Python of this folder" in question else None

    return prepare


async def ran_on(editor: Editor) -> str:
    await editor.generate(PROMPT, autoPatch=True, overwrite=True)
    assert (await editor.until(editor.finished))["outcome"] == "passed"
    return editor.event("TestsFinished")["report"]["ran_on"]


@pytest.mark.parametrize("profile", ["neovim-0.11", "kate-22.12"])
async def test_it_is_not_started_without_an_answer(
    start: StartEditor, root: Path, profile: str
) -> None:
    await with_environment(root)
    editor = await start(profile, prepare=answering(None))
    assert "is not used until you allow it" in await ran_on(editor)
    assert any("was not started" in message for message in editor.messages)


async def test_it_is_asked_about_once(start: StartEditor, root: Path) -> None:
    await with_environment(root)
    editor = await start("neovim-0.11", prepare=answering("Use it"))
    assert f"at {root}/.venv/bin/python" in await ran_on(editor)
    again = await start("neovim-0.11", prepare=answering(None))
    assert f"at {root}/.venv/bin/python" in await ran_on(again)
    assert not [question for question in again.questions if "Python of this folder" in question]
