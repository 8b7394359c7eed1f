"""From evidence to a confidence: how often runs with such evidence were right.

A logistic regression whose weights are never negative: more evidence for a program never lowers
the confidence in it. It is fitted on recorded runs (`ml-coach bench --calibrate`), separately for
each family of models, and holds for that family only.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from ml_coach.core.evidence import Evidence

# Weight decay, steps and step size of the fit. With some hundred runs the fit no longer moves after
# two thirds of these steps; the decay keeps a feature that few runs have from growing without end.
DECAY, STEPS, RATE = 0.001, 1000, 0.5
# No run is more certain than this, and none less: a few hundred runs cannot show more.
LOWEST, HIGHEST = 0.01, 0.99


def _saturating(number: int, half: float) -> float:
    """0 for none, one half for `half`, towards 1 for many."""
    return number / (number + half)


def _sigmoid(score: float) -> float:
    return 1 / (1 + math.exp(-score))


def _demanded(evidence: Evidence) -> int:
    """How many tests the prompt or the user's own file demands."""
    return evidence.binding - evidence.passed.get("confirmed", 0)


def _passed_share(evidence: Evidence) -> float:
    """Of the tests that were read from words or guessed, how many hold. The recorded runs were
    fitted with stated ones among them, so those stay in until the next fit."""
    holding = evidence.tests - evidence.binding
    written = holding + evidence.refuting
    return holding / written if written else 0.0


# Each is between 0 and 1, and higher where more speaks for the program.
FEATURES: Mapping[str, Callable[[Evidence], float]] = {
    "unanimous": lambda e: float(e.agreement == 1.0),
    "agreeing": lambda e: max(0, e.agreeing - 1) / max(1, e.programs - 1),
    "any_binding": lambda e: float(_demanded(e) > 0),
    "binding": lambda e: _saturating(_demanded(e), 1.0),
    "passed_share": _passed_share,
    "mutation_score": lambda e: e.mutation_score or 0.0,
    # An answer of the user was asked for where programs differed, so it says less than an example.
    "confirmed": lambda e: _saturating(e.passed.get("confirmed", 0), 1.0),
    # Programs that answer yes or no agree by chance more often than those with many answers.
    "varied": lambda e: e.values / e.probes if e.probes else 0.0,
}


@dataclass(frozen=True, slots=True)
class Calibration:
    """What was learnt from `runs` recorded runs, which `source` names.

    `weights` are those of the features.
    """

    bias: float
    weights: Mapping[str, float]
    source: str = ""
    runs: int = 0

    def confidence(self, evidence: Evidence) -> float:
        """How likely the program of such a run is right, 0 to 1."""
        score = self.bias + sum(
            self.weights.get(name, 0.0) * feature(evidence) for name, feature in FEATURES.items()
        )
        return min(HIGHEST, max(LOWEST, _sigmoid(score)))


def fit(runs: Sequence[tuple[Evidence, bool]], source: str) -> Calibration:
    """The calibration under which what was right and wrong in `runs` is most likely.

    Projected gradient descent on the mean log loss with weight decay. Raises `ValueError` where
    all runs, or none, were right.
    """
    rows = [[feature(evidence) for feature in FEATURES.values()] for evidence, _ in runs]
    truth = [float(right) for _, right in runs]
    if not 0 < sum(truth) < len(truth):
        raise ValueError("A calibration needs runs that were right and runs that were wrong.")
    weights = [0.0] * len(FEATURES)
    bias = 0.0
    for _ in range(STEPS):
        errors = [
            _sigmoid(bias + sum(w * v for w, v in zip(weights, row, strict=True))) - right
            for row, right in zip(rows, truth, strict=True)
        ]
        bias -= RATE * sum(errors) / len(errors)
        for at, weight in enumerate(weights):
            slope = sum(e * row[at] for e, row in zip(errors, rows, strict=True)) / len(errors)
            weights[at] = max(0.0, weight - RATE * (slope + DECAY * weight))
    named = {name: round(weight, 4) for name, weight in zip(FEATURES, weights, strict=True)}
    return Calibration(round(bias, 4), named, source, len(runs))
