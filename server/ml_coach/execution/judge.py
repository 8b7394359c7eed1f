"""The verdict on one run of tests, from evidence that the tests can not forge.

A suite has passed when every record on the channel is proven and none is missing, both canaries
did what canaries must, every test that the file says it has was called, ran its own code and
passed by both accounts, nothing was tampered with, and the run came to its end. Exit codes and
printed text count for nothing.
"""

from __future__ import annotations

import hashlib
import json
import secrets
import signal
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from ml_coach.core.types import (
    Case,
    CaseOutcome,
    Finding,
    FindingKind,
    Location,
    TestReport,
    Verdict,
)
from ml_coach.execution import findings
from ml_coach.execution.expected_tests import ExpectedTest
from ml_coach.execution.inside.messages import Message
from ml_coach.execution.inside.notary import PROOF_BYTES
from ml_coach.execution.sandbox.limits import Limits


@dataclass(frozen=True, slots=True)
class Oath:
    """What one run is judged by: a key and a canary's name that nobody could know before."""

    key: bytes = field(default_factory=lambda: secrets.token_bytes(32), repr=False)
    canary: str = field(default_factory=lambda: f"zz{secrets.token_hex(6)}")

    @property
    def canary_file(self) -> str:
        return f"test_{self.canary}.py"


@dataclass(frozen=True, slots=True)
class Charge:
    """What is to be judged. `expected` maps each test file to its tests; `flags` are what the
    review of the texts found; `program` is the file that tests are about, for related places. With
    `may_skip` a skipped test is not held against the program, as long as another one passes."""

    expected: Mapping[str, Sequence[ExpectedTest]]
    flags: Sequence[str]
    program: str
    limits: Limits
    timeout_seconds: float
    may_skip: bool = False


@dataclass(slots=True)
class _Evidence:
    called: dict[str, list[list[str]]] = field(default_factory=dict[str, list[list[str]]])
    reports: dict[str, dict[str, list[str]]] = field(
        default_factory=dict[str, dict[str, list[str]]]
    )
    tampered: list[str] = field(default_factory=list[str])
    not_collected: list[list[str]] = field(default_factory=list[list[str]])
    running: str = ""
    status: str = ""


class _Unproven(Exception):
    pass


def judge(answer: Message, oath: Oath, charge: Charge) -> TestReport:
    if "error" in answer:
        return TestReport("error", why=f"the sandbox could not run it: {answer['error']}")
    try:
        evidence = _proven(answer["records"], oath.key)
    except _Unproven as reason:
        return _report("tampered", str(reason), answer, ())
    cases, problems = _cases(evidence, charge, answer["python"])
    if stopped := _stopped(answer, charge, evidence):
        return _report("error", stopped.message, answer, cases, (stopped, *problems))
    if evidence.tampered:
        return _report("tampered", f"the run {evidence.tampered[0]}", answer, cases)
    if evidence.not_collected:
        return _not_collected(evidence.not_collected[0], answer)
    if lie := _left_early(evidence, answer) or _canary(evidence, oath) or _lies(evidence, charge):
        return _report("tampered", lie, answer, cases, problems)
    return _outcome_of(cases, problems, charge, answer)


def _outcome_of(
    cases: tuple[Case, ...], problems: tuple[Finding, ...], charge: Charge, answer: Message
) -> TestReport:
    """The verdict on evidence that holds."""
    fine = ("passed", "skipped") if charge.may_skip else ("passed",)
    bad = [case for case in cases if case.outcome not in fine]
    if not cases:
        where = f" in {', '.join(charge.expected)}" if charge.expected else ""
        return _report("error", f"there is no test{where}", answer, ())
    if bad:
        how = f"{bad[0].name} {_said(bad[0].outcome)}"
        why = f"{len(bad)} of {len(cases)} tests did not pass: {how}"
        return _report("failed", why, answer, cases, problems)
    if not any(case.outcome == "passed" for case in cases):
        return _report("error", "every test was skipped", answer, cases)
    if charge.flags:
        return _report("tampered", f"passed, but {charge.flags[0]}", answer, cases)
    return _report("passed", "", answer, cases)


