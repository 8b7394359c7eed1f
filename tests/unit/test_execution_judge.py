"""The judge on made-up records: what is missing, forged or contradictory is never a pass."""

from __future__ import annotations

import base64
import hashlib
import json
from dataclasses import dataclass, field

from ml_coach.core.types import TestReport
from ml_coach.execution.answers import read_answers
from ml_coach.execution.expected_tests import expected_tests
from ml_coach.execution.inside.messages import PROOF_BYTES
from ml_coach.execution.judge import Challenge, JudgedSuite, judge
from ml_coach.execution.sandbox.limits import ResourceLimits

SOURCE = "def test_a():\n    assert f()\n\n\ndef test_b():\n    assert f()\n"
FILES = {"test_x.py": SOURCE, "program.py": "def f(): return 1\n"}


@dataclass
class Run:
    """Builds a worker's answer record by record: the answer of an honest run, unless asked for
    another. It is read and judged as an answer from a sandbox is."""

    challenge: Challenge = field(default_factory=Challenge)
    lines: list[bytes] = field(default_factory=list)
    flags: tuple[str, ...] = ()

    def record(self, *fields: object, trust: str = "trusted", key: bytes | None = None) -> Run:
        """Adds a record with its proof."""
        return self.body(json.dumps([len(self.lines), trust, *fields]).encode(), key)

    def body(self, body: bytes, key: bytes | None = None) -> Run:
        """Adds a record as bytes, with its proof."""
        key = key or self.challenge.key
        proof = hashlib.blake2b(body, key=key, digest_size=PROOF_BYTES).hexdigest()
        self.lines.append(proof.encode() + b" " + body)
        return self

    def test(
        self, name: str, line: int, outcome: str = "passed", whose: str = "own", places: str = ""
    ) -> Run:
        """Adds the records of one test."""
        full = f"test_x.py::{name}"
        self.record("begin", full).record("called", full, outcome, name, str(line), whose)
        return self.record("report", full, "call", outcome, "", "0.1", "", places, "")

    def canaries(self) -> Run:
        for name, line, outcome in (("test_pass", 1, "passed"), ("test_fail", 5, "failed")):
            full = f"{self.challenge.canary_file}::{name}"
            self.record("called", full, outcome, name, str(line), "own")
            self.record("report", full, "call", outcome, "", "0.1", "", "", "")
        return self

    def end(self) -> Run:
        return self.canaries().record("end", "1")

    def message(self, **changes: object) -> dict[str, object]:
        """The worker's message about this run."""
        records = base64.b64encode(b"\n".join(self.lines)).decode()
        part = {"records": records, "limit": "", "status": 0, "stack": "", "seconds": 0.1}
        return {"parts": [{**part, **changes}]}

    def judged(self, **changes: object) -> TestReport:
        """The report on this run; `changes` replace fields of the worker's message."""
        return self.judged_bytes(json.dumps(self.message(**changes)).encode())

    def judged_bytes(self, body: bytes) -> TestReport:
        """The report on what a worker sent, whatever that is."""
        part = {"files": {}, "tests": {"key": self.challenge.key.hex()}}
        request = {"kind": "tests", "files": FILES, "parts": [part]}
        (answer,) = read_answers(body, request)
        expected = {"test_x.py": expected_tests(SOURCE)}
        suite = JudgedSuite(expected, self.flags, "program.py", ResourceLimits(), 5.0)
        return judge(answer, self.challenge, suite)


def both() -> Run:
    return Run().test("test_a", 1).test("test_b", 5)


def test_a_run_in_which_every_test_passed_is_a_pass() -> None:
    report = both().end().judged()
    assert (report.verdict, report.why) == ("passed", "")
    assert report.passed == {"test_a", "test_b"}


def test_a_failing_test_is_named() -> None:
    report = Run().test("test_a", 1).test("test_b", 5, "failed").end().judged()
    assert report.verdict == "failed"
    assert "test_b" in report.why
    assert [f.test for f in report.findings] == ["test_b"]


def test_a_test_that_did_not_run_is_not_a_pass() -> None:
    report = Run().test("test_a", 1).end().judged()
    assert report.verdict == "failed"
    assert [case.outcome for case in report.cases] == ["passed", "not_run"]


def test_a_run_without_its_last_record_is_not_a_pass() -> None:
    report = both().canaries().judged()
    assert report.verdict == "tampered"
    assert "left before its end" in report.why


def test_a_record_with_another_key_is_tampering() -> None:
    run = both()
    run.record("called", "x", key=b"another key")
    assert run.end().judged().verdict == "tampered"


def test_a_missing_record_is_tampering() -> None:
    run = both().end()
    del run.lines[2]
    assert "missing" in run.judged().why


def test_a_record_from_user_code_is_tampering() -> None:
    run = Run().test("test_a", 1).record("begin", "x", trust="untrusted")
    assert run.judged().verdict == "tampered"


def test_what_the_audit_hook_reports_is_tampering() -> None:
    run = both().record("tampered", "opened /proc/1/mem", trust="untrusted").end()
    report = run.judged()
    assert (report.verdict, report.why) == ("tampered", "the run opened /proc/1/mem")


def test_a_test_that_ran_other_code_than_its_file_has_is_tampering() -> None:
    for run in (
        Run().test("test_a", 1, whose="other").test("test_b", 5),
        Run().test("test_a", 2).test("test_b", 5),
    ):
        assert run.end().judged().verdict == "tampered"


def test_a_failing_canary_has_to_fail() -> None:
    run = both()
    full = f"{run.challenge.canary_file}::test_fail"
    run.record("called", full, "passed", "test_fail", "5", "own")
    run.record("report", full, "call", "passed", "", "0", "", "", "").record("end", "0")
    assert "must fail" in run.judged().why


def test_a_pass_with_a_flag_of_the_static_checks_is_not_a_pass() -> None:
    run = both()
    run.flags = ("code.py line 1 imports ctypes",)
    assert run.end().judged().why == "passed, but code.py line 1 imports ctypes"


def test_a_limit_is_named_with_the_test() -> None:
    report = Run().record("begin", "test_x.py::test_a").judged(limit="memory")
    assert report.verdict == "error"
    assert report.why == "stopped: used more than 512 MB of memory, in test_a"
    assert report.limit == "memory"
