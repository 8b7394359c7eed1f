"""Servers that call themselves OpenAI-compatible and each refuse, or send, something else."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from dataclasses import replace
from typing import Any

import pytest
from aiohttp import web
from strict_servers import SERVERS, StrictServer, openai_reasoning, strict_server, vllm_full
from test_contract import CALL, ask

from loopback import serving
from ml_coach.core.errors import AuthError, BadAnswerError, BadRequestError, ModelError
from ml_coach.core.ports import Call, Message, Profile
from ml_coach.models.chat_model import same_model
from ml_coach.models.openai_compatible import OpenAICompatibleModel
from ml_coach.models.registry import Access, Models

SHORT = Call("coder", (Message("user", "Hi."),), max_tokens=64, timeout_seconds=20)


def opened(url: str, model: str = "m", **more: Any) -> OpenAICompatibleModel:
    return OpenAICompatibleModel(f"openai:{model}", model, url, profile=Profile(), **more)


@asynccontextmanager
async def sending(
    text: str | bytes, status: int = 200, kind: str = ""
) -> AsyncGenerator[str, None]:
    """A server that answers every request with these bytes, by default as an event stream."""

    async def answer(request: web.Request) -> web.Response:
        body = text.encode() if isinstance(text, str) else text
        headers = {
            "Content-Type": kind or ("text/event-stream" if status == 200 else "application/json")
        }
        return web.Response(body=body, status=status, headers=headers)

    app = web.Application()
    app.router.add_post("/{any:.*}", answer)
    async with serving(app) as url:
        yield url


async def fault(text: str | bytes, status: int = 200, kind: str = "") -> ModelError:
    async with sending(text, status, kind) as url:
        model = opened(url)
        with pytest.raises(ModelError) as caught:
            await ask(model, SHORT)
        await model.aclose()
    return caught.value


def events(*items: Any, done: bool = True) -> str:
    lines = [json.dumps(item) for item in items] + (["[DONE]"] if done else [])
    return "".join(f"data: {line}\n\n" for line in lines)


def delta(finish: str | None = None, **fields: Any) -> dict[str, Any]:
    return {"choices": [{"index": 0, "delta": fields, "finish_reason": finish}]}


async def reply_to(text: str | bytes) -> tuple[str, str]:
    async with sending(text) as url:
        model = opened(url)
        said, ended = await ask(model, SHORT)
        await model.aclose()
    return said, ended.finish


@pytest.mark.parametrize("refuse", SERVERS, ids=lambda refuse: refuse.__name__)
async def test_what_a_server_refuses_is_left_out_and_remembered(refuse: Any) -> None:
    async with strict_server(StrictServer(refuse)) as server:
        model = opened(server.url)
        text, ended = await ask(model)
        assert (text, ended.usage.tokens) == ("Hello there", 5)
        (body,) = server.taken
        assert SERVERS[refuse].isdisjoint(body)
        said = "\n".join(message["content"] for message in body["messages"])
        assert [m.text in said for m in CALL.messages] == [True] * 4
        refused = server.refused
        assert 0 < refused <= 3
        await ask(model, replace(CALL, seed=12))
        # Only a context that is too small for one prompt says nothing of the next.
        assert server.refused == (refused + 1 if refuse is vllm_full else refused)
        await model.aclose()


async def test_a_refusal_inside_a_stream_is_mended_while_no_text_has_come() -> None:
    """LM-Proxy and others send an event with the role before they ask the server behind them."""
    async with strict_server(StrictServer(openai_reasoning, in_stream=True)) as server:
        model = opened(server.url)
        assert (await ask(model))[0] == "Hello there"
        assert server.refused == 3
        error = {"error": {"message": "Unsupported parameter: 'seed'", "code": 400}}
        server.events = [delta(content="Hel"), error]
        with pytest.raises(BadRequestError, match="seed"):
            await ask(model)
        assert len(server.taken) == 2, "nothing is said twice"
        await model.aclose()


async def test_the_fields_that_a_server_takes_stay() -> None:
    async with strict_server(StrictServer(openai_reasoning)) as server:
        model = opened(server.url)
        await ask(model)
        (body,) = server.taken
        assert body["max_completion_tokens"] == CALL.max_tokens
        assert body["seed"] == CALL.seed
        await model.aclose()


async def test_parallel_calls_learn_a_dialect_together() -> None:
    async with strict_server(StrictServer(openai_reasoning)) as server:
        model = opened(server.url)
        replies = await asyncio.gather(*(ask(model, replace(CALL, seed=n)) for n in range(4)))
        assert {text for text, _ in replies} == {"Hello there"}
        assert {body["seed"] for body in server.taken} == set(range(4))
        await model.aclose()


async def test_the_next_model_of_the_same_name_knows_the_dialect() -> None:
    async with strict_server(StrictServer(openai_reasoning)) as server:
        models = Models()
        for expected in (3, 3):
            model = models.open(f"openai:m@{server.url}", Access())
            await ask(model)
            await model.aclose()
            assert server.refused == expected


async def test_a_refusal_that_names_no_field_is_told_at_once() -> None:
    said = {"error": {"message": "the model is broken"}}
    async with strict_server(StrictServer(lambda body: (400, said))) as server:
        model = opened(server.url)
        with pytest.raises(BadRequestError, match="the model is broken"):
            await ask(model)
        assert server.refused == 1
        await model.aclose()


async def test_a_server_that_refuses_whatever_it_is_sent_is_asked_a_few_times_only() -> None:
    said = "seed, stop, stream, stream_options, temperature, max_tokens, role: unsupported"
    async with strict_server(StrictServer(lambda body: (422, {"detail": said}))) as server:
        model = opened(server.url)
        with pytest.raises(BadRequestError, match="unsupported"):
            await ask(model)
        assert server.refused < 10
        await model.aclose()


async def test_a_reply_ends_at_a_stop_text_that_the_server_does_not_know() -> None:
    async with strict_server(StrictServer(openai_reasoning, "one\n#", None)) as server:
        pieces = ("one", "\n#", "## two", "###")
        server.events = [delta(content=piece) for piece in pieces] + [delta("stop")]
        model = opened(server.url)
        text, ended = await ask(model)
        assert (text, ended.finish) == ("one\n", "stop")
        await model.aclose()


async def test_a_text_in_parts_is_read() -> None:
    """Mistral's models that reason send such lists."""
    thinking = {"type": "thinking", "thinking": [{"type": "text", "text": "Hm."}]}
    parts = [{"type": "text", "text": "Hel"}, {"type": "text", "text": "lo"}]
    sent = events(delta(content=[thinking]), delta(content=parts), delta("stop", content=" there"))
    assert await reply_to(sent) == ("Hello there", "stop")


