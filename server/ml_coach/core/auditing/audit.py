"""The audit of a project's tests: which mistakes in the module under test each test notices.

The entry is `audit`. It runs the tests as they are, makes mistakes in the modules that they are
about, has the tests that run a mistake's lines tried on it, and says for each test what it notices.
"""

from __future__ import annotations

import asyncio
import time
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial

from ml_coach.core.auditing.always_true import doubts_in
from ml_coach.core.auditing.mistakes import Edit, Edits, edits_in
from ml_coach.core.auditing.new_tests import FIRST_SEED, candidates, chosen
from ml_coach.core.auditing.plan import Plan
from ml_coach.core.auditing.report import AuditReport, Mistake, NewTest, TestAudit
from ml_coach.core.auditing.subject import modules_under_test
from ml_coach.core.ports import Executor
from ml_coach.core.project import Project, ProjectReport, TrialResult
from ml_coach.core.python import syntax
from ml_coach.core.results import Case

MOST_MISTAKES = 400
_BASELINE_SECONDS = 300.0
# Of the time that there is, for finding out who needs a function without being seen to run it.
_SHARE_FOR_UNSEEN = 0.25
# For the tests that are written for what nobody notices: all of them, and each.
_NEW_SECONDS = 30.0
_NEW_TEST_SECONDS = 2.0
_FLAKY = "it does not always pass, or only after other tests"


@dataclass(frozen=True, slots=True)
class AuditProgress:
    """How far an audit is: `done` of `total` in a stage. `total` is 0 while it is unknown."""

    stage: str
    done: int
    total: int


async def audit(
    project: Project,
    executor: Executor,
    *,
    modules: Sequence[str] = (),
    most: int = MOST_MISTAKES,
    timeout_seconds: float = 120.0,
    test_seconds: float = 20.0,
    writes_tests: bool = True,
    progress: Callable[[AuditProgress], None] | None = None,
) -> AuditReport:
    """What the tests in the project's `targets` notice of mistakes in `modules`, relative paths;
    without any, in those that the tests are about. At most `most` mistakes are tried, and as many
    as `timeout_seconds` suffice for; `test_seconds` bounds each test. With `writes_tests` the
    report has tests for mistakes that nobody notices (new_tests.py).

    It can be cancelled at any moment. What keeps it from a result is the report's `problem`; it
    raises what the executor raises where nothing can be run at all.
    """
    started = time.monotonic()

    def tell(stage: str, done: int = 0, total: int = 0) -> None:
        if progress:
            progress(AuditProgress(stage, done, total))

    first = await _first_run(project, executor, test_seconds, tell)
    report = AuditReport(level=executor.level, ran_on=first.tests.ran_on)
    about = tuple(modules) or await asyncio.to_thread(_about, project, first)
    if problem := _problem(first, about):
        return replace(report, problem=problem, seconds=time.monotonic() - started)
    found = await asyncio.to_thread(_edits, project, about, most)
    plan = Plan(first, [edit for edits in found for edit in edits.every])
    ends = time.monotonic() + timeout_seconds
    await _see_unseen(
        project,
        executor,
        plan,
        _SHARE_FOR_UNSEEN * timeout_seconds,
        partial(tell, "looks who runs what"),
    )
    tried, unstable = await _tried(
        project, executor, plan, ends - time.monotonic(), partial(tell, "tries mistakes")
    )
    mistakes = tuple(_mistake(plan, edit, result, unstable) for edit, result in tried)
    tests = await asyncio.to_thread(_tests, project, first, mistakes, unstable, plan.running(about))
    new_tests: tuple[NewTest, ...] = ()
    left = timeout_seconds - (time.monotonic() - started)
    if writes_tests and left > 0:
        edits = [edit for edit, _ in tried]
        new_tests = await _new_tests(
            project, executor, edits, mistakes, min(left, _NEW_SECONDS), tell
        )
    return replace(
        report, modules=about, mistakes=mistakes, tests=tests, alike=_alike(tests, first),
        new_tests=new_tests, equivalent=sum(edits.equivalent for edits in found),
        untried=sum(edits.untried for edits in found) + len(plan.edits) - len(mistakes),
        seconds=time.monotonic() - started,
    )  # fmt: skip


