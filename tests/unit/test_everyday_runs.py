"""Whole runs of what people ask for: classes, scripts, files, generators, async code, arrays."""

from __future__ import annotations

import asyncio
import sys
from asyncio.subprocess import PIPE
from collections.abc import AsyncGenerator, Mapping, Sequence
from pathlib import Path

import pytest
import pytest_asyncio

from ml_coach.core.coach import Coach
from ml_coach.core.events import Emit, Event, SuiteWritten
from ml_coach.core.finding import Finding
from ml_coach.core.ports import Profile
from ml_coach.core.request import Request
from ml_coach.core.types import Program, RunReport
from ml_coach.execution.executor import SandboxedExecutor
from unit.parts import MemoryWorkspace, ScriptedModel, ScriptedReviewer

pytestmark = pytest.mark.asyncio(loop_scope="module")

TWO = Profile(edit_format="function", plans=False, candidates=2)

STACK = """\
class Stack:
    def __init__(self):
        self.items = []
    def push(self, x):
        self.items.append(x)
    def pop(self):
        return self.items.pop()
"""
STACK_TESTS = """\
def test_1():
    s = Stack()
    s.push(1)
    s.push(2)
    assert s.pop() == 2
    assert s.pop() == 7
    with pytest.raises(IndexError):
        s.pop()
"""
UPPER = """\
import sys

def main():
    text = open(sys.argv[1]).read() if len(sys.argv) > 1 else sys.stdin.read()
    if not text:
        sys.exit("nothing to do")
    print(text.strip().upper())

if __name__ == "__main__":
    main()
"""
UPPER_TESTS = """\
def test_1(run, tmp_path):
    path = tmp_path / "a.txt"
    path.write_text("one\\n")
    result = run([path])
    assert result.stdout == "ONE\\n"
    assert result.code == 0

def test_2(run, tmp_path):
    assert run([], stdin="two").stdout == "TWO\\n"

def test_3(run, tmp_path):
    assert run([], stdin="").code == 1
"""
PAIRS = """\
def pairs(items):
    before = None
    for number, item in enumerate(items):
        if number:
            yield before, item
        before = item
"""
PAIRS_TESTS = """\
assert list(pairs([1, 2, 3])) == [(1, 2), (2, 3)]
assert list(islice(pairs(count()), 1)) == [(0, 1)]
assert list(pairs([])) == []
"""
BOTH = """\
import asyncio

async def both(one, other):
    return await asyncio.gather(one, other)
"""
BOTH_TESTS = """\
def test_1():
    assert run_async(both(job(1), job(2))) == [1, 2]

def test_2():
    with pytest.raises(ValueError):
        run_async(both(job(1), job(ValueError())))
"""
PRINTS = "def count_down(n):\n    while n > 0:\n        print(n)\n        n -= 1\n"
PRINTS_TESTS = """\
def test_1(capsys):
    count_down(2)
    assert capsys.readouterr().out == "2\\n1\\n"

def test_2(capsys):
    count_down(1)
    assert capsys.readouterr().out == "1\\n"
"""
LINES = (
    "def line_count(path):\n    with open(path) as file:\n        return len(file.readlines())\n"
)
LINES_TESTS = """\
def test_1(tmp_path):
    path = tmp_path / "a.txt"
    path.write_text("a\\nb\\n")
    assert line_count(path) == 2

def test_2(tmp_path):
    path = tmp_path / "b.txt"
    path.write_text("")
    assert line_count(path) == 0
"""


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def executor() -> AsyncGenerator[SandboxedExecutor]:
    executor = SandboxedExecutor()
    yield executor
    await executor.aclose()


async def _run(
    executor: SandboxedExecutor,
    prompt: str,
    programs: Sequence[str],
    tests: str,
    max_iters: int = 1,
    emit: Emit = lambda event: None,
    **more: str,
) -> tuple[RunReport, MemoryWorkspace, ScriptedModel]:
    replies = {
        "coder": [f"```python\n{program}```" for program in programs],
        "test_writer": [tests],
        "debugger": ["I cannot."],
        **{agent: [reply] for agent, reply in more.items()},
    }
    model, workspace = ScriptedModel(replies, TWO), MemoryWorkspace()
    coach = Coach(model, executor, workspace, ScriptedReviewer([]))
    report = await coach.run(Request(prompt, max_iters=max_iters, auto_patch=True), emit)
    return report, workspace, model


