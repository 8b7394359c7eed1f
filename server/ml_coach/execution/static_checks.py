"""Finds in judged code what has no honest use there: replaced names of the language, hooks into
pytest, raw memory, objects that equal everything.

A flag does not change the verdict on a suite that fails, but a pass with a flag is not a pass.
Ordinary uses of sys.exit, inspect, gc or exec are not flagged: inside/tampering.py watches what
they do while the tests run.
"""

from __future__ import annotations

import ast
import builtins
import re
from collections.abc import Iterator, Mapping, Sequence
from functools import lru_cache
from operator import itemgetter

from ml_coach.core.python import syntax

RAW_MEMORY = frozenset({"_ctypes", "cffi", "_cffi_backend"})
# Of ctypes, what describes values and makes new ones, and reaches no memory that is there.
HARMLESS_CTYPES = re.compile(
    r"c_\w+|sizeof|alignment|Structure|Union|Array|(Big|Little)Endian(Structure|Union)"
    r"|create_(string|unicode)_buffer|util|wintypes|ArgumentError"
)
REACHES = "which reaches into memory"
PYTEST_INSIDE = frozenset({"_pytest", "pluggy"})
INNER_NAMES = frozenset(
    {
        *("__code__", "gi_frame", "cr_frame", "f_locals", "f_globals", "tb_frame", "co_consts"),
        *("__closure__", "cell_contents", "__globals__"),
    }
)
COMPARISONS = frozenset({"__eq__", "__ne__", "__lt__", "__le__", "__gt__", "__ge__"})
LANGUAGE_ERRORS = frozenset(
    name
    for name, value in vars(builtins).items()
    if isinstance(value, type) and issubclass(value, BaseException)
)
CONFIGURES_PYTEST = frozenset(
    {"pytest.py", "pytest.ini", "_pytest.py", "sitecustomize.py", "usercustomize.py", "pluggy.py"}
)


def flags(files: Mapping[str, str]) -> tuple[str, ...]:
    """What was found in the files, by name and text, as `code.py line 3 imports ctypes`."""
    found: list[str] = []
    for name, source in files.items():
        if name.rsplit("/", 1)[-1] in CONFIGURES_PYTEST:
            found.append(f"{name} stands in for a part of pytest or Python")
        if not name.endswith(".py"):
            continue
        found += [f"{name} line {line} {what}" for line, what in _in_file(source)]
    return tuple(found)


@lru_cache(maxsize=64)
def _in_file(source: str) -> tuple[tuple[int, str], ...]:
    """A suite judges many programs, and is looked at once."""
    tree = syntax.parse(source)
    return tuple(sorted(_in_tree(tree), key=itemgetter(0))) if tree else ()


def only_fixtures(source: str) -> bool:
    """Whether a conftest.py adds fixtures and nothing that could change how tests are run."""
    tree = syntax.parse(source)
    if tree is None:
        return False
    names = {node.id for node in ast.walk(tree) if isinstance(node, ast.Name)}
    return "pytest_plugins" not in names and not any(True for _ in _in_tree(tree))


def _in_tree(tree: ast.Module) -> Iterator[tuple[int, str]]:
    nodes = tuple(syntax.walk(tree))
    yield from _raw_memory(nodes)
    for node in nodes:
        match node:
            case ast.Import(names=names):
                for alias in names:
                    yield from _imported(node.lineno, alias.name)
            case ast.ImportFrom(module=str(module)):
                yield from _imported(node.lineno, module)
            case ast.FunctionDef():
                yield from _defined(node)
            case ast.Name() | ast.Attribute() | ast.ClassDef() | ast.Constant():
                if what := _named(node):
                    yield node.lineno, what
            case _:
                pass


def _raw_memory(nodes: Sequence[ast.AST]) -> Iterator[tuple[int, str]]:
    """Where the file takes from ctypes more than values, or hands the module on."""
    names: set[str] = set()
    harmless: set[int] = set()
    for node in nodes:
        match node:
            case ast.Import():
                taken = [a for a in node.names if a.name.split(".")[0] == "ctypes"]
                names |= {alias.asname or "ctypes" for alias in taken}
            case ast.ImportFrom(module="ctypes"):
                for alias in node.names:
                    if not HARMLESS_CTYPES.fullmatch(alias.name):
                        yield node.lineno, f"takes {alias.name} from ctypes, {REACHES}"
            case ast.Attribute(value=ast.Name() as name, attr=attr):
                harmless |= {id(name)} if HARMLESS_CTYPES.fullmatch(attr) else set()
            case _:
                pass
    for node in nodes:
        if isinstance(node, ast.Name) and node.id in names and id(node) not in harmless:
            yield node.lineno, f"uses {node.id}, {REACHES}"


def _named(node: ast.Name | ast.Attribute | ast.ClassDef | ast.Constant) -> str:
    match node:
        case ast.Attribute(attr=attr) if attr in INNER_NAMES:
            return f"uses {attr}"
        case ast.Name(id=name, ctx=ast.Store()) if name in LANGUAGE_ERRORS:
            return f"replaces {name}"
        case ast.ClassDef(name=name) if name in LANGUAGE_ERRORS:
            return f"replaces {name}"
        case ast.Constant(value="PYTEST_CURRENT_TEST"):
            return "asks whether it is being tested"
        case ast.Constant(value=str(text)) if text.startswith("/proc/") and text.endswith("mem"):
            return f"names {text}"
        case _:
            return ""


def _defined(node: ast.FunctionDef) -> Iterator[tuple[int, str]]:
    if node.name.startswith("pytest_"):
        yield node.lineno, f"defines the pytest hook {node.name}"
    if node.name in COMPARISONS and _returns_constant(node):
        yield node.lineno, f"has a {node.name} that always gives the same answer"


def _imported(line: int, module: str) -> Iterator[tuple[int, str]]:
    top = module.split(".")[0]
    if top in RAW_MEMORY:
        yield line, f"imports {module}, {REACHES}"
    elif top in PYTEST_INSIDE:
        yield line, f"imports {module}, which is the inside of pytest"


def _returns_constant(node: ast.FunctionDef) -> bool:
    body = [part for part in node.body if not _is_docstring(part)]
    return (
        len(body) == 1
        and isinstance(body[0], ast.Return)
        and isinstance(body[0].value, ast.Constant)
        and isinstance(body[0].value.value, bool)
    )


def _is_docstring(node: ast.stmt) -> bool:
    return isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant)
