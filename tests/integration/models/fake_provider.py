"""A server that plays one script in the protocol of the request: OpenAI's, Gemini's or Ollama's.

A script says what a provider does without naming a protocol, so that one suite tests every client.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncGenerator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any, Literal

from aiohttp import web

from loopback import serving

HELLO = ("Hel", "lo ", "wörld 🎉 \u2028 ", "1 < 2\n")
GOOGLE_STATUS = {
    400: "INVALID_ARGUMENT",
    401: "UNAUTHENTICATED",
    403: "PERMISSION_DENIED",
    404: "NOT_FOUND",
    429: "RESOURCE_EXHAUSTED",
    500: "INTERNAL",
    503: "UNAVAILABLE",
}


@dataclass(frozen=True)
class Script:
    """`end`: what comes after the pieces. `drip` sends them again and again, for ever."""

    pieces: tuple[str, ...] = HELLO
    thoughts: tuple[str, ...] = ()
    finish: Literal["stop", "length", "blocked", "strange", ""] = "stop"
    end: Literal["clean", "cut", "hang", "drip", "error", "no json", "odd json"] = "clean"
    prompt_blocked: bool = False
    counted: bool = True
    status: int = 200
    message: str = "what the provider says"
    headers: Mapping[str, str] = field(default_factory=dict)
    details: tuple[Mapping[str, Any], ...] = ()
    html: bool = False


@dataclass
class FakeProvider:
    """`requests` are the bodies that came in, `keys` the keys that came with them.

    `answering` is set once a first piece is out, `left` when the client closed the connection.
    """

    script: Script = Script()
    url: str = ""
    requests: list[dict[str, Any]] = field(default_factory=list)
    keys: list[str] = field(default_factory=list)
    answering: asyncio.Event = field(default_factory=asyncio.Event)
    left: asyncio.Event = field(default_factory=asyncio.Event)

    async def openai(self, request: web.Request) -> web.StreamResponse:
        return await self._play(request, _openai_event, "data: [DONE]\n\n")

    async def strict(self, request: web.Request) -> web.StreamResponse:
        """OpenAI's protocol, as a server speaks it that knows only what each has to know."""
        body = await request.json()
        unknown = sorted(body.keys() - {"model", "messages", "max_tokens", "stream"})
        if unknown:
            place = ["body", unknown[0]]
            problem = {
                "type": "extra_forbidden",
                "loc": place,
                "msg": "Extra inputs are not allowed",
            }
            return web.json_response({"detail": [problem]}, status=422)
        if any(message["role"] == "system" for message in body["messages"]):
            said = {"object": "error", "message": "System role not supported", "code": 400}
            return web.json_response(said, status=400)
        return await self._play(request, _strict_event, "data: [DONE]\n\n")

    async def gemini(self, request: web.Request) -> web.StreamResponse:
        assert request.match_info["verb"] == "streamGenerateContent"
        assert request.query["alt"] == "sse"
        return await self._play(request, _gemini_event, "")

    async def ollama(self, request: web.Request) -> web.StreamResponse:
        return await self._play(request, _ollama_event, "")

    async def _play(self, request: web.Request, event: Any, last: str) -> web.StreamResponse:
        self.requests.append(await request.json())
        bearer = request.headers.get("Authorization", "").removeprefix("Bearer ")
        self.keys.append(request.headers.get("x-goog-api-key", bearer))
        script = self.script
        if script.html:
            page = "<html>Please sign in to the network</html>"
            return web.Response(status=script.status, text=page, content_type="text/html")
        if script.status != 200:
            error = _error(script.status, script.message, script.details)
            return web.json_response(error, status=script.status, headers=dict(script.headers))
        lines = request.path == "/api/chat"
        kind = "application/x-ndjson" if lines else "text/event-stream"
        response = web.StreamResponse(headers={"Content-Type": kind})
        await response.prepare(request)
        try:
            await self._send(request, response, event)
            whole = script.end == "clean" and script.finish
            await response.write(last.encode() if whole else b"")
            await response.write_eof()
        except (ConnectionResetError, asyncio.CancelledError):
            self.left.set()
            raise
        return response

    async def _send(self, request: web.Request, response: web.StreamResponse, event: Any) -> None:
        script = self.script
        if script.prompt_blocked:
            return await _write(response, event(script, blocked=True))
        for thought in script.thoughts:
            await _write(response, event(script, thought=thought))
        for piece in script.pieces:
            await _write(response, event(script, text=piece))
            self.answering.set()
        if script.end == "clean":
            for item in event(script, end=True):
                await _write(response, item)
        elif script.end == "cut":
            assert request.transport
            request.transport.abort()
        elif script.end == "hang":
            await asyncio.Event().wait()
        elif script.end == "drip":
            while True:
                await _write(response, event(script, text="."))
                await _tick()
        else:
            await _write(response, _BAD_ENDS[script.end])
        return None


