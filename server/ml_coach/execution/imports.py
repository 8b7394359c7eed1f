"""Which packages a run needs: read from the text of its files, without running anything."""

from __future__ import annotations

import ast
from collections.abc import Iterator, Mapping
from pathlib import PurePosixPath

from ml_coach.core.python import syntax

MAY_FAIL = frozenset({"ImportError", "ModuleNotFoundError", "Exception", "BaseException"})


def packages(files: Mapping[str, str]) -> frozenset[str]:
    """The first names of all imports that have to succeed, wherever they stand in a file.

    Names of the run's own files are left out, in whatever folder: they are not packages. So are
    imports that may fail, because the code handles that, and those for type checkers only.
    """
    sources = {name: text for name, text in files.items() if name.endswith(".py")}
    own = {part for name in sources for part in PurePosixPath(name).with_suffix("").parts}
    return frozenset(name for text in sources.values() for name in _imported(text)) - own


def _imported(text: str) -> Iterator[str]:
    tree = syntax.parse(text)
    todo: list[ast.AST] = [tree] if tree else []
    while todo:
        node = todo.pop()
        match node:
            case ast.Import(names=names):
                yield from (alias.name.split(".")[0] for alias in names)
            case ast.ImportFrom(module=str(module), level=0):
                yield module.split(".")[0]
            case ast.Try() if any(_catches_imports(handler) for handler in node.handlers):
                todo += [*node.orelse, *node.finalbody]
            case ast.If(test=test) if syntax.unparsed(test).endswith("TYPE_CHECKING"):
                todo += node.orelse
            case _:
                todo += ast.iter_child_nodes(node)


def _catches_imports(handler: ast.ExceptHandler) -> bool:
    caught = handler.type
    if caught is None:
        return True
    return any(isinstance(n, ast.Name) and n.id in MAY_FAIL for n in ast.walk(caught))
