"""Texts compared and merged without regard to the kind of line ends, which editors choose."""

from __future__ import annotations

from typing import overload

from ml_coach.core.patches import make_patch, rebase
from ml_coach.core.patches.lines import line_end
from ml_coach.core.types import PatchRefused


@overload
def plain(text: str) -> str: ...
@overload
def plain(text: str | None) -> str | None: ...
def plain(text: str | None) -> str | None:
    """The text with line feeds alone."""
    return None if text is None else text.replace("\r\n", "\n")


def same_text(one: str | None, other: str | None) -> bool:
    return plain(one) == plain(other)


def ended_like(now: str, text: str) -> str:
    """`text` with the line ends of the document that it goes into."""
    return plain(text).replace("\n", line_end(now))


def merged(
    before: str | None, after: str | None, now: str | None, file: str
) -> str | PatchRefused | None:
    """`now` with the change from `before` to `after` in it; None stands for no file."""
    if now == before:
        return after
    patch = make_patch({file: before}, {file: after})
    fitted = rebase(patch, {} if now is None else {file: now})
    if isinstance(fitted, PatchRefused):
        return fitted
    return next((change.after for change in fitted.changes if change.file == file), now)
