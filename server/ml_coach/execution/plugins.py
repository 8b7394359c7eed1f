"""What is imported ahead of a suite: the pytest plugins that it uses, since none is loaded by
itself, and the modules it compares with, so that a program that replaces part of them is noticed.
"""

from __future__ import annotations

import re
from collections.abc import Iterable

# What stands in a test file that needs the plugin, and the plugin's module.
KNOWN = (
    (re.compile(r"\basync def test|pytest_asyncio|mark\.asyncio"), "pytest_asyncio.plugin"),
    (re.compile(r"mark\.anyio|\banyio\b"), "anyio.pytest_plugin"),
    (re.compile(r"\bmocker\b"), "pytest_mock"),
    (re.compile(r"\bhypothesis\b"), "_hypothesis_pytestplugin"),
    (re.compile(r"mark\.timeout\b"), "pytest_timeout"),
)


def wanted(sources: Iterable[str]) -> list[str]:
    """The modules of the pytest plugins that test files with these texts use."""
    texts = list(sources)
    return [module for pattern, module in KNOWN if any(pattern.search(text) for text in texts)]


# What stands in a test file that compares with the help of a library, and the modules it uses.
COMPARING = (
    (re.compile(r"\bmock\b"), ("unittest.mock",)),
    (re.compile(r"\bnumpy\b"), ("numpy", "numpy.testing")),
    (re.compile(r"\bpandas\b"), ("pandas", "pandas.testing")),
)


def compare_with(sources: Iterable[str]) -> list[str]:
    """The modules, beyond Python's own, that test files with these texts compare values with."""
    texts = list(sources)
    found = [names for pattern, names in COMPARING if any(pattern.search(text) for text in texts)]
    return [name for names in found for name in names]
