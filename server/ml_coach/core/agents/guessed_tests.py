"""The test writer's reply → guessed tests, and the errors in it that the prompt itself states."""

from __future__ import annotations

import ast
import re
from collections.abc import Sequence

from ml_coach.core.agents.suite_assembly import as_functions, imported
from ml_coach.core.python import syntax
from ml_coach.core.python.repairs import repair
from ml_coach.core.sanitizer import Refused, sanitize
from ml_coach.core.types import Spec, Suite

MOST_GUESSED = 16
_LEAD = re.compile(r"^\s*(?:[-*•]|\d+[.)])?\s*`?")
_RAISES = re.compile(r"^(?P<call>.+\))`?\s+raises\s+`?(?P<error>[A-Z]\w*)")
_WITH_RAISES = re.compile(r"^with\s+(?:pytest\.)?raises\((?P<error>[A-Z]\w*)[^)]*\):")


def read_guessed(text: str, spec: Spec, *, single: bool) -> tuple[str, tuple[str, ...]] | Refused:
    """The reply's tests as the text of a test file, and what was done to the reply to get it.

    With `single` the reply's single asserts are taken, where it has any.
    """
    if single and (statements := single_tests(text, spec)):
        return as_functions(statements, "guessed"), ()
    cleaned = sanitize(text, names=imported(spec), kind="suite")
    if isinstance(cleaned, Refused):
        return cleaned
    source, done = repair(cleaned.source)
    if not Suite(source).tests:
        return Refused("The reply holds no test.")
    try:
        return split_asserts(source), cleaned.done + done
    except RecursionError:
        return Refused("The tests are nested too deeply. Write them in a simpler way.")


def single_tests(text: str, spec: Spec) -> tuple[str, ...]:
    """The reply's asserts and expected errors as statements, at most `MOST_GUESSED`.

    A call that the prompt itself answers is left out, and so is one that the reply answers
    twice in different ways: at least one of the two is wrong.
    """
    answers: dict[str, set[str]] = {}
    for statement in _statements(text.splitlines()):
        if spec.names and not any(name in statement for name in spec.names):
            continue
        answers.setdefault(_subject(statement), set()).add(statement)
    given = {_subject(example) for example in spec.examples}
    agreed = [min(a) for subject, a in answers.items() if len(a) == 1 and subject not in given]
    return tuple(agreed[:MOST_GUESSED])


def stated(text: str, spec: Spec) -> tuple[str, ...]:
    """The reply's expected errors that the prompt itself states, as further given examples.

    "ValueError on numerals such as IIII or the empty string" gives no call that could be extracted
    for sure; but a test that expects this error for this very text only repeats it.
    """
    given = {_subject(example) for example in spec.examples}
    found: list[str] = []
    for statement in _statements(text.splitlines()):
        node = syntax.module(statement).body[0]
        if not isinstance(node, ast.With) or _subject(statement) in given:
            continue
        error = ast.unparse(node.items[0].context_expr).removeprefix("pytest.raises(")[:-1]
        values = [n.value for n in ast.walk(node.body[0]) if isinstance(n, ast.Constant)]
        if values and error in spec.prompt and all(_mentions(spec.prompt, v) for v in values):
            found.append(statement)
    return tuple(dict.fromkeys(found))


def _mentions(prompt: str, value: object) -> bool:
    """Whether the prompt mentions this very text. A number may stand there for another reason."""
    if value == "":
        return re.search(r"\bempty\b", prompt, re.IGNORECASE) is not None
    return (
        isinstance(value, str)
        and len(value) > 1
        and re.search(rf"(?<!\w){re.escape(value)}(?!\w)", prompt) is not None
    )


def _statements(lines: Sequence[str]) -> list[str]:
    found: list[str] = []
    expected = ""
    for line in lines:
        text = _LEAD.sub("", line).rstrip(" `.")
        statement = text
        if error := _WITH_RAISES.match(text):
            expected = error["error"]
            continue
        if expected:
            statement = f"with pytest.raises({expected}):\n    {text}"
            expected = ""
        elif raising := _RAISES.match(text.removeprefix("assert ")):
            statement = f"with pytest.raises({raising['error']}):\n    {raising['call']}"
        elif not text.startswith("assert "):
            continue
        try:
            # Unparsed, because equal tests must be equal texts and comments must go.
            found.append(ast.unparse(_up_to_rounding(syntax.module(statement))))
        except syntax.NOT_PYTHON:
            continue
    return found


def _up_to_rounding(statement: ast.Module) -> ast.Module:
    """`statement` with the fraction that it expects, or a list of such, as `pytest.approx`: a test
    that expects 0.3 of 0.1 + 0.2 is right."""
    match statement.body:
        case [ast.Assert(test=ast.Compare(ops=[ast.Eq()], comparators=[expected]) as test)]:
            parts = expected.elts if isinstance(expected, ast.List | ast.Tuple) else [expected]
            values = [part.operand if isinstance(part, ast.UnaryOp) else part for part in parts]
            numbers = [v.value for v in values if isinstance(v, ast.Constant)]
            if len(numbers) == len(parts) and any(isinstance(n, float) for n in numbers):
                approx = ast.Attribute(ast.Name("pytest"), "approx")
                test.comparators = [ast.Call(approx, [expected], [])]
        case _:
            pass
    return statement


def _subject(statement: str) -> str:
    """What a test is about: the left side of its comparison, or the call that must raise."""
    try:
        node = syntax.module(statement).body[0]
    except (SyntaxError, ValueError, IndexError):
        return statement
    if isinstance(node, ast.Assert):
        test = node.test
        return ast.unparse(test.left if isinstance(test, ast.Compare) else test)
    if isinstance(node, ast.With):
        return "\n".join(ast.unparse(inner) for inner in node.body)
    return ast.unparse(node)


def split_asserts(source: str) -> str:
    """Gives each assert a function of its own where a test is nothing but independent asserts.

    One wrong guess then costs one test, not all the others in its function.
    """
    tree = syntax.module(source)
    lines = source.splitlines()
    functions = {n.name for n in tree.body if isinstance(n, ast.FunctionDef)}
    for node in reversed(tree.body):
        if not (isinstance(node, ast.FunctionDef) and _is_independent(node)):
            continue
        statements = [ast.unparse(statement) for statement in node.body]
        stem = node.name.removeprefix("test_")
        if any(f"{node.name}_{n}" in functions for n in range(1, len(statements) + 1)):
            continue
        lines[node.lineno - 1 : node.end_lineno] = as_functions(statements, stem).splitlines()
    return "\n".join(lines) + "\n"


def _is_independent(node: ast.FunctionDef) -> bool:
    return (
        node.name.startswith("test_")
        and not node.decorator_list
        and not node.args.args
        and len(node.body) > 1
        and all(isinstance(s, ast.Assert | ast.With) for s in node.body)
        and not any(isinstance(n, ast.NamedExpr) for n in ast.walk(node))
    )