async def _write(response: web.StreamResponse, item: Any) -> None:
    text = item if isinstance(item, str) else json.dumps(item, ensure_ascii=False)
    lines = response.headers["Content-Type"] == "application/x-ndjson"
    await response.write((f"{text}\n" if lines else f"data: {text}\r\n\r\n").encode())


async def _tick() -> None:
    """Waits a little between pieces, so that the event loop stays free."""
    loop = asyncio.get_running_loop()
    done = loop.create_future()
    loop.call_later(0.005, done.set_result, None)
    await done


def _error(code: int, message: str, details: tuple[Mapping[str, Any], ...]) -> dict[str, Any]:
    return {
        "error": {
            "code": code,
            "message": message,
            "status": GOOGLE_STATUS.get(code, "UNKNOWN"),
            "details": list(details),
        }
    }


_BAD_ENDS: Mapping[str, Any] = {
    "error": _error(503, "overloaded in the middle", ()),
    "no json": "{not json",
    "odd json": {"choices": "none", "candidates": 7, "usage": [], "usageMetadata": "x"},
}


def _openai_event(
    script: Script, *, text: str = "", thought: str = "", blocked: bool = False, end: bool = False
) -> Any:
    def choice(delta: dict[str, Any], finish: str | None) -> dict[str, Any]:
        choices = [{"index": 0, "delta": delta, "finish_reason": finish}]
        return {"object": "chat.completion.chunk", "choices": choices}

    if blocked:
        return _error(400, "The prompt was filtered", ()) | {
            "error": {"code": "content_filter", "message": "The prompt was filtered"}
        }
    if thought:
        return choice({"reasoning_content": thought, "content": None}, None)
    if not end:
        return choice({"content": text}, None)
    names = {"blocked": "content_filter", "strange": "abort", "": None}
    usage = {
        "prompt_tokens": 7,
        "completion_tokens": 5,
        "prompt_tokens_details": {"cached_tokens": 3},
    }
    last = [choice({}, names.get(script.finish, script.finish))]
    return last + ([{"choices": [], "usage": usage}] if script.counted else [])


def _strict_event(script: Script, **what: Any) -> Any:
    """As OpenAI's, with its text in a list of parts."""
    event = _openai_event(script, **what)
    for choice in event.get("choices", ()) if isinstance(event, dict) else ():
        if text := choice["delta"].get("content"):
            choice["delta"]["content"] = [{"type": "text", "text": text}]
    return event


def _gemini_event(
    script: Script, *, text: str = "", thought: str = "", blocked: bool = False, end: bool = False
) -> Any:
    def candidate(parts: list[dict[str, Any]], **more: Any) -> dict[str, Any]:
        return {"candidates": [{"content": {"role": "model", "parts": parts}, "index": 0, **more}]}

    ratings = [{"category": "HARM_CATEGORY_DANGEROUS_CONTENT", "probability": "HIGH"}]
    ratings[0]["blocked"] = True  # type: ignore[assignment]
    if blocked:
        return {"promptFeedback": {"blockReason": "SAFETY", "safetyRatings": ratings}}
    if thought:
        return candidate([{"text": thought, "thought": True}])
    if not end:
        return candidate([{"text": text}])
    if not script.finish:
        return []
    names = {"stop": "STOP", "length": "MAX_TOKENS", "blocked": "SAFETY", "strange": "FUTURE"}
    more = {"safetyRatings": ratings} if script.finish == "blocked" else {}
    last = {"candidates": [{"index": 0, "finishReason": names[script.finish], **more}]}
    if script.counted:
        last["usageMetadata"] = {  # type: ignore[assignment]
            "promptTokenCount": 7,
            "candidatesTokenCount": 4,
            "thoughtsTokenCount": 1,
            "cachedContentTokenCount": 3,
            "totalTokenCount": 12,
        }
    return [last]


def _ollama_event(
    script: Script, *, text: str = "", thought: str = "", blocked: bool = False, end: bool = False
) -> Any:
    # Ollama filters nothing; a gateway that stands in its place may refuse.
    if blocked:
        return {"error": {"code": "content_filter", "message": "The prompt was filtered"}}
    if thought or not end:
        message = {"role": "assistant", "content": text, "thinking": thought}
        return {"model": "m", "message": message, "done": False}
    if not script.finish:
        return []
    counts = {"prompt_eval_count": 7, "eval_count": 5} if script.counted else {}
    message = {"role": "assistant", "content": ""}
    return [{"message": message, "done": True, "done_reason": script.finish, **counts}]


@asynccontextmanager
async def fake_provider() -> AsyncGenerator[FakeProvider, None]:
    fake = FakeProvider()
    app = web.Application()
    app.router.add_post("/v1/chat/completions", fake.openai)
    app.router.add_post("/strict/v1/chat/completions", fake.strict)
    app.router.add_post("/api/chat", fake.ollama)
    app.router.add_post("/v1beta/models/{model}:{verb}", fake.gemini)
    # With handler_cancellation a handler is cancelled at once when its client has gone.
    async with serving(app, handler_cancellation=True, shutdown_timeout=0.1) as fake.url:
        yield fake
