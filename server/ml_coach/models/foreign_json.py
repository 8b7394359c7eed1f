"""Reads JSON that others wrote. A member of the wrong type counts as absent; nothing raises."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from math import isfinite
from typing import Any, cast

Json = Mapping[str, Any]


def object_at(where: Json, key: str) -> Json:
    """The object at `key`, or an empty one."""
    return as_object(where.get(key))


def text_at(where: Json, key: str) -> str:
    """The string at `key`, or an empty one."""
    found = where.get(key)
    return found if isinstance(found, str) else ""


def plain_text_at(where: Json, key: str) -> str:
    """The text at `key`: a string, or that of the parts of a list of kind `text`."""
    found = where.get(key)
    items = cast(Sequence[Any], found) if isinstance(found, list) else (found,)
    texts = (text_at(as_object(i), "text") if as_object(i) else i for i in items)
    return "".join(text for text in texts if isinstance(text, str))


def count_at(where: Json, key: str) -> int:
    """The number at `key` as a whole one from 0; 0 where there is none."""
    found = where.get(key)
    return max(0, int(found)) if isinstance(found, int | float) and isfinite(found) else 0


def objects_at(where: Json, key: str) -> tuple[Json, ...]:
    """The objects in the array at `key`; other items are left out."""
    found = where.get(key)
    items = cast(Sequence[Any], found) if isinstance(found, list) else ()
    return tuple(cast(Json, item) for item in items if isinstance(item, dict))


def first_object_at(where: Json, key: str) -> Json:
    """The first object in the array at `key`, or an empty one."""
    found = objects_at(where, key)
    return found[0] if found else {}


def as_object(found: object) -> Json:
    """`found` if it is an object, else an empty one."""
    return cast(Json, found) if isinstance(found, dict) else {}
