"""Which pytest plugins a suite needs. None is loaded on its own; these are, where installed."""

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
