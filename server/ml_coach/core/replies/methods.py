"""A model's reply with a method, which comes without its class more often than with it."""

from __future__ import annotations

from collections.abc import Sequence
from textwrap import dedent

from ml_coach.core.python import syntax
from ml_coach.core.replies.reading import read


def within_class(reply: str, name: str) -> str:
    """`reply` with the method `name`, such as `Cart.total`, put into its class where it stands
    alone: several classes of a file may have a method of that name. Other methods beside it, by
    their first parameter, are of the same class."""
    *classes, method = name.split(".")
    if not classes:
        return reply
    for segment in read(reply).of("program"):
        code = dedent(segment.text)
        tree = syntax.parse(code)
        functions = [n for n in tree.body if isinstance(n, syntax.Function)] if tree else []
        if segment.text in reply and any(node.name == method for node in functions):
            inside = [n for n in functions if n.name == method or _is_method(n)]
            return reply.replace(segment.text, _placed(code, inside, classes), 1)
    return reply


def _is_method(function: syntax.Function) -> bool:
    parameters = [*function.args.posonlyargs, *function.args.args]
    return bool(parameters) and parameters[0].arg in ("self", "cls")


def _placed(code: str, functions: Sequence[syntax.Function], classes: Sequence[str]) -> str:
    """`code` with these functions indented, below the heads of the classes."""
    lines = code.splitlines()
    depth = "    " * len(classes)
    inside: list[str] = ["    " * at + f"class {name}:" for at, name in enumerate(classes)]
    taken: set[int] = set()
    for function in functions:
        in_strings = syntax.lines_in_strings(function)
        numbers = range(syntax.first_line(function), syntax.last_line(function) + 1)
        taken |= {*numbers}
        inside += [
            lines[n - 1] if n in in_strings or not lines[n - 1].strip() else depth + lines[n - 1]
            for n in numbers
        ] + [""]
    at = min(taken)
    kept = [(n, line) for n, line in enumerate(lines, 1) if n not in taken]
    before = [line for n, line in kept if n < at]
    return "\n".join([*before, *inside, *(line for n, line in kept if n > at)]) + "\n"
