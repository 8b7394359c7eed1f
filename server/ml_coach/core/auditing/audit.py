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
from ml_coach.core.auditing.report import AuditReport, Mistake, NewTest, TestAudit
from ml_coach.core.auditing.subject import modules_under_test
from ml_coach.core.ports import Executor
from ml_coach.core.project import (
    LineChange,
    Project,
    ProjectReport,
    Trial,
    TrialResult,
)
from ml_coach.core.python import syntax
from ml_coach.core.results import Case

MOST_MISTAKES = 400
# Seconds of a processor that a test may use, and all of a trial together: so many times what they
# took at first, and these in any case. What needs more runs in a circle.
_TIMES_SLOWER = 10.0
_LEAST_SECONDS = 0.25
_BASELINE_SECONDS = 300.0
# For the tests that do not seem to run a mistake's line, each time that the others notice nothing.
_MOST_FURTHER_SECONDS = 1.0
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
    plan = _Plan(first, [edit for edits in found for edit in edits.every])
    tried, unstable = await _tried(
        project, executor, plan, timeout_seconds, partial(tell, "tries mistakes")
    )
    mistakes = tuple(_mistake(e, plan.reaching(e) - unstable, r, unstable) for e, r in tried)
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


async def _tried(
    project: Project,
    executor: Executor,
    plan: _Plan,
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
    plan = _Plan(first, [edits[number] for number in unnoticed], asks_others=False)
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


class _Plan:
    """Which tests are tried on which mistake."""

    def __init__(
        self, first: ProjectReport, edits: Sequence[Edit], *, asks_others: bool = True
    ) -> None:
        self.edits = edits
        self._asks_others = asks_others
        self._first = first
        self._order = [case.name for case in first.tests.cases if case.name in first.passed]
        self._seconds = {case.name: case.seconds for case in first.tests.cases}
        self.test_seconds = {test: _limit(took) for test, took in self._seconds.items()}

    def reaching(self, edit: Edit) -> frozenset[str]:
        """The tests that may notice a mistake, those that failed at first left out."""
        coverage = self._first.coverage
        if not edit.in_function or not (coverage.lines or coverage.reached):
            return self._first.passed
        found: set[str] = set()
        lines = coverage.lines.get(edit.file, {})
        for line in edit.reach if coverage.lines else ():
            found |= lines.get(line, frozenset())
        if not coverage.lines:
            found |= coverage.reached.get(edit.file, {}).get(edit.entered, frozenset())
        return self._first.passed & found

    def running(self, modules: Sequence[str]) -> frozenset[str]:
        """The tests that run a line of one of the modules."""
        coverage = self._first.coverage.lines or self._first.coverage.reached
        if not coverage:  # Not all tests were followed.
            return self._first.passed
        lines = [by for file in modules for by in coverage.get(file, {}).values()]
        return frozenset[str]().union(*lines)

    def controls(self, project: Project) -> list[Trial]:
        """The tests without a mistake, also in reverse, and as those are tried that have a mistake
        in what runs at import: a test that fails then would judge wrongly."""
        found = [self._trial(self._order), self._trial(self._order[::-1])]
        at_import = next((edit for edit in self.edits if not edit.in_function), None)
        if at_import is not None:
            line = project.text(at_import.file).split("\n")[0]
            found.append(replace(found[0], change=LineChange(at_import.file, 1, 1, f"{line}\n")))
        return found

    def unstable(self, controls: Sequence[TrialResult]) -> frozenset[str]:
        """The tests that passed at first and not in the controls."""
        every = frozenset(self._order)
        done = [each for each in controls if each.ended != "untried"]
        return frozenset[str]().union(*(every - (each.ran - each.failed) for each in done))

    def trial(self, edit: Edit) -> Trial:
        """What is tried for a mistake."""
        reaching = self.reaching(edit)
        change = LineChange(edit.file, edit.first, edit.last, edit.after)
        trial = self._trial([test for test in self._order if test in reaching])
        group = f"{edit.file}:{edit.function}"
        return replace(trial, change=change, in_function=edit.in_function, group=group)

    def _trial(self, tests: Sequence[str]) -> Trial:
        """Where these notice nothing, the others are asked, too: a test may reach a mistake in
        another process, or by what an earlier test left in a cache."""
        chosen = frozenset(tests)
        then = [test for test in self._order if test not in chosen]
        took = sum(self._seconds.values())
        is_long = sum(self._seconds[test] for test in then) > _MOST_FURTHER_SECONDS
        if is_long or not self._asks_others:
            then, took = [], sum(self._seconds[test] for test in tests)
        return Trial(tuple(tests), seconds=_limit(took), then=tuple(then))


def _limit(took: float) -> float:
    return _LEAST_SECONDS + _TIMES_SLOWER * took


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


def _mistake(
    edit: Edit, reaching: frozenset[str], result: TrialResult, unstable: frozenset[str]
) -> Mistake:
    noticed = result.failed - unstable
    status = "noticed" if noticed else "survived" if reaching else "unreached"
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
