"""The loop on a project that is there: from failing tests to patches that mend them.

    baseline ─► one failure ─► suspects ─► model ─► patch ─► its tests ─► whole suite ─► offer
        ▲                                                                                 │
        └───────────────── the next failure ◄── strictly more pass, none is lost ◄────────┘

A failure is a cause: all tests that fail with the same error in the same function. Patches are
tried on a private copy of the project and offered as in the repair loop.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Callable, Sequence
from contextlib import aclosing
from dataclasses import dataclass, field, replace
from itertools import islice
from typing import Literal

from ml_coach.core.changes import Patch
from ml_coach.core.errors import BadRequestError
from ml_coach.core.events import (
    BaselineTaken,
    FailureChosen,
    PatchApplied,
    PatchDiscarded,
    PatchesTried,
    TestsAdvanced,
    TestsFinished,
)
from ml_coach.core.fix_proposals import by_edits, by_model, from_line
from ml_coach.core.fixing.context import sources_of
from ml_coach.core.fixing.failures import Baseline, Failure, after_patch, baseline, no_better
from ml_coach.core.fixing.lines import parts, places
from ml_coach.core.fixing.suspicion import Sources, Suspect, suspects
from ml_coach.core.judging.evaluator import CheckedProgram
from ml_coach.core.patches.making import changed_blocks
from ml_coach.core.ports import Profile
from ml_coach.core.project import Project, ProjectReport, TestProgress
from ml_coach.core.repair_loop import offer
from ml_coach.core.results import TestReport
from ml_coach.core.run_state import End, Run
from ml_coach.core.types import Diagnosis, Program

SUITE_SECONDS = 600.0  # what one run of the whole suite may take
LEAST_TEST_SECONDS = 10.0  # what one test may take; more where the run's own limit is higher
PLACES = 6  # lines that the model goes on from, for one failure
MOST_JUDGING = 20  # failing tests that a patch is first tried with
MOST_NEAR = 0.5  # of all tests: where more can reach a change, all are run at once
_AGAIN = "Mend that, then start the run again."
MANY = 4  # proposals; of more nobody reads one by one
AT_ONCE = 32  # small edits, before the run says how far it is


@dataclass(slots=True)
class _Fixing:
    """What the loop knows. `project` is as the run's patches leave it, `now` how its tests are."""

    run: Run
    project: Project
    now: Baseline
    tried: set[str] = field(default_factory=set[str])
    told: set[str] = field(default_factory=set[str])
    given_up: set[str] = field(default_factory=set[str])
    suspected: dict[tuple[str, ...], list[Suspect]] = field(
        default_factory=dict[tuple[str, ...], list[Suspect]]
    )
    is_refused: bool = False

    async def test(
        self,
        changes: Sequence[dict[str, str]] = ({},),
        *,
        only: Sequence[str] | None = None,
        followed: Sequence[str] | None = None,
    ) -> tuple[ProjectReport, ...]:
        """A report on the project's tests for each of the changes."""
        return await _test(self.run, self.project, changes, only=only, followed=followed)


async def fix_project(run: Run, project: Project) -> End:
    """Mends what it can of the failing tests of `project`; returns how the run ends."""
    found = await _first_runs(run, project)
    if isinstance(found, End):
        return found
    fixing = _Fixing(run, project, found)
    run.emit(_taken(found))
    if not found.failures:
        return End("gave_up", _nothing_judges(found))
    if run.request.max_iters == 1:
        why = f"{found.report.tests.why}. More iterations may help."
        return End("gave_up", why)  # The user only wanted to see what fails.
    for way in _ways(run.profile):
        fixing.given_up.clear()
        while failure := _next(fixing):
            end = await _fix(fixing, failure, way)
            if end is not None:
                return end
    return _ended(fixing)