@pytest.mark.parametrize(
    ("prompt", "program", "tests", "kept", "dropped"),
    [
        ("class Stack with push(x) and pop()", STACK, STACK_TESTS, 2, ["test_1_2"]),
        ("a script that prints a file, or stdin, in capitals", UPPER, UPPER_TESTS, 4, []),
        (
            "a generator pairs(items) that yields neighbours",
            PAIRS,
            PAIRS_TESTS,
            2,
            ["test_guessed_3"],
        ),
        ("async function both(one, other) that awaits both", BOTH, BOTH_TESTS, 2, []),
        ("line_count(path): the number of lines in a file", LINES, LINES_TESTS, 2, []),
        ("count_down(n) prints the numbers down to 1", PRINTS, PRINTS_TESTS, 2, []),
    ],
)
async def test_a_right_program_of_each_shape_passes_and_only_wrong_guesses_are_dropped(
    executor: SandboxedExecutor,
    prompt: str,
    program: str,
    tests: str,
    kept: int,
    dropped: list[str],
) -> None:
    report, _, _ = await _run(executor, prompt, [program], tests)
    assert report.outcome == "passed", report.reason
    assert report.evidence is not None
    assert report.evidence.tests == kept
    assert [d.test for d in report.dropped] == dropped
    assert report.evidence.probes > 0
    assert report.evidence.mutation_score is not None
    assert report.findings == ()


async def test_the_suite_of_a_script_runs_with_plain_pytest_beside_the_program(
    executor: SandboxedExecutor, tmp_path: Path
) -> None:
    _, workspace, _ = await _run(executor, "a script that prints a file", [UPPER], UPPER_TESTS)
    for name, text in workspace.files.items():
        (tmp_path / name).write_text(text, encoding="utf-8")
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "."]
    ran = await asyncio.create_subprocess_exec(*command, cwd=tmp_path, stdout=PIPE)
    output, _ = await ran.communicate()
    assert b"4 passed" in output


@pytest.mark.parametrize(
    ("prompt", "right", "wrong", "tests"),
    [
        ("class Stack with push(x) and pop()", STACK, ("self.items.pop()", "self.items.pop(0)"),
         STACK_TESTS),
        ("a script that prints a file, or stdin, in capitals", UPPER, ("upper()", "lower()"),
         UPPER_TESTS),
    ],
)  # fmt: skip
async def test_programs_that_do_different_things_are_told_apart(
    executor: SandboxedExecutor, prompt: str, right: str, wrong: tuple[str, str], tests: str
) -> None:
    other = right.replace(*wrong)
    report, workspace, _ = await _run(executor, prompt, [other, right], tests)
    assert workspace.files["generated_code.py"] == right
    assert report.evidence is not None
    assert report.evidence.agreement < 1
    assert report.evidence.division is not None


async def test_a_run_without_a_fit_test_leaves_no_test_as_if_it_were_the_suite(
    executor: SandboxedExecutor,
) -> None:
    program = "def double(x):\n    return x * 2\n"
    report, workspace, _ = await _run(
        executor, "Write double(x)", [program], "assert double(1) == 3"
    )
    assert report.outcome == "unsure"
    text = workspace.files["test_generated.py"]
    assert all(line.startswith("#") for line in text.splitlines())
    assert "assert double(1) == 3" in text


async def test_a_crash_of_every_program_is_no_verdict_on_the_test(
    executor: SandboxedExecutor,
) -> None:
    crashing = STACK_TESTS + "\ndef test_2():\n    assert Stack().size() == 0\n"
    report, _, _ = await _run(executor, "class Stack with push(x) and pop()", [STACK], crashing)
    assert report.outcome == "passed"
    said = {d.test: d.reason for d in report.dropped}
    assert said["test_2"] == "every program crashes in it, which says nothing of the test"
    assert said["test_1_2"] == "no program passes it"


