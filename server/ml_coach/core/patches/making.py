"""Patches made from texts: the canonical diff, applying it exactly, turning it round."""

from __future__ import annotations

from bisect import bisect_left
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from difflib import SequenceMatcher

from ml_coach.core.changes import FileChange, Patch, PatchRefused
from ml_coach.core.patches.lines import kept_lines
from ml_coach.core.patches.safety import path_problem
from ml_coach.core.types import Program

_CONTEXT = 3

# SequenceMatcher is quadratic: above this many line pairs in all, a block is replaced as a whole.
_PAIRS = 250_000

ChangedBlock = tuple[int, int, int, int]
"""`before[a:b]` becomes `after[c:d]`."""


def make_patch(before: Mapping[str, str | None], after: Mapping[str, str | None]) -> Patch:
    """The patch from one set of texts to another; a file absent or `None` does not exist.

    Its text is a unified diff with three lines of context that `git apply` takes as it is.
    """
    changes = tuple(
        FileChange(file, before.get(file), after.get(file))
        for file in sorted({*before, *after})
        if before.get(file) != after.get(file)
    )
    return Patch(changes, "".join(_render(change) for change in changes))


def rewriting(program: Program, source: str) -> Patch:
    """The patch after which the program reads `source`."""
    return make_patch({program.file: program.source}, {program.file: source})


def apply(patch: Patch, files: Mapping[str, str]) -> dict[str, str] | PatchRefused:
    """All files after the patch, or why not: each file must read exactly as it did before."""
    result = dict(files)
    for change in patch.changes:
        if problem := path_problem(change.file):
            return PatchRefused(problem)
        current = files.get(change.file)
        if current != change.before:
            return PatchRefused(_difference(change, current))
        if change.after is None:
            del result[change.file]
        else:
            result[change.file] = change.after
    return result


def reverse(patch: Patch) -> Patch:
    """The patch that undoes `patch`."""
    return make_patch(
        {change.file: change.after for change in patch.changes},
        {change.file: change.before for change in patch.changes},
    )


def changed_blocks(before: Sequence[str], after: Sequence[str]) -> list[ChangedBlock]:
    """Where two lists of lines differ, in order, in time close to linear.

    Common ends are cut off, then lines that occur once on both sides split the rest (patience
    diff, Bram Cohen), and only the small pieces between them are compared pair by pair.
    """
    start, end = common_ends(before, after)
    a, b, c, d = start, len(before) - end, start, len(after) - end
    blocks: list[ChangedBlock] = []
    budget = _PAIRS
    for piece in _pieces(before, after, (a, b, c, d)):
        a, b, c, d = piece
        budget -= (b - a) * (d - c)
        if a == b or c == d or budget < 0:
            blocks.append(piece)
            continue
        matcher = SequenceMatcher(None, before[a:b], after[c:d], autojunk=False)
        blocks += [
            (a + i, a + j, c + k, c + m)
            for tag, i, j, k, m in matcher.get_opcodes()
            if tag != "equal"
        ]
    return blocks


def common_ends(before: Sequence[str], after: Sequence[str]) -> tuple[int, int]:
    """How many lines are the same at the begin and at the end, none of them counted twice."""
    start, shortest = 0, min(len(before), len(after))
    while start < shortest and before[start] == after[start]:
        start += 1
    end = 0
    while end < shortest - start and before[-1 - end] == after[-1 - end]:
        end += 1
    return start, end


def _pieces(
    before: Sequence[str], after: Sequence[str], block: ChangedBlock
) -> Iterator[ChangedBlock]:
    a, b, c, d = block
    if (b - a) * (d - c) > 10_000:
        for i, k in _unique_in_both(before[a:b], after[c:d]):
            if (a, c) != (block[0] + i, block[2] + k):
                yield a, block[0] + i, c, block[2] + k
            a, c = block[0] + i + 1, block[2] + k + 1
    if a < b or c < d:
        yield a, b, c, d


