"""Picks the best of a reply's readings and finishes it."""

from __future__ import annotations

import ast
import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import takewhile
from typing import Literal

from ml_coach.core.python import syntax
from ml_coach.core.sanitizer import code, program, readings, suite, text
from ml_coach.core.sanitizer.code import Code
from ml_coach.core.sanitizer.elisions import elision

# A model's reply is a few thousand characters. What is far longer is a runaway, and parsing it
# would hold up everybody else.
LONGEST_REPLY = 64_000
MOST_BLOCKS = 40  # the last ones are looked at


@dataclass(frozen=True, slots=True)
class Sanitized:
    """Python that compiles, ending in one newline, and what was done to the reply for it."""

    source: str
    done: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Refused:
    """Why a reply holds no usable code: sentences that its author can act on."""

    reason: str


def sanitize(
    reply: str,
    *,
    names: Sequence[str] = (),
    stub: str = "",
    kind: Literal["program", "suite"] = "program",
) -> Sanitized | Refused:
    """The program or test suite that a model's raw `reply` means.

    `names` are the functions and classes that the program is to define; for a suite they are the
    program under test, whose copies are dropped. `stub` is the prompt's own code: it goes before
    a reply that is only a body, and lends imports and finished functions that the reply left out.
    Never raises; a reply longer than `LONGEST_REPLY` characters is refused.
    """
    if len(reply) > LONGEST_REPLY:
        return Refused(
            f"The reply has {len(reply):,} characters, more than {LONGEST_REPLY:,}. "
            "Reply with only the code."
        )
    cleaned, done = text.clean(reply)
    if not cleaned.strip():
        return Refused("The reply is empty. Reply with the complete code in one Python block.")
    stub_tree = syntax.parse(stub) if stub.strip() else None
    if kind == "program" and not names and stub_tree is not None:
        names = tuple(d.name for d in syntax.asked(stub_tree))
    try:
        result = _suite(cleaned, names) if kind == "suite" else _program(cleaned, names, stub_tree)
    except RecursionError:
        return Refused("The code is nested too deeply. Write it in a simpler way.")
    if isinstance(result, Refused):
        return result
    return Sanitized(result.source.rstrip() + "\n", (*done, *result.done))


def _program(reply: str, names: Sequence[str], stub: ast.Module | None) -> Code | Refused:
    found = list(_codes(reply))
    if not any(_defined(c, names) for c in found):
        found += _bodies(reply, stub, names)
    if not found or (names and not any(_defined(c, names) for c in found)):
        found += _last_resorts(reply)
    if not found:
        return Refused(_why_nothing(reply))
    completed = [_completed(c, found, stub, names) for c in found]
    completed.reverse()  # max takes the first of equals, and the answer is often the last block.
    best = completed[0] if len(completed) == 1 else max(completed, key=lambda c: _merit(c, names))
    best = _renamed(best, names)
    if refusal := _objection(best, names):
        return refusal
    source, tidied = program.tidy(best.source, best.tree, names)
    left = syntax.parse(source)
    if left is not None and all(map(syntax.is_docstring, left.body)):
        return Refused("The reply has only examples. Reply with the complete code.")
    return _final(best, source, tidied)


def _suite(reply: str, names: Sequence[str]) -> Code | Refused:
    found = list(_codes(reply)) or _last_resorts(reply)
    if not found:
        return Refused(_why_nothing(reply))
    if len(found) > 1 and (together := code.read("\n\n\n".join(c.source for c in found))):
        words = dict.fromkeys(word for c in found for word in c.done)
        found = [replace(together, done=tuple(words))]
    tidied: list[tuple[Code, str, tuple[str, ...], int]] = []
    for candidate in found:
        source, words = suite.tidy(candidate.source, candidate.tree, names)
        tree = syntax.parse(source)
        tidied.append((candidate, source, words, len(suite.tests_in(tree)) if tree else 0))
    best, source, words, tests = max(tidied, key=lambda item: (not elision(item[1]), item[3]))
    if not tests:
        return Refused("The reply has no test: write functions named test_... with asserts.")
    if comment := elision(best.source):
        return _elided(comment)
    return _final(best, source, words)


def _final(best: Code, source: str, words: tuple[str, ...]) -> Code | Refused:
    if problem := syntax.complaint(source):
        return Refused(f"The code does not compile: {problem}. Reply with the corrected code.")
    return replace(best, source=source, done=(*best.done, *words))


# Readings


def _codes(reply: str) -> Iterator[Code]:
    """Every reading of the reply in which code is set off from prose, in the reply's order."""
    if whole := code.as_it_is(reply):
        yield whole
        return
    reply = text.without_thoughts(reply)
    if whole := code.as_it_is(reply):
        yield replace(whole, done=("removed the model's reasoning",))
        return
    # Marks inside a string are the program's own, so what is quoted as a whole goes first.
    if found := _first(text.quoted(reply)):
        yield found
        return
    blocks = readings.fenced_blocks(reply)
    parts = _wanted_blocks(blocks)
    marked = [] if parts else list(readings.marked_blocks(reply))
    read = [found for part in (*parts, *marked) if (found := _inner(part))]
    if blocks and not read and (widest := code.read(readings.widest_block(reply))):
        read = [widest]
    words = "took the code out of its fences" if blocks else "took the code out of its marks"
    yield from (replace(found, done=(words, *found.done)) for found in read)
    if read:
        return
    if found := _first(text.unescaped(reply)):
        yield found
        return
    if not blocks and (found := code.read(reply)):
        yield found


