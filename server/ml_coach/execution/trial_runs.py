"""Trials of a project's tests on small changes of it: the requests for the worker, and the results
that its answers are. `inside/trials.py` runs them."""

from __future__ import annotations

import asyncio
import base64
import binascii
import json
import os
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from ml_coach.core.agents.concurrency import all_of
from ml_coach.core.project import Project, ProjectReport, Trial, TrialEnd, TrialResult
from ml_coach.execution.inside.messages import JsonObject
from ml_coach.execution.project_run import ProjectRun, described
from ml_coach.execution.records import Evaluated
from ml_coach.execution.requests import request_for
from ml_coach.execution.sandbox.limits import ResourceLimits
from ml_coach.execution.worker_answers import WorkerAnswer
from ml_coach.execution.workers import Workers

_START_SECONDS = 30.0  # for the import of a project, beside its trials
_FEW = 8  # trials: to import a project a second time for fewer takes longer than it saves
STAGES = "collected", "configured", "started"  # see inside/trials.py
_MOST_AT_ONCE = 50_000  # tests of one request, so that its records stay far from their limit


@dataclass(frozen=True, slots=True)
class TrialRuns:
    """See `ports.Executor.try_changes`."""

    project: Project
    timeout_seconds: float
    limits: ResourceLimits
    test_seconds: Mapping[str, float] = field(default_factory=dict[str, float])

    async def results(
        self, workers: Workers, trials: Sequence[Trial], progress: Callable[[int], None] | None
    ) -> tuple[TrialResult, ...]:
        """One result per trial, in order."""
        await workers.prepare()
        state = State(self, workers, trials, time.monotonic() + self.timeout_seconds, progress)
        if workers.level != "namespaces":  # Only there a trial can be ended with all it started.
            await state.try_apart()
        else:
            left: Sequence[int] = range(len(trials))
            for stage in STAGES:
                state.later = set()
                await state.try_together(left, stage)
                left = sorted(state.later)
        return tuple(state.done.get(n, TrialResult(ended="untried")) for n in range(len(trials)))


