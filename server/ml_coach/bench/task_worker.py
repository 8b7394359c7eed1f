"""One task under one strategy, in the process that has the local model and the warm sandbox."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Callable, Mapping
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager
from dataclasses import asdict, dataclass, field, replace

from ml_coach.app import App
from ml_coach.bench.grading import solves
from ml_coach.bench.reply_cache import CachingModel, Replies, ReplyCache
from ml_coach.bench.scripted_coder import ScriptedCoder
from ml_coach.bench.strategies import Setup, StrategyName, solve
from ml_coach.bench.table import Row
from ml_coach.bench.tasks import Task
from ml_coach.core.errors import ModelError
from ml_coach.core.events import Emit
from ml_coach.core.ports import Ended, Model
from ml_coach.execution.executor import SandboxedExecutor
from ml_coach.settings import Settings


@dataclass(frozen=True, slots=True)
class TaskWork:
    """A task to do with one strategy. `drawn` are replies that were drawn for its prompt since the
    bench began, maybe on another node. `attempt` counts from 1."""

    task: Task
    strategy: StrategyName
    drawn: Replies = field(default_factory=dict[str, tuple[str, Ended]])
    attempt: int = 1


@dataclass(frozen=True, slots=True)
class TaskDone:
    """The row, or the model's error in its place, and the replies that were drawn for it."""

    row: Row | ModelError
    drawn: Replies


class TaskWorker:
    """Does tasks, `jobs` at a time, with what `opening` gives until `aclose`.

    `jobs` tasks share the machine, so each may take that many times as long. Replies are looked up
    and kept in `cache`.
    """

    def __init__(
        self, opening: AbstractAsyncContextManager[Setup], cache: ReplyCache, jobs: int
    ) -> None:
        self._opening = opening
        self._cache = cache
        self._jobs = jobs
        self._open = AsyncExitStack()
        self._setup: Setup | None = None

    async def prepare(self) -> None:
        """See `batch.pools.Worker.prepare`. Raises `SetupError` and `ModelError`."""
        self._setup = await self._open.enter_async_context(self._opening)

    async def run(self, item: TaskWork) -> TaskDone:
        """The row of one task. A model's error is a result."""
        assert self._setup is not None
        self._cache.keep(item.drawn)
        caching = CachingModel(self._setup.model, self._cache, sharing=self._jobs)
        try:
            row = await _row(item.task, item.strategy, self._setup, caching, self._jobs)
        except ModelError as error:
            return TaskDone(error, caching.drawn)
        return TaskDone(row, caching.drawn)

    async def aclose(self) -> None:
        """See `batch.pools.Worker.aclose`."""
        await self._open.aclose()


MakeSetup = Callable[[Model, SandboxedExecutor], Setup]


@asynccontextmanager
async def opened(
    settings: Settings, make_setup: MakeSetup, emit: Emit = lambda event: None
) -> AsyncGenerator[Setup]:
    """What `make_setup` gives for the settings' model and sandbox, both ready. `emit` hears of
    downloads. Raises `SetupError` and `ModelError`."""
    app = App()
    model = app.model(settings, emit)
    try:
        executor = app.executor(settings)
        await app.prepare(executor, model)
        yield make_setup(model, executor)
    finally:
        await model.aclose()
        await app.aclose()


def node_worker(
    settings: Settings,
    make_setup: MakeSetup,
    replies: Replies,
    jobs: int,
    keys: Mapping[str, str],
) -> TaskWorker:
    """The worker of a node, with the replies that are known and the keys there."""
    cache = ReplyCache()
    cache.keep(replies)
    return TaskWorker(opened(replace(settings, **dict(keys)), make_setup), cache, jobs)


async def _row(
    task: Task, strategy: StrategyName, setup: Setup, caching: CachingModel, jobs: int
) -> Row:
    program = setup.known_programs.get(task.id)
    model = caching if program is None else ScriptedCoder(caching, program)
    limits = replace(setup.limits, seconds=setup.limits.seconds * jobs)
    answer = await solve(strategy, task, replace(setup, model=model, limits=limits))
    grades = {
        program: await solves(setup.executor, program, task)
        for program in dict.fromkeys(answer.stages.values())
    }
    solved, extended = grades[answer.program]
    row = Row(
        task=task.id,
        strategy=strategy,
        solved=solved,
        solved_extended=extended,
        calls=answer.usage.calls,
        tokens=answer.usage.tokens,
        seconds=None if caching.hits else round(answer.seconds, 2),
        outcome=answer.outcome,
        reason=answer.reason,
        program=answer.program,
        evidence=asdict(answer.evidence) if answer.evidence else None,
        confidence=answer.confidence,
        questions=answer.questions,
    )
    return replace(
        row, stages={name: grades[program][0] for name, program in answer.stages.items()}
    )
