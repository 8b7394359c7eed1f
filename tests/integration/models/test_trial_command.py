"""`ml-coach models --try` as a process, against a server that plays a model."""

from __future__ import annotations

import asyncio
import os
import sys
from asyncio.subprocess import DEVNULL, PIPE
from pathlib import Path

from scripted_model import scripted_model


async def test_five_tasks_are_told_one_by_one(tmp_path: Path) -> None:
    async with scripted_model() as model:
        model.replies["coder"] = (
            "```python\ndef chunks(items, size):\n"
            "    return [items[n:n + size] for n in range(0, len(items), size)]\n```\n"
        )
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "ml_coach", "models", "--try", model.model),
            stdin=DEVNULL,
            stdout=PIPE,
            stderr=PIPE,
            env=os.environ | {"XDG_STATE_HOME": str(tmp_path), "ML_COACH_REPLY_PRICE": "100"},
        )
        out, err = await process.communicate()
    told = out.decode()
    assert process.returncode == 0, err.decode()
    assert "solved  a repair:" in told
    assert told.count("failed  ") == 4
    assert "1 of 5 solved" in told
    assert "Most of its runs will not pass" in told
    assert "and costs $0." in told
