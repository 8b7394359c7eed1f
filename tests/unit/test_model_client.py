"""The rules by which a model is asked: budget, retries, cut replies, usage, events."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Sequence
from dataclasses import dataclass, field, replace

import pytest

from ml_coach.core.agents import coder
from ml_coach.core.agents.model_client import Backoff, Budget, ModelClient, Price, join_continuation
from ml_coach.core.errors import (
    AuthError,
    BadAnswerError,
    BadRequestError,
    BlockedError,
    BudgetSpent,
    DeadlineError,
    ModelError,
    QuotaError,
    UnavailableError,
)
from ml_coach.core.events import CallFinished, CallRetrying, CallStarted, Event, TextArrived
from ml_coach.core.ports import Call, Ended, Message, Profile
from ml_coach.core.types import Spec
from ml_coach.core.usage import Usage

CALL = Call("coder", (Message("user", "Write add."),))
USAGE = Usage(calls=1, prompt_tokens=10, completion_tokens=5)
Step = Sequence[str | Ended | ModelError]


def reply(*pieces: str, finish: str = "stop", usage: Usage = USAGE) -> Step:
    return (*pieces, Ended("stop" if finish == "stop" else "length", usage))


@dataclass
class Scripted:
    """A model that plays its steps, one a request."""

    steps: list[Step]
    calls: list[Call] = field(default_factory=list)
    name: str = "fake:m"
    profile: Profile = field(default_factory=Profile)

    async def stream(self, call: Call) -> AsyncGenerator[str | Ended, None]:
        self.calls.append(call)
        for item in self.steps.pop(0):
            if isinstance(item, ModelError):
                raise item
            yield item

    async def aclose(self) -> None:
        pass


@dataclass
class World:
    """A clock that only moves when somebody sleeps."""

    now: float = 0.0
    slept: list[float] = field(default_factory=list)
    events: list[Event] = field(default_factory=list)

    async def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)
        self.now += seconds

    def budget(self, *, calls: int = 20, tokens: int = 1000, seconds: float = 100) -> Budget:
        return Budget(
            max_calls=calls, max_tokens=tokens, max_seconds=seconds, clock=lambda: self.now
        )

    def model_client(
        self, model: Scripted, budget: Budget | None = None, price: Price | None = None
    ) -> ModelClient:
        return ModelClient(
            model,
            budget or self.budget(),
            self.events.append,
            price=price or Price(),
            backoff=Backoff(attempts=4, first_seconds=1, longest_seconds=30),
            sleep=self.sleep,
            chance=lambda: 1.0,
        )


async def test_a_reply_is_emitted_as_it_arrives() -> None:
    world = World()
    answer = await world.model_client(Scripted([reply("def ", "add")])).ask(CALL)
    assert (answer.text, answer.finish, answer.usage) == ("def add", "stop", USAGE)
    assert world.events == [
        CallStarted(1, "coder", "fake:m"),
        TextArrived(1, "def "),
        TextArrived(1, "add"),
        CallFinished(1, "coder", USAGE, "stop"),
    ]


@pytest.mark.parametrize(
    "error", [QuotaError("q"), UnavailableError("u"), BadAnswerError("b")], ids=lambda e: str(e)
)
async def test_temporary_errors_are_retried_with_growing_delays(error: ModelError) -> None:
    world = World()
    model = Scripted([["half", error], [error], [error], reply("whole")])
    answer = await world.model_client(model).ask(CALL)
    assert answer.text == "whole"
    assert answer.usage.calls == 4
    assert world.slept == [1, 2, 4]
    retries = [event for event in world.events if isinstance(event, CallRetrying)]
    assert [(e.attempt, e.attempts, e.delay_seconds) for e in retries] == [
        (2, 4, 1),
        (3, 4, 2),
        (4, 4, 4),
    ]
    assert retries[0].reason == str(error)


async def test_the_last_attempt_raises_what_went_wrong() -> None:
    world = World()
    model = Scripted([[UnavailableError(f"no {n}")] for n in range(4)])
    with pytest.raises(UnavailableError, match="no 3"):
        await world.model_client(model).ask(CALL)
    assert len(model.calls) == 4
    assert isinstance(world.events[-1], CallFinished)
    assert world.events[-1].finish == "failed"


@pytest.mark.parametrize(
    "error",
    [AuthError("a"), BadRequestError("r"), BlockedError("b", "SAFETY"), DeadlineError("d")],
    ids=lambda e: type(e).__name__,
)
async def test_permanent_errors_are_not_retried(error: ModelError) -> None:
    world = World()
    model = Scripted([[error]])
    with pytest.raises(type(error)):
        await world.model_client(model).ask(CALL)
    assert len(model.calls) == 1
    assert world.slept == []


async def test_the_providers_own_delay_is_kept() -> None:
    world = World()
    await world.model_client(Scripted([[QuotaError("q", 12)], reply("ok")])).ask(CALL)
    assert world.slept == [13]  # Its 12 s, and up to one more, so that candidates spread out.


def test_delays_are_spread_and_bounded() -> None:
    backoff = Backoff(first_seconds=1, longest_seconds=30)
    assert [backoff.delay_seconds(n, None, 0.0) for n in (1, 2, 3)] == [0.5, 1, 2]
    assert backoff.delay_seconds(20, None, 1.0) == 30
    assert backoff.delay_seconds(1, 12, 0.0) == 12


async def test_a_delay_past_the_budget_ends_the_run_at_once() -> None:
    world = World()
    model = Scripted([[QuotaError("Gemini (429): slow down.", 3600)]])
    with pytest.raises(BudgetSpent, match="slow down"):
        await world.model_client(model).ask(CALL)
    assert world.slept == []


async def test_waiting_can_be_cancelled() -> None:
    waiting = asyncio.Event()

    async def sleep(_: float) -> None:
        waiting.set()
        await asyncio.Event().wait()

    events: list[Event] = []
    model_client = ModelClient(
        Scripted([[QuotaError("q")]]), World().budget(), events.append, sleep=sleep
    )
    task = asyncio.create_task(model_client.ask(CALL))
    await waiting.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert isinstance(events[-1], CallFinished)
    assert events[-1].finish == "cancelled"


async def test_calls_are_counted_before_they_are_made() -> None:
    world = World()
    model = Scripted([reply("a"), reply("b")])
    model_client = world.model_client(model, world.budget(calls=2))
    await asyncio.gather(model_client.ask(CALL), model_client.ask(CALL))
    with pytest.raises(BudgetSpent, match="2 model calls"):
        await model_client.ask(CALL)
    assert len(model.calls) == 2


async def test_retries_count_as_calls() -> None:
    world = World()
    model = Scripted([[UnavailableError("u")], [UnavailableError("u")]])
    with pytest.raises(BudgetSpent, match="2 model calls"):
        await world.model_client(model, world.budget(calls=2)).ask(CALL)
    assert len(model.calls) == 2


async def test_tokens_are_a_limit() -> None:
    world = World()
    model_client = world.model_client(Scripted([reply("a")]), world.budget(tokens=15))
    await model_client.ask(CALL)
    with pytest.raises(BudgetSpent, match="15 tokens"):
        await model_client.ask(CALL)


async def test_time_is_a_limit() -> None:
    world = World()
    model_client = world.model_client(Scripted([reply("a")]), world.budget(seconds=60))
    world.now = 60
    with pytest.raises(BudgetSpent, match="60 s"):
        await model_client.ask(CALL)


async def test_tokens_that_the_provider_does_not_count_are_estimated() -> None:
    world = World()
    budget = world.budget()
    model = Scripted([reply("x" * 400, usage=Usage(calls=1))])
    answer = await world.model_client(model, budget).ask(CALL)
    assert answer.usage.completion_tokens == 100
    assert budget.usage.tokens == answer.usage.tokens > 100


async def test_usage_and_cost_add_up() -> None:
    world = World()
    usage = Usage(1, prompt_tokens=1_000_000, completion_tokens=100_000, cached_tokens=400_000)
    budget = world.budget(tokens=10_000_000)
    price = Price(prompt=0.5, completion=3.0, cached=0.1)
    model_client = world.model_client(Scripted([reply("a", usage=usage)] * 2), budget, price)
    await model_client.ask(CALL)
    await model_client.ask(CALL)
    assert budget.usage.calls == 2
    assert budget.usage.cached_tokens == 800_000
    assert budget.usage.cost == pytest.approx(2 * (0.3 + 0.04 + 0.3))


async def test_a_cut_reply_is_continued() -> None:
    world = World()
    model = Scripted([reply("def add(a, b):\n    ret", finish="length"), reply("urn a + b\n")])
    answer = await world.model_client(model).ask(CALL)
    assert (answer.text, answer.finish) == ("def add(a, b):\n    return a + b\n", "stop")
    assert answer.usage.calls == 2
    before, turn, wish = model.calls[1].messages
    assert before == CALL.messages[0]
    assert (turn.role, turn.text) == ("assistant", "def add(a, b):\n    ret")
    assert (wish.role, "cut off" in wish.text) == ("user", True)
    assert [e.call_id for e in world.events if isinstance(e, CallStarted)] == [1, 2]


async def test_a_reply_that_stays_cut_is_marked_as_cut() -> None:
    model = Scripted([reply(f"part {n}. ", finish="length") for n in range(3)])
    answer = await World().model_client(model).ask(CALL)
    assert answer.finish == "length"
    assert answer.text == "part 0. part 1. part 2. "
    assert model.steps == []


async def test_the_coder_asks_again_without_a_reply_that_stays_cut() -> None:
    cut = [reply(f"def f():  # {n}\n", finish="length") for n in range(3)]
    model = Scripted([*cut, reply("def f(): return 1")])
    wanted = coder.CoderRequest(Spec("Write f()", names=("f",)), model.profile, "m.py")
    refused: list[str] = []
    task = coder.whole_program(wanted)
    written = await coder.write(World().model_client(model), task, refused.append)
    assert isinstance(written, coder.CoderResult)
    assert refused == [coder.CUT]
    assert [m.role for m in model.calls[-1].messages] == ["system", "user", "user"]


@pytest.mark.parametrize("finish", ["stop", "length"])
async def test_a_loop_is_not_continued_but_asked_for_again(finish: str) -> None:
    round_ = "    if x == 1:\n        return 1\n"
    model = Scripted([reply(*[round_] * 10_000), reply("return x\n", finish=finish)])
    world = World()
    answer = await world.model_client(model).ask(CALL)
    assert (answer.text, answer.finish) == ("return x\n", finish)
    # And it is not listened to for long.
    arrived = sum(len(e.text) for e in world.events if isinstance(e, TextArrived))
    assert arrived < 2000
    assert [m.role for m in model.calls[1].messages] == ["user", "user"]
    assert "shorter" in model.calls[1].messages[-1].text


async def test_similar_lines_are_not_taken_for_a_loop() -> None:
    rows = "".join(f"    assert add({n}, {n}) == {2 * n}\n" for n in range(400))
    answer = (
        await World().model_client(Scripted([reply(*rows.splitlines(keepends=True))])).ask(CALL)
    )
    assert (answer.text, answer.finish) == (rows, "stop")


async def test_a_reply_whose_limit_went_into_thoughts_is_asked_for_again() -> None:
    model = Scripted([reply(finish="length"), reply("ok")])
    assert (await World().model_client(model).ask(CALL)).text == "ok"


async def test_a_reply_that_may_be_cut_is_not_continued() -> None:
    model = Scripted([reply("half", finish="length")])
    answer = await World().model_client(model).ask(replace(CALL, may_be_cut=True))
    assert (answer.text, answer.finish) == ("half", "length")


async def test_no_room_for_a_continuation_leaves_the_reply_cut() -> None:
    model = Scripted([reply("half", finish="length"), [BadRequestError("context is full")]])
    answer = await World().model_client(model).ask(CALL)
    assert (answer.text, answer.finish) == ("half", "length")


async def test_a_model_that_forgets_its_end_is_a_bad_answer() -> None:
    with pytest.raises(BadAnswerError):
        await World().model_client(Scripted([["text"]] * 4)).ask(CALL)


@pytest.mark.parametrize(
    ("text", "more", "joined"),
    [
        ("a = 1\nb", " = 2\n", "a = 1\nb = 2\n"),
        ("a = 1\n", "b = 2\n", "a = 1\nb = 2\n"),
        ("```python\na = 1\n", "```python\nb = 2\n```", "```python\na = 1\nb = 2\n```"),
        ("```python\na = 1\n", "```\nDone.", "```python\na = 1\n```\nDone."),
        ("x = 1\n    return fo", "return foo(x)\n", "x = 1\n    return foo(x)\n"),
        ("first_line = 1\nsecond = 2", "second = 2\nthird", "first_line = 1\nsecond = 2\nthird"),
        ("one\ntwo lines here\n", "two lines here\nthree", "one\ntwo lines here\nthree"),
    ],
)
def test_continuations_are_joined_without_repeats(text: str, more: str, joined: str) -> None:
    assert join_continuation(text, more) == joined
