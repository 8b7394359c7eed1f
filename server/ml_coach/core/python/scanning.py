"""One line of Python text after another, without parsing: strings, comments and open brackets.

Works on text that does not compile, and on newer syntax than the Python that runs here.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

_TOKEN = re.compile(
    r"""(?P<comment>\#.*)|(?P<triple>\"""|''')|(?P<string>"(?:\\.|[^"\\])*"|'(?:\\.|[^'\\])*')"""
    r"|(?P<open>[(\[{])|(?P<close>[)\]}])|(?P<more>\\$)"
)


def scanned(line: str, quote: str = "") -> tuple[str, int, str, bool]:
    """A line that begins within the triple quotes `quote`, or outside of any where it is empty.

    What comes back: its code with strings emptied and comments removed, how many brackets it
    leaves open, the triple quotes that are open at its end, and whether it goes on after a
    backslash.
    """
    position, depth, code = 0, 0, ""
    while position < len(line):
        if quote:
            end = line.find(quote, position)
            if end < 0:
                break
            position, quote = end + 3, ""
            continue
        match = _TOKEN.search(line, position)
        if not match:
            code += line[position:]
            break
        code += line[position : match.start()]
        position = match.end()
        if match["comment"] or match["more"]:
            return code, depth, "", bool(match["more"])
        quote = match["triple"] or ""
        if match["open"] or match["close"]:
            depth += 1 if match["open"] else -1
            code += match[0]
        else:
            code += '""'
    return code, depth, quote, False


def in_strings(lines: Sequence[str]) -> set[int]:
    """The lines, from 0, that begin within a string in triple quotes: to indent them changes it."""
    inside: set[int] = set()
    quote = ""
    for at, line in enumerate(lines):
        if quote:
            inside.add(at)
        quote = scanned(line, quote)[2]
    return inside
