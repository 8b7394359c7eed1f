"""`ml-coach batch` from inside: rows, the budget of the whole, and the lines that it leaves."""

from __future__ import annotations

import asyncio
import io
import json
import random
from collections.abc import AsyncGenerator, Awaitable, Callable
from dataclasses import dataclass, field, replace
from pathlib import Path

import pytest
from rich.console import Console

from ml_coach.batch.budget import BatchLimits, Budget, Grant, MeteredModel
from ml_coach.batch.pools import Done, Lost
from ml_coach.batch.results import OutInUse, Results, RowResult, read_results
from ml_coach.batch.row_run import RowDone, RowWork
from ml_coach.batch.rows import BadRow, Row, read_rows
from ml_coach.batch.running import Batch, run_batch
from ml_coach.cli.batch_view import BatchView
from ml_coach.core.agents.model_client import Price
from ml_coach.core.errors import BudgetSpent
from ml_coach.core.ports import Call, Ended, Message, Profile
from ml_coach.core.usage import Limits, Usage

NO_LIMITS = BatchLimits()
PROGRAM = "generated_code.py"
PYTEST_FILE = "from generated_code import f\n\n\ndef test_f():\n    assert f(1) == 2\n"


def _read(folder: Path, *lines: object) -> list[Row | BadRow]:
    file = folder / "rows.jsonl"
    texts = (line if isinstance(line, str) else json.dumps(line) for line in lines)
    file.write_text("\n".join(texts), encoding="utf-8")
    return read_rows(file, PROGRAM)


def test_json_lines_become_rows_with_ids(tmp_path: Path) -> None:
    (tmp_path / "shop.py").write_text("RATE = 2\n", encoding="utf-8")
    rows = _read(
        tmp_path, {"prompt": "one"}, "", {"prompt": "two", "id": 7, "model": "local:x"},
        {"prompt": "three", "files": ["shop.py"], 
         "tests": ["assert f(1) == 2", "assert f(2) == 3"]},
        {"prompt": "four", "files": {PROGRAM: "f = 1\n"}, "tests": PYTEST_FILE},
    )  # fmt: skip
    assert rows == [
        Row(1, "row-1", "one"),
        Row(3, "7", "two", model="local:x"),
        Row(4, "row-4", "three", {"shop.py": "RATE = 2\n"}, "assert f(1) == 2\nassert f(2) == 3"),
        Row(5, "row-5", "four", {PROGRAM: "f = 1\n"}, PYTEST_FILE),
    ]
    assert [row.asserts for row in rows if isinstance(row, Row)] == [
        (), (), ("assert f(1) == 2", "assert f(2) == 3"), (),
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("line", "says"),
    [
        ("{", "line 2: the line is not JSON"),
        ("[1]", "line 2: no JSON object"),
        ({"id": "a"}, "line 2, prompt: it is missing or empty"),
        ({"prompt": 3}, "line 2, prompt: it must be a text, not a number"),
        ({"prompt": "\ud800"}, "line 2, prompt: it holds what is no Unicode text"),
        ({"prompt": "x", "promt": "x"}, "line 2, 'promt': there is no such field"),
        ({"prompt": "x", "model": "gpt"}, "line 2, model: “gpt” is not a model"),
        ({"prompt": "x", "files": "a.py"}, "line 2, files: it must be an object or a list"),
        ({"prompt": "x", "files": ["../a.py"]}, "line 2, files: '../a.py' must be a relative path"),
        ({"prompt": "x", "files": {"/a.py": ""}}, "line 2, files: '/a.py' must be a relative path"),
        ({"prompt": "x", "files": {"C:\\a.py": ""}}, "line 2, files: 'C:"),
        ({"prompt": "x", "files": ["link.py"]}, "line 2, files: 'link.py' leads out of the folder"),
        ({"prompt": "x", "files": ["no.py"]}, "line 2, files: 'no.py' cannot be read"),
        ({"prompt": "x", "files": {"report.json": ""}}, "line 2, files: 'report.json' is the name"),
        ({"prompt": "x", "files": {"Bug.txt": ""}}, "line 2, files: 'Bug.txt' is the name"),
        ({"prompt": "x", "files": {"a": "", "a/b/c": ""}}, "line 2, files: 'a' cannot be a file"),
        ({"prompt": "x", "files": {f"{PROGRAM}/a": ""}}, f"line 2, files: '{PROGRAM}' cannot be"),
        ({"prompt": "x", "files": {"a" * 201: ""}}, "line 2, files: 'aaa"),
        ({"prompt": "x", "tests": "assert f(1) =="}, "line 2, tests: "),
        ({"prompt": "x", "tests": PYTEST_FILE}, "line 2, tests: without a program"),
        ({"prompt": "x", "id": "first"}, "line 2, id: 'first' is the id of line 1 too"),
    ],
)
def test_a_malformed_row_names_its_line_and_field(tmp_path: Path, line: object, says: str) -> None:
    (tmp_path / "work").mkdir()
    (tmp_path / "secret.py").write_text("KEY = 1\n", encoding="utf-8")
    (tmp_path / "work" / "link.py").symlink_to(tmp_path / "secret.py")
    first, second = _read(tmp_path / "work", {"prompt": "ok", "id": "first"}, line)
    assert isinstance(first, Row)
    assert isinstance(second, BadRow)
    assert second.error.startswith(says)


