"""Examples written as code: doctests and assert statements."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator, Sequence, Set
from dataclasses import dataclass, replace

from ml_coach.core.examples import expressions, words
from ml_coach.core.examples.expressions import Example
from ml_coach.core.python import syntax

DOCTEST = re.compile(r">>>[ \t]?(.*)$")
ASSERT = re.compile(r"(?:[-*•]|\d+[.)])?[ \t]*`*(?=assert\b)")
FENCE = re.compile(r"(?:`{3,}|~{3,})")
_RAISING = re.compile(r"\s*with pytest\.raises\((\w+)\):\s*$")
_DIRECTIVE = re.compile(r"#\s*doctest:")
# Right below an output: "but it should be 3"
_TAKEN_BACK = re.compile(
    r"(?:`{3}\s*)?(?:but|instead|which is|this is|that is|it should|i expect\w*|wrong"
    r"|the (?:right|correct)|expected|should)\b[^\n]*"
    r"\b(?:should|expect\w*|wrong|incorrect|right|correct|be|instead|not)\b"
    r"|(?:`{3}\s*)?it (?:should|must) (?:return|give|be|yield|raise|not)\b",
    re.IGNORECASE,
)
# A docstring may begin and end in the lines of its example.
_OPENING = re.compile(r"^\s*(?:[rR]?(?:\"{3}|'{3})[^>]*)?")
_QUOTES = ('"""', "'''")
# Between a call and its value in one line.
_GAP = re.compile(r"(?<=\))\s*(?:->|=>|==|→|⇒|➞|#\s*(?:=>|->|→)?|\breturns\b|\s)\s*")
_MORE = re.compile(r"\.\.\.(?:[ \t](.*))?$")


@dataclass(frozen=True, slots=True)
class _Shown:
    """One `>>>` of a prompt: its line (from 0), its code and the lines of output below it, without
    the indentation of the `>>>`."""

    line: int
    code: str
    wanted: tuple[str, ...]


def doctests(prompt: str) -> Iterator[tuple[int, Example]]:
    """The examples in an interpreter's notation, each with its line, counted from 0."""
    known: dict[str, str] = {}
    unclear: set[str] = set()
    with_output: set[str] = set()
    silent: list[_Shown] = []
    lines = prompt.splitlines()
    taken_back = [s for s in _shown(prompt) if _is_taken_back(lines, s)]
    for shown in (s for s in _shown(prompt) if s not in taken_back):
        tree = syntax.parse(shown.code)
        # What is marked is to be skipped, or compared by other rules than equality.
        if tree is None or len(tree.body) != 1 or _DIRECTIVE.search(shown.code):
            continue
        statement, code = tree.body[0], shown.code
        if not isinstance(statement, ast.Expr):
            _remember(statement, known, unclear)
            continue
        read = syntax.loads(statement)
        if read & unclear:
            continue
        if read & known.keys():
            code = ast.unparse(_Put(known).visit(statement))
        else:
            code = ast.get_source_segment(code, statement.value) or code
        comment = " ".join(shown.wanted).partition("#")[2]
        is_wrong = words.PAST.search(comment) is not None
        example = _put_right(code, comment) if is_wrong else _doctest(code, shown.wanted)
        if example and read - known.keys() - syntax.BUILTINS:
            with_output.add(expressions.callee(example.call))
            yield shown.line, example
            continue
        if not shown.wanted:
            silent.append(replace(shown, code=code))
        # What is not an example of a value may be there to change its argument.
        _forget(read & known.keys(), known, unclear)
    for shown in silent:
        # No output means None, if the prompt shows by another example that it writes outputs.
        if expressions.is_plain_call(shown.code) and expressions.callee(shown.code) in with_output:
            yield shown.line, expressions.equal(shown.code, "None", True)


