"""Spec → Suite. It never sees the code: a test writer that does repeats the code's mistakes.

A small model is asked for single asserts, which it gets right more often than whole test files;
a large one writes a pytest file.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

from ml_coach.core.agents.coder import details_text, task_text
from ml_coach.core.agents.model_client import ModelClient
from ml_coach.core.agents.templates import render
from ml_coach.core.ports import Call, Message, Profile
from ml_coach.core.python import syntax
from ml_coach.core.python.repairs import add_missing_imports, repair, undefined_names
from ml_coach.core.sanitizer import Refused, sanitize
from ml_coach.core.types import Program, Spec, Suite

TRIES = 2
MOST_GUESSED = 16
# A small model goes on behind the four asserts that it was asked for, and only repeats itself: half
# of its replies would end at the limit alone.
MOST_TOKENS = 180
ASSERTS = r"""
root ::= "```python\n"? line{1,4} "```"?
line ::= "assert " [^\n]+ "\n"
"""
# Of libraries, where `add_missing_imports` sees no obvious home.
_LIBRARY_FUNCTIONS = (
    "acos allclose approx arange array array_equal asarray asin atan atan2 cbrt cos cosh degrees "
    "exp fabs fmod fsum linspace log log10 log2 modf ndarray ones pow radians raises sin sinh tan "
    "tanh trunc zeros DataFrame Series UserList UserString"
)
_FROM_IMPORT = re.compile(r"\bfrom[ \t]+[\w.]+[ \t]+import[ \t]+(?:\(([\w,\s]+)\)|(\w[\w, \t]*))")
_LEAD = re.compile(r"^\s*(?:[-*•]|\d+[.)])?\s*`?")
_RAISES = re.compile(r"^(?P<call>.+\))`?\s+raises\s+`?(?P<error>[A-Z]\w*)")
_WITH_RAISES = re.compile(r"^with\s+(?:pytest\.)?raises\((?P<error>[A-Z]\w*)[^)]*\):")


@dataclass(frozen=True, slots=True)
class TestWriterResult:
    suite: Suite
    done: tuple[str, ...]


async def write_tests(
    model_client: ModelClient,
    spec: Spec,
    profile: Profile,
    program_file: str,
    tests_file: str,
    refused: Callable[[str], None],
) -> TestWriterResult:
    """The given examples as tests, and the model's own behind them.

    Where the model writes nothing usable the suite holds the given tests alone; it is empty
    (no test function) only where there is neither.
    """
    module = Program("", program_file).module
    # The life of an object does not fit into one assert.
    single = profile.edit_format == "function" and not _asks_for_class(spec)
    messages = render(
        "asserts" if single else "tests",
        module=module,
        importing=import_line(module, imported(spec)),
        name=spec.names[0] if spec.names else "the_function",
        task=task_text(spec),
        details=details_text(spec),
    )
    # Whole tests are of use also when the reply was cut behind them.
    call = Call(
        "test_writer",
        messages,
        max_tokens=MOST_TOKENS if single else profile.max_tokens,
        grammar=ASSERTS if single else "",
        may_be_cut=True,
    )
    for _ in range(TRIES):
        reply = await model_client.ask(call)
        spec = replace(spec, examples=spec.examples + stated(reply.text, spec))
        guessed = _guessed(reply.text, spec, single=single)
        if not isinstance(guessed, Refused):
            source, done = guessed
            return TestWriterResult(assemble(spec, module, tests_file, source), done)
        refused(guessed.reason)
        again = Message("user", f"{guessed.reason} Reply with the tests only.")
        call = replace(call, messages=(*messages, Message("assistant", reply.text), again))
    return TestWriterResult(assemble(spec, module, tests_file, ""), ())


def _asks_for_class(spec: Spec) -> bool:
    return any(
        name[:1].isupper() and re.search(rf"\bclass\b.*\b{name}\b", spec.prompt)
        for name in spec.names
    )


def _guessed(text: str, spec: Spec, *, single: bool) -> tuple[str, tuple[str, ...]] | Refused:
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
        if values and error in spec.prompt and all(_names(spec.prompt, v) for v in values):
            found.append(statement)
    return tuple(dict.fromkeys(found))


def _names(prompt: str, value: object) -> bool:
    """Whether the prompt speaks of this very text. A number may stand there for another reason."""
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
    """`statement` with the fraction that it expects, or a list of such, as `pytest.approx`: who
    guesses that 0.1 + 0.2 is 0.3 is right."""
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


def imported(spec: Spec, tests: str = "") -> tuple[str, ...]:
    """What `tests` need of the program: what was asked for, and what the prompt defines or calls
    beside it, such as the inverse in an example."""
    used = syntax.loads(syntax.module(tests))
    stub = syntax.parse(spec.stub)
    defined = (n.name for n in stub.body if isinstance(n, syntax.Definition)) if stub else ()
    needed = [*(name for name in defined if name in used), *_called_beside(spec)]
    return tuple(dict.fromkeys((*spec.names, *needed)))


def _called_beside(spec: Spec) -> list[str]:
    """The functions that the examples call and nothing else defines: the program has to.

    A name that has another home is left out: where the program lacks it, no test could run.
    """
    examples = "\n".join(spec.examples)
    calls = (n for n in syntax.walk(syntax.module(examples)) if isinstance(n, ast.Call))
    called = {call.func.id for call in calls if isinstance(call.func, ast.Name)}
    free = undefined_names("\n".join([spec.stub, *_libraries(spec), examples]))
    elsewhere = {*_LIBRARY_FUNCTIONS.split(), *_imported_by_prompt(spec)}
    return [name for name, _ in free if name in called - elsewhere]


def _imported_by_prompt(spec: Spec) -> set[str]:
    """What the text takes from elsewhere, not from where it also takes what it asks for."""
    found: set[str] = set()
    for match in _FROM_IMPORT.finditer(spec.prompt):
        names = re.findall(r"\w+", match[1] or match[2])
        if not set(spec.names).intersection(names):
            found.update(names)
    return found


def _libraries(spec: Spec) -> list[str]:
    """The imports that the examples need: the prompt's own, and those with one obvious home."""
    examples = "\n".join(spec.examples)
    used = syntax.loads(syntax.module(examples)) - set(spec.names)
    imports, _ = _imports_apart(add_missing_imports(f"{spec.stub}\n{examples}")[0])
    lines = [line for line in imports if used & syntax.top_level(syntax.module(line))]
    known = syntax.top_level(syntax.module("\n".join(lines)))
    stub = syntax.parse(spec.stub)
    if "approx" in used - known - (syntax.top_level(stub) if stub else set[str]()):
        lines.append("from pytest import approx")
    return lines


