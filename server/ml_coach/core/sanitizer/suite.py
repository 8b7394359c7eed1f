"""Tidies a test suite: a pytest file with every test that the reply has, and no program in it."""

from __future__ import annotations

import ast
import re
from collections.abc import Collection

from ml_coach.core.python import syntax
from ml_coach.core.sanitizer.program import Place, rewrite


def tidy(source: str, tree: ast.Module, names: Collection[str]) -> tuple[str, tuple[str, ...]]:
    """`source` as a pytest file, and what was done to it in plain words.

    Copies of the program (`names`) go; asserts at module level become tests; of two tests with
    one name both stay. Importing the program is left to the caller.
    """
    done: list[str] = []
    places: list[Place] = []
    loose: list[str] = []
    for index, statement in enumerate(tree.body):
        place, words = _place(statement, names)
        if words and words not in done:
            done.append(words)
        if isinstance(statement, ast.Assert) or _is_assert_loop(statement):
            loose.append(ast.get_source_segment(source, statement) or ast.unparse(statement))
            place = "drop"
        places.append("stay" if index == 0 and syntax.is_docstring(statement) else place)
    renamed = _second_names(tree, places)
    if renamed:
        source = _rename(source, tree, renamed)
        done.extend(f"renamed a second test to `{name}`" for name in renamed.values())
    if any(place != "stay" for place in places):
        source = rewrite(source, tree, places)
    taken = syntax.top_level(tree)
    for number, text in enumerate(loose, 1):
        name = f"test_example_{number}"
        while name in taken:
            name += "_"
        source += f"\n\n\ndef {name}():\n    " + text.replace("\n", "\n    ")
    if loose:
        done.append(
            f"made {len(loose)} test{'s' if len(loose) > 1 else ''} of asserts at module level"
        )
    return source.strip("\n"), tuple(done)


def tests_in(tree: ast.Module) -> tuple[str, ...]:
    """The names of the tests that pytest would collect: `test_a`, `TestB`."""
    return tuple(
        statement.name
        for statement in tree.body
        if (
            isinstance(statement, ast.FunctionDef | ast.AsyncFunctionDef)
            and statement.name.startswith("test")
        )
        or (isinstance(statement, ast.ClassDef) and _is_test_class(statement))
    )


def _is_test_class(statement: ast.ClassDef) -> bool:
    is_named = statement.name.startswith("Test") or any(
        "TestCase" in ast.unparse(base) for base in statement.bases
    )
    return is_named and any(
        isinstance(s, ast.FunctionDef | ast.AsyncFunctionDef) and s.name.startswith("test")
        for s in statement.body
    )


def _place(statement: ast.stmt, names: Collection[str]) -> tuple[Place, str]:
    match statement:
        case ast.FunctionDef(name=name) | ast.AsyncFunctionDef(name=name) | ast.ClassDef(name=name):
            if name in names:
                return "drop", f"dropped a copy of `{name}` from the tests"
            return "stay", ""
        case ast.If() if syntax.is_main_guard(statement):
            return "drop", "dropped the part that runs the tests"
        case ast.Expr(value=ast.Constant(value=str())):
            return "stay", ""
        case ast.Expr() | ast.While() | ast.Raise():
            return "drop", "dropped statements that run on import"
        case ast.For() | ast.With() if not set(syntax.bindings(statement)):
            return "drop", "dropped statements that run on import"
        case _:
            return "stay", ""


def _is_assert_loop(statement: ast.stmt) -> bool:
    return isinstance(statement, ast.For | ast.With) and any(
        isinstance(node, ast.Assert) for node in syntax.walk(statement)
    )


def _second_names(tree: ast.Module, places: list[Place]) -> dict[int, str]:
    """A new name for every test that an earlier one's name would hide."""
    taken = set(syntax.top_level(tree))
    seen: set[str] = set()
    renamed: dict[int, str] = {}
    for index, statement in enumerate(tree.body):
        if places[index] != "stay" or not isinstance(statement, syntax.Definition):
            continue
        if statement.name in seen and statement.name.lower().startswith("test"):
            number = 2
            while f"{statement.name}_{number}" in taken:
                number += 1
            renamed[index] = f"{statement.name}_{number}"
            taken.add(renamed[index])
        seen.add(statement.name)
    return renamed


def _rename(source: str, tree: ast.Module, renamed: dict[int, str]) -> str:
    lines = source.split("\n")
    for index, name in renamed.items():
        at = tree.body[index].lineno - 1
        lines[at] = re.sub(r"((?:def|class)\s+)\w+", rf"\g<1>{name}", lines[at], count=1)
    return "\n".join(lines)