@pytest.mark.parametrize("name", ["reasoning_content", "reasoning"])
async def test_a_reply_that_is_all_reasoning_is_the_reply(name: str) -> None:
    sent = events(delta(**{name: "Hello"}), delta(**{name: " there"}), delta("stop"))
    assert await reply_to(sent) == ("Hello there", "stop")
    sent = events(delta(**{name: "Hm.</think>\n\nHello"}), delta("stop"))
    assert await reply_to(sent) == ("Hello", "stop")


async def test_done_ends_a_reply_without_a_finish_reason() -> None:
    assert await reply_to(events(delta(content="Hello"))) == ("Hello", "stop")
    usage = {"choices": [], "usage": {"prompt_tokens": 3, "completion_tokens": 64}}
    assert await reply_to(events(delta(content="Hello"), usage)) == ("Hello", "length")
    assert isinstance(await fault(events(delta(content="Hello"), done=False)), BadAnswerError)
    assert "is empty" in str(await fault(events()))


async def test_a_byte_order_mark_costs_no_event() -> None:
    sent = events(delta(content="Hello"), delta("stop"))
    assert await reply_to(b"\xef\xbb\xbf" + sent.encode()) == ("Hello", "stop")


@pytest.mark.parametrize(
    ("status", "body", "said"),
    [
        (422, {"detail": "Field required"}, "Field required"),
        (422, {"detail": [{"loc": ["body", "model"], "msg": "Field required"}]},
         "model: Field required"),
        (400, {"object": "error", "message": {"detail": [{"loc": ["body", "messages", 0, "name"],
         "msg": "Extra inputs are not permitted"}]}}, "messages.0.name: Extra inputs"),
        (400, {"error": "Input validation error: `inputs` is empty", "error_type": "validation"},
         "`inputs` is empty"),
        (400, {"errors": [{"message": "AiError: no such model"}]}, "no such model"),
        (400, {"timestamp": 1, "error": "Bad Request", "message": "the real reason"},
         "the real reason"),
        (400, {"message": "It does not parse: "}, "does not parse."),
        (400, {"message": "This is not supported!"}, "not supported."),
        (400, {}, "bad request."),
        (404, {"detail": "Not Found"}, "Not Found. Check the base URL and"),
    ],
)  # fmt: skip
async def test_what_a_server_says_is_shown(status: int, body: Any, said: str) -> None:
    text = str(await fault(json.dumps(body), status))
    assert said in text
    assert text.endswith(".")


