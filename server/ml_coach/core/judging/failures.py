"""Failing asserts as a sentence: what was called, what it gave, what was expected.

pytest says `assert 6 == 4`; the test's own source knows that 6 came from `f('IV')`.
"""

from __future__ import annotations

import ast
import re
from dataclasses import replace

from ml_coach.core.finding import Finding
from ml_coach.core.python import syntax
from ml_coach.core.results import TestReport
from ml_coach.core.types import Suite

_COMPARED = re.compile(r"^(?:AssertionError: )?assert (?P<values>.+)$", re.DOTALL)
_DID_NOT_RAISE = re.compile(r"DID NOT RAISE (?:<class '(?:\w+\.)*(?P<error>\w+)'>|(?P<bare>\w+))")
_SAID = "AssertionError: "  # before the words of an assert that has some
_MOST_CHARACTERS = 300


def explained(report: TestReport, suite: Suite) -> TestReport:
    """`report` with each finding's message written from its test's source where that is certain."""
    tests = _tests(suite.source)
    findings = tuple(_explained(f, tests) if f.test else f for f in report.findings)
    return replace(report, findings=findings)


def _explained(finding: Finding, tests: dict[str, ast.FunctionDef]) -> Finding:
    test = tests.get(finding.test.split("[", 1)[0])
    if test is None:
        return finding
    statement = next(
        (s for s in ast.walk(test) if isinstance(s, ast.Assert) and s.lineno == finding.line),
        None,
    )
    try:
        if statement is None:
            told = _raised(finding, test)
        elif statement.msg is not None and finding.message.startswith(_SAID):
            told = finding.message.splitlines()[0].removeprefix(_SAID)
        else:
            told = _compared(finding, statement.test)
    except RecursionError:
        told = ""  # Too deep for `ast.unparse`: pytest's own words stay.
    if not told:
        return finding
    # pytest's explanation repeats this, and a prompt has no room for that.
    return replace(finding, message=told[:_MOST_CHARACTERS], detail="")


def _compared(finding: Finding, test: ast.expr) -> str:
    values = _COMPARED.match(finding.message)
    is_equality = (
        isinstance(test, ast.Compare) and len(test.ops) == 1 and isinstance(test.ops[0], ast.Eq)
    )
    if values is None:
        return f"{ast.unparse(test)} raised {finding.message}"
    if not is_equality:
        return f"{ast.unparse(test)} is not true"
    assert isinstance(test, ast.Compare)
    match test.comparators[0]:
        case ast.Call(func=ast.Attribute(attr="approx"), args=[expected]) | expected:
            pass
    # The left value stands before the last ` == ` whose right side is what the test expects.
    came, _, right = values["values"].splitlines()[0].rpartition(" == ")
    if not came or not right:
        return ""
    return f"{ast.unparse(test.left)} gave {came}, expected {ast.unparse(expected)}"


def _raised(finding: Finding, test: ast.FunctionDef) -> str:
    missing = _DID_NOT_RAISE.search(finding.message)
    if missing is None:
        return ""
    blocks = [s.body for s in ast.walk(test) if isinstance(s, ast.With)]
    called = "; ".join(ast.unparse(s) for block in blocks[:1] for s in block)
    return f"{called} did not raise {missing['error'] or missing['bare']}"


def _tests(source: str) -> dict[str, ast.FunctionDef]:
    tree = syntax.parse(source)
    body = tree.body if tree else ()
    return {node.name: node for node in body if isinstance(node, ast.FunctionDef)}
