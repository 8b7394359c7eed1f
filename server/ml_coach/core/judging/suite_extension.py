"""A follow-up's tests behind those that stand there already, and where the two contradict."""

from __future__ import annotations

import ast
import builtins
import re
from collections.abc import Container, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from difflib import get_close_matches

from ml_coach.core.agents.guessed_tests import call_of
from ml_coach.core.agents.test_steps import is_check, subject
from ml_coach.core.evidence import Provenance
from ml_coach.core.judging.probes import positional, signatures_of
from ml_coach.core.judging.test_filter import without
from ml_coach.core.judging.voting import same_answer
from ml_coach.core.patches.line_endings import Text
from ml_coach.core.python import syntax
from ml_coach.core.python.literals import expected_value, value_of
from ml_coach.core.python.marks import marked
from ml_coach.core.question import Answer
from ml_coach.core.results import Evaluation
from ml_coach.core.types import Dropped, Spec, Suite

# The ratio of `difflib` from which a name is a slip of the fingers: `ValueErorr` has 0.9.
_RESEMBLES = 0.85
_NUMBERED = re.compile(r"(.*?)_?(\d+)?")


@dataclass(frozen=True, slots=True)
class ExtendedSuite:
    """`suite` holds the old tests word for word and the new ones behind them, without the guessed
    ones in `replaced`, whose calls the follow-up answers in another way."""

    suite: Suite
    replaced: tuple[Dropped, ...]


def contradiction(old: Suite, spec: Spec) -> str:
    """Why no program can do what `spec` demands and pass the `old` tests, as a sentence that names
    the test; empty where no test says so. Guessed tests do not count."""
    wanted = [*spec.examples, *(test.statement for test in spec.stated)]
    said = {call_of(statement): statement for statement in wanted}
    for name, node in syntax.test_functions(old.source):
        for check in _checks(node):
            new = said.get(call_of(ast.unparse(check)))
            if new and old.provenance_of(name) != "guessed" and _differ(check, _last(new)):
                return (
                    f"The new sentence says `{_one_line(new)}`, but {name} in {old.file} demands "
                    f"`{_one_line(ast.unparse(check))}`. Change that test if it is out of date, or "
                    "the sentence. Nothing was changed."
                )
    return ""


def doubt(suite: Suite, answer: Answer, spec: Spec) -> str:
    """What speaks against an answer of the user, as a sentence that names it: a test of `suite`
    that is no guess wants something else of the same call. Empty where none does.

    Calls are the same here where their arguments are equal, such as `f(1)` and `f(n=1.0)`.
    """
    if not answer.statement:
        return ""
    if answer.kind == "raises" and (meant := _misspelled(answer.text, spec)):
        return f"Python knows no {answer.text}, but {meant}."
    said, signatures = syntax.module(answer.statement).body[0], signatures_of(spec)
    asked = _arguments(answer.call, signatures)
    for name, node in syntax.test_functions(suite.source):
        origin = suite.provenance_of(name)
        for check in _checks(node) if origin not in ("guessed", "property") else ():
            # Not `sorted(f(x))`, whose value is not that of the call.
            call = check.body[-1] if isinstance(check, ast.With) else subject(check)
            told = _arguments(ast.unparse(call), signatures) if call else None
            if told is not None and told == asked and _differ(check, said):
                who = {"confirmed": "You said", "own": f"{name} in {suite.file} demands"}
                wanted = f"{who.get(origin, 'The prompt says')} `{_one_line(ast.unparse(check))}`"
                return f"{wanted}, but now that {answer.shown}."
    return ""


def _misspelled(error: str, spec: Spec) -> str:
    """The error of Python's own that `error` resembles; empty where it is one, the prompt names it,
    or it resembles none."""
    known = [name for name, kind in vars(builtins).items() if isinstance(kind, type)]
    if error in known or error in spec.prompt:
        return ""
    return next(iter(get_close_matches(error, known, 1, _RESEMBLES)), "")


