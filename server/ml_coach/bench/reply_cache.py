"""Keeps a model's replies, so that a call which was made once is answered from the file.

Strategies that are compared then draw the same samples, so that luck does not decide between them,
and a strategy that changed costs only its new calls. A cached reply has the usage that it cost when
the model was asked.
"""

from __future__ import annotations

import asyncio
import json
from collections import defaultdict
from collections.abc import AsyncGenerator, Mapping
from contextlib import aclosing
from dataclasses import asdict, replace
from pathlib import Path

from ml_coach.core.ports import Call, Ended, Model, Profile
from ml_coach.core.usage import Usage
from ml_coach.models.foreign_json import Json
from ml_coach.models.recorded import content_of, known_members
from ml_coach.models.wrapped_model import WrappedModel

# The texts of replies by the keys of their calls, and how they ended.
Replies = Mapping[str, tuple[str, Ended]]


class ReplyCache:
    """Replies in `file`: JSON lines of key, text, finish and usage. Makes the file's folder. On a
    node, which has no file, only what is kept with `add` and `keep`.

    `locks` has one lock for each key, so that equal calls side by side ask the model once.
    """

    def __init__(self, file: Path | None = None) -> None:
        self._file = file
        self._replies: dict[str, tuple[str, Ended]] = {}
        self.locks: defaultdict[str, asyncio.Lock] = defaultdict(asyncio.Lock)
        if file is None:
            return
        file.parent.mkdir(parents=True, exist_ok=True)
        if file.exists():
            for line in file.read_text(encoding="utf-8").splitlines():
                self._read(line)

    def get(self, key: str) -> tuple[str, Ended] | None:
        """The text of the reply to a call, and how it ended; None for a call that is new."""
        return self._replies.get(key)

    def add(self, key: str, text: str, ended: Ended) -> None:
        """Keeps a reply, here and in the file."""
        self._replies[key] = text, ended
        if self._file is None:
            return
        line = {"key": key, "text": text, "finish": ended.finish, "usage": asdict(ended.usage)}
        with self._file.open("a", encoding="utf-8") as out:
            out.write(json.dumps(line) + "\n")

    def keep(self, replies: Replies) -> None:
        """Keeps those of `replies` that are new."""
        for key, (text, ended) in replies.items():
            if key not in self._replies:
                self.add(key, text, ended)

    def of(self, model: str) -> Replies:
        """The replies of one model."""
        begin = json.dumps([model])[:-1] + ","
        return {key: reply for key, reply in self._replies.items() if key.startswith(begin)}

    def _read(self, line: str) -> None:
        try:
            kept = json.loads(line)
            model, content = json.loads(kept["key"])
            ended = Ended(kept["finish"], Usage(**kept["usage"]))
            self._replies[_key(model, content)] = kept["text"], ended
        except (ValueError, KeyError, TypeError):
            return  # An interruption cut this line off.


class CachingModel(WrappedModel):
    """Answers from `cache` where it can, else asks `model` and keeps the reply, but no failure.

    `hits` counts the calls that the cache answered, `drawn` are the others' replies. `sharing`
    tasks ask the model at the same time, so that each call may take so many times as long.
    """

    def __init__(self, model: Model, cache: ReplyCache, sharing: int = 1) -> None:
        super().__init__(model)
        self._cache = cache
        self._sharing = sharing
        self.hits = 0
        self.drawn: dict[str, tuple[str, Ended]] = {}

    async def stream(self, call: Call) -> AsyncGenerator[str | Ended, None]:
        """See `core.ports.Model.stream`."""
        # At temperature 0 the seed does not shape the reply, and the purpose never does.
        shaping = replace(call, purpose="", seed=None if call.temperature == 0 else call.seed)
        key = _key(self.name, content_of(shaping))
        async with self._cache.locks[key]:
            cached = self._cache.get(key)
            if cached is None:
                async with aclosing(self._ask(key, call)) as pieces:
                    async for piece in pieces:
                        yield piece
                return
        self.hits += 1
        text, ended = cached
        if text:
            yield text
        yield ended

    async def _ask(self, key: str, call: Call) -> AsyncGenerator[str | Ended, None]:
        text = ""
        patient = replace(call, timeout_seconds=call.timeout_seconds * self._sharing)
        try:
            async with aclosing(self._model.stream(patient)) as stream:
                async for piece in stream:
                    if isinstance(piece, Ended):
                        self._keep(key, text, piece)
                    else:
                        text += piece
                    yield piece
        except GeneratorExit:
            # The caller closed the stream early because what it read suffices, as it will again.
            if self._cache.get(key) is None:
                self._keep(key, text, Ended("length", Usage(calls=1)))
            raise

    def _keep(self, key: str, text: str, ended: Ended) -> None:
        self._cache.add(key, text, ended)
        self.drawn[key] = text, ended


class ProfileOverride(WrappedModel):
    """`model`, but with another profile, so that prompts are made to fit that one."""

    def __init__(self, model: Model, profile: Profile) -> None:
        super().__init__(model)
        self._profile = profile

    @property
    def profile(self) -> Profile:
        """The other profile."""
        return self._profile

    def stream(self, call: Call) -> AsyncGenerator[str | Ended, None]:
        """See `core.ports.Model.stream`."""
        return self._model.stream(call)


def _key(model: str, content: Json) -> str:
    return json.dumps([model, known_members(content)], sort_keys=True)
