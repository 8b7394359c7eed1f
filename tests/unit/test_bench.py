"""`ml-coach bench` from inside: strategies on a small task, and the files of replies and rows."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncGenerator, Awaitable, Callable, Sequence
from contextlib import aclosing, nullcontext
from dataclasses import dataclass, field, replace
from pathlib import Path

import pytest
import pytest_asyncio

from ml_coach.batch.pools import Done, LocalPool, Lost, drained
from ml_coach.bench.grading import solves
from ml_coach.bench.reply_cache import CachingModel, ReplyCache
from ml_coach.bench.runner import Results, run_bench
from ml_coach.bench.strategies import Setup, StrategyName
from ml_coach.bench.table import Row, difference, stage_yields
from ml_coach.bench.task_worker import TaskDone, TaskWork, TaskWorker
from ml_coach.bench.tasks import Task, read_programs, read_solutions, read_tasks
from ml_coach.core.agents.concurrency import all_of
from ml_coach.core.errors import UnavailableError
from ml_coach.core.ports import Call, Ended, Message, Profile
from ml_coach.core.usage import Limits, Usage
from ml_coach.execution.executor import SandboxedExecutor
from unit.parts import ScriptedModel

pytestmark = pytest.mark.asyncio(loop_scope="module")

HIDDEN = "assert inc(41) == 42  # never shown"
TASK = Task(
    "Toy/1", "def inc(x):\n    \"\"\"Return x plus one.\"\"\"\n", "inc",
    ("assert inc(2) == 3",), HIDDEN, ("assert inc(-1) == 0",),
)  # fmt: skip
GOOD = "```python\ndef inc(x):\n    return x + 1\n```"
BAD = "```python\ndef inc(x):\n    return x + 2\n```"
TESTS = "assert inc(1) == 2\nassert inc(-1) == 0\nassert inc(5) == 6"
SAMPLING = Profile(edit_format="function", plans=False, candidates=4)


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def executor() -> AsyncGenerator[SandboxedExecutor]:
    executor = SandboxedExecutor()
    yield executor
    await executor.aclose()


def _new(folder: Path) -> Path:
    return folder / f"{len(list(folder.iterdir()))}.jsonl"


async def _rows(
    executor: SandboxedExecutor,
    strategy: StrategyName,
    coder: Sequence[str],
    folder: Path,
    task: Task = TASK,
    **setup: object,
) -> tuple[Row, ScriptedModel]:
    replies = {"coder": coder, "test_writer": [TESTS], "debugger": [GOOD]}
    model = ScriptedModel(replies, SAMPLING)
    rows: list[Row] = []
    results = setup.pop("results", None) or Results(_new(folder), {})
    cache = ReplyCache(_new(folder))
    worker = TaskWorker(nullcontext(Setup(model, executor, **setup)), cache, jobs=2)
    await worker.prepare()
    pool = LocalPool[TaskWork, TaskDone](worker, jobs=2)
    await run_bench([task], [strategy], pool, results, cache, finished=rows.append)
    return rows[0], model


async def test_one_shot_uses_the_first_reply(executor: SandboxedExecutor, tmp_path: Path) -> None:
    row, _ = await _rows(executor, "one-shot", [BAD], tmp_path)
    assert (row.solved, row.calls, row.tokens) == (False, 1, 15)


async def test_best_of_n_chooses_the_first_that_passes_the_given_tests(
    executor: SandboxedExecutor, tmp_path: Path
) -> None:
    row, _ = await _rows(executor, "best-of-n", [BAD, GOOD, BAD, BAD], tmp_path)
    assert (row.solved, row.solved_extended) == (True, True)
    assert row.stages == {"first": False, "final": True}
    assert row.calls == 4


async def test_majority_chooses_from_the_largest_group(
    executor: SandboxedExecutor, tmp_path: Path
) -> None:
    row, _ = await _rows(executor, "majority", [BAD, GOOD, GOOD, GOOD], tmp_path, given=False)
    assert row.solved
    assert row.calls == 4


async def test_the_loop_repairs_and_sees_no_hidden_test(
    executor: SandboxedExecutor, tmp_path: Path
) -> None:
    row, model = await _rows(executor, "loop", [BAD], tmp_path)
    assert row.outcome == "passed"
    assert row.stages == {"first": False, "chosen": False, "final": True}
    assert not any("never shown" in m.text for call in model.calls for m in call.messages)


async def test_a_first_reply_that_is_no_program_counts_as_one_that_fails(
    executor: SandboxedExecutor, tmp_path: Path
) -> None:
    row, _ = await _rows(executor, "loop", ["I cannot.", GOOD], tmp_path)
    assert row.stages == {"first": False, "chosen": True, "final": True}


async def test_a_part_can_be_left_out(executor: SandboxedExecutor, tmp_path: Path) -> None:
    row, model = await _rows(executor, "loop", [BAD], tmp_path, without=frozenset({"repair"}))
    assert (row.outcome, row.solved) == ("gave_up", False)
    assert "iteration" in row.reason
    assert "debugger" not in {call.purpose for call in model.calls}
    _, model = await _rows(
        executor, "loop", [BAD], tmp_path, without=frozenset({"candidates", "repair"})
    )
    assert [call.purpose for call in model.calls].count("coder") == 1


SCRIPT = "import sys\nprint(sys.argv[1].upper())\n"
RUNS_IT = """
import subprocess, sys
ran = subprocess.run([sys.executable, 'generated_code.py', 'a'], capture_output=True, text=True)
assert ran.stdout == 'A\\n', ran
"""
IMPORTS_IT = "import generated_code\nassert generated_code.inc(41) == 42"


@pytest.mark.parametrize(
    ("hidden", "right", "wrong"),
    [(RUNS_IT, SCRIPT, SCRIPT.replace("upper", "lower")), (IMPORTS_IT, GOOD, BAD)],
)
async def test_a_hidden_test_that_names_the_program_runs_beside_it(
    executor: SandboxedExecutor, hidden: str, right: str, wrong: str
) -> None:
    task = replace(TASK, hidden_test=hidden, entry_point="")
    programs = [code.removeprefix("```python\n").removesuffix("```") for code in (right, wrong)]
    graded = [await solves(executor, program, task) for program in programs]
    assert [solved for solved, _ in graded] == [True, False]


async def test_a_known_program_can_be_the_coders_reply(
    executor: SandboxedExecutor, tmp_path: Path
) -> None:
    known = "def inc(x):\n    return 1 + x\n"
    row, model = await _rows(executor, "loop", [BAD], tmp_path, known_programs={TASK.id: known})
    assert (row.solved, row.program) == (True, known)
    assert "coder" not in {call.purpose for call in model.calls}


async def test_the_limits_of_a_task_hold(executor: SandboxedExecutor, tmp_path: Path) -> None:
    row, _ = await _rows(executor, "loop", [BAD], tmp_path, limits=Limits(calls=2))
    assert (row.outcome, row.calls) == ("gave_up", 2)
    assert "limit of 2 model calls" in row.reason


async def test_a_bench_continues_where_it_stopped(
    executor: SandboxedExecutor, tmp_path: Path
) -> None:
    file = tmp_path / "rows.jsonl"
    asked = {"model": "scripted:test"}
    await _rows(executor, "one-shot", [GOOD], tmp_path, results=Results(file, asked))
    with file.open("a") as out:
        out.write('{"task": "Toy/2", "stra')  # An interruption.
    again = Results(file, asked)
    assert [row.task for row in again.of("one-shot")] == ["Toy/1"]
    with pytest.raises(ValueError, match="other settings"):
        Results(file, {"model": "another"})


@dataclass
class Nodes:
    """A pool of a worker on each node. `losses` are tasks at which one is lost, and comes back."""

    workers: Sequence[TaskWorker]
    losses: list[str] = field(default_factory=list)

    async def run(
        self, take: Callable[[], Awaitable[TaskWork | None]]
    ) -> AsyncGenerator[Done[TaskWork, TaskDone], None]:
        done: asyncio.Queue[Done[TaskWork, TaskDone] | None] = asyncio.Queue()

        async def node(worker: TaskWorker) -> None:
            await worker.prepare()
            while (item := await take()) is not None:
                result = Lost("the node is gone") if item.task.id in self.losses else None
                if result:
                    self.losses.remove(item.task.id)
                done.put_nowait(Done(item, result or await worker.run(item), "a node"))

        async def work() -> None:
            await all_of(*map(node, self.workers))
            done.put_nowait(None)

        async for one in drained(work, done):
            yield one

    async def aclose(self) -> None:
        pass


async def test_a_task_whose_node_is_lost_is_tried_once_more(
    executor: SandboxedExecutor, tmp_path: Path
) -> None:
    setup = Setup(ScriptedModel({"coder": [GOOD]}), executor)
    tasks = [replace(TASK, id=f"Toy/{n}", prompt=f"{TASK.prompt}# {n}\n") for n in range(3)]
    worker = TaskWorker(nullcontext(setup), ReplyCache(), jobs=1)
    results, cache = Results(tmp_path / "rows.jsonl", {}), ReplyCache(tmp_path / "replies.jsonl")

    async def bench(pool: Nodes) -> list[str]:
        return await run_bench(tasks, ["one-shot"], pool, results, cache, finished=lambda row: None)

    given_up = await bench(Nodes([worker], ["Toy/0", "Toy/1", "Toy/1"]))
    assert given_up == ["Toy/1 one-shot: the node is gone"]
    found = {row.task: (row.attempts, row.node) for row in results.of("one-shot")}
    assert found == {"Toy/0": (2, "a node"), "Toy/2": (1, "a node")}
    assert await bench(Nodes([])) == ["Toy/1 one-shot: no node is left"]
    assert await bench(Nodes([worker])) == []
    assert len(results.rows) == 3


async def test_nothing_is_drawn_twice_on_any_nodes(
    executor: SandboxedExecutor, tmp_path: Path
) -> None:
    model = ScriptedModel({"coder": [GOOD]})
    tasks = [replace(TASK, id=f"Toy/{n}") for n in range(4)]
    workers = [TaskWorker(nullcontext(Setup(model, executor)), ReplyCache(), 1) for _ in range(2)]
    results, cache = Results(tmp_path / "rows.jsonl", {}), ReplyCache(tmp_path / "replies.jsonl")
    await run_bench(tasks, ["one-shot"], Nodes(workers), results, cache, finished=lambda row: None)
    assert len(results.rows) == 4
    assert len(model.calls) == len(cache.of(model.name)) == 1
    assert ReplyCache(tmp_path / "replies.jsonl").of(model.name) == cache.of(model.name)
    assert cache.of("another") == {}


async def test_a_program_is_debugged_until_it_passes_the_given_tests(
    executor: SandboxedExecutor, tmp_path: Path
) -> None:
    wrong = replace(TASK, program="def inc(x):\n    return x + 2\n")
    row, model = await _rows(executor, "loop", [GOOD], tmp_path, wrong)
    assert row.stages == {"first": False, "chosen": False, "final": True}
    assert row.program == "def inc(x):\n    return x + 1\n"
    # The coder writes it anew for a second look.
    assert {call.purpose for call in model.calls} == {"debugger", "coder"}
    right = replace(TASK, program="def inc(x):\n    return 1 + x\n")
    row, model = await _rows(executor, "loop", [GOOD], tmp_path, right)
    assert row.program == right.program
    assert {call.purpose for call in model.calls} == {"coder"}


async def test_programs_of_other_tasks_are_left_out(tmp_path: Path) -> None:
    file = tmp_path / "programs.jsonl"
    lines = [
        {"source": "gpt", "task_id": "Toy/1", "code": "a"},
        {"source": "llama", "task_id": "Toy/1", "code": "b"},
        {"source": "gpt", "task_id": "Other/1", "code": "c"},
    ]
    file.write_text("\n".join(json.dumps(line) for line in lines))
    found = read_programs(file, [TASK])
    assert [(task.id, task.program) for task in found] == [("Toy/1 gpt", "a"), ("Toy/1 llama", "b")]
    file.write_text('{"task_id": "Toy/1"}')
    with pytest.raises(ValueError, match="line 1, is not a program"):
        read_programs(file, [TASK])


def _call(**fields: object) -> Call:
    return Call("coder", (Message("user", "inc"),), **fields)


async def _reply(model: CachingModel, call: Call) -> tuple[str, Ended]:
    pieces: list[str] = []
    async with aclosing(model.stream(call)) as stream:
        async for piece in stream:
            if isinstance(piece, Ended):
                return "".join(pieces), piece
            pieces.append(piece)
    raise AssertionError("no end")


async def test_replies_are_cached_with_their_cost(tmp_path: Path) -> None:
    file = tmp_path / "replies.jsonl"
    first = CachingModel(ScriptedModel({"coder": [GOOD, BAD]}), ReplyCache(file))
    assert (await _reply(first, _call()))[0] == GOOD
    assert (await _reply(first, _call(temperature=0.8, seed=1)))[0] == BAD
    with file.open("a") as out:
        out.write('{"key": "cut o')  # An interruption.
    later = CachingModel(ScriptedModel({"coder": ["something else"]}), ReplyCache(file))
    # At temperature 0 the seed makes no difference.
    text, ended = await _reply(later, _call(seed=7))
    assert (text, ended.usage) == (GOOD, Usage(calls=1, prompt_tokens=10, completion_tokens=5))
    assert later.hits == 1
    assert (await _reply(later, _call(temperature=0.8, seed=2)))[0] == "something else"
    assert later.hits == 1


async def test_a_cache_of_an_earlier_version_still_answers(tmp_path: Path) -> None:
    """Earlier versions wrote a `schema` into each key, which was always null."""
    file = tmp_path / "replies.jsonl"
    model = ScriptedModel({"coder": [GOOD]})
    await _reply(CachingModel(model, ReplyCache(file)), _call())
    line = file.read_text()
    earlier = line.replace('\\"seed\\"', '\\"schema\\": null, \\"seed\\"')
    assert earlier != line
    file.write_text(earlier)
    later = CachingModel(model, ReplyCache(file))
    assert (await _reply(later, _call()))[0] == GOOD
    assert later.hits == 1


async def test_a_call_may_take_longer_when_tasks_share_the_model(tmp_path: Path) -> None:
    model = ScriptedModel({"coder": [GOOD]})
    await _reply(CachingModel(model, ReplyCache(tmp_path / "replies.jsonl"), sharing=8), _call())
    assert model.calls[0].timeout_seconds == 8 * _call().timeout_seconds


async def test_a_failure_is_not_cached(tmp_path: Path) -> None:
    model = ScriptedModel({"coder": [UnavailableError("gone"), GOOD]})
    caching = CachingModel(model, ReplyCache(tmp_path / "replies.jsonl"))
    with pytest.raises(UnavailableError):
        await _reply(caching, _call())
    assert (await _reply(caching, _call()))[0] == GOOD


def _row(task: str, strategy: str, *, solved: bool, **stages: bool) -> Row:
    return Row(task, strategy, solved, solved, 1, 10, 1.0, stages=stages)


async def test_stage_yields_count_the_tasks_that_changed() -> None:
    rows = [
        _row("1", "loop", solved=True, first=False, chosen=True, final=True),
        _row("2", "loop", solved=False, first=True, chosen=False, final=False),
        _row("3", "loop", solved=True, first=True, chosen=True, final=True),
    ]
    assert stage_yields(rows) == {"first → chosen": (1, 1), "chosen → final": (0, 0)}


async def test_the_interval_contains_the_difference() -> None:
    ours = [_row(str(n), "loop", solved=n % 4 != 0) for n in range(80)]
    theirs = [_row(str(n), "one-shot", solved=n % 2 != 0) for n in range(80)]
    points, low, high = difference(ours, theirs)
    assert points == 25.0
    assert 10 < low < points < high < 40
    assert difference(ours[::-1], theirs) == (points, low, high)
    assert difference(ours, ours) == (0.0, 0.0, 0.0)


async def test_a_line_that_is_no_task_is_named(tmp_path: Path) -> None:
    file = tmp_path / "tasks.jsonl"
    file.write_text(json.dumps({"task_id": "1"}) + "\n")
    with pytest.raises(ValueError, match=r"line 1 \(1\), is not a task: prompt is missing"):
        read_tasks(file)


@pytest.mark.parametrize(
    ("field", "value", "said"),
    [
        ("public_tests", "assert f() == 1", "public_tests must be a list of texts, not str"),
        ("extended_tests", [1], "extended_tests must be a list of texts, but not all"),
        ("hidden_test", ["assert f()"], "hidden_test must be a text, not list"),
        ("entry_point", None, "entry_point must be a text, not NoneType"),
    ],
)
async def test_a_field_of_a_wrong_type_is_named_with_its_row(
    tmp_path: Path, field: str, value: object, said: str
) -> None:
    row = {"task_id": "T/7", "prompt": "p", "entry_point": "f", "hidden_test": "", field: value}
    file = tmp_path / "tasks.jsonl"
    file.write_text(json.dumps(row) + "\n")
    with pytest.raises(ValueError, match=rf"line 1 \(T/7\), is not a task: {said}"):
        read_tasks(file)


async def test_solutions_are_read_by_task(tmp_path: Path) -> None:
    file = tmp_path / "solutions.jsonl"
    file.write_text(json.dumps({"task_id": "T/7", "solution": "x = 1\n"}) + "\n")
    assert read_solutions(file) == {"T/7": "x = 1\n"}
    file.write_text(json.dumps({"task_id": "T/7", "solution": 3}) + "\n")
    with pytest.raises(ValueError, match="line 1, is not a solution"):
        read_solutions(file)
