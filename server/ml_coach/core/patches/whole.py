"""Code in a reply as the whole new text of a file."""

from __future__ import annotations

import ast

from ml_coach.core import syntax
from ml_coach.core.patches.lines import split_lines
from ml_coach.core.patches.python import Placed, names_of, names_with_members


def is_whole_file(before: str, original: ast.Module, code: str, tree: ast.Module) -> bool:
    """Whether the code has all that the file has, so that it may take its place."""
    if names_with_members(original) - names_with_members(tree) or _loose(original) - _loose(tree):
        return False
    if all(isinstance(s, Placed | ast.Import | ast.ImportFrom) for s in tree.body):
        # It can be put in piece by piece as well, which loses no comment around the pieces.
        return _comments(before) <= _comments(code)
    return True


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