def sessions(prompt: str) -> Iterator[tuple[int, int, Example]]:
    """The examples that need what was done above them, each with the lines (from 0) of its own
    `>>>`: the steps stand before its check."""
    lines = prompt.splitlines()
    done: list[ast.stmt] = []
    for shown in _shown(prompt):
        tree = syntax.parse(shown.code)
        if tree is None or len(tree.body) != 1 or _DIRECTIVE.search(shown.code):
            return
        statement = tree.body[0]
        steps = _needed(statement, done)
        is_shown = isinstance(statement, ast.Expr) and not _is_taken_back(lines, shown)
        example = _doctest(shown.code, shown.wanted) if is_shown else None
        if example and any(isinstance(n, ast.Call) for step in steps for n in ast.walk(step)):
            before = "\n".join(ast.unparse(step) for step in steps)
            yield (
                shown.line,
                shown.line + 1 + len(shown.wanted),
                Example(f"{before}\n{example.statement}", f"{before}\n{example.call}",
                        example.value, True),
            )  # fmt: skip
        # What raises changes nothing that can be relied on.
        if not (example and example.value.startswith("raises")):
            done.append(statement)


def shown_calls(prompt: str) -> Iterator[tuple[int, str]]:
    """Each call behind a `>>>` with its line, counted from 0."""
    for shown in _shown(prompt):
        if expressions.is_plain_call(shown.code) and expressions.is_example_call(shown.code):
            yield shown.line, shown.code


def _needed(statement: ast.stmt, done: Sequence[ast.stmt]) -> list[ast.stmt]:
    """The statements of `done` that make or change what `statement` reads."""
    wanted = set(syntax.loads(statement))
    steps: list[ast.stmt] = []
    for step in reversed(done):
        names = {*syntax.bindings(step), *syntax.loads(step)}
        is_about = names & wanted & {n for other in done for n in syntax.bindings(other)}
        if is_about:
            steps.insert(0, step)
            wanted |= names
    return steps


def _shown(prompt: str) -> Iterator[_Shown]:
    lines = prompt.splitlines()
    at = 0
    while at < len(lines):
        begin = DOCTEST.match(_OPENING.sub("", lines[at]))
        indentation = lines[at].partition(">>>")[0]
        start = at
        at += 1
        in_line = list(_in_one_line(lines[start]))
        yield from (_Shown(start, code, (value,)) for code, value in in_line)
        if in_line or not begin:
            continue
        source, wanted = [begin[1]], list[str]()
        while at < len(lines) and (more := _MORE.match(lines[at].lstrip())):
            source.append(more[1] or "")
            at += 1
        while at < len(lines) and lines[at].strip() and not _stops_doctest(lines[at]):
            wanted.append(_unclosed(lines[at].removeprefix(indentation)))
            at += 1
            if lines[at - 1].rstrip().endswith(_QUOTES):
                break
        yield _Shown(start, "\n".join(source).strip(), tuple(wanted))


def _in_one_line(line: str) -> Iterator[tuple[str, str]]:
    """Calls and their values that stand in one line, as in a short docstring:
    `"Twice x. >>> f(2)  4"`."""
    for shown in _unclosed(line).split(">>>")[1:]:
        for gap in _GAP.finditer(shown := shown.strip().removesuffix(".")):
            code, value = shown[: gap.start()], shown[gap.end() :]
            if expressions.is_plain_call(code) and expressions.closed_value(value) is not None:
                yield code, value
                break


def _unclosed(line: str) -> str:
    """The line without the quotes that end a docstring."""
    bare = line.rstrip()
    return bare[:-3].rstrip() if bare.endswith(_QUOTES) else line


def _stops_doctest(line: str) -> bool:
    text = line.strip()
    return bool(DOCTEST.match(text) or FENCE.match(text)) or text.startswith(_QUOTES)


