"""Changes of single places: the hunks of a patch apart, and what a model writes from a line on.

A small model that writes a long function anew gets a line right and spoils another. So each place
is judged alone. Where no whole function helps, the model goes on from a line under suspicion, with
the text before it given, and what it writes is joined with the rest of the function again, as in
repair by filling in (Xia, Wei and Zhang 2023, arXiv:2210.14179).
"""

from __future__ import annotations

import ast
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from textwrap import dedent, indent

from ml_coach.core.changes import Patch
from ml_coach.core.finding import Finding
from ml_coach.core.fixing.suspicion import Sources, Suspect, ochiai, passing
from ml_coach.core.fixing.units import Unit
from ml_coach.core.patches import make_patch
from ml_coach.core.patches.making import ChangedBlock, changed_blocks
from ml_coach.core.project import Coverage
from ml_coach.core.python import syntax

MOST_HUNKS = 8  # of one patch, which are tried apart
_LINES_AHEAD = 3  # What is written from a line on covers the statements behind it as well.
_MOST_JOINED = 2  # lines of a reply that are taken without knowing where it comes back to the text


# The hunks of a patch


def parts(patch: Patch) -> list[Patch]:
    """The patches that take one hunk of `patch` alone or leave one out; none where it has only one,
    or more than `MOST_HUNKS`. Hunks that change no code are never taken alone."""
    texts = {c.file: (c.before or "", c.after or "") for c in patch.changes}
    hunks = [
        (file, block)
        for file, (before, after) in texts.items()
        for block in changed_blocks(_lines(before), _lines(after))
    ]
    if not 1 < len(hunks) <= MOST_HUNKS:
        return []
    singles = [[hunk] for hunk in hunks]
    others = [[h for h in hunks if h is not hunk] for hunk in hunks] if len(hunks) > 2 else []
    found: dict[str, Patch] = {}
    for taken in [*singles, *others]:
        after = {
            file: _with_blocks(before, whole, [block for name, block in taken if name == file])
            for file, (before, whole) in texts.items()
        }
        before = {file: old for file, (old, _) in texts.items()}
        if all(_is_other(before[file], new) for file, new in after.items() if new != before[file]):
            made = make_patch(before, after)
            found.setdefault(made.id, made)
    return list(found.values())


def _with_blocks(before: str, after: str, blocks: Sequence[ChangedBlock]) -> str:
    old, new = _lines(before), _lines(after)
    for a, b, c, d in reversed(blocks):
        old[a:b] = new[c:d]
    return "".join(old)


def _lines(text: str) -> list[str]:
    return text.splitlines(keepends=True)


def _is_other(before: str, after: str) -> bool:
    """Whether `after` compiles and is not the same program, comments and layout aside."""
    old, new = syntax.parse(before), syntax.parse(after)
    if old is None or new is None:
        return False
    try:
        return ast.dump(old) != ast.dump(new) and syntax.compiles(after)
    except RecursionError:
        return False


# From a line on


@dataclass(frozen=True, slots=True)
class Place:
    """A statement of a function under suspicion, by its first and last line in the file, from 1; of
    one that holds others, only the lines before those.

    `head` and `tail` are the function's text before and after it, dedented, as a model is shown the
    function, and `indent` is that of the statement there.
    """

    unit: Unit
    first: int
    last: int
    head: str
    tail: str
    indent: str


def places(
    sources: Sources,
    coverage: Coverage,
    failures: Sequence[Finding],
    suspected: Sequence[Suspect],
    most: int,
) -> list[Place]:
    """At most `most` statements of the suspected functions that the failing tests ran: those of the
    most suspicious lines (Ochiai), the earliest of equal ones, not close to each other."""
    runs = [coverage.failed[f.test] for f in failures if f.test in coverage.failed]
    raised = {(p.file, p.line) for f in failures for p in f.related}
    scored: list[tuple[float, int, Place]] = []
    for order, unit in enumerate(s.unit for s in suspected if s.unit.kind == "function"):
        text = sources.project.text(unit.file).splitlines()
        shown = dedent("\n".join(text[unit.first - 1 : unit.last])).splitlines()
        for first, last in _statements(sources.project.text(unit.file), unit):
            failing = sum(
                any(first <= line <= last for line in run.get(unit.file, ())) for run in runs
            )
            if not failing:
                continue
            others = max(passing(coverage, unit, line) for line in range(first, last + 1))
            score = ochiai(failing, others, len(runs))
            score += any((unit.file, line) in raised for line in range(first, last + 1))
            head, tail = shown[: first - unit.first], shown[last - unit.first + 1 :]
            line = shown[first - unit.first]
            space = line[: len(line) - len(line.lstrip())]
            place = Place(unit, first, last, "\n".join([*head, ""]), "\n".join(tail), space)
            scored.append((score, order, place))
    scored.sort(key=lambda each: (-round(each[0], 6), each[1], each[2].first))
    ordered = [place for _, _, place in scored]
    near: list[Place] = []
    apart: list[Place] = []
    for place in ordered:
        behind = any(
            p.unit.key == place.unit.key and 0 <= place.first - p.first <= _LINES_AHEAD
            for p in apart
        )
        (near if behind else apart).append(place)
    return [*apart, *near][:most]


def _statements(source: str, unit: Unit) -> Iterator[tuple[int, int]]:
    """The first line of each statement in the unit's function, and the last one of its head."""
    tree = syntax.parse(source)
    function = next(
        (
            node
            for node in (ast.walk(tree) if tree else ())
            if isinstance(node, syntax.Function) and syntax.first_line(node) == unit.first
        ),
        None,
    )
    for node in ast.walk(function) if function else ():
        if node is function or not isinstance(node, ast.stmt) or syntax.is_docstring(node):
            continue
        inner = [n.lineno for n in ast.iter_child_nodes(node) if isinstance(n, ast.stmt)]
        last = min(inner) - 1 if inner else syntax.last_line(node)
        yield syntax.first_line(node), max(last, node.lineno)


def joined(source: str, place: Place, reply: str, *, is_whole: bool) -> list[str]:
    """The texts of the file after what `reply` says from `place` on: each of its changes alone, and
    its first lines ahead of the statement or in its stead. The end of a reply that is not whole,
    and what stands behind a closing fence, is left out."""
    code, fence, _ = reply.partition("```")
    written = code.splitlines()
    if not (fence or is_whole) and written:
        written = written[:-1]
    lines = source.splitlines()
    statement = lines[place.first - 1]
    margin = statement[: len(statement) - len(statement.lstrip()) - len(place.indent)]
    new = indent("\n".join(written), margin).splitlines()
    while new and not new[-1].strip():
        new.pop()
    old = lines[place.first - 1 : place.unit.last]
    if not new:
        return []
    blocks = changed_blocks(old, new)
    if blocks and not (fence or is_whole) and blocks[-1][1] == len(old):
        blocks = blocks[:-1]
    length = place.last - place.first + 1
    found = [[block] for block in blocks]
    if fence or is_whole:
        found.insert(0, blocks)
    if new[0] != old[0]:
        for count in range(1, min(_MOST_JOINED, len(new)) + 1):
            found += [[(0, 0, 0, count)], [(0, length, 0, count)]]
    at = place.first - 1
    texts = dict[str, None]()
    for chosen in found:
        replaced = [*old]
        for a, b, c, d in reversed(chosen):
            replaced[a:b] = new[c:d]
        text = "\n".join([*lines[:at], *replaced, *lines[place.unit.last :]])
        texts[text + "\n" * source.endswith("\n")] = None
    return [text for text in texts if _is_other(source, text)]
