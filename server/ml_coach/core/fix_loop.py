"""The loop on a project that is there: from failing tests to patches that mend them.

    baseline ─► one failure ─► suspects ─► model ─► patch ─► its tests ─► whole suite ─► offer
        ▲                                                                                 │
        └───────────────── the next failure ◄── strictly more pass, none is lost ◄────────┘

A failure is a cause: all tests that fail with the same error in the same function. Patches are
tried on a private copy of the project and offered as in the repair loop.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Literal

from ml_coach.core.agents.concurrency import all_of
from ml_coach.core.agents.project_debugger import propose
from ml_coach.core.changes import Patch
from ml_coach.core.events import (
    BaselineTaken,
    Diagnosed,
    FailureChosen,
    PatchApplied,
    PatchDiscarded,
    TestsAdvanced,
    TestsFinished,
)
from ml_coach.core.fixing.context import case_for, sources_of
from ml_coach.core.fixing.failures import Baseline, Failure, after_patch, baseline, no_better
from ml_coach.core.fixing.suspicion import Sources, Suspect, suspects
from ml_coach.core.fixing.units import Unit
from ml_coach.core.judging.evaluator import CheckedProgram
from ml_coach.core.judging.guards import guards, ignored, refusals, truths
from ml_coach.core.judging.small_edits import Edit, small_edits
from ml_coach.core.patches import make_patch
from ml_coach.core.patches.making import changed_blocks
from ml_coach.core.project import Project, ProjectReport, TestProgress
from ml_coach.core.repair_loop import offer
from ml_coach.core.results import TestReport
from ml_coach.core.run_state import End, Run
from ml_coach.core.types import Diagnosis, Program

SUITE_SECONDS = 600.0  # what one run of the whole suite may take
LEAST_TEST_SECONDS = 10.0  # what one test may take; more where the run's own limit is higher
CHARACTERS_PER_TOKEN = 3  # of code; what is sent has to fit
MOST_CHARACTERS = 24_000  # of one prompt: more makes no model better, and costs
EDITED_UNITS, EDITS_EACH = 3, 48  # small edits that are tried of each of so many functions
MOST_JUDGING = 20  # tests of one failure that a patch is first tried with
MOST_NEAR = 0.5  # of all tests: where more can reach a change, all are run at once
_AGAIN = "Mend that, then start the run again."
MANY = 5  # proposals of which nobody reads one by one


@dataclass(slots=True)
class _Fixing:
    """What the loop knows. `project` is as the run's patches leave it, `now` how its tests are."""

    run: Run
    project: Project
    now: Baseline
    tried: set[str] = field(default_factory=set[str])
    given_up: set[str] = field(default_factory=set[str])

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
    while failure := _next(fixing):
        end = await _fix(fixing, failure)
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


async def _fix(fixing: _Fixing, failure: Failure) -> End | None:
    """Tries to mend one failure; the run's end where it is over."""
    run, project = fixing.run, fixing.project
    # Parses every module, which takes seconds: a face has to answer meanwhile.
    found = await asyncio.to_thread(
        suspects,
        Sources(project),
        fixing.now.coverage,
        failure.findings,
        sources_of(project, failure.findings, 3),
    )
    names = tuple(f"{s.unit.file}::{s.unit.name}" for s in found[:5])
    run.emit(FailureChosen(failure.tests, failure.shown.message, names))
    run.team.forget()
    for attempt in range(min(run.request.max_iters, len(found) or 1)):
        run.state.iteration = attempt + 1
        proposed = await _propose(fixing, failure, found[attempt:], samples=False)
        kept = await _try(fixing, failure, proposed)
        if kept is False and run.profile.candidates > 1:
            more = await _propose(fixing, failure, found[attempt:], samples=True)
            kept = await _try(fixing, failure, more)
        if kept is not False:
            return None if kept is True else kept
    kept = await _try(fixing, failure, await _small_edits(fixing, failure, found))
    if kept is False:
        fixing.given_up.update(failure.tests)
    return kept if isinstance(kept, End) else None


# Propose


