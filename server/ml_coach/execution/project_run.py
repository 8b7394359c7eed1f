"""Runs of a project's tests: the request for the worker, and the reports that its answers are."""

from __future__ import annotations

import base64
import binascii
import json
import re
import zlib
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from ml_coach.core.finding import Finding, FindingKind, Location
from ml_coach.core.project import Coverage, Project, ProjectReport, TestProgress
from ml_coach.core.results import Case, CaseOutcome, TestReport
from ml_coach.execution import findings
from ml_coach.execution.inside.messages import CANARY_SOURCE, NOT_STARTED, PARTS_AT_MOST, JsonObject
from ml_coach.execution.judge import Challenge
from ml_coach.execution.records import (
    Collected,
    Covered,
    Forged,
    Found,
    NotCollected,
    Phase,
    Place,
    RunEnded,
    Tampered,
    TestBegan,
    TestRecord,
    TestReported,
)
from ml_coach.execution.requests import packed, request_for
from ml_coach.execution.sandbox.limits import ResourceLimits
from ml_coach.execution.worker_answers import WorkerAnswer
from ml_coach.execution.workers import Workers

# Bytes that the packed lines of a run may have: a bound for what a stranger wrote.
COVERAGE_AT_MOST = 64 << 20
PLACE = re.compile(r"^([^\s:][^:\n]*\.py):(\d{1,7}): ", re.MULTILINE)
ERROR_LINE = re.compile(r"^E   +(.+)$", re.MULTILINE)
CHANGED = "a test that must fail was reported as passed, so that a test passes says nothing here"
MISFIT = "its tests were run by other code than pytest and its plugins"


@dataclass(frozen=True, slots=True)
class ProjectRun:
    """Runs of one project's tests, see `ports.Executor.test_project`."""

    project: Project
    only: Collection[str] | None
    followed: Collection[str] | None
    timeout_seconds: float
    test_seconds: float
    limits: ResourceLimits
    each_line: bool = False
    hash_seed: int = 0

    async def reports(
        self,
        workers: Workers,
        changes: Sequence[Mapping[str, str]],
        progress: Callable[[TestProgress], None] | None,
    ) -> tuple[ProjectReport, ...]:
        """One report per change, in order."""
        await workers.prepare()
        size = PARTS_AT_MOST if workers.level == "namespaces" else 1
        found: list[ProjectReport] = []
        for start in range(0, len(changes), size):
            batch = changes[start : start + size]
            challenges = [Challenge() for _ in batch]
            parts = [self._part(*each) for each in zip(batch, challenges, strict=True)]
            request = request_for(
                "project", self.project.files, self.timeout_seconds,
                parts=parts, tells=progress is not None, hash_seed=self.hash_seed,
            )  # fmt: skip
            reader = ProgressReader(progress) if progress else None
            answers = await workers.run_whole(request, reader)
            found += [
                self._report(answer, one) for answer, one in zip(answers, challenges, strict=True)
            ]
        return tuple(found)

    def _part(self, texts: Mapping[str, str], challenge: Challenge) -> JsonObject:
        """What `inside/project_tests.py` has to know of one change."""
        project, only = self.project, self.only
        targets = list(project.targets)
        if only is not None:
            targets = sorted({test.partition("::")[0] for test in only})
        tests = {
            **described(project),
            "key": challenge.key.hex(),
            "canary": challenge.canary,
            "targets": targets,
            "keyword": project.keyword if only is None else "",
            "only": None if only is None else sorted(only),
            "covered": [] if self.followed is None else list(project.modules),
            "followed": sorted(self.followed or ()),
            "each_line": self.each_line,
            "test_seconds": self.test_seconds,
        }
        return {"files": packed({**texts, challenge.canary_file: CANARY_SOURCE}), "tests": tests}

    def _report(self, answer: WorkerAnswer, challenge: Challenge) -> ProjectReport:
        """The report on one run. It never raises because of what the run wrote."""
        if answer.error:
            why = f"the sandbox could not run it: {answer.error}"
            return ProjectReport(TestReport("error", why=why), ended=False)
        if isinstance(answer.test_records, Forged):
            why = f"{answer.test_records.why}: {MISFIT}"
            report = TestReport("tampered", why=why, ran_on=answer.ran_on)
            return ProjectReport(report, doubts=frozenset({why}), ended=False)
        seen = _Seen.of(answer.test_records)
        doubts = [*seen.tampered, *_wrong_canaries(seen, challenge)]
        own = [test for test in dict.fromkeys(seen.began) if challenge.canary not in test]
        judged = [_case(test, seen, answer) for test in own]
        started = [each for each in seen.not_collected if each.name != NOT_STARTED]
        judged += [_uncollected(each, answer, self.project) for each in started]
        cases = tuple(case for case, _ in judged)
        problems = tuple(finding for _, finding in judged if finding)
        ended = seen.exit_code is not None
        why, limit = "", findings.reached_limit(answer)
        if len(started) < len(seen.not_collected):
            ended, why = False, seen.not_collected[0].message
        elif not ended:
            why = self._why_not_ended(answer, seen)
        elif not cases:
            why = "no test was found"
        elif problems:
            why = f"{len(problems)} of {len(cases)} tests did not pass"
        elif silent := sum(case.outcome == "not_run" for case in cases):
            why = f"{silent} of {len(cases)} tests were not run"
        verdict = "error" if not ended or not cases else "failed" if why else "passed"
        if verdict == "passed" and _canary(seen, challenge, "fail") == "passed":
            verdict, why = "tampered", CHANGED
        report = TestReport(verdict, cases, problems, why, answer.seconds, limit, answer.ran_on)
        return ProjectReport(report, _coverage(seen.packed, self.project), frozenset(doubts), ended)

    def _why_not_ended(self, answer: WorkerAnswer, seen: _Seen) -> str:
        limit, code = findings.reached_limit(answer), answer.exit_code
        where = f", in {seen.began[-1]}" if seen.began else ""
        if limit:
            return findings.limit_message(limit, self.limits, self.timeout_seconds) + where
        if code is not None and code < 0:
            return findings.crash_message(-code) + where
        said = answer.stderr.strip().splitlines()
        return f"the run left before its end{where}" + (f": {said[-1]}" if said else "")


