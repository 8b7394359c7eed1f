"""Open questions in the editor: where they are shown, and which one after each run."""

from __future__ import annotations

import pytest

from ml_coach.core.question import Answer, Choice, Question
from ml_coach.lsp.runs.open_questions import OpenQuestion, OpenQuestions, read_answer

QUESTION = Question("pay(1, 'def tax')", (Choice("1", 2), Choice("ValueError", 1, raises=True)))
TEXT = """import os

async def pay(
    amount,
):
    # twice

    return amount

TAX = 2
class Account:
    def pay(self): ...
"""
URI = "file:///pay.py"


@pytest.mark.parametrize(
    ("call", "place"),
    [
        ("pay(1, 'def tax')", (2, 8)),
        ("Account(1).pay()", (10, 11)),
        ("[Account(1)]", (10, 11)),
        ("gone(1)", None),
    ],
)
def test_a_question_stands_at_the_function_that_its_call_names(
    call: str, place: tuple[int, int] | None
) -> None:
    asked = OpenQuestion("run", Question(call, QUESTION.choices))
    assert asked.place(TEXT.splitlines(keepends=True)) == place


def test_each_answer_has_a_title_that_names_the_call() -> None:
    titles = [title for title, _ in OpenQuestion("run", QUESTION).titles()]
    assert titles == [
        "pay(1, 'def tax') gives 1",
        "pay(1, 'def tax') raises ValueError",
        "pay(1, 'def tax') is not defined",
    ]


def test_a_question_is_open_until_another_run_and_again_after_its_undo() -> None:
    changed: list[str] = []
    questions = OpenQuestions(changed.append)
    questions.begin("one", URI)
    assert not changed
    questions.end("one", QUESTION)
    asked = OpenQuestion("one", QUESTION)
    assert questions.at(URI) == asked
    questions.begin("two", URI)
    questions.end("two", None)
    assert questions.at(URI) is None
    questions.undone("two")
    assert questions.at(URI) == asked
    questions.undone("two", redone=True)
    assert questions.at(URI) is None
    assert changed == [URI] * 4


def test_a_run_that_failed_leaves_the_question_before_it_open() -> None:
    questions = OpenQuestions(lambda uri: None)
    questions.show(URI, OpenQuestion("one", QUESTION))
    questions.begin("two", URI)
    questions.end("two", None, is_whole=False)
    assert questions.at(URI) == OpenQuestion("one", QUESTION)


def test_a_question_follows_the_uri_of_its_document() -> None:
    questions = OpenQuestions(lambda uri: None)
    questions.show(URI, OpenQuestion("one", QUESTION))
    questions.rename_uri(URI, "file:///p%61y.py")
    assert questions.at(URI) is None
    questions.undone("one")
    assert questions.at("file:///p%61y.py") is None


@pytest.mark.parametrize("choice", [2, -1, True, "0", None])
def test_a_choice_that_there_is_not_is_no_answer(choice: object) -> None:
    assert read_answer(QUESTION, choice, None) is None


def test_a_choice_and_a_text_are_answers() -> None:
    chosen, typed = read_answer(QUESTION, 1, None), read_answer(QUESTION, None, "3")
    assert isinstance(chosen, Answer)
    assert isinstance(typed, Answer)
    assert (chosen.kind, typed.text) == ("raises", "3")
    assert "is no Python value" in str(read_answer(QUESTION, None, "a b"))
