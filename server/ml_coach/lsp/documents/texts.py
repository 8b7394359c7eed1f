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
    """Whether two texts differ in line ends at most; None, for no file, equals only None."""
    return plain(one) == plain(other)


def with_line_ends_of(now: str, text: str) -> str:
    """`text` with the line ends of `now`, the document that it goes into."""
    return plain(text).replace("\n", line_end(now))


def merged(
    before: str | None, after: str | None, now: str | None, file: str
) -> str | PatchRefused | None:
    """`now` with the change from `before` to `after` in it; None stands for no file.

    `file` is the name in the refusal. All texts have plain line feeds.
    """
    if now == before:
        return after
    patch = make_patch({file: before}, {file: after})
    fitted = rebase(patch, {} if now is None else {file: now})
    if isinstance(fitted, PatchRefused):
        return fitted
    return next((change.after for change in fitted.changes if change.file == file), now)
