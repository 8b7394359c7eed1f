"""What only one protocol does: Google's details, OpenAI's dialects, several addresses."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web
from blockbuster import blockbuster_ctx
from fake_provider import HELLO, FakeProvider, Script, fake_provider
from test_contract import CALL, ask, refusal

from conftest import KEY, open_model
from loopback import serving
from ml_coach.core.agents.model_client import Backoff, Budget, ModelClient
from ml_coach.core.errors import (
    AuthError,
    BadAnswerError,
    ModelError,
    QuotaError,
    UnavailableError,
)
from ml_coach.core.events import Event
from ml_coach.core.ports import Call, Message, Profile
from ml_coach.models.gemini import GeminiModel
from ml_coach.models.genai import GenaiModel
from ml_coach.models.http import new_client
from ml_coach.models.openai_compatible import OpenAICompatibleModel, chat_url
from ml_coach.models.recorded import RecordingModel

GEMINI = ("gemini", "genai")


@asynccontextmanager
async def answering(body: Any, content_type: str = "application/json") -> AsyncGenerator[str, None]:
    """A server that gives every request the same answer."""

    async def answer(request: web.Request) -> web.Response:
        if content_type == "application/json":
            return web.json_response(body)
        return web.Response(text=body, content_type=content_type)

    app = web.Application()
    app.router.add_post("/{any:.*}", answer)
    async with serving(app) as url:
        yield url


@pytest.mark.parametrize("provider", GEMINI)
async def test_google_says_how_long_to_wait(
    provider: str, server: FakeProvider, tmp_path: Path
) -> None:
    retry = {"@type": "type.googleapis.com/google.rpc.RetryInfo", "retryDelay": "34.5s"}
    other = {"@type": "type.googleapis.com/google.rpc.Help"}
    model = open_model(provider, server.url, tmp_path)
    error = await refusal(model, server, Script(status=429, details=(other, retry)))
    assert isinstance(error, QuotaError)
    assert error.retry_after_seconds == 34.5
    await model.aclose()


@pytest.mark.parametrize("provider", GEMINI)
async def test_google_calls_a_bad_key_a_bad_request(
    provider: str, server: FakeProvider, tmp_path: Path
) -> None:
    why = {"@type": "type.googleapis.com/google.rpc.ErrorInfo", "reason": "API_KEY_INVALID"}
    model = open_model(provider, server.url, tmp_path)
    error = await refusal(model, server, Script(status=400, details=(why,)))
    assert type(error) is AuthError
    await model.aclose()


@pytest.mark.parametrize("provider", GEMINI)
async def test_google_is_not_asked_without_a_key(
    provider: str, server: FakeProvider, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("GOOGLE_API_KEY", "of the environment")
    kind = GeminiModel if provider == "gemini" else GenaiModel
    model = kind("x:m", "m", api_key="", profile=Profile())
    with pytest.raises(AuthError, match="set GOOGLE_API_KEY"):
        await ask(model)
    await model.aclose()
    behind = kind("x:m", "m", api_key="", profile=Profile(), base_url=server.url)
    await ask(behind)
    assert "of the environment" not in server.keys
    await behind.aclose()


@pytest.mark.parametrize("provider", ["openai", *GEMINI])
async def test_a_server_on_this_machine_is_asked_without_a_proxy(
    provider: str, server: FakeProvider, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:9")
    model = open_model(provider, server.url, tmp_path)
    await ask(model)
    await model.aclose()


@pytest.mark.parametrize("proxy", ["socks://127.0.0.1:1", "http://user:secret@h:port"])
async def test_a_proxy_that_cannot_be_used_is_reported(
    proxy: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ALL_PROXY", proxy)
    with pytest.raises(UnavailableError, match="ALL_PROXY names cannot be used") as told:
        new_client("https://example.com/v1")
    assert "secret" not in str(told.value)


@pytest.mark.parametrize("key", ["“sk-1”", "sk-1\nsk-2"])
async def test_an_impossible_key_is_reported_before_the_call(
    server: FakeProvider, key: str
) -> None:
    model = OpenAICompatibleModel("m", "m", server.url, api_key=key, profile=Profile())
    error = await refusal(model, server, Script())
    await model.aclose()
    assert isinstance(error, AuthError)
    assert key not in str(error)
    assert not server.requests


@pytest.mark.parametrize("provider", GEMINI)
async def test_room_for_reasoning_is_requested(
    provider: str, server: FakeProvider, tmp_path: Path
) -> None:
    kind = GeminiModel if provider == "gemini" else GenaiModel
    profile = Profile(thinking_tokens=1000)
    model = kind(f"{provider}:m", "m", api_key=KEY, profile=profile, base_url=server.url)
    await ask(model)
    config = server.requests[0]["generationConfig"]
    assert config["maxOutputTokens"] == CALL.max_tokens + 1000
    await model.aclose()


@pytest.mark.parametrize("provider", GEMINI)
async def test_gateways_may_send_numbers_for_enums(provider: str, tmp_path: Path) -> None:
    text = 'data: {"candidates": [{"content": {"parts": [{"text": "hi"}]}, "finishReason": 1}]}\n\n'
    async with answering(text, "text/event-stream") as url:
        model = open_model(provider, url, tmp_path)
        if provider == "genai":  # Its SDK refuses such a reply: a fault, but a typed one.
            with pytest.raises(BadAnswerError):
                await ask(model)
        else:
            assert (await ask(model))[0] == "hi"
        await model.aclose()


async def test_models_of_one_process_keep_their_own_address_and_key(
    server: FakeProvider, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The older SDK's configuration is global, and it looks for keys in the environment."""
    monkeypatch.setenv("GOOGLE_API_KEY", "of-the-environment")
    monkeypatch.setenv("GEMINI_API_KEY", "of-the-environment")
    async with fake_provider() as other:
        models = [
            kind(f"x:{n}", "m", api_key=key, profile=Profile(), base_url=fake.url)
            for n, kind in enumerate((GeminiModel, GenaiModel))
            for fake, key in ((server, "one"), (other, "two"))
        ]
        await asyncio.gather(*(ask(model, replace(CALL, seed=n)) for n, model in enumerate(models)))
        assert server.keys == ["one", "one"]
        assert other.keys == ["two", "two"]
        for model in models:
            await model.aclose()


