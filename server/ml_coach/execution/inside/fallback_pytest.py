"""pytest for a Python that has none: it is found where ml_coach is installed."""

from __future__ import annotations

from importlib.machinery import ModuleSpec, PathFinder

PYTEST_AND_ITS_NEEDS = frozenset(
    {
        "pytest",
        "_pytest",
        "py",
        "pluggy",
        "iniconfig",
        "packaging",
        "pygments",
        "exceptiongroup",
        "tomli",
    }
)


class FallbackPytestFinder:
    """A module finder for pytest and what it needs, in `folder`, and for nothing else in there."""

    def __init__(self, folder: str) -> None:
        self._folder = folder

    def find_spec(self, name: str, path: object = None, target: object = None) -> ModuleSpec | None:
        """As `importlib` asks for it: the module's spec, None for any other module."""
        if name in PYTEST_AND_ITS_NEEDS:
            return PathFinder.find_spec(name, [self._folder])
        return None
