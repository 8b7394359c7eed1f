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
from textwrap import dedent

from ml_coach.core.changes import FileChange, Patch
from ml_coach.core.finding import Finding
from ml_coach.core.fixing.suspicion import Sources, Suspect, ochiai, passing
from ml_coach.core.fixing.units import Unit
from ml_coach.core.patches import make_patch
from ml_coach.core.patches.lines import indent_of, kept_lines, line_end, split_lines
from ml_coach.core.patches.making import ChangedBlock, changed_blocks
from ml_coach.core.project import Coverage
from ml_coach.core.python import syntax

MOST_HUNKS = 8  # of one patch, which are tried apart
_FENCE = "```"
_LINES_AHEAD = 3  # What is written from a line on covers the statements behind it as well.
_MOST_JOINED = 2  # lines of a reply that are taken without knowing where it comes back to the text


# The hunks of a patch


def parts(patch: Patch) -> list[Patch]:
    """The patches that take one hunk of `patch` alone or leave one out; none where it has only one,
    or more than `MOST_HUNKS`. Hunks that change no code are never taken alone."""
    hunks = [(change, block) for change in patch.changes for block in _blocks(change)]
    if not 1 < len(hunks) <= MOST_HUNKS:
        return []
    singles = [[hunk] for hunk in hunks]
    others = [[h for h in hunks if h is not hunk] for hunk in hunks] if len(hunks) > 2 else []
    found: dict[str, Patch] = {}
    for taken in [*singles, *others]:
        before = {change.file: change.before for change, _ in taken}
        after = {
            change.file: _with_blocks(change, [block for other, block in taken if other is change])
            for change in patch.changes
            if change.file in before
        }
        if all(_is_other(before[file], after[file]) for file in before):
            made = make_patch(before, after)
            found.setdefault(made.id, made)
    return list(found.values())


def _blocks(change: FileChange) -> list[ChangedBlock | None]:
    """The changed blocks of a file; one that is new or goes is a single one, None."""
    if change.before is None or change.after is None:
        return [None]
    return [*changed_blocks(kept_lines(change.before), kept_lines(change.after))]


def _with_blocks(change: FileChange, blocks: Sequence[ChangedBlock | None]) -> str | None:
    if change.before is None or change.after is None:
        return change.after
    old, new = kept_lines(change.before), kept_lines(change.after)
    for a, b, c, d in reversed([block for block in blocks if block]):
        old[a:b] = new[c:d]
    return "".join(old)


def _is_other(before: str | None, after: str | None) -> bool:
    """Whether `after` compiles and is not the same program, comments and layout aside."""
    if before is None or after is None:
        return True
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
        shown = _shown(sources.project.text(unit.file), unit)
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
            text = "\n".join([*head, ""])
            place = Place(unit, first, last, text, "\n".join(tail), indent_of(line))
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
    function = syntax.function_at(tree, unit.first) if tree else None
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
    written, is_whole = _written(reply, place, is_whole=is_whole)
    # Compared as it was shown: what is the same keeps its own text, that of strings above all.
    old = _shown(source, place.unit)[place.first - place.unit.first :]
    if not written:
        return []
    blocks = changed_blocks(old, written)
    if blocks and not is_whole and blocks[-1][1] == len(old):
        blocks = blocks[:-1]
    found = [[block] for block in blocks]
    if is_whole:
        found.insert(0, blocks)
    if written[0] != old[0]:
        length = place.last - place.first + 1
        for count in range(1, min(_MOST_JOINED, len(written)) + 1):
            found += [[(0, 0, 0, count)], [(0, length, 0, count)]]
    lines = split_lines(source)
    end = line_end(source).removesuffix("\n")
    statement = lines[place.first - 1]
    margin = statement[: len(indent_of(statement)) - len(place.indent)]
    new = [f"{margin}{line}{end}" if line.strip() else end for line in written]
    texts = dict[str, None]()
    for chosen in found:
        replaced = lines[place.first - 1 : place.unit.last]
        for a, b, c, d in reversed(chosen):
            replaced[a:b] = new[c:d]
        text = "\n".join([*lines[: place.first - 1], *replaced, *lines[place.unit.last :]])
        texts[text + "\n" * source.endswith("\n")] = None
    return [text for text in texts if _is_other(source, text)]


def _shown(source: str, unit: Unit) -> list[str]:
    """The lines of a function as a model is shown them."""
    lines = split_lines(source)[unit.first - 1 : unit.last]
    return dedent("\n".join(line.rstrip("\r") for line in lines)).split("\n")


def _written(reply: str, place: Place, *, is_whole: bool) -> tuple[list[str], bool]:
    """The lines of a reply's code, without the head where it is repeated, and whether they are
    all."""
    if reply.lstrip().startswith(_FENCE):
        reply = reply.lstrip().partition("\n")[2]
    code, fence, _ = reply.replace("\r\n", "\n").partition(_FENCE)
    lines = code.removeprefix(place.head).split("\n")
    is_whole = is_whole or bool(fence)
    if not is_whole:
        lines.pop()
    while lines and not lines[-1].strip():
        lines.pop()
    return lines, is_whole
