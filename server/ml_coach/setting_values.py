"""Reads the values of settings, which may come as text or from an editor's JSON.

Each function takes what was given and returns the value. Raises `ValueError`, and `TypeError` where
it is of a kind that cannot be read.
"""

from __future__ import annotations

from pathlib import PurePosixPath
from typing import Any

from ml_coach.core.types import Program

# Of a file's name, in bytes, on the usual file systems.
_LONGEST_NAME = 255


def whole(value: Any) -> int:
    """A whole number from 1."""
    number = int(str(value))
    if number < 1 or isinstance(value, bool):
        raise ValueError
    return number


def number(value: Any) -> int:
    """A whole number from 0."""
    found = int(str(value))
    if found < 0 or isinstance(value, bool):
        raise ValueError
    return found


def seconds(value: Any) -> float:
    """A number above 0 that is not infinite."""
    number = float(str(value))
    if not 0 < number < float("inf") or isinstance(value, bool):
        raise ValueError
    return number


def price(value: Any) -> float:
    """A number from 0 that is not infinite."""
    number = float(str(value))
    if not 0 <= number < float("inf") or isinstance(value, bool):
        raise ValueError
    return number


def share(value: Any) -> float:
    """A number from 0 to 1."""
    number = float(str(value))
    if not 0 <= number <= 1 or isinstance(value, bool):
        raise ValueError
    return number


def exit_code(value: Any) -> int:
    """A whole number from 0 to 125; shells use higher ones."""
    number = int(str(value))
    if not 0 <= number <= 125 or isinstance(value, bool):
        raise ValueError
    return number


def switch(value: Any) -> bool:
    """Yes or no, in any of the usual words."""
    word = str(value).strip().lower()
    if word in ("1", "true", "yes", "on"):
        return True
    if word in ("0", "false", "no", "off", ""):
        return False
    raise ValueError


def text(value: Any) -> str:
    """A text without the space around it."""
    if not isinstance(value, str):
        raise ValueError
    value.encode()  # Half a character (a lone surrogate) can be sent to no model.
    return value.strip()


def python_file(value: Any) -> str:
    """A relative path that ends in .py and stays in its folder."""
    name = text(value)
    path = PurePosixPath(name)
    if not name.isprintable() or len(path.name.encode()) > _LONGEST_NAME:
        raise ValueError
    if path.suffix != ".py" or path.is_absolute() or ".." in path.parts or "\\" in name:
        raise ValueError
    return str(path)  # One spelling for each file, so that equal files can be recognized.


def program_file(value: Any) -> str:
    """As `python_file`, and a test can import it."""
    file = python_file(value)
    if not Program("", file).is_importable:
        raise ValueError
    return file
