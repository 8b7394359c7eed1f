"""One body for one function: all that a reply may change when it implements a stub."""

from __future__ import annotations

import ast
from collections.abc import Iterator, Sequence
from textwrap import dedent

from ml_coach.core import replies
from ml_coach.core.changes import Patch, PatchRefused
from ml_coach.core.patches.edit_reading import read_patch
from ml_coach.core.patches.guard import objection
from ml_coach.core.patches.line_endings import Text
from ml_coach.core.patches.lines import split_lines
from ml_coach.core.patches.making import make_patch
from ml_coach.core.patches.merging import Merger
from ml_coach.core.patches.outline import Node, is_empty, outline
from ml_coach.core.python import syntax


def read_body(text: str, source: str, function: str, file: str) -> Patch | PatchRefused:
    """The patch that gives the stub `function` of `source` the body that a raw reply has for it.

    `function` is its name, with those of the classes and functions around it: `Cart.add`. The
    signature, decorators, docstring and comments stay the user's; parameters that the reply calls
    otherwise are renamed in its body. Beside the body only new imports are taken.
    """
    target = Text.of(source)
    stub = _found(outline(target.lines), function)
    if stub is None:
        return PatchRefused(f"{file} has no function `{function}`.", file)
    codes = [s.text for s in replies.read(text).of("program")]
    if not codes:
        patch = read_patch(text, {file: source}, default_file=file)
        if isinstance(patch, PatchRefused):
            return patch
        codes = [change.after or "" for change in patch.changes if change.file == file]
    bodies = list(_bodies(codes, function))
    if len({"\n".join(lines[n.head : n.last]) for lines, n in bodies}) != 1:
        problem = "shows more than one body for" if bodies else "does not implement"
        return PatchRefused(f"The reply {problem} `{function}`.", file)
    lines, node = bodies[-1]
    renamed = _renamed(lines, node, target.lines, stub)
    if renamed is None:
        return PatchRefused(f"The reply's `{function}` has other parameters.", file)
    merger = Merger(target.lines, renamed)
    for part in outline(renamed):
        if part.kind == "import":
            merger.add_import(outline(target.lines), part)
    merger.put(stub, merger.fitted(stub, node, body_only=True))
    merged = merger.merged()
    after = target.with_lines(merged.lines)
    problem = merger.problem or objection(file, source, after, merged.removed)
    if problem or after == source:
        return PatchRefused(f"The body in the reply {problem or 'is the one that is there.'}", file)
    return make_patch({file: source}, {file: after})


def _bodies(codes: Sequence[str], function: str) -> Iterator[tuple[list[str], Node]]:
    """The function with a body in each code that has it, with the code's lines."""
    for code in codes:
        lines = split_lines(dedent(code.replace("\r\n", "\n")))
        nodes = outline(lines)
        node = _found(nodes, function) or _found(nodes, function.rpartition(".")[2])
        if node is not None and not is_empty(node):
            yield lines, node


def _found(nodes: Sequence[Node], path: str) -> Node | None:
    """The function at `path`; of several with its name the empty one, else the last."""
    name, _, rest = path.partition(".")
    found = [n for n in _all(nodes) if n.name == name and n.kind in ("def", "class")]
    if rest:
        inner = (_found(node.inner, rest) for node in found)
        return next((node for node in inner if node is not None), None)
    found = [node for node in found if node.kind == "def"]
    return next((n for n in found if is_empty(n)), found[-1]) if found else None


def _all(nodes: Sequence[Node]) -> Iterator[Node]:
    for node in nodes:
        yield node
        if node.kind in ("other", "guard"):
            yield from _all(node.inner)


def _renamed(lines: list[str], node: Node, target: Sequence[str], stub: Node) -> list[str] | None:
    """The reply's lines with the user's names for the parameters; None where they do not match."""
    theirs, mine = _definition(lines, node), _definition(target, stub)
    if theirs is None or mine is None:
        return lines  # newer syntax than ours: the compiler has the last word
    one, other = _parameters(theirs.args), _parameters(mine.args)
    if [kind for kind, _ in one] != [kind for kind, _ in other]:
        return None
    names = {a: b for (_, a), (_, b) in zip(one, other, strict=True) if a != b}
    if not names:
        return lines
    used = {n.id for part in theirs.body for n in ast.walk(part) if isinstance(n, ast.Name)}
    inner = {n.arg for part in theirs.body for n in ast.walk(part) if isinstance(n, ast.arg)}
    strings = [n for part in theirs.body for n in ast.walk(part) if isinstance(n, ast.JoinedStr)]
    in_strings = {n.id for s in strings for n in ast.walk(s) if isinstance(n, ast.Name)}
    if (set(names.values()) & used) or names.keys() & (inner | in_strings):
        return None
    result = list(lines)
    found = [n for part in theirs.body for n in ast.walk(part) if isinstance(n, ast.Name)]
    inset = len(lines[node.head]) - len(lines[node.head].lstrip())
    for name in sorted(found, key=lambda n: (n.lineno, n.col_offset), reverse=True):
        if name.id in names:
            at = node.first + name.lineno - 1
            raw = result[at].encode()
            begin = inset + name.col_offset
            end = begin + len(name.id.encode())
            result[at] = (raw[:begin] + names[name.id].encode() + raw[end:]).decode()
    return result


def _definition(lines: Sequence[str], node: Node) -> ast.FunctionDef | ast.AsyncFunctionDef | None:
    tree = syntax.parse(dedent("\n".join(lines[node.first : node.last])) + "\n")
    first = tree.body[0] if tree and tree.body else None
    return first if isinstance(first, ast.FunctionDef | ast.AsyncFunctionDef) else None


def _parameters(arguments: ast.arguments) -> list[tuple[str, str]]:
    """Each parameter with its kind; those that are passed by name have it for a kind."""
    found = [("positional", a.arg) for a in (*arguments.posonlyargs, *arguments.args)]
    found += [(a.arg, a.arg) for a in arguments.kwonlyargs]
    starred = (("*", arguments.vararg), ("**", arguments.kwarg))
    return found + [(kind, a.arg) for kind, a in starred if a]
