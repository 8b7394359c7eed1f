"""Checks what this machine has and lacks for a run, and says how to mend each lack.

Changes nothing.
"""

from __future__ import annotations

import shutil
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import psutil

from ml_coach.core.errors import BadRequestError
from ml_coach.core.types import Program
from ml_coach.models import registry, weights
from ml_coach.settings import Settings

# Twice the 1.5B model's weights, because its parts are joined in a second file, and some room.
_DISK_BYTES = 3_000_000_000
_GIGABYTE = 1e9


@dataclass(frozen=True, slots=True)
class Check:
    """One line of the list. `mend` says what the user can do, empty where nothing is wrong."""

    name: str
    ok: bool
    found: str
    mend: str = ""


async def examine(
    settings: Settings,
    access: registry.Access,
    state: Path,
    workspace: Path | None = None,
    *,
    starts_theirs: bool = True,
    progress: Callable[[int, int], None] | None = None,
) -> tuple[Check, ...]:
    """All checks, in the order in which a run needs them. Takes a second and asks no network,
    unless the sandbox is that of the level wasm and has to be fetched.

    `state` is the folder where runs are kept, `workspace` the one whose virtual environment
    programs would use, if `starts_theirs`. `progress` hears the bytes that are there of what the
    sandbox fetches, and the bytes in all.
    """
    return (
        _python(),
        _model(settings, access),
        await _sandbox(settings, workspace, starts_theirs, progress),
        _disk(),
        _memory(settings, access),
        _state(state),
    )


def _python() -> Check:
    version = ".".join(str(part) for part in sys.version_info[:3])
    ok = sys.version_info[:2] >= (3, 11)
    return Check("python", ok, f"{version} at {sys.executable}", "" if ok else "Use Python 3.11+.")


def _model(settings: Settings, access: registry.Access) -> Check:
    name = settings.model or registry.default_model(access)
    try:
        parsed = registry.parse(name)
    except BadRequestError as error:
        return Check("model", False, name, str(error))
    listed = registry.list_models(access)
    same = [row for row in listed if row.name == name]
    row = (same or [row for row in listed if row.name.startswith(f"{parsed.provider}:")])[0]
    found = f"{name} ({row.why})" if row.why else name
    mend = "" if row.available else "Mend this, or choose another model with --model."
    return Check("model", row.available, found, mend)


async def _sandbox(
    settings: Settings,
    workspace: Path | None,
    starts_theirs: bool,
    progress: Callable[[int, int], None] | None,
) -> Check:
    from ml_coach.execution.executor import SandboxedExecutor
    from ml_coach.execution.levels import SandboxUnavailable

    executor = SandboxedExecutor(
        settings.python or None,
        workspace=workspace,
        allow_weak=settings.allow_weak_sandbox,
        starts_theirs=starts_theirs,
    )
    program = Program("print(6 * 7)\n")
    try:
        await executor.prepare(progress)
        ran = await executor.run(program.file, {program.file: program.source}, timeout_seconds=20)
    except SandboxUnavailable as error:
        return Check("sandbox", False, "none", str(error))
    finally:
        await executor.aclose()
    if not ran.clean or ran.stdout.strip() != "42":
        return Check("sandbox", False, executor.level, f"A test program failed: {ran.stderr}")
    weak = executor.level == "weak"
    return Check(
        "sandbox", not weak, f"{executor.level}; {ran.ran_on}",
        "Limits only: allow user namespaces or install bubblewrap." if weak else "",
    )  # fmt: skip


def _disk() -> Check:
    folder = weights.default_folder()
    existing = next(p for p in (folder, *folder.parents) if p.exists())
    free = shutil.disk_usage(existing).free
    ok = free > _DISK_BYTES or any(weights.cached(w.name) for w in weights.KNOWN)
    mend = f"Free {(_DISK_BYTES - free) / _GIGABYTE:.1f} GB, or set ML_COACH_WEIGHTS to a file."
    return Check("disk", ok, f"{free / _GIGABYTE:.1f} GB free at {folder}", "" if ok else mend)


def _memory(settings: Settings, access: registry.Access) -> Check:
    free = psutil.virtual_memory().available
    name = settings.model or registry.default_model(access)
    needed = next((w.size * 2 for w in weights.KNOWN if name == f"local:{w.name}"), 0)
    ok = free > needed
    mend = "Close programs, or choose local:qwen2.5-coder-0.5b."
    return Check("memory", ok, f"{free / _GIGABYTE:.1f} GB free", "" if ok else mend)


def _state(state: Path) -> Check:
    try:
        state.mkdir(parents=True, exist_ok=True)
        probe = state / ".writable"
        probe.touch()
        probe.unlink()
    except OSError as error:
        return Check("runs", False, str(state), f"Make it writable: {error.strerror}.")
    return Check("runs", True, str(state))
