"""Given and guessed tests → one pytest file, with the imports that they need."""

from __future__ import annotations

import ast
import re
import textwrap
from collections.abc import Collection, Sequence
from dataclasses import replace

from ml_coach.core.agents.test_support import support
from ml_coach.core.evidence import Provenance
from ml_coach.core.examples import properties_of, shape_of, unchanged_arguments
from ml_coach.core.python import syntax
from ml_coach.core.python.marks import marked
from ml_coach.core.python.repairs import add_missing_imports, undefined_names
from ml_coach.core.types import Spec, Suite

# Functions of libraries for which `add_missing_imports` knows no single home.
_LIBRARY_FUNCTIONS = (
    "acos allclose approx arange array array_equal asarray asin atan atan2 cbrt cos cosh degrees "
    "exp fabs fmod fsum linspace log log10 log2 modf ndarray ones pow radians raises sin sinh tan "
    "tanh trunc zeros DataFrame Series UserList UserString"
)
_FROM_IMPORT = re.compile(r"\bfrom[ \t]+[\w.]+[ \t]+import[ \t]+(?:\(([\w,\s]+)\)|(\w[\w, \t]*))")


def assemble(spec: Spec, module: str, file: str, guessed: str) -> Suite:
    """One file: imports, the tests that the prompt gives, states and implies, then `guessed` ones.

    `module` is the program's import name, `file` the suite's path, `guessed` the text of a test
    file or empty.
    """
    shape, statements = shape_of(spec), [test.statement for test in spec.stated]
    waits = shape.is_lazy or shape.is_async  # Such a call alone does nothing yet.
    unchanged = () if waits else unchanged_arguments(spec, "\n".join([*statements, guessed]))
    kinds: dict[Provenance, Sequence[str]] = {
        "given": spec.examples,
        "stated": statements,
        "property": [*properties_of(spec), *unchanged],
    }
    parts = [as_functions(tests, kind) for kind, tests in kinds.items()]
    given = "\n\n".join(part for part in parts if part)
    imports, body = _imports_apart(guessed)
    # Of two tests with one name the later one runs, and it would count as given.
    for name in Suite(given).tests:
        body = re.sub(rf"\b{name}\b", f"{name}_guessed", body)
    names = imported(spec, f"{given}\n{body}")
    is_script = shape.kind == "script"
    support_imports, support_text = support(body, module, of_script=is_script)
    # A script does its work when it is imported.
    needed = [
        "import pytest",
        *support_imports,
        *([] if is_script else [import_line(module, names)]),
    ]
    ours = (*needed, f"import {module}")
    kept = [i for i in imports if i not in ours and not i.startswith(f"from {module} ")]
    # Of two imports of one name the later one holds: it must be the one for the given tests.
    head = "\n".join(dict.fromkeys([*kept, *_libraries(spec), *needed]))
    # By its name pytest would take this code under test for a test.
    like_tests = [name for name in names if name.startswith(("test", "Test"))]
    no_tests = "\n".join(f"{n}.__test__ = False  # What is tested, no test." for n in like_tests)
    parts = [part.strip() for part in (head, no_tests, support_text, given, body) if part.strip()]
    provenance: dict[str, Provenance] = {
        f"test_{kind}_{number}": kind
        for kind, tests in kinds.items()
        for number in range(1, len(tests) + 1)
    }
    source = marked("\n\n\n".join(parts) + "\n", provenance, otherwise="guessed")
    properties = [name for name, kind in provenance.items() if kind == "property"]
    demanded = frozenset(properties[len(properties) - len(unchanged) :])
    return Suite(source, file, provenance, demanded=demanded)


def imported(spec: Spec, tests: str = "") -> tuple[str, ...]:
    """The names that `tests` import from the program: those asked for, and those that the prompt
    defines or calls beside them, such as the inverse function in an example."""
    used = syntax.loads(syntax.module(tests))
    stub = syntax.parse(spec.stub)
    defined = (n.name for n in stub.body if isinstance(n, syntax.Definition)) if stub else ()
    needed = [*(name for name in defined if name in used), *_called_beside(spec)]
    return tuple(dict.fromkeys((*spec.names, *needed)))


