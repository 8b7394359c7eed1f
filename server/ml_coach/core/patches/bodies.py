"""What the lines of a function's old and new body say: their code, comments, marks, indentation."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Collection, Sequence
from textwrap import dedent

from ml_coach.core.patches.lines import indent_of, indent_width
from ml_coach.core.patches.making import changed_blocks
from ml_coach.core.patches.outline import Node, outline
from ml_coach.core.patches.targets import flat
from ml_coach.core.python import syntax
from ml_coach.core.python.scanning import in_strings
from ml_coach.core.sanitizer.elisions import elision

_COMMENT = re.compile(r"""((?:[^#"']|"(?:\\.|[^"\\])*"|'(?:\\.|[^'\\])*')*)(#.*)""")
_STOPS = re.compile(r"\s*(?:#\s*)?(?:\.\.\.|…)")
_KINDS = re.compile(r"\s*(for|while|if|elif|with|try|return|raise|yield|async)\b")
_CALL = re.compile(r"\b(\w++)\s*\(| for ")


def key(line: str) -> str:
    """What two lines have to share to be the same: their code, or a comment that stands alone."""
    return code_of(line) or line.strip()


def split(lines: Sequence[str], node: Node) -> tuple[list[str], list[str]]:
    """A function's signature and its body, also where both are in one line."""
    head, body = list(lines[node.head : node.body]), list(lines[node.body : node.last])
    first = None if node.inner else function_in(head)
    if first is None:
        return head, body
    at, column = first.body[0].lineno - 1, first.body[0].col_offset + len(node.indent)
    suite = node.indent + "    " + head[at].encode()[column:].decode()
    head[at] = head[at].encode()[:column].decode().rstrip()
    return head[: at + 1], [suite, *head[at + 1 :], *body]


def function_in(lines: Sequence[str]) -> syntax.Function | None:
    """The tree of the function that the lines are; None where they are no function to parse."""
    tree = syntax.parse(dedent("\n".join(lines)) + "\n")
    first = tree.body[0] if tree and tree.body else None
    return first if isinstance(first, syntax.Function) else None


def docstring(node: Node) -> int:
    """How many lines at the beginning of a function's body are its docstring."""
    first = node.inner[0] if node.inner else None
    return first.last - node.body if first and re.match(r"\s*[rRuU]?\"\"\s*$", first.code) else 0


def code_of(line: str) -> str:
    """A line without its comment; empty for a line that is nothing else."""
    if "#" in line and (match := _COMMENT.match(line)):
        line = match[1]
    return line.rstrip()


def left_out(old: Sequence[str], new: Sequence[str]) -> str:
    """The comment or the dots in `new` that stand for lines of `old`, empty where nothing does.

    By structure, whatever the language: a mark that the user does not have stands alone where
    statements of the user's were, or a loop or branch is gone and nothing computes in its place.
    """
    known = {line.strip() for line in old} | {comment_of(line) for line in old}
    had = Counter(match[1] for line in old if (match := _KINDS.match(line)))
    has = Counter(match[1] for line in new if (match := _KINDS.match(line)))
    lines = {code_of(line) for line in old}
    added = [line for line in new if code_of(line) and code_of(line) not in lines]
    calls = set(_CALL.findall("\n".join(map(code_of, old))))
    computes = set(_CALL.findall("\n".join(map(code_of, added)))) - calls
    fewer = bool(had - has) and not computes
    shorter = sum(map(bool, map(code_of, new))) < sum(map(bool, map(code_of, old)))
    for at, line in enumerate(new):
        comment = comment_of(line)
        alone = line.strip() in (comment, "...", "…", "pass") and bool(line.strip())
        if line.strip() in known or not (comment or alone) or (comment and comment in known):
            continue
        follows = next((text for text in new[at + 1 :] if code_of(text)), "")
        explains = follows in added and re.match(r"\s*(?:return|raise|yield)\b", follows)
        last = not any(map(code_of, new[at + 1 :])) and bool(
            had - has or lines - set(map(code_of, new))
        )
        if alone and (_STOPS.match(line) or last or (shorter and elision(line))) and len(lines) > 1:
            return line.strip()
        if fewer and not explains and (alone or code_of(line) in lines):
            return line.strip()
    return ""


def blended(
    old: list[str], new: list[str], mine: Collection[int] = (), theirs: Collection[int] = ()
) -> list[str]:
    """`new` with the user's comments and spelling, where it says nothing else. `mine` and `theirs`
    are the lines of both that are docstrings."""
    code = [code_of(line) for line in old]
    blocks = changed_blocks([key(line) for line in old], [key(line) for line in new])
    result: list[str] = []
    at = k = 0
    for a, b, c, d in [*blocks, (len(old), len(old), len(new), len(new))]:
        for own, other in zip(old[at:a], new[k:c], strict=True):
            result.append(other if "#" in other and "#" not in own else own)
        come = new[c:d]
        lead = next((n for n in range(a, b) if code[n] and n not in mine), b)
        speaks = any(line.lstrip().startswith("#") for line in come)
        if any(n in mine for n in range(a, lead)):
            speaks = speaks or any(n in theirs for n in range(c, d))
        # Comments and a docstring that the reply only lacks stay above what follows them.
        if any(line.strip() for line in old[a:lead]) and not speaks:
            has_code = any(map(code_of, come))
            come = [*old[a:lead], *(line for line in come if has_code or line.strip())]
        result += come
        at, k = b, d
    return result


def documented(lines: Sequence[str]) -> set[int]:
    """The lines that are docstrings of functions and classes."""
    nodes = [n for node in outline(lines) for n in flat(node)]
    return {at for n in nodes for at in range(n.body, n.body + docstring(n))}


def comment_of(line: str) -> str:
    match = _COMMENT.match(line) if "#" in line else None
    return match[2].strip() if match else ""


def indent_unit(lines: Sequence[str]) -> str:
    """One level of indentation as the lines have it: the shortest of their indents."""
    inside = in_strings(lines)
    indents = {
        indent_of(line) for at, line in enumerate(lines) if line.strip() and at not in inside
    }
    indents.discard("")
    return min(indents, key=indent_width, default="    ")
