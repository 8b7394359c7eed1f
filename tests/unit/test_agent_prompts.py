"""What a prompt in an agent panel asks for, by its blocks."""

from __future__ import annotations

from pathlib import Path

import pytest
from acp.schema import ResourceContentBlock, TextContentBlock

from ml_coach.acp_agent.prompts import Asked, read_prompt

LINK = ResourceContentBlock(name="cart.py", uri="file:///shop/cart.py", type="resource_link")


@pytest.mark.parametrize("text", ["/tests", "/tests "])
def test_a_link_behind_a_command_is_its_file(text: str) -> None:
    asked = read_prompt([TextContentBlock(text=text, type="text"), LINK])
    assert asked == Asked("tests", "cart.py", (Path("/shop/cart.py"),))
    assert asked.file == "/shop/cart.py"


def test_a_link_within_a_sentence_is_its_name_there() -> None:
    before, after = "Write a test for (", "), please."
    blocks = [TextContentBlock(text=before, type="text"), LINK]
    asked = read_prompt([*blocks, TextContentBlock(text=after, type="text")])
    assert asked == Asked("", "Write a test for (cart.py), please.", (Path("/shop/cart.py"),))


def test_a_command_that_there_is_none_of_is_told() -> None:
    told = read_prompt([TextContentBlock(text="/test cart.py", type="text")])
    assert told == (
        "There is no command /test. There are /generate, /refine, /fix, /tests, /debug."
    )
