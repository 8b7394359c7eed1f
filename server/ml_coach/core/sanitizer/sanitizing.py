"""A reply → a program or a suite, or the sentence that says why it gives neither."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import takewhile
from typing import Literal

from ml_coach.core import replies
from ml_coach.core.python import syntax
from ml_coach.core.replies import Reply, Segment
from ml_coach.core.replies.roles import DEFINES, is_local_import
from ml_coach.core.sanitizer import code, gaps, joining, program_text, suite
from ml_coach.core.sanitizer.code import Code
from ml_coach.core.sanitizer.elisions import elision

# Characters. The longest of 1,630 recorded replies has 5,972, and the slowest reply that could be
# thought of takes 0.9 s at this length (3,200 blocks, none of them closed).
LONGEST_REPLY = 64_000
# Characters that may be parsed to join blocks: a class of 10,000 with twenty methods beside it.
_MOST_JOINED = 200_000
# Code within a line of prose.
_INLINE = re.compile(r"(?<!`)`([^`\n]+)`(?!`)")


@dataclass(frozen=True, slots=True)
class Sanitized:
    """Python that compiles, ending in one newline."""

    source: str


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
    if not reply.strip():
        return Refused("The reply is empty. Reply with the complete code in one Python block.")
    stub_tree = replies.parsed(stub) if stub.strip() else None
    if kind == "program" and not names and stub_tree is not None:
        names = tuple(d.name for d in syntax.asked(stub_tree))
    try:
        read = replies.read(reply)
        result = _suite(read, names) if kind == "suite" else _program(read, names, stub_tree)
    except RecursionError:
        return Refused("The code is nested too deeply. Write it in a simpler way.")
    if isinstance(result, Refused):
        return result
    source = result.source.rstrip() + "\n"
    if problem := syntax.complaint(source):
        return Refused(f"The code does not compile: {problem}. Reply with the corrected code.")
    return Sanitized(source)


def _program(reply: Reply, names: Sequence[str], stub: ast.Module | None) -> Code | Refused:
    # What begins inside of something, and nothing else has, is no other version of anything.
    given = {name for s in reply.segments for name in DEFINES.findall(s.text)}
    members = [s for s in reply.rejected if s.text[:1] in (" ", "\t")]
    members = [s for s in members if given.isdisjoint(DEFINES.findall(s.text) or given)]
    segments = sorted((*reply.segments, *members), key=lambda segment: segment.line)
    reply = replace(reply, segments=tuple(segments))
    parts, tests = _parts(reply, "program"), _parts(reply, "tests")
    # The reader does not know what was asked for: what defines that is no test of it, and no
    # block to be avoided.
    for others in (_parts(replace(reply, segments=reply.rejected), "program"), tests):
        defined = {name for part in parts for name in part.definitions}
        parts += [p for p in others if p.definitions.keys() & (set(names) - defined)]
    if stub is not None and not any(part.definitions.keys() & set(names) for part in parts):
        is_code = any(part.has_definition and syntax.compiles(part.source) for part in parts)
        body = None if is_code else _body(reply, stub)
        parts = [body] if body else parts
    if not parts:
        inline = map(code.read, _INLINE.findall(reply.answer))
        parts = [part for part in inline if part and part.definitions.keys() & set(names)]
    if not parts:
        return Refused(_why_nothing(reply, has_tests=bool(tests)))
    if len(parts) > 1 and (problem := joining.partial_class(parts)):
        return Refused(problem)
    found = joining.joined(parts, names, _parts(reply, "usage") + parts)
    if stub is not None:
        found = joining.with_stub(found, stub, names)
    found = _renamed(found, names)
    if problem := _objection(found, parts, names):
        return Refused(problem)
    source = program_text.tidy(found.source, found.tree, names)
    left = syntax.parse(source) if source != found.source else None
    if left is not None and all(map(syntax.is_docstring, left.body)):
        return Refused("The reply has only examples. Reply with the complete code.")
    return replace(found, source=source)


def _suite(reply: Reply, names: Sequence[str]) -> Code | Refused:
    parts = _parts(reply, "program", "tests", "usage")
    if not parts:
        return Refused(_why_nothing(reply, has_tests=False))
    found = suite.of_parts(parts, names)
    source = suite.tidy(found.source, found.tree, names)
    tree = syntax.parse(source)
    if tree is None or not suite.tests_in(tree):
        return Refused("The reply has no test: write functions named test_... with asserts.")
    if comment := elision(source):
        return Refused(_elided(comment))
    return replace(found, source=source)


# Readings


def _parts(reply: Reply, *roles: replies.Role) -> list[Code]:
    """The code of each segment with one of `roles`; of the prose, where nothing is set off."""
    segments = list(reply.of(*roles))
    if "program" in roles:
        segments += map(_new_file, reply.of("patch"))
        if not any(s.fenced for s in reply.of("program", "tests", "patch")):
            segments += reply.of("prose")
    found = ((segment, code.read(segment.text)) for segment in _continued(segments))
    return [replace(part, file=segment.file) for segment, part in found if part]


def _continued(segments: Sequence[Segment]) -> list[Segment]:
    """The segments, one that begins inside a function or class, or that are methods of a class
    above, joined to the one that it goes on with.

    Lines that stand in the other one already are only shown again.
    """
    result: list[Segment] = []
    budget = _MOST_JOINED
    for segment in segments:
        before, text = result[-1].text if result else "", segment.text.strip("\n")
        budget -= len(before) if text[:1] in (" ", "\t") or "self" in text else 0
        whole = joining.with_methods(before, text) if result and budget > 0 else ""
        if whole is None and text[:1] in (" ", "\t") and replies.parsed(segment.text) is None:
            new = {line.strip() for line in text.split("\n")}
            whole = before + segment.text
            is_new = bool(new - {line.strip() for line in before.split("\n")})
            whole = whole if is_new and syntax.compiles(whole) else ""
        if whole:
            result[-1] = replace(result[-1], text=whole)
        else:
            result.append(segment)
    return result


def _new_file(patch: Segment) -> Segment:
    """A diff of a new file, or of all of a function, as what it gives; any other as nothing."""
    lines = patch.text.split("\n")
    added = [line[1:] for line in lines if line[:1] == "+" and not line.startswith("+++ ")]
    rest = [line for line in lines if line[:1] in (" ", "-") and not line.startswith("--- ")]
    if rest and rest[0].startswith((" def ", " class ")) and "\n@@" not in f"\n{patch.text}":
        added, rest = [line[1:] for line in lines if line[:1] in (" ", "+")], []
    return replace(patch, text="" if rest or patch.language != "diff" else "\n".join(added))


def _body(reply: Reply, stub: ast.Module) -> Code | None:
    """The reply as the mere body of the stub's last function, None where it is not one."""
    last = stub.body[-1]
    if not isinstance(last, syntax.Function):
        return None
    emptied = syntax.module(ast.unparse(last)).body[0]
    assert isinstance(emptied, syntax.Function)
    emptied.body = [*(s for s in last.body[:1] if syntax.is_docstring(s)), ast.Pass()]
    head = ast.unparse(ast.Module([*stub.body[:-1], emptied], [])).removesuffix("pass").rstrip()
    fenced = [segment.text for segment in reply.segments if segment.fenced]
    for part in reversed(fenced or [segment.text for segment in reply.segments]):
        for body in _indentations(part.strip("\n")):
            source = f"{head}\n{body}"
            tree = syntax.parse(source)
            if tree is None or not _has_body(tree, last.name) or not syntax.compiles(source):
                continue
            if syntax.free_names(tree) <= syntax.free_names(stub):
                return Code(source, tree)
    return None


