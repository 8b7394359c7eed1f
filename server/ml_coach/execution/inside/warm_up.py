"""Everything that is imported once, in the worker, so that a fork finds it there."""

from __future__ import annotations

import contextlib
import importlib
import inspect
import sys
from types import ModuleType

from ml_coach.execution.inside.fallback_pytest import FallbackPytestFinder

# What generated programs and their tests import most; a module costs memory once, shared by forks.
OFTEN_USED = (
    "abc argparse array asyncio atexit base64 bisect calendar cmath collections.abc concurrent."
    "futures contextlib copy csv dataclasses datetime decimal difflib enum faulthandler fractions "
    "functools getpass hashlib heapq html io itertools json keyword locale logging math "
    "multiprocessing numbers operator os pathlib pickle platform pprint queue random re resource "
    "runpy secrets shutil signal socket statistics string struct subprocess tempfile textwrap "
    "threading time timeit traceback types typing unittest unittest.async_case "
    "unittest.mock uuid warnings weakref zlib"
)


def load(our_site: str) -> ModuleType:
    """Imports all of it. Returns the module tests.py, which needs pytest. `our_site` is the folder
    of our own pytest where this Python has none, else empty."""
    sys.dont_write_bytecode = True
    if our_site:
        sys.meta_path.append(FallbackPytestFinder(our_site))  # type: ignore[arg-type]
    for name in OFTEN_USED.split():
        with contextlib.suppress(ImportError):  # A Python may be built without some of them.
            importlib.import_module(name)
    tests = importlib.import_module("ml_coach.execution.inside.tests")
    default_plugins = importlib.import_module("_pytest.config").default_plugins
    for name in ("_argcomplete", *default_plugins):
        if name not in tests.UNUSED_PLUGINS:
            importlib.import_module(f"_pytest.{name}")
    inspect.getmodule(load.__code__)  # Fills a cache, which saves the first failing assert 10 ms.
    return tests