def _wanted_blocks(blocks: Sequence[readings.Block]) -> list[str]:
    """The blocks tagged as Python and those without a tag; other languages only failing these."""
    wanted = [b for b in blocks if b.python or not b.tagged]
    return [b.text for b in (wanted or blocks)[-MOST_BLOCKS:]]


def _only_block(part: str) -> str:
    blocks = _wanted_blocks(readings.fenced_blocks(part))
    return blocks[-1] if blocks else part


def _first(parts: Iterator[str]) -> Code | None:
    found = next(filter(None, (_inner(_only_block(part)) for part in parts)), None)
    return found and replace(found, done=("undid escapes", *found.done))


def _inner(part: str) -> Code | None:
    if found := code.read(part):
        return found
    for inner in text.unescaped(part):
        if found := code.read(_only_block(inner)):
            return replace(found, done=("undid escapes", *found.done))
    return None


def _last_resorts(reply: str) -> list[Code]:
    reply = text.without_thoughts(reply)
    bare = readings.without_fences(reply)
    for part in dict.fromkeys((bare, text.plain(bare))):
        # Without fences, the whole reply has been read already.
        if part != reply and (found := code.skimmed(part)):
            return [found]
    return []


def _bodies(reply: str, stub: ast.Module | None, names: Sequence[str]) -> Iterator[Code]:
    """Readings as the mere body of the stub's last function."""
    if stub is None or not stub.body:
        return
    last = stub.body[-1]
    if not isinstance(last, ast.FunctionDef | ast.AsyncFunctionDef):
        return
    head = (
        ast.unparse(ast.Module([*stub.body[:-1], _emptied(last)], [])).removesuffix("pass").rstrip()
    )
    reply = text.without_thoughts(reply)
    parts = _wanted_blocks(readings.fenced_blocks(reply)) or list(readings.marked_blocks(reply))
    for part in reversed(parts or [reply]):
        for body in _indentations(part.strip("\n")):
            source = f"{head}\n{body}"
            tree = syntax.parse(source)
            if tree is None or not _has_body(tree, last.name) or not syntax.compiles(source):
                continue
            yield Code(source, tree, (f"put the reply under the signature of `{last.name}`",))
            return


def _emptied(function: ast.FunctionDef | ast.AsyncFunctionDef) -> ast.stmt:
    """A function with its docstring and nothing else, `pass` last."""
    kept = [s for s in function.body[:1] if syntax.is_docstring(s)]
    copy = syntax.module(ast.unparse(function)).body[0]
    assert isinstance(copy, ast.FunctionDef | ast.AsyncFunctionDef)
    copy.body = [*kept, ast.Pass()]
    return copy


def _indentations(part: str) -> Iterator[str]:
    """`part` as a function's body: as it stands, its first indentation lost, or from column 0."""
    lines = part.split("\n")
    if lines[0].startswith((" ", "\t")):
        # What stands at column 0 below an indented body is no part of it.
        inside = takewhile(lambda line: not line.strip() or line[0] in " \t", lines)
        part = "\n".join(inside)
    yield part
    yield "\n".join(["    " + lines[0].lstrip(), *lines[1:]])
    yield "\n".join("    " + line if line.strip() else line for line in lines)


def _has_body(tree: ast.Module, name: str) -> bool:
    """Whether the last function does something: prose can parse as names, but not as a return."""
    last = tree.body[-1]
    if not isinstance(last, ast.FunctionDef | ast.AsyncFunctionDef) or last.name != name:
        return False
    idle = ast.Expr | ast.Pass | ast.AnnAssign | ast.Import | ast.ImportFrom | syntax.Definition
    return any(not isinstance(s, idle) for s in last.body)


# Choice


def _defined(
    candidate: Code,
    names: Sequence[str],
    is_missing: Callable[[ast.stmt], bool] = syntax.is_placeholder,
) -> list[str]:
    """The asked names that the candidate really defines, not as an empty shell."""
    real = {
        name
        for statement in candidate.tree.body
        if not is_missing(statement)
        for name in syntax.bindings(statement)
    }
    return [name for name in names if name in real]


def _merit(candidate: Code, names: Sequence[str]) -> tuple[int, ...]:
    """What makes one reading better than another, the weightiest first."""
    definitions = {s.name for s in candidate.tree.body if isinstance(s, syntax.Definition)}
    missing = candidate.free_names & candidate.lost
    return (
        len(_defined(candidate, names)),
        len(_defined(candidate, names, syntax.is_empty)),
        not elision(candidate.source),
        -len(missing),
        bool(definitions),
        -len(candidate.free_names),
        0 if names else len(definitions),
        -candidate.truncated,
    )


