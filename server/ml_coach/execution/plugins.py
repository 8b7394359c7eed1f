"""What is loaded for a suite ahead of it: pytest plugins, of which none is loaded on its own, and
what it compares with, so that a program that replaces that is noticed."""

from __future__ import annotations

import re
from collections.abc import Iterable

# What a test file that needs the plugin says, and the plugin's module.
KNOWN = (
    (re.compile(r"\basync def test|pytest_asyncio|mark\.asyncio"), "pytest_asyncio.plugin"),
    (re.compile(r"mark\.anyio|\banyio\b"), "anyio.pytest_plugin"),
    (re.compile(r"\bmocker\b"), "pytest_mock"),
    (re.compile(r"\bhypothesis\b"), "_hypothesis_pytestplugin"),
    (re.compile(r"mark\.timeout\b"), "pytest_timeout"),
)


def wanted(sources: Iterable[str]) -> list[str]:
    texts = list(sources)
    return [module for pattern, module in KNOWN if any(pattern.search(text) for text in texts)]


# What a test file that compares with the help of a library says, and the modules that it uses.
COMPARING = (
    (re.compile(r"\bmock\b"), ("unittest.mock",)),
    (re.compile(r"\bnumpy\b"), ("numpy", "numpy.testing")),
    (re.compile(r"\bpandas\b"), ("pandas", "pandas.testing")),
)


def compare_with(sources: Iterable[str]) -> list[str]:
    texts = list(sources)
    found = [names for pattern, names in COMPARING if any(pattern.search(text) for text in texts)]
    return [name for names in found for name in names]
