"""An audit of tests as files for other tools: SARIF for code scanning, JUnit XML for CI."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any
from urllib.parse import quote
from xml.etree import ElementTree

from ml_coach import __version__
from ml_coach.core.auditing.report import AuditReport, Mistake, TestAudit
from ml_coach.core.wording import harmless

_SCHEMA = "https://json.schemastore.org/sarif-2.1.0.json"
_RULES = {
    "test-cannot-fail": "A test that notices no mistake in the code that it runs.",
    "assert-always-true": "A place in a test that cannot fail whatever the program does.",
    "tests-notice-the-same": "Tests that notice the same mistakes and run the same lines.",
    "mistake-survives": "A mistake that no test notices, though tests run the line.",
    "mistake-unreached": "A mistake in a line that no test runs.",
}


def as_sarif(report: AuditReport) -> str:
    """The findings as a SARIF 2.1.0 log with one run."""
    rules = [{"id": name, "shortDescription": {"text": text}} for name, text in _RULES.items()]
    driver = {"name": "ML Coach audit-tests", "version": __version__, "rules": rules}
    run = {
        "tool": {"driver": driver},
        "columnKind": "unicodeCodePoints",
        "results": [*_results(report)],
        "properties": {"mutationScore": report.score, "sandbox": report.level},
    }
    return json.dumps({"$schema": _SCHEMA, "version": "2.1.0", "runs": [run]}, indent=1) + "\n"


def _results(report: AuditReport) -> Iterator[dict[str, Any]]:
    for test in report.cannot_fail:
        survived = [report.mistakes[n] for n in test.reaches[:10]]
        text = f"{test.test} notices none of {len(test.reaches)} mistakes where it runs"
        related = [_related(mistake) for mistake in survived]
        yield _result("test-cannot-fail", "warning", text, test.file, test.line, related)
    for test, doubt in report.doubtful():
        yield _result("assert-always-true", "warning", doubt.what, test.file, doubt.line)
    places = {test.test: test for test in report.tests}
    for group in report.alike:
        first = places[group[0]]
        text = f"notice the same mistakes: {', '.join(group)}"
        yield _result("tests-notice-the-same", "note", text, first.file, first.line)
    for mistake in report.mistakes:
        if mistake.status != "noticed":
            rule = "mistake-survives" if mistake.status == "survived" else "mistake-unreached"
            text = f"{mistake.what}, and no test notices\n{mistake.diff}"
            yield _result(rule, "note", text, mistake.file, mistake.line)


def _result(
    rule: str, level: str, text: str, file: str, line: int, related: list[Any] | None = None
) -> dict[str, Any]:
    found: dict[str, Any] = {
        "ruleId": rule,
        "level": level,
        "message": {"text": harmless(text)},
        "locations": [{"physicalLocation": _place(file, line)}],
    }
    return {**found, "relatedLocations": related} if related else found


def _related(mistake: Mistake) -> dict[str, Any]:
    text = harmless(f"unnoticed: {mistake.what}")
    return {
        "physicalLocation": _place(mistake.file, mistake.line),
        "message": {"text": text},
    }


def _place(file: str, line: int) -> dict[str, Any]:
    return {"artifactLocation": {"uri": quote(file)}, "region": {"startLine": max(1, line)}}


def as_junit(report: AuditReport) -> str:
    """Two suites: the tests, of which those fail that cannot, and the mistakes, of which those fail
    that nobody notices."""
    root = ElementTree.Element("testsuites", name="ML Coach audit-tests")
    _suite(root, "tests", [_test_case(test) for test in report.tests])
    _suite(root, "mistakes", [_mistake_case(mistake) for mistake in report.mistakes])
    ElementTree.indent(root)
    return ElementTree.tostring(root, encoding="unicode", xml_declaration=True) + "\n"


def _suite(root: ElementTree.Element, name: str, cases: list[ElementTree.Element]) -> None:
    failures = sum(case.find("failure") is not None for case in cases)
    skipped = sum(case.find("skipped") is not None for case in cases)
    counts = {"tests": len(cases), "failures": failures, "skipped": skipped, "errors": 0}
    suite = ElementTree.SubElement(root, "testsuite", name=name)
    for key, count in counts.items():
        suite.set(key, str(count))
    suite.extend(cases)


def _test_case(test: TestAudit) -> ElementTree.Element:
    _, _, name = test.test.partition("::")
    case = ElementTree.Element("testcase", classname=test.file, name=harmless(name))
    case.set("file", test.file)
    case.set("line", str(test.line))
    if test.verdict == "not_judging":
        ElementTree.SubElement(case, "skipped", message=harmless(test.why))
    elif test.verdict == "cannot_fail" or test.doubts:
        said = [f"line {doubt.line}: {doubt.what}" for doubt in test.doubts]
        if test.verdict == "cannot_fail":
            said.insert(0, f"notices none of {len(test.reaches)} mistakes where it runs")
        ElementTree.SubElement(case, "failure", message=harmless("; ".join(said)))
    return case


def _mistake_case(mistake: Mistake) -> ElementTree.Element:
    name = harmless(f"line {mistake.line}: {mistake.what}")
    case = ElementTree.Element("testcase", classname=mistake.file, name=name)
    if mistake.status != "noticed":
        how = "no test notices it" if mistake.status == "survived" else "no test runs the line"
        failure = ElementTree.SubElement(case, "failure", message=how)
        failure.text = harmless(mistake.diff)
    return case
