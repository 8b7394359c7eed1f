"""Which statement of a file a statement of a reply takes the place of.

Both sides are indexed once, so that a reply of ten thousand lines costs as many steps.
"""

from __future__ import annotations

from bisect import bisect_right
from collections import defaultdict
from collections.abc import Iterator, Sequence

from ml_coach.core.patches.outline import Node, outline, tokens


class Targets:
    """The statements `old` of a file, and how often the statements `new` of a reply bind a name."""

    def __init__(self, old: Sequence[Node], new: Sequence[Node]) -> None:
        self._old = old
        self._firsts = [node.first for node in old]
        self._binding: defaultdict[str, list[Node]] = defaultdict(list)
        self._inside: defaultdict[tuple[str, ...], list[Node]] = defaultdict(list)
        for node in old:
            if node.kind != "import":
                for key in dict.fromkeys(node.keys):
                    self._binding[key].append(node)
            for inner in flat(node):
                if inner.kind == "def":
                    self._inside[inner.keys].append(inner)
        self._count: defaultdict[tuple[str, ...], int] = defaultdict(int)
        self._number: dict[int, int] = {}  # by the line where a statement of the reply begins
        for node in new:
            self._number[node.first] = self._count[node.keys]
            self._count[node.keys] += 1

    def binding(self, keys: tuple[str, ...]) -> list[Node]:
        """The statements that bind one of the names, in their order; imports apart."""
        if len(keys) == 1:
            return self._binding.get(keys[0], [])
        found = {node.first: node for key in keys for node in self._binding.get(key, [])}
        return [found[first] for first in sorted(found)]

    def inside(self, keys: tuple[str, ...]) -> list[Node]:
        """The functions and methods of that name, however deep they stand."""
        return self._inside.get(keys, [])

    def fitting(self, places: list[Node], node: Node) -> list[Node]:
        """Of a property that has a setter or a deleter, the accessor that is meant by a function
        without a decorator: the one that takes as many parameters. Else `places` as they are."""
        others = [
            n for kind in ("setter", "deleter") for n in self.inside((f"{node.name}.{kind}",))
        ]
        if not others or not places or node.first != node.head:
            return places
        return [n for n in (*places, *others) if _parameters(n) == _parameters(node)][:1]

    def chosen(self, places: Sequence[Node], node: Node) -> Node | None:
        """Of several places the one with the number that `node` has among its equals, where the
        reply has as many of them; else the last."""
        if len(places) > 1 and self._count[node.keys] == len(places):
            return places[self._number[node.first]]
        return places[-1] if places else None

    def around(self, target: Node) -> Node:
        """The statement at the top that holds the target."""
        at = bisect_right(self._firsts, target.first) - 1
        holds = at >= 0 and target.first < self._old[at].last
        return self._old[at] if holds else target


def _parameters(node: Node) -> int:
    """How many parameters a function names."""
    inside = node.code.partition("(")[2].rpartition(")")[0]
    return len([part for part in inside.split(",") if part.strip()])


def renamed(lines: Sequence[str], code: Sequence[str]) -> tuple[str, str] | None:
    """The old and the new name of what the code has under another name: it has all of the file in
    the same order, and half of the words of what is renamed, other than names."""
    mine, theirs = ([n for n in _members(outline(text)) if n.keys] for text in (lines, code))
    if [n.kind for n in mine] != [n.kind for n in theirs]:
        return None
    known = {n.name for n in mine} & {n.name for n in theirs}
    for one, other in zip(mine, theirs, strict=True):
        if one.name != other.name and {one.name, other.name}.isdisjoint(known):
            was = tokens("\n".join(_inside(lines, one)).replace(one.name, other.name))
            kept = was & tokens("\n".join(_inside(code, other)))
            if 2 * kept.total() >= was.total():
                return one.name, other.name
    return None


def _members(nodes: Sequence[Node]) -> Iterator[Node]:
    for node in nodes:
        if node.kind != "import":
            yield node
            yield from _members(node.inner if node.kind == "class" else ())


def _inside(lines: Sequence[str], node: Node) -> Sequence[str]:
    return lines[node.body if node.inner else node.first : node.last]


def flat(node: Node) -> list[Node]:
    """The node and all that stands in its blocks."""
    return [node, *(n for inner in node.inner for n in flat(inner))]


def reads(lines: Sequence[str]) -> dict[str, tuple[int, int]]:
    """For each word of the blocks and decorators the first and the last line that has it."""
    found: dict[str, tuple[int, int]] = {}
    for at, line in enumerate(lines):
        if line[:1] in (" ", "\t", "@"):
            for word in tokens(line):
                found[word] = (found.get(word, (at, at))[0], at)
    return found