async def _first_runs(run: Run, project: Project) -> Baseline | End:
    """The baseline. What fails is run a second time, with the lines that each test runs."""
    run.begin("pytest")
    (first,) = await _test(run, project)
    _note(run, first.tests)
    run.emit(TestsFinished(first.tests))
    if not first.ended or not first.tests.cases:
        return End("gave_up", f"The project's tests cannot be run: {first.tests.why}. {_AGAIN}")
    if not first.failing:
        return End("passed", "All tests pass: there is nothing to fix.")
    (again,) = await _test(run, project, followed=first.failing)
    return baseline(project, first, again)


async def _test(
    run: Run,
    project: Project,
    changes: Sequence[dict[str, str]] = ({},),
    *,
    only: Sequence[str] | None = None,
    followed: Sequence[str] | None = None,
) -> tuple[ProjectReport, ...]:
    def advanced(progress: TestProgress) -> None:
        run.emit(TestsAdvanced(progress.done, progress.total, progress.test))

    return await run.evaluator.executor.test_project(
        project,
        changes,
        only=only,
        followed=followed,
        timeout_seconds=SUITE_SECONDS,
        test_seconds=max(LEAST_TEST_SECONDS, run.request.run_timeout_seconds),
        progress=advanced if only is None else None,
    )


def _taken(found: Baseline) -> BaselineTaken:
    report = found.report
    aside = tuple(f"{each.test}: {each.reason}" for each in found.set_aside)
    failing, causes = len(report.failing), len(found.failures)
    return BaselineTaken(len(report.passed), failing, causes, tuple(sorted(found.flaky)), aside)


def _nothing_judges(found: Baseline) -> str:
    reasons = [f"{each.test}: {each.reason}" for each in found.set_aside]
    reasons += [f"{test} is flaky" for test in sorted(found.flaky)]
    return (
        f"No failing test says anything of the project's code. {'; '.join(reasons[:3])}. {_AGAIN}"
    )


def _next(fixing: _Fixing) -> Failure | None:
    """The next failure that was not given up."""
    return next((f for f in fixing.now.failures if f.shown.test not in fixing.given_up), None)


def _ended(fixing: _Fixing) -> End:
    left = [f for f in fixing.now.failures if f.tests]
    if not left:
        return End("passed", "All tests pass.")
    shown = left[0].shown
    count = sum(len(f.tests) for f in left)
    still = "1 test still fails" if count == 1 else f"{count} tests still fail"
    return End("gave_up", f"{still}: {shown.test}: {shown.message}. Another model may help.")


async def _fix(fixing: _Fixing, failure: Failure, way: _Way) -> End | None:
    """Tries to mend one failure in one way; the run's end where it is over."""
    run, found = fixing.run, await _suspects(fixing, failure)
    if not fixing.told & {*failure.tests}:
        names = tuple(f"{s.unit.file}::{s.unit.name}" for s in found[:5])
        run.emit(FailureChosen(failure.tests, failure.shown.message, names))
        fixing.told |= {*failure.tests}
    run.team.forget()
    async with aclosing(way(fixing, failure, found)) as groups:
        async for proposed in groups:
            kept = await _try(fixing, failure, proposed, mends_all=way is not _by_model)
            if kept is not False:
                return None if kept is True else kept
    fixing.given_up.update(failure.tests)
    return None


async def _suspects(fixing: _Fixing, failure: Failure) -> list[Suspect]:
    if failure.tests not in fixing.suspected:
        # Parses every module, which takes seconds: a face has to answer meanwhile.
        fixing.suspected[failure.tests] = await asyncio.to_thread(
            suspects,
            Sources(fixing.project),
            fixing.now.coverage,
            failure.findings,
            sources_of(fixing.project, failure.findings, 3),
        )
    return fixing.suspected[failure.tests]


# The ways to mend a failure: each yields groups of proposals, until one is kept

_Way = Callable[[_Fixing, Failure, Sequence[Suspect]], AsyncGenerator[Sequence[Diagnosis], None]]


