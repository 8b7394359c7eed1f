"""`recorded:`: records a model's replies as JSON lines, and replays them.

The first line holds the model's name and profile, because prompts are made to fit the profile.
Then each call gets a line as soon as it ends, also when it failed. A call that was cancelled has no
reply and gets no line. Neither calls nor the texts of errors hold an API key.
"""

from __future__ import annotations

import asyncio
import json
import threading
from collections import Counter, defaultdict, deque
from collections.abc import AsyncGenerator, Mapping
from contextlib import aclosing
from dataclasses import asdict, dataclass, fields
from itertools import zip_longest
from pathlib import Path
from typing import Any, Literal, TypeVar, cast

from ml_coach.core import errors
from ml_coach.core.errors import BadRequestError, ModelError
from ml_coach.core.ports import Call, Ended, Model, Profile
from ml_coach.core.usage import Usage
from ml_coach.json_lines import JsonLines, append
from ml_coach.models.foreign_json import Json, count_at, object_at, objects_at, text_at
from ml_coach.models.wrapped_model import WrappedModel

# What shapes a reply beside the messages. A call's time limit does not.
_SAMPLING = ("max_tokens", "temperature", "seed", "stop", "grammar")
_LONGEST_SHOWN = 80

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class _Record:
    """One line. `turn` counts equal calls from 0, in the order in which they began."""

    call: Json
    turn: int
    reply: str
    finish: str
    usage: Json
    error: Json

    async def replay(self) -> AsyncGenerator[str | Ended, None]:
        if self.reply:
            yield self.reply
        if self.error:
            raise _error(self.error)
        finish: Literal["stop", "length"] = "stop" if self.finish == "stop" else "length"
        yield Ended(finish, _restored(Usage, self.usage))


class RecordingModel(WrappedModel):
    """Passes a model through and appends its calls to `file`, whose folder must exist."""

    def __init__(self, model: Model, file: Path) -> None:
        super().__init__(model)
        self._file = file
        self._begun: Counter[str] = Counter()
        self._earlier: Counter[str] | None = None
        self._lock = threading.Lock()

    async def stream(self, call: Call) -> AsyncGenerator[str | Ended, None]:
        """See `core.ports.Model.stream`."""
        content = content_of(call)
        key = _key(content)
        line: dict[str, Any] = {"call": content, "turn": self._begun[key], "reply": ""}
        self._begun[key] += 1
        pieces: list[str] = []
        try:
            async with aclosing(self._model.stream(call)) as stream:
                async for piece in stream:
                    if isinstance(piece, Ended):
                        line["finish"] = piece.finish
                        line["usage"] = asdict(piece.usage)
                        line["reply"] = "".join(pieces)
                        # Written before it is passed on, so that a run never knows more than the
                        # file does.
                        await asyncio.to_thread(self._append, line)
                    else:
                        pieces.append(piece)
                    yield piece
        except GeneratorExit:
            # The caller closed the stream early because what it read suffices. A replay must stop
            # at the same place, so the text so far is recorded as a reply that was cut.
            if "finish" not in line:
                line |= {"reply": "".join(pieces), "finish": "length"}
                await asyncio.to_thread(self._append, line | {"usage": asdict(Usage(calls=1))})
            raise
        except ModelError as error:
            line["reply"] = "".join(pieces)
            line["error"] = {"type": type(error).__name__, "text": str(error), **vars(error)}
            await asyncio.to_thread(self._append, line)
            raise

    def _open(self) -> Counter[str]:
        """Prepares the file for appending. Returns how often it holds each call already."""
        header, records = _read(self._file)
        if not header and not records:
            self._write({"model": self.name, "profile": asdict(self.profile)})
        return Counter(_key(record.call) for record in records)

    def _append(self, line: Json) -> None:
        with self._lock:
            if self._earlier is None:
                self._earlier = self._open()
            turn = line["turn"] + self._earlier[_key(line["call"])]
            self._write({**line, "turn": turn})

    def _write(self, line: Json) -> None:
        append(self._file, line)


