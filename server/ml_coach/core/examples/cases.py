"""Examples that name the arguments.

"Input: x = 1, y = 2", a line below "Output: 3"; or "For x = 1 the output should be 2".
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator

from ml_coach.core.examples import expressions
from ml_coach.core.examples.expressions import Example
from ml_coach.core.examples.sentences import value_at
from ml_coach.core.python import syntax

_GIVEN = r"(?:sample )?(?:inputs?|in|args?|arguments?|given|call|with)"
_WANTED = (
    r"(?:(?:sample )?outputs?|out|expected(?: outputs?| results?| values?)?|results?|returns?|want)"
)
_INPUT = re.compile(rf"(?:[-*{{]\s*)?[\"'*`]*{_GIVEN}[\"'*`]*\s*[:=]\**\s*(.+)$", re.IGNORECASE)
_OUTPUT = re.compile(rf"(?:[-*]\s*)?[\"'*`]*{_WANTED}[\"'*`]*\s*[:=]\**\s*(.+)$", re.IGNORECASE)
_BOTH = re.compile(
    rf"(?:[-*{{]\s*)?(?:(?:test |case |example )?\d+[:.)]\s*)?[\"'*`]*{_GIVEN}[\"'*`]*"
    rf"\s*[:=]\s*(?P<given>.+?)[\s,;|]+[\"'*`]*{_WANTED}[\"'*`]*\s*[:=]\s*(?P<wanted>.+?)[\s}},]*$",
    re.IGNORECASE,
)
_FOR = re.compile(
    r"\b(?:for|with|given|if)\s+(\w+\s*=.{1,500}?)\s*"
    r"\bthe (?:output|result|answer) (?:should|must|will|would) be\s+",
    re.IGNORECASE,
)
_PRINTS = re.compile(r"\bprint(?:s|ed|ing)?\b|\bstdin\b|\bstdout\b", re.IGNORECASE)


def cases(
    prompt: str, function: ast.FunctionDef | ast.AsyncFunctionDef
) -> Iterator[tuple[int, Example]]:
    """The line (from 0) and the example of each case; only where its names are the parameters."""
    arguments = function.args
    if arguments.vararg or arguments.kwarg or arguments.kwonlyargs or _PRINTS.search(prompt):
        return
    parameters = [a.arg for a in (*arguments.posonlyargs, *arguments.args)]
    lines = prompt.splitlines()
    for at, line in enumerate(lines):
        text = line.strip()
        if both := _BOTH.match(text):
            yield from _case(at, function.name, parameters, both["given"], both["wanted"])
        elif (given := _INPUT.match(text)) and (after := _next_line(lines, at)):
            if output := _OUTPUT.match(after):
                yield from _case(at, function.name, parameters, given[1], output[1])
        elif "=" in text and len(text) < 1000 and (sentence := _FOR.search(text)):
            yield from _case(at, function.name, parameters, sentence[1], text[sentence.end() :])


def _next_line(lines: list[str], at: int) -> str:
    return next((line.strip() for line in lines[at + 1 : at + 3] if line.strip()), "")


def _case(
    at: int, name: str, parameters: list[str], given: str, output: str
) -> Iterator[tuple[int, Example]]:
    value = value_at(output)
    if value is None:
        return
    while given:
        if call := _call(name, parameters, given.strip().rstrip(".,;")):
            yield at, expressions.equal(call, value, False)
            return
        # What follows the last argument may be words: "N = 3, the sum of digits will be 1".
        given = given.rpartition(",")[0]


def _call(name: str, parameters: list[str], given: str) -> str:
    tree = syntax.parse(f"f({given})")
    if tree is None or len(tree.body) != 1:
        return ""
    match tree.body[0]:
        case ast.Expr(value=ast.Call(func=ast.Name(), args=[], keywords=keywords)):
            values = {k.arg: k.value for k in keywords if expressions.is_closed(k.value)}
            if sorted(k.arg or "" for k in keywords) != sorted(parameters):
                return ""
            if values.keys() != set(parameters):
                return ""
            return f"{name}({', '.join(ast.unparse(values[p]) for p in parameters)})"
        case ast.Expr(value=ast.Call(args=[*values], keywords=[])) if len(values) == len(
            parameters
        ) > 1 and all(map(expressions.is_closed, values)):
            return f"{name}({', '.join(map(ast.unparse, values))})"
        case ast.Expr(value=ast.Call(args=[value], keywords=[])) if len(parameters) == 1:
            return f"{name}({ast.unparse(value)})" if expressions.is_closed(value) else ""
        case _:
            return ""
