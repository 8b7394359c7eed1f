"""What a model is told of a failure: the test, the traceback, and the code around both."""

from __future__ import annotations

import ast
from collections.abc import Sequence
from textwrap import dedent

from ml_coach.core.agents.project_debugger import ProjectCase
from ml_coach.core.finding import Finding
from ml_coach.core.fixing.failures import Failure
from ml_coach.core.fixing.suspicion import Sources, Suspect
from ml_coach.core.fixing.units import Unit, bound, units_of
from ml_coach.core.patches.lines import split_lines
from ml_coach.core.project import Project
from ml_coach.core.python import syntax

MOST_SHOWN = 6  # suspects, where edits are asked for
MOST_LINES = 25  # of a definition that is only used


def sources_of(project: Project, findings: Sequence[Finding], most: int) -> str:
    """The text of the test functions of the first `most` findings."""
    parts: dict[str, None] = {}
    for finding in findings[:most]:
        file, _, rest = finding.test.partition("::")
        name = rest.split("[", 1)[0].replace("::", ".")
        source = project.text(file)
        units = units_of(file, source)
        unit = next((u for u in units.functions if u.name == name), None)
        if unit is None and finding.line:
            unit = units.at(finding.line)
        if unit is not None and unit.kind != "module":
            parts["\n".join(_lines(source)[unit.first - 1 : unit.last])] = None
    return "\n\n".join(parts)


def piece(project: Project, unit: Unit, wanted: frozenset[str] = frozenset()) -> str:
    """The text of a unit. Of a class or a module only the lines that bind one of the names
    `wanted`, which the functions under suspicion read."""
    source = project.text(unit.file)
    lines = _lines(source)
    if unit.kind == "function":
        return _dedented(lines[unit.first - 1 : unit.last])
    tree = syntax.parse(source)
    body = tree.body if tree else []
    head: list[str] = []
    if unit.kind == "class":
        for name in unit.name.split("."):
            node = next((n for n in body if isinstance(n, ast.ClassDef) and n.name == name), None)
            body = node.body if node else []
        head = [lines[unit.first - 1].strip()]
    kept = [
        "\n".join(lines[node.lineno - 1 : node.end_lineno])
        for node in body
        if isinstance(node, ast.Assign | ast.AnnAssign) and (not wanted or wanted & bound([node]))
    ]
    return "\n".join([*head, *kept])


def case_for(
    project: Project,
    failure: Failure,
    suspected: Sequence[Suspect],
    room: int,
    *,
    alone: bool,
) -> ProjectCase:
    """What a model is told, within `room` characters. The first suspect is the one to rewrite;
    unless it is to be shown `alone`, the next ones are shown as well.

    Nothing is shown but the project's own files, of which hidden and ignored ones are no part.
    """
    first = suspected[0].unit
    wanted = frozenset[str]().union(*(s.unit.reads for s in suspected[:5]))
    shown, detail = failure.shown, failure.shown.detail.strip()
    test = sources_of(project, failure.findings, 2)[: room // 4]
    said = f"{shown.message}\n\n{detail[-room // 6 :]}" if detail else shown.message
    room -= len(test) + len(said)
    code = piece(project, first, wanted)
    if not alone:
        parts: list[str] = []
        for suspect in suspected[:MOST_SHOWN]:
            unit = suspect.unit
            text = piece(project, unit, wanted)
            part = f"`{unit.name}` in `{unit.file}`:\n```python\n{text}\n```"
            if text and (not parts or len(part) < room // 2):
                parts.append(part)
                room -= len(part)
        code = "\n\n".join(parts)
    else:
        room -= len(code)
    around = _around(project, first, suspected, room)
    context = f"\nWhat it uses:\n```python\n{around}\n```\n" if around else ""
    return ProjectCase(test, said, first.name, first.file, code, context)


def _around(project: Project, unit: Unit, suspected: Sequence[Suspect], room: int) -> str:
    """Definitions that the unit uses, by name: those in its own file, then those of other files
    that its tests ran. Long ones are left to their first lines."""
    sources = Sources(project)
    parts: list[str] = []
    files = dict.fromkeys([unit.file, *(s.unit.file for s in suspected[:20])])
    for file in files:
        lines = _lines(project.text(file))
        units = sources.units(file)
        for other in units.functions:
            if other.simple_name in unit.reads and other != unit:
                text = lines[other.first - 1 : other.last]
                whole = "\n".join(text[:MOST_LINES] + ["    ..."] * (len(text) > MOST_LINES))
                if len(whole) + 2 < room:
                    room -= len(whole) + 2
                    parts.append(whole)
        names = units.module.binds & unit.reads
        constants = piece(project, units.module, names) if names else ""
        if constants and len(constants) + 2 < room:
            room -= len(constants) + 2
            parts.insert(0, constants)
    return "\n\n".join(parts)


def _lines(text: str) -> list[str]:
    return [line.rstrip("\r") for line in split_lines(text)]


def _dedented(lines: Sequence[str]) -> str:
    return dedent("\n".join(lines))
