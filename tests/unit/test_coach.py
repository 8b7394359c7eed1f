"""The loop through its front door: a scripted model, the real sandbox, whole event sequences."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from dataclasses import replace
from pathlib import Path
from typing import Any, TypeVar

import pytest
import pytest_asyncio

from ml_coach.core.coach import Coach
from ml_coach.core.errors import AuthError, SetupError
from ml_coach.core.events import (
    CandidateChosen,
    Diagnosed,
    Event,
    FilesSaved,
    PatchApplied,
    PatchDiscarded,
    PatchOffered,
    ProgramInspected,
    ProgramWritten,
    ReplyRefused,
    RunFinished,
    RunStarted,
    SpecWritten,
    SuiteFiltered,
    SuiteWritten,
    TestsFinished,
)
from ml_coach.core.evidence import Provenance
from ml_coach.core.patches import make_patch
from ml_coach.core.ports import Decision, Profile
from ml_coach.core.request import Request
from ml_coach.core.types import RunReport
from ml_coach.core.usage import Limits
from ml_coach.disk import FolderWorkspace, WrittenFiles
from ml_coach.execution.executor import SandboxedExecutor
from unit.parts import MemoryWorkspace, Replies, ScriptedModel, ScriptedReviewer

T = TypeVar("T")
pytestmark = pytest.mark.asyncio(loop_scope="module")

PROMPT = "Write inc(x) that returns x plus one. inc(2) returns 3"
GOOD = "```python\ndef inc(x):\n    return x + 1\n```"
BAD = "```python\ndef inc(x):\n    return x + 2\n```"
TESTS = "assert inc(1) == 2\nassert inc(-1) == 0"
SHOP_TESTS = "from shop import total\n\n\ndef test_total():\n    assert total([1, 2]) == 3\n"
SAMPLED = Profile(edit_format="function", plans=False, candidates=4)
# Left out of `happened`: stages, calls, text.
QUIET = {"StageStarted", "CallStarted", "CallFinished", "TextArrived"}
START = [RunStarted, SpecWritten, ProgramWritten, SuiteWritten, FilesSaved, CandidateChosen]
CHECK = [ProgramInspected, TestsFinished]


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def executor() -> AsyncGenerator[SandboxedExecutor]:
    executor = SandboxedExecutor()
    yield executor
    await executor.aclose()


class Story:
    """A run from its replies: what happened, and which files it left."""

    def __init__(self, executor: SandboxedExecutor, replies: Replies, **request: Any) -> None:
        self.executor = executor
        self.model = ScriptedModel(replies, request.pop("profile", ScriptedModel.profile))
        self.reviewer = ScriptedReviewer(request.pop("answers", []))
        self.workspace = MemoryWorkspace(request.pop("files", {}))
        self.request = Request(request.pop("prompt", PROMPT), **request)
        self.events: list[Event] = []

    async def run(self) -> RunReport:
        coach = Coach(self.model, self.executor, self.workspace, self.reviewer)
        return await coach.run(self.request, self.events.append)

    @property
    def happened(self) -> list[type]:
        return [type(e) for e in self.events if type(e).__name__ not in QUIET]

    def only(self, kind: type[T]) -> list[T]:
        return [e for e in self.events if isinstance(e, kind)]


async def test_a_right_program_passes_at_once(executor: SandboxedExecutor) -> None:
    story = Story(executor, {"coder": [GOOD], "test_writer": [TESTS]})
    report = await story.run()
    assert report.outcome == "passed"
    assert story.happened == [*START, SuiteFiltered, *CHECK, RunFinished]
    assert story.workspace.files["generated_code.py"] == "def inc(x):\n    return x + 1\n"
    assert report.usage.calls == 2
    assert report.suite is not None
    assert report.suite.provenance == {"test_given_1": "given"}
    assert len(report.tests.passed) == 3 if report.tests else False
    assert report.sandbox == executor.level


async def test_a_wrong_program_is_patched_after_the_user_says_yes(
    executor: SandboxedExecutor,
) -> None:
    story = Story(
        executor,
        {"coder": [BAD], "test_writer": [TESTS], "debugger": [GOOD]},
        answers=[Decision("apply")],
    )
    report = await story.run()
    assert report.outcome == "passed"
    assert report.iterations == 2
    repaired = [Diagnosed, *CHECK, PatchOffered, SuiteFiltered, FilesSaved, PatchApplied]
    assert story.happened == [*START, SuiteFiltered, *CHECK, *repaired, RunFinished]
    removed, added = story.reviewer.asked[0].text.splitlines()[-2:]
    assert (removed, added) == ("-    return x + 2", "+    return x + 1")
    # The debugger saw what was called, what came and what should, and the variables on the way.
    assert "inc(2) gave 4, expected 3" in story.model.prompts("debugger")[0]
    assert "x = 2" in story.model.prompts("debugger")[0]


async def test_auto_patch_does_not_ask_the_user(executor: SandboxedExecutor) -> None:
    replies = {"coder": [BAD], "test_writer": [TESTS], "debugger": [GOOD]}
    story = Story(executor, replies, auto_patch=True)
    assert (await story.run()).outcome == "passed"
    assert story.reviewer.asked == []


async def test_a_patch_is_kept_for_later_where_no_user_can_be_asked(
    executor: SandboxedExecutor,
) -> None:
    replies = {"coder": [BAD], "test_writer": [TESTS], "debugger": [GOOD]}
    story = Story(executor, replies, answers=[Decision("later")])
    report = await story.run()
    assert report.outcome == "gave_up"
    assert report.pending is not None
    assert report.pending.text.endswith("+    return x + 1\n")
    assert story.workspace.files["generated_code.py"].endswith("x + 2\n")


async def test_the_user_may_stop_at_a_patch(executor: SandboxedExecutor) -> None:
    replies = {"coder": [BAD], "test_writer": [TESTS], "debugger": [GOOD]}
    story = Story(executor, replies, answers=[Decision("stop")])
    report = await story.run()
    assert report.outcome == "stopped"
    assert report.pending == story.reviewer.asked[0]
    assert "a patch that helps waits" in report.reason


async def test_an_edited_patch_is_what_is_applied(executor: SandboxedExecutor) -> None:
    mine = make_patch(
        {"generated_code.py": "def inc(x):\n    return x + 2\n"},
        {"generated_code.py": "def inc(x):\n    return 1 + x\n"},
    )
    story = Story(
        executor,
        {"coder": [BAD], "test_writer": [TESTS], "debugger": [GOOD]},
        answers=[Decision("apply", mine)],
    )
    assert (await story.run()).outcome == "passed"
    assert story.workspace.files["generated_code.py"].endswith("1 + x\n")


DIFFS = Profile(edit_format="diff", plans=False)
WEAKER_TEST = """--- a/test_generated.py
+++ b/test_generated.py
@@ -5,2 +5,2 @@
 def test_given_1():
