"""`local:`: weights on llama.cpp, in a child process of its own. No key, no network."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import aclosing
from dataclasses import replace
from functools import partial
from pathlib import Path

import httpx

from ml_coach.core.errors import BadRequestError, DeadlineError, UnavailableError
from ml_coach.core.ports import Call, Ended, Profile
from ml_coach.models import weights
from ml_coach.models.foreign_json import Json
from ml_coach.models.http import Endpoint
from ml_coach.models.llama_batching import BatchedCalls
from ml_coach.models.llama_process import LlamaOptions, LlamaProcess
from ml_coach.models.model_turns import ModelTurns
from ml_coach.models.weights_download import Progress, WeightsError

_WHO = "The local model"
# A child that crashes this often without a reply in between is not started again.
_STARTS = 3
# All slots, with the candidates and the other agents' cached prompts, share so many contexts.
_CONTEXTS = 2


class LocalModels:
    """The local models of this process; models with the same weights share one child.

    `source` is that of `weights.ensure` and `progress` is called during a download; both may be
    changed until the download begins. `folder` is where the weights are kept, by default the
    user's cache. `turns` keeps models of other processes from computing at the same time. For
    `speculate` see `llama_process.LlamaOptions`.
    """

    def __init__(
        self,
        *,
        source: str = "",
        progress: Progress = lambda done, total, source: None,
        folder: Path | None = None,
        speculate: bool = True,
    ) -> None:
        self.source = source
        self.progress = progress
        self._folder = folder
        self._speculate = speculate
        self.turns = ModelTurns(weights.default_folder().parent / "model.lock")
        self._engines: dict[str, _Engine] = {}

    def model(self, name: str, profile: Profile) -> LocalModel:
        """The model of that name; nothing is fetched or loaded yet.

        For `name` see weights.py. Close every model: closing the last one with the same weights
        ends their child.
        """
        engine = self._engines.get(name)
        if engine is None:
            file = partial(self._file, name)
            engine = _Engine(profile, file, self.turns, speculate=self._speculate)
            self._engines[name] = engine
        engine.users += 1
        return LocalModel(name, profile, engine)

    async def _file(self, name: str) -> Path:
        return await weights.ensure(
            name, source=self.source, progress=self.progress, folder=self._folder
        )


class LocalModel:
    """A `core.ports.Model`. The weights are fetched and loaded at the first call, or by `warm`."""

    def __init__(self, name: str, profile: Profile, engine: _Engine) -> None:
        self._name = name
        self.profile = profile
        self._engine: _Engine | None = engine

    @property
    def name(self) -> str:
        """See `core.ports.Model`."""
        return f"local:{self._name}"

    @property
    def process_id(self) -> int | None:
        """The child's; None while nothing is loaded."""
        return self._engine.process_id if self._engine else None

    async def warm(self) -> None:
        """Fetches and loads the weights now, so that the first call does not wait for them.

        Raises `BadRequestError` where they cannot be fetched, `UnavailableError` where they cannot
        be loaded.
        """
        await self._open().ready()

    async def stream(self, call: Call) -> AsyncGenerator[str | Ended, None]:
        """See `core.ports.Model.stream`."""
        engine, started = self._open(), time.monotonic()
        try:
            async with asyncio.timeout(call.timeout_seconds):
                await engine.ready()
        except TimeoutError:
            said = f"{_WHO} was not loaded within {call.timeout_seconds:.0f} s."
            raise DeadlineError(said) from None
        left = call.timeout_seconds - (time.monotonic() - started)
        reply = engine.calls.stream(replace(call, timeout_seconds=left))
        async with aclosing(reply):
            async for item in reply:
                yield item

    async def aclose(self) -> None:
        """See `core.ports.Model.aclose`."""
        engine, self._engine = self._engine, None
        if engine:
            await engine.release()

    def _open(self) -> _Engine:
        if self._engine is None:
            raise UnavailableError(f"{_WHO} was closed.")
        return self._engine


class _Engine:
    """One set of weights, the child that holds it, and how many models use it."""

    def __init__(
        self,
        profile: Profile,
        file: Callable[[], Awaitable[Path]],
        turns: ModelTurns,
        *,
        speculate: bool,
    ) -> None:
        self.users = 0
        self.calls = BatchedCalls(self._send, batch_size=max(1, profile.candidates))
        self.profile = profile
        self._file = file
        self._turns = turns
        self._speculate = speculate
        self._process: LlamaProcess | None = None
        self._starts = 0

    @property
    def process_id(self) -> int | None:
        return self._process.process_id if self._process and self._process.alive else None

    async def ready(self) -> tuple[LlamaProcess, str]:
        """The child and its address; the child is started if there is none that is alive."""
        if not (self._process and self._process.alive):
            try:
                file = await self._file()
            except WeightsError as error:
                # Not `UnavailableError`, after which a call is repeated: it would download again.
                raise BadRequestError(str(error)) from None
            if not (self._process and self._process.alive):  # Another call may have started it.
                self._process = self._start(file)
        process = self._process
        return process, await process.address()

    def _start(self, file: Path) -> LlamaProcess:
        if self._starts == _STARTS:
            raise UnavailableError(
                f"{_WHO} stopped {_STARTS} times in a row and is not started again."
                " Choose a smaller model, or see `ml-coach doctor`."
            )
        self._starts += 1
        slots = max(1, self.profile.candidates)
        context = self.profile.context * _CONTEXTS
        return LlamaProcess(LlamaOptions(file, context, slots, self._speculate))

    async def _send(self, body: Json, timeout_seconds: float) -> AsyncGenerator[Json, None]:
        process, address = await self.ready()
        async with self._turns.turn(), _client(address) as http:
            headers = {"Authorization": f"Bearer {process.key}"}
            endpoint = Endpoint(http, _WHO, headers, (process.key,))
            events = endpoint.events("/v1/chat/completions", body, timeout_seconds=timeout_seconds)
            try:
                async with aclosing(events):
                    async for event in events:
                        yield event
            except UnavailableError as error:
                raise await process.why_gone() or error from None
        self._starts = 0

    async def release(self) -> None:
        """Ends the child when its last user has left."""
        self.users -= 1
        if self.users == 0 and self._process:
            process, self._process = self._process, None
            await process.end()


def _client(address: str) -> httpx.AsyncClient:
    # One client for each request, because requests may come from any event loop and connecting to
    # a socket of this machine costs nothing. `trust_env=False` leaves the user's proxy out of it.
    path = address.removeprefix("unix://")
    transport = httpx.AsyncHTTPTransport(uds=path, verify=False) if path != address else None
    base_url = "http://llama" if transport else address
    return httpx.AsyncClient(
        transport=transport, base_url=base_url, timeout=None, trust_env=False, verify=False
    )
