"""Where a test comes from, and what speaks for and against a program."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal, get_args

# Where a test comes from, the most trusted first.
Provenance = Literal[
    "own",  # stands in the user's file
    "confirmed",  # the user answered a question with it
    "given",  # the prompt has its call and its result in code form
    "stated",  # each literal in it stands in the prompt, in one statement
    "property",  # an invariant that the prompt states or implies
    "guessed",  # the model's own
]
PROVENANCES: tuple[Provenance, ...] = get_args(Provenance)
# A program that fails one of these is wrong, and no vote drops it.
BINDING: frozenset[Provenance] = frozenset(("own", "confirmed", "given", "stated"))


def counted(counts: Mapping[Provenance, int]) -> str:
    """How many tests come from where: `2 given and 3 guessed tests`, `no test`."""
    parts = [f"{counts[kind]} {kind}" for kind in PROVENANCES if counts.get(kind)]
    if not parts:
        return "no test"
    listed = " and ".join(filter(None, (", ".join(parts[:-1]), parts[-1])))
    return f"{listed} test{'' if sum(counts.values()) == 1 else 's'}"


@dataclass(frozen=True, slots=True)
class Division:
    """A call at which programs that were written apart differ.

    `answers` are the different values, or error types, each with how many programs give it, the
    most frequent first.
    """

    call: str
    answers: tuple[tuple[str, int], ...]


@dataclass(frozen=True, slots=True)
class Evidence:
    """What speaks for and against the program of a run, beside the failures of its tests.

    `passed` counts the tests that it passes and that judge, by provenance. `refuting` counts the
    guessed tests that it fails and that were dropped, because most programs fail them too.
    `mutation_score` is the share of planted mistakes that its tests notice, 0 to 1, None where it
    is not known. `programs` were written apart, the same number in every run; `agreeing` of them
    answer every one of the `probes` alike. `agreement` is the mean share of the probes, 0 to 1, at
    which another program gives the same value; the chosen one gives so many different `values`.
    `division` is the call whose right answer would leave fewest of them. `untested` are the
    requirements, quoted from the prompt, that no test is about. With `repaired` the program was
    changed after it was chosen.
    """

    passed: Mapping[Provenance, int] = field(default_factory=dict[Provenance, int])
    refuting: int = 0
    mutation_score: float | None = None
    programs: int = 1
    agreeing: int = 1
    agreement: float = 0.0
    probes: int = 0
    values: int = 0
    division: Division | None = None
    untested: tuple[str, ...] = ()
    repaired: bool = False

    @property
    def tests(self) -> int:
        """How many tests judge."""
        return sum(self.passed.values())

    @property
    def guessed(self) -> int:
        """How many of them a vote of the programs could have dropped."""
        return sum(n for kind, n in self.passed.items() if kind not in BINDING)

    @property
    def binding(self) -> int:
        """How many of them the user wrote or confirmed, or the prompt gives as code. Stated ones
        are not among them: the confidence was fitted so (judging/calibration.py)."""
        return sum(n for kind, n in self.passed.items() if kind in BINDING and kind != "stated")
