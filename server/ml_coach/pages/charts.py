"""Pictures as SVG that stands in a page: its colours come from the page's style."""

from __future__ import annotations

import html
import math
from collections.abc import Sequence

_WIDTH, _LEFT, _RIGHT = 640, 90, 24
_ROW, _TOP, _BOTTOM = 34, 12, 40
_HEIGHT = 260
_DOT = 4


def outcome_by_time(runs: Sequence[tuple[str, str, float]]) -> str:
    """A dot for each run: (name, outcome, seconds), in a row for each outcome. Empty for none."""
    outcomes = list(dict.fromkeys(outcome for _, outcome, _ in runs))
    longest = max((seconds for _, _, seconds in runs), default=0.0)
    if not longest:
        return ""
    step = _step(longest)
    end = math.ceil(longest / step) * step
    height = _TOP + _ROW * len(outcomes) + _BOTTOM
    bottom = height - _BOTTOM

    def x(seconds: float) -> float:
        return _LEFT + seconds / end * (_WIDTH - _LEFT - _RIGHT)

    parts = [_open(height, f"{len(runs)} runs by outcome and seconds, up to {longest:.0f} s")]
    for number in range(round(end / step) + 1):
        at = x(number * step)
        parts.append(f'<path class="grid" d="M{at:.1f} {_TOP}V{bottom}"/>')
        parts.append(_label(at, bottom + 16, f"{number * step:g}", "middle"))
    parts.append(_label(x(end), height - 6, "seconds", "end"))
    for row, outcome in enumerate(outcomes):
        y = _TOP + _ROW * (row + 0.5)
        parts.append(_label(_LEFT - 10, y + 4, outcome.replace("_", " "), "end"))
        group = [(name, seconds) for name, o, seconds in runs if o == outcome]
        for number, (name, seconds) in enumerate(group):
            # Dots of one row are spread a little, so that equal ones can be told apart.
            spread = (0, 4, -4, 8, -8)[number % 5]
            parts.append(
                f'<circle class="dot {html.escape(outcome)}" cx="{x(seconds):.1f}" '
                f'cy="{y + spread:.1f}" r="{_DOT}"><title>{html.escape(name)}: {seconds:.1f} s'
                "</title></circle>"
            )
    return "".join([*parts, "</svg>"])


def risk_over_coverage(points: Sequence[tuple[float, float]]) -> str:
    """(coverage, risk), each 0 to 1, as a line; empty for less than two points."""
    if len(points) < 2:
        return ""
    most = max(risk for _, risk in points) or 1.0
    bottom, width = _HEIGHT - _BOTTOM, _WIDTH - _LEFT - _RIGHT

    def place(coverage: float, risk: float) -> tuple[float, float]:
        return _LEFT + coverage * width, bottom - risk / most * (bottom - _TOP - 10)

    (_, last) = points[-1]
    parts = [
        _open(_HEIGHT, f"Of all runs {last:.0%} are wrong; of those trusted most, fewer or more")
    ]
    for share in (0.0, 0.5, 1.0):
        at, up = place(share, 0)[0], place(0, share * most)[1]
        parts += [
            f'<path class="grid" d="M{at:.1f} {_TOP}V{bottom}"/>',
            f'<path class="grid" d="M{_LEFT} {up:.1f}H{_WIDTH - _RIGHT}"/>',
            _label(at, bottom + 16, f"{share:.0%}", "middle"),
            _label(_LEFT - 10, up + 4, f"{share * most:.0%}", "end"),
        ]
    line = " ".join(f"{x:.1f},{y:.1f}" for x, y in (place(*point) for point in points))
    parts.append(f'<polyline class="line" points="{line}"/>')
    parts.append(_label(_WIDTH - _RIGHT, _HEIGHT - 6, "share of runs that are trusted", "end"))
    parts.append(_label(_LEFT + 8, _TOP + 4, "of them wrong", "start"))
    return "".join([*parts, "</svg>"])


def _open(height: float, label: str) -> str:
    return (
        f'<svg viewBox="0 0 {_WIDTH} {height:.0f}" role="img" '
        f'aria-label="{html.escape(label, quote=True)}">'
    )


def _label(x: float, y: float, text: str, anchor: str) -> str:
    return f'<text x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}">{html.escape(text)}</text>'


def _step(longest: float) -> float:
    """A round distance of the scale's marks, about six of them."""
    power = 10.0 ** math.floor(math.log10(longest / 6))
    return next(power * n for n in (1, 2, 5, 10) if longest / (power * n) <= 6)
