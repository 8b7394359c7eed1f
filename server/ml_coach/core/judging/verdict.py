"""What may be said of a program whose tests all pass: `passed`, or `unsure` and why.

`passed` needs three things: nothing that the prompt states is untested, the tests are more than a
coincidence, and runs with such evidence were right often enough. The last is measured for some
families of models only; for the others the reason says that it was not.
"""

from __future__ import annotations

import math

from ml_coach.core.evidence import Evidence, counted
from ml_coach.core.types import Outcome

# A program hardly passes two tests by chance that notice planted mistakes; one it may.
LEAST_TESTS = 2
MOST_QUOTED = 3


def verdict(evidence: Evidence, confidence: float | None, least: float) -> tuple[Outcome, str]:
    """The outcome of a run whose program passes all tests that judge, and the reason in words.

    `confidence` is the share of recorded runs with such evidence that were right, None where
    that was not measured; `least` is the share that the user wants.
    """
    doubts = missing(evidence)
    if not doubts and (confidence is None or confidence >= least):
        return "passed", _listed(evidence) + "; " + _odds(confidence)
    doubts = doubts or [_odds(confidence)]
    if evidence.division:
        answers = ", ".join(f"{value} ({n})" for value, n in evidence.division.answers)
        doubts.append(f"programs written apart differ at {evidence.division.call}: {answers}")
    return "unsure", "; ".join([*doubts, _listed(evidence)])


def missing(evidence: Evidence) -> list[str]:
    """What is missing for `passed`, whatever was measured; empty where nothing is."""
    found: list[str] = []
    if evidence.untested:
        quoted = ", ".join(f"'{text}'" for text in evidence.untested[:MOST_QUOTED])
        found.append(f"not tested: {quoted}")
    if evidence.tests < LEAST_TESTS:
        few = "only one test judges" if evidence.tests else "no test is fit to judge"
        found.append(few)
    # A wrong guess of the test writer says little beside tests that the prompt itself demands.
    if evidence.refuting > evidence.tests:
        found.append(
            f"{evidence.refuting} of {evidence.refuting + evidence.guessed} guessed tests fail; "
            "they were dropped because most programs fail them"
        )
    return found


def _listed(evidence: Evidence) -> str:
    parts = [f"{counted(evidence.passed)} hold{'s' if evidence.tests < 2 else ''}"]
    if evidence.programs > 1:
        parts.append(f"{evidence.agreeing} of {evidence.programs} programs written apart agree")
    return "; ".join(parts)


def _odds(confidence: float | None) -> str:
    if confidence is None:
        return "how often such runs are right was not measured for this model"
    return f"runs with such evidence were right {math.floor(confidence * 20)} times in 20"
