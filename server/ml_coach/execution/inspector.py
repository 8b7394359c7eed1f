"""What can be known of a program without running it: does it compile, are its names defined."""

from __future__ import annotations

import ast

from ml_coach.core.finding import Finding
from ml_coach.core.python import syntax
from ml_coach.core.types import Program


def look_at(program: Program) -> tuple[Finding, ...]:
    """Syntax errors, else undefined names, in the order of their lines. Takes milliseconds of
    processor time: call it from a thread."""
    try:
        with syntax.quietly():
            compile(program.source, program.file, "exec", dont_inherit=True)
            tree = syntax.module(program.source)
    except SyntaxError as error:
        detail = (error.text or "").rstrip()
        line, end_line = error.lineno or 0, error.end_lineno or 0
        message = f"{type(error).__name__}: {error.msg}"
        return (Finding("syntax", message, program.file, line, end_line, detail),)
    except (ValueError, RecursionError, MemoryError, OverflowError) as error:
        message = f"the file cannot be compiled: {error or type(error).__name__}"
        return (Finding("syntax", message, program.file),)
    return _undefined_names(tree, program.file)


def _undefined_names(tree: ast.Module, file: str) -> tuple[Finding, ...]:
    from pyflakes import checker, messages  # here: 30 ms that a run of tests does not need

    undefined = (messages.UndefinedName, messages.UndefinedLocal, messages.UndefinedExport)
    try:
        found = checker.Checker(tree, filename=file).messages
    except RecursionError:
        return ()
    return tuple(
        Finding("name", str(each.message % each.message_args), file, each.lineno)
        for each in sorted(found, key=lambda m: m.lineno)
        if isinstance(each, undefined)
    )
