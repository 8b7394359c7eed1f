"""Lines as a diff sees them: ended by a line feed and by nothing else."""

from __future__ import annotations

from collections.abc import Iterable


def split_lines(text: str) -> list[str]:
    """The lines of `text` without their ends; a final line feed adds no empty line.

    `str.splitlines` would also split at form feeds and other separators that Python source,
    git and editors keep inside a line. A carriage return stays at the end of its line.
    """
    lines = text.split("\n")
    if not lines[-1]:
        lines.pop()
    return lines


def kept_lines(text: str) -> list[str]:
    """The lines of `text` with their ends, so that joined they give it again."""
    lines = [f"{line}\n" for line in split_lines(text)]
    if lines and not text.endswith("\n"):
        lines[-1] = lines[-1][:-1]
    return lines


def line_end(text: str) -> str:
    """The line end that `text` mostly uses."""
    crlf = text.count("\r\n")
    return "\r\n" if crlf * 2 > text.count("\n") else "\n"


def tight(line: str) -> str:
    """The line without any white space: what survives tabs, re-indenting and joining."""
    return "".join(line.split())


def indent_of(line: str) -> str:
    return line[: len(line) - len(line.lstrip(" \t"))]


def indent_width(line: str) -> int:
    """Columns of indentation, with a tab counted as one level of four."""
    return len(indent_of(line).expandtabs(4))


def is_comment(line: str) -> bool:
    return line.lstrip().startswith("#")


def first_indent(lines: Iterable[str]) -> str:
    """The character that the first indented line is indented with, a space where none is."""
    for line in lines:
        if line[:1] in (" ", "\t") and line.strip():
            return line[0]
    return " "