def _indentations(part: str) -> Iterator[str]:
    """`part` as a function's body: as it stands, its first indentation lost, or from column 0."""
    lines = part.split("\n")
    if lines[0].startswith((" ", "\t")):
        # What stands at column 0 below an indented body is not part of it.
        inside = takewhile(lambda line: not line.strip() or line[0] in " \t", lines)
        part = "\n".join(inside)
    yield part
    yield "\n".join(["    " + lines[0].lstrip(), *lines[1:]])
    yield "\n".join("    " + line if line.strip() else line for line in lines)


def _has_body(tree: ast.Module, name: str) -> bool:
    """Whether the last function does something: prose can parse as names, but not as a return."""
    last = tree.body[-1]
    if not isinstance(last, syntax.Function) or last.name != name:
        return False
    idle = ast.Expr | ast.Pass | ast.AnnAssign | ast.Import | ast.ImportFrom | syntax.Definition
    return any(not isinstance(s, idle) for s in last.body)


def _renamed(found: Code, names: Sequence[str]) -> Code:
    """Gives an asked name to the one definition that can only be meant by it.

    That is `romanToInt` for `roman_to_int`, or the method of a class such as `Solution`.
    """
    if found.bound.intersection(names):
        return found
    options: dict[str, list[str]] = {}
    for definition in found.tree.body:
        if isinstance(definition, syntax.Definition):
            options.setdefault(_plain(definition.name), []).append(definition.name)
        if isinstance(definition, ast.ClassDef):
            for name in _plain_methods(definition):
                options.setdefault(_plain(name), []).append(f"{definition.name}().{name}")
    chosen = [options.get(_plain(name), []) for name in names]
    if not names or any(len(meant) != 1 for meant in chosen):
        return found
    lines = [f"{name} = {meant[0]}" for name, meant in zip(names, chosen, strict=True)]
    source = found.source.rstrip() + "\n\n\n" + "\n".join(lines)
    return replace(found, source=source, tree=syntax.module(source))


