"""`local:`: Qwen2.5-Coder on llama.cpp, in a child process of its own. No key, no network."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncGenerator
from contextlib import aclosing
from pathlib import Path
from typing import Any

import httpx

from ml_coach.core.errors import BadAnswerError, DeadlineError, UnavailableError
from ml_coach.core.ports import Call, Ended, Profile
from ml_coach.core.types import Usage
from ml_coach.models import weights
from ml_coach.models.http import Endpoint, Json
from ml_coach.models.llama_process import LlamaProcess, Load

_SMALL = Profile(
    context=8192, candidates=4, edit_format="function", plans=False, temperature=0.0,
    max_tokens=1024,
)  # fmt: skip
_STARTS = 3


class LocalModels:
    """The loads of this process: models of the same weights share one child.

    `source` and `progress` are those of `weights.ensure`.
    """

    def __init__(
        self,
        *,
        source: str = "",
        progress: weights.Progress = lambda done, total, source: None,
        folder: Path | None = None,
    ) -> None:
        self.source = source
        self.progress = progress
        self.folder = folder
        self._engines: dict[str, _Engine] = {}

    def model(self, name: str, profile: Profile = _SMALL) -> LocalModel:
        """`name` is a name from `weights.KNOWN` or the path of a `.gguf` file."""
        if name not in self._engines:
            self._engines[name] = _Engine(self, name, profile)
        engine = self._engines[name]
        engine.users += 1
        return LocalModel(name, profile, engine)


class _Engine:
    """One set of weights, its child, and who uses it."""

    def __init__(self, models: LocalModels, name: str, profile: Profile) -> None:
        self.users = 0
        self._models = models
        self._name = name
        self._profile = profile
        self._process: LlamaProcess | None = None
        self._starts = 0

    async def ready(self) -> tuple[LlamaProcess, str]:
        if self._process is None or not self._process.alive:
            file = await weights.ensure(
                self._name,
                source=self._models.source,
                progress=self._models.progress,
                folder=self._models.folder,
            )
        else:
            file = self._process.load.file
        if self._process is None or not self._process.alive:  # Still, after the wait.
            if self._starts == _STARTS:
                raise UnavailableError(f"The local model stopped {_STARTS} times; giving up.")
            self._starts += 1
            slots = max(1, self._profile.candidates)
            self._process = LlamaProcess(Load(file, self._profile.context, slots))
        process = self._process
        return process, await process.address()

    async def leave(self) -> None:
        self.users -= 1
        if self.users == 0 and self._process:
            await self._process.ended()
            self._process = None


class LocalModel:
    """A `core.ports.Model`. The weights are fetched and loaded at the first call, or by `warm`."""

    def __init__(self, name: str, profile: Profile, engine: _Engine) -> None:
        self._name = name
        self._profile = profile
        self._engine: _Engine | None = engine

    @property
    def name(self) -> str:
        return f"local:{self._name}"

    @property
    def profile(self) -> Profile:
        return self._profile

    async def warm(self) -> None:
        """Fetches and loads now what the first call would have to wait for."""
        await self._ready()

    async def _ready(self) -> tuple[LlamaProcess, str]:
        if self._engine is None:
            raise UnavailableError("The local model was closed.")
        try:
            return await self._engine.ready()
        except weights.WeightsError as error:
            raise UnavailableError(str(error)) from None

    async def stream(self, call: Call) -> AsyncGenerator[str | Ended, None]:
        started = time.monotonic()
        try:
            async with asyncio.timeout(call.timeout_seconds):
                process, address = await self._ready()
        except TimeoutError:
            raise DeadlineError("The local model took too long to load.") from None
        left = call.timeout_seconds - (time.monotonic() - started)
        finish: str | None = None
        usage = Usage(calls=1)
        async with _client(address) as http:
            endpoint = Endpoint(
                http, "The local model", {"Authorization": f"Bearer {process.key}"}, (process.key,)
            )
            events = endpoint.events("/v1/chat/completions", _body(call), timeout_seconds=left)
            async with aclosing(events):
                async for item in events:
                    for choice in item.get("choices") or ():
                        finish = choice.get("finish_reason") or finish
                        if text := (choice.get("delta") or {}).get("content"):
                            yield text
                    if item.get("usage"):
                        usage = _usage(item["usage"], time.monotonic() - started)
        if finish not in ("stop", "length"):
            raise BadAnswerError("The local model's reply ended without a finish reason.")
        yield Ended("stop" if finish == "stop" else "length", usage)

    async def aclose(self) -> None:
        engine, self._engine = self._engine, None
        if engine:
            await engine.leave()


def _client(address: str) -> httpx.AsyncClient:
    # A client of its own for each call: a call may come from any event loop, and on a socket of
    # this machine connecting costs nothing.
    path = address.removeprefix("unix://")
    if path != address:
        transport = httpx.AsyncHTTPTransport(uds=path, verify=False)
        return httpx.AsyncClient(transport=transport, base_url="http://llama", timeout=None)
    return httpx.AsyncClient(base_url=address, timeout=None, trust_env=False, verify=False)


def _body(call: Call) -> Json:
    body: dict[str, Any] = {
        "messages": [{"role": m.role, "content": m.text} for m in call.messages],
        "max_tokens": call.max_tokens,
        "temperature": call.temperature,
        "stream": True,
        "stream_options": {"include_usage": True},
        "cache_prompt": True,
    }
    if call.seed is not None:
        body["seed"] = call.seed
    if call.stop:
        body["stop"] = list(call.stop)
    if call.schema is not None:
        body["response_format"] = {
            "type": "json_schema",
            "json_schema": {"name": "reply", "schema": dict(call.schema), "strict": True},
        }
    return body


def _usage(usage: Json, seconds: float) -> Usage:
    return Usage(
        calls=1,
        prompt_tokens=usage.get("prompt_tokens", 0),
        completion_tokens=usage.get("completion_tokens", 0),
        cached_tokens=(usage.get("prompt_tokens_details") or {}).get("cached_tokens", 0),
        seconds=seconds,
    )
