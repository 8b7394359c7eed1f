"""Whether Python source compiles."""

from __future__ import annotations

import ast

from ml_coach.core.python import syntax

LONGEST = 100_000
"""Characters up to which a text is compiled; a longer one would take too long to try readings."""


def parsed(source: str) -> ast.Module | None:
    """The tree of a program that compiles, None where it does not (or is too deeply nested)."""
    try:
        with syntax.quietly():
            tree = syntax.module(source)
            # Only the compiler knows that `return` outside of a function is an error.
            compile(tree, "<patched>", "exec", dont_inherit=True)
    except syntax.NOT_PYTHON:
        return None
    return tree
