"""Functions, classes or a whole file of a reply, put in the place of what they replace.

What a reply says of a definition is its body. All else is the user's unless the reply says it
otherwise: decorators, defaults and annotations, docstring, comments, indentation, whatever stands
around it. A definition that the reply shows with an empty body stays as it is.
"""

from __future__ import annotations

import ast
import re
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from textwrap import dedent

from ml_coach.core.patches.lines import indent_of, indent_width, split_lines
from ml_coach.core.patches.making import changed_blocks
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
from ml_coach.core.python import syntax
from ml_coach.core.sanitizer.elisions import elision

_COMMENT = re.compile(r"""((?:[^#"']|"(?:\\.|[^"\\])*"|'(?:\\.|[^'\\])*')*)(#.*)""")
_STOPS = re.compile(r"\s*(?:#\s*)?(?:\.\.\.|…)")
_KINDS = re.compile(r"\s*(for|while|if|elif|with|try|return|raise|yield|async)\b")
_CALL = re.compile(r"(\w+)\s*\(| for ")


@dataclass(frozen=True, slots=True)
class NotMerged:
    """Why code could not be put into a file: the end of a sentence that begins with "The code"."""

    reason: str


@dataclass(frozen=True, slots=True)
class Merged:
    """The lines of the file with the code in it, and the text that the code takes the place of."""

    lines: list[str]
    removed: str


_Piece = tuple[int, int, list[str]]
"""Lines that take the place of those from the first number to the second (exclusive)."""


def merge(before: Sequence[str], code: str) -> Merged | NotMerged:
    """The lines `before` with the definitions, constants and imports of `code` in their places.

    Code that binds every name of the file is the file itself. Else definitions replace those of
    the same name, member by member in classes; a bare method goes to the one class that has it;
    what is new goes beside what it came with; loose calls, which show how it works, are left out.
    """
    lines = split_lines(dedent(code))
    complaint = syntax.complaint("\n".join(lines) + "\n")
    new, old = outline(lines), outline(before)
    if not any(map(_is_test, old)):
        # Tests that came with the program are none of it.
        for test in reversed([node for node in new if _is_test(node)]):
            del lines[test.first : test.last]
        while lines and not lines[-1].strip():
            lines.pop()
        new = outline(lines)
    new = _without_examples(new, old)
    if not any(node.keys for node in new):
        return NotMerged("defines nothing.")
    if complaint and not _is_newer(complaint):
        return NotMerged(f"does not compile: {complaint}.")
    merger = Merger(before, lines)
    if merger.is_whole(old, new):
        merger.whole()
    else:
        merger.place(old, new, None)
    if merger.problem:
        return NotMerged(merger.problem)
    if not merger.pieces:
        kept = ", ".join(dict.fromkeys(merger.kept))
        return NotMerged(
            f"leaves out the body of {kept}." if kept else "changes nothing of the file."
        )
    return merger.merged()


def _without_examples(new: Sequence[Node], old: Sequence[Node]) -> Sequence[Node]:
    """The statements without new names that only loose calls use: they show how the code works."""
    if not any(node.kind in ("other", "guard") for node in new):
        return new
    known = set(bound(old))
    code = "\n".join(n.code for node in new if node.kind in ("def", "class") for n in _flat(node))
    used = known | set(tokens(code))
    return [node for node in new if node.kind != "name" or used & set(node.keys)]


def _is_newer(complaint: str) -> bool:
    """Whether the parser's complaint may be about syntax that is newer than this Python."""
    return bool(re.search(r"in `(?:type \w|(?:async )?(?:def|class) \w+\[|.*f[\"'])", complaint))


