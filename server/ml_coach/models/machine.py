"""What this machine has for a model inside, and which weights are large and fast enough for it.

A reply's speed is bound by memory: for each token all weights in use are read once. Measured here
on two cores of a Xeon with Qwen2.5-Coder 1.5B Q4_K_M: 21 tokens/s, which is 23 GB/s, or 11.7 GB/s a
core (tests/benchmarks/models.py). More cores read more until the memory itself is the limit, which
on common machines with two channels is about 45 GB/s. A graphics card reads at least 200 GB/s, and
Apple's chips at least 100 GB/s. So these are estimates, on the slow side.
"""

from __future__ import annotations

import os
import platform
import sys
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import psutil

from ml_coach.models.known_weights import DEFAULT, KNOWN, SMALLEST, KnownModel
from ml_coach.models.profiles import profile_for_size

_BYTES_PER_CORE = 11.7e9
_MOST_BYTES_PROCESSOR = 45e9
_BYTES_GRAPHICS = 200e9
_BYTES_APPLE = 100e9
# In tokens/s. Below this a run takes several minutes: it makes some six calls of 300 tokens each.
_FAST_ENOUGH = 15.0
_OTHER_BYTES = 120_000_000
# The share that a model may take: programs, tests and an editor need the rest.
_SHARE_OF_MEMORY = 0.75
_SHARE_OF_GRAPHICS = 0.9


@dataclass(frozen=True, slots=True)
class Graphics:
    """A graphics card. `memory_bytes` is its own, or what of a shared one it may use. `usable` says
    whether the installed build of llama.cpp uses it; `mend`, how it would."""

    name: str
    memory_bytes: int
    usable: bool
    shared: bool = False
    mend: str = ""


@dataclass(frozen=True, slots=True)
class Machine:
    """Memory in bytes, physical cores that we may use, and the graphics card if there is one."""

    memory_bytes: int
    cores: int
    graphics: Graphics | None = None

    def room_for(self, known: KnownModel) -> bool:
        """Whether weights and their context fit."""
        return self._on_graphics(known) or needed_bytes(known) <= (
            _SHARE_OF_MEMORY * self.memory_bytes
        )

    def tokens_per_second(self, known: KnownModel) -> float:
        """An estimate of how fast replies are written; 0 where the weights do not fit."""
        if not self.room_for(known):
            return 0.0
        speed = min(_BYTES_PER_CORE * self.cores, _MOST_BYTES_PROCESSOR)
        if self.graphics and self._on_graphics(known):
            speed = _BYTES_APPLE if self.graphics.shared else _BYTES_GRAPHICS
        return speed / known.bytes_per_token

    def is_fast(self, known: KnownModel) -> bool:
        """Whether a run takes minutes at most."""
        return self.tokens_per_second(known) >= _FAST_ENOUGH

    def best(self) -> KnownModel:
        """The last row of `KNOWN` that is fast enough here; the first one, or where that does not
        fit the second, if none is."""
        base = DEFAULT if self.room_for(DEFAULT) else SMALLEST
        return next((known for known in reversed(KNOWN[2:]) if self.is_fast(known)), base)

    def _on_graphics(self, known: KnownModel) -> bool:
        card = self.graphics
        room = card.memory_bytes * _SHARE_OF_GRAPHICS if card and card.usable else 0
        return needed_bytes(known) <= room


def needed_bytes(known: KnownModel) -> int:
    """The memory that these weights need, with the context that our prompts get."""
    context = 2 * profile_for_size(known.parameters * 1e9).context
    return known.size + context * known.context_bytes + _OTHER_BYTES


@cache
def this_machine() -> Machine:
    """The machine that this process runs on, within what its container allows."""
    return Machine(_memory_bytes(), cores(), _graphics())


def cores() -> int:
    """The physical cores that this process may use; a thread for each logical one is slower."""
    allowed = len(os.sched_getaffinity(0)) if sys.platform == "linux" else os.cpu_count() or 1
    return max(1, min(allowed, psutil.cpu_count(logical=False) or allowed))


def _memory_bytes() -> int:
    total = psutil.virtual_memory().total
    for limit in ("memory.max", "memory/memory.limit_in_bytes"):  # Control groups, 2 and 1.
        try:
            said = Path("/sys/fs/cgroup", limit).read_text().strip()
        except OSError:
            continue
        if said.isdecimal():
            return min(total, int(said))
    return total


def _graphics() -> Graphics | None:
    if sys.platform == "darwin" and platform.machine() == "arm64":
        # The wheel for Apple's chips has Metal. macOS lets a card use some two thirds of memory.
        memory = int(psutil.virtual_memory().total * 0.67)
        return Graphics("Apple's graphics (Metal)", memory, usable=True, shared=True)
    nvidia = Path("/proc/driver/nvidia/gpus")
    if nvidia.is_dir():
        return _card("An NVIDIA card", 0, "cu128 or cu132")
    for memory in sorted(Path("/sys/class/drm").glob("card*/device/mem_info_vram_total")):
        return _card("An AMD card", _number_in(memory), "rocm-7.2.4 or vulkan")
    return None


def _card(name: str, memory_bytes: int, builds: str) -> Graphics:
    """A card as llama.cpp's build sees it, else as the system does."""
    from ml_coach.models.llama_devices import graphics_memory

    seen = graphics_memory()
    if seen:
        return Graphics(name, seen, usable=True)
    mend = f"Install the build of xllamacpp for it ({builds}), as xllamacpp's page on PyPI says."
    return Graphics(name, memory_bytes, usable=False, mend=mend)


def _number_in(file: Path) -> int:
    try:
        return int(file.read_text())
    except (OSError, ValueError):
        return 0
