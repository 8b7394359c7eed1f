"""Repairs that need no model: missing standard imports and broken indentation."""

from __future__ import annotations

import ast
import re
import textwrap
from collections.abc import Iterator, Mapping
from typing import Any, cast

from pyflakes import checker, messages

from ml_coach.core.python import syntax

# Names that mean the same in nearly all code. A name that two modules share (`join`, `time`,
# `search`, `copy` as function or module) is left out or given its most common meaning only where
# the other one is never written bare.
_MODULES = (
    "abc argparse ast asyncio base64 bisect calendar cmath collections contextlib copy csv "
    "dataclasses datetime decimal difflib enum fractions functools gzip hashlib heapq hmac html "
    "inspect io itertools json logging math numbers operator os pathlib pickle pprint queue "
    "random re secrets shutil socket sqlite3 statistics string struct subprocess sys "
    "tempfile textwrap threading time traceback typing unicodedata unittest urllib uuid "
    "warnings weakref zlib"
)
_FROM: Mapping[str, str] = {
    "abc": "ABC ABCMeta abstractmethod",
    "bisect": "bisect_left bisect_right insort insort_left insort_right",
    "collections": "ChainMap Counter OrderedDict UserDict defaultdict deque namedtuple",
    "collections.abc": "AsyncIterator Awaitable Callable Coroutine Generator Hashable Iterable "
    "Iterator Mapping MutableMapping MutableSequence MutableSet Sequence Sized",
    "contextlib": "asynccontextmanager closing contextmanager redirect_stdout suppress",
    "copy": "deepcopy",
    "dataclasses": "asdict astuple dataclass",
    "datetime": "timedelta timezone",
    "decimal": "Decimal ROUND_CEILING ROUND_DOWN ROUND_FLOOR ROUND_HALF_EVEN ROUND_HALF_UP "
    "ROUND_UP getcontext localcontext",
    "enum": "Enum Flag IntEnum IntFlag StrEnum",
    "fractions": "Fraction",
    "functools": "cache cached_property cmp_to_key lru_cache partial reduce singledispatch "
    "total_ordering wraps",
    "heapq": "heapify heappop heappush heappushpop heapreplace nlargest nsmallest",
    "io": "BytesIO StringIO",
    "itertools": "accumulate batched chain combinations combinations_with_replacement compress "
    "cycle dropwhile filterfalse groupby islice pairwise permutations starmap takewhile tee "
    "zip_longest",
    "math": "ceil comb factorial floor gcd hypot inf isclose isqrt lcm nan perm pi prod sqrt",
    "operator": "attrgetter itemgetter methodcaller",
    "pathlib": "Path PurePath PurePosixPath",
    "random": "randint randrange shuffle",
    "statistics": "fmean stdev",
    "string": "ascii_letters ascii_lowercase ascii_uppercase",
    "types": "MappingProxyType SimpleNamespace TracebackType",
    "typing": "Annotated Any AnyStr ClassVar Dict Final FrozenSet Generic List Literal NamedTuple "
    "NewType NoReturn Optional Protocol Self Set SupportsFloat SupportsInt Tuple Type TypeAlias "
    "TypedDict TypeVar Union cast overload",
}
# Modules whose name is also a common variable: imported only where one of these is read from it.
_DISTINCTIVE: Mapping[str, str] = {
    "calendar": "day_name isleap leapdays month_name monthcalendar monthrange weekday",
    "copy": "copy deepcopy",
    "numbers": "Complex Integral Number Rational Real",
    "operator": "add and_ attrgetter contains eq floordiv ge getitem gt itemgetter le lt "
    "methodcaller mod mul ne neg not_ or_ pow sub truediv xor",
    "queue": "Empty Full LifoQueue PriorityQueue Queue SimpleQueue",
    "string": "Formatter Template ascii_letters ascii_lowercase ascii_uppercase capwords digits "
    "hexdigits octdigits printable punctuation whitespace",
    "time": "ctime gmtime localtime monotonic perf_counter process_time sleep strftime strptime "
    "time time_ns",
}
# Names that `_import_for` decides by how they are used.
_BY_USE = frozenset(
    {"auto", "count", "date", "datetime", "field", "fields", "mean", "median", "product"}
    | {"repeat", "replace"}
)
_ALIASES: Mapping[str, str] = {
    "np": "import numpy as np",
    "pd": "import pandas as pd",
    "plt": "import matplotlib.pyplot as plt",
    "pytest": "import pytest",
}


def undefined_names(source: str) -> tuple[tuple[str, int], ...]:
    """Each name that nothing defines, with the line (from 1) of its first use; () on bad syntax."""
    tree = syntax.parse(source)
    if tree is None:
        return ()
    found: dict[str, int] = {}
    try:
        with syntax.quietly():
            # pyflakes has no annotations: its messages are lists of objects with these fields.
            report = cast(Any, checker).Checker(tree)
    except RecursionError:
        return ()
    for message in cast(list[Any], report.messages):
        if isinstance(message, messages.UndefinedName):
            name, line = message.message_args[0], cast(int, cast(Any, message).lineno)
            found[name] = min(line, found.get(name, line))
    return tuple(sorted(found.items(), key=lambda item: (item[1], item[0])))