def _unique_in_both(before: Sequence[str], after: Sequence[str]) -> list[tuple[int, int]]:
    """The longest rising run of pairs of lines that occur exactly once on either side."""
    counts_before, counts_after = Counter(before), Counter(after)
    places = {line: k for k, line in enumerate(after) if counts_after[line] == 1}
    pairs = [
        (i, places[line])
        for i, line in enumerate(before)
        if counts_before[line] == 1 and line in places
    ]
    tails: list[int] = []
    tail_index: list[int] = []
    previous: list[int] = []
    for index, (_, k) in enumerate(pairs):
        at = bisect_left(tails, k)
        previous.append(tail_index[at - 1] if at else -1)
        tails[at : at + 1] = [k]
        tail_index[at : at + 1] = [index]
    run: list[tuple[int, int]] = []
    index = tail_index[-1] if tail_index else -1
    while index >= 0:
        run.append(pairs[index])
        index = previous[index]
    return run[::-1]


def _render(change: FileChange) -> str:
    source, target = _quoted(f"a/{change.file}"), _quoted(f"b/{change.file}")
    header = ""
    if change.before is None:
        header = f"diff --git {source} {target}\nnew file mode 100644\n"
        # git tells an empty new file from a broken patch by its index line alone.
        header += "" if change.after else "index 0000000..e69de29\n"
        source = "/dev/null"
    elif change.after is None:
        header = f"diff --git {source} {target}\ndeleted file mode 100644\n"
        header += "" if change.before else "index e69de29..0000000\n"
        target = "/dev/null"
    hunks = "".join(_hunks(change.before or "", change.after or ""))
    return header + (f"--- {_tabbed(source)}\n+++ {_tabbed(target)}\n{hunks}" if hunks else "")


def _hunks(before: str, after: str) -> Iterator[str]:
    old, new = kept_lines(before), kept_lines(after)
    for group in _grouped(changed_blocks(old, new)):
        first, last = group[0], group[-1]
        lead = min(_CONTEXT, first[0])
        trail = min(_CONTEXT, len(old) - last[1])
        start_old, end_old = first[0] - lead, last[1] + trail
        start_new, end_new = first[2] - lead, last[3] + trail
        yield f"@@ -{_span(start_old, end_old)} +{_span(start_new, end_new)} @@\n"
        at = start_old
        for a, b, c, d in group:
            yield from (_marked(" ", line) for line in old[at:a])
            yield from (_marked("-", line) for line in old[a:b])
            yield from (_marked("+", line) for line in new[c:d])
            at = b
        yield from (_marked(" ", line) for line in old[at:end_old])


def _grouped(blocks: list[ChangedBlock]) -> Iterator[list[ChangedBlock]]:
    group: list[ChangedBlock] = []
    for block in blocks:
        if group and block[0] - group[-1][1] > 2 * _CONTEXT:
            yield group
            group = []
        group.append(block)
    if group:
        yield group


def _marked(sign: str, line: str) -> str:
    end = "" if line.endswith("\n") else "\n\\ No newline at end of file\n"
    return f"{sign}{line}{end}"


def _span(start: int, end: int) -> str:
    length = end - start
    return f"{start + 1 if length else start},{length}" if length != 1 else f"{start + 1}"


def _quoted(name: str) -> str:
    """A name as git writes it: in C's quotes where it holds a quote. A patch of a file whose name
    holds a backslash or a control character is refused (safety.py)."""
    return '"' + name.replace('"', '\\"') + '"' if '"' in name else name


def _tabbed(name: str) -> str:
    # git ends a name that holds a space with a tab, for the sake of `patch`.
    return f"{name}\t" if " " in name else name


def _difference(change: FileChange, current: str | None) -> str:
    if current is None:
        return f"{change.file} does not exist any more."
    if change.before is None:
        return f"{change.file} exists already."
    return f"{change.file} has changed since the patch was made."
