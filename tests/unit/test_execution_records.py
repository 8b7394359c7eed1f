"""What comes out of a sandbox is read into bounded values: whatever it is, nothing raises."""

from __future__ import annotations

import base64
import json
import random
import string
from collections.abc import Callable
from functools import cache
from typing import Any

import pytest

from ml_coach.core.results import Execution, TestReport
from ml_coach.execution import findings
from ml_coach.execution.sandbox.limits import ResourceLimits
from ml_coach.execution.worker_answers import WorkerAnswer, read_answers
from unit.made_up_runs import Run, both

DEEP = "[" * 100_000
HUGE = "9" * 5000
STREAMS = 20_000


def encoded(text: str | bytes) -> str:
    raw = text.encode("utf-8", "surrogatepass") if isinstance(text, str) else text
    return base64.b64encode(raw).decode()


def answer_of(records: str | bytes, **changes: object) -> WorkerAnswer:
    """The answer to a request that is not for tests, with these bytes on its records channel."""
    part = {"records": encoded(records), "limit": "", "status": 1, "seconds": 0.1, **changes}
    request = {"kind": "script", "files": {"x.py": ""}, "parts": [{}]}
    (answer,) = read_answers(json.dumps({"parts": [part]}).encode(), request)
    return answer


def execution_of(records: str | bytes, **changes: object) -> Execution:
    return findings.execution(answer_of(records, **changes), "x.py", ResourceLimits(), 5.0)


RAISED = {"exception": "ValueError", "text": "no", "frames": [["x.py", 3]]}


@pytest.mark.parametrize(
    "fields",
    [
        ("called", "test_x.py::test_a", "passed", "test_a", "one", "own"),
        ("called", "test_x.py::test_a", "passed", "test_a", HUGE, "own"),
        ("called", "test_x.py::test_a", "passed", "test_a", "²", "own"),
        ("called", "test_x.py::test_a", "passed"),
        ("called", "test_x.py::test_a", "won", "test_a", "1", "own"),
        ("called", 1, 2, 3, 4, 5),
        ("report", "test_x.py::test_a", "call", "passed"),
        ("report", "test_x.py::test_a", "later", "passed", "", "0.1", "", "", ""),
        ("report", "test_x.py::test_a", "call", "failed", "", "long", "", "", ""),
        ("not_collected", "test_x.py"),
        ("end",),
        ("end", HUGE),
        ("end", "--1"),
        ("something else", "x"),
        (),
    ],
)
def test_a_proven_record_that_is_not_one_of_ours_is_tampering(fields: tuple[object, ...]) -> None:
    report = both().record(*fields).end().judged()
    assert (report.verdict, report.why) == (
        "tampered",
        "the program wrote to the channel of the verdict",
    )


@pytest.mark.parametrize("body", [DEEP, f"[{HUGE}]", "{}", "null", "NaN", '["\\ud800"]', "\xff"])
def test_a_proven_line_that_is_not_a_record_is_tampering(body: str) -> None:
    report = both().body(body.encode("latin-1")).end().judged()
    assert report.verdict == "tampered"


@pytest.mark.parametrize("number", [34, 35, 50, 64, 10**8])
def test_a_signal_without_a_name_is_a_crash_like_any_other(number: int) -> None:
    report = both().judged(status=-number)
    assert (report.verdict, report.why) == ("error", f"ended by signal {number}, in test_b")
    (finding,) = execution_of("", status=-number).findings
    assert finding.message == f"ended by signal {number}"


ELSEWHERE = ["../../.bashrc", "/etc/passwd", "~/.bashrc", "a\0b", "x.py/../../y.py", "other.py"]


@pytest.mark.parametrize("file", ELSEWHERE)
def test_no_finding_leads_to_a_file_that_is_not_of_the_run(file: str) -> None:
    run = Run().test("test_a", 1, "failed", places=f"test_x.py:2\n{file}:7").test("test_b", 5)
    report = run.end().judged()
    assert [(f.file, f.line) for f in report.findings] == [("test_x.py", 2)]
    run = Run().record("not_collected", file, "E why", f"{file}:7", "")
    assert [f.file for f in run.judged().findings] == [""]
    stack = f'  File "/box/work/{file}", line 7 in f\n  File "/box/work/program.py", line 1 in g\n'
    stopped = both().judged(limit="time", stack=encoded(stack))
    assert [(f.file, f.line) for f in stopped.findings] == [("program.py", 1)]
    raised = json.dumps({**RAISED, "frames": [["x.py", 3], [file, 7]]})
    assert [(f.file, f.line) for f in execution_of(raised).findings] == [("x.py", 3)]