def add_missing_imports(source: str) -> tuple[str, tuple[str, ...]]:
    """`source` with an import for each undefined name that has one obvious home.

    Returns the new text and the import statements that were added, () where none was needed.
    """
    tree = syntax.parse(source)
    known = _homes()
    # Looking up names costs more than everything else here, so not without a candidate.
    if tree is None or not (syntax.loads(tree) & (known.keys() | _BY_USE)) - syntax.top_level(tree):
        return source, ()
    undefined = [name for name, _ in undefined_names(source)]
    found = [_import_for(name, tree, known) for name in undefined]
    added = tuple(sorted({line for line in found if line}, key=lambda line: (line[0] == "f", line)))
    if not added:
        return source, ()
    new = syntax.insert_at_top(source, tree, "\n".join(_merged(added)))
    return (new, added) if syntax.parse(new) is not None else (source, ())


def repair(source: str) -> tuple[str, tuple[str, ...]]:
    """Everything that can be mended without a model, with what was done in plain words."""
    done: list[str] = []
    if not syntax.compiles(source):
        for words, text in indentation_readings(source):
            if syntax.compiles(text):
                source = text
                done.append(words)
                break
        else:
            return source, ()
    source, added = add_missing_imports(source)
    done.extend(f"added `{line}`" for line in added)
    return source, tuple(done)


def indentation_readings(source: str) -> Iterator[tuple[str, str]]:
    """Ways to read text whose only fault is its indentation: what was done, and the text."""
    flat = textwrap.dedent(source)
    if flat != source:
        yield "removed the common indentation", flat
    if "\t" in source:
        for width in (4, 8):
            spaced = "\n".join(_spaces(line, width) for line in source.split("\n"))
            yield "turned tabs into spaces", textwrap.dedent(spaced)
    first, newline, rest = source.partition("\n")
    if newline and first == first.lstrip() and rest[:1] in " \t\n":
        yield "removed the indentation after the first line", first + "\n" + textwrap.dedent(rest)
    snapped = _snap(source)
    if snapped != source:
        yield "aligned lines that were indented by a few spaces too many or too few", snapped


def _spaces(line: str, width: int) -> str:
    body = line.lstrip(" \t")
    return line[: len(line) - len(body)].expandtabs(width) + body


def _snap(source: str) -> str:
    """Rounds every line's indentation to the nearest multiple of four, as a last resort."""
    lines: list[str] = []
    for line in source.split("\n"):
        body = line.lstrip(" ")
        lines.append(" " * (round((len(line) - len(body)) / 4 + 1e-9) * 4) + body)
    return "\n".join(lines)


def _homes() -> dict[str, str]:
    homes = {name: f"import {name}" for name in _MODULES.split()}
    homes |= {
        name: f"from {module} import {name}"
        for module, names in _FROM.items()
        for name in names.split()
    }
    return homes | dict(_ALIASES)


def _import_for(name: str, tree: ast.Module, known: Mapping[str, str]) -> str:
    """The import line for `name` as this module uses it, empty where that is not obvious."""
    if name in ("datetime", "date"):
        return _datetime_import(name, tree)
    if name in ("field", "fields", "replace"):
        # These are common words; beside @dataclass they can only be its functions.
        return f"from dataclasses import {name}" if _uses(tree, "dataclass") else ""
    if name in ("product", "count", "repeat", "auto", "mean", "median"):
        return _common_word_import(name, tree)
    if name == "time" and _called_bare(tree, "time"):
        return "from time import time"
    if name in ("copy", "pprint", "bisect") and _called_bare(tree, name):
        return f"from {name} import {name}"
    line = known.get(name, "")
    if not line.startswith("import "):
        return line
    # A module is read through its attributes. Otherwise the name is the author's own variable.
    read = _attributes(tree, name)
    distinctive = _DISTINCTIVE.get(name)
    return line if read and (distinctive is None or read & set(distinctive.split())) else ""


def _datetime_import(name: str, tree: ast.Module) -> str:
    """`datetime` is a module and a class in it: the attributes that are read show which."""
    attributes = _attributes(tree, name)
    if name == "datetime" and attributes & {"datetime", "date", "timedelta", "timezone", "time"}:
        return "import datetime"
    if name == "date" and not attributes and not _called_bare(tree, "date"):
        return ""
    return f"from datetime import {name}"


def _common_word_import(name: str, tree: ast.Module) -> str:
    """Words that are also plain variables: taken for a library's function only when called."""
    home = {"auto": "enum", "mean": "statistics", "median": "statistics"}.get(name, "itertools")
    if name == "auto":
        return "from enum import auto" if _uses(tree, "Enum") or _uses(tree, "Flag") else ""
    return f"from {home} import {name}" if _called_bare(tree, name) else ""


def _uses(tree: ast.Module, name: str) -> bool:
    return any(isinstance(node, ast.Name) and node.id.endswith(name) for node in ast.walk(tree))


def _called_bare(tree: ast.Module, name: str) -> bool:
    return any(
        isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == name
        for node in ast.walk(tree)
    )


def _attributes(tree: ast.Module, name: str) -> set[str]:
    """What is read from `name`, as in `name.attribute`."""
    return {
        node.attr
        for node in ast.walk(tree)
        if isinstance(node, ast.Attribute)
        and isinstance(node.value, ast.Name)
        and node.value.id == name
    }


def _merged(added: tuple[str, ...]) -> list[str]:
    """One `from x import a, b` per module."""
    plain = [line for line in added if not line.startswith("from ")]
    names: dict[str, list[str]] = {}
    for line in added:
        if match := re.fullmatch(r"from (\S+) import (\S+)", line):
            names.setdefault(match[1], []).append(match[2])
    return plain + [f"from {module} import {', '.join(found)}" for module, found in names.items()]
