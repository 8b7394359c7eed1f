from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest
from editor import Editor, make_editor

from scripted_model import ScriptedModel, scripted_model

StartEditor = Callable[..., Awaitable[Editor]]


@pytest.fixture
async def model() -> AsyncGenerator[ScriptedModel]:
    async with scripted_model() as playing:
        yield playing


@pytest.fixture
def root(tmp_path: Path) -> Path:
    folder = tmp_path / "project"
    folder.mkdir()
    return folder


@pytest.fixture
async def start(tmp_path: Path, root: Path, model: ScriptedModel) -> AsyncGenerator[StartEditor]:
    """Starts an editor of a profile with a server of its own; both are gone after the test."""
    editors: list[Editor] = []

    async def begin(profile: str = "vscode-1.139-languageclient-9", **more: Any) -> Editor:
        prepare = more.pop("prepare", lambda editor: None)
        editor = make_editor(root, profile, tmp_path / "state", model.model)
        prepare(editor)
        editors.append(editor)
        await editor.start(**more)
        return editor

    yield begin
    for editor in editors:
        editor.gone.set()
        if editor.process.returncode is None:
            editor.process.terminate()
            await asyncio.wait_for(editor.process.wait(), 10)
        await editor.client.stop()