def _binding(spec: Spec) -> str:
    """The given and the stated tests as one text."""
    return "\n".join([*spec.examples, *(test.statement for test in spec.stated)])


def _called_beside(spec: Spec) -> list[str]:
    """The functions that the examples call and nothing else defines, so the program has to.

    A name that another module may define is left out: imported from a program that lacks it, it
    would keep every test from running.
    """
    examples = _binding(spec)
    calls = (n for n in syntax.walk(syntax.module(examples)) if isinstance(n, ast.Call))
    called = {call.func.id for call in calls if isinstance(call.func, ast.Name)}
    free = undefined_names("\n".join([spec.stub, *_libraries(spec), examples]))
    elsewhere = {*_LIBRARY_FUNCTIONS.split(), *_imported_by_prompt(spec)}
    return [name for name, _ in free if name in called - elsewhere]


def _imported_by_prompt(spec: Spec) -> set[str]:
    """The names that the prompt imports, but not from the module that it imports its own from."""
    found: set[str] = set()
    for match in _FROM_IMPORT.finditer(spec.prompt):
        names = re.findall(r"\w+", match[1] or match[2])
        if not set(spec.names).intersection(names):
            found.update(names)
    return found


def _libraries(spec: Spec) -> list[str]:
    """The imports that the examples need: those in the prompt, and those of well-known names."""
    examples = _binding(spec)
    used = syntax.loads(syntax.module(examples)) - set(spec.names)
    imports, _ = _imports_apart(add_missing_imports(f"{spec.stub}\n{examples}")[0])
    lines = [line for line in imports if used & syntax.top_level(syntax.module(line))]
    known = syntax.top_level(syntax.module("\n".join(lines)))
    stub = syntax.parse(spec.stub)
    if "approx" in used - known - (syntax.top_level(stub) if stub else set[str]()):
        lines.append("from pytest import approx")
    return lines


def renamed(
    suite: Suite, module: str, names: Sequence[str], defined: Sequence[Collection[str]]
) -> tuple[Suite, tuple[str, ...]]:
    """The suite and the names for what the programs really define, one set of names each.

    A name that no program defines was misread: the tests no longer import it. Where it is the only
    one, and the programs share one other name, the tests are about that.
    """
    anywhere = set[str]().union(*defined)
    kept = tuple(name for name in names if name in anywhere)
    source = suite.source
    if not kept and len(names) == 1 and defined:
        shared = set(defined[0]).intersection(*defined)
        kept = tuple(shared) if len(shared) == 1 else ()
        source = re.sub(rf"\b{re.escape(names[0])}\b", kept[0], source) if kept else source
    if not kept:
        return suite, tuple(names)
    lost = set(names) - {*kept}
    line = re.compile(rf"^from {re.escape(module)} import (.+)$", re.MULTILINE)

    def without_lost(found: re.Match[str]) -> str:
        return import_line(module, [n for n in found[1].split(", ") if n not in lost])

    return replace(suite, source=line.sub(without_lost, source)), kept


def import_line(module: str, names: Sequence[str]) -> str:
    """The statement that takes `names` from `module`; everything where no name is known."""
    return f"from {module} import {', '.join(names) or '*'}"


def as_functions(statements: Sequence[str], kind: str) -> str:
    """One test function for each statement: `test_given_1`, `test_given_2`, ..."""
    functions: list[str] = []
    for number, statement in enumerate(statements, 1):
        body = textwrap.indent(_indentable(statement), "    ")
        # A test of a script's run takes the fixture that runs it.
        fixture = "run" if re.search(r"(?<![\w.])run\(", statement) and kind == "stated" else ""
        functions.append(f"def test_{kind}_{number}({fixture}):\n{body}\n")
    return "\n\n".join(functions)


def _indentable(statement: str) -> str:
    """`statement` so that it can be indented: no string in it goes over several lines."""
    tree = syntax.module(statement)
    strings = (n for n in syntax.walk(tree) if isinstance(n, ast.Constant))
    is_long = any(string.lineno != string.end_lineno for string in strings)
    return ast.unparse(tree) if is_long else statement


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
