"""The verdict on one run of tests, from evidence that is hard to forge; SECURITY.md says how hard.

A suite has passed when every record on the channel is proven and none is missing, both canaries did
what canaries must do, every test that the file says it has was called, ran its own code and passed
by both accounts, nothing was tampered with, and the run came to its end. Exit codes and printed
text count for nothing.
"""

from __future__ import annotations

import re
import secrets
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from ml_coach.core.finding import Finding, FindingKind, Location
from ml_coach.core.results import Case, CaseOutcome, TestReport, Verdict
from ml_coach.execution import findings
from ml_coach.execution.expected_tests import ExpectedTest
from ml_coach.execution.inside.messages import SOURCE_FOLDERS
from ml_coach.execution.plain_comparisons import TestText
from ml_coach.execution.records import (
    AgreedWithAll,
    Collected,
    Compared,
    Covered,
    Forged,
    Found,
    NotCollected,
    Phase,
    RunBegan,
    RunEnded,
    Tampered,
    TestBegan,
    TestCalled,
    TestRecord,
    TestReported,
)
from ml_coach.execution.sandbox.limits import ResourceLimits
from ml_coach.execution.worker_answers import WorkerAnswer


@dataclass(frozen=True, slots=True)
class Challenge:
    """A key, and the name of a file of canary tests, that nobody could know before the run.

    The key proves records. The canaries, one test that must pass and one that must fail, show
    whether pytest still reports what happened.
    """

    key: bytes = field(default_factory=lambda: secrets.token_bytes(32), repr=False)
    canary: str = field(default_factory=lambda: f"zz{secrets.token_hex(6)}")

    @property
    def canary_file(self) -> str:
        """The canaries' file, a name in the run's folder."""
        return f"test_{self.canary}.py"


@dataclass(frozen=True, slots=True)
class JudgedSuite:
    """What is to be judged.

    `expected` maps each test file to its tests, `texts` to what else its text says; `files` are all
    files of the run, and `flags` what the static checks found in them; `program` is the file that
    the tests are about, for related places. With `may_skip` a skipped test is not held against the
    program, as long as another one passes.
    """

    expected: Mapping[str, Sequence[ExpectedTest]]
    texts: Mapping[str, TestText]
    files: Collection[str]
    flags: Sequence[str]
    program: str
    limits: ResourceLimits
    timeout_seconds: float
    may_skip: bool = False


@dataclass(slots=True)
class _Evidence:
    """The records of one run, by what they are about. Tests are known by pytest's ids."""

    calls: dict[str, list[TestCalled]] = field(default_factory=dict[str, list[TestCalled]])
    reports: dict[str, dict[Phase, TestReported]] = field(
        default_factory=dict[str, dict[Phase, TestReported]]
    )
    compared: dict[str, list[Compared]] = field(default_factory=dict[str, list[Compared]])
    agreed: dict[str, AgreedWithAll] = field(default_factory=dict[str, AgreedWithAll])
    tampered: list[str] = field(default_factory=list[str])
    not_collected: list[NotCollected] = field(default_factory=list[NotCollected])
    running: str = ""
    pytest_exit_code: int | None = None

    def call_reported(self, test: str) -> str:
        """The outcome that pytest reports of the test's own phase, empty without a report."""
        report = self.reports.get(test, {}).get("call")
        return report.outcome if report else ""

    def called(self, test: str) -> str:
        """The outcome of the test's first call, empty where it was never called."""
        calls = self.calls.get(test)
        return calls[0].outcome if calls else ""

    def runs_of(self, test: str) -> list[str]:
        """The ids under which a test was reported: its own, or one per set of parameters."""
        return [name for name in self.reports if name == test or name.startswith(f"{test}[")]


