"""`ml-coach batch` and `ml-coach report` as users run them: real processes, a scripted model."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import sys
from collections.abc import AsyncGenerator
from dataclasses import dataclass
from pathlib import Path

import psutil
import pytest_asyncio

from ml_coach.batch.results import RowResult, is_batch, read_results
from scripted_model import PROMPT, RIGHT, ScriptedModel, scripted_model

ROWS = 8
KEY = "sk-a-key-that-nobody-may-see"
OWN_TESTS = "from generated_code import add\n\n\ndef test_add():\n    assert add(1, 2) == 3\n"


@dataclass
class Batch:
    """A folder with rows, and the commands on it."""

    folder: Path
    model: ScriptedModel

    @property
    def out(self) -> Path:
        return self.folder / "out"

    def write(self, *rows: object) -> None:
        text = "".join(json.dumps(row) + "\n" for row in rows)
        (self.folder / "rows.jsonl").write_text(text, encoding="utf-8")

    async def start(self, *arguments: str) -> asyncio.subprocess.Process:
        environment = {name: os.environ[name] for name in ("PATH", "LANG") if name in os.environ}
        home = {"HOME": str(self.folder), "XDG_STATE_HOME": str(self.folder / "state")}
        return await asyncio.create_subprocess_exec(
            sys.executable, "-m", "ml_coach", *arguments, cwd=self.folder,
            env=environment | home | {"COLUMNS": "200", "OPENAI_API_KEY": KEY},
            stdin=asyncio.subprocess.DEVNULL, stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.STDOUT,
        )  # fmt: skip

    async def run(self, *more: str) -> tuple[int, str]:
        process = await self.start(
            "batch", "rows.jsonl", "-o", "out", "-m", self.model.model, *more
        )
        out, _ = await process.communicate()
        return process.returncode or 0, out.decode()

    def lines(self) -> list[RowResult]:
        return read_results(self.out)


@pytest_asyncio.fixture
async def batch(tmp_path: Path) -> AsyncGenerator[Batch]:
    async with scripted_model() as model:
        yield Batch(tmp_path, model)


async def test_each_row_leaves_a_line_and_a_folder(batch: Batch) -> None:
    given = {"id": "with tests", "prompt": PROMPT, "tests": ["assert add(20, 2) == 22"]}
    wrong = {"generated_code.py": RIGHT.replace("+", "-")}
    own = {"id": "own", "prompt": PROMPT, "files": wrong, "tests": OWN_TESTS}
    batch.write(given, own, {"promt": "x"})
    code, said = await batch.run("--jobs", "2")
    assert code == 2, said
    first, second, third = batch.lines()
    assert [line.outcome for line in (first, second, third)] == ["passed", "passed", "error"]
    assert "line 3, 'promt': there is no such field" in said
    assert "passed" in said.splitlines()[-5]
    for line in (first, second):
        folder = batch.out / line.folder
        assert (folder / "generated_code.py").read_text(encoding="utf-8") == RIGHT
        assert (
            json.loads((folder / "report.json").read_text(encoding="utf-8"))["outcome"] == "passed"
        )
        assert (folder / "calls.jsonl").is_file()
    suite = (batch.out / first.folder / "test_generated.py").read_text(encoding="utf-8")
    assert "assert add(20, 2) == 22" in suite
    assert (batch.out / second.folder / "test_generated.py").read_text("utf-8") == OWN_TESTS
    assert f"Bearer {KEY}" in batch.model.authorizations
    files = [file for file in batch.folder.rglob("*") if file.is_file()]
    assert not [file for file in files if KEY.encode() in file.read_bytes()]

    batch.model.forget()
    code, said = await batch.run("--jobs", "2")
    assert (code, batch.model.asked) == (2, [])
    assert "2 rows of 3 done before" in said

    process = await batch.start("report", "out", "-o", "page.html")
    assert await process.wait() == 0
    page = (batch.folder / "page.html").read_text(encoding="utf-8")
    assert "with tests" in page
    assert "+    return a + b" in page


async def _stopped(batch: Batch, *signals: signal.Signals) -> tuple[int | None, str]:
    """Sends signals to a batch of `ROWS` that has some rows done and waits for its model; what it
    ended with and said."""
    # So many that some are left however late it is noticed that the first one is done.
    batch.write(*({"prompt": f"{PROMPT} Number {n}."} for n in range(ROWS)))
    process = await batch.start("batch", "rows.jsonl", "-o", "out", "-m", batch.model.model)
    async with asyncio.timeout(200):
        while not (is_batch(batch.out) and batch.lines()):  # noqa: ASYNC110 - another process's
            await asyncio.sleep(0.05)
        batch.model.held = {"coder"}  # Held at the debugger, a row would ask no coder again.
        batch.model.forget()
        await batch.model.was_asked("coder")
        children = psutil.Process(process.pid).children(recursive=True)
        for number in signals:
            process.send_signal(number)
        out, _ = await process.communicate()
        # A second signal lets nothing be tidied up; what it leaves behind notices that and ends.
        await asyncio.to_thread(psutil.wait_procs, children, timeout=20)
    assert not [child for child in children if child.is_running()]
    batch.model.held = set()
    batch.model.release.set()
    return process.returncode, out.decode()


async def _goes_on(batch: Batch, done: list[RowResult]) -> None:
    code, _ = await batch.run()
    assert code == 0
    assert batch.lines()[: len(done)] == done
    assert [line.outcome for line in batch.lines()] == ["passed"] * ROWS


async def test_ctrl_c_keeps_what_is_done_and_says_how_to_go_on(batch: Batch) -> None:
    code, said = await _stopped(batch, signal.SIGINT)
    done = batch.lines()
    assert code == 130
    assert f"the same command again runs the other {ROWS - len(done)}." in said
    await _goes_on(batch, done)


async def test_a_second_ctrl_c_ends_a_batch_at_once_and_loses_nothing(batch: Batch) -> None:
    # Two that differ, because equal signals that follow each other at once may arrive as one.
    code, said = await _stopped(batch, signal.SIGINT, signal.SIGTERM)
    done = batch.lines()
    assert code == 130
    assert "Traceback" not in said
    assert done
    await _goes_on(batch, done)


async def test_a_budget_that_is_reached_is_told(batch: Batch) -> None:
    batch.write(*({"prompt": f"{PROMPT} Number {n}."} for n in range(3)))
    code, said = await batch.run("--total-calls", "5")
    assert code == 1
    assert sum(line.calls for line in batch.lines()) <= 5
    assert batch.lines()[-1].outcome == "not_run"
    assert "The batch's budget is used up" in said


async def test_what_cannot_hold_is_refused(batch: Batch) -> None:
    batch.write({"prompt": PROMPT})
    code, said = await batch.run("--total-cost", "1")
    assert code == 2
    assert "is not known, so --total-cost cannot hold" in said
    code, said = await batch.run("--send-keys")
    assert code == 2
    assert "--send-keys is for --ray" in said