def _ways(profile: Profile) -> tuple[_Way, ...]:
    """What costs least comes first for a small model. What a large one writes is right more often
    than an edit that was found by trying, so there that comes last."""
    if profile.edit_format != "function":
        return _by_model, _by_edits
    return (_by_edits, _by_model, _by_lines) if profile.goes_on else (_by_edits, _by_model)


async def _by_edits(
    fixing: _Fixing, failure: Failure, found: Sequence[Suspect]
) -> AsyncGenerator[Sequence[Diagnosis], None]:
    fixing.run.begin("debug")
    edits, done = by_edits(fixing.project, failure, found), 0
    while group := await asyncio.to_thread(lambda: [*islice(edits, AT_ONCE)]):
        fixing.run.emit(PatchesTried(done))
        yield group
        done += len(group)


async def _by_model(
    fixing: _Fixing, failure: Failure, found: Sequence[Suspect]
) -> AsyncGenerator[Sequence[Diagnosis], None]:
    """Of a few suspects each the model's best guess and its hunks, then samples and theirs."""
    run = fixing.run
    for attempt in range(min(run.request.max_iters, len(found) or 1)):
        run.state.iteration = attempt + 1
        for samples in (False, True) if run.profile.candidates > 1 else (False,):
            proposed = await by_model(
                run, fixing.project, failure, found[attempt:], samples=samples
            )
            yield proposed
            yield [
                replace(diagnosis, patch=part)
                for diagnosis in proposed
                if diagnosis.patch
                for part in parts(diagnosis.patch)
            ]


async def _by_lines(
    fixing: _Fixing, failure: Failure, found: Sequence[Suspect]
) -> AsyncGenerator[Sequence[Diagnosis], None]:
    sources, coverage = Sources(fixing.project), fixing.now.coverage
    for place in places(sources, coverage, failure.findings, found[:PLACES], PLACES):
        if not fixing.is_refused:
            try:
                yield await from_line(fixing.run, fixing.project, failure, place)
            except BadRequestError as error:
                fixing.is_refused = True
                fixing.run.team.refuse("debugger", str(error))


# Try, offer, apply


async def _try(
    fixing: _Fixing, failure: Failure, proposed: Sequence[Diagnosis], *, mends_all: bool
) -> Literal[True, False] | End:
    """Whether one of the proposals was kept; the run's end where it is over. Each is judged by
    failing tests first, then by those that can reach the change, and at last by all. With
    `mends_all` all tests of the failure have to pass."""
    run = fixing.run
    new = [d for d in proposed if d.patch and d.patch.id not in fixing.tried]
    new = list({d.patch.id: d for d in new if d.patch}.values())
    if not new:
        return False
    fixing.tried |= {d.patch.id for d in new if d.patch}
    run.begin("pytest")
    others = [test for each in fixing.now.failures for test in each.tests]
    only = [*dict.fromkeys([*sorted(failure.tests), *others])][:MOST_JUDGING]
    wanted = {*only} & {*failure.tests} if mends_all else set[str]()
    reports = await fixing.test([_texts(d) for d in new], only=only)
    judged = zip(new, reports, strict=True)
    # What mends most comes first: what it leaves, the next reply may not think of.
    for diagnosis, report in sorted(judged, key=lambda each: -len(each[1].passed & {*only})):
        if not report.passed & {*only} or not wanted <= report.passed:
            if len(new) <= MANY:
                _learn(run, failure, diagnosis, report)
            continue
        whole = await _whole(fixing, diagnosis)
        if isinstance(whole, ProjectReport) and mends_all and not {*failure.tests} <= whole.passed:
            continue
        if isinstance(whole, str):
            run.emit(PatchDiscarded(f"It is not better: {whole}.", diagnosis.patch))
            run.team.learn(whole)
            continue
        return await _keep(fixing, diagnosis, whole)
    return False


def _learn(run: Run, failure: Failure, diagnosis: Diagnosis, report: ProjectReport) -> None:
    """Notes why a patch does not help."""
    own = [f.message for f in report.tests.findings if f.test in failure.tests]
    found = own[0] if own else report.tests.why
    no_more = "It mends a part only" if report.passed else "It makes no more tests pass"
    reason = f"{no_more}: {found}" if found else f"{no_more}."
    run.emit(PatchDiscarded(reason, diagnosis.patch))
    run.team.learn(found)


