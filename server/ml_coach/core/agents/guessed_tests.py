"""The test writer's reply → guessed tests, and the errors in it that the prompt itself states."""

from __future__ import annotations

import ast
import re
from collections.abc import Sequence

from ml_coach.core.agents.suite_assembly import as_functions, imported
from ml_coach.core.agents.test_steps import apart, is_endless
from ml_coach.core.examples import Shape
from ml_coach.core.examples.proposals import as_stated
from ml_coach.core.python import syntax
from ml_coach.core.python.repairs import add_missing_imports, repair
from ml_coach.core.sanitizer import Refused, sanitize
from ml_coach.core.types import Spec, StatedTest, Suite

MOST_GUESSED = 16
_LEAD = re.compile(r"^\s*(?:[-*•]|\d+[.)])?\s*`?")
_RAISES = re.compile(r"^(?P<call>.+\))`?\s+raises\s+`?(?P<error>[A-Z]\w*)")
_WITH_RAISES = re.compile(r"^with\s+(?:pytest\.)?raises\((?P<error>[A-Z]\w*)[^)]*\):")


def read_guessed(
    text: str, spec: Spec, shape: Shape, *, single: bool
) -> tuple[str, tuple[str, ...]] | Refused:
    """The reply's tests as the text of a test file, and what was done to the reply to get it.

    With `single` the reply's single asserts are taken, where it has any. `shape` is that of what
    is tested.
    """
    statements = single_tests(text, spec) if single else ()
    if shape.is_lazy:
        statements = tuple(s for s in statements if not is_endless(syntax.module(s)))
    if statements:
        return _with_imports(as_functions(statements, "guessed"), spec), ()
    cleaned = sanitize(text, names=imported(spec), kind="suite")
    if isinstance(cleaned, Refused):
        return cleaned
    source, done = repair(cleaned.source)
    if not Suite(source).tests:
        return Refused("The reply holds no test.")
    try:
        if shape.is_plain:
            source = split_asserts(source)
        else:
            source = apart(source, MOST_GUESSED, lambda check: _improved(check, shape))
            source = _about(source, spec)
            source = _with_imports(source, spec)
        if not Suite(source).tests:
            return Refused("The reply holds no test with values. Write the values out.")
        return without_copies(source, spec), done
    except RecursionError:
        return Refused("The tests are nested too deeply. Write them in a simpler way.")


def _about(source: str, spec: Spec) -> str:
    """The tests of `source` that end, and that name what is tested where that has a name."""
    body = syntax.module(source).body
    kept = [s for s in body if not is_endless(s) and not (spec.names and _is_foreign(s, spec))]
    return "\n\n\n".join(ast.unparse(statement) for statement in kept) + "\n"


def _is_foreign(statement: ast.stmt, spec: Spec) -> bool:
    is_test = isinstance(statement, ast.FunctionDef) and syntax.is_test(statement.name)
    return is_test and not syntax.loads(statement) & {*imported(spec)}


def _with_imports(tests: str, spec: Spec) -> str:
    """`tests` with the imports of what they use beside the program, such as `islice`."""
    own = "".join(f"{name} = None\n" for name in imported(spec))
    return add_missing_imports(own + tests)[0].replace(own, "", 1)


def _improved(check: ast.stmt, shape: Shape) -> ast.stmt:
    """`check` such that fractions and arrays are compared up to rounding."""
    match check:
        case ast.Assert(test=ast.Compare(left=left, ops=[ast.Eq()], comparators=[right])):
            if "numpy" in shape.packages and isinstance(right, ast.List | ast.Call):
                compare = syntax.expression("np.testing.assert_allclose")
                return ast.Expr(ast.Call(compare, [left, right], []))
            return _up_to_rounding(ast.Module([check], [])).body[0]
        case _:
            return check


def single_tests(text: str, spec: Spec) -> tuple[str, ...]:
    """The reply's asserts and expected errors as statements, at most `MOST_GUESSED`.

    A call that the prompt itself answers is left out, and so is one that the reply answers
    twice in different ways: at least one of the two is wrong.
    """
    answers: dict[str, set[str]] = {}
    for statement in _statements(text.splitlines()):
        if spec.names and not any(name in statement for name in spec.names):
            continue
        answers.setdefault(call_of(statement), set()).add(statement)
    bound = bound_calls(spec)
    agreed = [min(a) for subject, a in answers.items() if len(a) == 1 and subject not in bound]
    return tuple(agreed[:MOST_GUESSED])


def stated(text: str, spec: Spec) -> tuple[StatedTest, ...]:
    """The reply's tests that the prompt itself states; a reply that says two things of one call
    says none."""
    bound = bound_calls(spec)
    found: dict[str, set[StatedTest]] = {}
    for statement in _statements(text.splitlines()):
        test = as_stated(statement, spec)
        if test is not None and call_of(test.statement) not in bound:
            found.setdefault(call_of(test.statement), set()).add(test)
    return tuple(min(tests, key=str) for tests in found.values() if len(tests) == 1)


def bound_calls(spec: Spec) -> frozenset[str]:
    """What the given and stated tests are about: a guess about it is no further evidence."""
    statements = [*spec.examples, *(test.statement for test in spec.stated)]
    return frozenset(call_of(statement) for statement in statements)


def without_copies(source: str, spec: Spec) -> str:
    """The test file without the test functions that only say again what the prompt says."""
    bound = bound_calls(spec)
    lines = source.splitlines()
    for node in reversed(syntax.module(source).body):
        if isinstance(node, ast.FunctionDef) and node.name.startswith("test"):
            checks = [s for s in node.body if isinstance(s, ast.Assert | ast.With)]
            if checks and all(call_of(ast.unparse(check)) in bound for check in checks):
                lines[syntax.first_line(node) - 1 : node.end_lineno] = []
    return "\n".join(lines) + "\n"


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


def call_of(statement: str) -> str:
    """What a test is about: the left side of its comparison, or the call that must raise, with the
    steps before it."""
    try:
        *steps, node = syntax.module(statement).body
    except (SyntaxError, ValueError):
        return statement
    if steps:
        before = "\n".join(ast.unparse(step) for step in steps)
        return f"{before}\n{call_of(ast.unparse(node))}"
    if isinstance(node, ast.Assert):
        test = node.test
        test = test.operand if isinstance(test, ast.UnaryOp) else test
        return ast.unparse(_inside(test.left if isinstance(test, ast.Compare) else test))
    if isinstance(node, ast.With):
        return "\n".join(ast.unparse(inner) for inner in node.body)
    return ast.unparse(node)


def _inside(node: ast.expr) -> ast.expr:
    """The call in `sorted(f(x))`, `list(f(x))` and `abs(f(x) - 1)`."""
    match node:
        case ast.Call(func=ast.Name(id="sorted" | "list" | "tuple" | "set"), args=[inner]):
            return _inside(inner)
        case ast.Call(func=ast.Name(id="abs"), args=[ast.BinOp(left=inner)]):
            return inner
        case _:
            return node


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
