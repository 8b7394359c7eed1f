"""What the command says about models, as a process."""

from __future__ import annotations

import asyncio
import os
import sys
from asyncio.subprocess import DEVNULL, PIPE
from pathlib import Path

from ml_coach.models.registry import Access, default_choice
from scripted_model import scripted_model


async def run(*arguments: str, state: Path, **more: str) -> tuple[int, str, str]:
    keep = {name: os.environ[name] for name in ("PATH", "HOME") if name in os.environ}
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "ml_coach", *arguments),
        stdin=DEVNULL,
        stdout=PIPE,
        stderr=PIPE,
        env=keep | {"XDG_STATE_HOME": str(state), "COLUMNS": "300"} | more,
        cwd=state,
    )
    out, err = await process.communicate()
    return process.returncode or 0, out.decode(), err.decode()


async def test_five_tasks_are_told_one_by_one(tmp_path: Path) -> None:
    async with scripted_model() as model:
        model.replies["coder"] = (
            "```python\ndef chunks(items, size):\n"
            "    return [items[n:n + size] for n in range(0, len(items), size)]\n```\n"
        )
        code, told, err = await run(
            "models", "--try", model.model, state=tmp_path, ML_COACH_REPLY_PRICE="100"
        )
    assert code == 0, err
    assert "solved  a repair:" in told
    assert told.count("failed  ") == 4
    assert "1 of 5 solved" in told
    assert "Most of its runs will not pass" in told
    assert "and costs $0." in told


async def test_a_model_that_cannot_be_asked_is_one_line(tmp_path: Path) -> None:
    code, _, err = await run("models", "--try", "openai:m@http://127.0.0.1:9/v1", state=tmp_path)
    assert code == 4
    assert "cannot be reached" in err
    assert "Traceback" not in err


async def test_the_choice_of_the_model_and_its_reason_are_told_once(tmp_path: Path) -> None:
    """The weights are not there, so that each run ends before it would load them."""
    name, reason = default_choice(Access())
    nowhere = {"ML_COACH_WEIGHTS": str(tmp_path / "nowhere.gguf")}
    _, first, _ = await run("generate", "Write f().", state=tmp_path, **nowhere)
    assert f"{name}: {reason}" in first
    _, second, _ = await run("generate", "Write f().", state=tmp_path, **nowhere)
    assert reason not in second
    named = {"ML_COACH_MODEL": name, "XDG_STATE_HOME": str(tmp_path / "other")}
    _, third, _ = await run("generate", "Write f().", state=tmp_path, **nowhere, **named)
    assert reason not in third


async def test_the_list_says_what_fits_and_why_the_default_is_what_it_is(tmp_path: Path) -> None:
    _, told, _ = await run("models", state=tmp_path)
    name, reason = default_choice(Access())
    assert f"The default is {name}: {reason}." in told
    assert "tokens/s here" in told
    for known in ("7b", "14b", "32b"):
        assert f"local:qwen2.5-coder-{known}" in told
