"""Which tests may judge the code. A given test always may; a guessed one must be fit to.

Every test that collects is kept here; its place in the loop is `hold`.
"""

from __future__ import annotations

from dataclasses import dataclass

from ml_coach.core.types import Dropped, Suite


@dataclass(frozen=True, slots=True)
class Ruling:
    """The suite that judges from now on, and what was dropped from it."""

    suite: Suite
    kept: tuple[str, ...]
    dropped: tuple[Dropped, ...]
    mutation_score: float | None = None