def test_rows_come_from_csv(tmp_path: Path) -> None:
    (tmp_path / "a.py").write_text("A = 1\n", encoding="utf-8")
    file = tmp_path / "rows.csv"
    file.write_bytes(
        b"\xef\xbb\xbfid,prompt,files,tests\r\n"
        b'one,"two\r\nlines",a.py,assert f(1) == 2\r\n'
        b'two,x,"{""b.py"": ""B = 2""}",\r\n'
        b"three,x,,,more\r\nfour,\xff,,\r\n"
    )
    rows = read_rows(file, PROGRAM)
    assert rows[:2] == [
        Row(2, "one", "two\r\nlines", {"a.py": "A = 1\n"}, "assert f(1) == 2"),
        Row(4, "two", "x", {"b.py": "B = 2"}),
    ]
    assert [row.error for row in rows[2:] if isinstance(row, BadRow)] == [
        "line 5: there are more cells than columns",
        "line 6, prompt: it holds what is no Unicode text",
    ]


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("id,prompt,promt\n1,x,y\n", "line 1: there is no such field as 'promt'"),
        (",prompt\n0,x\n", "line 1: there is no such field as ''"),
        ("prompt,prompt\nx,y\n", "line 1: two columns are named prompt"),
        ("id,tests\n1,y\n", "line 1: no column is named prompt"),
    ],
)
def test_a_bad_heading_is_told_once(tmp_path: Path, text: str, says: str) -> None:
    file = tmp_path / "rows.csv"
    file.write_text(text, encoding="utf-8")
    with pytest.raises(ValueError, match=says):
        read_rows(file, PROGRAM)


@pytest.mark.parametrize("mark", [";", "\t"])
def test_a_spreadsheet_may_part_its_columns_otherwise(tmp_path: Path, mark: str) -> None:
    file = tmp_path / "rows.csv"
    file.write_text(f"id{mark}prompt\none{mark}Write f, then g.\n", encoding="utf-8")
    assert read_rows(file, PROGRAM) == [Row(2, "one", "Write f, then g.")]


def test_a_cell_may_be_as_long_as_a_file(tmp_path: Path) -> None:
    file = tmp_path / "rows.csv"
    file.write_text(f'prompt\n{"x" * 1_000_000}\n"open\n', encoding="utf-8")
    long, torn = read_rows(file, PROGRAM)
    assert isinstance(long, Row)
    assert len(long.prompt) == 1_000_000
    assert isinstance(torn, BadRow)
    assert torn.error.startswith("line 3: the line is not CSV")