def test_a_line_number_that_is_too_large_is_dropped() -> None:
    stack = f'File "/box/work/x.py", line {HUGE} in f'
    assert execution_of("", limit="time", stack=encoded(stack)).findings[0].line == 0
    report = Run().test("test_a", 1, "failed", places=f"test_x.py:{HUGE}").end().judged()
    assert report.findings[0].line == 1


def test_an_impossible_time_counts_as_zero() -> None:
    run = Run().record("begin", "test_x.py::test_a")
    for seconds in ("nan", "inf", "-1", "1e400", "1e9"):
        run.record("report", "test_x.py::test_a", "call", "failed", "", seconds, "", "", "")
    assert run.end().judged(seconds=float("nan")).seconds == 0.0
    assert run.judged(seconds=-1).cases[0].seconds == 0.0


def test_long_texts_are_cut_and_long_names_stay_apart() -> None:
    names = [f"test_x.py::test_a[{'x' * 50_000}{last}]" for last in "ab"]
    run = Run()
    for name in names:
        run.record("begin", name).record("compared", name, "2:11", "3")
        run.record("called", name, "passed", "test_a", "1", "own")
        run.record("report", name, "call", "passed", "", "0.1", "y" * 99_000, "", "y" * 99_000)
    report = run.test("test_b", 5).end().judged()
    assert (report.verdict, len(report.passed)) == ("passed", 3)
    assert max(len(case.name) for case in report.cases) < 21_000
    finding = execution_of(json.dumps({**RAISED, "text": "z" * 99_000})).findings[0]
    assert len(finding.message) < 25_000


@pytest.mark.parametrize(
    "line",
    [
        DEEP,
        f'{{"index": {HUGE}, "value": "1"}}',
        '{"index": true, "value": "1"}',
        '{"index": -1, "value": "1"}',
        '{"index": 0, "value": 1}',
        '{"exception": 1, "text": "", "frames": []}',
        '{"exception": "E", "text": "", "frames": 1}',
        '{"exception": "E"}',
        '{"left": 0}',
        '{"text": []}',
        "[1]",
        "\xff\xfe",
    ],
)
def test_a_record_of_a_script_that_does_not_fit_is_left_out(line: str) -> None:
    good = json.dumps({"index": 0, "value": "7"})
    answer = answer_of(f"{line}\n{good}\n{line}".encode("latin-1"))
    assert [value.value for value in findings.evaluations(answer, 1)] == ["7"]
    ran = execution_of(f"{line}\n".encode("latin-1"))
    assert ran.exit_code == 1
    assert ran.findings[-1].message == "the program wrote to our channel: a line was dropped"


@pytest.mark.parametrize("errno", ["x", [1], {}, True, 10**40])
def test_an_error_that_a_program_made_up_is_reported_as_any_other(errno: object) -> None:
    record = json.dumps({**RAISED, "exception": "OSError", "errno": errno})
    (finding,) = execution_of(record).findings
    assert (finding.message, finding.line) == ("OSError: no", 3)


def test_half_characters_are_escaped() -> None:
    record = '{"index": 0, "value": "\\ud800"}'
    (value,) = findings.evaluations(answer_of(record), 1)
    assert value.value.encode() == b"\\ud800"


@pytest.mark.parametrize(
    "body",
    [b"", b"nothing", b"[]", b"{}", DEEP.encode(), b'{"parts": {}}', b'{"parts": [7]}', b"\xff"],
)
def test_an_answer_that_cannot_be_read_is_an_error(body: bytes) -> None:
    report = both().judged_bytes(body)
    assert report.verdict == "error"
    assert report.why


@pytest.mark.parametrize(
    "changes",
    [{"limit": 7}, {"limit": "heat"}, {"limit": None}, {"error": "it broke"}, {"error": [1]}],
)
def test_an_answer_with_a_field_that_does_not_fit_is_an_error(changes: dict[str, object]) -> None:
    assert both().end().judged(**changes).verdict == "error"


@pytest.mark.parametrize("status", ["x", None, [], 1.5, True, 10**40])
def test_an_impossible_exit_code_is_dropped(status: object) -> None:
    assert both().end().judged(status=status).verdict == "passed"
    assert execution_of("", status=status).exit_code is None


# Values that have broken readers before, to be put in the place of any other.
ODD: tuple[object, ...] = (
    *("", "²", "-", "../../.bashrc:1", "test_x.py:1", "\ud800", "::", "x" * 30_000, HUGE),
    *(0, -1, 10**30, 1.5, float("nan"), True, None, [], {}, [[]], ["x.py", 1], {"parts": 1}),
)
KINDS = (
    "start",
    "begin",
    "called",
    "report",
    "not_collected",
    "tampered",
    "compared",
    "agreed",
    "end",
    "other",
)


