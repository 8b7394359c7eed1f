"""What may be said of a program whose tests all pass: `passed`, or `unsure` and why.

`passed` needs three things: nothing that the prompt states is untested, the tests are more than a
coincidence, and runs with such evidence were right often enough. The last is measured for some
families of models only; for the others the reason says that it was not.
"""

from __future__ import annotations

from ml_coach.core.provenance import counted
from ml_coach.core.types import Evidence, Outcome

# A program hardly passes two tests by chance that notice planted mistakes; one it may.
LEAST_TESTS = 2
MOST_QUOTED = 3


def verdict(
    evidence: Evidence, confidence: float | None, least_confidence: float
) -> tuple[Outcome, str]:
    """The outcome of a run whose program passes all tests that judge, and the reason in words."""
    missing = _missing(evidence)
    if not missing and (confidence is None or confidence >= least_confidence):
        return "passed", _listed(evidence, confidence)
    doubts = missing or [_odds(confidence)]
    if evidence.division:
        answers = ", ".join(f"{value} ({n})" for value, n in evidence.division.answers)
        doubts.append(f"programs written apart differ at {evidence.division.call}: {answers}")
    return "unsure", "; ".join([*doubts, _listed(evidence, None)])


def _missing(evidence: Evidence) -> list[str]:
    """What is missing for `passed` whatever the confidence; empty where nothing is."""
    missing: list[str] = []
    if evidence.untested:
        quoted = ", ".join(f"'{text}'" for text in evidence.untested[:MOST_QUOTED])
        missing.append(f"not tested: {quoted}")
    if evidence.tests < LEAST_TESTS:
        few = "only one test judges" if evidence.tests else "no test is fit to judge"
        missing.append(few)
    guessed = evidence.tests - evidence.binding
    if evidence.refuting > guessed:
        missing.append(
            f"{evidence.refuting} of {evidence.refuting + guessed} guessed tests fail; "
            "they were dropped because most programs fail them"
        )
    return missing


def _listed(evidence: Evidence, confidence: float | None) -> str:
    parts = [f"{counted(evidence.passed)} hold{'s' if evidence.tests == 1 else ''}"]
    if evidence.programs > 1:
        parts.append(f"{evidence.agreeing} of {evidence.programs} programs written apart agree")
    if confidence is not None:
        parts.append(_odds(confidence))
    return "; ".join(parts)


def _odds(confidence: float | None) -> str:
    if confidence is None:
        return "how often such runs are right was not measured for this model"
    return f"runs like this were right {round(confidence * 20)} times in 20"
