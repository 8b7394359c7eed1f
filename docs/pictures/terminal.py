"""Draws docs/pictures/terminal.svg from terminal.ansi, a real run as the terminal showed it.

    tmux new-session -d -s coach -x 92 -y 50 "bash -c 'ml-coach generate PROMPT; sleep 9'"
    tmux capture-pane -t coach -e -p > terminal.ansi    (once the run is over)
    uv run python docs/pictures/terminal.py

Each line appears when it did in the run, twenty times as fast; the report comes at the end.
"""

from __future__ import annotations

import re
from pathlib import Path
from xml.sax.saxutils import escape

from rich.cells import cell_len
from rich.console import Console
from rich.text import Text

CAPTURE = Path(__file__).with_suffix(".ansi")
PICTURE = CAPTURE.with_suffix(".svg")
SPEED = 20
CELL, LINE, LEFT, TOP = 7.6, 18, 16, 44
STYLE = """
text { font: 12.6px ui-monospace, Menlo, Consolas, 'DejaVu Sans Mono', monospace; fill: #e6edf3 }
.dim { fill: #8b949e } .cyan { fill: #56d4dd } .green { fill: #56d364 }
.red { fill: #ff7b72 } .yellow { fill: #e3b341 } .bold { font-weight: 700 }
.line { animation: show .2s backwards }
@keyframes show { from { opacity: 0 } }
@media (prefers-reduced-motion: reduce) { .line { animation: none } }
"""
# By their numbers among the terminal's first eight.
COLORS = {1: "red", 2: "green", 3: "yellow", 6: "cyan"}


def picture(capture: str) -> str:
    """The SVG of a captured screen: one `text` element a line."""
    screen = Text.from_ansi(capture.rstrip()).split()
    columns = max(cell_len(line.plain.rstrip()) for line in screen)
    width, height = round(LEFT * 2 + columns * CELL), TOP + LINE * len(screen)
    parts = [
        f"<style>{STYLE}</style>",
        f'<rect width="{width}" height="{height}" rx="8" fill="#0d1117"/>',
        *(f'<circle cx="{x}" cy="20" r="5" fill="#484f58"/>' for x in (20, 36, 52)),
    ]
    shown = 0.0
    for number, line in enumerate(screen):
        if seconds := re.match(r" *([\d.]+) s ", line.plain):
            shown = float(seconds[1])
        y = TOP + 6 + LINE * number
        parts.append(
            f'<text class="line" style="animation-delay:{shown / SPEED:.1f}s" x="{LEFT}" y="{y}"'
            f' xml:space="preserve">{_spans(line)}</text>'
        )
    size = f'width="{width}" height="{height}" viewBox="0 0 {width} {height}"'
    return f'<svg xmlns="http://www.w3.org/2000/svg" {size}>\n' + "\n".join(parts) + "\n</svg>\n"


def _spans(line: Text) -> str:
    """The line's pieces, each set to its own width, so that columns stay in line in any font."""
    line.rstrip()
    parts: list[str] = []
    column = 0
    for text, style, _ in line.render(Console(color_system=None, width=200)):
        cells = cell_len(text)
        if text.strip():
            color = style.color.number if style and style.color else None
            marks = {
                COLORS.get(color, "") if color is not None else "": True,
                "bold": style and style.bold,
                "dim": style and style.dim,
            }
            names = " ".join(name for name, on in marks.items() if name and on)
            css = f' class="{names}"' if names else ""
            x, width = LEFT + column * CELL, cells * CELL
            parts.append(f'<tspan{css} x="{x:.1f}" textLength="{width:.1f}">{escape(text)}</tspan>')
        column += cells
    return "".join(parts)


if __name__ == "__main__":
    PICTURE.write_text(picture(CAPTURE.read_text(encoding="utf-8")), encoding="utf-8")
