"""Small changes of a value, so that a call that works becomes another one that may."""

from __future__ import annotations

import re
from collections.abc import Iterator
from itertools import islice
from typing import Any, cast


def neighbours(value: Any) -> Iterator[Any]:
    """Values of the same type: one more or less, reversed, shortened, empty."""
    match value:
        case bool():
            yield not value
        case int():
            yield from (value + 1, value - 1, value * 2)
        case float():
            yield from (value + 0.5, -value)
        case str():
            yield from _other_lines(value)
            yield from (value[::-1], value[1:], value + value[:1], value.swapcase())
        case list() | tuple():
            items = list(cast("list[Any] | tuple[Any, ...]", value))
            for changed in _other_lists(items):
                yield changed if isinstance(value, list) else tuple(changed)
        case dict():
            yield dict(list(cast("dict[Any, Any]", value).items())[1:])
        case _:
            return


def _other_lines(text: str) -> Iterator[str]:
    """A text of several lines, such as a file's, with something else in its last line: a word
    where a number was, nothing in its last field, and the line twice."""
    lines = text.splitlines(keepends=True)
    if len(lines) < 2:
        return
    before, last = "".join(lines[:-1]), lines[-1]
    for pattern, other in ((r"\d+(?:\.\d+)?(?=\D*$)", "x"), (r"[^\s,;|]+(?=\s*$)", "")):
        changed = re.sub(pattern, other, last, count=1)
        if changed != last:
            yield before + changed
    yield "\n".join([*text.splitlines(), last])


def _other_lists(items: list[Any]) -> Iterator[list[Any]]:
    yield from (items[::-1], items[1:], items + items[:1])
    for index, item in enumerate(items[:2]):
        for other in islice(neighbours(item), 1):
            yield [*items[:index], other, *items[index + 1 :]]
