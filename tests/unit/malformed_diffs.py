"""Edits of real programs and what models do to their diffs, made up here from a seed.

The slips are our own reading of the issue's list, independent of the data under
`malformed_diffs.jsonl`, so that rules which only fit that file show up as a worse rate here.
"""

from __future__ import annotations

import ast
import bisect
import colorsys
import difflib
import fnmatch
import heapq
import inspect
import random
import re
import shlex
import statistics
import string
import textwrap
from collections.abc import Callable, Iterator
from dataclasses import dataclass

MODULES = (bisect, colorsys, fnmatch, heapq, shlex, statistics, string, textwrap)


@dataclass(frozen=True)
class Edit:
    before: str
    after: str
    diff: str


def programs() -> list[str]:
    """Modules of the standard library, whole and cut down to a few of their functions."""
    whole = [inspect.getsource(module) for module in MODULES]
    small: list[str] = []
    for source in whole:
        lines = source.split("\n")
        blocks = [
            "\n".join(lines[node.lineno - 1 : node.end_lineno])
            for node in ast.parse(source).body
            if isinstance(node, ast.FunctionDef | ast.ClassDef) and not node.decorator_list
        ]
        small += ["\n\n\n".join(blocks[at : at + 3]) + "\n" for at in range(0, len(blocks), 3)]
    return whole + small


def edits(rng: random.Random, sources: list[str]) -> Iterator[Edit]:
    """Edits that leave a program that compiles, with their clean diffs, without end."""
    while True:
        before = rng.choice(sources)
        lines = before.split("\n")[:-1]
        for _ in range(rng.choice((1, 1, 1, 2, 3))):
            _change(rng, lines)
        after = "\n".join(lines) + "\n"
        if after == before or not _compiles(after):
            continue
        diff = "".join(
            difflib.unified_diff(
                before.splitlines(True), after.splitlines(True), "a/solution.py", "b/solution.py"
            )
        )
        yield Edit(before, after, diff)


def _change(rng: random.Random, lines: list[str]) -> None:
    at = rng.randrange(len(lines))
    line = lines[at]
    indent = line[: len(line) - len(line.lstrip())]
    name = rng.choice(("total", "result", "count", "value", "left", "seen"))
    new = rng.choice(
        (
            f"{name} = {rng.randrange(99)}",
            f"if {name} is None:\n    {name} = []",
            f"{name}.sort()",
            f"assert {name} >= {rng.randrange(9)}",
            f"# {name} is checked first",
            f"print({name})",
        )
    )
    added = [indent + part for part in new.split("\n")]
    match rng.randrange(6):
        case 0:
            lines[at:at] = added
        case 1:
            lines[at : at + 1] = added
        case 2:
            del lines[at : at + rng.choice((1, 1, 2, 4))]
        case 3:
            lines[at : at + rng.choice((1, 2, 3))] = added
        case _:
            changed = [
                re.sub(r"\d+", lambda m: str(int(m[0]) + 1), line),
                line.replace("<", "<="),
                line.replace(" - ", " + "),
                line.replace("==", "!="),
                line.replace(" and ", " or "),
                line.replace("(", "(0 or ", 1),
                line.replace("return ", "return not ", 1),
                line.replace(" = ", " += ", 1),
            ]
            lines[at] = rng.choice([text for text in changed if text != line] or [line])


def _compiles(source: str) -> bool:
    try:
        compile(source, "edited", "exec")
    except (SyntaxError, ValueError):
        return False
    return True


def _old(lines: list[str], signs: str = " ") -> list[int]:
    return [at for at, line in enumerate(lines) if line[:1] in signs and line[1:].strip()]


def _context_only(
    slip: Callable[[random.Random, list[str]], list[str] | None],
) -> Callable[[random.Random, str], str | None]:
    """A slip in the hunks' bodies: the file header stays."""

    def malform(rng: random.Random, diff: str) -> str | None:
        lines = diff.split("\n")[:-1]
        changed = slip(rng, lines[2:])
        return None if changed is None else "\n".join([*lines[:2], *changed]) + "\n"

    return malform


def _headers(replacement: Callable[[random.Random, re.Match[str]], str]):
    def malform(rng: random.Random, diff: str) -> str:
        return re.sub(
            r"^@@ -(\d+)(?:,\d+)? \+(\d+)(?:,\d+)? @@.*$",
            lambda match: replacement(rng, match),
            diff,
            flags=re.MULTILINE,
        )

    return malform


def _wrong_counts(rng: random.Random, m: re.Match[str]) -> str:
    return f"@@ -{m[1]},{rng.randrange(1, 20)} +{m[2]},{rng.randrange(1, 20)} @@"


def _wrong_lines(rng: random.Random, m: re.Match[str]) -> str:
    start = max(1, int(m[1]) + rng.randrange(-30, 60))
    return re.sub(r"-\d+(,?\d*) \+\d+", rf"-{start}\1 +{start}", m[0])


def _lose_line(rng: random.Random, lines: list[str]) -> list[str] | None:
    """Models skip a comment or a blank line, or else some line away from the change."""
    soft = [at for at, line in enumerate(lines) if re.match(r" \s*(#.*)?$", line)]
    hard = [
        at
        for at in _old(lines)
        if 0 < at < len(lines) - 1 and lines[at - 1][:1] == " " and lines[at + 1][:1] == " "
    ]
    if not soft and not hard:
        return None
    at = rng.choice(soft or hard)
    return lines[:at] + lines[at + 1 :]


