"""pytest for a Python that has none: it is lent from where ml_coach is installed."""

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


class LentPytest:
    """A finder for pytest and what it needs, in `folder`, and for nothing else that lies there."""

    def __init__(self, folder: str) -> None:
        self._folder = folder

    def find_spec(self, name: str, path: object = None, target: object = None) -> ModuleSpec | None:
        if name in PYTEST_AND_ITS_NEEDS:
            return PathFinder.find_spec(name, [self._folder])
        return None
