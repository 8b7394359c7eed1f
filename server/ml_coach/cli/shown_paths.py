"""Paths as a user would type them here."""

from __future__ import annotations

from pathlib import Path


def shown(path: Path) -> str:
    """The path relative to the current folder where it lies below it, else the whole path."""
    whole, here = path.absolute(), Path.cwd()
    return str(whole.relative_to(here)) if whole.is_relative_to(here) else str(whole)
