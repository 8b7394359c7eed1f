"""A test file that cannot be collected → the same file without what keeps it from that.

One wrong import in a guessed file would keep every test from judging, right ones included.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Sequence
from dataclasses import dataclass, replace

from ml_coach.core.finding import Finding
from ml_coach.core.judging.probes import source_of
from ml_coach.core.judging.test_filter import taken_out, without
from ml_coach.core.python import syntax
from ml_coach.core.results import TestReport
from ml_coach.core.types import Dropped, Suite

_NOT_COLLECTED = ("collection", "missing_package")
# pytest names the test where the fault is in what a mark says of its parameters.
_IN_TEST = re.compile(r"\bIn \S+?\.py::([\w:]+): (.+)")


@dataclass(frozen=True, slots=True)
class CollectableSuite:
    """`suite` is the file without the `dropped` tests and without what keeps it from running."""

    suite: Suite
    dropped: tuple[Dropped, ...]


def collectable(
    suite: Suite, reports: Sequence[TestReport], module: str
) -> CollectableSuite | None:
    """`suite` without a statement that keeps it from being collected, and without the tests that
    need what the statement defines. `reports` are those on every program that was tried.

    None where a program was tested, where the fault may be one of the programs', which the tests
    import as `module`, and where a test would be lost that no filter drops.
    """
    if suite.is_kept_whole or any(report.cases for report in reports):
        return None
    findings = (finding for report in reports for finding in report.findings)
    for finding in findings:
        if finding.kind in _NOT_COLLECTED and finding.file == suite.file:
            mended = _without_cause(suite, finding, module, alone=len(reports) < 2)
            if mended is not None:
                return mended
    return None


def _without_cause(
    suite: Suite, finding: Finding, module: str, *, alone: bool
) -> CollectableSuite | None:
    if named := _IN_TEST.search(f"{finding.message}\n{finding.detail}"):
        reason = f"it cannot be collected: {named[2]}"
        return _dropping(suite, without(suite, {named[1]}).source, {named[1]}, reason)
    tree = syntax.module(suite.source)
    gone = [s for s in tree.body if syntax.first_line(s) <= finding.line <= syntax.last_line(s)]
    for statement in gone:
        is_test = bool(_tests_in(statement, suite))
        calls_program = not _reads(statement).isdisjoint(_imported(tree, module))
        if is_test or _imports(statement, module) or (alone and calls_program):
            return None
    cause = "; ".join(syntax.unparsed(statement) for statement in gone).splitlines()
    lost = {name for statement in gone for name in syntax.bindings(statement)}
    while more := [s for s in tree.body if s not in gone and not lost.isdisjoint(_reads(s))]:
        gone += more
        lost |= {name for statement in more for name in syntax.bindings(statement)}
    tests = {test for statement in gone for test in _tests_in(statement, suite)}
    reason = f"it needs `{cause[0]}`, which fails: {finding.message}" if cause else ""
    return _dropping(suite, taken_out(suite.source, gone), tests, reason)


def _dropping(suite: Suite, source: str, tests: set[str], reason: str) -> CollectableSuite | None:
    """None where nothing is left out, or where a test would be that no filter drops."""
    if source == suite.source or any(suite.is_binding(test) for test in tests):
        return None
    dropped = [Dropped(t, reason, _checks(suite, t)) for t in suite.functions if t in tests]
    return CollectableSuite(replace(suite, source=source), tuple(dropped))


def _checks(suite: Suite, test: str) -> str:
    statements = source_of(suite.source, test).splitlines()[1:]
    return "; ".join(line.strip() for line in statements)


def _imports(statement: ast.stmt, module: str) -> bool:
    """Whether a statement imports the program."""
    nodes = list(syntax.walk(statement))
    names = {node.module for node in nodes if isinstance(node, ast.ImportFrom)}
    names |= {alias.name for node in nodes if isinstance(node, ast.Import) for alias in node.names}
    return module in names


def _imported(tree: ast.Module, module: str) -> set[str]:
    """The names that stand for the program and its parts."""
    importing = [statement for statement in tree.body if _imports(statement, module)]
    return {name for statement in importing for name in syntax.bindings(statement)}


def _reads(statement: ast.stmt) -> frozenset[str]:
    """The names that a statement reads; fixtures are read by the names of parameters."""
    arguments = {node.arg for node in syntax.walk(statement) if isinstance(node, ast.arg)}
    return syntax.loads(statement) | arguments


def _tests_in(statement: ast.stmt, suite: Suite) -> set[str]:
    """The tests that a top-level statement defines."""
    if not isinstance(statement, syntax.Definition):
        return set()
    name = statement.name
    return {test for test in suite.functions if test == name or test.startswith(f"{name}::")}
