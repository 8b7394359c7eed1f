"""What a run's outcome is worth: how many runs that end `passed` are right, and how well the
confidence in a report agrees with that.

`Judged` pairs are (confidence, right): the share that a report named, and whether the program
passes its hidden test.
"""

from __future__ import annotations

import html
from collections import Counter
from collections.abc import Sequence

from ml_coach.bench.table import Row

Judged = Sequence[tuple[float, bool]]
BINS = 10
WIDTH, HEIGHT, MARGIN = 420, 260, 44


def outcomes(rows: Sequence[Row]) -> dict[str, tuple[int, int]]:
    """For each outcome: how many runs ended so, and how many of their programs are right."""
    ended = Counter(row.outcome for row in rows)
    right = Counter(row.outcome for row in rows if row.solved)
    return {outcome: (ended[outcome], right[outcome]) for outcome in sorted(ended)}


def judged(rows: Sequence[Row]) -> list[tuple[float, bool]]:
    """The rows whose report names a confidence."""
    return [(row.confidence, row.solved) for row in rows if row.confidence is not None]


def calibration_error(pairs: Judged, bins: int = BINS) -> float:
    """The expected calibration error: over `bins` equal bins of confidence, the mean distance
    between confidence and share of right runs, weighted by size (Naeini et al. 2015). 0 to 1."""
    total = 0.0
    for number in range(bins):
        low, high = number / bins, (number + 1) / bins
        within = [(c, r) for c, r in pairs if low <= c < high or (c == high == 1.0)]
        total += abs(sum(c for c, _ in within) - sum(r for _, r in within))
    return total / len(pairs) if pairs else 0.0


def risk_coverage(pairs: Judged) -> list[tuple[float, float]]:
    """For each bound of confidence that some run meets: the share of runs that meet it, and the
    share of these that are wrong. In order of rising coverage (El-Yaniv and Wiener 2010)."""
    ranked = sorted(pairs, reverse=True)
    points: list[tuple[float, float]] = []
    wrong = 0
    for number, (confidence, right) in enumerate(ranked, 1):
        wrong += not right
        is_last_of_equals = number == len(ranked) or ranked[number][0] < confidence
        if is_last_of_equals:
            points.append((number / len(ranked), wrong / number))
    return points


def curve_svg(pairs: Judged, title: str) -> str:
    """`risk_coverage` as a picture: coverage to the right, the share of wrong runs upwards."""
    points = risk_coverage(pairs)
    most = max((risk for _, risk in points), default=0.0) or 1.0
    width, height = WIDTH - 2 * MARGIN, HEIGHT - 2 * MARGIN

    def place(coverage: float, risk: float) -> str:
        return f"{MARGIN + coverage * width:.1f},{HEIGHT - MARGIN - risk / most * height:.1f}"

    line = " ".join(place(coverage, risk) for coverage, risk in points)
    bottom = HEIGHT - MARGIN
    return "\n".join(
        [
            f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}" role="img">',
            f"<title>{html.escape(title)}</title>",
            "<style>text{font:12px sans-serif;fill:#555}path{stroke:#999;fill:none}"
            "polyline{stroke:#0b6bcb;stroke-width:2;fill:none}</style>",
            f'<path d="M{MARGIN} {MARGIN}V{bottom}H{WIDTH - MARGIN}"/>',
            f'<text x="{MARGIN}" y="{MARGIN - 18}">{html.escape(title)}</text>',
            f'<text x="{MARGIN - 6}" y="{MARGIN + 4}" text-anchor="end">{most:.0%}</text>',
            f'<text x="{MARGIN - 6}" y="{bottom}" text-anchor="end">0 %</text>',
            f'<text x="{MARGIN}" y="{bottom + 18}">wrong, of the runs that are trusted most</text>',
            f'<text x="{WIDTH - MARGIN}" y="{bottom + 18}" text-anchor="end">all runs</text>',
            f'<polyline points="{line}"/>',
            "</svg>\n",
        ]
    )
