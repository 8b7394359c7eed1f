"""A debugged function is compared with programs written apart from its description."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from typing import Any

import pytest
import pytest_asyncio

from ml_coach.core.coach import Coach
from ml_coach.core.errors import ModelError
from ml_coach.core.ports import Decision, Profile
from ml_coach.core.python.stubs import emptied
from ml_coach.core.request import Request
from ml_coach.core.types import RunReport
from ml_coach.execution.executor import SandboxedExecutor
from unit.parts import MemoryWorkspace, ScriptedModel, ScriptedReviewer

pytestmark = pytest.mark.asyncio(loop_scope="module")

SMALL = Profile(edit_format="function", plans=False, candidates=4)
HEAD = 'LIMIT = 3  # stays\n\n\ndef nested(text):\n    """Whether all brackets are closed."""\n'
FORGETS = """    depth = 0
    for sign in text:
        depth += 1 if sign == "(" else -1
        if depth < 0:
            return False
    return True
"""
RIGHT = FORGETS.replace("return True", "return depth == 0")
COUNTS = '    return text.count("(") == text.count(")")\n'
TESTS = (
    "from brackets import nested\n\n\n"
    "def test_nested():\n    assert nested('(())') is True\n    assert nested(')(') is False\n"
)


def written(body: str) -> str:
    return f"```python\ndef nested(text):\n{body}```"


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def executor() -> AsyncGenerator[SandboxedExecutor]:
    executor = SandboxedExecutor()
    yield executor
    await executor.aclose()


class Debugged:
    """A run of the debugger on `source`, where the coder gives `bodies`."""

    def __init__(self, source: str, bodies: list[str], **more: Any) -> None:
        replies = {"coder": [*map(written, bodies)], "debugger": more.pop("debugger", [])}
        self.model = ScriptedModel(replies, more.pop("profile", SMALL))
        self.reviewer = ScriptedReviewer(more.pop("answers", []))
        self.workspace = MemoryWorkspace({"brackets.py": source, "test_brackets.py": TESTS})
        self.request = Request(
            "", task="debug", program_file="brackets.py", tests_file="test_brackets.py", **more
        )

    async def run(self, executor: SandboxedExecutor) -> RunReport:
        coach = Coach(self.model, executor, self.workspace, self.reviewer)
        return await coach.run(self.request, lambda _: None)

    @property
    def source(self) -> str:
        return self.workspace.files["brackets.py"]


async def test_a_mistake_that_no_test_notices_is_found_by_programs_written_apart(
    executor: SandboxedExecutor,
) -> None:
    story = Debugged(HEAD + FORGETS, [RIGHT] * 4, answers=[Decision("apply")])
    report = await story.run(executor)
    assert report.outcome == "passed", report.reason
    assert "4 of 4 programs written apart from its description answer `nested(" in report.reason
    assert story.source == HEAD + RIGHT
    assert story.workspace.files["test_brackets.py"] == TESTS
    # Nobody who writes it anew sees what is there.
    assert all("depth" not in prompt for prompt in story.model.prompts("coder"))


async def test_what_the_user_does_not_take_stays_and_the_run_is_not_sure(
    executor: SandboxedExecutor,
) -> None:
    story = Debugged(HEAD + FORGETS, [RIGHT] * 4, answers=[Decision("discard")])
    report = await story.run(executor)
    assert report.outcome == "unsure"
    assert report.reason.startswith("All tests pass, but 4 of 4 programs")
    assert story.source == HEAD + FORGETS


async def test_where_no_user_can_be_asked_the_patch_waits(executor: SandboxedExecutor) -> None:
    story = Debugged(HEAD + FORGETS, [RIGHT] * 4, answers=[Decision("later")])
    report = await story.run(executor)
    assert report.pending is not None
    assert story.source == HEAD + FORGETS


@pytest.mark.parametrize(
    "bodies",
    [[RIGHT] * 2 + [FORGETS] * 2, ["    return 1\n"] * 4, [FORGETS] * 4],
    ids=["divided", "fail the tests", "agree"],
)
async def test_programs_that_are_no_evidence_change_nothing(
    executor: SandboxedExecutor, bodies: list[str]
) -> None:
    story = Debugged(HEAD + FORGETS, bodies)
    report = await story.run(executor)
    assert (report.outcome, report.reason) == ("passed", "All tests pass.")
    assert story.reviewer.asked == []
    assert story.source == HEAD + FORGETS


async def test_where_no_repair_helps_the_function_is_offered_anew(
    executor: SandboxedExecutor,
) -> None:
    wrong = "    # Counts.\n" + COUNTS
    story = Debugged(
        HEAD + wrong, [RIGHT] * 3 + [COUNTS], debugger=[written(wrong)] * 3,
        answers=[Decision("apply")],
    )  # fmt: skip
    report = await story.run(executor)
    assert report.outcome == "passed", report.reason
    assert "3 of 4 programs written apart from its description pass all tests" in report.reason
    assert story.source == HEAD + RIGHT


@pytest.mark.parametrize(
    ("source", "more"),
    [
        (HEAD.replace('    """Whether all brackets are closed."""\n', "") + FORGETS, {}),
        (HEAD + FORGETS, {"max_iters": 1}),
        (HEAD + FORGETS, {"profile": Profile(candidates=1)}),
    ],
    ids=["nothing describes it", "only the tests are run", "one program"],
)
async def test_nobody_is_asked_where_nothing_could_be_said(
    executor: SandboxedExecutor, source: str, more: dict[str, Any]
) -> None:
    story = Debugged(source, [], **more)
    report = await story.run(executor)
    assert (report.outcome, report.reason) == ("passed", "All tests pass.")
    assert story.model.prompts("coder") == []


async def test_a_model_that_fails_takes_nothing_back(executor: SandboxedExecutor) -> None:
    story = Debugged(HEAD + FORGETS, [])
    story.model.replies["coder"] = [ModelError("The model is gone.")]
    report = await story.run(executor)
    assert (report.outcome, report.reason) == ("passed", "All tests pass.")


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        ('def f(x):\n    """Doc."""\n    return x\n', 'def f(x):\n    """Doc."""\n    ...\n'),
        ("def f(x):\n    #\n    return x\n\n\ny = 1\n", "def f(x):\n    #\n    ...\n\n\ny = 1\n"),
        ("def f(x): return x\n", "def f(x): return x\n"),
        ('def f(x):\n    """Doc."""\n', 'def f(x):\n    """Doc."""\n'),
        ("def g(x):\n    return x\n", "def g(x):\n    return x\n"),
    ],
)  # fmt: skip
async def test_a_function_is_emptied_but_for_its_description(source: str, expected: str) -> None:
    assert emptied(source, "f") == expected
