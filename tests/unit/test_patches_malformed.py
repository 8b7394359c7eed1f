"""How often malformed diffs are applied right: made-up slips here, the shared data where it is."""

from __future__ import annotations

import json
import os
import random
from collections import Counter
from pathlib import Path

import pytest
from malformed_diffs import SLIPS, Edit, edits, programs

from ml_coach.core.changes import Patch, PatchRefused
from ml_coach.core.patches import apply, read_patch
from ml_coach.core.patches.guard import flaw

DATA = Path(os.environ.get("ML_COACH_DATA", Path(__file__).parents[2].parent / "shared/data"))
_FILE = "solution.py"


def outcome(diff: str, before: str, after: str) -> str:
    patch = read_patch(diff, {_FILE: before})
    if isinstance(patch, PatchRefused):
        assert patch.reason
        return "refused"
    assert isinstance(patch, Patch)
    result = apply(patch, {_FILE: before})
    assert isinstance(result, dict)
    return "right" if _substance(result[_FILE]) == _substance(after) else "wrong"


def _substance(text: str) -> list[str]:
    """Lines but for blank ones and comments: a diff that lost them cannot say where they were."""
    lines = (line.rstrip() for line in text.split("\n"))
    return [line for line in lines if line and not line.lstrip().startswith("#")]


def _sample(count: int, seed: int) -> list[Edit]:
    rng = random.Random(seed)
    # What leaves names that nothing defines is refused, whatever its form.
    made = (e for e in edits(rng, programs()) if not flaw(_FILE, e.before, e.after))
    return [next(made) for _ in range(count)]


@pytest.mark.parametrize("kind", SLIPS)
def test_made_up_slips_are_applied_right_or_refused(kind: str) -> None:
    rng = random.Random(kind)
    counts: Counter[str] = Counter()
    for edit in _sample(25, seed=4):
        diff = SLIPS[kind](rng, edit.diff)
        if diff is not None:
            counts[outcome(diff, edit.before, edit.after)] += 1
    assert counts["right"] >= 0.9 * counts.total(), counts
    assert not counts["wrong"], counts


def test_clean_diffs_apply_letter_for_letter() -> None:
    made = edits(random.Random(9), programs())
    for edit in (next(made) for _ in range(60)):
        patch = read_patch(edit.diff, {_FILE: edit.before})
        assert isinstance(patch, Patch), patch
        assert apply(patch, {_FILE: edit.before}) == {_FILE: edit.after}


def test_shared_data_meets_the_bar() -> None:
    path = DATA / "malformed_diffs.jsonl"
    if not path.exists():
        pytest.skip(f"{path} is not here")
    counts: Counter[str] = Counter()
    with path.open(encoding="utf-8") as lines:
        for row in map(json.loads, lines):
            for kind, diff in row["diffs"].items():
                found = outcome(diff, row["before"], row["after"])
                counts[found] += 1
                assert found == "right" or kind != "clean", row["id"]
    assert counts["right"] >= 0.98 * counts.total(), counts
    assert counts["wrong"] <= 0.003 * counts.total(), counts
