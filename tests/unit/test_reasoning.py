"""Reasoning is removed from a reply, wherever the stream cuts it into pieces."""

from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ml_coach.models.reasoning_stream import ReasoningFilter, starts_inside


def filtered(pieces: list[str], *, inside: bool = False, whole: bool = True) -> str:
    reasoning = ReasoningFilter(inside=inside)
    return "".join([*map(reasoning.feed, pieces), reasoning.flush(whole=whole)])


@pytest.mark.parametrize(
    ("reply", "text"),
    [
        ("plain", "plain"),
        ("", ""),
        ("    indented()\n", "    indented()\n"),
        ("<think>a</think>\n\nanswer", "answer"),
        ("\n<think>\na\n</think>\n    code()", "    code()"),
        ("<think></think><think>b</think>x", "x"),
        ("<Thinking>a</Thinking>x", "x"),
        ("<reasoning>a < b</reasoning>x", "x"),
        ("<thin", "<thin"),
        ("<b>bold</b>", "<b>bold</b>"),
        ('x = "<think>no</think>"', 'x = "<think>no</think>"'),
        ("<think>never closed", ""),
        ("a</think>b", "a</think>b"),
    ],
)
@given(data=st.data())
def test_the_text_does_not_depend_on_the_pieces(reply: str, text: str, data: st.DataObject) -> None:
    cuts = data.draw(st.lists(st.integers(0, len(reply)), max_size=6).map(sorted))
    edges = [0, *cuts, len(reply)]
    pieces = [reply[a:b] for a, b in pairwise(edges)]
    assert filtered(pieces) == text


def test_a_block_that_the_template_opened_ends_in_the_reply() -> None:
    assert filtered(["hm, ", "so</thi", "nk>\n\nyes"], inside=True) == "yes"
    assert filtered(["no block ", "at all"], inside=True) == "no block at all"
    assert filtered(["hm, so"], inside=True, whole=False) == ""


def test_text_is_not_held_back_without_need() -> None:
    reasoning = ReasoningFilter()
    assert reasoning.feed("def f") == "def f"
    assert reasoning.feed("<think>") == "<think>"


def test_models_whose_template_opens_the_block() -> None:
    assert starts_inside("DeepSeek-R1-Distill-Qwen-7B")
    assert starts_inside("qwq:32b")
    assert not starts_inside("qwen2.5-coder-7b")