def _left_early(evidence: _Evidence, answer: Message) -> str:
    if evidence.status:
        return ""
    during = f" during {_bare(evidence.running)}" if evidence.running else ""
    return f"the run left before its end{during}, with exit code {answer.get('status')}"


def _said(outcome: CaseOutcome) -> str:
    return outcome.replace("not_run", "did not run").replace("skipped", "was skipped")


def _proven(raw: str, key: bytes) -> _Evidence:
    """Raises `_Unproven` for a record that the notary did not write or that is missing."""
    evidence = _Evidence()
    keyed = hashlib.blake2b(key=key, digest_size=PROOF_BYTES)
    for number, line in enumerate(raw.encode("latin-1").splitlines()):
        proof, _, body = line.partition(b" ")
        expected = keyed.copy()
        expected.update(body)
        if not secrets.compare_digest(expected.hexdigest().encode("ascii"), proof):
            raise _Unproven("something else wrote to the channel of the verdict")
        told, honest, kind, *values = json.loads(body)
        if told != number:
            raise _Unproven("records of the verdict are missing")
        if honest != "honest" and kind != "tampered":  # the watcher speaks below user code
            raise _Unproven("something else than the tests told their outcome")
        _add(evidence, kind, values)
    return evidence


def _add(evidence: _Evidence, kind: str, values: list[str]) -> None:
    match kind:
        case "called":
            evidence.called.setdefault(values[0], []).append(values[1:])
        case "report":
            name, when, *rest = values
            evidence.reports.setdefault(name, {})[when] = rest
        case "begin":
            evidence.running = values[0]
        case "tampered":
            evidence.tampered.append(values[0])
        case "not_collected":
            evidence.not_collected.append(values)
        case "end":
            evidence.status = values[0]
        case _:
            pass


def _stopped(answer: Message, charge: Charge, evidence: _Evidence) -> Finding | None:
    """A limit or a crash, with the line and the test where it was."""
    status = answer.get("status")
    limit = findings.reached_limit(answer, None)
    if limit:
        message = findings.limit_message(limit, charge.limits, charge.timeout_seconds)
        kind: FindingKind = "timeout" if limit in ("time", "cpu") else "limit"
    elif status is not None and status < 0:
        kind = "runtime"
        message = findings.CRASHES.get(signal.Signals(-status), f"ended by signal {-status}")
    else:
        return None
    file, line = findings.stack_place(answer)
    test = _bare(evidence.running)
    if test and not evidence.status:
        message += f", in {test}"
    return Finding(kind, message, file or charge.program, line, test=test)


def _canary(evidence: _Evidence, oath: Oath) -> str:
    """What is wrong with the canaries. They ran last, so all that was patched was patched then."""
    failing, passing = (f"{oath.canary_file}::test_{way}" for way in ("fail", "pass"))
    if _outcome(evidence, failing) != "failed" or _called(evidence, failing) != "failed":
        return "a test that must fail did not fail"
    if _outcome(evidence, passing) != "passed" or _called(evidence, passing) != "passed":
        return "a test that must pass did not pass"
    if evidence.status != "1":
        return f"the failing canary did not make pytest fail (exit {evidence.status})"
    return ""


def _outcome(evidence: _Evidence, name: str) -> str:
    return evidence.reports.get(name, {}).get("call", [""])[0]


def _called(evidence: _Evidence, name: str) -> str:
    return evidence.called.get(name, [[""]])[0][0]


def _lies(evidence: _Evidence, charge: Charge) -> str:
    """A test that is reported as passed though its own code was not called or did not pass."""
    for file, tests in charge.expected.items():
        for test in tests:
            for name in _runs_of(evidence, f"{file}::{test.name}"):
                if _outcome(evidence, name) != "passed":
                    continue
                calls = evidence.called.get(name, [])
                if len(calls) != 1:
                    return f"{_bare(name)} is reported as passed but was called {len(calls)} times"
                outcome, function, line, whose, *_ = calls[0]
                if outcome != "passed":
                    return f"{_bare(name)} {outcome}, yet is reported as passed"
                if (function, line, whose) != (test.function, str(test.line), "own"):
                    return f"{_bare(name)} ran other code than the file's"
    return ""


def _runs_of(evidence: _Evidence, name: str) -> list[str]:
    return [n for n in evidence.reports if n == name or n.startswith(f"{name}[")]


