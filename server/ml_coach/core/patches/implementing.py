"""One body for one function: all that a reply may change when it implements a stub."""

from __future__ import annotations

import ast
from collections.abc import Iterator, Sequence
from textwrap import dedent

from ml_coach.core import replies
from ml_coach.core.changes import Patch, PatchRefused
from ml_coach.core.patches.bodies import function_in
from ml_coach.core.patches.edit_reading import read_patch
from ml_coach.core.patches.guard import objection
from ml_coach.core.patches.line_endings import Text
from ml_coach.core.patches.lines import split_lines
from ml_coach.core.patches.making import make_patch
from ml_coach.core.patches.merging import Merger
from ml_coach.core.patches.outline import Node, is_empty, outline


def read_body(text: str, source: str, function: str, file: str) -> Patch | PatchRefused:
    """The patch that gives the stub `function` of `source` the body that a raw reply has for it.

    `function` is its name, with those of the classes and functions around it: `Cart.add`. The
    signature, decorators, docstring and comments stay the user's. Beside the body only new imports
    are taken. A reply with other parameters is refused, as its body may read them.
    """
    target = Text.of(source)
    stub = _found(outline(target.lines), function)
    if stub is None:
        return PatchRefused(f"{file} has no function `{function}`.")
    codes = [s.text for s in replies.read(text).of("program")]
    if not codes:
        patch = read_patch(text, {file: source}, default_file=file)
        if isinstance(patch, PatchRefused):
            return patch
        codes = [change.after or "" for change in patch.changes if change.file == file]
    bodies = list(_bodies(codes, function))
    if len({"\n".join(lines[n.head : n.last]) for lines, n in bodies}) != 1:
        problem = "shows more than one body for" if bodies else "does not implement"
        return PatchRefused(f"The reply {problem} `{function}`.")
    lines, node = bodies[-1]
    theirs = function_in(lines[node.first : node.last])
    mine = function_in(target.lines[stub.first : stub.last])
    # In newer syntax than ours there are no trees: what is undefined then, the guard refuses.
    if theirs and mine and _parameters(theirs.args) != _parameters(mine.args):
        named = ", ".join(name for _, name in _parameters(mine.args))
        return PatchRefused(f"`{function}` has other parameters in the reply; use {named}.")
    merger = Merger(target.lines, lines)
    for part in outline(lines):
        if part.kind == "import":
            merger.add_import(outline(target.lines), part)
    merger.put(stub, merger.fitted(stub, node, body_only=True))
    merged = merger.merged()
    after = target.with_lines(merged.lines)
    problem = merger.problem or objection(file, source, after, merged.removed)
    if problem or after == source:
        return PatchRefused(f"The body in the reply {problem or 'is the one that is there.'}")
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


def _parameters(arguments: ast.arguments) -> list[tuple[str, str]]:
    """Each parameter in its order, with the marks before its name."""
    found = [("", a.arg) for a in (*arguments.posonlyargs, *arguments.args, *arguments.kwonlyargs)]
    starred = (("*", arguments.vararg), ("**", arguments.kwarg))
    return found + [(marks, a.arg) for marks, a in starred if a]