@dataclass(slots=True)
class Merger:
    before: Sequence[str]
    code: list[str]
    pieces: list[_Piece] = field(default_factory=list[_Piece])
    kept: list[str] = field(default_factory=list[str])
    problem: str = ""

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
        """Whether the code has all that the file has: names, imports, bodies, loose statements."""
        mine, theirs = Counter(bound(old)), Counter(bound(new))
        empty = Counter(name for name, node in definitions(new) if is_empty(node))
        empty -= Counter(name for name, node in definitions(old) if is_empty(node))
        loose = Counter(node.kind for node in old if node.kind in ("other", "guard"))
        loose -= Counter(node.kind for node in new)
        return mine.total() > 1 and not mine - theirs and not empty and not loose

    def whole(self) -> None:
        """The file as the code has it, with the comments that the code only lacks."""
        unit = self._reindented(self.code, "", "")
        merged = self._blended(list(self.before), unit, ())
        if merged != list(self.before):
            self.pieces.append((0, len(self.before), merged))

    def place(self, old: Sequence[Node], new: Sequence[Node], owner: Node | None) -> None:
        """Finds the place of each new statement: all at the top, or all in the class `owner`."""
        waiting: list[str] = []
        end = -1
        for node in new:
            if node.kind == "import" and owner is None:
                self.add_import(old, node)
            if node.kind in ("guard", "other", "import"):
                continue
            target = self._target(old, new, node, owner)
            if target is None:
                waiting += self._source(node, owner)
                continue
            around = next((o for o in old if o.first <= target.first < o.last), target)
            if waiting:
                gap = [""] * (1 if owner else 2) if waiting[-1] else []
                self.pieces.append((around.first, around.first, [*waiting, *gap]))
                waiting = []
            self._replace(target, node)
            end = around.last
        if waiting:
            self._append(old, owner, waiting, end)

    def _target(
        self, old: Sequence[Node], new: Sequence[Node], node: Node, owner: Node | None
    ) -> Node | None:
        """What the new statement takes the place of; of several as many as the reply has, too."""
        places = [o for o in old if set(o.keys) & set(node.keys) and o.kind != "import"]
        if owner is None and not places and node.kind == "def":
            places = [member for _, member in definitions(old) if member.keys == node.keys]
            if len(places) > 1:
                self.problem = f"defines {node.name}, which has no one place in the file."
        same = [n for n in new if n.keys == node.keys]
        if len(places) > 1 and len(same) == len(places):
            return places[same.index(node)]
        return places[-1] if places else None

    def _replace(self, old: Node, new: Node) -> None:
        if new.kind == "class" and old.kind == "class":
            self._class(old, new)
        elif new.kind == "def" and old.kind == "def":
            if is_empty(new) and not is_empty(old):
                self.kept.append(new.name)
                return
            if is_async(old) and not is_async(new):
                self.problem = f"shows {new.name} without its `async`."
            if name := _unbound(self.before[old.first : old.last], self.code[new.first : new.last]):
                self.problem = f"uses `{name}`, but leaves out the lines that set it."
            self.put(old, self.fitted(old, new))
        elif old.kind == new.kind == "name":
            source = self._reindented(self.code[new.first : new.last], new.indent, old.indent)
            same = tokens("\n".join(source)) == tokens("\n".join(self.before[old.first : old.last]))
            if not same:
                self.put(old, source)
        else:
            self.problem = f"makes {new.name} another kind of thing than it is in the file."

    def put(self, old: Node, source: list[str]) -> None:
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
        gap = ([""] if owner else ["", ""]) if end else []
        self.pieces.append((end, end, [*gap, *waiting]))

    def add_import(self, old: Sequence[Node], new: Node) -> None:
        known = {text for node in old for n in _flat(node) for _, text in imported(n.code)}
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

    def fitted(self, old: Node, new: Node, *, body_only: bool = False) -> list[str]:
        """The user's definition with the body of the reply's."""
        mine, theirs = list(self.before), self.code
        own, own_body = _split(mine, old)
        head, body = _split(theirs, new)
        head = self._reindented(head, new.indent, old.indent)
        fewer = not tokens("\n".join(head)) - tokens("\n".join(own))
        if body_only or (fewer and own[-1].rstrip().endswith(":") and ":" in old.code):
            head = own
        decorators = self._reindented(theirs[new.first : new.head], new.indent, old.indent)
        if not decorators or body_only:
            decorators = mine[old.first : old.head]
        unit = old.inner[0].indent if old.inner else old.indent + _unit(mine)
        written = new.inner[0].indent if new.inner else indent_of(body[0])
        documented, theirs_documented = _docstring(old), _docstring(new)
        if documented and theirs_documented and (body_only or is_empty(old)):
            body = body[theirs_documented:]
        body = self._reindented(body, written, unit)
        if is_empty(old):
            rest = own_body[documented:]
            remarks = [line for line in rest if line.lstrip().startswith("#") and line not in body]
            return [*decorators, *head, *own_body[:documented], *remarks, *body]
        return [*decorators, *head, *self._blended(own_body, body, range(documented))]

    def _reindented(self, lines: Iterable[str], written: str, wanted: str) -> list[str]:
        """The lines with the indentation of the file: its start, its unit, tabs or spaces."""
        lines = list(lines)
        theirs, ours = indent_width(_unit(self.code)), _unit(self.before)
        kept = _in_strings(lines)
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

    def _blended(self, old: list[str], new: list[str], docstring: Iterable[int]) -> list[str]:
        """`new` with the user's comments and spelling, where it says nothing else.

        Sets `problem` where a mark in `new` stands for lines of `old` that it leaves out.
        """
        code = [_code_of(line) for line in old]
        documented = set(docstring)
        said = [bool(text) and at not in documented for at, text in enumerate(code)]
        blocks = changed_blocks([_key(line) for line in old], [_key(line) for line in new])
        result: list[str] = []
        at = k = 0
        for a, b, c, d in [*blocks, (len(old), len(old), len(new), len(new))]:
            for mine, theirs in zip(old[at:a], new[k:c], strict=True):
                result.append(theirs if "#" in theirs and "#" not in mine else mine)
            come = new[c:d]
            lead = next((n for n in range(a, b) if said[n]), b)
            silent = any(line.strip() for line in old[a:lead]) and not any(
                line.lstrip().startswith("#") for line in come
            )
            # Comments and a docstring that the reply only lacks stay above what follows them.
            if silent:
                speaks = any(map(_code_of, come))
                come = [*old[a:lead], *(line for line in come if speaks or line.strip())]
            result += come
            at, k = b, d
        if mark := _left_out(old, new):
            self.problem = self.problem or f"leaves out lines: `{mark}`."
        return result