def _completed(
    candidate: Code, found: Sequence[Code], stub: ast.Module | None, names: Sequence[str]
) -> Code:
    """The candidate with what it reads and lacks, from the reply's other parts and the stub."""
    defined = syntax.top_level(candidate.tree)
    sources: list[tuple[ast.Module, str]] = [
        (c.tree, "another block") for c in found if c is not candidate
    ]
    if stub is not None:
        sources.append((stub, "the prompt"))
    pieces: list[str] = []
    done: list[str] = []
    missing = set(candidate.free_names)
    if stub is not None and set(names) & defined:
        missing |= {
            s.name
            for s in stub.body
            if isinstance(s, syntax.Definition) and not syntax.is_placeholder(s)
        } - defined
    tried: set[str] = set()
    while missing - tried:
        name = min(missing - tried)
        tried.add(name)
        for tree, where in sources:
            statement = next(
                (s for s in reversed(tree.body) if name in syntax.bindings(s) and _can_be_lent(s)),
                None,
            )
            if statement is None:
                continue
            pieces.insert(0, ast.unparse(statement))
            done.append(f"took `{name}` from {where}")
            defined |= set(syntax.bindings(statement))
            missing |= syntax.free_names(ast.Module([statement], [])) - defined
            break
    if not pieces:
        return candidate
    source = syntax.insert_at_top(
        candidate.source, candidate.tree, "\n\n\n".join(dict.fromkeys(pieces))
    )
    tree = syntax.parse(source)
    if tree is None:
        return candidate
    return replace(candidate, source=source, tree=tree, done=(*candidate.done, *done))


def _can_be_lent(statement: ast.stmt) -> bool:
    if isinstance(statement, syntax.Definition):
        return not syntax.is_placeholder(statement)
    if isinstance(statement, ast.Assign | ast.AnnAssign):
        return not any(isinstance(node, ast.Call) for node in syntax.walk(statement))
    return isinstance(statement, ast.Import | ast.ImportFrom)


def _renamed(candidate: Code, names: Sequence[str]) -> Code:
    """Gives an asked name to the one definition that can only be meant by it.

    That is `romanToInt` for `roman_to_int`, or the method of a class such as `Solution`.
    """
    if not names or _defined(candidate, names) or set(names) & syntax.top_level(candidate.tree):
        return candidate
    lines: list[str] = []
    for name in names:
        plain = name.replace("_", "").lower()
        options = [
            s.name
            for s in candidate.tree.body
            if isinstance(s, syntax.Definition) and s.name.replace("_", "").lower() == plain
        ]
        options += [
            f"{s.name}().{name}"
            for s in candidate.tree.body
            if isinstance(s, ast.ClassDef) and _has_plain_method(s, name)
        ]
        if len(options) != 1:
            return candidate
        lines.append(f"{name} = {options[0]}")
    source = candidate.source.rstrip() + "\n\n\n" + "\n".join(lines)
    tree = syntax.parse(source)
    if tree is None:
        return candidate
    done = (*candidate.done, *(f"added `{line}`" for line in lines))
    return replace(candidate, source=source, tree=tree, done=done)


def _has_plain_method(definition: ast.ClassDef, name: str) -> bool:
    methods = [s for s in definition.body if isinstance(s, ast.FunctionDef | ast.AsyncFunctionDef)]
    begins = next((m for m in methods if m.name == "__init__"), None)
    return any(m.name == name for m in methods) and (begins is None or len(begins.args.args) == 1)


# Refusals


def _objection(best: Code, names: Sequence[str]) -> Refused | None:
    if comment := elision(best.source):
        return _elided(comment)
    defined = set(_defined(best, names))
    bound = syntax.top_level(best.tree)
    empty = [name for name in names if name in bound and name not in defined]
    if empty:
        return Refused(f"`{empty[0]}` has no body. Write the whole implementation.")
    gone = [name for name in (*names, *sorted(best.free_names)) if name in best.lost]
    if gone:
        if best.truncated:
            return Refused(
                f"The reply is cut off inside `{gone[0]}`. Reply with shorter, complete code."
            )
        return Refused(
            f"`{gone[0]}` is no valid Python: {best.fault}. Reply with the corrected code."
        )
    if names and not defined:
        others = [s.name for s in best.tree.body if isinstance(s, syntax.Definition)]
        instead = f"; it defines {', '.join(f'`{name}`' for name in others[:5])}" if others else ""
        return Refused(
            f"The reply does not define {' or '.join(f'`{name}`' for name in names)}{instead}. "
            "Use exactly the names that were asked for."
        )
    return None


def _elided(comment: str) -> Refused:
    return Refused(
        f"The code leaves a part out (`{comment[:80]}`). Write all of it, leave nothing out."
    )


def _why_nothing(reply: str) -> str:
    blocks = _wanted_blocks(readings.fenced_blocks(reply))
    part = max(blocks, key=len) if blocks else reply
    if blocks or re.search(r"^\s*(?:def|class|import|from|async def)\s", part, re.MULTILINE):
        return f"The code does not parse: {syntax.complaint(part)}. Reply with the corrected code."
    return "The reply holds no Python code. Reply with the complete code in one Python block."