def described(project: Project) -> JsonObject:
    """What every run has to know of a project beside its files."""
    return {
        "import_roots": list(project.import_roots),
        "modules": sorted(_top_names(project)),
        "config": project.config,
        "arguments": list(project.arguments),
        "metadata": {
            "name": project.name,
            "version": project.version,
            "entry_points": project.entry_points,
        },
    }


def _top_names(project: Project) -> set[str]:
    """The names that the project's modules are imported by, without what follows a dot."""
    found: set[str] = set()
    for file in project.files:
        if not file.endswith((".py", ".so", ".pyd")):
            continue
        for root in project.import_roots:
            if file.startswith(f"{root}/" if root else ""):
                inner = file[len(root) + 1 if root else 0 :]
                found.add(inner.partition("/")[0].partition(".")[0])
    return found


@dataclass(slots=True)
class ProgressReader:
    """Reads the records of a run that goes on, for display: nothing depends on them. Never raises
    for what they hold."""

    tell: Callable[[TestProgress], None]
    _rest: bytes = b""
    _done: int = -1
    _total: int = 0

    def __call__(self, message: bytes) -> None:
        """Takes one message of the worker."""
        try:
            sent: Any = json.loads(message)
            self._rest += base64.b64decode(sent["progress"])
        except (ValueError, KeyError, TypeError, binascii.Error, RecursionError):
            return
        *lines, self._rest = self._rest.split(b"\n")
        test, found = "", 0
        for line in lines:
            try:
                fields: Any = json.loads(line.partition(b" ")[2])
                kind, first = fields[2], str(fields[3])
            except (ValueError, LookupError, TypeError, RecursionError):
                continue
            if kind == "found" and first.isdecimal():
                found = int(first[:9])
            elif kind == "collected" and first.isdecimal():
                self._total = max(0, int(first[:9]) - 2)
            # The last ones are the canaries, which are no tests of the project's.
            elif kind == "begin" and self._done + 1 < self._total:
                self._done, test = self._done + 1, first[:500]
        if test and self._total:
            self.tell(TestProgress(self._done, self._total, test))
        elif found and not self._total:
            self.tell(TestProgress(found, 0, ""))


@dataclass(slots=True)
class _Seen:
    """The records of one run."""

    reports: dict[str, dict[Phase, TestReported]] = field(
        default_factory=dict[str, dict[Phase, TestReported]]
    )
    began: list[str] = field(default_factory=list[str])
    not_collected: list[NotCollected] = field(default_factory=list[NotCollected])
    tampered: list[str] = field(default_factory=list[str])
    packed: str = ""
    exit_code: int | None = None

    @classmethod
    def of(cls, records: Iterable[TestRecord]) -> _Seen:
        seen = cls()
        for record in records:
            match record:
                case TestReported():
                    phases = seen.reports.setdefault(record.test, {})
                    # A part of a test that fails is reported after the whole, which may pass.
                    if record.phase not in phases or record.outcome == "failed":
                        phases[record.phase] = record
                case TestBegan():
                    seen.began.append(record.test)
                case NotCollected():
                    seen.not_collected.append(record)
                case Tampered():
                    seen.tampered.append(record.what)
                case Covered():
                    seen.packed = record.packed
                case RunEnded():
                    seen.exit_code = record.exit_code
                case Found() | Collected() | _:
                    pass
        return seen


