"""The levels of containment, strongest first, and the advice for a machine that has none."""

from __future__ import annotations

import shutil
import sys
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from ml_coach.execution.sandbox import bubblewrap, seatbelt
from ml_coach.execution.sandbox.limits import ResourceLimits
from ml_coach.execution.wasm import runtime

LevelName = Literal["namespaces", "bubblewrap", "landlock", "sandbox-exec", "wasm", "weak"]

WHAT_TO_DO = (
    "Generated code is not run: this machine offers nothing that contains it. On Linux allow user "
    "namespaces (sysctl kernel.unprivileged_userns_clone=1) or install bubblewrap. Elsewhere use "
    "WSL2 or a dev container, or install ml-coach[wasm]. Or allow the weak sandbox, which limits "
    "time and memory and hides nothing (setting allowWeakSandbox, flag --allow-weak-sandbox)."
)


class SandboxUnavailable(Exception):
    """Nothing can be run: no containment that may be used works here, or the Python that the user
    named does not work. The error's text says what to do."""


@dataclass(frozen=True, slots=True)
class Level:
    """One way to contain a worker. `wrapper` is the command that starts Python where it is another
    program that contains it."""

    name: LevelName
    wrapper: tuple[str, ...] = ()


def candidates(
    readable: Sequence[str], limits: ResourceLimits, *, allow_weak: bool, only: str = ""
) -> Iterator[Level]:
    """The levels to try, strongest first: whether one works is known when its worker has started.
    `only` names the one level to try, for tests and for `doctor`."""
    for level in _all(readable, limits, only):
        if only in ("", level.name):
            yield level
    # The worker forks, which is not there on Windows.
    if allow_weak and only in ("", "weak") and sys.platform != "win32":
        yield Level("weak")


def _all(readable: Sequence[str], limits: ResourceLimits, only: str) -> Iterator[Level]:
    if sys.platform == "linux":
        yield Level("namespaces")
        if bwrap := shutil.which("bwrap"):
            # The worker's own code has to be there for its start; Landlock hides it from the runs.
            package = str(Path(__file__).parent.parent)
            command = bubblewrap.command(bwrap, [*readable, package], limits.disk_mb)
            yield Level("bubblewrap", tuple(command))
        yield Level("landlock")
    elif sys.platform == "darwin" and shutil.which("sandbox-exec"):
        folder = tempfile.gettempdir()
        yield Level("sandbox-exec", tuple(seatbelt.command(readable, folder)))
    if only == "wasm" or runtime.our_deno():
        yield Level("wasm")