def import_line(module: str, names: Sequence[str]) -> str:
    return f"from {module} import {', '.join(names) or '*'}"


def as_functions(statements: Sequence[str], kind: str) -> str:
    """One test function for each statement: `test_given_1`, `test_given_2`, ..."""
    functions: list[str] = []
    for number, statement in enumerate(statements, 1):
        body = "\n".join(f"    {line}" for line in _indentable(statement).splitlines())
        functions.append(f"def test_{kind}_{number}():\n{body}\n")
    return "\n\n".join(functions)


def _indentable(statement: str) -> str:
    """`statement` so that it can be indented: no string in it goes over several lines."""
    tree = syntax.module(statement)
    strings = (n for n in syntax.walk(tree) if isinstance(n, ast.Constant))
    is_long = any(string.lineno != string.end_lineno for string in strings)
    return ast.unparse(tree) if is_long else statement


def assemble(spec: Spec, module: str, file: str, guessed: str) -> Suite:
    """One file: imports, then what the prompt gives, then what is guessed."""
    given = as_functions(spec.examples, "given")
    imports, body = _imports_apart(guessed)
    # Of two tests with one name the later one runs, and it would count as given.
    for name in Suite(given).tests:
        body = re.sub(rf"\b{name}\b", f"{name}_guessed", body)
    names = imported(spec, f"{given}\n{body}")
    needed = ["import pytest", import_line(module, names)]
    ours = (*needed, f"import {module}")
    kept = [i for i in imports if i not in ours and not i.startswith(f"from {module} ")]
    # Of two imports of one name the later one holds: it must be the given tests' own.
    head = "\n".join(dict.fromkeys([*kept, *_libraries(spec), *needed]))
    # pytest takes whatever is called so for a test, also the code under test.
    like_tests = [name for name in names if name.startswith(("test", "Test"))]
    no_tests = "\n".join(f"{n}.__test__ = False  # What is tested, no test." for n in like_tests)
    parts = [part.strip() for part in (head, no_tests, given, body) if part.strip()]
    return Suite("\n\n\n".join(parts) + "\n", file, frozenset(Suite(given).tests))


def split_asserts(source: str) -> str:
    """Gives each assert a function of its own where a test is nothing but independent asserts.

    One wrong guess then costs one test, not all that happen to stand beside it.
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


def _imports_apart(source: str) -> tuple[list[str], str]:
    """Top-level imports as lines, and the text without them."""
    lines = source.splitlines()
    imports: list[str] = []
    for node in syntax.module(source).body:
        if isinstance(node, ast.Import | ast.ImportFrom):
            imports.append(ast.unparse(node))
            for number in range(node.lineno - 1, node.end_lineno or node.lineno):
                lines[number] = ""
    return imports, "\n".join(lines)
