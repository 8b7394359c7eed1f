"""Replies that were asked for once answer every later call that is the same.

Strategies that are compared then draw the same samples, which takes luck out of the comparison, and
a strategy that changed costs only the calls that it makes anew. Usage is what the reply cost when
it was asked for.
"""

from __future__ import annotations

import asyncio
import json
from collections import defaultdict
from collections.abc import AsyncGenerator
from contextlib import aclosing
from dataclasses import asdict, replace
from pathlib import Path

from ml_coach.core.ports import Call, Ended, Model, Profile
from ml_coach.core.types import Usage
from ml_coach.models.recorded import content_of


class Replies:
    """What is remembered, in `file`: JSON lines of key, text, finish and usage."""

    def __init__(self, file: Path) -> None:
        self._file = file
        self._known: dict[str, tuple[str, Ended]] = {}
        self.locks: defaultdict[str, asyncio.Lock] = defaultdict(asyncio.Lock)
        file.parent.mkdir(parents=True, exist_ok=True)
        if file.exists():
            for line in file.read_text(encoding="utf-8").splitlines():
                self._read(line)

    def get(self, key: str) -> tuple[str, Ended] | None:
        return self._known.get(key)

    def keep(self, key: str, text: str, ended: Ended) -> None:
        self._known[key] = text, ended
        line = {"key": key, "text": text, "finish": ended.finish, "usage": asdict(ended.usage)}
        with self._file.open("a", encoding="utf-8") as out:
            out.write(json.dumps(line) + "\n")

    def _read(self, line: str) -> None:
        try:
            kept = json.loads(line)
            ended = Ended(kept["finish"], Usage(**kept["usage"]))
            self._known[kept["key"]] = kept["text"], ended
        except (ValueError, KeyError, TypeError):
            return  # The line that an interruption cut off.


class RememberedModel:
    """Passes `model` through and keeps its replies, but not its failures. `remembered` counts the
    calls that it was not asked. `sharing` tasks ask it at once: each call has as many times its
    time."""

    def __init__(self, model: Model, replies: Replies, sharing: int = 1) -> None:
        self._model = model
        self._replies = replies
        self._sharing = sharing
        self.remembered = 0

    @property
    def name(self) -> str:
        return self._model.name

    @property
    def profile(self) -> Profile:
        return self._model.profile

    async def stream(self, call: Call) -> AsyncGenerator[str | Ended, None]:
        """See `core.ports.Model.stream`."""
        key = _key(self.name, call)
        async with self._replies.locks[key]:
            known = self._replies.get(key)
            if known is None:
                async with aclosing(self._ask(key, call)) as pieces:
                    async for piece in pieces:
                        yield piece
                return
        self.remembered += 1
        text, ended = known
        if text:
            yield text
        yield ended

    async def aclose(self) -> None:
        await self._model.aclose()

    async def _ask(self, key: str, call: Call) -> AsyncGenerator[str | Ended, None]:
        text = ""
        patient = replace(call, timeout_seconds=call.timeout_seconds * self._sharing)
        try:
            async with aclosing(self._model.stream(patient)) as stream:
                async for piece in stream:
                    if isinstance(piece, Ended):
                        self._replies.keep(key, text, piece)
                    else:
                        text += piece
                    yield piece
        except GeneratorExit:
            # Whoever asked had enough of it, and will have enough of the same text again.
            if self._replies.get(key) is None:
                self._replies.keep(key, text, Ended("length", Usage(calls=1)))
            raise


class WithProfile:
    """`model` asked as if it could do what `profile` says."""

    def __init__(self, model: Model, profile: Profile) -> None:
        self._model = model
        self.profile = profile

    @property
    def name(self) -> str:
        return self._model.name

    def stream(self, call: Call) -> AsyncGenerator[str | Ended, None]:
        """See `core.ports.Model.stream`."""
        return self._model.stream(call)

    async def aclose(self) -> None:
        await self._model.aclose()


def _key(model: str, call: Call) -> str:
    """All that shapes a reply. At temperature 0 the seed does not; who asks never does."""
    if call.temperature == 0:
        call = replace(call, seed=None)
    return json.dumps([model, content_of(replace(call, purpose=""))], sort_keys=True)