def _lose_plus(rng: random.Random, lines: list[str]) -> list[str] | None:
    places = _old(lines, "+")
    if not places:
        return None
    at = rng.choice(places)
    return [*lines[:at], f" {lines[at][1:]}", *lines[at + 1 :]]


def _elide(rng: random.Random, lines: list[str]) -> list[str] | None:
    runs = [at for at in _old(lines) if lines[at + 1 : at + 2] and lines[at + 1][:1] == " "]
    runs = [at for at in runs if at > 1 and lines[at - 1][:1] == " "]
    if not runs:
        return None
    at = rng.choice(runs)
    mark = rng.choice(("...", " ...", " # ...", "# ... existing code ..."))
    return [*lines[:at], mark, *lines[at + 1 :]]


def _join(rng: random.Random, lines: list[str]) -> list[str] | None:
    pairs = [at for at in _old(lines) if at + 1 in _old(lines)]
    if not pairs:
        return None
    at = rng.choice(pairs)
    return [*lines[:at], lines[at] + lines[at + 1].strip(), *lines[at + 2 :]]


def _typo(rng: random.Random, lines: list[str]) -> list[str] | None:
    places = [at for at in _old(lines) if len(lines[at].strip()) > 7]
    if not places:
        return None
    at = rng.choice(places)
    line = lines[at]
    spot = rng.randrange(len(line) - len(line.lstrip()), len(line) - 1)
    wrong = rng.choice(
        (
            line[:spot] + line[spot + 1 :],
            line[:spot] + line[spot] + line[spot:],
            line[:spot] + line[spot + 1] + line[spot] + line[spot + 2 :],
        )
    )
    return [*lines[:at], wrong, *lines[at + 1 :]]


def _outdent(_: random.Random, lines: list[str]) -> list[str] | None:
    bodies = [line[1:] for line in lines if line[:1] in " +-" and line[1:].strip()]
    depth = min(len(body) - len(body.lstrip()) for body in bodies)
    if not depth:
        return None
    return [line[:1] + line[1 + depth :] if line[:1] in " +-" else line for line in lines]


def _number(rng: random.Random, lines: list[str]) -> list[str]:
    number = rng.randrange(1, 300)
    style = rng.choice(("{sign}{n:4} | {text}", "{sign}{n}: {text}", "{sign}{n:>5}\t{text}"))
    result: list[str] = []
    for line in lines:
        if line[:1] in (" ", "-"):
            line = style.format(sign=line[0], n=number, text=line[1:])
            number += 1
        result.append(line)
    return result


def _map_lines(change: Callable[[random.Random, str], str]):
    return _context_only(lambda rng, lines: [change(rng, line) for line in lines])


def _tabs(_: random.Random, line: str) -> str:
    body = line[1:].lstrip(" ")
    width = len(line) - 1 - len(body)
    old = line[:1] in (" ", "-")
    return line[:1] + "\t" * (width // 4) + " " * (width % 4) + body if old else line


def _to_search_blocks(_: random.Random, diff: str) -> str:
    blocks = re.split(r"^@@.*\n", diff, flags=re.MULTILINE)[1:]
    out: list[str] = []
    for block in blocks:
        lines = block.split("\n")[:-1]
        old = "".join(f"{line[1:]}\n" for line in lines if line[:1] != "+")
        new = "".join(f"{line[1:]}\n" for line in lines if line[:1] != "-")
        block = f"<<<<<<< SEARCH\n{old}=======\n{new}>>>>>>> REPLACE\n"
        out.append(f"solution.py\n```python\n{block}```\n")
    return "I changed this:\n\n" + "\n".join(out)


def _to_envelope(_: random.Random, diff: str) -> str:
    body = re.sub(r"^@@.*$", "@@", diff.split("\n", 2)[2], flags=re.MULTILINE)
    return f"*** Begin Patch\n*** Update File: solution.py\n{body}*** End Patch\n"


SLIPS: dict[str, Callable[[random.Random, str], str | None]] = {
    "clean": lambda _, diff: diff,
    "wrong counts": _headers(_wrong_counts),
    "wrong lines": _headers(_wrong_lines),
    "dots for numbers": _headers(lambda *_: "@@ ... @@"),
    "bare header": _headers(lambda *_: "@@"),
    "no hunk header": lambda _, diff: re.sub(r"^@@.*\n", "", diff, flags=re.MULTILINE),
    "no file header": lambda _, diff: diff.split("\n", 2)[2],
    "other file name": lambda _, diff: diff.replace("solution.py", "src/main.py"),
    "stripped context": _map_lines(lambda _, x: x[1:] if x[:1] == " " and x[1:].strip() else x),
    "blank context": _map_lines(lambda _, x: "" if x == " " else x),
    "outdented": _context_only(_outdent),
    "tabs": _map_lines(_tabs),
    "trailing space": _map_lines(lambda rng, x: x + " " * rng.randrange(3) if x[:1] in " -" else x),
    "lost line": _context_only(_lose_line),
    "lost plus": _context_only(_lose_plus),
    "elision": _context_only(_elide),
    "joined lines": _context_only(_join),
    "typo": _context_only(_typo),
    "numbered": _context_only(_number),
    "CRLF": lambda _, diff: diff.replace("\n", "\r\n"),
    "no newline": lambda _, diff: diff.removesuffix("\n"),
    "fence and prose": lambda _, diff: f"Sure!\n\n```diff\n{diff}```\n\nThat should do.\n",
    "fence unclosed": lambda _, diff: f"```\n{diff}",
    "prose without fence": lambda _, diff: f"Here it is:\n\n{diff}\nI hope this works now.\n",
    "search blocks": _to_search_blocks,
    "envelope": _to_envelope,
}
