"""Servers that refuse requests in the words of real ones, as these words stand in public reports.

Each is a function from a request's body to the status and the body of a refusal, or None where it
answers. What they say is quoted from issues of openai-python, langchain, gpustack, eca, vllm,
autogen, llama.cpp, LM Studio's bug tracker and text-generation-inference.
"""

from __future__ import annotations

import json
from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

from aiohttp import web

from loopback import serving

Refused = tuple[int, Any] | None
Body = dict[str, Any]


def _extra(body: Body, *names: str) -> list[dict[str, Any]]:
    return [
        {
            "type": "extra_forbidden",
            "loc": ["body", name],
            "msg": "Extra inputs are not permitted",
            "input": body[name],
        }
        for name in names
        if name in body
    ]


def _openai(message: str, **more: Any) -> Any:
    return {"error": {"message": message, "type": "invalid_request_error", **more}}


def mistral(body: Body) -> Refused:
    if found := _extra(body, "stream_options", "seed", "max_completion_tokens"):
        message = {"detail": found}
        return 422, {"object": "error", "message": message, "type": "invalid_request_error"}
    return None


def mistral_behind_a_proxy(body: Body) -> Refused:
    """Its first API put the JSON of the problem into the message."""
    if found := _extra(body, "seed", "stream_options"):
        said = json.dumps({"detail": found})
        return 422, {"object": "error", "message": said, "type": "internal_error_proxy"}
    return None


def fastapi(body: Body) -> Refused:
    if "stream_options" in body:
        return 422, {"detail": "Unexpected keys in the request: {'stream_options'}"}
    return None


def azure(body: Body) -> Refused:
    if "stream_options" in body:
        said = "Unrecognized request argument supplied: stream_options"
        return 400, _openai(said, param=None, code=None)
    return None


def openai_reasoning(body: Body) -> Refused:
    unsupported = "Unsupported {}: '{}' {} with this model.{}"
    if "max_tokens" in body:
        use = " Use 'max_completion_tokens' instead."
        said = unsupported.format("parameter", "max_tokens", "is not supported", use)
        return 400, _openai(said, param="max_tokens", code="unsupported_parameter")
    if "temperature" in body:
        only = " Only the default (1) value is supported."
        said = unsupported.format("value", "temperature", "does not support 0.5", only)
        return 400, _openai(said, param="temperature", code="unsupported_value")
    if "stop" in body:
        said = unsupported.format("parameter", "stop", "is not supported", "")
        return 400, _openai(said, param="stop", code="unsupported_parameter")
    return None


def groq(body: Body) -> Refused:
    return (400, _openai("property 'seed' is unsupported")) if "seed" in body else None


def _has_system(body: Body) -> bool:
    return body["messages"][0]["role"] == "system"


def vllm_gemma(body: Body) -> Refused:
    said = {"object": "error", "message": "System role not supported", "type": "BadRequestError"}
    return (400, said | {"param": None, "code": 400}) if _has_system(body) else None


def vllm_mistral(body: Body) -> Refused:
    roles = [message["role"] for message in body["messages"]]
    if any(role != ("user", "assistant")[n % 2] for n, role in enumerate(roles)):
        said = "Conversation roles must alternate user/assistant/user/assistant/..."
        error = {"message": said, "type": "BadRequestError", "param": None, "code": 400}
        return 400, {"error": error}
    return None


def llama_cpp_gemma(body: Body) -> Refused:
    said = "Jinja Exception: System role not supported"
    error = {"code": 500, "message": said, "type": "server_error"}
    return (500, {"error": error}) if _has_system(body) else None


def google_gemma(body: Body) -> Refused:
    said = "Developer instruction is not enabled for models/gemma-3-27b-it"
    error = {"code": 400, "message": said, "status": "INVALID_ARGUMENT"}
    return (400, [{"error": error}]) if _has_system(body) else None


def vllm_full(body: Body) -> Refused:
    """A context in which the prompt fits, but not the prompt and the longest reply."""
    if "max_tokens" in body:
        said = (
            "This model's maximum context length is 4096 tokens. However, you requested 4160 tokens"
            " (4096 in the messages, 64 in the completion). Please reduce the length of the"
            " messages or completion."
        )
        error = {"object": "error", "message": said, "type": "BadRequestError", "code": 400}
        return 400, error
    return None


def no_streams(body: Body) -> Refused:
    said = "Unsupported value: 'stream' does not support true with this model."
    param = {"param": "stream", "code": "unsupported_value"}
    return (400, _openai(said, **param)) if body.get("stream") else None


# What is left out, renamed or folded before each of them answers.
SERVERS: dict[Callable[[Body], Refused], set[str]] = {
    mistral: {"stream_options", "seed"},
    mistral_behind_a_proxy: {"stream_options", "seed"},
    fastapi: {"stream_options"},
    azure: {"stream_options"},
    openai_reasoning: {"max_tokens", "temperature", "stop"},
    groq: {"seed"},
    vllm_gemma: set(),
    vllm_mistral: set(),
    llama_cpp_gemma: set(),
    google_gemma: set(),
    vllm_full: {"max_tokens"},
    no_streams: {"stream", "stream_options"},
}


@dataclass
class StrictServer:
    """`refuse` judges each request; one that it takes is answered with `reply`. With `in_stream` a
    refusal comes as proxies send it: with status 200, after a first event without text."""

    refuse: Callable[[Body], Refused] = lambda body: None
    reply: str = "Hello there"
    events: list[Any] | None = None
    in_stream: bool = False
    url: str = ""
    refused: int = 0
    taken: list[Body] = field(default_factory=list[Body])

    async def answer(self, request: web.Request) -> web.Response:
        body = await request.json()
        if refusal := self.refuse(body):
            self.refused += 1
            if self.in_stream:
                return _stream([{"choices": [{"delta": {"role": "assistant"}}]}, refusal[1]])
            return web.json_response(refusal[1], status=refusal[0])
        self.taken.append(body)
        message = {"role": "assistant", "content": self.reply}
        usage = {"prompt_tokens": 3, "completion_tokens": 2}
        if not body.get("stream"):
            choice = {"message": message, "finish_reason": "stop"}
            return web.json_response({"choices": [choice], "usage": usage})
        events = self.events
        if events is None:
            events = [{"choices": [{"delta": message, "finish_reason": "stop"}]}]
            events.append({"choices": [], "usage": usage})
        return _stream(events)


def _stream(events: list[Any]) -> web.Response:
    text = "".join(f"data: {json.dumps(event)}\n\n" for event in events) + "data: [DONE]\n\n"
    return web.Response(text=text, content_type="text/event-stream")


@asynccontextmanager
async def strict_server(server: StrictServer) -> AsyncGenerator[StrictServer, None]:
    app = web.Application()
    app.router.add_post("/{any:.*}", server.answer)
    async with serving(app) as server.url:
        yield server