def _plain(name: str) -> str:
    return name.replace("_", "").lower()


def _plain_methods(definition: ast.ClassDef) -> list[str]:
    """The methods of a class that can be made without arguments."""
    methods = [s for s in definition.body if isinstance(s, syntax.Function)]
    begins = next((m for m in methods if m.name == "__init__"), None)
    is_plain = begins is None or len(begins.args.args) == 1
    return [m.name for m in methods if is_plain]


# Refusals


def _objection(found: Code, parts: Sequence[Code], names: Sequence[str]) -> str:
    """What the program lacks, as a sentence; empty where it lacks nothing."""
    if comment := elision(found.source):
        return _elided(comment)
    # What another module of the reply's own is said to have, is defined nowhere.
    local = {n for s in found.tree.body if is_local_import(s) for n in syntax.bindings(s)}
    bound = found.bound - (local - found.definitions.keys())
    lost = found.lost.union(*(part.lost for part in parts)) - bound
    gone = [name for name in (*names, *sorted(found.free_names)) if name in lost] if lost else []
    if gone or (lost and not names):
        name = (gone or sorted(lost))[0]
        if any(part.truncated for part in parts):
            return f"The reply is cut off inside `{name}`. Reply with shorter, complete code."
        fault = next(part.fault for part in parts if part.fault)
        return f"`{name}` is no valid Python: {fault}. Reply with the corrected code."
    if empty := gaps.empty(found, names):
        return f"`{empty}` has no body. Write the whole implementation."
    if gap := gaps.unfinished(found, names):
        return f"`{gap}` leaves a part of its body out. Write all of it, leave nothing out."
    if method := gaps.method_apart(found, parts, names):
        return f"`{method}` is a method outside its class. Write the whole class in one block."
    absent = [name for name in names if name not in bound]
    if absent and len(absent) < len(names):
        methods = {s.name for s in syntax.walk(found.tree) if isinstance(s, syntax.Definition)}
        absent = [name for name in absent if name not in methods]
    if absent:
        others = [s.name for s in found.tree.body if isinstance(s, syntax.Definition)]
        instead = f"; it defines {', '.join(f'`{name}`' for name in others[:5])}" if others else ""
        return (
            f"The reply does not define {' or '.join(f'`{name}`' for name in absent)}{instead}. "
            "Use exactly the names that were asked for."
        )
    if file := joining.missing_module(found, parts):
        return f"The program imports `{file}`, a second file. Write all of it in one file."
    return ""


def _elided(comment: str) -> str:
    return f"The code leaves a part out (`{comment[:80]}`). Write all of it, leave nothing out."


def _why_nothing(reply: Reply, *, has_tests: bool) -> str:
    if has_tests:
        return "The reply holds only tests. Reply with the program in one Python block."
    broken: list[Segment] = [*reply.of("program", "tests", "usage")]
    if broken:
        problem = syntax.complaint(max(broken, key=lambda segment: len(segment.text)).text)
        if problem:
            return f"The code does not parse: {problem}. Reply with the corrected code."
    if not reply.answer.strip():
        return "The reply ends before its answer begins. Reply with the complete code only."
    return "The reply holds no Python code. Reply with the complete code in one Python block."
