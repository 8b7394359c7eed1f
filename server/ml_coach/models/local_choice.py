"""Which weights a user who named no model gets, and why.

Nothing large is downloaded unasked: without a word a run needs at most the default's 1.1 GB. What
is better and fast enough here is named with the command that fetches it; it is then the default.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from ml_coach.models.known_weights import DEFAULT, KNOWN, SMALLEST, KnownModel
from ml_coach.models.machine import Machine, needed_bytes, this_machine
from ml_coach.models.weights import cached


@dataclass(frozen=True, slots=True)
class Choice:
    """The chosen row of the table and a phrase that says why."""

    known: KnownModel
    reason: str

    @property
    def name(self) -> str:
        """`local:` and the weights' name."""
        return f"local:{self.known.name}"


def choose(machine: Machine, is_here: Callable[[str], bool]) -> Choice:
    """The default for `machine`; `is_here` says whether weights of a name need no download."""
    best = machine.best()
    if best is SMALLEST:
        return Choice(best, f"the only one that fits into {_memory(machine)} of memory")
    worthwhile = [k for k in KNOWN[2:] if KNOWN.index(k) <= KNOWN.index(best)]
    here = [k for k in worthwhile if machine.is_fast(k) and is_here(k.name)]
    chosen = here[-1] if here else DEFAULT
    if chosen is best:
        what = "the best that is fast enough here"
        return Choice(chosen, f"{what} ({speed(machine, chosen)} with {_parts(machine)})")
    return Choice(
        chosen,
        f"{best.name} would be better and fast enough here ({speed(machine, best)} with"
        f" {_parts(machine)}): `ml-coach model pull {best.name}` fetches its"
        f" {_gigabytes(best.size)} and makes it the default",
    )


def default_local() -> Choice:
    """The default for this machine."""
    return choose(this_machine(), lambda name: cached(name) is not None)


def fit(machine: Machine, known: KnownModel) -> str:
    """Whether weights fit into the machine, and how fast they are there, as a phrase."""
    if not machine.room_for(known):
        needed, memory = _gigabytes(needed_bytes(known)), _memory(machine)
        return f"needs {needed}, more than three quarters of this machine's {memory}"
    return f"{speed(machine, known)} here"


def speed(machine: Machine, known: KnownModel) -> str:
    """The estimated speed of replies."""
    return f"about {machine.tokens_per_second(known):.0f} tokens/s"


def _parts(machine: Machine) -> str:
    count = "1 core" if machine.cores == 1 else f"{machine.cores} cores"
    card = machine.graphics
    graphics = f", {card.name}" if card and card.usable else ""
    return f"{count}, {_memory(machine)} of memory{graphics}"


def _memory(machine: Machine) -> str:
    # As it is sold: 16 GB are 16 times 2^30 bytes.
    return f"{machine.memory_bytes / 2**30:.0f} GB"


def _gigabytes(size: float) -> str:
    return f"{size / 1e9:.1f} GB" if size < 10e9 else f"{size / 1e9:.0f} GB"