def test_a_prompt_file_leads_nowhere_else(tmp_path: Path) -> None:
    (tmp_path / "secret").write_text("the user's own", encoding="utf-8")
    folder = _folder(tmp_path / "prompts")
    (folder / "a.txt").symlink_to(tmp_path / "secret")
    (folder / "b.txt").write_text("Write f.", encoding="utf-8")
    (folder / "b.tests.py").symlink_to(tmp_path / "secret")
    rows = read_rows(folder, PROGRAM)
    assert [row.error for row in rows if isinstance(row, BadRow)] == [
        "line 1: 'a.txt' leads out of the folder of the prompts",
        "line 2: 'b.tests.py' leads out of the folder of the prompts",
    ]


def test_rows_come_from_a_folder_of_prompts(tmp_path: Path) -> None:
    (tmp_path / "b.md").write_text("Write f.", encoding="utf-8")
    (tmp_path / "b.tests.py").write_text("assert f(1) == 2\n", encoding="utf-8")
    (tmp_path / "a.txt").write_text("Write g.", encoding="utf-8")
    (tmp_path / "notes.rst").write_text("no prompt", encoding="utf-8")
    assert read_rows(tmp_path, PROGRAM) == [
        Row(1, "a", "Write g."),
        Row(2, "b", "Write f.", tests="assert f(1) == 2\n"),
    ]
    with pytest.raises(ValueError, match="holds no prompt"):
        read_rows(_folder(tmp_path / "empty"), PROGRAM)


def _folder(path: Path) -> Path:
    path.mkdir()
    return path


# The whole: a pool whose runs use what they are told to.


@dataclass
class ChancePool:
    """Runs `jobs` rows at once, of which each uses a random part of its share. `losses` nodes are
    lost, one after another, at the rows with these ids."""

    jobs: int = 3
    seed: int = 0
    losses: list[str] = field(default_factory=list)
    ran: list[str] = field(default_factory=list)
    most_at_once: int = 0

    async def run(
        self, take: Callable[[], Awaitable[RowWork | None]]
    ) -> AsyncGenerator[Done[RowWork, RowDone], None]:
        # A list: the order of a set differs from run to run, and with it what chance gives.
        chance, at_work = random.Random(self.seed), list[asyncio.Task[RowWork | None]]()
        working: list[RowWork] = []
        while True:
            while len(working) + len(at_work) < self.jobs:
                at_work.append(asyncio.ensure_future(take()))
            await asyncio.sleep(0)
            for task in [task for task in at_work if task.done()]:
                at_work.remove(task)
                if task.result() is not None:
                    working.append(task.result())
            self.most_at_once = max(self.most_at_once, len(working))
            if not working:
                if all(t.done() for t in at_work) or not at_work:
                    return
                await asyncio.wait(at_work, timeout=0.01)
                if all(t.done() and t.result() is None for t in at_work):
                    return
                continue
            item = working.pop(chance.randrange(len(working)))
            self.ran.append(item.row.id)
            if item.row.id in self.losses:
                self.losses.remove(item.row.id)
                yield Done(item, Lost("the node is gone"), "n1")
            else:
                yield Done(item, RowDone(_used(item, chance), {"report.json": "{}"}), "n1")

    async def aclose(self) -> None:
        pass


def _used(work: RowWork, chance: random.Random) -> RowResult:
    limits = work.grant.limits
    prompt = chance.randint(0, limits.tokens)
    reply = chance.randint(0, limits.tokens - prompt)
    return RowResult(
        work.row.id, work.row.line, "passed", digest=work.digest, attempts=work.attempt,
        calls=chance.randint(1, limits.calls), prompt_tokens=prompt,
        reply_tokens=reply, cost=(prompt + reply * 5.0) / 1e6,
    )  # fmt: skip


def _batch(rows: list[Row | BadRow], limits: BatchLimits = NO_LIMITS) -> Batch:
    digests = {row.line: row.digest({}) for row in rows if isinstance(row, Row)}
    return Batch(rows, digests, Limits(40, 1000, 60), limits, lambda row: Price(1.0, 5.0, 0.1))


async def _run(
    out: Path, rows: list[Row | BadRow], pool: ChancePool, limits: BatchLimits = NO_LIMITS
) -> list[RowResult]:
    batch = _batch(rows, limits)
    results = Results.resume(out, rows, batch.digests)
    try:
        await run_batch(batch, results, pool, lambda line: None)
    finally:
        results.close()
    assert read_results(out) == sorted(results.lines, key=lambda line: line.line)
    return read_results(out)


