"""What no function written anew mends, the model mends from one line on: in the sandbox, with a
model whose replies are scripted."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

import pytest

from ml_coach.core.coach import Coach
from ml_coach.core.errors import BadRequestError
from ml_coach.core.events import Event, PatchApplied, ReplyRefused
from ml_coach.core.ports import Call, Decision, Ended, Profile
from ml_coach.core.request import Request
from ml_coach.core.types import RunReport
from ml_coach.core.usage import Usage
from ml_coach.disk import FolderWorkspace, WrittenFiles
from ml_coach.execution.executor import SandboxedExecutor
from ml_coach.project_files import open_project

CODE = '''def shares(prices):
    """Each price's part of the sum."""
    whole = sum(prices)
    parts = []
    for price in prices:
        parts.append(price / whole)
    return parts


def rounded(prices):
    return [round(each, 2) for each in shares(prices)]
'''
TESTS = """from shares import rounded, shares


def test_shares():
    assert shares([1, 3]) == [0.25, 0.75]


def test_all_for_nothing():
    assert shares([0, 0]) == [0.5, 0.5]


def test_rounded():
    assert rounded([1, 2]) == [0.33, 0.67]
"""
GUARD = "    if whole == 0:\n        return [1 / len(prices) for _ in prices]\n"
PROFILE = Profile(candidates=2, edit_format="function", goes_on=True)


@dataclass
class Model:
    """Spoils what it writes anew, and knows the line that is missing once it is there. `refuses`
    to go on from a beginning, as some servers do."""

    profile: Profile = PROFILE
    refuses: bool = False
    name: str = "scripted:lines"
    begun: list[str] = field(default_factory=list)

    async def stream(self, call: Call):
        last = call.messages[-1]
        text = "```python\ndef shares(prices):\n    return [0.5, 0.5]\n```\n"
        if last.role == "assistant":
            if self.refuses:
                raise BadRequestError("No message of the assistant may be the last one.")
            self.begun.append(last.text)
            text = "    pass\n"
            if last.text.endswith("    whole = sum(prices)\n"):
                text = f"    # missing\n{GUARD}    for each in prices:\n        prices."
        yield text
        yield Ended("length" if last.role == "assistant" else "stop", Usage(calls=1))

    async def aclose(self) -> None:
        pass


class Accepts:
    async def decide(self, patch: object, summary: str) -> Decision:
        return Decision("apply")

    async def answer(self, question: object) -> None:
        pass


async def _fixed(
    root: Path, model: Model, code: str = CODE, tests: str = TESTS
) -> tuple[RunReport, list[Event]]:
    (root / "pyproject.toml").write_text("[tool.pytest.ini_options]\npythonpath = '.'\n")
    (root / "shares.py").write_text(code)
    (root / "test_shares.py").write_text(tests)
    workspace = FolderWorkspace(root, WrittenFiles(root.parent / "written.jsonl"))
    executor, events = SandboxedExecutor(), list[Event]()
    coach = Coach(model, executor, workspace, Accepts(), project=open_project(root).project)
    try:
        request = Request("", task="fix", auto_patch=True, max_iters=2)
        return await coach.run(request, events.append), events
    finally:
        await executor.aclose()


async def test_a_line_is_put_in_where_no_whole_function_helps(tmp_path: Path) -> None:
    root = tmp_path / "project"
    root.mkdir()
    model = Model()
    report, events = await _fixed(root, model)
    assert report.outcome == "passed", report.reason
    before = "    whole = sum(prices)\n"
    assert (root / "shares.py").read_text() == CODE.replace(before, before + GUARD)
    assert all(text.startswith("```python\ndef shares(prices):\n") for text in model.begun)
    (applied,) = [event for event in events if isinstance(event, PatchApplied)]
    assert applied.summary.startswith("A change of shares.py near line 4")


@pytest.mark.parametrize("model", [Model(refuses=True), Model(Profile(edit_format="function"))])
async def test_a_model_that_does_not_go_on_gives_up(tmp_path: Path, model: Model) -> None:
    root = tmp_path / "project"
    root.mkdir()
    report, events = await _fixed(root, model)
    assert report.outcome == "gave_up"
    assert "test_all_for_nothing" in report.reason
    assert (root / "shares.py").read_text() == CODE
    refused = [event for event in events if isinstance(event, ReplyRefused)]
    assert len(refused) == model.refuses  # It is not asked again.


async def test_a_small_edit_mends_all_of_a_failure_that_has_more_tests_than_it_is_tried_with(
    tmp_path: Path,
) -> None:
    """Of 25 tests with one cause 20 are tried first, and a guard that returns None mends those."""
    root = tmp_path / "project"
    root.mkdir()
    code = "def limit(n, kind):\n    return n.value\n"
    tests = """import pytest
from shares import limit


@pytest.mark.parametrize("n", range(100, 125))
def test_missing(n):
    assert limit(None, n) == (None if n < 120 else "nothing")
"""
    report, events = await _fixed(root, Model(Profile(edit_format="function")), code, tests)
    assert report.outcome == "gave_up"
    assert not [event for event in events if isinstance(event, PatchApplied)]
    assert (root / "shares.py").read_text() == code
