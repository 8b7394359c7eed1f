"""Checks what this machine has and lacks for a run, and says how to mend each lack.

Changes nothing.
"""

from __future__ import annotations

import shutil
import sys
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import psutil

from ml_coach.claims import unusable
from ml_coach.core.errors import BadRequestError
from ml_coach.core.types import Program
from ml_coach.models import registry, weights
from ml_coach.models.known_weights import known_model
from ml_coach.models.local_choice import speed
from ml_coach.models.machine import needed_bytes, this_machine
from ml_coach.settings import Settings

# What a run's log and the private copies of its programs may need at most.
_ROOM_BYTES = 100_000_000
_GIGABYTE = 1e9


@dataclass(frozen=True, slots=True)
class Check:
    """One line of the list. `mend` says what the user can do; where nothing is wrong it is empty or
    says what would make it better."""

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
    activated: str = "",
    progress: Callable[[int, int], None] | None = None,
) -> tuple[Check, ...]:
    """All checks, in the order in which a run needs them. Takes a second and asks no network,
    unless the sandbox is that of the level wasm and has to be fetched.

    `state` is the folder where runs are kept, `workspace` the one whose virtual environment
    programs would use, if `starts_theirs`, where none is `activated` in the shell. `progress` hears
    the bytes that are there of what the sandbox fetches, and the bytes in all.
    """
    name = settings.model or registry.default_model(access)
    return (
        _python(),
        _model(settings, access),
        await _sandbox(settings, workspace, starts_theirs, activated, progress),
        _disk(settings, access, state),
        _memory(settings, access),
        *([_speed(settings, access)] if name.startswith("local:") else []),
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
    if parsed.provider == "local" and (why := weights.fault(parsed.model, settings.weights)):
        return Check("model", False, name, why)
    if parsed.provider == "recorded" and not Path(parsed.model).is_file():
        return Check("model", False, name, "There is no such transcript.")
    row = (same or [row for row in listed if row.name.startswith(f"{parsed.provider}:")])[0]
    # What is said of a provider's other models, such as how large they are, says nothing of this.
    found = f"{name} ({row.why})" if row.why and (same or not row.available) else name
    mend = "" if row.available else "Mend this, or choose another model with --model."
    return Check("model", row.available, found, mend)


async def _sandbox(
    settings: Settings,
    workspace: Path | None,
    starts_theirs: bool,
    activated: str,
    progress: Callable[[int, int], None] | None,
) -> Check:
    from ml_coach.execution.executor import SandboxedExecutor
    from ml_coach.execution.levels import SandboxUnavailable

    executor = SandboxedExecutor(
        settings.python or None,
        workspace=workspace,
        allow_weak=settings.allow_weak_sandbox,
        starts_theirs=starts_theirs,
        activated=activated,
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


def _disk(settings: Settings, access: registry.Access, state: Path) -> Check:
    """Whether there is room for the weights that are still to be fetched, and for runs."""
    name = settings.model or registry.default_model(access)
    fetched = settings.weights.endswith(".gguf")
    known = known_model(name.removeprefix("local:"))
    wanted = known and not fetched and not weights.cached(known.name)
    # Twice the weights, because the parts of a mirror are joined in a second file.
    room = known.size * (2 if known.file else 1) if known and wanted else 0
    places = {state: _ROOM_BYTES, Path(tempfile.gettempdir()): _ROOM_BYTES}
    found = ""
    for folder, needed in {**places, weights.default_folder(): room}.items():
        free = shutil.disk_usage(_existing(folder)).free
        found = f"{free / _GIGABYTE:.1f} GB free at {folder}"
        if free < needed:
            mend = f"Free {(needed - free) / _GIGABYTE:.2f} GB there"
            or_else = ", or set ML_COACH_WEIGHTS to a file." if needed == room else "."
            return Check("disk", False, found, mend + or_else)
    return Check("disk", True, found)


def _existing(path: Path) -> Path:
    """The path, or the nearest folder above it that is there."""
    return next(p for p in (path, *path.parents) if p.exists())


def _memory(settings: Settings, access: registry.Access) -> Check:
    free = psutil.virtual_memory().available
    name = settings.model or registry.default_model(access)
    known = known_model(name.removeprefix("local:"))
    ok = free > (needed_bytes(known) if known else 0)
    mend = "Close programs, or choose local:qwen2.5-coder-0.5b."
    return Check("memory", ok, f"{free / _GIGABYTE:.1f} GB free", "" if ok else mend)


def _speed(settings: Settings, access: registry.Access) -> Check:
    """How fast a local model may be here, and what would make it faster."""
    machine, name = this_machine(), settings.model or registry.default_model(access)
    known, card = known_model(name.removeprefix("local:")), machine.graphics
    found = "1 core" if machine.cores == 1 else f"{machine.cores} cores"
    found += f", {card.name}" if card else ", no graphics card that llama.cpp could use"
    if known and machine.room_for(known):
        found += f"; {speed(machine, known)} with {known.name}"
    return Check("speed", True, found, card.mend if card else "")


def _state(state: Path) -> Check:
    mend = unusable(state / "runs") or unusable(state / "claims")
    return Check("runs", not mend, str(state), mend)