async def _whole(fixing: _Fixing, diagnosis: Diagnosis) -> ProjectReport | str:
    """The report on the whole suite with a patch that is better; else why it is not."""
    before, texts, flaky = fixing.now.report, _texts(diagnosis), fixing.now.flaky
    near = _reaching(fixing, texts)
    if near is not None and len(near) < MOST_NEAR * len(before.tests.cases):
        (report,) = await fixing.test([texts], only=near)
        if why := no_better(before, report, flaky, near):
            return why
    (report,) = await fixing.test([texts], followed=before.failing)
    return no_better(before, report, flaky) or await _lost_elsewhere(fixing, texts) or report


async def _lost_elsewhere(fixing: _Fixing, texts: dict[str, str]) -> str:
    """Which test a patch loses that the user did not ask for; empty for none. Those that fail with
    the patch are run without it, and once more with it, because some may be flaky."""
    run, project = fixing.run, fixing.project
    whole = replace(project, targets=project.every, keyword="")
    if whole == project:
        return ""
    asked_for = {case.name for case in fixing.now.report.tests.cases}
    (after,) = await _test(run, whole, [texts])
    if not after.ended:
        (before,) = await _test(run, whole)
        return f"the whole suite did not come to its end: {after.tests.why}" if before.ended else ""
    failing = [test for test in after.failing if test not in asked_for]
    if not failing:
        return ""
    before, again = await _test(run, whole, [{}, texts], only=failing)
    lost = [test for test in failing if test in before.passed - again.passed]
    return f"{lost[0]} passed before" if lost else ""


def _reaching(fixing: _Fixing, texts: dict[str, str]) -> list[str] | None:
    """The tests that ran a function which `texts` change; None where that is not known, as with
    code that runs at import."""
    reached, sources = fixing.now.coverage.reached, Sources(fixing.project)
    if not reached:
        return None
    found: set[str] = set()
    for file, text in texts.items():
        old, new = fixing.project.text(file).splitlines(), text.splitlines()
        for start, end, _, _ in changed_blocks(old, new):
            unit = sources.units(file).at(start + 1)
            if unit.kind != "function" or end > unit.last:
                return None
            for line, tests in reached.get(file, {}).items():
                if unit.first <= line <= unit.last:
                    found |= tests
    return sorted(found | {*fixing.now.report.failing})


async def _keep(
    fixing: _Fixing, diagnosis: Diagnosis, report: ProjectReport
) -> Literal[True, False] | End:
    """Offers a patch that helps, and writes it where it is accepted."""
    run, patch = fixing.run, diagnosis.patch
    assert patch is not None
    accepted = await offer(run, patch, diagnosis.summary, report.tests)
    if not isinstance(accepted, Patch):
        return accepted or False
    texts = {c.file: c.after for c in accepted.changes if c.after is not None}
    if accepted is not patch:  # The user's own change is taken as it is.
        (report,) = await fixing.test([texts], followed=fixing.now.report.failing)
    await run.save(*(Program(text, file) for file, text in texts.items()))
    fixing.project = fixing.project.with_texts(texts)
    fixing.suspected.clear()
    fixing.now = after_patch(fixing.project, fixing.now, report)
    _note(run, report.tests)
    run.emit(TestsFinished(report.tests))
    run.emit(PatchApplied(accepted, diagnosis.summary))
    return True


def _note(run: Run, report: TestReport) -> None:
    """The tests of what the files hold are those of the run's report."""
    run.state.best = CheckedProgram(Program("", ""), (), report)


def _texts(diagnosis: Diagnosis) -> dict[str, str]:
    """What the files read that a diagnosis changes."""
    changes = diagnosis.patch.changes if diagnosis.patch else ()
    return {change.file: change.after for change in changes if change.after is not None}