def judge(answer: WorkerAnswer, challenge: Challenge, suite: JudgedSuite) -> TestReport:
    """The report on one run of `suite`. It never raises because of what the run wrote."""
    if answer.error:
        return TestReport("error", why=f"the sandbox could not run it: {answer.error}")
    if isinstance(answer.test_records, Forged):
        return _report("tampered", answer.test_records.why, answer, ())
    evidence = _evidence(answer.test_records)
    cases, problems = _cases(evidence, suite, answer)
    if stopped := _stopped(answer, suite, evidence):
        return _report("error", stopped.message, answer, cases, (stopped, *problems))
    if evidence.tampered:
        return _report("tampered", f"the run {evidence.tampered[0]}", answer, cases)
    if evidence.not_collected:
        return _not_collected(evidence.not_collected[0], answer)
    why = (
        _left_early(evidence, answer)
        or _wrong_canary(evidence, challenge)
        or _contradiction(evidence, suite)
    )
    if why:
        return _report("tampered", why, answer, cases, problems)
    verdict, why = _verdict(cases, suite)
    if verdict == "failed" and not answer.python:  # at wasm, where much is missing for good
        lacks = [each.message for each in problems if each.kind == "missing_package"]
        why = "; ".join([why, *lacks[:1]])
    return _report(verdict, why, answer, cases, problems if verdict == "failed" else ())


def _evidence(records: Iterable[TestRecord]) -> _Evidence:  # noqa: C901 - one case per kind
    evidence = _Evidence()
    for record in records:
        match record:
            case TestCalled():
                evidence.calls.setdefault(record.test, []).append(record)
            case TestReported():
                evidence.reports.setdefault(record.test, {})[record.phase] = record
            case TestBegan():
                evidence.running = record.test
            case Compared():
                evidence.compared.setdefault(record.test, []).append(record)
            case AgreedWithAll():
                evidence.agreed[record.test] = record
            case Tampered():
                evidence.tampered.append(record.what)
            case NotCollected():
                evidence.not_collected.append(record)
            case RunEnded():
                evidence.pytest_exit_code = record.exit_code
            case RunBegan() | Found() | Collected() | Covered():
                pass
    return evidence


def _verdict(cases: Sequence[Case], suite: JudgedSuite) -> tuple[Verdict, str]:
    """The verdict once the evidence was found sound, and the reason unless it is `passed`."""
    fine = ("passed", "skipped") if suite.may_skip else ("passed",)
    bad = [case for case in cases if case.outcome not in fine]
    if not cases:
        where = f" in {', '.join(suite.expected)}" if suite.expected else ""
        return "error", f"there is no test{where}"
    if bad:
        how = f"{bad[0].name} {_in_words(bad[0].outcome)}"
        return "failed", f"{len(bad)} of {len(cases)} tests did not pass: {how}"
    if not any(case.outcome == "passed" for case in cases):
        return "error", "every test was skipped"
    if suite.flags:
        return "tampered", f"passed, but {suite.flags[0]}"
    return "passed", ""


def _in_words(outcome: CaseOutcome) -> str:
    return outcome.replace("not_run", "did not run").replace("skipped", "was skipped")


def _stopped(answer: WorkerAnswer, suite: JudgedSuite, evidence: _Evidence) -> Finding | None:
    """A limit or a crash that ended the run, with the line and the test where it was."""
    limit, code = findings.reached_limit(answer), answer.exit_code
    if limit:
        message = findings.limit_message(limit, suite.limits, suite.timeout_seconds)
        kind: FindingKind = "timeout" if limit in ("time", "cpu") else "limit"
    elif code is not None and code < 0:
        kind, message = "runtime", findings.crash_message(-code)
    else:
        return None
    file, line = (answer.stack.file, answer.stack.line) if answer.stack else (suite.program, 0)
    test = _without_file(evidence.running)
    if test and evidence.pytest_exit_code is None:
        message += f", in {test}"
    return Finding(kind, message, file, line, test=test)


