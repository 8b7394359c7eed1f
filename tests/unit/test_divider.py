"""A prompt for several files: which divisions of it are taken."""

from __future__ import annotations

import pytest
from parts import ScriptedModel

from ml_coach.core.agents.divider import Part, divide
from ml_coach.core.agents.model_client import Budget, ModelClient
from scripted_model import DIVISION, FILES_PROMPT

AREA = "Put area(side), which it uses, into shapes.py: area(3) == 9."
FILES = ("report.py", "shapes.py")
RAISES = "Write a.py with root(x): root(4) == 2.0. It raises ValueError for a negative x. "
RAISES += "Write b.py with\n`twice(x)`:\n>>> twice(2)\n4\n"
PARTS = (
    "# a.py\nWrite root(x): root(4) == 2.0. It raises ValueError for a negative x.\n\n"
    "# b.py\nImport root from a.py.\n**Write twice(x)**:\n>>> twice(2)\n4\n"
)


async def division(prompt: str, files: tuple[str, ...], *replies: str) -> tuple[Part, ...] | str:
    model = ScriptedModel({"researcher": replies})
    limits = Budget(max_calls=9, max_tokens=9_999, max_seconds=99)
    return await divide(ModelClient(model, limits, lambda event: None), prompt, files)


async def test_the_order_is_that_of_the_division() -> None:
    first, second = await division(FILES_PROMPT, FILES, DIVISION)
    assert (first.file, second.file) == ("shapes.py", "report.py")
    assert second.prompt.startswith("Import area from shapes.py. Write report.py")


async def test_line_breaks_and_marks_may_differ() -> None:
    for reply in (DIVISION.replace("## ", "### `").replace(".py\n", ".py`:\n"), DIVISION):
        parts = await division(FILES_PROMPT, FILES, f"Here it is.\n\n{reply}")
        assert [part.file for part in parts if isinstance(part, Part)] == ["shapes.py", "report.py"]
    assert len(await division(RAISES, ("a.py", "b.py"), PARTS)) == 2


@pytest.mark.parametrize(
    ("reply", "why"),
    [
        ("I cannot.", "one heading for each"),
        (DIVISION.replace("report.py\n", "reports.py\n"), "one heading for each"),
        (f"{DIVISION}\n## main.py\nRun it.", "one heading for each"),
        (DIVISION.replace(AREA, ""), "empty"),
        (DIVISION.replace("== 9", "== 8"), "does not say “assert area(3) == 8”"),
        (DIVISION.replace("== 9.", "== 9, area(-3) == 9."), "does not say “assert area(-3) == 9”"),
        (DIVISION.replace("line(2) == 'area 4'", "as it was"), "line(2) == 'area 4'” is missing"),
    ],
)  # fmt: skip
async def test_what_says_more_or_less_is_refused(reply: str, why: str) -> None:
    said = await division(FILES_PROMPT, FILES, reply)
    assert isinstance(said, str)
    assert why in said


@pytest.mark.parametrize(
    "change",
    [
        ("raises ValueError for a negative x", "copes with a negative x"),
        ("raises ValueError for a negative x", "raises TypeError for a negative x"),
        (">>> twice(2)\n4", ">>> twice(2)\n5"),
        (">>> twice(2)\n4", "It doubles."),
    ],
)
async def test_errors_and_sessions_count_as_well(change: tuple[str, str]) -> None:
    assert isinstance(await division(RAISES, ("a.py", "b.py"), PARTS.replace(*change)), str)


async def test_a_second_attempt_is_told_what_was_wrong_with_the_first() -> None:
    model = ScriptedModel({"researcher": [DIVISION.replace("== 9", "== 8"), DIVISION]})
    limits = Budget(max_calls=9, max_tokens=9_999, max_seconds=99)
    parts = await divide(ModelClient(model, limits, lambda event: None), FILES_PROMPT, FILES)
    assert len(parts) == 2
    assert "could not be used" not in model.prompts("researcher")[0]
    assert "the task does not say “assert area(3) == 8”" in model.prompts("researcher")[1]
