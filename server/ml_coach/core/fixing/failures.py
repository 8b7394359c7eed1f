"""The failing tests of a project, by cause; and those that say nothing of its code."""

from __future__ import annotations

import re
from collections.abc import Collection, Sequence
from dataclasses import dataclass, field, replace

from ml_coach.core.finding import Finding
from ml_coach.core.fixing.suspicion import Sources
from ml_coach.core.project import Coverage, Project, ProjectReport, is_test_file

_ERROR = re.compile(r"^([A-Za-z_][\w.]*(?:Error|Exception|Warning|Exit|Interrupt))\b")
_NETWORK = re.compile(
    r"Network is unreachable|Name or service not known|Temporary failure in name resolution"
    r"|getaddrinfo failed|nodename nor servname|Max retries exceeded|ConnectError|URLError"
    r"|NewConnectionError"
)
_FORBIDDEN = re.compile(r"Operation not permitted|Read-only file system|Bad system call")


@dataclass(frozen=True, slots=True)
class Failure:
    """Tests that fail for one cause, as far as their tracebacks tell. The first one stands for
    all: its finding is shown."""

    findings: tuple[Finding, ...]

    @property
    def tests(self) -> tuple[str, ...]:
        """The ids of its tests."""
        return tuple(finding.test for finding in self.findings)

    @property
    def shown(self) -> Finding:
        """The finding that stands for all."""
        return self.findings[0]


@dataclass(frozen=True, slots=True)
class SetAside:
    """A failing test that judges nothing, and why."""

    test: str
    reason: str


@dataclass(frozen=True, slots=True)
class Baseline:
    """How the project's tests are before anything is changed.

    `report` is the run that later ones are compared with. Two runs were made: `flaky` tests came
    out differently. `set_aside` fail for want of something that the sandbox has not. `coverage`
    is that of the second run.
    """

    report: ProjectReport
    failures: tuple[Failure, ...]
    flaky: frozenset[str] = frozenset()
    set_aside: tuple[SetAside, ...] = ()
    coverage: Coverage = field(default_factory=Coverage)


def baseline(project: Project, first: ProjectReport, again: ProjectReport) -> Baseline:
    """Sorts the failures of the first run. `again` is a second run of the same tests."""
    outcomes = {case.name: case.outcome for case in again.tests.cases}
    flaky = frozenset(
        c.name for c in first.tests.cases if outcomes.get(c.name, c.outcome) != c.outcome
    )
    aside = tuple(SetAside(f.test, reason) for f in first.tests.findings if (reason := _lacks(f)))
    out = flaky | {each.test for each in aside}
    judging = [f for f in first.tests.findings if f.test not in out]
    return Baseline(first, _by_cause(project, judging), flaky, aside, again.coverage)


def after_patch(project: Project, before: Baseline, report: ProjectReport) -> Baseline:
    """The baseline for what follows a patch that was kept. `report` is on the patched project;
    what was flaky or set aside stays so."""
    out = before.flaky | {each.test for each in before.set_aside}
    judging = [f for f in report.tests.findings if f.test not in out]
    return replace(
        before, report=report, failures=_by_cause(project, judging), coverage=report.coverage
    )


def _lacks(finding: Finding) -> str:
    """What the sandbox lacks for this test, empty for a failure of the project's own."""
    text = f"{finding.message}\n{finding.detail}"
    if finding.kind == "missing_package":
        return finding.message
    if _NETWORK.search(text):
        return "it needs the network, which the sandbox does not have"
    if _FORBIDDEN.search(text):
        return "it does something that the sandbox forbids"
    return ""


def _by_cause(project: Project, findings: Sequence[Finding]) -> tuple[Failure, ...]:
    """Failures with the same kind of error in the same function are one; those of most tests first.

    An assert that fails in a test has no frame in the project: there the test's function counts.
    """
    sources = Sources(project)
    groups: dict[tuple[str, ...], list[Finding]] = {}
    for finding in findings:
        error = _ERROR.match(finding.message)
        places = [p for p in finding.related if not is_test_file(p.file)]
        inner = places[-1] if places and places[-1].file in project.files else None
        if inner is not None and inner.file.endswith(".py"):
            where = sources.units(inner.file).at(inner.line).key
        else:
            where = (finding.test.split("[", 1)[0], "")
        groups.setdefault((error[1] if error else "", *where), []).append(finding)
    return tuple(Failure(tuple(group)) for group in sorted(groups.values(), key=len, reverse=True))


def no_better(
    before: ProjectReport,
    after: ProjectReport,
    flaky: frozenset[str],
    only: Collection[str] | None = None,
) -> str:
    """Why `after` is not better than `before`: empty where strictly more tests pass and none is
    lost. `only` are the tests that were run; None for all."""
    if not after.ended:
        return f"the tests did not come to their end: {after.tests.why}"
    if new := sorted(after.doubts - before.doubts):
        return f"the run {new[0]}"
    had = before.passed if only is None else before.passed & frozenset(only)
    if lost := sorted(had - after.passed - flaky):
        more = f" and {len(lost) - 1} more" if len(lost) > 1 else ""
        return f"{lost[0]}{more} passed before"
    if not (after.passed - before.passed) - flaky:
        return "no more tests pass"
    return ""
