"""Where a test comes from. It decides what a failure of the test means, see `Suite.is_binding`."""

from __future__ import annotations

from collections.abc import Mapping
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
# A program that fails one of these is wrong. Stated tests are not among them: of those that were
# read from the sentences of unread prompts, 2 of 16 were false (bench/APPENDIX.md).
BINDING: frozenset[Provenance] = frozenset(("own", "confirmed", "given"))


def counted(counts: Mapping[Provenance, int]) -> str:
    """How many tests come from where: `2 given and 3 guessed tests`, `no test`."""
    parts = [f"{counts[kind]} {kind}" for kind in PROVENANCES if counts.get(kind)]
    if not parts:
        return "no test"
    listed = " and ".join(filter(None, (", ".join(parts[:-1]), parts[-1])))
    return f"{listed} test{'' if sum(counts.values()) == 1 else 's'}"