def _rows(number: int) -> list[Row | BadRow]:
    return [Row(n, f"row-{n}", f"prompt {n}") for n in range(1, number + 1)]


async def test_each_row_has_one_line_and_is_not_run_again(tmp_path: Path) -> None:
    rows = [*_rows(9), BadRow(10, "row-10", "line 10, prompt: bad")]
    pool = ChancePool()
    lines = await _run(tmp_path, rows, pool)
    assert [line.id for line in lines] == [row.id for row in rows]
    assert [line.outcome for line in lines] == ["passed"] * 9 + ["error"]
    assert pool.most_at_once == pool.jobs
    again = ChancePool()
    assert await _run(tmp_path, rows, again) == lines
    assert again.ran == []


async def test_a_changed_row_is_run_again_and_a_moved_one_is_not(tmp_path: Path) -> None:
    await _run(tmp_path, _rows(4), ChancePool())
    moved = [Row(n + 1, f"row-{n + 1}", f"prompt {n}") for n in (1, 2, 4)]
    rows: list[Row | BadRow] = [Row(1, "row-1", "prompt 3, changed"), *moved]
    pool = ChancePool()
    lines = await _run(tmp_path, rows, pool)
    assert pool.ran == ["row-1"]
    assert [(line.line, line.id) for line in lines] == [(r.line, r.id) for r in rows]


async def test_equal_rows_are_run_each(tmp_path: Path) -> None:
    rows: list[Row | BadRow] = [Row(n, f"row-{n}", "the same") for n in (1, 2, 3)]
    lines = await _run(tmp_path, rows[:2], ChancePool())
    assert len({line.folder for line in lines}) == 2
    pool = ChancePool()
    await _run(tmp_path, rows, pool)
    assert pool.ran == ["row-3"]


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize(
    "limits",
    [BatchLimits(calls=100), BatchLimits(tokens=3500), BatchLimits(cost=0.012),
     BatchLimits(tokens=600), BatchLimits(1_000, 9_000, 0.03)],
)  # fmt: skip
async def test_the_budget_of_the_whole_holds(
    tmp_path: Path, limits: BatchLimits, seed: int
) -> None:
    pool = ChancePool(jobs=5, seed=seed, losses=["row-2", "row-5", "row-5"])
    lines = await _run(tmp_path, _rows(20), pool, limits)
    used = Results.resume(tmp_path, _rows(20), {}).usage
    assert used.calls <= (limits.calls or used.calls)
    assert used.tokens <= (limits.tokens or used.tokens)
    assert used.cost <= (limits.cost or used.cost)
    assert len(lines) == 20
    left = [line for line in lines if line.outcome == "not_run"]
    assert left
    assert all(line.reason.startswith("The batch's budget is used up") for line in left)


async def test_a_raised_budget_goes_on(tmp_path: Path) -> None:
    first = await _run(tmp_path, _rows(6), ChancePool(jobs=1), BatchLimits(tokens=900))
    waiting = [line.id for line in first if line.outcome == "not_run"]
    assert waiting
    # The rows that ran used what they used: it counts.
    same = ChancePool(jobs=1)
    await _run(tmp_path, _rows(6), same, BatchLimits(tokens=first_tokens(first)))
    assert same.ran == []
    more = ChancePool(jobs=1)
    last = await _run(tmp_path, _rows(6), more, BatchLimits(tokens=100_000))
    assert sorted(more.ran) == sorted(waiting)
    assert {line.outcome for line in last} == {"passed"}


def first_tokens(lines: list[RowResult]) -> int:
    return sum(line.usage.tokens for line in lines)


async def test_a_row_whose_node_is_lost_is_tried_once_more(tmp_path: Path) -> None:
    pool = ChancePool(losses=["row-2", "row-4", "row-4"])
    lines = await _run(tmp_path, _rows(5), pool)
    assert [(line.outcome, line.attempts) for line in lines] == [
        ("passed", 1), ("passed", 2), ("passed", 1), ("lost", 2), ("passed", 1),
    ]  # fmt: skip
    assert lines[3].reason == "the node is gone"
    again = ChancePool()
    await _run(tmp_path, _rows(5), again)
    assert again.ran == ["row-4"]