@dataclass(slots=True)
class State:
    """What is known of the trials so far, by their numbers."""

    runs: TrialRuns
    workers: Workers
    trials: Sequence[Trial]
    deadline: float
    progress: Callable[[int], None] | None = None
    done: dict[int, TrialResult] = field(default_factory=dict[int, TrialResult])
    later: set[int] = field(default_factory=set[int])
    modules: str = ""

    def note(self, number: int, result: TrialResult) -> None:
        """A trial is done."""
        self.done[number] = result
        self.tell(len(self.done))

    def tell(self, count: int) -> None:
        """So many are done."""
        if self.progress:
            self.progress(count)

    async def try_apart(self) -> None:
        """Each trial in a run of its own, as many at once as there are processors."""
        waiting = asyncio.Semaphore(os.cpu_count() or 1)

        async def one(number: int) -> None:
            async with waiting:
                if time.monotonic() < self.deadline:
                    self.note(number, await _apart(self.runs, self.workers, self.trials[number]))

        await all_of(*[one(number) for number in range(len(self.trials))])

    async def try_together(self, numbers: Sequence[int], stage: str) -> None:
        """As many requests at once as there are processors, each with its share of the trials."""
        for number in numbers:
            if not (self.trials[number].tests or self.trials[number].then):
                self.done[number] = TrialResult()
        todo = [number for number in numbers if number not in self.done]
        count = min(os.cpu_count() or 1, -(-len(todo) // _FEW))
        shares = [todo[start::count] for start in range(count)]
        await all_of(*[self._share(share, stage) for share in shares])

    async def _share(self, todo: list[int], stage: str) -> None:
        """Asks until all are done, later, or the time is over. A request that ends before its last
        trial has that one to blame: it is over, and the others are asked for again."""
        while todo and time.monotonic() < self.deadline:
            batch = self._batch(todo)
            ids, request = self._request(batch, stage)
            reader = _Reader(self, batch) if self.progress else None
            (answer,) = await self.workers.run_whole(request, reader)
            read = _read(answer, [self.trials[n] for n in batch], ids)
            self.modules = self.modules or read.modules
            self.later |= {batch[n] for n in read.later}
            for place, result in read.results.items():
                self.note(batch[place], result)
            over = {batch[n] for n in (*read.results, *read.later)}
            todo = [number for number in todo if number not in over]
            if not over:
                return

    def _batch(self, todo: Sequence[int]) -> list[int]:
        """The first of them, one at least."""
        batch, tests = list(todo[:1]), 0
        for number in todo[1:]:
            tests += len(self.trials[number].tests) + len(self.trials[number].then)
            if tests > _MOST_AT_ONCE:
                break
            batch.append(number)
        return batch

    def _request(self, batch: Sequence[int], stage: str) -> tuple[list[str], JsonObject]:
        """The ids that the request's trials name by their places, and the request."""
        project = self.runs.project
        trials = [self.trials[number] for number in batch]
        ids = sorted({test for trial in trials for test in (*trial.tests, *trial.then)})
        places = {test: place for place, test in enumerate(ids)}
        longest = max(trial.seconds for trial in trials)
        tests = {
            **described(project),
            "targets": sorted({test.partition("::")[0] for test in ids}),
            "canary": "",
            "keyword": "",
            "stage": stage,
            "preload": self.modules.split(),
            "ids": ids,
            "test_seconds": [self.runs.test_seconds.get(test, longest) for test in ids],
            "trials": [_sent(trial, places) for trial in trials],
        }
        left = max(1.0, self.deadline - time.monotonic()) + _START_SECONDS
        part: list[JsonObject] = [{"tests": tests}]
        return ids, request_for(
            "trials", project.files, left, parts=part, tells=self.progress is not None
        )


def _sent(trial: Trial, places: dict[str, int]) -> JsonObject:
    change = trial.change
    return {
        "tests": [places[test] for test in trial.tests],
        "then": [places[test] for test in trial.then],
        "seconds": trial.seconds,
        "in_function": trial.in_function,
        "alone": trial.alone,
        "change": None
        if change is None
        else {
            "file": change.file,
            "first": change.first,
            "last": change.last,
            # As the files of a request: bytes as latin-1.
            "text": change.text.encode("utf-8", "surrogatepass").decode("latin-1"),
        },
    }


@dataclass(slots=True)
class _Reader:
    """Counts the trials that are done while a request goes on, for display. Never raises for what
    a run sends."""

    state: State
    batch: Sequence[int]
    _seen: int = 0

    def __call__(self, message: bytes) -> None:
        """Takes one message of the worker."""
        try:
            sent: Any = json.loads(message)
            text = base64.b64decode(sent["progress"])
        except (ValueError, KeyError, TypeError, binascii.Error, RecursionError):
            return
        self._seen += text.count(b'"ended"') + text.count(b'"time"')
        self.state.tell(len(self.state.done) + self._seen)


@dataclass(slots=True)
class _Read:
    """What came of a request, by the places of its trials."""

    results: dict[int, TrialResult] = field(default_factory=dict[int, TrialResult])
    later: set[int] = field(default_factory=set[int])
    modules: str = ""


def _read(answer: WorkerAnswer, trials: Sequence[Trial], ids: Sequence[str]) -> _Read:
    """Reads the records of a request; what has no known form is left out."""
    found = _Read()
    words: dict[int, list[str]] = {}
    for record in answer.script_records:
        if not isinstance(record, Evaluated) or record.index >= len(trials):
            continue
        kind, _, rest = record.value.partition(" ")
        if kind == "modules":
            found.modules = rest
        elif kind == "later":
            found.later.add(record.index)
        elif kind in ("ended", "time"):
            seen = words.pop(record.index, [])
            found.results[record.index] = _result(trials[record.index], seen, kind, ids)
        else:
            words.setdefault(record.index, []).append(record.value)
    for place, seen in words.items():  # The one that was going on when all ended.
        if answer.limit != "time":
            found.results[place] = _result(trials[place], seen, "ended", ids)
    return found


def _result(trial: Trial, words: Iterable[str], how: str, ids: Sequence[str]) -> TrialResult:
    ran: list[str] = []
    failed: set[str] = set()
    is_done = is_broken = False
    for word in words:
        kind, _, number = word.partition(" ")
        is_done, is_broken = is_done or kind == "done", is_broken or kind == "broken"
        if number.isdecimal() and int(number) < len(ids):
            test = ids[int(number)]
            if kind == "on":
                ran.append(test)
            elif kind == "failed":
                failed.add(test)
    if is_broken or (not ran and not is_done):  # The import fails, and so do all tests.
        every = frozenset((*trial.tests, *trial.then))
        return TrialResult(every, every, "crash")
    ended: TrialEnd = ""
    if not is_done:
        failed.add(ran[-1])
        ended = "time" if how == "time" else "crash"
    return TrialResult(frozenset(ran), frozenset(failed), ended)


async def _apart(runs: TrialRuns, workers: Workers, trial: Trial) -> TrialResult:
    """A trial in a run of its own."""
    if not trial.tests:
        if not trial.then:
            return TrialResult()
        return await _apart(runs, workers, replace(trial, tests=trial.then, then=()))
    texts: dict[str, str] = {}
    if trial.change is not None:
        file = trial.change.file
        texts[file] = trial.change.applied(runs.project.text(file))
    whole = 2 * trial.seconds + _START_SECONDS
    run = ProjectRun(runs.project, trial.tests, None, whole, trial.seconds, runs.limits)
    (report,) = await run.reports(workers, (texts,), None)
    result = _reported(trial, report)
    if result.failed or not trial.then:
        return result
    more = await _apart(runs, workers, replace(trial, tests=trial.then, then=()))
    return TrialResult(result.ran | more.ran, more.failed, more.ended)


def _reported(trial: Trial, report: ProjectReport) -> TrialResult:
    wanted = frozenset(trial.tests)
    ran = frozenset(c.name for c in report.tests.cases if c.outcome != "not_run") & wanted
    failed = frozenset(report.failing)
    if failed - wanted:  # A file that could not be imported stands for its tests.
        return TrialResult(wanted, wanted, "crash")
    if not report.ended:
        last = frozenset([report.tests.cases[-1].name]) if report.tests.cases else wanted
        return TrialResult(ran | last, failed | last, "time" if report.tests.limit else "crash")
    return TrialResult(ran, failed)
