"""Functions, classes or a whole file of a reply, put in the place of what they replace.

What a reply says of a definition is its body. All else is the user's unless the reply says it
otherwise: decorators, defaults and annotations, docstring, comments, indentation, whatever stands
around it. A definition that the reply shows with an empty body stays as it is.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass, field
from textwrap import dedent

from ml_coach.core.patches.bodies import (
    blended,
    docstring,
    documented,
    indent_unit,
    left_out,
    split,
)
from ml_coach.core.patches.lines import indent_of, indent_width, split_lines
from ml_coach.core.patches.outline import (
    Node,
    bound,
    definitions,
    imported,
    is_async,
    is_empty,
    outline,
    tokens,
)
from ml_coach.core.patches.targets import Targets, flat, reads, renamed
from ml_coach.core.python import syntax
from ml_coach.core.python.scanning import in_strings


@dataclass(frozen=True, slots=True)
class NotMerged:
    """Why code could not be put into a file: the end of a sentence that begins with "The code"."""

    reason: str


@dataclass(frozen=True, slots=True)
class Merged:
    """The lines of the file with the code in it, and the text that it takes the place of."""

    lines: list[str]
    removed: str


_Piece = tuple[int, int, list[str]]
"""Lines that take the place of those from the first number to the second (exclusive)."""

_ITEM = re.compile(r"""\s*[^\W\d]\w*\s*(\[(?:[^='"]|'[^']*'|"[^"]*")*\])\s*(?::[^=]*)?=(?!=)""")


def merge(before: Sequence[str], code: str) -> Merged | NotMerged:
    """The lines `before` with the definitions, constants and imports of `code` in their places.

    Code that binds every name of the file is the file itself. Else definitions replace those of
    the same name, member by member in classes; a bare method goes to the one class that has it;
    what is new goes beside what it came with; loose calls, which show how it works, are left out.
    """
    lines = split_lines(dedent(code))
    complaint = syntax.complaint("\n".join(lines) + "\n")
    if not any(map(_is_test, outline(before))):
        _remove_tests(lines)
    new = outline(lines)
    if not any(node.keys for node in new):
        return NotMerged("defines nothing.")
    if complaint and not _is_newer(complaint):
        return NotMerged(f"does not compile: {complaint}.")
    if names := renamed(before, lines):
        return NotMerged(f"has {names[1]} for {names[0]}, which it does not define.")
    old = outline(before)
    merger = Merger(before, lines)
    if merger.is_whole(old, new):
        merger.whole()
    else:
        merger.place(old, new, None)
    if merger.problem:
        return NotMerged(merger.problem)
    if merger.adds_only_imports and any(node.kind not in ("import", "guard") for node in new):
        return NotMerged("is no part of the file: nothing but its imports would be taken.")
    if not merger.pieces:
        kept = ", ".join(dict.fromkeys(merger.kept))
        return NotMerged(
            f"leaves out the body of {kept}." if kept else "changes nothing of the file."
        )
    return merger.merged()


def _remove_tests(lines: list[str]) -> None:
    """Removes the tests that came with a program: they are none of it."""
    for test in reversed([node for node in outline(lines) if _is_test(node)]):
        del lines[test.first : test.last]
    while lines and not lines[-1].strip():
        lines.pop()


def _is_newer(complaint: str) -> bool:
    """Whether the parser's complaint may be about syntax that is newer than this Python."""
    return bool(re.search(r"in `(?:type \w|(?:async )?(?:def|class) \w+\[|.*f[\"'])", complaint))


@dataclass(slots=True)
class Merger:
    before: Sequence[str]
    code: list[str]
    pieces: list[_Piece] = field(default_factory=list[_Piece])
    placed: dict[int, list[str]] = field(default_factory=dict[int, list[str]])
    kept: list[str] = field(default_factory=list[str])
    problem: str = ""
    imports: set[str] = field(default_factory=set[str])  # what the file imports already
    added_imports: int = 0
    reads: dict[str, tuple[int, int]] = field(init=False)  # where the reply's blocks name a word

    def __post_init__(self) -> None:
        self.reads = reads(self.code)

    @property
    def adds_only_imports(self) -> bool:
        """Whether imports are all that the file gets of the code."""
        return bool(self.pieces) and len(self.pieces) == self.added_imports

    def merged(self) -> Merged:
        lines = list(self.before)
        removed: list[str] = []
        # From the bottom up, so that numbers of what is still to come stay true; of two pieces
        # for one place the later one first, which then is below the other.
        for first, end, source in sorted(self.pieces[::-1], key=lambda p: p[:2], reverse=True):
            removed += lines[first:end]
            lines[first:end] = source
        return Merged(lines, "\n".join(removed))

    def is_whole(self, old: Sequence[Node], new: Sequence[Node]) -> bool:
        """Whether the code has all that the file has: names, imports, bodies, loose statements,
        decorators. What lacks one of these is put in by its parts, so that the rest stays."""
        mine, theirs = Counter(bound(old)), Counter(bound(new))
        mine.update(_decorators(self.before, old))
        theirs.update(_decorators(self.code, new))
        empty = Counter(name for name, node in definitions(new) if is_empty(node))
        empty -= Counter(name for name, node in definitions(old) if is_empty(node))
        loose = Counter(node.kind for node in old if node.kind in ("other", "guard"))
        loose -= Counter(node.kind for node in new)
        return mine.total() > 1 and not mine - theirs and not empty and not loose

    def whole(self) -> None:
        """The file as the code has it, with the comments that the code only lacks.

        Statements that run at once are part of a script; below definitions alone they are examples.
        """
        known, loose = (
            [node.code for node in outline(text) if node.kind == "other" and "(" in node.code]
            for text in (self.before, self.code)
        )
        if loose and not known:
            self.problem = f"runs `{loose[0][:60]}` when it is imported, unlike the file."
        unit = self._reindented(self.code, "", "")
        merged = self._blended(list(self.before), unit, documented(self.before), documented(unit))
        if merged != list(self.before):
            self.pieces.append((0, len(self.before), merged))

    def place(self, old: Sequence[Node], new: Sequence[Node], owner: Node | None) -> None:
        """Finds the place of each new statement: all at the top, or all in the class `owner`."""
        waiting: list[str] = []
        end = -1
        targets = Targets(old, new)
        for node in new:
            if node.kind == "import" and owner is None:
                self.add_import(old, node)
            if node.kind in ("guard", "other", "import"):
                continue
            target = self._target(targets, node, owner)
            if target is None and owner is None and _is_method(node):
                self.problem = f"shows the method {node.name} without its class."
            if target is None and node.kind == "name" and not self._is_read(node, owner):
                continue  # a variable of an example
            if target is None:
                waiting += self._source(node, owner)
                continue
            around = targets.around(target)
            if waiting:
                gap = [""] * (1 if owner else 2) if waiting[-1] else []
                self.pieces.append((around.first, around.first, [*waiting, *gap]))
                waiting = []
            self._replace(target, node)
            end = around.last
        if waiting:
            self._append(old, owner, waiting, end)

    def _is_read(self, node: Node, owner: Node | None) -> bool:
        """Whether other statements of the code name a new variable, or it is a class's or a
        constant."""
        if owner or node.name.isupper() or not self.before:
            return True
        found = (self.reads[key] for key in node.keys if key in self.reads)
        return any(first < node.first or last >= node.last for first, last in found)

    def _target(self, targets: Targets, node: Node, owner: Node | None) -> Node | None:
        """What the new statement takes the place of; of several as many as the reply has, too."""
        places = targets.binding(node.keys)
        if node.kind == "name":  # `T["a"] = 1` sets another thing than `T = {}` and `T["b"] = 1`.
            item = _item(self.code[node.head])
            places = [p for p in places if p.kind != "name" or _item(self.before[p.head]) == item]
        if owner is None and not places and node.kind == "def":
            places = targets.inside(node.keys)
            if len(places) > 1:
                self.problem = (
                    f"defines {node.name}, which has no one place in the file; show its class."
                )
        fitting = targets.fitting(places, node)
        if places and not fitting:
            self.problem = f"shows {node.name} without its decorator."
        return targets.chosen(fitting, node)

    def _replace(self, old: Node, new: Node) -> None:
        if new.kind == "class" and old.kind == "class":
            self._class(old, new)
        elif new.kind == "def" and old.kind == "def":
            if is_empty(new) and not is_empty(old):
                self.kept.append(new.name)
                return
            if is_async(old) and not is_async(new):
                self.problem = f"shows {new.name} without its `async`."
            self.put(old, self.fitted(old, new))
        elif old.kind == new.kind == "name":
            source = self._reindented(self.code[new.first : new.last], new.indent, old.indent)
            same = tokens("\n".join(source)) == tokens("\n".join(self.before[old.first : old.last]))
            lost = tokens("\n".join(self.before[old.first : old.last])) - tokens("\n".join(source))
            marks = [line for line in source if line.lstrip().startswith("#")]
            if marks and any(word.isidentifier() for word in lost):
                self.problem = f"leaves out lines: `{marks[0].strip()}`."
            if not same:
                self.put(old, source)
        else:
            self.problem = f"makes {new.name} another kind of thing than it is in the file."

    def put(self, old: Node, source: list[str]) -> None:
        if self.placed.setdefault(old.first, source) != source:
            self.problem = f"shows {old.name} twice, in different ways."
        if source != list(self.before[old.first : old.last]):
            self.pieces.append((old.first, old.last, source))

    def _class(self, old: Node, new: Node) -> None:
        """Member by member; the head as the reply has it, unless it only has less of it."""
        head = self._reindented(self.code[new.first : new.body], new.indent, old.indent)
        mine = list(self.before[old.first : old.body])
        dropped = tokens("\n".join(mine)) - tokens("\n".join(head))
        if tokens("\n".join(head)) - tokens("\n".join(mine)):
            if dropped - Counter({"(": 1, ")": 1, ",": 9, "@": 9}):
                self.problem = f"has not the whole head of class {old.name}."
                return
            self.pieces.append((old.first, old.body, head))
        self.place(old.inner, new.inner, old)

    def _source(self, node: Node, owner: Node | None) -> list[str]:
        """A new definition, with the blank lines that go before or after it."""
        first = node.first
        while first and self.code[first - 1].lstrip().startswith("#"):
            first -= 1
        inset = self._member_indent(owner) if owner else ""
        gap = [""] if owner else ["", ""] if node.kind in ("def", "class") else []
        return [*self._reindented(self.code[first : node.last], node.indent, inset), *gap]

    def _member_indent(self, owner: Node) -> str:
        return owner.inner[0].indent if owner.inner else owner.indent + "    "

    def _append(
        self, old: Sequence[Node], owner: Node | None, waiting: list[str], end: int
    ) -> None:
        while waiting and not waiting[-1]:
            waiting.pop()
        if end < 0 and owner:
            end = owner.last
        elif end < 0:
            ends = [node.last for node in old if node.kind in ("def", "class")]
            end = max(ends, default=old[-1].last if old else len(self.before))
        gap = [""] if owner else ["", ""] if end else []
        self.pieces.append((end, end, [*gap, *waiting]))

    def add_import(self, old: Sequence[Node], new: Node) -> None:
        if not self.imports:
            self.imports = {text for o in old for n in flat(o) for _, text in imported(n.code)}
        known = self.imports
        wanted = [text for _, text in imported(new.code) if text not in known]
        taken = set(bound(old))
        if any(name in taken for name, text in imported(new.code) if text in wanted):
            return  # the file has another thing of that name
        if wanted:
            at = end_of_imports(old, self.before, future="__future__" in new.code)
            source = self.code[new.first : new.last]
            if len(wanted) < len(list(imported(new.code))):
                source = [
                    ("" if text.startswith(" ") else "from ") + text.strip() for text in wanted
                ]
            self.pieces.insert(0, (at, at, source))
            self.added_imports += 1

    def fitted(self, old: Node, new: Node, *, body_only: bool = False) -> list[str]:
        """The user's definition with the body of the reply's."""
        mine, theirs = list(self.before), self.code
        own, own_body = split(mine, old)
        head, body = split(theirs, new)
        head = self._reindented(head, new.indent, old.indent)
        fewer = not tokens("\n".join(head)) - tokens("\n".join(own))
        if body_only or (fewer and own[-1].rstrip().endswith(":") and ":" in old.code):
            head = own
        decorators = self._reindented(theirs[new.first : new.head], new.indent, old.indent)
        fewer = not tokens("\n".join(decorators)) - tokens("\n".join(mine[old.first : old.head]))
        if fewer or body_only:
            decorators = mine[old.first : old.head]
        unit = old.inner[0].indent if old.inner else old.indent + indent_unit(mine)
        written = new.inner[0].indent if new.inner else indent_of(body[0])
        has_docs, brings_docs = docstring(old), docstring(new)
        if has_docs and brings_docs and (body_only or is_empty(old)):
            body, brings_docs = body[brings_docs:], 0
        body = self._reindented(body, written, unit)
        if not old.inner and len(body) == 1 and (is_empty(new) or not new.inner):
            # What the user has in one line stays in one.
            suite = self._blended(own_body, body)[-1].strip()
            return [*decorators, *head[:-1], f"{head[-1]} {suite}"]
        if is_empty(old):
            rest = own_body[has_docs:]
            remarks = [line for line in rest if line.lstrip().startswith("#") and line not in body]
            return [*decorators, *head, *own_body[:has_docs], *remarks, *body]
        docs = range(has_docs), range(brings_docs)
        return [*decorators, *head, *self._blended(own_body, body, *docs)]

    def _blended(self, old: list[str], new: list[str], *docs: Collection[int]) -> list[str]:
        if mark := left_out(old, new):
            self.problem = self.problem or f"leaves out lines: `{mark}`."
        return blended(old, new, *docs)

    def _reindented(self, lines: Iterable[str], written: str, wanted: str) -> list[str]:
        """The lines with the indentation of the file: its start, its unit, tabs or spaces."""
        lines = list(lines)
        theirs, ours = indent_width(indent_unit(self.code)), indent_unit(self.before)
        kept = in_strings(lines)
        result: list[str] = []
        for at, line in enumerate(lines):
            if not line.strip() or at in kept:
                result.append(line if at in kept else line.strip(" \t"))
                continue
            extra = indent_width(line) - indent_width(written)
            levels, rest = divmod(max(0, extra), theirs)
            if ours == "\t" or "\t" in wanted:
                inset = wanted + "\t" * levels + " " * rest
            else:
                inset = wanted + " " * (levels * len(ours) + rest)
            result.append(inset + line.lstrip(" \t"))
        return result


def _is_method(node: Node) -> bool:
    return node.kind == "def" and bool(re.search(r"\(\s*(?:self|cls)\b", node.code))


def _decorators(lines: Sequence[str], nodes: Sequence[Node]) -> list[str]:
    """The decorators of the definitions, each with the name that it stands above."""
    decorated = [n for node in nodes for n in flat(node) if n.kind in ("def", "class")]
    return [f"{lines[at].strip()} {n.name}" for n in decorated for at in range(n.first, n.head)]


def _item(line: str) -> str:
    """The brackets behind the name that a statement sets, empty for none."""
    match = _ITEM.match(line)
    return re.sub(r"\s", "", match[1]).replace('"', "'") if match else ""


def _is_test(node: Node) -> bool:
    return node.kind in ("def", "class") and node.name.startswith(("test", "Test"))


def end_of_imports(old: Sequence[Node], lines: Sequence[str], *, future: bool) -> int:
    """The line after the imports at the top, or after docstring or comments if there are none."""
    at = syntax.end_of_top(lines)
    for index, node in enumerate(old):
        docstring = index == 0 and re.match(r"[rRuU]?(?:\"\"|'')\s*$", node.code)
        if not docstring and (node.kind != "import" or (future and "__future__" not in node.code)):
            break
        at = node.last
    return at