def test_two_batches_do_not_write_into_one_folder(tmp_path: Path) -> None:
    first = Results.resume(tmp_path, [], {})
    with pytest.raises(OutInUse):
        Results.resume(tmp_path, [], {})
    first.close()
    Results.resume(tmp_path, [], {}).close()


def test_a_line_with_numbers_that_are_none_is_read_without_them(tmp_path: Path) -> None:
    numbers = f'"seconds": 1e999, "cost": NaN, "calls": {"9" * 400}'
    line = f'{{"id": "a", "line": 1, "outcome": "passed", {numbers}}}\n'
    (tmp_path / "results.jsonl").write_text(line, encoding="utf-8")
    assert read_results(tmp_path) == [RowResult("a", 1, "passed")]


def test_what_a_crash_cut_off_is_run_again(tmp_path: Path) -> None:
    rows = _rows(2)
    digests = _batch(rows).digests
    results = Results.resume(tmp_path, rows, digests)
    for row in rows:
        results.add(RowResult(row.id, row.line, "passed", digest=digests[row.line]), {"a/b": "x"})
    results.close()
    file = tmp_path / "results.jsonl"
    file.write_bytes(file.read_bytes()[:-20])
    results = Results.resume(tmp_path, rows, digests)
    assert results.waiting(rows) == rows[1:]
    results.close()


@dataclass
class Talker:
    """A model whose replies take `tokens` each."""

    tokens: int
    name: str = "scripted:talker"
    profile: Profile = field(default_factory=lambda: Profile(thinking_tokens=10))
    asked: list[Call] = field(default_factory=list)

    async def stream(self, call: Call) -> AsyncGenerator[str | Ended, None]:
        self.asked.append(call)
        yield Ended("stop", Usage(calls=1, completion_tokens=self.tokens))

    async def aclose(self) -> None:
        pass


async def test_no_call_that_could_go_beyond_a_share_is_made() -> None:
    talker = Talker(tokens=70)
    model = MeteredModel(talker, 300)
    call = Call("coder", (Message("user", "x" * 24),), max_tokens=60, timeout_seconds=5)
    # At most 24 + 16 for the prompt, 60 for the reply and 10 for thoughts; 70 each are used.
    for _ in range(3):
        assert [piece async for piece in model.stream(call)]
    assert not model.refused
    with pytest.raises(BudgetSpent, match="300 tokens"):
        assert [piece async for piece in model.stream(call)]
    assert model.refused
    assert len(talker.asked) == 3
    free = MeteredModel(talker, None, sharing=4)
    assert [piece async for piece in free.stream(call)]
    assert talker.asked[-1].timeout_seconds == 20


def test_a_smaller_share_is_only_given_where_nobody_else_works() -> None:
    budget = Budget(BatchLimits(tokens=1500), Usage())
    first = budget.reserve(Limits(40, 1000, 60), Price())
    assert isinstance(first, Grant)
    assert first.is_whole
    assert budget.reserve(Limits(40, 1000, 60), Price()) is None
    budget.settle(first, Usage(calls=3, prompt_tokens=900))
    second = budget.reserve(Limits(40, 1000, 60), Price())
    assert second is not None
    assert (second.limits.tokens, second.is_whole) == (600, False)


def test_the_time_that_is_left_does_not_count_what_took_none() -> None:
    now, out = [0.0], io.StringIO()
    view = BatchView(Console(file=out, width=200), 10, 2, clock=lambda: now[0])
    view.finished(RowResult("bad\x1b[31m", 1, "error", "line 1, prompt: bad"))
    now[0] = 30.0
    view.finished(replace(RowResult("ok", 2, "passed"), tests=2, tests_passed=2, seconds=30.0))
    view.close()
    assert out.getvalue().splitlines() == [
        "[3/10] bad\\x1b[31m error: line 1, prompt: bad",
        "[4/10] ok passed, 2 of 2 tests, 30.0 s; about 3 min left",
    ]
