"""What a prompt states of runs of a script: what they print, and their exit codes."""

from __future__ import annotations

import ast
import re
import shlex
from collections.abc import Iterator

from ml_coach.core.examples import conditions, words
from ml_coach.core.examples.blocks import Found
from ml_coach.core.examples.expressions import Example
from ml_coach.core.examples.layout import Piece, unwanted_lines

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
_CODE = (
    r"[^.;\n]{0,60}?\b(?:exit(?:s|ing)?(?: with)?|return|status|code|código|sortie)\s*"
    r"(?:code|status|de salida|with)?\s*:?\s*(?P<code>\d)(?!\w)"
)
# "-d and -u together are a usage error (exit code 2)"
_TOGETHER = re.compile(
    r"(?<![\w-])`?(?P<one>--?[a-z][\w-]*)`? (?:and|with|or|plus|y|et|und|e) "
    r"`?(?P<two>--?[a-z][\w-]*)`? "
    r"(?:together|at the same time|combined|junt[ao]s|ensemble|zusammen|insieme)" + _CODE,
    re.IGNORECASE,
)
# "--top below 1 is a usage error (exit code 2)"
_OPTION = re.compile(r"(?<![\w-])`?(?P<option>--[a-z][\w-]*)`? (?:(?:is|of|must be|=) )?")
_NO_FILE = re.compile(
    r"(?:\bfiles?\b[^.;\n]{0,20}? (?:doesn['’]?t|does not|don['’]?t) exist|missing file"
    r"|file (?:is missing|not found|can['’]?t be read)|fichier inexistant|archivo no existe"
    r"|(?:datei|die datei) (?:fehlt|nicht existiert|existiert nicht))" + _CODE,
    re.IGNORECASE,
)
# The arguments that have no option: "usage `PATTERN [FILE ...]`", "takes a file path"
_USAGE = re.compile(r"`(?P<names>[A-Z]{2,}(?: \[?[A-Z]{2,}(?: ?\.\.\.)?\]?)*)`")
_TAKES_FILE = re.compile(
    r"\b(?:takes?|args?:|arguments?:)[^.\n]{0,25}\b(?:file|path|files)\b(?! path)"
    r"(?!(?:,| and) (?:an?|the|its|one|two) (?!option))",
    re.IGNORECASE,
)
_SAYS_STDERR = re.compile(
    r"(?i)\bstderr\b|\bstandard error\b|\bfehlerausgabe\b|\b(?:sortie|salida) d['’ ]?e?\s?err"
)
_FILES = ("FILE", "PATH", "FILENAME", "FICHIER", "DATEI", "ARCHIVO")


def script_tests(prompt: str) -> Iterator[Found]:
    """The runs of a script that the prompt shows or describes."""
    yield from _shown_runs(prompt)
    for match in _TOGETHER.finditer(prompt):
        yield _exits(match, f"run([{match['one']!r}, {match['two']!r}])")
    if arguments := _file_arguments(prompt, "'no_such_file.txt'"):
        for match in _NO_FILE.finditer(prompt):
            yield _exits(match, f"run({arguments})")
    for option in _OPTION.finditer(prompt):
        said = conditions.condition_at(prompt, option.end(), len(prompt))
        code = re.compile(_CODE, re.IGNORECASE).match(prompt, said[1]) if said else None
        # A file that is there, so that only the option is at fault.
        arguments = _file_arguments(prompt, "__file__")
        if said and code and said[0].is_of_number and arguments:
            number = conditions.instances(said[0], "num")[0]
            call = f"run([{option['option']!r}, {number!r}, {arguments[1:]})"
            place = Piece(option.start(), code.end())
            yield place, _exit_code(call, code["code"])


def _exits(match: re.Match[str], call: str) -> Found:
    return Piece(*match.span()), _exit_code(call, match["code"])


def _exit_code(call: str, code: str) -> Example:
    return Example(f"r = {call}\nassert r.code == {code}", call, code, False)


def _file_arguments(prompt: str, path: str) -> str:
    """The arguments with `path` as the file; empty where it is not certain what they are."""
    if usage := _USAGE.search(prompt):
        names = re.findall(r"[A-Z]+", usage["names"])
        given = [path if name in _FILES else "'a'" for name in names]
        return f"[{', '.join(given)}]" if given.count(path) == 1 else ""
    is_alone = re.search(r"\b(?:required|mandatory|obligatoire|obligatori[oa])\b", prompt) is None
    return f"[{path}]" if is_alone and _TAKES_FILE.search(prompt) else ""


def _shown_runs(prompt: str) -> Iterator[Found]:
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
        # "(on stderr, exit code 2)" below an output is a remark, or printed.
        is_open = "..." in printed or re.search(r"(?:^|\n)[ \t]*\([^\n]*\)\s*$", printed)
        if call and not is_past and not is_open:
            wanted = "\n".join(text.strip() for text in printed.strip().splitlines())
            # A terminal shows both streams; which one it is, the prompt need not say.
            both = groups.get("output") and _SAYS_STDERR.search(prompt)
            yield Piece(*match.span()), _run(call, wanted, "r.stdout + r.stderr" if both else "")
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


def _run(call: str, printed: str, streams: str = "") -> Example:
    shown = f"({streams})" if streams else "r.stdout"
    test = f"r = {call}\nassert {shown}.strip() == {printed!r}"
    return Example(test, call, repr(printed), False)