async def test_what_crashes_in_every_test_is_repaired(executor: SandboxedExecutor) -> None:
    crashing = "def swap(pair):\n    pair[0], pair[1] = pair[1], pair[0]\n    return pair\n"
    right = "def swap(pair):\n    return pair[1], pair[0]\n"
    tests = "assert swap((1, 2)) == (2, 1)\nassert swap(('a', 3)) == (3, 'a')"
    report, workspace, _ = await _run(
        executor, "swap(pair): the pair turned round", [crashing], tests,
        debugger=f"```python\n{right}```", max_iters=2,
    )  # fmt: skip
    assert report.outcome == "passed", report.reason
    assert workspace.files["generated_code.py"] == right


async def test_a_program_without_any_test_is_kept_and_nothing_is_claimed(
    executor: SandboxedExecutor,
) -> None:
    report, workspace, _ = await _run(executor, "class Stack with push(x)", [STACK], "No idea.")
    assert (report.outcome, "no test" in report.reason) == ("unsure", True)
    assert workspace.files["generated_code.py"] == STACK


async def test_a_misread_name_refuses_no_program(executor: SandboxedExecutor) -> None:
    tests = "assert double_it(1) == 2\nassert double_it(4) == 8"
    program = "def twice(x):\n    return x * 2\n"
    events: list[Event] = []
    report, workspace, _ = await _run(
        executor, "Write double_it(x)", [program], tests, emit=events.append
    )
    assert report.outcome == "passed", report.reason
    assert workspace.files["generated_code.py"] == program
    assert "assert twice(4) == 8" in workspace.files["test_generated.py"]
    # The tests as they stand there are told of, so that they are known again.
    *_, told = [event.suite for event in events if isinstance(event, SuiteWritten)]
    assert told.source == workspace.files["test_generated.py"]


async def test_an_explanation_that_is_asked_for_gets_a_file_and_stands_in_the_report(
    executor: SandboxedExecutor,
) -> None:
    prompt = "Explain doubling and write double(x)"
    program = "def double(x):\n    return x * 2\n"
    tests = "assert double(1) == 2\nassert double(4) == 8"
    report, workspace, _ = await _run(
        executor, prompt, [program], tests, explainer="Doubling adds a number to itself."
    )
    assert report.explanation == "Doubling adds a number to itself.\n"
    assert workspace.files["generated_code.md"] == report.explanation


@pytest.mark.parametrize(
    ("prompt", "asks"),
    [
        ("Explain bubble sort and write bubble_sort(items)", True),
        ("Write f(x). Please explain how it works", True),
        ("Erkläre Rekursion und schreibe fak(n)", True),
        ("Write explain(x) for a plan", False),
        ("class Plan with run() and explain(x)", False),
        ("The docs explain it: write f(x)", False),
    ],
)
async def test_an_explanation_is_written_only_where_one_is_asked_for(
    prompt: str, asks: bool
) -> None:
    assert bool(Request(prompt).explanation_file) is asks


class WithoutPackages(SandboxedExecutor):
    """Stands where no package is installed, whatever this machine has."""

    async def inspect(
        self, program: Program, files: Mapping[str, str], *, timeout_seconds: float
    ) -> tuple[Finding, ...]:
        lacking = "\nimport no_such_package\n" if "numpy" in program.source else ""
        changed = Program(program.source.replace("import numpy\n", lacking), program.file)
        return await super().inspect(changed, files, timeout_seconds=timeout_seconds)


async def test_a_package_that_is_missing_is_named_before_a_model_is_asked() -> None:
    executor = WithoutPackages()
    try:
        report, _, model = await _run(executor, "using numpy: f(a) doubles a", [STACK], "")
    finally:
        await executor.aclose()
    assert report.outcome == "failed"
    assert "-m pip install no_such_package" in report.reason
    assert model.calls == []
