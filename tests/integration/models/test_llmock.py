"""Against `llmock`, a fault server by others that checks how its clients behave."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from pathlib import Path
from typing import Any

import pytest

from conftest import open_model
from ml_coach.core.agents.model_client import Backoff, Budget, ModelClient
from ml_coach.core.errors import BadRequestError, ModelError, UnavailableError
from ml_coach.core.events import CallRetrying, Event
from ml_coach.core.ports import Call, Message, Model

CALL = Call("coder", (Message("user", "Say hello in a few words."),), timeout_seconds=10)
ANSWER = "Hello there, this is an answer of several words."


@pytest.fixture(params=["openai", "gemini", "genai"])
async def model(
    request: pytest.FixtureRequest, llmock: Any, tmp_path: Path
) -> AsyncGenerator[Model, None]:
    llmock.reply(ANSWER, times=None)
    provider = "openai" if request.param == "openai" else "gemini"
    opened = open_model(request.param, llmock.base_url(provider), tmp_path)
    yield opened
    await opened.aclose()


async def ask(model: Model, *, attempts: int = 4) -> tuple[str, list[Event]]:
    events: list[Event] = []
    budget = Budget(max_calls=20, max_tokens=10_000, max_seconds=60)
    backoff = Backoff(attempts=attempts, first_seconds=0.02)
    reply = await ModelClient(model, budget, events.append, backoff=backoff).ask(CALL)
    assert reply.finish == "stop"
    return reply.text, events


async def test_a_plain_answer(model: Model, llmock: Any) -> None:
    text, _ = await ask(model)
    assert text == ANSWER


@pytest.mark.parametrize("fault", ["disconnect", "truncate", "corrupt"])
async def test_a_broken_stream_is_requested_again(model: Model, llmock: Any, fault: str) -> None:
    getattr(llmock, fault)(after_chunks=2)
    text, events = await ask(model)
    assert text == ANSWER
    assert [e.attempt for e in events if isinstance(e, CallRetrying)] == [2]
    await asyncio.to_thread(llmock.assert_resilient)


async def test_retry_after_is_waited_for(model: Model, llmock: Any) -> None:
    llmock.rate_limit(times=2, retry_after=0.1)
    text, events = await ask(model)
    assert text == ANSWER
    delays = [e.delay_seconds for e in events if isinstance(e, CallRetrying)]
    assert len(delays) == 2
    assert all(delay >= 0.1 for delay in delays)
    await asyncio.to_thread(llmock.assert_resilient)


async def test_an_outage_ends(model: Model, llmock: Any) -> None:
    llmock.outage()
    with pytest.raises(UnavailableError):
        await ask(model, attempts=3)


@pytest.mark.parametrize("status", [400, 401, 403, 404])
async def test_a_lasting_error_is_not_retried(model: Model, llmock: Any, status: int) -> None:
    llmock.fail(status)
    with pytest.raises(ModelError) as caught:
        await ask(model)
    assert not isinstance(caught.value, UnavailableError)
    await asyncio.to_thread(llmock.assert_resilient)


async def test_a_prompt_that_is_too_long_is_refused(model: Model, llmock: Any) -> None:
    llmock.context_overflow()
    with pytest.raises(BadRequestError, match="context"):
        await ask(model)
