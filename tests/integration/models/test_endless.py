"""A server that never ends its reply costs bounded memory, and the call ends with a reason."""

from __future__ import annotations

import itertools
import json
from collections.abc import AsyncGenerator, Iterator
from contextlib import asynccontextmanager, suppress

import pytest
from aiohttp import web
from test_contract import CALL, ask

from ml_coach.core.errors import BadAnswerError
from ml_coach.core.ports import Profile
from ml_coach.models.openai_compatible import OpenAICompatibleModel


@asynccontextmanager
async def streaming(pieces: Iterator[bytes], kind: str) -> AsyncGenerator[OpenAICompatibleModel]:
    async def answer(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse(headers={"Content-Type": kind})
        await response.prepare(request)
        with suppress(ConnectionError):
            for piece in pieces:
                await response.write(piece)
        return response

    app = web.Application()
    app.router.add_post("/{any:.*}", answer)
    runner = web.AppRunner(app, shutdown_timeout=0.1)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    url = f"http://127.0.0.1:{runner.addresses[0][1]}"
    model = OpenAICompatibleModel("openai:m", "m", url, profile=Profile())
    try:
        yield model
    finally:
        await model.aclose()
        await runner.cleanup()


def event(text: str) -> bytes:
    choice = {"index": 0, "delta": {"content": text}, "finish_reason": None}
    return b"data: " + json.dumps({"choices": [choice]}).encode() + b"\n\n"


@pytest.mark.parametrize(
    ("begin", "kind"),
    [
        (b'data: {"choices": "', "text/event-stream"),
        (b'{"choices": "', "application/x-ndjson"),
        (b'{"choices": "', "application/json"),
    ],
    ids=["an event", "a line", "a JSON text"],
)
async def test_a_reply_that_is_one_endless_line_is_refused(begin: bytes, kind: str):
    endless = itertools.chain([begin], itertools.repeat(b"x" * 2**20))
    async with streaming(endless, kind) as model:
        with pytest.raises(BadAnswerError, match="does not end"):
            await ask(model)


@pytest.mark.parametrize(
    "text", [" \n\t " * 100, "<think>hm </think>" * 20, "<think> and so on" * 20]
)
async def test_a_stream_that_never_ends_is_cut(text: str):
    async with streaming(itertools.repeat(event(text)), "text/event-stream") as model:
        received, ended = await ask(model)
    assert ended.finish == "length"
    assert len(received) <= 32 * CALL.max_tokens + 20_000 + len(text)
