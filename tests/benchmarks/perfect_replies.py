"""The fix of a real bug as a perfect model's reply, in three formats."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from difflib import SequenceMatcher
from typing import Literal

from ml_coach.core.patches import make_patch

Format = Literal["functions", "search", "diff"]
FORMATS: tuple[Format, ...] = ("functions", "search", "diff")
_CONTEXT = 3
_Definition = ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef


def reply(kind: Format, before: dict[str, str], after: dict[str, str]) -> str:
    """What a model that knows the fix says."""
    changed = {file: text for file, text in after.items() if before[file] != text}
    match kind:
        case "functions":
            blocks = [
                f"`{file}`:\n\n```python\n{_functions(before[file], text)}\n```\n"
                for file, text in changed.items()
            ]
        case "search":
            blocks = [
                f"{file}\n{block}"
                for file, text in changed.items()
                for block in _search_blocks(before[file], text)
            ]
        case "diff":
            patch = make_patch({file: before[file] for file in changed}, {**changed})
            blocks = [f"```diff\n{patch.text}```\n"]
    return "The code is wrong here.\n\n" + "\n".join(blocks)


def _search_blocks(before: str, after: str) -> Iterator[str]:
    old, new = before.splitlines(), after.splitlines()
    matcher = SequenceMatcher(None, old, new, autojunk=False)
    for group in matcher.get_grouped_opcodes(_CONTEXT):
        removed = old[group[0][1] : group[-1][2]]
        added = new[group[0][3] : group[-1][4]]
        lines = ["<<<<<<< SEARCH", *removed, "=======", *added, ">>>>>>> REPLACE"]
        yield "\n".join(lines) + "\n"


def _functions(before: str, after: str) -> str:
    """Each definition and statement at the top that the fix changes; of a class its head and what
    changes in it."""
    return "\n\n\n".join(_changed(ast.parse(before), before, ast.parse(after), after, 0))


def _changed(
    old: ast.Module | ast.ClassDef,
    before: str,
    new: ast.Module | ast.ClassDef,
    after: str,
    depth: int,
) -> Iterator[str]:
    known = {_text(node, before) for node in old.body}
    classes = {node.name: node for node in old.body if isinstance(node, ast.ClassDef)}
    for node in new.body:
        text = _text(node, after)
        if text in known:
            continue
        if isinstance(node, ast.ClassDef) and node.name in classes:
            first = node.body[0]
            start = min([node.lineno, *(d.lineno for d in node.decorator_list)])
            head = "\n".join(after.splitlines()[start - 1 : _first(first) - 1]).rstrip()
            inner = list(_changed(classes[node.name], before, node, after, depth + 1))
            yield "\n\n".join([head, *inner])
        else:
            yield text


def _first(node: ast.stmt) -> int:
    marks = node.decorator_list if isinstance(node, _Definition) else []
    return min([node.lineno, *(mark.lineno for mark in marks)])


def _text(node: ast.stmt, source: str) -> str:
    return "\n".join(source.splitlines()[_first(node) - 1 : node.end_lineno])