-    assert inc(2) == 3
+    assert inc(2) == 4
"""
RIGHT_PROGRAM = """--- a/generated_code.py
+++ b/generated_code.py
@@ -1,2 +1,2 @@
 def inc(x):
-    return x + 2
+    return x + 1
"""
NEW_TESTS = """--- /dev/null
+++ b/test_generated.py
@@ -0,0 +1,2 @@
+def test_given_1():
+    assert True
"""


@pytest.mark.parametrize(
    "patch",
    [WEAKER_TEST, RIGHT_PROGRAM + NEW_TESTS],
    ids=["a test changed", "program and tests changed"],
)
@pytest.mark.parametrize("auto_patch", [True, False], ids=["auto", "asked"])
async def test_no_patch_of_the_debugger_changes_a_test(
    executor: SandboxedExecutor, patch: str, *, auto_patch: bool
) -> None:
    story = Story(
        executor,
        {
            "coder": [BAD],
            "test_writer": ["```python\ndef test_one():\n    assert inc(1) == 2\n```"],
            "debugger": [f"The test is wrong.\n\n```diff\n{patch}```"],
        },
        profile=DIFFS,
        auto_patch=auto_patch,
        max_iters=2,
        answers=[Decision("later")],
    )
    report = await story.run()
    assert report.outcome == "gave_up"
    (written,) = story.only(SuiteWritten)
    assert story.workspace.files["test_generated.py"] == written.suite.source
    offered = [event.patch for event in story.only(PatchOffered)]
    changed = [change.file for offer in offered for change in offer.changes]
    assert set(changed) <= {"generated_code.py"}


async def test_a_patch_that_loses_a_test_is_discarded(executor: SandboxedExecutor) -> None:
    prompt = "Write half(x). half(4) returns 2\nhalf(3) returns 1"
    wrong = "```python\ndef half(x):\n    return 2 if x == 4 else 0\n```"
    worse = "```python\ndef half(x):\n    return 1\n```"
    story = Story(
        executor,
        {"coder": [wrong], "test_writer": ["assert half(8) == 4"], "debugger": [worse]},
        prompt=prompt,
        auto_patch=True,
        max_iters=2,
    )
    report = await story.run()
    assert report.outcome == "gave_up"
    assert report.reason.startswith("After 2 iterations: ")
    assert "test_given_2 failed (half(3) gave 0, expected 1)" in report.reason
    assert PatchDiscarded in story.happened
    assert PatchApplied not in story.happened
    assert "x == 4" in story.workspace.files["generated_code.py"]


async def test_the_reason_is_about_the_program_that_is_left_behind(
    executor: SandboxedExecutor,
) -> None:
    prompt = "Write half(x). half(4) returns 2\nhalf(3) returns 1"
    programs = ["return 2 if x == 4 else 0", "return -1", "return 0 - 1"]
    story = Story(
        executor,
        {
            "coder": [f"```python\ndef half(x):\n    {body}\n```" for body in programs],
            "test_writer": ["assert half(8) == 4"],
        },
        prompt=prompt,
        auto_patch=True,
        profile=replace(ScriptedModel.profile, repairs=0),
    )
    report = await story.run()
    assert "came back after a fresh start" in report.reason
    assert "half(3) gave 0, expected 1" in report.reason
    assert "x == 4" in story.workspace.files["generated_code.py"]


async def test_a_reply_that_is_no_python_is_asked_for_again(executor: SandboxedExecutor) -> None:
    story = Story(executor, {"coder": ["I am sorry.", GOOD], "test_writer": [TESTS]})
    assert (await story.run()).outcome == "passed"
    (refused,) = story.only(ReplyRefused)
    assert refused.agent == "coder"
    assert refused.reason in story.model.prompts("coder")[1]


async def test_no_valid_program_gives_up(executor: SandboxedExecutor) -> None:
    story = Story(executor, {"coder": ["I am sorry."], "test_writer": [TESTS]})
    report = await story.run()
    assert report.outcome == "gave_up"
    assert "no valid program" in report.reason
    assert story.workspace.files == {}


DOWNWARDS = "Write top(xs), the numbers in descending order. top([1, 3, 2]) == [3, 2, 1]"
UPWARDS = "```python\ndef top(xs):\n    return sorted(xs)\n```"


async def test_a_small_edit_repairs_what_the_model_does_not(
    executor: SandboxedExecutor,
) -> None:
    story = Story(
        executor,
        {"coder": [UPWARDS], "test_writer": ["assert top([]) == []"], "debugger": [UPWARDS]},
        prompt=DOWNWARDS,
        max_iters=2,
        answers=[Decision("apply")],
    )
    report = await story.run()
    assert report.outcome == "passed"
    (asked,) = story.reviewer.asked
    assert [d.diagnosis.patch for d in story.only(Diagnosed)][-1] == asked
    assert "return sorted(xs, reverse=True)" in asked.text
    assert len(story.model.prompts("debugger")) == 1


async def test_missing_imports_are_added_without_a_model_call(executor: SandboxedExecutor) -> None:
    program = "```python\ndef inc(x):\n    return math.floor(x) + 1\n```"
    story = Story(executor, {"coder": [program], "test_writer": [TESTS]})
    report = await story.run()
    assert report.outcome == "passed"
    assert report.usage.calls == 2
    assert story.workspace.files["generated_code.py"].startswith("import math\n")


@pytest.mark.parametrize("before", [[], ["I cannot."]], ids=["", "a_sample_that_is_no_program"])
async def test_a_wrong_guessed_test_is_outvoted(
    executor: SandboxedExecutor, before: list[str]
) -> None:
    wrong = f"{TESTS}\nassert inc(5) == 7"
    other = "```python\ndef inc(x):\n    return 1 + x\n```"
    story = Story(
        executor,
        {"coder": [GOOD, *before, other], "test_writer": [wrong]},
        profile=SAMPLED,
    )
    report = await story.run()
    assert report.outcome == "passed"
    assert [d.test for d in report.dropped] == ["test_guessed_3"]
    (chosen,) = story.only(CandidateChosen)
    valid = 4 - len(before)
    assert (chosen.candidates, chosen.agreeing) == (valid, valid)
    assert "test_guessed_3" not in story.workspace.files["test_generated.py"]


UNCOLLECTED = {
    "import": "from os import absent\n\n\n{tests}\n\ndef test_wrong():\n    assert absent",
    "package": "import no_such_package as p\n\nHELP = p.x\n\n\ndef make():\n    return HELP\n\n\n"
    "{tests}\n\ndef test_wrong():\n    assert inc(make())",
    "fixture": "import pytest\nfrom os import absent\n\n\n@pytest.fixture\ndef four():\n"
    "    return absent\n\n\n{tests}\n\ndef test_wrong(four):\n    assert inc(four)",
    "parameters": "import pytest\n\n\n{tests}\n\n@pytest.mark.parametrize('a', [1])\n"
    "def test_wrong(b):\n    assert inc(b)",
    "two": "import no_such\nfrom os import absent\n\n\n{tests}\n\ndef test_wrong():\n"
    "    assert no_such.x(absent)",
}


@pytest.mark.parametrize("suite", UNCOLLECTED.values(), ids=UNCOLLECTED)
async def test_a_test_that_cannot_be_collected_is_dropped_alone(
    executor: SandboxedExecutor, suite: str
) -> None:
    right = "def test_right():\n    assert inc(7) == 8\n"
    reply = f"```python\n{suite.format(tests=right)}\n```"
    whole = Profile(edit_format="diff", plans=False)
    story = Story(executor, {"coder": [GOOD], "test_writer": [reply]}, profile=whole)
    report = await story.run()
    assert report.outcome == "passed", report.reason
    assert report.tests is not None
    assert {case.function for case in report.tests.cases} == {"test_given_1", "test_right"}
    assert [d.test for d in report.dropped] == ["test_wrong"]
    assert report.dropped[0].reason.startswith(("it needs `", "it cannot be collected: "))
    (filtered,) = story.only(SuiteFiltered)
    assert [d.test for d in filtered.dropped] == ["test_wrong"]
    written = story.workspace.files["test_generated.py"]
    assert "test_wrong" not in written
    assert "absent" not in written


async def test_of_a_fixed_draw_of_programs_the_one_that_most_agree_with_is_chosen(
    executor: SandboxedExecutor,
) -> None:
    other = "```python\ndef inc(x):\n    return x - -1\n```"
    worse = "```python\ndef inc(x):\n    return x + 3\n```"
    story = Story(
        executor,
        {"coder": [BAD, GOOD, worse, other], "test_writer": [f"{TESTS}\nassert inc(5) == 7"]},
        prompt="Write inc(x) that returns x plus one.",
        profile=SAMPLED,
    )
    report = await story.run()
    assert report.outcome == "passed"
    (chosen,) = story.only(CandidateChosen)
    assert (chosen.candidates, chosen.agreeing) == (4, 2)
    assert "x + 2" not in story.workspace.files["generated_code.py"]


async def test_samples_are_drawn_where_the_first_reply_is_no_program(
    executor: SandboxedExecutor,
) -> None:
    stub = "```python\ndef inc(x):\n    pass\n```"
    story = Story(
        executor,
        {"coder": [stub, stub, GOOD], "test_writer": [TESTS]},
        profile=SAMPLED,
    )
    report = await story.run()
    assert report.outcome == "passed"
    assert report.usage.calls == 5
    first, *others = story.model.prompts("coder")
    assert "`inc` has no body" not in first
    assert all("`inc` has no body" in prompt for prompt in others)
    assert "x + 1" in story.workspace.files["generated_code.py"]


async def test_the_tests_are_kept_where_none_is_fit_and_the_first_reply_is_no_program(
    executor: SandboxedExecutor,
) -> None:
    story = Story(
        executor,
        {"coder": ["I cannot.", GOOD], "test_writer": ["assert inc(1) == 9"]},
        prompt="Write inc(x) that returns x plus one.",
        profile=SAMPLED,
    )
    report = await story.run()
    assert report.outcome == "unsure"
    assert "no test is fit to judge" in report.reason
    assert "x + 1" in story.workspace.files["generated_code.py"]
    assert "== 9" in story.workspace.files["test_generated.py"]


async def test_no_valid_program_among_all_samples_gives_up(executor: SandboxedExecutor) -> None:
    story = Story(
        executor,
        {"coder": ["```python\ndef inc(x):\n    pass\n```"], "test_writer": [TESTS]},
        profile=SAMPLED,
    )
    report = await story.run()
    assert report.outcome == "gave_up"
    assert "no valid program: `inc` has no body" in report.reason
    assert (report.usage.calls, story.workspace.files) == (9, {})


async def test_a_function_that_is_named_like_a_test_is_not_collected_as_one(
    executor: SandboxedExecutor,
) -> None:
    story = Story(
        executor,
        {
            "coder": ["```python\ndef test_even(x):\n    return x % 2 == 0\n```"],
            "test_writer": ["assert test_even(2) == True\nassert test_even(3) == False"],
        },
        prompt="Write test_even(x) that tells whether x is even.",
    )
    report = await story.run()
    assert report.outcome == "passed"
    assert report.tests
    assert [case.function for case in report.tests.cases] == ["test_guessed_1", "test_guessed_2"]


async def test_the_program_that_most_agree_on_is_kept_where_no_test_is_fit(
    executor: SandboxedExecutor,
) -> None:
    story = Story(
        executor,
        {"coder": [BAD, GOOD], "test_writer": ["assert inc(1) == 9"]},
        prompt="Write inc(x) that returns x plus one.",
        profile=SAMPLED,
    )
    report = await story.run()
    assert report.outcome == "unsure"
    assert "no test is fit to judge" in report.reason
    assert "x + 1" in story.workspace.files["generated_code.py"]
    assert report.program
    assert report.program.source == story.workspace.files["generated_code.py"]
    assert "== 9" in story.workspace.files["test_generated.py"], "written tests are not lost"


async def test_a_patch_that_leaves_no_test_fit_to_judge_does_not_end_passed(
    executor: SandboxedExecutor,
) -> None:
    documented = '```python\ndef inc(x):\n    """One more."""\n    return x + 1\n```'
    story = Story(
        executor,
        {
            "coder": [BAD],
            # No planted mistake takes the docstring away, so that both are dropped with the patch.
            "test_writer": ["assert inc.__doc__\nassert inc.__doc__ is not None"],
            "debugger": [documented],
        },
        prompt="Write inc(x) that returns x plus one.",
        auto_patch=True,
    )
    report = await story.run()
    assert len(story.only(PatchApplied)) == 1
    assert report.outcome == "unsure"
    assert "no test is fit to judge" in report.reason
    assert report.evidence
    assert report.evidence.tests == 0


async def test_the_budget_ends_the_run_before_the_call(executor: SandboxedExecutor) -> None:
    story = Story(
        executor,
        {"coder": [BAD], "test_writer": [TESTS], "debugger": [GOOD]},
        limits=Limits(calls=2),
    )
    report = await story.run()
    assert report.outcome == "gave_up"
    assert "2 model calls" in report.reason
    assert report.usage.calls == 2
    assert report.program is not None


async def test_a_wrong_key_fails_with_its_sentence(executor: SandboxedExecutor) -> None:
    story = Story(executor, {"coder": [AuthError("The key is wrong.")], "test_writer": [TESTS]})
    report = await story.run()
    assert (report.outcome, report.reason) == ("failed", "The key is wrong.")


async def test_missing_setup_fails_with_its_sentence(executor: SandboxedExecutor) -> None:
    async def prepare() -> None:
        raise SetupError("There is no sandbox.")

    coach = Coach(
        ScriptedModel({}), executor, MemoryWorkspace(), ScriptedReviewer([]), prepare=prepare
    )
    report = await coach.run(Request(PROMPT), lambda event: None)
    assert (report.outcome, report.reason) == ("failed", "There is no sandbox.")


async def test_cancelling_gives_a_report_and_leaves_the_best_program(
    executor: SandboxedExecutor,
) -> None:
    reached = asyncio.Event()

    def wait_here() -> str:
        reached.set()
        return BAD

    story = Story(executor, {"coder": [BAD], "test_writer": [TESTS], "debugger": [wait_here]})

    class Waiting(ScriptedReviewer):
        async def decide(self, patch: Any, summary: str) -> Decision:
            await asyncio.get_running_loop().create_future()
            raise AssertionError

    story.reviewer = Waiting([])
    story.model.replies = {**story.model.replies, "debugger": [lambda: (reached.set(), GOOD)[1]]}
    task = asyncio.ensure_future(story.run())
    await reached.wait()
    task.cancel()
    report = await task
    assert report.outcome == "stopped"
    assert story.workspace.files["generated_code.py"].endswith("x + 2\n")
    assert story.happened[-1] is RunFinished


async def test_debugging_a_users_file_trusts_the_users_tests(executor: SandboxedExecutor) -> None:
    files = {
        "shop.py": "def total(xs):\n    return sum(xs) + 1\n",
        "test_shop.py": SHOP_TESTS,
    }
    story = Story(
        executor,
        {"debugger": ["```python\ndef total(xs):\n    return sum(xs)\n```"]},
        prompt="",
        task="debug",
        files=files,
        program_file="shop.py",
        tests_file="test_shop.py",
        auto_patch=True,
    )
    report = await story.run()
    assert report.outcome == "passed"
    assert story.workspace.files["shop.py"] == "def total(xs):\n    return sum(xs)\n"
    assert story.workspace.writes == [{"shop.py": "def total(xs):\n    return sum(xs)\n"}]


STACK = """class Stack:
    def __init__(self):
        self.items = []

    def push(self, x):
        self.items.append(x)

    def pop(self):
        return self.items.pop(0)

    def peek(self):
        return self.items[0]