async def test_a_server_that_does_not_stream_is_understood(tmp_path: Path) -> None:
    message = {"role": "assistant", "content": "hello"}
    body = {
        "choices": [{"message": message, "finish_reason": "stop"}],
        "usage": {"prompt_tokens": 3, "completion_tokens": 1},
    }
    async with answering(body) as url:
        model = open_model("openai", url, tmp_path)
        text, ended = await ask(model)
        assert (text, ended.usage.tokens) == ("hello", 4)
        await model.aclose()


async def test_an_account_without_credit_is_not_waited_for(tmp_path: Path) -> None:
    body = {"error": {"code": "insufficient_quota", "message": "Check your plan"}}
    async with answering(body) as url:
        model = open_model("openai", url, tmp_path)
        with pytest.raises(AuthError, match="Check your plan"):
            await ask(model)
        await model.aclose()


@pytest.mark.parametrize(
    ("base_url", "url"),
    [
        ("http://h:1", "http://h:1/v1/chat/completions"),
        ("http://h:1/", "http://h:1/v1/chat/completions"),
        ("http://h/v1/", "http://h/v1/chat/completions"),
        ("https://h/api/openai", "https://h/api/openai/chat/completions"),
    ],
)
def test_a_base_url_becomes_the_address_of_chat_completions(base_url: str, url: str) -> None:
    assert chat_url(base_url) == url


@pytest.mark.parametrize("provider", ["openai", *GEMINI])
async def test_nothing_blocks_the_event_loop(
    provider: str, server: FakeProvider, tmp_path: Path
) -> None:
    model = open_model(provider, server.url, tmp_path)
    recording = RecordingModel(model, tmp_path / "other.jsonl")
    with blockbuster_ctx():
        assert (await ask(recording))[0] == "".join(HELLO)
    await recording.aclose()


def contents(folder: Path) -> list[str]:
    return [file.read_text("utf-8") for file in folder.iterdir()]


@pytest.mark.parametrize("provider", ["openai", *GEMINI])
async def test_the_key_is_in_nothing_that_is_left_behind(
    provider: str, server: FakeProvider, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("DEBUG")
    events: list[Event] = []
    errors: list[str] = []
    recording = RecordingModel(open_model(provider, server.url, tmp_path), tmp_path / "all.jsonl")
    budget = Budget(max_calls=99, max_tokens=99_999, max_seconds=99)
    model_client = ModelClient(recording, budget, events.append, backoff=Backoff(2, 0.001))
    said = f"no entry for {KEY}"
    call = Call("coder", (Message("user", "hi"),), timeout_seconds=10)
    for script in (
        Script(),
        Script(end="cut"),
        Script(end="error"),
        *(Script(status=status, message=said) for status in (400, 401, 403, 404, 429, 500)),
    ):
        server.script = script
        try:
            await model_client.ask(call)
        except ModelError as error:
            errors.append(f"{error!r} {error.__cause__!r} {vars(error)}")
    assert len(errors) == 8
    assert KEY in server.keys
    await recording.aclose()
    left = contents(tmp_path)
    assert left
    everything = "\n".join([*left, *errors, repr(events), caplog.text, repr(recording)])
    assert KEY not in everything
    assert "no entry for ***" in everything
