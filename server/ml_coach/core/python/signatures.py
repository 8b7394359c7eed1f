"""What a module offers to those who import it: its signatures, without the code behind them."""

from __future__ import annotations

import ast
from collections.abc import Iterator

from ml_coach.core.python import syntax


def signatures(source: str) -> str:
    """The public functions and classes of a module with the first lines of their docstrings, and
    its constants, as code without bodies; empty where it does not parse or has none."""
    tree = syntax.parse(source)
    return "\n".join(line for node in (tree.body if tree else ()) for line in _lines(node, ""))


def _lines(node: ast.stmt, indent: str) -> Iterator[str]:
    match node:
        case ast.FunctionDef() | ast.AsyncFunctionDef() if _is_public(node.name):
            word = "async def" if isinstance(node, ast.AsyncFunctionDef) else "def"
            returns = f" -> {ast.unparse(node.returns)}" if node.returns else ""
            yield f"{indent}{word} {node.name}({ast.unparse(node.args)}){returns}:{_said(node)}"
        case ast.ClassDef() if _is_public(node.name):
            bases = ", ".join(map(ast.unparse, node.bases))
            yield f"{indent}class {node.name}{f'({bases})' if bases else ''}:{_said(node)}"
            for child in node.body:
                yield from _lines(child, f"{indent}    ")
        case ast.Assign(targets=[ast.Name(id=name)]) if _is_public(name):
            yield f"{indent}{name} = {_short(node.value)}"
        case ast.AnnAssign(target=ast.Name(id=name)) if _is_public(name):
            yield f"{indent}{name}: {ast.unparse(node.annotation)}"
        case _:
            pass


def _said(node: ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef) -> str:
    """The first line of the docstring as a comment, and dots for the body."""
    first = (ast.get_docstring(node) or "").partition("\n")[0].strip()
    dots = "" if isinstance(node, ast.ClassDef) else " ..."
    return f"{dots}  # {first}" if first else dots


def _short(value: ast.expr) -> str:
    text = ast.unparse(value)
    return text if len(text) <= 60 else "..."


def _is_public(name: str) -> bool:
    return not name.startswith("_") or name == "__init__"
