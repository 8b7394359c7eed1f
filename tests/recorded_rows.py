"""Rows of a batch, each with the recording of its run, so that no model decides how they end."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path

from ml_coach.batch.budget import Grant
from ml_coach.batch.row_run import RowWork, RowWorker
from ml_coach.batch.rows import Row
from ml_coach.core.usage import Limits, Usage
from ml_coach.settings import Settings
from scripted_model import PROMPT, scripted_model


def write_rows(folder: Path, number: int) -> Path:
    """Writes so many rows, with ids from n0, and their recordings; returns the file of the rows.

    One run is recorded. The others differ from it by a word of their prompts.
    """
    first = f"{PROMPT} Number 0."
    transcript = asyncio.run(_record(first))
    rows = folder / "rows.jsonl"
    with rows.open("w", encoding="utf-8") as out:
        for n in range(number):
            prompt, file = f"{PROMPT} Number {n}.", folder / f"{n}.jsonl"
            file.write_text(transcript.replace(first, prompt), encoding="utf-8")
            row = {"id": f"n{n}", "prompt": prompt, "model": f"recorded:{file}"}
            out.write(json.dumps(row) + "\n")
    return rows


async def _record(prompt: str) -> str:
    """The transcript of one run with the scripted model."""
    async with scripted_model() as model:
        worker = RowWorker(Settings(model=model.model), 1)
        try:
            share = Grant(Limits(), Usage(), metered=False, is_whole=True)
            done = await worker.run(RowWork(Row(1, "n0", prompt), "", share))
        finally:
            await worker.aclose()
    assert done.result.outcome == "passed"
    return done.files["calls.jsonl"]