class RecordedModel:
    """Replays the recording in `file`: finds a reply by its call and the call's turn among equals.

    With `then`, calls that the recording does not hold go to that model, so that a run can be
    resumed; recorded failures are not replayed in that case. Without `then` such a call raises
    `BadRequestError`, which says how it differs. So does making this where the file cannot be read.
    """

    def __init__(self, file: Path, *, then: Model | None = None) -> None:
        if not file.is_file():
            raise BadRequestError(f"The recording {file} cannot be read: there is no such file.")
        self._header, records = _read(file)
        self._file = file
        self._then = then
        self._left: defaultdict[str, deque[_Record]] = defaultdict(deque)
        for record in sorted(records, key=lambda record: record.turn):
            if then is None or not record.error:
                self._left[_key(record.call)].append(record)
        self._all = records

    @property
    def name(self) -> str:
        """That of `then`, else `recorded:` and the file."""
        return self._then.name if self._then else f"recorded:{self._file}"

    @property
    def profile(self) -> Profile:
        """That of `then`, else the recorded one."""
        if self._then:
            return self._then.profile
        return _restored(Profile, object_at(self._header, "profile"))

    async def stream(self, call: Call) -> AsyncGenerator[str | Ended, None]:
        """See `core.ports.Model.stream`."""
        content = content_of(call)
        left = self._left[_key(content)]
        if left:
            pieces = left.popleft().replay()
        elif self._then:
            pieces = self._then.stream(call)
        else:
            raise BadRequestError(f"{self.name} holds no such call: {self._difference(content)}.")
        async with aclosing(pieces):
            async for piece in pieces:
                yield piece

    async def aclose(self) -> None:
        """Closes `then`, if there is one."""
        if self._then:
            await self._then.aclose()

    def _difference(self, call: Json) -> str:
        """How the call differs from the next one of its purpose that was not replayed."""
        purpose = text_at(call, "purpose")
        waiting = {id(record) for queue in self._left.values() for record in queue}
        same = [record for record in self._all if text_at(record.call, "purpose") == purpose]
        expected = next((record.call for record in same if id(record) in waiting), None)
        if expected is None:
            return f"“{purpose}” was asked {len(same)} times when it was recorded"
        return _first_difference(expected, call) or "all equal ones were used"


def _first_difference(expected: Json, call: Json) -> str:
    where = f"call “{text_at(call, 'purpose')}”"
    pairs = zip_longest(objects_at(expected, "messages"), objects_at(call, "messages"))
    for number, (old, new) in enumerate(pairs, start=1):
        if old is None or new is None:
            return f"{where} has message {number} only {'now' if old is None else 'there'}"
        if old["role"] != new["role"]:
            return f"{where}, message {number} was {old['role']}, is {new['role']}"
        lines = zip_longest(text_at(old, "text").split("\n"), text_at(new, "text").split("\n"))
        for line, (before, now) in enumerate(lines, start=1):
            if before != now:
                shown = f"was {_shown(before)}, is {_shown(now)}"
                return f"{where}, message {number} ({new['role']}), line {line} {shown}"
    for field in _SAMPLING:
        if expected.get(field) != call.get(field):
            return f"{where}, {field} was {expected.get(field)}, is {call.get(field)}"
    return ""


def _shown(line: str | None) -> str:
    if line is None:
        return "missing"
    return f"“{line[:_LONGEST_SHOWN]}{'…' if len(line) > _LONGEST_SHOWN else ''}”"


def content_of(call: Call) -> Json:
    """A call as JSON: its purpose, and all that shapes the reply."""
    content: dict[str, Any] = {
        "purpose": call.purpose,
        "messages": [{"role": m.role, "text": m.text} for m in call.messages],
    }
    for field in _SAMPLING:
        content[field] = getattr(call, field)
    return cast(Json, json.loads(json.dumps(content)))  # Tuples become lists, as in a file.


def known_members(content: Json) -> Json:
    """The members of a call that this version knows, from a file that another may have written.

    Earlier versions wrote a `schema`, which was always null; their recordings must still be found.
    """
    return {field: content.get(field) for field in ("purpose", "messages", *_SAMPLING)}


def _key(content: Json) -> str:
    return json.dumps(known_members(content), sort_keys=True)


def _read(file: Path) -> tuple[Json, list[_Record]]:
    """The first line and the calls. A line that cannot be read is skipped."""
    header: Json = {}
    records: list[_Record] = []
    for item in JsonLines(file):
        if call := object_at(item, "call"):
            records.append(
                _Record(
                    call=call,
                    turn=count_at(item, "turn"),
                    reply=text_at(item, "reply"),
                    finish=text_at(item, "finish"),
                    usage=object_at(item, "usage"),
                    error=object_at(item, "error"),
                )
            )
        else:
            header = header or item
    return header, records


def _restored(kind: type[T], kept: Json) -> T:
    """A dataclass from what an older or a newer version may have written.

    Members that this version does not know, or of another type, are skipped.
    """
    defaults = {field.name: getattr(kind(), field.name) for field in fields(cast(Any, kind))}
    fitting = {
        key: value
        for key, value in kept.items()
        if key in defaults and isinstance(value, (type(defaults[key]), int))
    }
    return kind(**fitting)


def _error(kept: Json) -> ModelError:
    """The error as it was raised; a plain `ModelError` if this version lacks its type."""
    kind: Any = getattr(errors, text_at(kept, "type"), ModelError)
    if not (isinstance(kind, type) and issubclass(kind, ModelError)):
        kind = ModelError
    more: Mapping[str, Any] = {k: v for k, v in kept.items() if k not in ("type", "text")}
    try:
        return kind(text_at(kept, "text"), **more)
    except TypeError:  # Members that this version's error does not have.
        return ModelError(text_at(kept, "text"))
