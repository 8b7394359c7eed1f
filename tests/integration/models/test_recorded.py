"""A recording replays a model byte for byte, and describes how a changed call differs."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from dataclasses import dataclass, field, replace
from pathlib import Path

import pytest

from ml_coach.core.agents.model_client import Budget, ModelClient
from ml_coach.core.errors import (
    BadRequestError,
    BlockedError,
    ModelError,
    QuotaError,
    UnavailableError,
)
from ml_coach.core.events import Event
from ml_coach.core.ports import Call, Ended, Message, Model, Profile
from ml_coach.core.usage import Usage
from ml_coach.models.recorded import RecordedModel, RecordingModel

CALL = Call("coder", (Message("system", "You code."), Message("user", "one\ntwo\nthree")))
USAGE = Usage(calls=1, prompt_tokens=3, completion_tokens=2, cached_tokens=1, seconds=0.5)
PROFILE = Profile(context=123, candidates=4, edit_format="function", plans=False)


@dataclass
class Canned:
    """A live model that answers each call with the next of `answers`."""

    answers: list[str | ModelError] = field(default_factory=list)
    name: str = "fake:canned"
    profile: Profile = PROFILE
    asked: int = 0
    closed: int = 0

    async def stream(self, call: Call) -> AsyncGenerator[str | Ended, None]:
        self.asked += 1
        answer = self.answers.pop(0)
        await asyncio.sleep(0)  # Lets parallel calls interleave.
        for piece in (answer[:2], answer[2:]) if isinstance(answer, str) else ("half ",):
            yield piece
        if not isinstance(answer, str):
            raise answer
        yield Ended("length" if answer.endswith("…") else "stop", USAGE)

    async def aclose(self) -> None:
        self.closed += 1


async def ask(model: Model, call: Call = CALL) -> tuple[str, Ended]:
    *pieces, ended = [piece async for piece in model.stream(call)]
    assert isinstance(ended, Ended)
    return "".join(map(str, pieces)), ended


async def test_a_recording_answers_as_the_model_did(tmp_path: Path) -> None:
    file = tmp_path / "calls.jsonl"
    said = ["plain", "žluť 🎉 \u2028 \udc80 \r\n\x00", "cut…"]
    recording = RecordingModel(Canned(list(said)), file)
    live = [await ask(recording, replace(CALL, purpose=str(n))) for n in range(3)]
    replayed = RecordedModel(file)
    assert replayed.name == f"recorded:{file}"
    assert replayed.profile == PROFILE
    assert [await ask(replayed, replace(CALL, purpose=str(n))) for n in range(3)] == live
    assert [text for text, _ in live] == said


async def test_equal_parallel_calls_are_replayed_in_the_order_they_began(tmp_path: Path) -> None:
    file = tmp_path / "calls.jsonl"
    recording = RecordingModel(Canned([f"candidate {n}" for n in range(4)]), file)
    live = await asyncio.gather(*(ask(recording) for _ in range(4)))
    replayed = RecordedModel(file)
    assert [await ask(replayed) for _ in range(4)] == list(live)


async def test_what_does_not_shape_a_reply_may_differ(tmp_path: Path) -> None:
    file = tmp_path / "calls.jsonl"
    await ask(RecordingModel(Canned(["a"]), file))
    other = replace(CALL, timeout_seconds=1)
    assert (await ask(RecordedModel(file), other))[0] == "a"


async def test_a_recording_of_an_earlier_version_is_replayed(tmp_path: Path) -> None:
    """Earlier versions wrote a `schema` into each call, which was always null."""
    file = tmp_path / "calls.jsonl"
    await ask(RecordingModel(Canned(["a"]), file))
    text = file.read_text("utf-8")
    earlier = text.replace('"seed":', '"schema": null, "seed":')
    assert earlier != text
    file.write_text(earlier, "utf-8")
    assert (await ask(RecordedModel(file)))[0] == "a"


@pytest.mark.parametrize(
    ("call", "said"),
    [
        (
            replace(CALL, messages=(CALL.messages[0], Message("user", "one\nTWO\nthree"))),
            "call “coder”, message 2 (user), line 2 was “two”, is “TWO”",
        ),
        (
            replace(CALL, messages=(CALL.messages[0], Message("user", "one"))),
            "message 2 (user), line 2 was “two”, is missing",
        ),
        (replace(CALL, messages=CALL.messages[:1]), "has message 2 only there"),
        (
            replace(CALL, messages=(*CALL.messages, Message("user", "x"))),
            "has message 3 only now",
        ),
        (
            replace(CALL, messages=(CALL.messages[0], Message("assistant", "one"))),
            "message 2 was user, is assistant",
        ),
        (replace(CALL, temperature=0.7), "temperature was 0.0, is 0.7"),
        (replace(CALL, seed=3), "seed was None, is 3"),
        (replace(CALL, purpose="debugger"), "“debugger” was asked 0 times when it was recorded"),
    ],
)
async def test_a_changed_call_is_described(tmp_path: Path, call: Call, said: str) -> None:
    file = tmp_path / "calls.jsonl"
    await ask(RecordingModel(Canned(["a"]), file))
    with pytest.raises(BadRequestError) as caught:
        await ask(RecordedModel(file), call)
    assert said in str(caught.value)


async def test_one_call_too_many_is_reported(tmp_path: Path) -> None:
    file = tmp_path / "calls.jsonl"
    await ask(RecordingModel(Canned(["a"]), file))
    model = RecordedModel(file)
    await ask(model)
    with pytest.raises(BadRequestError, match="was asked 1 times when it was recorded"):
        await ask(model)


@pytest.mark.parametrize(
    "error", [QuotaError("q", 12), UnavailableError("u"), BlockedError("b", "SAFETY")]
)
async def test_failures_are_replayed_as_they_were(tmp_path: Path, error: ModelError) -> None:
    file = tmp_path / "calls.jsonl"
    recording = RecordingModel(Canned([error, "then"]), file)
    with pytest.raises(type(error)):
        await ask(recording)
    await ask(recording)
    model = RecordedModel(file)
    pieces: list[object] = []
    with pytest.raises(type(error)) as caught:
        pieces.extend([piece async for piece in model.stream(CALL)])
    assert (str(caught.value), vars(caught.value)) == (str(error), vars(error))
    assert (await ask(model))[0] == "then"


async def test_a_resumed_run_asks_the_live_model_for_new_calls(tmp_path: Path) -> None:
    file = tmp_path / "calls.jsonl"
    first = RecordingModel(Canned(["one", UnavailableError("gone")]), file)
    await ask(first)
    with pytest.raises(UnavailableError):
        await ask(first)
    live = Canned(["two", "three"])
    resumed = RecordedModel(file, then=RecordingModel(live, file))
    assert (resumed.name, resumed.profile) == (live.name, live.profile)
    assert [(await ask(resumed))[0] for _ in range(3)] == ["one", "two", "three"]
    assert live.asked == 2
    await resumed.aclose()
    assert live.closed == 1
    # And once more, from what both runs wrote.
    again = RecordedModel(file, then=Canned())
    assert [(await ask(again))[0] for _ in range(3)] == ["one", "two", "three"]


async def test_a_cancelled_call_leaves_no_answer(tmp_path: Path) -> None:
    file = tmp_path / "calls.jsonl"
    recording = RecordingModel(Canned(["never read", "read"]), file)
    task = asyncio.create_task(ask(recording))
    await asyncio.sleep(0)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    await ask(recording)
    assert (await ask(RecordedModel(file)))[0] == "read"


async def test_a_reply_that_was_not_read_to_its_end_is_recorded_as_cut(tmp_path: Path) -> None:
    file = tmp_path / "calls.jsonl"
    stream = RecordingModel(Canned(["la la la"]), file).stream(CALL)
    assert await anext(stream) == "la"
    await stream.aclose()
    text, ended = await ask(RecordedModel(file))
    assert (text, ended.finish) == ("la", "length")


async def test_a_reply_in_a_loop_is_replayed_as_it_was_read(tmp_path: Path) -> None:
    """The model client stops reading such a reply before the model ends it."""
    file = tmp_path / "calls.jsonl"
    live = RecordingModel(Canned(["  x = 1\n" * 999, "x = 1"]), file)
    first = await model_client(live).ask(CALL)
    again = await model_client(RecordedModel(file)).ask(CALL)
    assert first.text == again.text == "x = 1"


def model_client(model: Model) -> ModelClient:
    events: list[Event] = []
    return ModelClient(model, Budget(max_calls=9, max_tokens=9999, max_seconds=99), events.append)


async def test_a_line_that_a_crash_cut_off_is_skipped(tmp_path: Path) -> None:
    file = tmp_path / "calls.jsonl"
    recording = RecordingModel(Canned(["a", "b"]), file)
    await ask(recording)
    await ask(recording)
    file.write_text(file.read_text("utf-8")[:-20], "utf-8")
    await ask(RecordingModel(Canned(["c"]), file))
    model = RecordedModel(file)
    assert [(await ask(model))[0] for _ in range(2)] == ["a", "c"]


def test_a_missing_recording_is_reported(tmp_path: Path) -> None:
    with pytest.raises(BadRequestError, match=r"nowhere\.jsonl"):
        RecordedModel(tmp_path / "nowhere.jsonl")
