"""What stands in a prompt's blocks: runs of a script, structured cases, contents of files."""

from __future__ import annotations

import ast
import re
import shlex
from collections.abc import Iterator

from ml_coach.core.examples import expressions, words
from ml_coach.core.examples.expressions import Example
from ml_coach.core.examples.functions import Function
from ml_coach.core.examples.layout import Piece, unwanted_lines
from ml_coach.core.examples.sentences import value_at

Found = tuple[Piece, Example]
# A run at a prompt, "$ echo "a b" | python FILE", with what it prints in the lines below
_CONSOLE = re.compile(
    r"^[ \t]*\$[ \t]+(?P<command>[^\n]+)\n(?P<output>(?:(?![ \t]*(?:\$|`{3}))[ \t]*\S[^\n]*\n?)+)",
    re.MULTILINE,
)
# A run in code style, with what it prints: "`python FILE Ann` prints `Hello, Ann!`"
_INLINE = re.compile(
    r"`(?P<command>(?:[^`\n]*\| ?)?(?:python3? )?[\w./-]+\.py[^`\n]*)`(?:[ \t]*\([^()\n]*\))?[ \t]*"
    r"(?:→|->|=>|:|(?:should |must )?(?:prints?|outputs?|shows?|gives?|writes?|affiche|imprime))"
    r"[ \t]*"
    r"(?:`(?P<ticked>[^`\n]+)`|(?P<quoted>'[^'\n]*'|\"[^\"\n]*\"))(?=[ \t]*(?:[.;,)]|$))",
    re.MULTILINE,
)
_NO_INPUT = re.compile(
    r"\b(?:with|for|on|given|without) (?:no|an empty|empty|any) (?:standard )?(?:input|stdin)\b"
    r"[^.;\n]{0,20}?\b(?:prints?|outputs?|shows?|writes?) "
    r"`?(?P<output>-?\d+|'[^'\n]*'|\"[^\"\n]*\")`?"
    r"(?=[.,;\s]|$)",
    re.IGNORECASE,
)
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


def script_runs(prompt: str) -> Iterator[Found]:
    """The runs of a script that the prompt shows: arguments, standard input and what is printed."""
    unwanted = unwanted_lines(prompt)
    for match in [*_CONSOLE.finditer(prompt), *_INLINE.finditer(prompt)]:
        groups = match.groupdict()
        printed = groups.get("output") or groups.get("ticked") or ""
        if quoted := groups.get("quoted"):
            printed = ast.literal_eval(quoted)
        line = prompt[prompt.rfind("\n", 0, match.start()) + 1 : match.start()]
        is_past = words.PAST.search(line) or prompt.count("\n", 0, match.start()) in unwanted
        call = _command(match["command"])
        if call and not is_past and "..." not in printed:
            wanted = "\n".join(text.strip() for text in printed.strip().splitlines())
            yield Piece(*match.span()), _run(call, wanted)
    for match in _NO_INPUT.finditer(prompt):
        printed = match["output"]
        wanted = ast.literal_eval(printed) if printed[0] in "'\"" else printed
        yield Piece(*match.span()), _run("run([], stdin='')", wanted)


def _command(text: str) -> str:
    """The call of the fixture `run` for a command; empty for one that does anything else."""
    before, _, command = text.rpartition("|")
    try:
        program, *arguments = _program(shlex.split(command, comments=True))
        source = shlex.split(before)
    except ValueError:
        return ""
    does_more = re.search(r"[<>&;*?]|\.\w{2,4}$", " ".join(arguments))
    if not program.endswith(".py") or does_more:
        return ""  # It redirects, or reads a file that nobody wrote.
    match source:
        case []:
            return f"run({arguments!r})"
        case ["echo", *said] if not any(word.startswith("-") for word in said):
            return f"run({arguments!r}, stdin={' '.join(said) + chr(10)!r})"
        case ["printf", said]:
            return f"run({arguments!r}, stdin={said.encode().decode('unicode_escape')!r})"
        case _:
            return ""


def _program(said: list[str]) -> list[str]:
    is_python = said and re.fullmatch(r"python3?", said[0])
    return (said[1:] if is_python else said) or [""]


def _run(call: str, printed: str) -> Example:
    return Example(
        f"r = {call}\nassert r.stdout.strip() == {printed!r}", call, repr(printed), False
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
