"""Texts compared and merged without regard to the kind of line ends, which editors choose."""

from __future__ import annotations

import re
from difflib import SequenceMatcher
from typing import overload

from ml_coach.core.changes import PatchRefused
from ml_coach.core.patches import make_patch, rebase
from ml_coach.core.patches.lines import line_end

_HALF = re.compile("[\ud800-\udfff]")


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


def holds_change(before: str | None, after: str, shown: str) -> bool:
    """Whether `shown` is `after`, or `after` with edits of the user's on top.

    Where they edited the very lines that the change is about, the nearer of the two texts counts:
    what they typed makes `shown` differ equally from both.
    """
    before, after, shown = plain(before or ""), plain(after), plain(shown)
    if shown in (before, after):
        return shown == after
    if (rebased := merged(before, after, shown, "")) == shown:
        return True
    if not isinstance(rebased, PatchRefused):
        return False
    return _difference(after, shown) < _difference(before, shown)


def _difference(one: str, other: str) -> int:
    """How many characters stand in only one of the texts."""
    matcher = SequenceMatcher(None, *_without_common_ends(one, other), autojunk=False)
    return sum(max(b - a, d - c) for tag, a, b, c, d in matcher.get_opcodes() if tag != "equal")


def _without_common_ends(one: str, other: str) -> tuple[str, str]:
    shortest = min(len(one), len(other))
    start = next((i for i in range(shortest) if one[i] != other[i]), shortest)
    one, other, shortest = one[start:], other[start:], shortest - start
    end = next((i for i in range(shortest) if one[-1 - i] != other[-1 - i]), shortest)
    return one[: len(one) - end], other[: len(other) - end]


def holds_half_character(text: str) -> bool:
    """Whether a lone surrogate is in a text: JSON can hold it, but no file and no request can."""
    return not text.isascii() and _HALF.search(text) is not None
