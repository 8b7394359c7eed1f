"""Builds what a worker answers about a run of tests, record by record, without a sandbox."""

from __future__ import annotations

import base64
import hashlib
import json
from dataclasses import dataclass, field

from ml_coach.core.results import TestReport
from ml_coach.execution.expected_tests import expected_tests
from ml_coach.execution.inside.messages import PROOF_BYTES
from ml_coach.execution.judge import Challenge, JudgedSuite, judge
from ml_coach.execution.plain_comparisons import test_text
from ml_coach.execution.sandbox.limits import ResourceLimits
from ml_coach.execution.worker_answers import read_answers

SOURCE = "def test_a():\n    assert f() == 3\n\n\ndef test_b():\n    assert f()\n"
TESTS = expected_tests(SOURCE)
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
        self,
        name: str,
        line: int,
        outcome: str = "passed",
        whose: str = "own",
        places: str = "",
        compared: str = "3",
    ) -> Run:
        """Adds the records of one test."""
        full = f"test_x.py::{name}"
        self.record("begin", full)
        if name == "test_a" and compared:
            self.record("compared", full, "2:11", compared)
        self.record("called", full, outcome, name, str(line), whose)
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
        records = base64.b64encode(b"".join(line + b"\n" for line in self.lines)).decode()
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
        suite = JudgedSuite(
            {"test_x.py": TESTS},
            {"test_x.py": test_text(SOURCE)},
            FILES,
            self.flags,
            "program.py",
            ResourceLimits(),
            5.0,
        )
        return judge(answer, self.challenge, suite)


def both() -> Run:
    return Run().test("test_a", 1).test("test_b", 5)
