"""How far programs that were written apart agree with the one that was chosen.

Programs are wrong in many ways and right in one, so agreement is evidence. It means the same in
every run only where every run draws the same number of programs.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from ml_coach.core.judging.voting import Candidate, agree, same_answer


@dataclass(frozen=True, slots=True)
class Agreement:
    """`programs`, `agreeing`, `probes` and `values` are those of `core.evidence.Evidence`;
    `share` is its `agreement`."""

    programs: int
    agreeing: int
    share: float
    probes: int
    values: int


def agreement(chosen: Candidate, drawn: Sequence[Candidate], programs: int) -> Agreement:
    """Compares `chosen` with the programs `drawn`, whether or not it is one of them.

    `programs` is how many were asked for: a reply that held no program agrees with nothing.
    """
    own = next((n for n, c in enumerate(drawn) if c.program == chosen.program), -1)
    others = [c for n, c in enumerate(drawn) if n != own]
    programs = max(programs, len(drawn), 1)
    compared = programs - (own >= 0)
    return Agreement(
        programs=programs,
        agreeing=sum(agree(chosen, other) for other in others) + (own >= 0),
        share=sum(_share(chosen, other) for other in others) / compared if compared else 0.0,
        probes=len(chosen.answers),
        values=len({answer.value for answer in chosen.answers if not answer.error}),
    )


def _share(chosen: Candidate, other: Candidate) -> float:
    """The share of the probes that `other` answers as `chosen` does; 0 where none was asked."""
    if not chosen.answers:
        return float(chosen.program.source == other.program.source)
    pairs = zip(chosen.answers, other.answers, strict=True)
    return sum(same_answer(one, another) for one, another in pairs) / len(chosen.answers)
