"""The editor's models, asked through a request that the language server gives."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextlib import aclosing
from dataclasses import dataclass, field, replace

import pytest

from ml_coach.core.errors import (
    AuthError,
    BadAnswerError,
    BadRequestError,
    BlockedError,
    DeadlineError,
    ModelError,
    QuotaError,
    UnavailableError,
)
from ml_coach.core.ports import Call, Ended, Message, Profile
from ml_coach.models.editor import EditorAnswer, EditorModel, Fault

CALL = Call("coder", (Message("user", "Say hello."),), timeout_seconds=5)


@dataclass
class Editor:
    """Stands for the client: streams `pieces`, then gives `answer`, or waits when there is none."""

    pieces: tuple[str, ...] = ("Hel", "lo")
    answer: EditorAnswer | ConnectionError | None = field(default_factory=EditorAnswer)
    asked: list[tuple[str, Call]] = field(default_factory=list)
    cancelled: bool = False

    async def __call__(self, model: str, call: Call, take: Callable[[str], None]) -> EditorAnswer:
        self.asked.append((model, call))
        for piece in self.pieces:
            take(piece)
        try:
            if self.answer is None:
                await asyncio.Event().wait()
        except asyncio.CancelledError:
            self.cancelled = True
            raise
        if isinstance(self.answer, ConnectionError):
            raise self.answer
        assert self.answer
        return self.answer


async def ask(editor: Editor | None, call: Call = CALL) -> tuple[list[str], Ended]:
    model = EditorModel(editor, "gpt", profile=Profile())
    *pieces, ended = [piece async for piece in model.stream(call)]
    await model.aclose()
    assert isinstance(ended, Ended)
    return [str(piece) for piece in pieces], ended


async def test_a_streamed_reply() -> None:
    editor = Editor(answer=EditorAnswer(prompt_tokens=3, completion_tokens=2))
    pieces, ended = await ask(editor)
    assert pieces == ["Hel", "lo"]
    assert (ended.finish, ended.usage.calls, ended.usage.tokens) == ("stop", 1, 5)
    assert editor.asked == [("gpt", CALL)]


async def test_a_reply_in_one_piece() -> None:
    pieces, _ = await ask(Editor(pieces=(), answer=EditorAnswer(text="<think>x</think>Hello")))
    assert pieces == ["Hello"]


async def test_a_cut_reply() -> None:
    _, ended = await ask(Editor(answer=EditorAnswer(finish="length")))
    assert ended.finish == "length"


async def test_closing_cancels_the_request() -> None:
    editor = Editor(answer=None)
    async with aclosing(EditorModel(editor, profile=Profile()).stream(CALL)) as stream:
        assert await anext(stream) == "Hel"
    assert editor.cancelled


async def test_a_silent_editor_meets_the_deadline() -> None:
    editor = Editor(answer=None)
    with pytest.raises(DeadlineError):
        await ask(editor, replace(CALL, timeout_seconds=0.05))
    assert editor.cancelled


@pytest.mark.parametrize(
    ("fault", "kind"),
    [
        ("not_allowed", AuthError),
        ("not_found", BadRequestError),
        ("blocked", BlockedError),
        ("quota", QuotaError),
        ("unavailable", UnavailableError),
    ],
)
async def test_every_fault_has_its_type(fault: Fault, kind: type[ModelError]) -> None:
    with pytest.raises(kind, match="the user said no"):
        await ask(Editor(answer=EditorAnswer(fault=fault, message="the user said no")))


async def test_an_editor_that_has_gone_makes_the_model_unavailable() -> None:
    with pytest.raises(UnavailableError, match="gone"):
        await ask(Editor(answer=ConnectionError("pipe closed")))


async def test_an_empty_reply_is_a_bad_answer() -> None:
    with pytest.raises(BadAnswerError):
        await ask(Editor(pieces=()))


async def test_without_an_editor_the_call_says_what_is_missing() -> None:
    with pytest.raises(BadRequestError, match="needs an editor"):
        await ask(None)