async def _propose(
    fixing: _Fixing, failure: Failure, found: Sequence[Suspect], *, samples: bool
) -> list[Diagnosis]:
    """What the model proposes: its best guess, or as many `samples` as the profile has besides."""
    run, project = fixing.run, fixing.project
    if not found:
        return []
    run.begin("debug")
    profile = run.profile
    room = CHARACTERS_PER_TOKEN * (profile.context - profile.max_tokens)
    alone = profile.edit_format == "function"
    case = case_for(project, failure, found, min(room, MOST_CHARACTERS), alone=alone)
    texts = {file: project.text(file) for file in project.modules if project.text(file)}
    count = profile.candidates - 1 if samples else 1
    made = [propose(run.team, case, texts, sampled=samples) for _ in range(count)]
    diagnoses = await all_of(*made)
    for diagnosis in diagnoses:
        run.emit(Diagnosed(diagnosis))
        if diagnosis.blame == "tests":
            reason = "The debugger blames the tests; no patch may change a test."
            run.emit(PatchDiscarded(reason, None))
    return [d for d in diagnoses if d.patch is not None and d.blame == "code"]


async def _small_edits(
    fixing: _Fixing, failure: Failure, found: Sequence[Suspect]
) -> list[Diagnosis]:
    """The last resort, which costs no token: one place changed in a suspected function, or ahead of
    the statement that raises, so that the failing test passes."""
    project, proposed = fixing.project, list[Diagnosis]()
    functions = [s.unit for s in found if s.unit.kind == "function"][:EDITED_UNITS]
    raising = [p for p in reversed(failure.shown.related) if p.file in project.modules]
    for place in raising[:EDITED_UNITS]:
        program = Program(project.text(place.file), place.file)
        edits = await asyncio.to_thread(list, guards(program, place.line, failure.shown.message))
        proposed += [_edited(project, edit) for edit in edits]
    for unit in functions:
        edits = await asyncio.to_thread(_edits, project, unit)
        proposed += [_edited(project, edit) for edit in edits]
    test = sources_of(project, failure.findings, 1)
    for unit in functions:
        program, lines = Program(project.text(unit.file), unit.file), _lines(unit)
        refused = refusals(program, lines, failure.shown.message, test)
        proposed += [_edited(project, edit) for edit in await asyncio.to_thread(list, refused)]
    if proposed:
        fixing.run.begin("debug")
    return proposed


def _lines(unit: Unit) -> range:
    return range(unit.first, unit.last + 1)


def _edits(project: Project, unit: Unit) -> list[Edit]:
    program = Program(project.text(unit.file), unit.file)
    lines = _lines(unit)
    asked = [*truths(program, lines), *ignored(program, lines)]
    return [*asked, *small_edits(program, EDITS_EACH, lines)]


def _edited(project: Project, edit: Edit) -> Diagnosis:
    file = edit.program.file
    patch = make_patch({file: project.text(file)}, {file: edit.program.source})
    return Diagnosis("code", f"A small edit of {file}, found by trying: {edit.what}", patch)


# Try, offer, apply


async def _try(
    fixing: _Fixing, failure: Failure, proposed: Sequence[Diagnosis]
) -> Literal[True, False] | End:
    """Whether one of the proposals was kept; the run's end where it is over.

    Each is judged by the failing tests first, then by those that can reach the change, and at last
    by all.
    """
    run = fixing.run
    new = [d for d in proposed if d.patch and d.patch.id not in fixing.tried]
    new = list({d.patch.id: d for d in new if d.patch}.values())
    if not new:
        return False
    fixing.tried |= {d.patch.id for d in new if d.patch}
    run.begin("pytest")
    only = sorted({*failure.tests})[:MOST_JUDGING]
    reports = await fixing.test([_texts(d) for d in new], only=only)
    for diagnosis, report in zip(new, reports, strict=True):
        if not report.passed & {*only}:
            _learn(fixing, diagnosis, report, len(new))
            continue
        whole = await _whole(fixing, diagnosis)
        if isinstance(whole, str):
            run.emit(PatchDiscarded(f"It is not better: {whole}.", diagnosis.patch))
            run.team.learn(whole)
            continue
        return await _keep(fixing, diagnosis, whole)
    return False


def _learn(fixing: _Fixing, diagnosis: Diagnosis, report: ProjectReport, tried: int) -> None:
    """Notes why a patch does not help; of many at once nobody wants to read."""
    found = report.tests.findings[0].message if report.tests.findings else report.tests.why
    if tried < MANY:
        reason = f"It makes no more tests pass: {found}" if found else "No more tests pass"
        fixing.run.emit(PatchDiscarded(reason, diagnosis.patch))
        fixing.run.team.learn(found)


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
