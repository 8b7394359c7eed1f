"""Placing hunks without any doubt: as `git apply` does, or where their lines stand word for word.

A result found here is final; only where there is none, lines are aligned with costs.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from ml_coach.core.patches.edits import Hunk
from ml_coach.core.patches.lines import indent_width, kept_lines
from ml_coach.core.patches.outline import outline
from ml_coach.core.patches.targets import flat


def like_git(text: str, hunks: Sequence[Hunk]) -> str | None:
    """The text after `hunks` as `git apply` gives it, None where it would refuse them.

    The rules of git's apply.c (apply_one_fragment, find_pos): every line of context must match;
    a hunk without context above or below belongs to that end of the file; no hunk may touch lines
    of another. Other than git, which takes the nearest of several places, a place that is not the
    stated one must be the only one, and one whose heading stands only below it is doubtful.
    """
    lines = kept_lines(text)
    fresh = [True] * len(lines)
    for hunk in hunks:
        if any(line.unsigned or line.sign == "~" for line in hunk.lines) or hunk.start is None:
            return None
        old, new = _sides(hunk)
        if (len(old), len(new)) != (hunk.old_count, hunk.new_count):
            return None
        signs = [line.sign for line in hunk.lines]
        changed = [at for at, sign in enumerate(signs) if sign != " "]
        if not changed:
            return None
        at_top = hunk.start <= 1
        at_bottom = changed[-1] == len(signs) - 1
        stated = max(0, (hunk.start if hunk.new_start is None else hunk.new_start) - 1)
        everywhere = _found(lines, old)
        places = [
            at
            for at in everywhere
            if (at == 0 or not at_top)
            and (at + len(old) == len(lines) or not at_bottom)
            and all(fresh[at : at + len(old)])
        ]
        if not places:
            return None
        at = min(places, key=lambda place: (abs(place - stated), place < stated))
        if (len(everywhere) > 1 and at != stated) or _is_below(hunk, at, lines):
            return None
        lines[at : at + len(old)] = new
        fresh[at : at + len(old)] = [False] * len(new)
    return "".join(lines)


def _sides(hunk: Hunk) -> tuple[list[str], list[str]]:
    """The hunk's lines before and after, with their ends."""
    old = [f"{line.text}\n" for line in hunk.lines if line.sign in " -"]
    new = [f"{line.text}\n" for line in hunk.lines if line.sign in " +"]
    unended = {line.sign for line in hunk.lines if line.unended}
    if old and unended & {" ", "-"}:
        old[-1] = old[-1][:-1]
    if new and unended & {" ", "+"}:
        new[-1] = new[-1][:-1]
    return old, new


def _found(lines: Sequence[str], wanted: Sequence[str]) -> list[int]:
    """Every place where `wanted` stands in `lines`, in time linear but for repeated lines."""
    if not wanted:
        return list(range(len(lines) + 1))
    text = "\0" + "\0".join(lines) + "\0"
    needle = "\0" + "\0".join(wanted) + "\0"
    found: list[int] = []
    count = seen = 0
    at = text.find(needle)
    while at >= 0:
        count += text.count("\0", seen, at)
        found.append(count)
        seen, at = at, text.find(needle, at + 1)
    return found


def _is_below(hunk: Hunk, at: int, lines: Sequence[str]) -> bool:
    """Whether the line that the header calls the one above stands only below the place."""
    heading = hunk.heading
    places = [n for n, line in enumerate(lines) if heading and line.strip().startswith(heading)]
    return bool(places) and min(places) >= at + len(hunk.old)


def word_for_word(
    before: Sequence[str], hunks: Sequence[Hunk], fits: Callable[[list[str]], bool]
) -> list[str] | None:
    """The lines after `hunks`, one after another, each where all its lines stand in one place.

    None where a hunk stands nowhere or could stand in two places. A hunk whose result stands in
    its place already changes nothing. Of several readings that all stand somewhere, the one counts
    whose result `fits`.
    """
    lines = list(before)
    shift = 0
    for hunk in hunks:
        results: list[list[str]] = []
        for reading in (hunk, *hunk.others):
            result = _placed(lines, reading, shift)
            if result is not None and result not in results:
                results.append(result)
        if len(results) > 1:
            results = [result for result in results if fits(result)]
        if len(results) != 1:
            return None
        shift += len(results[0]) - len(lines)
        lines = results[0]
    return lines


def _placed(lines: list[str], hunk: Hunk, shift: int) -> list[str] | None:
    if any(line.unsigned or line.sign == "~" for line in hunk.lines):
        return None
    old, new = hunk.old, hunk.new
    scope = _scope(lines, hunk.headings)
    if not any(line.strip() for line in old):
        at = _insertion(lines, hunk, scope, shift)
        if at is None:
            return None
        places = [at]
        old = []
        new = [line.text for line in hunk.lines if line.sign == "+"]
    else:
        places = _found(lines, old)
    if hunk.start is None and scope is not None:
        places = [at for at in places if scope[0] <= at < scope[1]]
    if hunk.at_end:
        rest = len(old)
        places = [at for at in places if not any(x.strip() for x in lines[at + rest :])]
    stated = (hunk.start or 0) - 1 + shift
    if len(places) > 1 and stated in places and not _is_below(hunk, stated, lines):
        places = [stated]
    if not places:
        there = new != old and bool(_found(lines, new)) and len(new) > 1
        return lines if there else _within_lines(lines, hunk)
    if len(places) > 1:
        return None
    (at,) = places
    if len(new) > len(old) and lines[at : at + len(new)] == new:
        return lines
    return [*lines[:at], *new, *lines[at + len(old) :]]


def _within_lines(lines: list[str], hunk: Hunk) -> list[str] | None:
    """The old text as a part of lines, where it occurs once."""
    text, old = "\n".join(lines), "\n".join(hunk.old)
    if hunk.like_diff or text.count(old) != 1:
        return None
    return text.replace(old, "\n".join(hunk.new)).split("\n")


def _scope(lines: Sequence[str], headings: Sequence[str]) -> tuple[int, int] | None:
    """The lines of the block that the headings lead to, the outer one first; None for none."""
    first, last = 0, len(lines)
    for heading in headings:
        found = [at for at in range(first, last) if lines[at].strip().startswith(heading)]
        if not found:
            return None
        first = found[0]
        width = indent_width(lines[first])
        last = next(
            (
                n
                for n in range(first + 1, last)
                if lines[n].strip() and indent_width(lines[n]) <= width
            ),
            last,
        )
    return (first, last) if headings else None


def _insertion(
    lines: Sequence[str], hunk: Hunk, scope: tuple[int, int] | None, shift: int
) -> int | None:
    """Where lines go that come without any line of the file: below the stated one, or below the
    heading, its signature and its docstring."""
    if hunk.start is not None and hunk.old_count == 0:
        at = hunk.start + shift
        return at if at <= len(lines) else None
    if scope is None or hunk.start is not None:
        return None
    nodes = (node for top in outline(lines) for node in flat(top))
    node = next((node for node in nodes if node.head == scope[0]), None)
    if node is None:
        return scope[0] + 1
    is_documented = node.inner and lines[node.inner[0].first].lstrip("rRuU \t")[:1] in "\"'"
    return node.inner[0].last if is_documented else node.body
