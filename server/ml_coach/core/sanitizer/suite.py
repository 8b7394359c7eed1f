"""Makes a pytest file of a reply: every test that it has, and no program."""

from __future__ import annotations

import ast
import re
from collections.abc import Collection, Sequence

from ml_coach.core.python import syntax
from ml_coach.core.sanitizer import joining, program_text
from ml_coach.core.sanitizer.code import Code
from ml_coach.core.sanitizer.program_text import Destination, indented, rewrite


def of_parts(parts: Sequence[Code], names: Collection[str]) -> Code:
    """The blocks with tests as one text, and those that define what the tests read.

    `names` are the program under test. A test that a later block corrects is left out.
    """
    testing = [part for part in parts if tests_in(part.tree) or any(map(_is_loose, part.tree.body))]
    rest = [part for part in parts if part not in testing]
    testing = [joining.without_own_imports(part, [part], names) for part in testing]
    testing = [
        _without_corrected(part, testing[at + 1 :], names) for at, part in enumerate(testing)
    ]
    missing = frozenset[str]().union(*(part.free_names for part in testing)) - set(names)
    # Fixtures are read by the names of parameters.
    missing |= {n.arg for part in testing for n in syntax.walk(part.tree) if isinstance(n, ast.arg)}
    lending = [part for part in rest if part.definitions.keys() & missing]
    return joining.together([*lending, *testing] or parts)


def tidy(source: str, tree: ast.Module, names: Collection[str]) -> str:
    """`source` as a pytest file.

    Copies of the program (`names`) go, and so do tests that are no plain functions or methods;
    asserts at module level become tests; of two tests with one name both stay. Importing the
    program is left to the caller.
    """
    lines = source.split("\n")
    places: list[Destination] = []
    loose: list[str] = []
    own = {
        name
        for statement in tree.body
        if isinstance(statement, ast.Assign | ast.AnnAssign)
        for name in syntax.bindings(statement)
    }
    testing = {s.name for s in tree.body if isinstance(s, ast.ClassDef) and _has_tests(s)}
    for statement in tree.body:
        if _is_loose(statement):
            begin, end = statement.lineno, syntax.last_line(statement)
            loose.append(indented(lines[begin - 1 : end], begin, statement))
        is_strange = _is_strange(statement, names, own) or _hides_tests(statement, testing)
        if is_strange and isinstance(statement, ast.ClassDef):
            testing.add(statement.name)
        places.append("drop" if _is_loose(statement) or is_strange else "stay")
    renamed = _second_names(tree, places)
    for index, name in renamed.items():
        at = tree.body[index].lineno - 1
        lines[at] = re.sub(r"((?:def|class)\s+)\w+", rf"\g<1>{name}", lines[at], count=1)
    source = "\n".join(lines)
    if "drop" in places:
        source = rewrite(source, tree, places)
    taken = syntax.top_level(tree)
    for number, text in enumerate(loose, 1):
        name = f"test_example_{number}"
        while name in taken:
            name += "_"
        source += f"\n\n\ndef {name}():\n{text}"
    return source.strip("\n")


def tests_in(tree: ast.Module) -> tuple[str, ...]:
    """The names of the tests that pytest would collect and that have a body: `test_a`, `TestB`."""
    return tuple(
        statement.name
        for statement in tree.body
        if isinstance(statement, syntax.Definition)
        and (
            _is_test_class(statement)
            if isinstance(statement, ast.ClassDef)
            else _is_test(statement)
        )
    )


def _is_test(statement: ast.AST) -> bool:
    is_function = isinstance(statement, syntax.Function)
    return is_function and statement.name.startswith("test") and not syntax.is_empty(statement)


def _is_test_class(statement: ast.ClassDef) -> bool:
    is_named = statement.name.startswith("Test") or any(
        "TestCase" in ast.unparse(base) for base in statement.bases
    )
    return is_named and _has_tests(statement)


def _is_loose(statement: ast.stmt) -> bool:
    """Whether it is an assert at module level, or a loop or block of asserts."""
    return isinstance(statement, ast.Assert) or (
        isinstance(statement, ast.For | ast.With)
        and any(isinstance(node, ast.Assert) for node in syntax.walk(statement))
    )


def _is_strange(statement: ast.stmt, names: Collection[str], own: Collection[str]) -> bool:
    """Whether a statement does not belong into a suite: a copy of the program, what runs the tests,
    and what runs on import.

    `own` are the names that the suite assigns: what changes their objects sets them up.
    """
    is_import = isinstance(statement, ast.Import | ast.ImportFrom)
    if not is_import and not {*names}.isdisjoint(syntax.bindings(statement)):
        return True
    match statement:
        case ast.Expr(value=ast.Constant(value=str())):
            return False
        case ast.Expr(value=ast.Call()) if program_text.changes(statement) & set(own):
            return False
        case ast.For() | ast.With():
            return not set(syntax.bindings(statement))
        case _:
            runs = isinstance(statement, ast.Expr | ast.While | ast.Raise)
            return runs or syntax.is_main_guard(statement)


def _hides_tests(statement: ast.stmt, testing: Collection[str]) -> bool:
    """Whether pytest would find tests in a statement that cannot be dropped one by one, or known
    again in the file: under an `if`, by assignment, or inherited from one of the classes `testing`.
    """
    match statement:
        case ast.FunctionDef() | ast.AsyncFunctionDef():
            return False
        case ast.ClassDef():
            bases = frozenset[str]().union(*map(syntax.loads, statement.bases))
            return not bases.isdisjoint(testing) or any(
                _hides_tests(inner, testing) for inner in statement.body
            )
        case ast.Assign(value=ast.Lambda() | ast.Name()):
            return any(map(syntax.is_test, syntax.bindings(statement)))
        case _:
            blocks = (n for n in ast.iter_child_nodes(statement) if not isinstance(n, ast.expr))
            return any(
                _is_test(node) or (isinstance(node, ast.ClassDef) and _has_tests(node))
                for block in blocks
                for node in syntax.walk(block)
            )


def _has_tests(statement: ast.ClassDef) -> bool:
    return any(map(_is_test, statement.body))


def _without_corrected(part: Code, later: Sequence[Code], names: Collection[str]) -> Code:
    """`part` without the tests that a later part has under their name and of the same call."""
    corrected = {
        test.name
        for test in part.tree.body
        if isinstance(test, syntax.Definition) and test.name.lower().startswith("test")
        for other in later
        if (new := other.definitions.get(test.name)) and _calls(test, names) & _calls(new, names)
    }
    return joining.without(part, corrected) if corrected else part


def _calls(test: ast.stmt, names: Collection[str]) -> set[str]:
    """The calls of the program under test, as text."""
    return {
        ast.unparse(node)
        for node in syntax.walk(test)
        if isinstance(node, ast.Call)
        and isinstance(node.func, ast.Name | ast.Attribute)
        and (not names or ast.unparse(node.func).partition(".")[0] in names)
    }


def _second_names(tree: ast.Module, places: Sequence[Destination]) -> dict[int, str]:
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