async def _see_unseen(
    project: Project,
    executor: Executor,
    plan: Plan,
    timeout_seconds: float,
    tell: Callable[[int, int], None],
) -> None:
    """Tells the plan which tests need a function that they are not seen to run."""
    looks = await asyncio.to_thread(plan.looks, project)
    if looks:
        results = await executor.try_changes(
            project, [*looks.values()], timeout_seconds=timeout_seconds,
            progress=lambda done: tell(done, len(looks)),
        )  # fmt: skip
        plan.see(looks, results)


async def _tried(
    project: Project,
    executor: Executor,
    plan: Plan,
    timeout_seconds: float,
    tell: Callable[[int, int], None],
) -> tuple[list[tuple[Edit, TrialResult]], frozenset[str]]:
    """The plan's mistakes with what came of them, as far as there was time, and the tests that did
    not always pass without one."""
    controls = plan.controls(project)
    trials = [*controls, *(plan.trial(edit) for edit in plan.edits)]
    tell(0, len(trials))
    results = await executor.try_changes(
        project, trials, timeout_seconds=timeout_seconds, test_seconds=plan.test_seconds,
        progress=lambda done: tell(done, len(trials)),
    )  # fmt: skip
    every = zip(plan.edits, results[len(controls) :], strict=True)
    return [each for each in every if each[1].ended != "untried"], plan.unstable(
        results[: len(controls)]
    )


async def _new_tests(
    project: Project,
    executor: Executor,
    edits: Sequence[Edit],
    mistakes: Sequence[Mistake],
    seconds: float,
    tell: Callable[[str, int, int], None],
) -> tuple[NewTest, ...]:
    """Tests for those of the mistakes that nobody notices, tried as a project's own are."""
    ends = time.monotonic() + seconds
    unnoticed = [number for number, each in enumerate(mistakes) if each.status != "noticed"]
    tell("writes tests", 0, 0)
    written = await candidates(
        project, mistakes, executor, timeout_seconds=seconds, test_seconds=_NEW_TEST_SECONDS
    )
    left = ends - time.monotonic()
    if not written.texts or left <= 0:
        return ()
    (first,) = await executor.test_project(
        written.project, only=written.ids, followed=(), each_line=True, timeout_seconds=left,
        test_seconds=_NEW_TEST_SECONDS, hash_seed=FIRST_SEED,
    )  # fmt: skip
    plan = Plan(first, [edits[number] for number in unnoticed])
    tried, unstable = await _tried(
        written.project, executor, plan, max(0.0, ends - time.monotonic()),
        partial(tell, "tries new tests"),
    )  # fmt: skip
    numbers = {id(edits[number]): number for number in unnoticed}
    noticed = {
        # Nobody wants a test that notices a mistake by never ending.
        numbers[id(edit)]: result.failed - unstable
        for edit, result in tried
        if not result.ended
    }
    return chosen(project, mistakes, noticed, written)


async def _first_run(
    project: Project, executor: Executor, test_seconds: float, tell: Callable[[str, int, int], None]
) -> ProjectReport:
    """The tests without a mistake, with the lines that each runs."""
    tell("runs the tests", 0, 0)
    (report,) = await executor.test_project(
        project, followed=(), each_line=True, timeout_seconds=_BASELINE_SECONDS,
        test_seconds=test_seconds,
        progress=lambda test: tell("runs the tests", test.done, test.total),
    )  # fmt: skip
    return report


def _about(project: Project, first: ProjectReport) -> tuple[str, ...]:
    """The modules that the tests are about, of those of which a test ran a line."""
    coverage = first.coverage
    ran = {*coverage.lines, *coverage.reached, *coverage.passed}
    files = sorted({test.partition("::")[0] for test in first.passed})
    return modules_under_test(project, files, ran)