async def test_a_refusal_in_plain_text_is_shown() -> None:
    assert "Rate limiter is off" in str(await fault("Rate limiter is off\n", 400, "text/plain"))


async def test_an_account_without_money_is_not_asked_again() -> None:
    """DeepSeek's answer to an empty account."""
    error = await fault(json.dumps({"error": {"message": "Insufficient Balance"}}), 402)
    assert isinstance(error, AuthError)
    assert "no credit" in str(error)


_OVERFLOWS = {
    "openai": (400, {"error": {"code": "context_length_exceeded", "message": "Too long."}}),
    "llama.cpp": (400, {"error": {"code": 400, "type": "exceed_context_size_error",
                                  "message": "the request exceeds the available context size"}}),
    "llama.cpp before": (500, {"error": {"code": 500, "type": "exceed_context_size_error",
                                         "message": "try increasing the context size"}}),
    "mistral": (400, {"object": "error", "message": "Prompt contains 40000 tokens and 0 draft "
                      "tokens, too large for model with 32768 maximum context length"}),
    "tgi": (422, {"error": "Input validation error: `inputs` tokens + `max_new_tokens` must be <= "
                           "2048", "error_type": "validation"}),
    "groq": (413, {"error": {"message": "Request too large for model"}}),
    "lm studio": (200, {"error": {"message": "Trying to keep the first 9000 tokens when context the"
                                             " overflows. However, the model is loaded with"}}),
}  # fmt: skip


@pytest.mark.parametrize("server", _OVERFLOWS)
async def test_a_prompt_that_is_too_long_comes_with_advice(server: str) -> None:
    status, body = _OVERFLOWS[server]
    error = await fault(events(body) if status == 200 else json.dumps(body), status)
    assert type(error) is BadRequestError, "asking again would not help"
    assert "larger context" in str(error)


async def test_a_quota_of_tokens_is_no_context() -> None:
    said = "Rate limit reached: please reduce the length of the messages"
    error = await fault(json.dumps({"error": {"message": said}}), 429)
    assert "larger context" not in str(error)


async def test_another_model_that_answers_is_told_once() -> None:
    told: list[str] = []
    async with strict_server(StrictServer()) as server:
        server.events = [delta("stop", content="Hi") | {"model": "llama-3.2-1b"}]
        model = opened(server.url, "qwen3:8b", note=told.append)
        for _ in range(2):
            await ask(model)
        await model.aclose()
    assert len(told) == 1
    assert "asked for qwen3:8b and answers with llama-3.2-1b" in told[0]


@pytest.mark.parametrize(
    ("asked", "answering", "same"),
    [
        ("gpt-4o", "gpt-4o-2024-08-06", True),
        ("qwen2.5-coder:7b", "Qwen2.5-Coder-7B-Instruct", True),
        ("qwen", "/models/qwen2.5-coder-7b-q4_k_m.gguf", True),
        (r"C:\models\qwen.gguf", "qwen", True),
        ("mistral-small-latest", "mistral-small-2506", True),
        ("org/model", "model", True),
        ("gpt-4o", "", True),
        ("gpt-4o", "gpt-3.5-turbo", False),
        ("qwen2.5-coder-7b", "llama-3.2-1b", False),
        ("openrouter/auto", "anthropic/claude", False),
    ],
)
def test_names_of_one_model(asked: str, answering: str, same: bool) -> None:
    assert same_model(asked, answering) is same
