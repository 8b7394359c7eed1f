"""Everything that is imported once, in the worker, so that a fork finds it there."""

from __future__ import annotations

import importlib
import inspect
import sys

from ml_coach.execution.inside import tests
from ml_coach.execution.inside.lent import LentPytest
from ml_coach.execution.sandbox import namespaces

# What generated programs and their tests import most; a module costs memory once, shared by forks.
OFTEN_USED = (
    "abc argparse array asyncio atexit base64 bisect calendar cmath collections.abc concurrent."
    "futures contextlib copy csv dataclasses datetime decimal difflib doctest enum faulthandler "
    "fractions functools getpass hashlib heapq html io ipaddress itertools json keyword locale "
    "logging math multiprocessing numbers operator os pathlib pickle platform pprint queue random "
    "re readline runpy secrets shlex shutil signal socket sqlite3 statistics string struct "
    "subprocess tempfile textwrap threading time timeit tokenize traceback types typing unittest "
    "unittest.mock urllib.parse uuid warnings weakref xml.etree.ElementTree zlib zoneinfo"
).split()


def prepare(our_site: str, level: str) -> tests.Prepared:
    """Imports; returns pytest's prepared configuration where the run's folder is known ahead."""
    sys.dont_write_bytecode = True
    if our_site:
        sys.meta_path.append(LentPytest(our_site))  # type: ignore[arg-type]
    for name in OFTEN_USED:
        try:
            importlib.import_module(name)
        except ImportError:  # A Python may be built without sqlite3, readline, ...
            continue
    _import_pytest()
    inspect.getmodule(prepare.__code__)  # fills a cache: 10 ms off the first failing assert
    return tests.prepare(namespaces.WORK if level == "namespaces" else "")


def _import_pytest() -> None:
    import _pytest.assertion.rewrite  # noqa: F401
    import pytest  # noqa: F401
    from _pytest.config import default_plugins

    for name in default_plugins:
        if name not in tests.UNUSED_PLUGINS:
            importlib.import_module(f"_pytest.{name}")
    importlib.import_module("_pytest._argcomplete")
