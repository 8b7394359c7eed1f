from __future__ import annotations

from collections.abc import AsyncGenerator
from pathlib import Path

import pytest
from agent_place import Place

from ml_coach.app import App
from scripted_model import scripted_model


@pytest.fixture
async def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncGenerator[Place]:
    async with scripted_model() as model:
        for name in ("work", "elsewhere"):
            (tmp_path / name).mkdir()
        found = Place(
            tmp_path / "work", tmp_path / "elsewhere", tmp_path / "home" / "ml-coach", model
        )
        for name, value in found.environment().items():
            monkeypatch.setenv(name, value)
        monkeypatch.delenv("VIRTUAL_ENV", raising=False)
        yield found


@pytest.fixture
async def app(place: Place) -> AsyncGenerator[App]:
    found = App(state=place.state)
    yield found
    await found.aclose()