def _arguments(call: str, signatures: Mapping[str, ast.arguments]) -> object:
    """What a call gives to which function, such that equal calls are equal; None for others."""
    try:
        node = syntax.expression(call)
        if not isinstance(node, ast.Call):
            return None
        node = positional(node, signatures)
        values = [value_of(syntax.unparsed(each)) for each in node.args]
        named = {each.arg: value_of(syntax.unparsed(each.value)) for each in node.keywords}
    except (*syntax.NOT_PYTHON, TypeError):
        return call  # Equal only where it is written in the same way.
    return ast.unparse(node.func), values, named


def of_other_functions(old: Suite, function: str) -> Suite | None:
    """The tests of `old` without those that runs wrote for `function`, a dotted name, which gets
    new ones; all are to be kept. None where there are none."""
    name = function.rpartition(".")[2]
    again = {
        test
        for test, node in syntax.test_functions(old.source)
        if old.provenance_of(test) not in ("own", "confirmed") and name in _used(node)
    }
    rest = without(old, again) if again else old
    return replace(rest, kept=frozenset(rest.functions)) if rest.functions else None


def _used(node: ast.AST) -> frozenset[str]:
    """The names and attributes that the code reads."""
    attributes = (part.attr for part in syntax.walk(node) if isinstance(part, ast.Attribute))
    return syntax.loads(node) | {*attributes}


def extended(old: Suite, new: Suite) -> ExtendedSuite:
    """The `old` tests, which stood there before the run, and those of `new` that say more."""
    answers = {
        call_of(ast.unparse(check)): check
        for name, node in syntax.test_functions(new.source)
        if new.provenance_of(name) not in ("guessed", "property")
        for check in _checks(node)
    }
    replaced = _refuted(old, answers, "the follow-up says what its call gives")
    whole, provenance = _joined(old, replaced, new)
    origins: dict[str, Provenance] = {name: old.provenance_of(name) for name in whole.functions}
    origins |= provenance
    stay = old.kept | {
        name for name, origin in origins.items() if origin != "guessed" and name not in provenance
    }
    return ExtendedSuite(Suite(whole.source, old.file, origins, kept=stay), replaced)


def with_answer(old: Suite, answer: Answer, imports: str) -> ExtendedSuite:
    """The `old` tests and behind them the test of the user's `answer`, whatever they say of its
    call. Guessed ones that want something else of it are `replaced`: a program that does what the
    user says must not lose by them. Of `imports` those are added that the test needs."""
    check = syntax.module(answer.statement).body[0]
    answers = {call_of(ast.unparse(check)): check}
    replaced = _refuted(old, answers, "the user says what its call gives")
    said = f"# The user's answer{f' of {answer.date}' if answer.date else ''}."
    body = "\n".join(f"    {line}" for line in (said, *answer.statement.splitlines()))
    name = "test_confirmed_1"
    test = Suite(f"{imports}\n\n\ndef {name}():\n{body}\n", provenance={name: "confirmed"})
    whole, provenance = _joined(old, replaced, test, repeats=True)
    return ExtendedSuite(
        replace(old, source=whole.source, provenance={**old.provenance, **provenance}), replaced
    )


def _refuted(suite: Suite, answers: Mapping[str, ast.stmt], reason: str) -> tuple[Dropped, ...]:
    return tuple(
        Dropped(name, reason, ast.unparse(check))
        for name, node in syntax.test_functions(suite.source)
        if suite.provenance_of(name) == "guessed"
        for check in _checks(node)[:1]
        if (answer := answers.get(call_of(ast.unparse(check)))) and _differ(check, answer)
    )


def _joined(
    old: Suite, replaced: Sequence[Dropped], new: Suite, *, repeats: bool = False
) -> tuple[Suite, dict[str, Provenance]]:
    """`old` without the `replaced` tests and with those of `new`, as `_with_tests` adds them."""
    text = Text.of(old.source)  # Its lines keep their ends.
    bare = replace(old, source="".join(f"{line}\n" for line in text.lines))
    kept = without(bare, {d.test for d in replaced}) if replaced else bare
    source, provenance = _with_tests(kept, new, repeats=repeats)
    whole = text.with_lines(source.removesuffix("\n").split("\n"))
    return replace(old, source=whole), provenance


