"""Code in a reply as the whole new text of a file."""

from __future__ import annotations

import ast

from ml_coach.core.patches.classes import is_whole_class
from ml_coach.core.patches.lines import split_lines
from ml_coach.core.python import syntax
from ml_coach.core.python.bindings import Placed, bound_names, keys_of, names_of


def is_whole_file(before: str, original: ast.Module, code: str, tree: ast.Module) -> bool:
    """Whether code that has all names of the file may take its place, with the code around them."""
    if not _loose(original) <= _loose(tree):
        return False
    if all(isinstance(s, Placed | ast.Import | ast.ImportFrom) for s in tree.body):
        # It can be put in piece by piece as well, which loses no comment around the pieces; but
        # of what rightly has one name, as overloads do, nobody knows which piece is which.
        return _comments(before) <= _comments(code) or _binds_twice(original) or _binds_twice(tree)
    return True


def whole_classes(original: ast.Module, tree: ast.Module) -> set[str]:
    """The classes that code with all top-level names of the file changes as a whole."""
    if not (bound_names(original) <= bound_names(tree) and _loose(original) <= _loose(tree)):
        return set()
    new = {s.name: s for s in tree.body if isinstance(s, ast.ClassDef)}
    old = [s for s in original.body if isinstance(s, ast.ClassDef)]
    alone = sum(isinstance(s, syntax.Definition) for s in original.body) == 1
    return {s.name for s in old if s.name in new and is_whole_class(s, new[s.name], alone=alone)}


def _binds_twice(tree: ast.Module) -> bool:
    keys = [key for s in tree.body if isinstance(s, Placed) for key in keys_of(s)]
    return len(set(keys)) < len(keys)


def _loose(tree: ast.Module) -> set[str]:
    """The kinds of statements that bind nothing: an example is no docstring and no main guard."""
    kinds: set[str] = set()
    for statement in tree.body:
        if syntax.is_docstring(statement):
            kinds.add("docstring")
        elif syntax.is_main_guard(statement):
            kinds |= {"guard", "code"}
        elif not list(names_of(statement)):
            kinds.add("code")
    return kinds


def _comments(text: str) -> set[str]:
    return {line.rstrip() for line in split_lines(text) if line.startswith("#")}


def under_top_comments(before: str, code: str) -> str:
    """The code as the whole file, under the comments at the file's top: a shebang, a licence."""
    top = syntax.top_comments(split_lines(before))
    own = syntax.top_comments(split_lines(code))
    if _comments("\n".join(top)) <= _comments("\n".join(own)):
        return code
    return "\n".join([*top, *code.split("\n")[len(own) :]])