def _left_early(evidence: _Evidence, answer: WorkerAnswer) -> str:
    """Why the run is not at its end, or nothing."""
    if evidence.pytest_exit_code is not None:
        return ""
    during = f" during {_without_file(evidence.running)}" if evidence.running else ""
    return f"the run left before its end{during}, with exit code {answer.exit_code}"


def _wrong_canary(evidence: _Evidence, challenge: Challenge) -> str:
    """What is wrong with the canaries, or nothing. They run last, so they see every change that
    the tests made to pytest or Python."""
    failing, passing = (f"{challenge.canary_file}::test_{way}" for way in ("fail", "pass"))
    if evidence.call_reported(failing) != "failed" or evidence.called(failing) != "failed":
        return "a test that must fail did not fail"
    if evidence.call_reported(passing) != "passed" or evidence.called(passing) != "passed":
        return "a test that must pass did not pass"
    if evidence.pytest_exit_code != 1:
        return f"the failing canary did not make pytest fail (exit {evidence.pytest_exit_code})"
    return ""


def _contradiction(evidence: _Evidence, suite: JudgedSuite) -> str:
    """A test that is reported as passed though its own code was not called or did not pass."""
    tests = [(file, test) for file, listed in suite.expected.items() for test in listed]
    for file, test in tests:
        for name in evidence.runs_of(f"{file}::{test.name}"):
            if evidence.call_reported(name) != "passed":
                continue
            calls, bare = evidence.calls.get(name, []), _without_file(name)
            if len(calls) != 1:
                return f"{bare} is reported as passed but was called {len(calls)} times"
            call = calls[0]
            if call.outcome != "passed":
                return f"{bare} {call.outcome}, yet is reported as passed"
            if (call.function, call.line) != (test.function, test.line) or not call.own_code:
                return f"{bare} ran other code than the file's"
            why = _miscompared(evidence, name, test, suite.texts[file])
            if why:
                return f"{bare} {why}"
    return ""


def _miscompared(evidence: _Evidence, name: str, test: ExpectedTest, text: TestText) -> str:
    """What a test that passed has not compared, or compared with another answer than ours."""
    seen = {record.place: record for record in evidence.compared.get(name, [])}
    for place, comparison in text.certain.items():
        if comparison.test_line != test.line:
            continue
        if place not in seen:
            return f"passed without the comparison in line {comparison.line}"
        if comparison.contradicts(seen[place].value):
            return f"passed, though line {comparison.line} compares {seen[place].value[:100]}"
    return ""


def _agreed(evidence: _Evidence, full: str, suite: JudgedSuite) -> str:
    """The type of an object in the test that equals more than it should, or nothing. What a test
    compares with on purpose, such as `mock.ANY`, is named in its text."""
    record, text = evidence.agreed.get(full), suite.texts.get(full.partition("::")[0])
    if record is None or text is None:
        return ""
    own = {name.removesuffix(".py").replace("/", ".") for name in suite.files}
    own |= {name.removeprefix(f"{folder}.") for name in own for folder in SOURCE_FOLDERS if folder}
    is_named = record.module not in own and record.kind.strip("_") in text.words
    return "" if is_named else record.kind


def _cases(
    evidence: _Evidence, suite: JudgedSuite, answer: WorkerAnswer
) -> tuple[tuple[Case, ...], tuple[Finding, ...]]:
    """One case per expected test and set of parameters; a finding for each that did not pass."""
    several = len(suite.expected) > 1
    found: list[tuple[Case, Finding | None]] = []
    for file, tests in suite.expected.items():
        for test in tests:
            expected = f"{file}::{test.name}"
            for pytest_id in evidence.runs_of(expected) or [expected]:
                name = pytest_id if several else _without_file(pytest_id)
                found.append(_case(pytest_id, name, test.line, evidence, suite, answer))
    known = {case.name for case, _ in found}
    for pytest_id, reports in evidence.reports.items():  # inherited tests, which no text shows
        name = pytest_id if several else _without_file(pytest_id)
        file = pytest_id.partition("::")[0]
        if file in suite.expected and name not in known:
            if all(report.passed for report in reports.values()):
                continue
            found.append(_case(pytest_id, name, 0, evidence, suite, answer))
    problems = (finding for _, finding in found if finding)
    return tuple(case for case, _ in found), tuple(problems)