def _doctest(code: str, wanted: Sequence[str]) -> Example | None:
    tree = syntax.parse(code)
    if tree is None:
        return None
    value = tree.body[0].value if isinstance(tree.body[0], ast.Expr) else None
    text = "\n".join(line.strip() for line in wanted)
    if isinstance(value, ast.Compare) and text in ("", "True"):
        return expressions.from_comparison(code, value)
    if not wanted or value is None:
        return None
    if text.startswith("Traceback"):
        error = re.match(r"(?:\w+\.)*(\w+)", wanted[-1].strip())
        return (
            expressions.raises(code, error[1], True)
            if error and error[1] in expressions.ERRORS
            else None
        )
    if (
        isinstance(value, ast.Call)
        and isinstance(value.func, ast.Name)
        and value.func.id == "print"
    ):
        if len(wanted) != 1 or len(value.args) != 1 or value.keywords:
            return None
        inner, printed = f"str({ast.unparse(value.args[0])})", wanted[0]
        if printed != printed.rstrip():
            return None  # Blanks at a line's end may be no more than an editor's.
        return Example(f"assert {inner} == {printed!r}", inner, repr(printed), True)
    if expressions.closed_value(text) is not None:
        return expressions.equal(code, text, True)
    wanted_tree = syntax.parse(text)
    if wanted_tree is not None and len(wanted_tree.body) == 1 and expressions.is_plain_call(text):
        # A doctest compares what is shown, so an object is compared by its repr.
        return Example(f"assert repr({code}) == {text!r}", f"repr({code})", repr(text), True)
    return None


def _is_taken_back(lines: Sequence[str], shown: _Shown) -> bool:
    after = "\n".join(lines[shown.line + 1 + len(shown.wanted) :]).strip()
    return _TAKEN_BACK.match(after) is not None


def _put_right(code: str, comment: str) -> Example | None:
    """The example in an output such as "2  # wrong, should be 3"."""
    right = re.search(r"\b(?:should|must) be (\S+?)[.,]?$", comment)
    is_value = right is not None and expressions.closed_value(right[1]) is not None
    return expressions.equal(code, right[1], True) if right and is_value else None


def _remember(statement: ast.stmt, known: dict[str, str], unclear: set[str]) -> None:
    """Follows `>>> xs = [1, 2]`; anything else makes its names unclear."""
    match statement:
        case ast.Assign(targets=[ast.Name(id=name)], value=value) if expressions.is_closed(value):
            known[name] = ast.unparse(value)
            unclear.discard(name)
        case ast.Import() | ast.ImportFrom():
            pass
        case _:
            changed = known.keys() & syntax.loads(statement)
            _forget({*syntax.bindings(statement), *changed}, known, unclear)


def _forget(names: Set[str], known: dict[str, str], unclear: set[str]) -> None:
    for name in names:
        unclear.add(name)
        known.pop(name, None)


class _Put(ast.NodeTransformer):
    """Writes remembered literals where their names stand."""

    def __init__(self, known: dict[str, str]) -> None:
        self._known = known

    def visit_Name(self, node: ast.Name) -> ast.AST:
        text = self._known.get(node.id)
        return syntax.expression(text) if text is not None else node


def asserts(prompt: str) -> Iterator[tuple[int, Example]]:
    lines = prompt.splitlines()
    for at, line in enumerate(lines[:-1]):
        raising = _RAISING.match(line)
        call = lines[at + 1].strip() if raising else ""
        if raising and raising[1] in expressions.ERRORS and expressions.is_example_call(call):
            yield at, expressions.raises(call, raising[1], True)
    for at, line in enumerate(lines):
        begin = ASSERT.match(line.lstrip())
        if not begin:
            continue
        text = ""
        for more in range(at, min(at + 30, len(lines))):
            piece = lines[more].lstrip()[begin.end() :] if more == at else lines[more]
            text += ("\n" if text else "") + piece
            tree = syntax.parse(text.strip().rstrip("`").rstrip())
            if tree is not None and len(tree.body) == 1 and isinstance(tree.body[0], ast.Assert):
                if expressions.is_self_contained(tree.body[0].test):
                    test = tree.body[0].test
                    code = ast.get_source_segment(text.strip(), test) or ast.unparse(test)
                    yield (
                        at,
                        Example(f"assert {_one_line(code, test)}", *expressions.sides(test), True),
                    )
                break


def _one_line(code: str, test: ast.expr) -> str:
    return code if "\n" not in code else ast.unparse(test)
