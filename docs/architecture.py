"""Draws docs/architecture.svg from the text below.

    python docs/architecture.py

A box is a line of `BOXES`: where it stands, its name, and what it is for. An arrow is a line of
`ARROWS`: from which box to which, and what travels along it.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from xml.sax.saxutils import escape

PICTURE = Path(__file__).with_suffix(".svg")
SIZE = 900, 560

# name | x | y | width | what it is for
BOXES = """
your editor     |  30 |  10 | 250 | VS Code, Neovim, Emacs, …
your terminal   | 620 |  10 | 250 | ml-coach generate
lsp/            |  30 | 100 | 250 | commands, runs, documents
cli/            | 620 | 100 | 250 | commands, live view, questions
app.py          | 325 | 100 | 250 | picks the parts, starts the run
coach.py        | 325 | 216 | 250 | the loop, with repair_loop.py
agents/         |  50 | 216 | 200 | a prompt and a reader each
replies/        |  50 | 296 | 200 | a reply → its code and its edits
sanitizer/      |  50 | 376 | 200 | code → program or suite
patches/        | 325 | 376 | 250 | edits → a patch that loses nothing
judging/        | 650 | 216 | 200 | evidence, test filter, choice
examples/       | 650 | 296 | 200 | what the prompt itself states
python/         | 650 | 376 | 200 | syntax, names, small repairs
models/         |  30 | 494 | 190 | one module per provider
execution/      | 247 | 494 | 190 | the sandbox and the judge
disk.py, lsp/   | 464 | 494 | 190 | the user's files
run_log.py      | 681 | 494 | 190 | every event, as JSON lines
"""

# from | to | what travels along it
ARROWS = """
your editor   | lsp/          | LSP
your terminal | cli/          |
lsp/          | app.py        |
cli/          | app.py        |
app.py        | coach.py      | Request
coach.py      | agents/       |
coach.py      | judging/      |
agents/       | replies/      |
replies/      | sanitizer/    |
replies/      | patches/      |
"""

# What the core asks of outside: each port, the box behind it, and the x of its arrow.
PORTS = """
Model      | models/       | 125
Executor   | execution/    | 342
Workspace  | disk.py, lsp/ | 559
Emit       | run_log.py    | 776
"""
CORE = 30, 178, 840, 264
HEIGHT = 48
STYLE = """
text { font: 13px system-ui, sans-serif; fill: #1f2328; text-anchor: middle }
.name { font-weight: 600 }
.small { font-size: 12px; fill: #59636e }
.left { text-anchor: start }
.box { fill: #ffffff; stroke: #818b98 }
.core { fill: #ddf4ff; stroke: #0969da; stroke-dasharray: 5 4 }
.arrow { fill: none; stroke: #59636e; stroke-width: 1.5 }
.head { fill: #59636e }
@media (prefers-color-scheme: dark) {
  text { fill: #f0f6fc } .small { fill: #9198a1 }
  .box { fill: #151b23; stroke: #656c76 } .core { fill: #0d2238; stroke: #4493f8 }
  .arrow { stroke: #9198a1 } .head { fill: #9198a1 }
}
"""


@dataclass(frozen=True, slots=True)
class Box:
    """A named part of ML Coach, in pixels from the picture's top left corner."""

    name: str
    x: int
    y: int
    width: int
    purpose: str

    @property
    def middle(self) -> int:
        return self.x + self.width // 2


def rows(table: str) -> list[list[str]]:
    """The cells of a table above, line by line."""
    return [[cell.strip() for cell in line.split("|")] for line in table.strip().splitlines()]


def picture() -> str:
    """The whole picture as SVG."""
    boxes = {n: Box(n, int(x), int(y), int(w), what) for n, x, y, w, what in rows(BOXES)}
    x, y, width, height = CORE
    parts = [
        f"<style>{STYLE}</style>",
        '<defs><marker id="head" viewBox="0 0 8 8" refX="7" refY="4" markerWidth="8"'
        ' markerHeight="8" orient="auto"><path class="head" d="M0 0 8 4 0 8z"/></marker></defs>',
        f'<rect class="core" x="{x}" y="{y}" width="{width}" height="{height}" rx="8"/>',
        f'<text class="name left" x="{x + 20}" y="{y + 22}">core/</text>',
        f'<text class="small left" x="{x + 62}" y="{y + 22}">'
        "knows no editor, no network, no process</text>",
    ]
    parts += [_arrow(boxes[start], boxes[end], label) for start, end, label in rows(ARROWS)]
    for port, box, at in rows(PORTS):
        parts.append(_line(int(at), y + height, int(at), boxes[box].y))
        parts.append(
            f'<text class="small left" x="{int(at) + 8}" y="{y + height + 31}">{port}</text>'
        )
    parts += [_box(box) for box in boxes.values()]
    size = f'width="{SIZE[0]}" height="{SIZE[1]}" viewBox="0 0 {SIZE[0]} {SIZE[1]}"'
    return f'<svg xmlns="http://www.w3.org/2000/svg" {size}>\n' + "\n".join(parts) + "\n</svg>\n"


def _arrow(start: Box, end: Box, label: str) -> str:
    """From the side of `start` that faces `end`; sideways where the two stand in one row."""
    if start.y == end.y:
        right = start.x < end.x
        first, last = (start.x + start.width, end.x) if right else (start.x, end.x + end.width)
        return _line(first, start.y + HEIGHT // 2, last, end.y + HEIGHT // 2)
    if start.middle == end.middle:
        text = f'<text class="small left" x="{start.middle + 8}" y="{end.y - 14}">{label}</text>'
        return _line(start.middle, start.y + HEIGHT, end.middle, end.y) + (text if label else "")
    return _line(start.x + start.width, start.y + HEIGHT // 2, end.x, end.y + HEIGHT // 2)


def _box(box: Box) -> str:
    x, y = box.middle, box.y
    return (
        f'<rect class="box" x="{box.x}" y="{y}" width="{box.width}" height="{HEIGHT}" rx="6"/>'
        f'<text class="name" x="{x}" y="{y + 20}">{escape(box.name)}</text>'
        f'<text class="small" x="{x}" y="{y + 38}">{escape(box.purpose)}</text>'
    )


def _line(x: int, y: int, to_x: int, to_y: int) -> str:
    return f'<path class="arrow" marker-end="url(#head)" d="M{x} {y} {to_x} {to_y}"/>'


if __name__ == "__main__":
    PICTURE.write_text(picture(), encoding="utf-8")