def _unbound(old: Sequence[str], new: Sequence[str]) -> str:
    """A local name that a function reads but only its older text sets, empty where none is."""
    trees = [syntax.parse(dedent("\n".join(lines)) + "\n") for lines in (old, new)]
    sets: list[set[str]] = []
    for tree in trees:
        parts = list(syntax.walk(tree)) if tree else []
        sets.append(
            {n.id for n in parts if isinstance(n, ast.Name) and isinstance(n.ctx, ast.Store)}
            | {n.arg for n in parts if isinstance(n, ast.arg)}
            | {name for n in parts if isinstance(n, ast.stmt) for name in syntax.bindings(n)}
        )
    read = syntax.loads(trees[1]) if trees[1] else frozenset[str]()
    return min((sets[0] - sets[1]) & read, default="")


def _key(line: str) -> str:
    """What two lines have to share to be the same: their code, or a comment that stands alone."""
    return _code_of(line) or line.strip()


def _is_test(node: Node) -> bool:
    return node.kind in ("def", "class") and node.name.startswith(("test", "Test"))


def _flat(node: Node) -> list[Node]:
    return [node, *(n for inner in node.inner for n in _flat(inner))]


def _split(lines: Sequence[str], node: Node) -> tuple[list[str], list[str]]:
    """A function's signature and its body, also where both are in one line."""
    head, body = list(lines[node.head : node.body]), list(lines[node.body : node.last])
    tree = None if node.inner else syntax.parse(dedent("\n".join(head)) + "\n")
    first = tree.body[0] if tree and tree.body else None
    if not isinstance(first, ast.FunctionDef | ast.AsyncFunctionDef):
        return head, body
    at, column = first.body[0].lineno - 1, first.body[0].col_offset + len(node.indent)
    suite = node.indent + "    " + head[at].encode()[column:].decode()
    head[at] = head[at].encode()[:column].decode().rstrip()
    return head[: at + 1], [suite, *head[at + 1 :], *body]


