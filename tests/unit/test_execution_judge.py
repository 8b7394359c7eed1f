"""The judge on made-up records: what is missing, forged or contradictory is never a pass."""

from __future__ import annotations

import base64

import pytest

from unit.made_up_runs import Run, both


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


@pytest.mark.parametrize("kept", [1, 20, 60])
def test_a_run_that_was_killed_while_it_wrote_is_judged_by_its_limit(kept: int) -> None:
    run = both().end()
    whole, last = run.lines[:2], run.lines[2]
    raw = b"".join(line + b"\n" for line in whole) + last[:kept]
    report = run.judged(limit="time", records=base64.b64encode(raw).decode())
    assert (report.verdict, report.limit) == ("error", "time")
    crashed = run.judged(status=-9, records=base64.b64encode(raw).decode())
    assert crashed.verdict == "error"


def test_a_line_after_the_last_record_is_tampering() -> None:
    run = both().end()
    raw = b"\n".join([*run.lines, b"more"])
    assert run.judged(records=base64.b64encode(raw).decode()).verdict == "tampered"


def test_a_pass_whose_value_compares_otherwise_outside_is_tampering() -> None:
    report = Run().test("test_a", 1, compared="99").test("test_b", 5).end().judged()
    assert (report.verdict, report.why) == (
        "tampered",
        "test_a passed, though line 2 compares 99",
    )


def test_a_pass_without_a_comparison_of_its_text_is_tampering() -> None:
    report = Run().test("test_a", 1, compared="").test("test_b", 5).end().judged()
    assert report.why == "test_a passed without the comparison in line 2"


def test_a_test_with_an_object_that_equals_other_values_has_not_passed() -> None:
    run = both().canaries().record("agreed", "test_x.py::test_b", "E", "program")
    report = run.record("end", "1").judged()
    assert (report.verdict, report.passed) == ("failed", {"test_a"})
    assert "type E equals other values" in report.findings[0].message
