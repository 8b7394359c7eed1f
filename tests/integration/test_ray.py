"""`ml-coach batch` and `bench` with `--ray` on a real cluster: a head and two nodes as processes.

Their prompts are recorded, so that no model decides how the runs end.
"""

from __future__ import annotations

import asyncio
import importlib.util
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Generator
from pathlib import Path
from typing import Any

import psutil
import pytest

from ml_coach import __file__ as package
from ml_coach.batch.results import is_batch, read_results
from ray_cluster import Cluster, end, ray_cluster
from recorded_rows import write_rows
from scripted_model import PROMPT, scripted_model

pytestmark = [
    pytest.mark.skipif(importlib.util.find_spec("ray") is None, reason="Ray is not installed"),
    pytest.mark.timeout(900),
]
KEY = "sk-a-key-that-no-file-may-hold"
ROWS = 40
TASKS = 6
SECONDS = 600


@pytest.fixture(scope="module")
def cluster() -> Generator[Cluster]:
    with ray_cluster(2) as cluster:
        yield cluster


@pytest.fixture(scope="module")
def recorded(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with rows.jsonl: 40 prompts, each with the recording of its run."""
    folder = tmp_path_factory.mktemp("recorded")
    write_rows(folder, ROWS)
    return folder


def _start(cluster: Cluster, rows: Path, out: Path, *more: str) -> subprocess.Popen[str]:
    return _command(out.parent, "batch", str(rows), "-o", str(out), "--ray", cluster.address, *more)


def _command(folder: Path, *arguments: str) -> subprocess.Popen[str]:
    environment = os.environ | {"XDG_STATE_HOME": str(folder / "state"), "OPENAI_API_KEY": KEY}
    return subprocess.Popen(
        [sys.executable, "-m", "ml_coach", *arguments],
        cwd=folder, env=environment, text=True, stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
    )  # fmt: skip


def _write_tasks(folder: Path, number: int) -> None:
    """Writes tasks.jsonl with so many tasks for the scripted model."""
    tasks = [
        {
            "task_id": f"sums/{n}", "prompt": f"{PROMPT} Number {n}.", "entry_point": "add",
            "public_tests": [f"assert add({n}, 2) == {n + 2}"],
            "hidden_test": "assert add(2, 3) == 5",
        }
        for n in range(number)
    ]  # fmt: skip
    text = "".join(json.dumps(task) + "\n" for task in tasks)
    (folder / "tasks.jsonl").write_text(text, encoding="utf-8")


def _same(report: Path) -> list[dict[str, Any]]:
    """A report's rows, without what depends on where they were made and on how fast that was."""
    rows = json.loads(report.read_text(encoding="utf-8"))["rows"]
    rows.sort(key=lambda row: (row["strategy"], row["task"]))
    return [{k: v for k, v in row.items() if k not in ("node", "seconds")} for row in rows]


def _keys(replies: Path) -> list[str]:
    lines = replies.read_text(encoding="utf-8").splitlines()
    return sorted(json.loads(line)["key"] for line in lines)


async def test_a_bench_on_nodes_gives_the_rows_and_replies_that_it_gives_here(
    cluster: Cluster, tmp_path: Path
) -> None:
    _write_tasks(tmp_path, TASKS)
    asked: list[int] = []

    async def bench(name: str, *more: str) -> None:
        async with asyncio.timeout(SECONDS):
            process = _command(
                tmp_path, "bench", "tasks.jsonl", "--versus", "one-shot", "-m", model.model,
                "-o", f"{name}.json", *more,
            )  # fmt: skip
            said, _ = await asyncio.to_thread(process.communicate)
        assert process.returncode == 0, said
        asked.append(len(model.asked))
        model.forget()

    nodes = ("--ray", cluster.address)
    async with scripted_model() as model:
        await bench("here", "--jobs", "2")
        await bench("nodes", *nodes)
        await bench("known", *nodes, "--replies", "here.replies.jsonl")
    here = _same(tmp_path / "here.json")
    assert len(here) == 2 * TASKS
    assert {row["outcome"] for row in here if row["strategy"] == "loop"} == {"passed"}
    assert _same(tmp_path / "nodes.json") == here
    assert _same(tmp_path / "known.json") == here
    rows = json.loads((tmp_path / "nodes.json").read_text(encoding="utf-8"))["rows"]
    assert len({row["node"] for row in rows}) == 2
    drawn = _keys(tmp_path / "here.replies.jsonl")
    assert _keys(tmp_path / "nodes.replies.jsonl") == drawn
    assert asked == [len(drawn), len(drawn), 0]


async def test_a_bench_goes_on_where_ctrl_c_ended_it(cluster: Cluster, tmp_path: Path) -> None:
    _write_tasks(tmp_path, TASKS)
    rows, replies = tmp_path / "bench.rows.jsonl", tmp_path / "bench.replies.jsonl"

    def done() -> list[str]:
        text = rows.read_text(encoding="utf-8") if rows.exists() else ""
        return [json.loads(line)["task"] for line in text.splitlines()[1:]]

    def start() -> subprocess.Popen[str]:
        command = ("bench", "tasks.jsonl", "--ray", cluster.address, "-m", model.model)
        return _command(tmp_path, *command)

    async with scripted_model() as model, asyncio.timeout(SECONDS):
        bench = start()
        while not done():  # noqa: ASYNC110 - by another process
            await asyncio.sleep(0.05)
        model.held = {"coder"}
        model.forget()
        await model.was_asked("coder")
        bench.send_signal(signal.SIGINT)
        said, _ = await asyncio.to_thread(bench.communicate)
        assert bench.returncode == 130, said
        kept, known = done(), set(_keys(replies))
        assert kept
        model.held = set()
        model.release.set()
        bench = start()
        said, _ = await asyncio.to_thread(bench.communicate)
        assert bench.returncode == 0, said
    assert done()[: len(kept)] == kept
    assert sorted(done()) == [f"sums/{n}" for n in range(TASKS)]
    assert known < set(_keys(replies))
    assert len(set(_keys(replies))) == len(_keys(replies))


def _holds_key(folder: Path) -> list[Path]:
    files = [file for file in folder.rglob("*") if file.is_file()]
    return [file for file in files if KEY.encode() in file.read_bytes()]


@pytest.mark.parametrize("sent", [True, False])
async def test_keys_travel_only_where_the_user_says_so(
    cluster: Cluster, tmp_path: Path, *, sent: bool
) -> None:
    rows = tmp_path / "rows.jsonl"
    rows.write_text(json.dumps({"prompt": PROMPT}) + "\n", encoding="utf-8")
    flags = ["--send-keys"] if sent else []
    async with scripted_model() as model:
        model.held = {"coder"}
        batch = _start(cluster, rows, tmp_path / "out", "-m", model.model, *flags)
        async with asyncio.timeout(SECONDS):
            while not model.asked:  # noqa: ASYNC110 - by another process
                await asyncio.sleep(0.1)
        every = [" ".join(p.info["cmdline"] or ()) for p in psutil.process_iter(["cmdline"])]
        model.release.set()
        said, _ = await asyncio.to_thread(batch.communicate)
        assert batch.returncode == 0, said
        assert (f"Bearer {KEY}" in model.authorizations) == sent
    assert KEY not in " ".join([said, *every])
    assert not _holds_key(tmp_path)
    assert not _holds_key(cluster.folder)


def test_a_node_is_lost_and_no_row(cluster: Cluster, recorded: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    batch = _start(cluster, recorded / "rows.jsonl", out)
    begun = time.monotonic()
    while not is_batch(out) or len({row.node for row in read_results(out)}) < 2:
        assert time.monotonic() - begun < SECONDS
        time.sleep(0.1)
    end(cluster.processes[-1])
    said, _ = batch.communicate(timeout=SECONDS)
    assert batch.returncode == 0, said
    lines = (out / "results.jsonl").read_text(encoding="utf-8").splitlines()
    assert len(lines) == ROWS
    results = read_results(out)
    assert [row.id for row in results] == [f"n{n}" for n in range(ROWS)]
    assert {row.outcome for row in results} == {"passed"}
    assert [row.attempts for row in results].count(2) == 1
    assert "is lost; the others go on." in said
    for row in results:  # The logs came home.
        assert "RunFinished" in (out / row.folder / "events.jsonl").read_text(encoding="utf-8")


def test_a_node_with_another_version_ends_the_command(cluster: Cluster, tmp_path: Path) -> None:
    other = tmp_path / "other" / "ml_coach" / "__init__.py"
    other.parent.mkdir(parents=True)
    real = str(Path(package).parent)
    other.write_text(f"__version__ = '99.0'\n__path__ = [{real!r}]\n", encoding="utf-8")
    node = cluster.start_node(PYTHONPATH=str(tmp_path / "other"))
    rows = tmp_path / "rows.jsonl"
    rows.write_text(json.dumps({"prompt": PROMPT}) + "\n", encoding="utf-8")
    out = tmp_path / "out"
    batch = _start(cluster, rows, out, "-m", "openai:none@http://127.0.0.1:9/v1")
    said, _ = batch.communicate(timeout=SECONDS)
    end(node)
    assert batch.returncode == 4, said
    assert "has 99.0. Install the same version on each node." in said
    assert read_results(out) == []


def test_no_cluster_is_a_sentence(tmp_path: Path) -> None:
    rows = tmp_path / "rows.jsonl"
    rows.write_text(json.dumps({"prompt": PROMPT}) + "\n", encoding="utf-8")
    nowhere = Cluster("127.0.0.1:9", tmp_path)
    batch = _start(nowhere, rows, tmp_path / "out", "-m", "openai:none@http://127.0.0.1:9/v1")
    said, _ = batch.communicate(timeout=SECONDS)
    assert batch.returncode == 4
    assert "There is no Ray cluster at 127.0.0.1:9" in said
    assert "Traceback" not in said
