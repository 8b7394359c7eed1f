"""Draws the tables of bench/RESULTS.md: which share of the tasks each strategy solves.

    python tests/benchmarks/chart.py

writes server/ml_coach/bench/results.svg, which the README shows.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from xml.sax.saxutils import escape

BENCH = Path(__file__).parents[2] / "server" / "ml_coach" / "bench"
RESULTS, PICTURE = BENCH / "RESULTS.md", BENCH / "results.svg"

# Strategies as the tables name them, with what the picture's legend says and how it marks them.
STRATEGIES = {
    "one shot": ("one shot", "once"),
    "best of four": ("four samples, the first that passes the examples", "four"),
    "**loop**": ("ML Coach's loop", "loop"),
}
LEFT, WIDTH, ROW, TOP, RIGHT = 290, 420, 26, 64, 24
STYLE = """
text { font: 13px system-ui, sans-serif; fill: #1f2328 }
.small { font-size: 12px; fill: #59636e }
.line { stroke: #d1d9e0 }
.gain { stroke: #0969da; stroke-width: 3; opacity: .35 }
.once { fill: #818b98 }
.four { fill: none; stroke: #818b98; stroke-width: 2 }
.loop { fill: #0969da }
@media (prefers-color-scheme: dark) {
  text { fill: #f0f6fc } .small { fill: #9198a1 } .line { stroke: #3d444d }
  .gain { stroke: #4493f8 } .loop { fill: #4493f8 }
}
"""


@dataclass(frozen=True, slots=True)
class Line:
    """One model on one set of tasks: the solved share in percent by kind of strategy."""

    tasks: str
    model: str
    shares: dict[str, float]


def lines_of(results: str) -> list[Line]:
    """The lines of the tables with the columns `model`, `strategy` and `solved`, in their order.
    Rows of older figures, which are marked †, are left out."""
    found: list[Line] = []
    for section in results.split("\n## ")[1:]:
        title = section.splitlines()[0]
        number = re.search(r"(\d+) tasks", title)
        if number is None:
            continue
        by_model: dict[str, dict[str, float]] = {}
        for model, strategy, solved in re.findall(
            r"^\| ([\d.]+B) \| ([^|]+) \| \**(\d+)", section, re.MULTILINE
        ):
            if strategy in STRATEGIES:
                kind = STRATEGIES[strategy][1]
                by_model.setdefault(model, {})[kind] = 100 * int(solved) / int(number[1])
        name = re.sub(r",[^,]*tasks$", "", title)
        found += [Line(name, model, shares) for model, shares in by_model.items()]
    return found


def picture(lines: list[Line]) -> str:
    """The SVG: a row for each line, a mark for each strategy, zero to a hundred percent."""
    bottom = TOP + ROW * len(lines)
    parts = [f"<style>{STYLE}</style>", *_legend()]
    for percent in range(0, 101, 20):
        x = _x(percent)
        parts.append(
            f'<line class="line" x1="{x}" x2="{x}" y1="{TOP - 8}" y2="{bottom}"/>'
            f'<text class="small" x="{x}" y="{bottom + 16}" text-anchor="middle">'
            f"{percent} %</text>"
        )
    for number, line in enumerate(lines):
        y = TOP + ROW * number + ROW // 2
        if number == 0 or lines[number - 1].tasks != line.tasks:
            parts.append(f'<text x="0" y="{y + 4}">{escape(line.tasks)}</text>')
        parts.append(f'<text class="small" x="{LEFT - 44}" y="{y + 4}">{line.model}</text>')
        once, loop = line.shares["once"], line.shares["loop"]
        parts.append(f'<line class="gain" x1="{_x(once)}" x2="{_x(loop)}" y1="{y}" y2="{y}"/>')
        parts += [_mark(kind, _x(share), y) for kind, share in line.shares.items()]
    size = f'width="{LEFT + WIDTH + RIGHT}" height="{bottom + 26}"'
    return f'<svg xmlns="http://www.w3.org/2000/svg" {size}>\n' + "\n".join(parts) + "\n</svg>\n"


def _legend() -> list[str]:
    parts, x = ['<text x="0" y="16">Tasks solved, by hidden tests</text>'], 0
    for said, kind in STRATEGIES.values():
        parts.append(_mark(kind, x + 6, 36))
        parts.append(f'<text class="small" x="{x + 16}" y="40">{said}</text>')
        x += 40 + 7 * len(said)
    return parts


def _mark(kind: str, x: float, y: int) -> str:
    return f'<circle class="{kind}" cx="{x}" cy="{y}" r="{5 if kind == "four" else 6}"/>'


def _x(percent: float) -> float:
    return round(LEFT + WIDTH * percent / 100, 1)


if __name__ == "__main__":
    PICTURE.write_text(picture(lines_of(RESULTS.read_text("utf-8"))), encoding="utf-8")
    print(f"Wrote {PICTURE}")