def _wrong_canaries(seen: _Seen, challenge: Challenge) -> list[str]:
    if seen.exit_code is None or seen.exit_code in (3, 4):
        return []
    found: list[str] = []
    for way in ("fail", "pass"):
        if _canary(seen, challenge, way) != f"{way}ed":
            found.append(f"a test that must {way} did not {way}")
    return found


def _canary(seen: _Seen, challenge: Challenge, way: str) -> str:
    """The outcome of the canary that must end in this way; empty where it was not run."""
    report = seen.reports.get(f"{challenge.canary_file}::test_{way}", {}).get("call")
    return report.outcome if report else ""


def _case(test: str, seen: _Seen, answer: WorkerAnswer) -> tuple[Case, Finding | None]:
    reports = seen.reports.get(test, {})
    seconds = sum(report.seconds for report in reports.values())
    bad = next((r for r in reports.values() if r.outcome == "failed"), None)
    call = reports.get("call")
    if bad is None:
        outcome: CaseOutcome = "not_run"
        if any(report.outcome == "skipped" for report in reports.values()):
            outcome = "skipped"
        elif call:
            outcome = "passed"
        if outcome != "not_run" or seen.exit_code is not None:
            return Case(test, outcome, seconds=seconds), None
        return _failed(test, "failed", "the run ended in this test", "", (), seconds, answer)
    outcome = "failed" if bad is call else "error"
    first = bad.message.strip().splitlines()
    message = first[0] if first else _error_line(bad.detail)
    return _failed(test, outcome, message, bad.detail, bad.places, seconds, answer)


def _uncollected(
    record: NotCollected, answer: WorkerAnswer, project: Project
) -> tuple[Case, Finding]:
    """A file of tests that could not be imported stands for its tests: it is one that fails."""
    first = record.message.strip().splitlines()
    message = first[0] if first else _error_line(record.detail)
    places = record.places or tuple(
        Place(file, int(line))
        for file, line in PLACE.findall(record.detail)
        if file in project.files
    )
    case, finding = _failed(record.name, "error", message, record.detail, places, 0.0, answer)
    assert finding is not None
    return case, finding


def _failed(
    test: str,
    outcome: CaseOutcome,
    message: str,
    detail: str,
    places: tuple[Place, ...],
    seconds: float,
    answer: WorkerAnswer,
) -> tuple[Case, Finding | None]:
    file = test.partition("::")[0]
    line = next((p.line for p in reversed(places) if p.file == file), 0)
    kind: FindingKind = "test"
    if lacks := findings.lacking(message, answer):
        kind, message = "missing_package", lacks
    related = tuple(Location(p.file, p.line) for p in places)
    finding = Finding(kind, message, file, line, detail=detail, test=test, related=related)
    return Case(test, outcome, message, line, seconds), finding


def _error_line(detail: str) -> str:
    found = ERROR_LINE.findall(detail)
    lines = detail.strip().splitlines()
    return found[-1].strip() if found else lines[-1].strip() if lines else "it failed"


def _coverage(packed: str, project: Project) -> Coverage:
    """What the run says of the lines that its tests ran, bounded; nothing where it is nonsense."""
    try:
        inflating = zlib.decompressobj()
        raw = inflating.decompress(base64.b64decode(packed), COVERAGE_AT_MOST)
        return _parsed(json.loads(raw), project) if raw else Coverage()
    except (ValueError, TypeError, AttributeError, LookupError, zlib.error):
        return Coverage()
    except (RecursionError, MemoryError):
        return Coverage()


def _parsed(found: Any, project: Project) -> Coverage:
    files, tests = project.files, [str(test) for test in found["tests"]]
    failed = {
        str(test): {str(f): frozenset(map(int, n)) for f, n in lines.items() if f in files}
        for test, lines in found["failed"].items()
    }
    passed = {
        str(file): {int(line): int(count) for line, count in lines.items()}
        for file, lines in found["passed"].items()
        if file in files
    }
    reached = _by_line(found.get("reached", ()), tests, project)
    lines = _by_line(found.get("lines", ()), tests, project)
    return Coverage(failed, passed, reached, lines, bool(found.get("by_function")))


def _by_line(
    rows: Iterable[Any], tests: list[str], project: Project
) -> dict[str, dict[int, frozenset[str]]]:
    found: dict[str, dict[int, frozenset[str]]] = {}
    for file, line, bits in rows:
        if file in project.files:
            found.setdefault(file, {})[int(line)] = _named(tests, int(bits, 16))
    return found


def _named(tests: list[str], bits: int) -> frozenset[str]:
    return frozenset(test for number, test in enumerate(tests) if bits >> number & 1)
