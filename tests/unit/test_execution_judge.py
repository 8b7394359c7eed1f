"""The judge on made-up records: what is missing, forged or contradictory is never a pass."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass, field

from ml_coach.core.types import TestReport
from ml_coach.execution.expected_tests import expected_tests
from ml_coach.execution.inside.notary import PROOF_BYTES
from ml_coach.execution.judge import Charge, Oath, judge
from ml_coach.execution.sandbox.limits import Limits

SOURCE = "def test_a():\n    assert f()\n\n\ndef test_b():\n    assert f()\n"


@dataclass
class Run:
    """Builds a run's answer record by record; an honest one unless told otherwise."""

    oath: Oath = field(default_factory=Oath)
    lines: list[bytes] = field(default_factory=list)
    flags: tuple[str, ...] = ()

    def tell(self, *fields: str, honest: str = "honest", key: bytes | None = None) -> Run:
        body = json.dumps([len(self.lines), honest, *fields], separators=(",", ":")).encode()
        key = key or self.oath.key
        proof = hashlib.blake2b(body, key=key, digest_size=PROOF_BYTES).hexdigest()
        self.lines.append(proof.encode() + b" " + body)
        return self

    def test(self, name: str, line: int, outcome: str = "passed", whose: str = "own") -> Run:
        full = f"test_x.py::{name}"
        self.tell("begin", full).tell("called", full, outcome, name, str(line), whose)
        return self.tell("report", full, "call", outcome, "", "0.1", "", "", "")

    def canaries(self) -> Run:
        for name, line, outcome in (("test_pass", 1, "passed"), ("test_fail", 5, "failed")):
            full = f"{self.oath.canary_file}::{name}"
            self.tell("called", full, outcome, name, str(line), "own")
            self.tell("report", full, "call", outcome, "", "0.1", "", "", "")
        return self

    def end(self) -> Run:
        return self.canaries().tell("end", "1")

    def judged(self, limit: str = "", status: int = 0) -> TestReport:
        records = b"\n".join(self.lines).decode("latin-1")
        answer = {
            "records": records,
            "limit": limit,
            "status": status,
            "stack": "",
            "python": "python3",
            "ran_on": "Python 3.11",
            "seconds": 0.1,
        }
        charge = Charge(
            {"test_x.py": expected_tests(SOURCE)}, self.flags, "program.py", Limits(), 5.0
        )
        return judge(answer, self.oath, charge)


def both() -> Run:
    return Run().test("test_a", 1).test("test_b", 5)


def test_all_passed() -> None:
    report = both().end().judged()
    assert (report.verdict, report.why) == ("passed", "")
    assert report.passed == {"test_a", "test_b"}


def test_a_failing_test_is_named() -> None:
    report = Run().test("test_a", 1).test("test_b", 5, "failed").end().judged()
    assert report.verdict == "failed"
    assert "test_b" in report.why
    assert [f.test for f in report.findings] == ["test_b"]


def test_a_test_that_did_not_run_is_no_pass() -> None:
    report = Run().test("test_a", 1).end().judged()
    assert report.verdict == "failed"
    assert [case.outcome for case in report.cases] == ["passed", "not_run"]


def test_no_end_is_no_pass() -> None:
    report = both().canaries().judged()
    assert report.verdict == "tampered"
    assert "left before its end" in report.why


def test_a_record_with_another_key_is_tampering() -> None:
    run = both()
    run.tell("called", "x", key=b"another key")
    assert run.end().judged().verdict == "tampered"


def test_a_missing_record_is_tampering() -> None:
    run = both().end()
    del run.lines[2]
    assert "missing" in run.judged().why


def test_a_record_from_user_code_is_tampering() -> None:
    assert (
        Run().test("test_a", 1).tell("begin", "x", honest="forged").judged().verdict == "tampered"
    )


def test_what_the_watcher_says_is_tampering() -> None:
    report = both().tell("tampered", "opened /proc/1/mem", honest="forged").end().judged()
    assert (report.verdict, report.why) == ("tampered", "the run opened /proc/1/mem")


def test_other_code_than_the_files_is_tampering() -> None:
    for run in (
        Run().test("test_a", 1, whose="other").test("test_b", 5),
        Run().test("test_a", 2).test("test_b", 5),
    ):
        assert run.end().judged().verdict == "tampered"


def test_a_failing_canary_has_to_fail() -> None:
    run = both()
    full = f"{run.oath.canary_file}::test_fail"
    run.tell("called", full, "passed", "test_fail", "5", "own")
    run.tell("report", full, "call", "passed", "", "0", "", "", "").tell("end", "0")
    assert "must fail" in run.judged().why


def test_a_pass_with_a_flag_is_no_pass() -> None:
    run = both()
    run.flags = ("code.py line 1 imports ctypes",)
    assert run.end().judged().why == "passed, but code.py line 1 imports ctypes"


def test_a_limit_is_named_with_the_test() -> None:
    report = Run().tell("begin", "test_x.py::test_a").judged(limit="memory")
    assert report.verdict == "error"
    assert report.why == "stopped: used more than 512 MB of memory, in test_a"
    assert report.limit == "memory"
