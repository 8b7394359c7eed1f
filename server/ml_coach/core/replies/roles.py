"""What a block of a reply is: program, tests, usage, patch, shell, output or prose."""

from __future__ import annotations

import ast
import re
import sys
from dataclasses import replace
from pathlib import PurePosixPath
from typing import cast

from ml_coach.core.python import syntax
from ml_coach.core.replies.segments import Role, Segment, parsed

_SHELL = frozenset({
    "bash", "sh", "shell", "zsh", "console", "terminal", "powershell", "ps1", "cmd", "bat", "fish",
    "shell-session", "shellsession", "dockerfile",
})  # fmt: skip
_PATCH = frozenset({"diff", "patch", "udiff", "git", "search-replace", "apply_patch"})
_MAYBE_PYTHON = frozenset({"", "code", "text", "txt", "plaintext", "plain", "pseudo", "none"})
_PYTHON = re.compile(r"(?i)(?:python|py|ipython|pycon|sage|starlark|tool_code|jupyter)[\d.]*w?$")
_HUNK = re.compile(r"^@@+(?:[ \t]|$)|^diff --git |^--- [^\n]*\n\+\+\+ ", re.MULTILINE)
# Models vary the words after the markers: SEARCH, ORIGINAL, HEAD or nothing. Cline writes dashes.
SEARCH = re.compile(
    r"^ {0,3}(?:<{5,9}(?!<)[ \t]*(\w*)|[<-]{3,9} ?(SEARCH)\b)[^\n]{0,80}$", re.MULTILINE
)
_NAMED_SEARCH = re.compile(r"^ {0,3}[<-]{5,9} ?SEARCH\b", re.MULTILINE)
DIVIDER = re.compile(r"^ {0,3}={3,9}[ \t]*$", re.MULTILINE)
_ENVELOPE = re.compile(r"^\*\*\* (?:Begin Patch|(?:Update|Add|Delete|Move) File: )", re.MULTILINE)
_TEST_FILE = re.compile(r"(?:test_.*|.*_test|tests?|conftest)\.pyi?")
_TEST_TOOLS = frozenset({"pytest", "hypothesis", "unittest", "numpy", "pandas"})
DEFINES = re.compile(r"^[ \t+-]*(?:async[ \t]+)?(?:def|class)[ \t]+(\w+)", re.MULTILINE)
_TESTS = re.compile(r"^(?:async[ \t]+)?(?:def test|class Test)", re.MULTILINE)
_IMPORTS = re.compile(r"^[ \t]*(?:from[ \t]+[\w.]+[ \t]+import\b|import[ \t]+\w)", re.MULTILINE)


def patch_format(text: str) -> str:
    """The edit format that a text is written in, by the mark that comes first: the marks of others
    may stand in the code that it changes. Empty where the text has no such mark."""
    search = SEARCH if DIVIDER.search(text) else _NAMED_SEARCH
    marks = {"envelope": _ENVELOPE, "search": search, "diff": _HUNK}
    first = {name: found.start() for name, mark in marks.items() if (found := mark.search(text))}
    return min(first, key=first.__getitem__, default="")


def code_marks(text: str) -> list[int]:
    """Where definitions, hunks and edits begin in a text."""
    marks = (DEFINES, _HUNK, SEARCH, _ENVELOPE)
    return [match.start() for mark in marks for match in mark.finditer(text)]


def role_of(text: str, tag: str, file: str) -> tuple[Role, str]:
    """What a block is, and its language or its format."""
    python = bool(_PYTHON.match(tag)) or file.endswith((".py", ".pyi"))
    if tag in _SHELL:
        return "shell", tag
    known = patch_format(text)
    # A program may hold a diff in a string. One that parses as a whole is a program.
    if known and not (tag not in _PATCH and parsed(text) is not None):
        return "patch", known
    if tag in _PATCH:
        return "patch", "diff"
    if python:
        return _python_role(text, file), "python"
    if tag in _MAYBE_PYTHON:
        if DEFINES.search(text) or (tag == "" and text.strip()):
            return _python_role(text, file), tag
        return "output", tag
    return "output", tag


def _python_role(text: str, file: str) -> Role:
    if is_test_file(file):
        return "tests"
    if not _TESTS.search(text):
        return "program"
    tree = parsed(text)
    if tree is None:
        names = DEFINES.findall(text)
        return "tests" if _IMPORTS.search(text) and all(map(_is_test, names)) else "program"
    return "tests" if _only_tests(tree) else "program"


def is_test_file(file: str) -> bool:
    """Whether a file is one of tests, by its name alone."""
    return bool(_TEST_FILE.fullmatch(PurePosixPath(file.replace("\\", "/")).name))


def _is_test(name: str) -> bool:
    return name.startswith(("test", "Test"))


def _only_tests(tree: ast.Module) -> bool:
    """Whether all that a module defines are tests and what they use: it tests another module."""
    others = [
        d
        for d in tree.body
        if isinstance(d, syntax.Definition) and not _is_test(d.name) and not d.decorator_list
    ]
    return not others or any(is_local_import(s) for s in tree.body)


def is_local_import(statement: ast.stmt) -> bool:
    """Whether it imports names from a module that may be the reply's own or the user's."""
    if not isinstance(statement, ast.ImportFrom):
        return False
    top = (statement.module or ".").partition(".")[0]
    return top not in sys.stdlib_module_names and top not in _TEST_TOOLS


def with_usage(segments: list[Segment]) -> list[Segment]:
    """The segments with those told apart that only use what another one defines."""
    defined: list[frozenset[str]] = [
        frozenset(cast("list[str]", DEFINES.findall(s.text)) if s.role == "program" else ())
        for s in segments
    ]
    result: list[Segment] = []
    for index, segment in enumerate(segments):
        if segment.role == "program" and not defined[index] and _IMPORTS.search(segment.text):
            tree = parsed(segment.text)
            others = frozenset[str]().union(*defined)
            if tree and not _imported(tree).isdisjoint(others):
                segment = replace(segment, role="usage")
        result.append(segment)
    return result


def _imported(tree: ast.Module) -> set[str]:
    return {alias.name for s in tree.body if isinstance(s, ast.ImportFrom) for alias in s.names}