def mutated(value: Any, chance: random.Random) -> Any:
    """`value` with one of its parts changed, dropped, doubled or replaced."""
    if isinstance(value, dict) and value and chance.random() < 0.9:
        key = chance.choice(sorted(value))
        changed = {**value, key: mutated(value[key], chance)}
        return changed if chance.random() < 0.9 else {k: changed[k] for k in value if k != key}
    if isinstance(value, list) and value and chance.random() < 0.9:
        at = chance.randrange(len(value))
        new = chance.choice(([], [value[at]] * 2, [mutated(value[at], chance)]))
        return [*value[:at], *new, *value[at + 1 :]]
    return chance.choice((*ODD, *KINDS))


def mutated_bytes(raw: bytes, chance: random.Random) -> bytes:
    start = chance.randrange(len(raw) + 1)
    end = min(len(raw), start + chance.randrange(9))
    new = bytes(chance.randrange(256) for _ in range(chance.randrange(9)))
    return raw[:start] + new + raw[end:]


@cache
def honest_records() -> list[list[object]]:
    lines = both().record("not_collected", "test_x.py", "E why", "test_x.py:2", "why").end().lines
    return [json.loads(line.partition(b" ")[2]) for line in lines]


def mutated_signed(chance: random.Random) -> Run:
    """A run whose records are ours in all but one to three places, and carry a proof."""
    records = [*honest_records()]
    for _ in range(chance.randrange(1, 4)):
        at = chance.randrange(len(records))
        changed = mutated(records[at][2:], chance)
        records[at] = [records[at][0], "trusted", *(changed if isinstance(changed, list) else [])]
    run = Run()
    for record in records:
        run.body(json.dumps(record).encode())
    if chance.random() < 0.2:
        at = chance.randrange(len(run.lines))
        run.lines[at] = mutated_bytes(run.lines[at], chance)
    return run


def judge_mutated_records(chance: random.Random) -> None:
    report = mutated_signed(chance).judged()
    assert isinstance(report, TestReport)
    assert report.verdict == "passed" or report.why


def judge_mutated_answer(chance: random.Random) -> None:
    stack = encoded('File "/box/work/program.py", line 1 in f\n')
    run = both().end() if chance.random() < 0.5 else both()
    message = mutated(run.message(stack=stack, status=-11, limit=""), chance)
    body = json.dumps(message).encode()
    body = mutated_bytes(body, chance) if chance.random() < 0.3 else body
    report = run.judged_bytes(body)
    assert isinstance(report, TestReport)
    assert report.verdict == "passed" or report.why


def read_mutated_script(chance: random.Random) -> None:
    records: list[Any] = [
        {**RAISED, "errno": 28, "expression": "sys.argv[1]"},
        {"left": True, "asks": True, "frames": [["x.py", 1]]},
        {"index": 0, "value": "1"},
        {"index": 1, "error": "E: why"},
        {"text": "line 1: x = 1"},
    ]
    lines = [json.dumps(mutated(record, chance)).encode() for record in records]
    raw = b"\n".join(chance.sample(lines, chance.randrange(1, 5)))
    raw = mutated_bytes(raw, chance) if chance.random() < 0.3 else raw
    status = chance.choice((0, 1, -9, -35, *ODD))
    answer = answer_of(raw, status=status, limit=chance.choice(("", "time", "memory")))
    assert isinstance(findings.traced(answer), str)
    assert len(findings.evaluations(answer, 3)) == 3
    ran = findings.execution(answer, "x.py", ResourceLimits(), 5.0)
    assert {finding.file for finding in ran.findings} <= {"x.py"}


@pytest.mark.parametrize(
    ("attempt", "count"),
    [
        (judge_mutated_records, STREAMS // 2),
        (judge_mutated_answer, STREAMS // 4),
        (read_mutated_script, STREAMS // 4),
    ],
)
def test_no_mutation_of_what_a_sandbox_sends_raises(
    attempt: Callable[[random.Random], None], count: int
) -> None:
    for seed in range(count):
        attempt(random.Random(seed))


def test_no_noise_on_the_channel_raises() -> None:
    chance = random.Random(1)
    printable = string.printable.encode()
    for _ in range(2000):
        noise = bytes(chance.choice(printable) for _ in range(chance.randrange(200)))
        run = both()
        run.lines.insert(chance.randrange(len(run.lines)), noise)
        report = run.end().judged()
        assert report.verdict == "tampered"
        execution_of(noise)