def _edits(project: Project, modules: Sequence[str], most: int) -> list[Edits]:
    """The mistakes in each module, which has its share of them."""
    return [edits_in(file, project.text(file), most // len(modules)) for file in modules]


def _problem(first: ProjectReport, about: Sequence[str]) -> str:
    if not first.ended or not first.tests.cases:
        return f"The tests cannot be run: {first.tests.why}."
    if not first.passed:
        finding = next(iter(first.tests.findings), None)
        said = f" ({finding.message})" if finding else ""
        why = first.tests.why or "all are skipped"
        return f"No test passes, so none can notice a mistake: {why}{said}."
    return "" if about else "The tests run no line of a module of this project."


def _mistake(plan: Plan, edit: Edit, result: TrialResult, unstable: frozenset[str]) -> Mistake:
    noticed, reaching = result.failed - unstable, plan.reaching(edit) - unstable
    is_run = reaching or plan.unseen(edit) - unstable
    status = "noticed" if noticed else "survived" if is_run else "unreached"
    reached = (reaching & result.ran) | noticed
    return Mistake(
        edit.file, edit.first, edit.before, edit.after, edit.what, edit.function, status,
        tuple(sorted(reached)), tuple(sorted(noticed)), result.ended,
    )  # fmt: skip


def _tests(
    project: Project,
    first: ProjectReport,
    mistakes: Sequence[Mistake],
    unstable: frozenset[str],
    running: frozenset[str],
) -> tuple[TestAudit, ...]:
    notices, reaches = defaultdict[str, list[int]](list), defaultdict[str, list[int]](list)
    for number, mistake in enumerate(mistakes):
        for test in mistake.noticed_by:
            notices[test].append(number)
        for test in mistake.reached_by:
            reaches[test].append(number)
    texts = {
        file: project.text(file) for file in {c.name.partition("::")[0] for c in first.tests.cases}
    }
    places = {file: _places(text) for file, text in texts.items()}
    doubts = {file: doubts_in(text) for file, text in texts.items()}
    found: list[TestAudit] = []
    for case in first.tests.cases:
        file, _, inner = case.name.partition("::")
        name = inner.partition("[")[0]
        audited = TestAudit(
            case.name, file, places[file].get(name, 0), "not_judging",
            notices=tuple(notices[case.name]), reaches=tuple(reaches[case.name]),
            doubts=doubts[file].get(name, ()),
        )  # fmt: skip
        found.append(_judged(audited, case, unstable, running))
    return tuple(found)


def _judged(
    test: TestAudit, case: Case, unstable: frozenset[str], running: frozenset[str]
) -> TestAudit:
    if case.outcome != "passed":
        why = {"skipped": "it is skipped", "not_run": "it was not run"}
        return replace(test, why=why.get(case.outcome, f"it fails: {case.message}"))
    if case.name in unstable:
        return replace(test, why=_FLAKY)
    if test.notices:
        return replace(test, verdict="notices")
    return replace(test, verdict="cannot_fail" if case.name in running else "elsewhere")


def _places(source: str) -> Mapping[str, int]:
    return {name: node.lineno for name, node in syntax.test_functions(source)}


def _alike(tests: Sequence[TestAudit], first: ProjectReport) -> tuple[tuple[str, ...], ...]:
    """Groups of tests that notice the same mistakes and run the same lines."""
    ran = defaultdict[str, set[tuple[str, int]]](set)
    coverage = first.coverage.lines or first.coverage.reached
    for file, lines in coverage.items():
        for line, by in lines.items():
            for test in by:
                ran[test].add((file, line))
    groups = defaultdict[object, list[str]](list)
    for test in tests:
        if test.verdict == "notices":
            groups[test.notices, frozenset(ran[test.test])].append(test.test)
    return tuple(tuple(group) for group in groups.values() if len(group) > 1)