def _cases(
    evidence: _Evidence, charge: Charge, python: str
) -> tuple[tuple[Case, ...], tuple[Finding, ...]]:
    """One case per expected test and parameter set, and a finding for each that did not pass."""
    cases: list[Case] = []
    problems: list[Finding] = []
    for file, tests in charge.expected.items():
        several = len(charge.expected) > 1
        for test in tests:
            names = _runs_of(evidence, f"{file}::{test.name}")
            for full in names or [f"{file}::{test.name}"]:
                name = full if several else _bare(full)
                case, finding = _case(name, full, file, test, evidence, charge, python)
                cases.append(case)
                problems += [finding] if finding else []
    known = {case.name for case in cases}
    several = len(charge.expected) > 1
    for full, reports in evidence.reports.items():  # inherited ones, which no text shows
        name, file = full if several else _bare(full), full.partition("::")[0]
        if file in charge.expected and name not in known:
            bad = [report for report in reports.values() if report[0] != "passed" or report[1]]
            if bad:
                test = ExpectedTest(name, "", 0, "plain")
                case, finding = _case(name, full, file, test, evidence, charge, python)
                cases.append(case)
                problems += [finding] if finding else []
    return tuple(cases), tuple(problems)


def _case(
    name: str,
    full: str,
    file: str,
    test: ExpectedTest,
    evidence: _Evidence,
    charge: Charge,
    python: str,
) -> tuple[Case, Finding | None]:
    reports = evidence.reports.get(full, {})
    seconds = sum(float(report[2]) for report in reports.values())
    bad = next((r for r in reports.values() if r[0] == "failed"), None)
    call = reports.get("call")
    outcome: CaseOutcome = "not_run"
    kind: FindingKind = "test"
    message = "the test did not run"
    if bad:
        outcome = "failed" if bad is call else "error"
        message = bad[5].splitlines()[0] if bad[5] else "it failed"
        if missing := findings.NO_MODULE.search(message):
            kind, message = "missing_package", findings.missing_package(missing[1], python)
    elif call and call[0] == "passed" and not call[1]:
        return Case(name, "passed", line=test.line, seconds=seconds), None
    elif not call and full == evidence.running:
        outcome, message = "failed", "the run ended in this test"
    elif reports and any(r[0] == "skipped" or r[1] for r in reports.values()):
        outcome, message = "skipped", "the test was skipped or is expected to fail"
        if charge.may_skip:
            return Case(name, outcome, message, test.line, seconds), None
    detail = bad[3] if bad else ""
    lines = [place.rpartition(":") for place in (bad[4].splitlines() if bad else [])]
    in_test = [int(line) for where, _, line in lines if where == file]
    line = in_test[-1] if in_test else test.line
    related = tuple(
        Location(where, int(at), message) for where, _, at in lines if where == charge.program
    )
    finding = Finding(kind, message, file, line, detail=detail, test=name, related=related[-1:])
    return Case(name, outcome, message, line, seconds), finding


def _not_collected(values: list[str], answer: Message) -> TestReport:
    name, detail, places, message = values
    where, _, line = places.splitlines()[-1].rpartition(":") if places else (name, "", "0")
    first = message.splitlines()[0] if message else _last_line(detail)
    kind: FindingKind = "collection"
    if missing := findings.NO_MODULE.search(first):
        kind, first = "missing_package", findings.missing_package(missing[1], answer["python"])
    finding = Finding(kind, first, where or name, int(line), detail=detail)
    return _report("error", f"{name} could not be collected: {first}", answer, (), (finding,))


def _last_line(text: str) -> str:
    lines = [line for line in text.splitlines() if line.strip()]
    return lines[-1].removeprefix("E").strip() if lines else "no reason was given"


def _bare(name: str) -> str:
    return name.partition("::")[2] or name


def _report(
    verdict: Verdict,
    why: str,
    answer: Message,
    cases: tuple[Case, ...],
    problems: tuple[Finding, ...] = (),
) -> TestReport:
    if verdict == "tampered":
        problems = (Finding("tampered", why, ""), *problems)
    limit = findings.reached_limit(answer, None)
    return TestReport(verdict, cases, problems, why, answer["seconds"], limit, answer["ran_on"])
