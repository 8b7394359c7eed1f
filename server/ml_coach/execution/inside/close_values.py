"""Values close to another one, for questions whose answers tell what an object equals.

A few changes, and all that they give together, make values of one. With the value itself they are
the corners of a cube: each could have been made of any other, so they hardly tell which of them a
test asked about. The seven corners of the first three changes are close, the others far away.
"""

# pyright: reportUnknownVariableType=false, reportUnknownArgumentType=false
# pyright: reportUnknownMemberType=false
from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from typing import Any

from ml_coach.execution.inside.signing import FrozenFunctions

# The methods that give the plain value of an object whose class adds nothing to how it compares.
NUMBERS = {int: int.__int__, float: float.__float__, complex: complex.__complex__}
# How to take such an object apart, without any method of its class, and how to put it together.
ROWS: Mapping[type, tuple[Any, Any]] = {
    str: (str.__iter__, "".join),
    bytes: (bytes.__iter__, bytes),
    bytearray: (bytearray.__iter__, bytes),
    list: (list.__iter__, list),
    tuple: (tuple.__iter__, tuple),
    set: (set.__iter__, set),
    frozenset: (frozenset.__iter__, frozenset),
    dict: (dict.items, dict),
}


def close_values(
    freeze: FrozenFunctions, shape: Callable[[Any], Any]
) -> Callable[[Any], list[object]]:
    """A function of a value that gives others. `shape` tells the plain type of an object."""
    below = freeze(_below, os.urandom, int.from_bytes)
    new_item = freeze(_new_item, below, chr)
    changed = freeze(_changed, below, new_item, len)
    return freeze(_close, shape, below, NUMBERS, dict(ROWS), changed)


def _below(limit: int) -> int:
    parts: Any = "<parts>"
    random, number = parts
    return number(random(4), "big") % limit


def _new_item(kind: str) -> Any:
    parts: Any = "<parts>"
    below, character = parts
    if kind == "str":
        return character(97 + below(26))
    if kind[:4] == "byte":
        return below(256)
    number = 1 + below(918_273)
    return (number, 1) if kind == "dict" else number


def _close(value: Any) -> Any:
    parts: Any = "<parts>"
    shape, below, numbers, rows, changed = parts
    kind: Any = shape(value)
    corners = ((1, 0, 0), (0, 1, 0), (1, 1, 0), (0, 0, 1), (1, 0, 1), (0, 1, 1), (1, 1, 1))
    if value is None:
        return [0, 1 + below(918_273), "no such text"]
    if kind.__name__ == "bool":
        return [not value]
    if kind in numbers:
        plain = numbers[kind](value)
        one, two = [step * (1 - 2 * below(2)) for step in (1, 2 + below(4))]
        away = -1 if kind.__name__ != "complex" and plain < 0 else 1
        three, far = away * (6 + below(30)), away * (1000 + below(90_000))
        near = [plain + one * a + two * b + three * c for a, b, c in corners]
        return [*near, plain + far, *[each + far for each in near]]
    if kind in rows:
        apart, together = rows[kind]
        return [together(row) for row in changed([*apart(value)], kind.__name__, corners)]
    return [below(918_273), "no such text"]


def _changed(row: Any, kind: str, corners: Any) -> Any:
    """The row with its front, its back and its middle changed, in each of the given ways."""
    parts: Any = "<parts>"
    below, new_item, size = parts
    drops = [below(2) and size(row) > 1 for _ in (0, 1)]
    front, back, middle = [new_item(kind) for _ in (0, 1, 2)]
    at = size(row) // 2
    found: Any = []
    for a, b, c in corners:
        changed = [*row[:at], middle, *row[at:]] if c else [*row]
        if a:
            changed = changed[1:] if drops[0] else [front, *changed]
        if b:
            changed = changed[:-1] if drops[1] else [*changed, back]
        found += [changed]
    return found
