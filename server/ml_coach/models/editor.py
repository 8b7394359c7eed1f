"""`editor:`: the editor's own models, asked through a function that the language server gives."""

from __future__ import annotations

import time
from collections.abc import AsyncGenerator, Callable, Coroutine
from contextlib import aclosing
from dataclasses import dataclass
from typing import Any, Literal, Protocol

from ml_coach.core.errors import (
    AuthError,
    BadRequestError,
    BlockedError,
    ModelError,
    QuotaError,
    UnavailableError,
)
from ml_coach.core.ports import Call, Ended, Profile
from ml_coach.core.usage import Usage
from ml_coach.models.reply_text import ReplyText
from ml_coach.models.task_stream import deadline, stream_from_task

Fault = Literal["", "not_allowed", "not_found", "blocked", "quota", "unavailable"]


@dataclass(frozen=True, slots=True)
class EditorAnswer:
    """How a reply of the editor's model ended.

    `text` is the reply of an editor that did not stream it. `fault` says why there is no whole
    reply, empty where there is one; `message` says it in the editor's words. Tokens are 0 where the
    editor does not count them.
    """

    finish: Literal["stop", "length"] = "stop"
    text: str = ""
    prompt_tokens: int = 0
    completion_tokens: int = 0
    fault: Fault = ""
    message: str = ""


class EditorRequest(Protocol):
    """Asks the editor. The language server implements it with `mlCoach/complete`."""

    def __call__(
        self, model: str, call: Call, take: Callable[[str], None]
    ) -> Coroutine[Any, Any, EditorAnswer]:
        """Passes each piece to `take` as it arrives, then returns how the reply ended.

        `model` is empty where the editor is to choose. Cancelling must cancel the request in the
        editor. Raises `ConnectionError` when the editor has gone.
        """
        ...


class EditorModel:
    """A model of the editor; `model` is empty where the editor is to choose.

    `request` is None where no editor with models is connected. Each call then raises
    `BadRequestError`.
    """

    def __init__(self, request: EditorRequest | None, model: str = "", *, profile: Profile) -> None:
        self._request = request
        self._model = model
        self.profile = profile

    @property
    def name(self) -> str:
        """See `core.ports.Model`."""
        return f"editor:{self._model}"

    async def stream(self, call: Call) -> AsyncGenerator[str | Ended, None]:
        """See `core.ports.Model.stream`."""
        request = self._request
        if request is None:
            raise BadRequestError(
                "editor: needs an editor that offers its models (VS Code does); none is connected."
            )
        started = time.monotonic()
        reply = ReplyText(self._model, _sentence)
        answers: list[EditorAnswer] = []

        async def produce(put: Callable[[str], None]) -> None:
            async with deadline(call.timeout_seconds, "The editor's model"):
                try:
                    answers.append(await request(self._model, call, put))
                except ConnectionError as error:
                    raise UnavailableError(f"The editor has gone: {error}.") from None

        streamed = False
        async with aclosing(stream_from_task(produce)) as pieces:
            async for piece in pieces:
                streamed = True
                if text := reply.feed(piece):
                    yield text
        answer = answers[0]
        if answer.fault:
            raise _error(answer)
        rest = "" if streamed else reply.feed(answer.text)
        if rest := rest + reply.close(answer.finish):
            yield rest
        seconds = time.monotonic() - started
        tokens = (answer.prompt_tokens, answer.completion_tokens)
        yield Ended(answer.finish, Usage(1, *tokens, seconds=seconds))

    async def aclose(self) -> None:
        """Nothing has to be freed, because the editor owns its models."""


def _sentence(said: str) -> str:
    return f"The editor's model: {said.rstrip('.')}."


def _error(answer: EditorAnswer) -> ModelError:
    text = _sentence(answer.message or answer.fault.replace("_", " "))
    match answer.fault:
        case "blocked":
            return BlockedError(text)
        case "quota":
            return QuotaError(text)
        case "not_allowed":
            return AuthError(text)
        case "not_found":
            return BadRequestError(text)
        case _:
            return UnavailableError(text)
