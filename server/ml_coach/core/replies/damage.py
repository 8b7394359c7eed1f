"""What terminals, mail, editors and web pages do to a text on its way, undone."""

from __future__ import annotations

import html
import re
from itertools import pairwise

_ANSI = re.compile(r"\x1b(?:\[[0-?]*[ -/]*[@-~]|\][^\x07\x1b]*(?:\x07|\x1b\\)|[@-Z\\-_])")
_CONTROL = re.compile(r"[\x00-\x08\x0b\x0e-\x1f\x7f]")
_SURROGATE = re.compile(r"[\ud800-\udfff]")
_HARD_SPACE = re.compile(r"^[+\- \t]?[ \t\xa0]*\xa0", re.MULTILINE)
_ESCAPE = re.compile(r"\\([nrt\"'\\])")
_ESCAPES = {"n": "\n", "r": "", "t": "\t"}
_QUOTES = str.maketrans({"‘": "'", "’": "'", "“": '"', "”": '"', "„": '"', "‟": '"'})
_ENTITY = re.compile(r"&(?:lt|gt|amp|quot|apos|#39|#x27|#34|nbsp|#160);")
_QUOTED = re.compile(r"^[ \t]*>(?: |$)")
_CELL = re.compile(r"^\s*In \[\d*\]: ?(.*)$")
_CELL_MORE = re.compile(r"^\s*\.\.\.+: ?(.*)$")
_PROMPT = re.compile(r"^\s*(?:>>>|\.\.\.)(?: (.*))?$")
_NUMBER = re.compile(r"^\s*(\d+)(?:[:|.)│→]\s?|\t|\s[|│]\s?|\s{1,2}|$)(.*)$")
_MARKS = re.compile(
    r"(?i)<pre[^>]*>\s*<code[^>]*>|(?:<pre[^>]*>\s*)?<(?:code|python|pre)\b[^>\n]*>(?=\s*\n)|\[(?:PYTHON|CODE|BEGIN)\]"
    r"|\\begin\{(?:code|lstlisting|verbatim|minted)\}(?:[\[{][^\n]*)?"
)
_MARK_ENDS = re.compile(
    r"(?i)</(?:code|python|pre)>(?:\s*</pre>)?|\[/(?:PYTHON|CODE)\]|\[(?:DONE|END)\]"
    r"|\\end\{(?:code|lstlisting|verbatim|minted)\}"
)


def without_colours(text: str) -> str:
    """The text without a terminal's control sequences."""
    return _ANSI.sub("", text) if "\x1b" in text else text


def without_controls(text: str) -> str:
    """The text without the characters that no source file can hold."""
    return text if text.isprintable() else _SURROGATE.sub("\ufffd", _CONTROL.sub("", text))


def as_typed(text: str) -> str:
    """What a web page typeset, as it was typed: spaces and quotes; and line ends that are all
    written as `\\n`."""
    text = _HARD_SPACE.sub(lambda match: match[0].replace("\xa0", " "), text).translate(_QUOTES)
    if text.count("\\n") > 2 * text.count("\n") + 1:
        text = _ESCAPE.sub(lambda match: _ESCAPES.get(match[1], match[1]), text.strip("\"'"))
    return text


def unescaped(text: str) -> str:
    """HTML escapes undone, where the text as a whole is escaped: no bare `<`, `>` or `&` in it."""
    if not _ENTITY.search(text) or re.search(r"[<>]|&(?!\w+;|#)", text):
        return text
    return html.unescape(text).replace("\xa0", " ")


def unquoted(text: str) -> str:
    """`> ` taken off each run of lines that holds a block of code or a diff."""
    if not re.search(r"^[ \t]*>(?: |$)", text, re.MULTILINE):
        return text
    lines = text.split("\n")
    result: list[str] = []
    at = 0
    while at < len(lines):
        end = at
        while end < len(lines) and _QUOTED.match(lines[end]):
            end += 1
        run = [_QUOTED.sub("", line, count=1) for line in lines[at:end]]
        is_code = any(re.match(r"```|~~~|@@ |--- |<{5,}|\*\*\* ", line.lstrip()) for line in run)
        result += run if is_code or len(run) == len(lines) else lines[at:end]
        if at == end:
            result.append(lines[at])
            end += 1
        at = end
    return "\n".join(result)


def without_prompts(text: str) -> str:
    """A session of an interpreter or a notebook as a file: its input without its output."""
    lines = text.split("\n")
    first = next((line for line in lines if line.strip()), "")
    if _CELL.match(first):
        found = [_CELL.match(line) or _CELL_MORE.match(line) for line in lines]
        return "\n".join(match[1] for match in found if match) + "\n"
    if first.lstrip().startswith(">>> "):
        found = [_PROMPT.match(line) for line in lines]
        return "\n".join(match[1] or "" for match in found if match) + "\n"
    return text


def without_numbers(text: str) -> str:
    """`12: code`, `12 | code` or `12  code` as `code`, where every line has a rising number."""
    lines = [line for line in text.split("\n") if line.strip()]
    found = [_NUMBER.match(line) for line in lines]
    if len(lines) < 2 or not all(found):
        return text
    numbers = [int(match[1][:9]) for match in found if match]
    if any(b <= a for a, b in pairwise(numbers)):
        return text
    return "".join(f"{match[2]}\n" for match in found if match)


def with_fences(text: str) -> str:
    """Marks around code that are no Markdown, `<code>` or `[BEGIN]`, as fences."""
    if "```" in text or "~~~" in text or not _MARKS.search(text):
        return text
    fenced = _MARK_ENDS.sub("\n```\n", _MARKS.sub("\n```python\n", text))
    return html.unescape(fenced) if "<pre" in text.lower() else fenced