"""
# One test that notices no planted mistake, one that stays red, one that its own setup stops.
STACK_TESTS = """import unittest

from stack import Stack


class TestStack:
    def setup_method(self):
        self.stack = Stack()
        self.stack.push(1)
        self.stack.push(2)

    def test_name(self):
        assert Stack.__name__ == "Stack"

    def test_pop(self):
        assert self.stack.pop() == 2

    def test_peek(self):
        assert self.stack.peek() == 2


class Emptying(unittest.TestCase):
    def setUp(self):
        self.stack = Stack()
        self.stack.push(1)
        self.stack.push(2)
        assert self.stack.pop() == 2

    def test_last(self):
        self.assertEqual(self.stack.pop(), 1)
"""


async def test_a_program_that_hangs_is_debugged_with_all_its_tests(
    executor: SandboxedExecutor,
) -> None:
    hangs = "```python\ndef half(x):\n    while x == 0:\n        pass\n    return abs(x) // 2\n```"
    right = "```python\ndef half(x):\n    return x // 2\n```"
    tests = "assert half(8) == 4\nassert half(0) == 0\nassert half(-2) == -1"
    story = Story(
        executor,
        {"coder": [hangs], "test_writer": [tests], "debugger": [right]},
        prompt="Write half(x) that halves an integer.",
        run_timeout_seconds=1.0,
        auto_patch=True,
    )
    report = await story.run()
    assert report.outcome == "passed"
    assert report.tests
    assert len(report.tests.passed) == 3
    assert "stopped: ran longer than 1 s, in test_guessed_2" in story.model.prompts("debugger")[0]


async def test_a_patched_program_has_no_vote_on_the_tests_that_it_fails(
    executor: SandboxedExecutor,
) -> None:
    sums = "def sub(a, b):\n    return a + b\n\n\ndef mul(a, b):\n    return a + b\n"
    half_mended = sums.replace("a + b", "a - b", 1)
    story = Story(
        executor,
        {
            "coder": [f"```python\n{sums}```"],
            "test_writer": ["assert sub(5, 2) == 3\nassert mul(5, 2) == 10"],
            "debugger": [f"```python\n{half_mended}```"],
        },
        prompt="Write functions sub(a, b) and mul(a, b).",
        auto_patch=True,
    )
    report = await story.run()
    assert report.outcome == "gave_up"
    assert report.dropped == ()
    assert story.workspace.files["generated_code.py"] == half_mended
    assert "mul(5, 2) == 10" in story.workspace.files["test_generated.py"]


async def test_no_test_of_the_users_own_is_dropped_whatever_class_it_is_in(
    executor: SandboxedExecutor,
) -> None:
    pop_mended = STACK.replace("pop(0)", "pop()")
    story = Story(
        executor,
        {"debugger": [f"```python\n{pop_mended}```"]},
        prompt="",
        task="debug",
        files={"stack.py": STACK, "test_stack.py": STACK_TESTS},
        program_file="stack.py",
        tests_file="test_stack.py",
        auto_patch=True,
    )
    report = await story.run()
    assert report.outcome == "gave_up"
    assert "TestStack::test_peek failed" in report.reason
    assert report.dropped == ()
    assert story.workspace.files == {"stack.py": pop_mended, "test_stack.py": STACK_TESTS}


async def test_a_users_test_file_without_a_test_is_reported_as_that(
    executor: SandboxedExecutor,
) -> None:
    files = {"shop.py": "def total(xs):\n    return sum(xs)\n", "test_shop.py": "import shop\n"}
    story = Story(
        executor, {}, prompt="", task="debug", files=files,
        program_file="shop.py", tests_file="test_shop.py",
    )  # fmt: skip
    report = await story.run()
    assert (report.outcome, report.reason) == ("failed", "there is no test in test_shop.py")


@pytest.mark.parametrize(
    ("tests", "outcome", "reason"),
    [
        (
            f"import pytest\n{SHOP_TESTS}\n\n@pytest.mark.skip\n"
            "def test_later():\n    assert False\n\n\n"
            "@pytest.mark.xfail\ndef test_some_day():\n    assert total('ab') == 'ab'\n",
            "passed", "All tests pass. 2 skipped.",
        ),
        (
            "import pytest\n\n\n@pytest.mark.skip\ndef test_later():\n    assert False\n",
            "failed", "every test was skipped",
        ),
        (
            SHOP_TESTS.replace("):", ")"),
            "failed", "test_shop.py does not compile: line 4: expected ':' in `def test_total()`",
        ),
        (SHOP_TESTS.replace("3", "4"), "gave_up", "1 of 1 tests did not pass: test_total failed"),
    ],
    ids=["skipped", "all skipped", "broken", "failing"],
)  # fmt: skip
async def test_running_the_users_tests_reports_their_outcome(
    executor: SandboxedExecutor, tests: str, outcome: str, reason: str
) -> None:
    story = Story(
        executor, {}, prompt="", task="debug", max_iters=1,
        files={"shop.py": "def total(xs):\n    return sum(xs)\n", "test_shop.py": tests},
        program_file="shop.py", tests_file="test_shop.py",
    )  # fmt: skip
    report = await story.run()
    assert (report.outcome, report.reason) == (outcome, reason)
    assert story.workspace.writes == []


@pytest.mark.parametrize(
    "asking",
    [
        "print(inc(int(input('x: '))))",
        "import sys\n    print(inc(int(sys.argv[1])))",
        "import argparse\n    parser = argparse.ArgumentParser()\n"
        "    parser.add_argument('x', type=int)\n    print(inc(parser.parse_args().x))",
        "import sys\n    if len(sys.argv) < 2:\n        sys.exit('usage: inc X')\n    print(1)",
    ],
    ids=["input", "argv", "argparse", "usage"],
)
async def test_a_program_may_wait_for_input_when_it_is_run(
    executor: SandboxedExecutor, asking: str
) -> None:
    program = f"def inc(x):\n    return x + {{}}\n\n\nif __name__ == '__main__':\n    {asking}"
    right, wrong = (f"```python\n{program.format(n)}\n```" for n in (1, 2))
    story = Story(executor, {"coder": [right], "test_writer": [TESTS]})
    assert (await story.run()).outcome == "passed"
    assert story.happened == [*START, SuiteFiltered, *CHECK, RunFinished]
    assert story.only(ProgramInspected)[0].findings[0].kind == "input"
    story = Story(
        executor, {"coder": [wrong], "test_writer": [TESTS], "debugger": ["?"]}, max_iters=1
    )
    assert (await story.run()).outcome == "gave_up"


async def test_a_program_that_fails_when_it_is_run_has_not_passed(
    executor: SandboxedExecutor,
) -> None:
    program = GOOD.replace("\n```", "\n\n\nif __name__ == '__main__':\n    print([][1])\n```")
    story = Story(executor, {"coder": [program], "test_writer": [TESTS]}, max_iters=1)
    report = await story.run()
    assert report.outcome == "gave_up"
    assert story.only(TestsFinished)[-1].report.verdict == "passed"


CHAIN = " + ".join(f"'{n}'" for n in range(900))  # compiles, but is too deep for ast.unparse


@pytest.mark.parametrize(
    ("program", "tests", "outcome"),
    [
        (f"TEXT = {CHAIN}\n\n\ndef inc(x):\n    return x + 1", TESTS, "passed"),
        (f"def inc(x):\n    len({CHAIN})\n    return x + 2", TESTS, "gave_up"),
        ("def inc(x):\n    return x + 1", f"assert inc(len({CHAIN})) == 1\n{TESTS}", "passed"),
    ],
    ids=["right", "wrong", "tests"],
)
async def test_deeply_nested_code_of_the_model_does_not_end_a_run(
    executor: SandboxedExecutor, program: str, tests: str, outcome: str
) -> None:
    replies = {"coder": [f"```python\n{program}\n```"], "test_writer": [tests], "debugger": ["?"]}
    story = Story(executor, replies, max_iters=2)
    report = await story.run()
    assert report.outcome == outcome, report.reason


async def test_deeply_nested_tests_of_the_user_do_not_end_a_run(
    executor: SandboxedExecutor,
) -> None:
    tests = f"from shop import total\n\n\ndef test_total():\n    assert total({CHAIN}) == 3\n"
    story = Story(
        executor,
        {"debugger": ["?"]},
        prompt="",
        task="debug",
        files={"shop.py": "def total(xs):\n    return sum(xs)\n", "test_shop.py": tests},
        program_file="shop.py",
        tests_file="test_shop.py",
        max_iters=2,
    )
    assert (await story.run()).outcome == "gave_up"


async def test_a_prompt_that_is_too_deep_fails_with_its_sentence(
    executor: SandboxedExecutor,
) -> None:
    story = Story(executor, {}, prompt=f"Write inc(x).\n\nassert inc({CHAIN}) == 1")
    report = await story.run()
    assert report.outcome == "failed"
    assert report.reason == "The prompt or the code is nested too deeply for Python to take apart."


async def test_no_program_can_skip_the_test_that_it_fails(executor: SandboxedExecutor) -> None:
    skipping = "import pytest\n\n\ndef total(xs):\n    pytest.skip()\n"
    blank = "def test_that_blanks_are_skipped():\n    assert True\n"
    story = Story(
        executor, {"debugger": [f"```python\n{skipping}```"]}, prompt="", task="debug",
        files={
            "shop.py": "def total(xs):\n    return 0\n",
            "test_shop.py": f"{SHOP_TESTS}\n\n{blank}",
        },
        program_file="shop.py", tests_file="test_shop.py", auto_patch=True,
    )  # fmt: skip
    report = await story.run()
    assert report.outcome == "gave_up"
    assert story.workspace.writes == []


async def test_syntax_errors_are_repaired_without_asking(
    executor: SandboxedExecutor,
) -> None:
    files = {
        "shop.py": "def total(xs)\n    return sum(xs)\n",
        "test_shop.py": SHOP_TESTS,
    }
    story = Story(
        executor,
        {"debugger": ["```python\ndef total(xs):\n    return sum(xs)\n```"]},
        prompt="",
        task="debug",
        files=files,
        program_file="shop.py",
        tests_file="test_shop.py",
    )
    assert (await story.run()).outcome == "passed"
    assert story.reviewer.asked == []


async def test_a_stub_is_implemented_in_place(executor: SandboxedExecutor) -> None:
    source = 'RATE = 3\n\n\ndef price(n):\n    """price(2) returns 6"""\n    ...\n\n\nLAST = 1\n'
    story = Story(
        executor,
        {
            "coder": ["```python\ndef price(n):\n    return n * RATE\n```"],
            "test_writer": ["assert price(3) == 9\nassert price(0) == 0"],
        },
        prompt='def price(n):\n    """price(2) returns 6"""\n    ...\n',
        task="implement",
        function="price",
        files={"shop.py": source},
        program_file="shop.py",
        tests_file="test_shop.py",
    )
    report = await story.run()
    assert report.outcome == "passed", report.reason
    text = story.workspace.files["shop.py"]
    assert text.startswith("RATE = 3\n")
    assert text.endswith("LAST = 1\n")
    assert "return n * RATE" in text


async def test_the_tests_of_another_function_stay_beside_those_of_a_stub(
    executor: SandboxedExecutor,
) -> None:
    stub = 'def price(n):\n    """Three times n."""\n    ...\n'
    other = "def test_given_1():\n    assert twice(4) == 8\n"
    again = "def test_given_2():\n    assert price(2) == 7\n"
    story = Story(
        executor,
        {
            "coder": ["```python\ndef price(n):\n    return 3 * n\n```"],
            "test_writer": ["assert price(3) == 9\nassert price(0) == 0"],
        },
        prompt=stub,
        task="implement",
        function="price",
        files={
            "shop.py": f"def twice(n):\n    return 2 * n\n\n\n{stub}",
            "test_shop.py": f"from shop import price, twice\n\n\n{other}\n\n{again}",
        },
        provenance={"test_given_1": "given", "test_given_2": "given"},
        program_file="shop.py",
        tests_file="test_shop.py",
    )
    report = await story.run()
    assert report.outcome == "passed", report.reason
    text = story.workspace.files["test_shop.py"]
    assert other in text
    assert "price(3) == 9" in text
    assert "== 7" not in text  # What was written for the function before is written anew.
    assert report.evidence is not None
    assert "given" not in report.evidence.passed  # The other's tests say nothing of it.


async def test_a_stub_that_gets_no_right_body_is_given_back_as_it_was(
    executor: SandboxedExecutor,
) -> None:
    source = 'RATE = 3\n\n\ndef price(n):\n    """price(2) returns 6"""\n    ...\n'
    story = Story(
        executor,
        {
            "coder": ["```python\ndef price(n):\n    return n\n```"],
            "test_writer": ["assert price(3) == 9"],
            "debugger": ["I do not know."],
        },
        prompt='def price(n):\n    """price(2) returns 6"""\n    ...\n',
        task="implement",
        function="price",
        files={"shop.py": source},
        program_file="shop.py",
        tests_file="test_shop.py",
        max_iters=2,
    )
    report = await story.run()
    assert report.outcome == "gave_up", report.reason
    assert story.workspace.files["shop.py"] == source


async def test_only_guessed_tests_may_be_dropped_when_their_program_is_debugged(
    executor: SandboxedExecutor,
) -> None:
    tests = (
        "from shop import total\n\n\ndef test_total():\n    assert total([1, 2]) == 3\n\n\n"
        "def test_nothing():\n    assert total is not None\n\n\n"
        "def test_no_more():\n    assert total is not None\n"
    )
    files = {"shop.py": "def total(xs):\n    return sum(xs)\n", "test_shop.py": tests}
    kept: tuple[Provenance, ...] = ("given", "stated", "property", "confirmed")
    cases: list[tuple[dict[str, Provenance], list[str]]] = [
        ({}, []),
        ({"test_nothing": "guessed"}, ["test_nothing"]),
        *(({"test_nothing": kind}, []) for kind in kept),
        *(({"test_nothing": "guessed", "test_no_more": kind}, ["test_nothing"]) for kind in kept),
    ]
    for provenance, dropped in cases:
        story = Story(
            executor, {}, task="debug", prompt="", files=files, program_file="shop.py",
            tests_file="test_shop.py", provenance=provenance, max_iters=1,
        )  # fmt: skip
        report = await story.run()
        assert report.outcome == "passed", report.reason
        assert [d.test for d in report.dropped] == dropped
        assert story.workspace.files["test_shop.py"] == tests
        assert report.suite is not None
        for test in ("test_total", "test_nothing", "test_no_more"):
            assert report.suite.provenance_of(test) == provenance.get(test, "own")


async def test_a_missing_file_fails_with_its_name(executor: SandboxedExecutor) -> None:
    story = Story(executor, {}, task="debug", program_file="gone.py", prompt="")
    report = await story.run()
    assert (report.outcome, report.reason) == (
        "failed",
        "There is no file gone.py: write it first.",
    )


async def test_a_file_that_cannot_be_saved_ends_the_run_before_a_model_is_asked(
    executor: SandboxedExecutor, tmp_path: Path
) -> None:
    (tmp_path / "generated_code.py").write_text("")
    (tmp_path / "generated_code.py").chmod(0o444)
    story = Story(executor, {})
    folder = FolderWorkspace(tmp_path, WrittenFiles(tmp_path / "written.jsonl"))
    coach = Coach(story.model, executor, folder, story.reviewer)
    report = await coach.run(story.request, story.events.append)
    assert report.outcome == "failed"
    assert report.reason.endswith("generated_code.py is read-only.")
    assert story.model.calls == []
