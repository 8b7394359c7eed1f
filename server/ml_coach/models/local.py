"""`local:`: weights on llama.cpp, in a process that all of a user's share. No key, no network."""

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
from ml_coach.models.llama_process import LlamaOptions
from ml_coach.models.shared_llama import IDLE_SECONDS, SharedLlama
from ml_coach.models.weights_download import Progress, WeightsError

_WHO = "The local model"
# A model that ends this often without a reply in between is not started again.
_STARTS = 3
# All slots, with the candidates and the other agents' cached prompts, share so many contexts.
_CONTEXTS = 2


class LocalModels:
    """The local models of this process; the same weights are loaded once for all of the user's.

    `source` is that of `weights.ensure` and `progress` is called during a download; both may be
    changed until the download begins. `note` is told when a call waits for another run's. `folder`
    is where the weights are kept, by default the user's cache. For `speculate` see
    `llama_process.LlamaOptions`, for the rest shared_llama.py.
    """

    def __init__(
        self,
        *,
        source: str = "",
        progress: Progress = lambda done, total, source: None,
        note: Callable[[str], None] = lambda text: None,
        folder: Path | None = None,
        speculate: bool = True,
        daemons: Path | None = None,
        idle_seconds: float = IDLE_SECONDS,
    ) -> None:
        self.source = source
        self.progress = progress
        self.note = note
        self._folder = folder
        self._speculate = speculate
        self._daemons = daemons or weights.default_folder().parent
        self._idle_seconds = idle_seconds
        self._told: object = None
        self._engines: dict[str, _Engine] = {}

    def model(self, name: str, profile: Profile) -> LocalModel:
        """The model of that name; nothing is fetched or loaded yet.

        For `name` see weights.py. Close every model: weights that no model of the user's needs any
        more leave the memory.
        """
        engine = self._engines.get(name)
        if engine is None:
            engine = _Engine(profile, partial(self._file, name), self._lease, self._tell)
            self._engines[name] = engine
        engine.users += 1
        return LocalModel(name, profile, engine)

    def _lease(self, file: Path, profile: Profile) -> SharedLlama:
        slots, context = max(1, profile.candidates), profile.context * _CONTEXTS
        options = LlamaOptions(file, context, slots, self._speculate)
        return SharedLlama(options, self._daemons, self._idle_seconds)

    def _tell(self, text: str) -> None:
        # Each run has a note of its own and is told once.
        if self._told is not self.note:
            self._told = self.note
            self.note(text)

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
        """That of the process with the weights; None while they are not loaded."""
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
    """One set of weights, its lease in the user's daemon, and how many models use it."""

    def __init__(
        self,
        profile: Profile,
        file: Callable[[], Awaitable[Path]],
        lease: Callable[[Path, Profile], SharedLlama],
        note: Callable[[str], None],
    ) -> None:
        self.users = 0
        self.calls = BatchedCalls(self._send, batch_size=max(1, profile.candidates))
        self.profile = profile
        self._file = file
        self._lease = lease
        self._note = note
        self._llama: SharedLlama | None = None
        self._starts = 0

    @property
    def process_id(self) -> int | None:
        return self._llama.process_id if self._llama and self._llama.alive else None

    async def ready(self) -> tuple[SharedLlama, str]:
        """The weights and their address; they are loaded if they are not."""
        if not (self._llama and self._llama.alive):
            try:
                file = await self._file()
            except WeightsError as error:
                # Not `UnavailableError`, after which a call is repeated: it would download again.
                raise BadRequestError(str(error)) from None
            if not (self._llama and self._llama.alive):  # Another call may have loaded them.
                self._llama = self._start(file)
        llama = self._llama
        return llama, await llama.address()

    def _start(self, file: Path) -> SharedLlama:
        if self._starts == _STARTS:
            raise UnavailableError(
                f"{_WHO} stopped {_STARTS} times in a row and is not started again."
                " Choose a smaller model, or see `ml-coach doctor`."
            )
        self._starts += 1
        return self._lease(file, self.profile)

    async def _send(self, body: Json, timeout_seconds: float) -> AsyncGenerator[Json, None]:
        llama, address = await self.ready()
        async with llama.turn(self._note), _client(address) as http:
            headers = {"Authorization": f"Bearer {llama.key}"}
            endpoint = Endpoint(http, _WHO, headers, (llama.key,))
            events = endpoint.events("/v1/chat/completions", body, timeout_seconds=timeout_seconds)
            try:
                async with aclosing(events):
                    async for event in events:
                        yield event
            except UnavailableError as error:
                raise await llama.why_gone() or error from None
        self._starts = 0

    async def release(self) -> None:
        """Lets go of the weights when the last user has left."""
        self.users -= 1
        if self.users == 0 and self._llama:
            llama, self._llama = self._llama, None
            await llama.end()


def _client(address: str) -> httpx.AsyncClient:
    # One client for each request, because requests may come from any event loop and connecting to
    # a socket of this machine costs nothing. `trust_env=False` leaves the user's proxy out of it.
    path = address.removeprefix("unix://")
    transport = httpx.AsyncHTTPTransport(uds=path, verify=False) if path != address else None
    base_url = "http://llama" if transport else address
    return httpx.AsyncClient(
        transport=transport, base_url=base_url, timeout=None, trust_env=False, verify=False
    )