def _case(
    pytest_id: str,
    name: str,
    line: int,
    evidence: _Evidence,
    suite: JudgedSuite,
    answer: WorkerAnswer,
) -> tuple[Case, Finding | None]:
    """The case of one test. `name` is the name to show, `line` where the test is defined, 0 where
    that is not known."""
    reports = evidence.reports.get(pytest_id, {})
    seconds = sum(report.seconds for report in reports.values())
    bad = next((r for r in reports.values() if r.outcome == "failed"), None)
    call = reports.get("call")
    outcome: CaseOutcome = "not_run"
    kind: FindingKind = "test"
    message = "the test did not run"
    if bad:
        outcome = "failed" if bad is call else "error"
        message = bad.message.splitlines()[0] if bad.message.strip() else "it failed"
        if lacks := findings.lacking(message, answer):
            kind, message = "missing_package", lacks
    elif kind_of := _agreed(evidence, pytest_id, suite):
        outcome = "failed"
        message = f"an object of type {kind_of} equals other values than the expected one as well"
    elif call and call.passed:
        return Case(name, "passed", line=line, seconds=seconds), None
    elif not call and pytest_id == evidence.running:
        outcome, message = "failed", "the run ended in this test"
    elif any(report.outcome == "skipped" or report.xfail for report in reports.values()):
        outcome, message = "skipped", "the test was skipped or is expected to fail"
        if suite.may_skip:
            return Case(name, outcome, message, line, seconds), None
    file, places = pytest_id.partition("::")[0], bad.places if bad else ()
    line = next((p.line for p in reversed(places) if p.file == file), line)
    related = [Location(p.file, p.line, message) for p in places if p.file == suite.program]
    finding = Finding(
        kind,
        message,
        file,
        line,
        detail=bad.detail if bad else "",
        test=name,
        related=tuple(related[-1:]),
    )
    return Case(name, outcome, message, line, seconds), finding


def _not_collected(failure: NotCollected, answer: WorkerAnswer) -> TestReport:
    """The report on a suite of which a file could not be imported."""
    lines = failure.message.splitlines()
    first = lines[0] if lines else _last_line(failure.detail)
    kind: FindingKind = "collection"
    if lacks := findings.lacking(first, answer):
        kind, first = "missing_package", lacks
    place = failure.places[-1] if failure.places else None
    file, line = (place.file, place.line) if place else (failure.file, _line_in(failure))
    finding = Finding(kind, first, file, line, detail=failure.detail)
    why = f"{failure.name} could not be collected: {first}"
    return _report("error", why, answer, (), (finding,))


def _line_in(failure: NotCollected) -> int:
    """The line of the test file that failed, from pytest's text: 0 where that does not say."""
    lines = re.findall(rf"^{re.escape(failure.file)}:(\d{{1,6}}): ", failure.detail, re.MULTILINE)
    return int(lines[-1]) if lines else 0


def _last_line(text: str) -> str:
    lines = [line for line in text.splitlines() if line.strip()]
    return lines[-1].removeprefix("E").strip() if lines else "no reason was given"


def _without_file(name: str) -> str:
    return name.partition("::")[2] or name


def _report(
    verdict: Verdict,
    why: str,
    answer: WorkerAnswer,
    cases: tuple[Case, ...],
    problems: tuple[Finding, ...] = (),
) -> TestReport:
    if verdict == "tampered":
        problems = (Finding("tampered", why, ""), *problems)
    limit = findings.reached_limit(answer)
    return TestReport(verdict, cases, problems, why, answer.seconds, limit, answer.ran_on)