def _with_tests(old: Suite, new: Suite, *, repeats: bool) -> tuple[str, dict[str, Provenance]]:
    """The text with the tests of `new` that `old` has not, or with `repeats` all, and where these
    come from."""
    tree = syntax.module(old.source)
    bound = set(syntax.top_level(tree))
    functions = [node for _, node in syntax.test_functions(old.source)]
    bodies = {_body(node) for node in functions}
    calls = {call_of(ast.unparse(check)) for node in functions for check in _checks(node)}
    lines = new.source.splitlines()
    imports: list[ast.Import | ast.ImportFrom] = []
    parts: list[str] = []
    provenance: dict[str, Provenance] = {}
    tests = {node.name for node in syntax.tests(new.source)}
    for node in syntax.module(new.source).body:
        if isinstance(node, ast.Import | ast.ImportFrom):
            imports.append(node)
        elif not (isinstance(node, syntax.Definition) and node.name in tests):
            if not bound.intersection(syntax.bindings(node)):
                parts.append("\n".join(lines[syntax.first_line(node) - 1 : node.end_lineno]))
        elif repeats or (
            _body(node) not in bodies
            and not calls.intersection(call_of(ast.unparse(check)) for check in _checks(node))
        ):
            shown = "\n".join(lines[syntax.first_line(node) - 1 : node.end_lineno])
            name, origin = _free(node.name, bound), new.provenance_of(node.name)
            bound.add(name)
            provenance[name] = origin
            shown = re.sub(rf"\b{re.escape(node.name)}\b", name, shown, count=1)
            parts.append(marked(f"{shown}\n", {name: origin}, otherwise=origin).rstrip("\n"))
    source = old.source
    used = syntax.loads(syntax.module("\n\n".join(parts))) - bound
    missing = [line for node in imports for line in _import_of(node, used)]
    if provenance and missing:
        source = syntax.insert_at_top(source, tree, "\n".join(missing))
    added = "".join(f"\n\n\n{part}" for part in parts) + "\n"
    return (source.rstrip("\n") + added if provenance else old.source), provenance


def _import_of(node: ast.Import | ast.ImportFrom, used: Container[str]) -> Iterator[str]:
    """The import of those names alone that are `used`; nothing where none is."""
    names = [a for a in node.names if (a.asname or a.name).split(".")[0] in used or a.name == "*"]
    if not names:
        return
    if isinstance(node, ast.ImportFrom):
        yield ast.unparse(ast.ImportFrom(node.module, names, node.level))
    else:
        yield ast.unparse(ast.Import(names))


def _free(name: str, taken: Container[str]) -> str:
    """`test_given_1` or the next number that no other test has."""
    found = _NUMBERED.fullmatch(name)
    stem, number = (found[1], int(found[2] or 1)) if found else (name, 1)
    while name in taken:
        number += 1
        name = f"{stem}_{number}"
    return name


def _body(node: syntax.Definition) -> str:
    return "\n".join(map(ast.unparse, node.body))


def _checks(node: syntax.Definition) -> list[ast.stmt]:
    return [statement for statement in node.body if is_check(statement)]


def _last(statement: str) -> ast.stmt:
    return syntax.module(statement).body[-1]


def _differ(one: ast.stmt, other: ast.stmt) -> bool:
    """Whether no result of a call passes both checks of it; False where that is not plain."""
    first, second = _result(one), _result(other)
    if first is None or second is None or first[0] != second[0]:
        return first is not None and second is not None
    return not same_answer(Evaluation(repr(first[1])), Evaluation(repr(second[1])))


def _result(check: ast.stmt) -> tuple[str, object] | None:
    """The value that a check expects, or that it expects an error; None where it is neither."""
    match check:
        case ast.With():
            return "raises", None
        case ast.Assert(test=ast.Compare(ops=[ast.Eq() | ast.Is()], comparators=[value])):
            try:
                return "value", expected_value(value)
            except (*syntax.NOT_PYTHON, TypeError):
                return None
        case ast.Assert(test=ast.UnaryOp(op=ast.Not(), operand=ast.Call())):
            return "value", False
        case ast.Assert(test=ast.Call()):
            return "value", True
        case _:
            return None


def _one_line(statement: str) -> str:
    return " ".join(statement.removeprefix("assert ").split())
