"""What stands in a prompt's blocks: structured cases and contents of files."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator

from ml_coach.core.examples import expressions
from ml_coach.core.examples.expressions import Example
from ml_coach.core.examples.functions import Function
from ml_coach.core.examples.layout import Piece
from ml_coach.core.examples.sentences import value_at

Found = tuple[Piece, Example]
# Blanks are taken possessively: between optional signs each way to share them would be tried.
_CASE = re.compile(
    r"^[ \t]*+-?[ \t]*+\{?[ \t]*+['\"]?(?:args|arguments|params)['\"]?[ \t]*+[:=][ \t]*+"
    r"(?P<args>\[.*\])[ \t]*+,?\s*+['\"]?(?P<key>results?|returns?|expected|outputs?|raises)['\"]?"
    r"[ \t]*+[:=][ \t]*+(?P<value>.+?)"
    r"[ \t]*\}?,?$",
    re.MULTILINE,
)
_FILE = re.compile(
    r"\bfiles? (?:with|containing|that contains|that holds|holding)"
    r"(?: (?:this|the following|these))?(?: (?:contents?|text|lines?|data))?[ \t]*:?[ \t]*\n+"
    r"(?:`{3}\w*\n)?(?P<content>(?:[^\n`]+\n)+)"
    r"(?:`{3}\n)?\n*[^\n.;]{0,40}?\b(?:returns?|gives?|yields?)[ \t]+(?P<value>[^\n]+)",
    re.IGNORECASE,
)


def structured_cases(prompt: str, function: Function) -> Iterator[Found]:
    """Cases whose arguments stand in one list: `args: [1, 2]`, in the next line `result: 3`."""
    for match in _CASE.finditer(prompt):
        arguments = expressions.closed_value(match["args"])
        if not isinstance(arguments, ast.List):
            continue
        call = f"{function.name}({', '.join(map(ast.unparse, arguments.elts))})"
        if match["key"] == "raises":
            error = match["value"].strip("\"'` ")
            made = expressions.raises(call, error, False) if error in expressions.ERRORS else None
        else:
            made = expressions.compared(call, match["value"], any_order=False, exact=False)
        if made:
            yield Piece(*match.span()), made


def file_cases(prompt: str, function: Function) -> Iterator[Found]:
    """What the function returns for a file whose content stands in a block of the prompt."""
    if len(function.parameters) != 1 or function.kind(0) != "path":
        return
    for match in _FILE.finditer(prompt):
        value = value_at(match["value"])
        lines = match["content"].splitlines()
        indent = min(len(line) - len(line.lstrip()) for line in lines)
        content = "\n".join(line[indent:] for line in lines) + "\n"
        call = f"{function.name}(path)"
        made = expressions.compared(call, value, any_order=False, exact=False) if value else None
        if made:
            yield Piece(*match.span()), expressions.with_file(made, content)