def _docstring(node: Node) -> int:
    """How many lines at the beginning of a function's body are its docstring."""
    first = node.inner[0] if node.inner else None
    return first.last - node.body if first and re.match(r"\s*[rRuU]?\"\"\s*$", first.code) else 0


def _code_of(line: str) -> str:
    """A line without its comment; empty for a line that is nothing else."""
    if "#" in line and (match := _COMMENT.match(line)):
        line = match[1]
    return line.rstrip()


def _left_out(old: Sequence[str], new: Sequence[str]) -> str:
    """The comment or the dots in `new` that stand for lines of `old`, empty where nothing does.

    By structure, whatever the language: a mark that the user does not have stands alone where
    statements of the user's were, or a loop or branch is gone and nothing computes in its place.
    """
    known = {line.strip() for line in old} | {_comment_of(line) for line in old}
    had = Counter(match[1] for line in old if (match := _KINDS.match(line)))
    has = Counter(match[1] for line in new if (match := _KINDS.match(line)))
    lines = {_code_of(line) for line in old}
    added = [line for line in new if _code_of(line) and _code_of(line) not in lines]
    calls = set(_CALL.findall("\n".join(map(_code_of, old))))
    computes = set(_CALL.findall("\n".join(map(_code_of, added)))) - calls
    fewer = bool(had - has) and not computes
    shorter = sum(map(bool, map(_code_of, new))) < sum(map(bool, map(_code_of, old)))
    for at, line in enumerate(new):
        comment = _comment_of(line)
        alone = line.strip() in (comment, "...", "…", "pass") and bool(line.strip())
        if line.strip() in known or not (comment or alone) or (comment and comment in known):
            continue
        follows = next((text for text in new[at + 1 :] if _code_of(text)), "")
        explains = follows in added and re.match(r"\s*(?:return|raise|yield)\b", follows)
        last = not any(map(_code_of, new[at + 1 :])) and bool(
            had - has or lines - set(map(_code_of, new))
        )
        if alone and (_STOPS.match(line) or last or (shorter and elision(line))) and len(lines) > 1:
            return line.strip()
        if fewer and not explains and (alone or _code_of(line) in lines):
            return line.strip()
    return ""


def _comment_of(line: str) -> str:
    match = _COMMENT.match(line) if "#" in line else None
    return match[2].strip() if match else ""


def _unit(lines: Sequence[str]) -> str:
    """One level of indentation as the lines have it: the shortest of their indents."""
    inside = _in_strings(lines)
    indents = {
        indent_of(line) for at, line in enumerate(lines) if line.strip() and at not in inside
    }
    indents.discard("")
    return min(indents, key=indent_width, default="    ")


def _in_strings(lines: Sequence[str]) -> set[int]:
    """The lines that begin within a string in triple quotes: to indent them would change it."""
    inside: set[int] = set()
    quote = ""
    for at, line in enumerate(lines):
        if quote:
            inside.add(at)
        rest = line
        while True:
            if quote:
                _, found, rest = rest.partition(quote)
                if not found:
                    break
                quote = ""
            match = re.search(r"#|\"\"\"|'''|\"(?:\\.|[^\"\\])*\"|'(?:\\.|[^'\\])*'", rest)
            if not match or match[0] == "#":
                break
            rest = rest[match.end() :]
            quote = match[0] if match[0] in ('"""', "'''") else ""
    return inside


def end_of_imports(old: Sequence[Node], lines: Sequence[str], *, future: bool) -> int:
    """The line after the imports at the top, or after docstring or comments if there are none."""
    at = syntax.end_of_top(lines)
    for index, node in enumerate(old):
        docstring = index == 0 and re.match(r"[rRuU]?(?:\"\"|'')\s*$", node.code)
        if not docstring and (node.kind != "import" or (future and "__future__" not in node.code)):
            break
        at = node.last
    return at
