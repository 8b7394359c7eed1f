"""A prompt for several files: its pieces, and which divisions of them are taken."""

from __future__ import annotations

import pytest
from parts import ScriptedModel

from ml_coach.core.agents.divider import Part, divide, pieces_of
from ml_coach.core.agents.model_client import Budget, ModelClient
from scripted_model import DIVISION, FILES_PROMPT

FILES = ("report.py", "shapes.py")
LONG = """A module shapes.py with area(side), and a
command in tools/report.py that prints it. Both raise TypeError
for text; see the table.

| side | area(side) |
|---|---|
| 2 | 4 |

    # an indented block
    area(5)

>>> area(3)
9

```python
# shapes.py. Not cut. Here.
x = 1
```
- It says 'no. 1, and report.py' for 1.
- e(2) gives 3
"""
PIECES = (
    "A module shapes.py with area(side)",
    ", and a\ncommand in tools/report.py that prints it. ",
    "Both raise TypeError\nfor text; see the table.\n\n",
    "| side | area(side) |\n|---|---|\n| 2 | 4 |\n\n",
    "    # an indented block\n    area(5)\n\n",
    ">>> area(3)\n9\n\n",
    "```python\n# shapes.py. Not cut. Here.\nx = 1\n```\n",
    "- It says 'no. 1, and report.py' for 1.\n",
    "- e(2) gives 3\n",
)


async def division(*replies: str) -> tuple[tuple[Part, ...] | str, list[str]]:
    model = ScriptedModel({"researcher": replies})
    limits = Budget(max_calls=9, max_tokens=9_999, max_seconds=99)
    client = ModelClient(model, limits, lambda event: None)
    return await divide(client, FILES_PROMPT, FILES), model.prompts("researcher")


@pytest.mark.parametrize("ends", ["\n", "\r\n"])
def test_the_pieces_are_the_prompt(ends: str) -> None:
    assert pieces_of(LONG.replace("\n", ends), ("shapes.py", "tools/report.py")) == PIECES
    assert "".join(PIECES) == LONG


def test_unfinished_blocks_are_pieces_as_well() -> None:
    for text in ("```\nx. Y", "| a", ">>> f(1)", "    x", "- ", "#", "A. B"):
        assert "".join(pieces_of(text, FILES)).strip() == text.strip()
    assert pieces_of("", FILES) == ()


@pytest.mark.parametrize(
    "reply",
    [
        DIVISION,
        "Here it is:\n\n1. `shapes.py`: [2]\n2. **report.py**: 1\n",
        '{"shapes.py": [2], "report.py": [1]}',
        "shapes.py: piece 2-2\r\nreport.py: 1",
    ],
)
async def test_a_part_has_the_words_of_the_prompt_in_the_order_of_the_reply(reply: str) -> None:
    (first, second), _ = await division(reply)
    assert isinstance(first, Part)
    assert isinstance(second, Part)
    assert (first.file, second.file) == ("shapes.py", "report.py")
    said = "Put area(side), which it uses, into shapes.py: area(3) == 9."
    assert first.prompt == f"{said}\n\nWrite this into shapes.py."
    assert second.prompt.endswith("Write this into report.py; it can import from shapes.py.")


@pytest.mark.parametrize(
    ("reply", "why"),
    [
        ("I cannot.", "no piece belongs to report.py and shapes.py"),
        ("report.py: 1, 2", "no piece belongs to shapes.py"),
        ("report.py: 1\nreports.py: 2", "no piece belongs to shapes.py"),
        ("report.py: 1\nshapes.py: 1", "piece 2 belongs to no file"),
        ("report.py: 1\nshapes.py: 2, 3", "there is no piece 3"),
        ("report.py: 1, 2\nshapes.py: 1, 2", "“assert line(2) == 'area 4'” belongs to one file"),
    ],
)
async def test_a_division_that_is_none_is_refused_and_asked_for_again(reply: str, why: str) -> None:
    said, asked = await division(reply)
    assert isinstance(said, str)
    assert why in said
    assert len(asked) == 2
    assert "could not be used" not in asked[0]
    assert said in asked[1]
    parts, _ = await division(reply, DIVISION)
    assert isinstance(parts, tuple)
