"""No program reaches the process that holds the local model, though it is the same user's."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from ml_coach.core.types import Program
from ml_coach.execution.executor import SandboxedExecutor
from ml_coach.models.local import LocalModels
from ml_coach.models.profiles import profile_of
from tiny_gguf import tiny_model

PROGRAM = """
import socket

reached = []
for what, path in {paths}.items():
    try:
        if what == "record":
            open(path).read()
        else:
            socket.socket(socket.AF_UNIX).connect(path)
    except OSError:
        continue
    reached.append(what)
raise RuntimeError("reached: " + ", ".join(reached))
"""


@pytest.fixture
async def paths(tmp_path: Path) -> AsyncIterator[dict[str, str]]:
    """Where a model process that is at work can be found."""
    weights = tmp_path / "tiny.gguf"
    weights.write_bytes(tiny_model())
    models = LocalModels(daemons=tmp_path, idle_seconds=0.5)
    model = models.model(str(weights), profile_of(f"local:{weights}"))
    _, address = await model._open().ready()
    (record,) = (tmp_path / "daemons").glob("*.json")
    daemon = json.loads(record.read_text())["address"]
    sockets = {"daemon": daemon, "llama.cpp": address}
    found = {what: place.removeprefix("unix://") for what, place in sockets.items()}
    yield {"record": str(record), **found}
    await model.aclose()


@pytest.mark.parametrize(
    ("level", "reached"),
    [
        ("namespaces", ""),
        ("bubblewrap", ""),
        ("landlock", ""),
        ("weak", "record, daemon, llama.cpp"),  # So it can be reached where nothing contains it.
    ],
)
async def test_no_program_reaches_it(level: str, reached: str, paths: dict[str, str]) -> None:
    executor = SandboxedExecutor(only_level=level, allow_weak=level == "weak")
    try:
        program = Program(PROGRAM.format(paths=paths))
        (finding,) = await executor.inspect(program, {}, timeout_seconds=30)
    finally:
        await executor.aclose()
    assert finding.message.endswith(f"reached: {reached}"), finding
