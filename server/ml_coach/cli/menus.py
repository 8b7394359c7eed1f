"""Asks at the terminal: one of several options, by the arrow keys or its number, or a typed text.

Every question of the terminal is asked here. Where the terminal cannot move its cursor
(`TERM=dumb`), the options are listed and a line is read.
"""

from __future__ import annotations

import asyncio
import os
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, TextIO

from ml_coach.cli.terminal_view import EscapingConsole
from ml_coach.core.python.syntax import is_unfinished
from ml_coach.core.wording import harmless

# `q`, or the end of the input: Ctrl-D, or a terminal that was closed.
Leaving = Literal["quit", "end"]
# A terminal hands over one line at a time.
_PIECE = 65_536


@dataclass(frozen=True, slots=True)
class Option:
    """What is shown, and a letter that picks it at once. One that `takes_text` has the user type
    something that is not in the list."""

    title: str
    key: str = ""
    takes_text: bool = False

    @property
    def shown(self) -> str:
        """The title with the letter, in a form that no terminal obeys."""
        return harmless(f"{self.title} ({self.key})" if self.key else self.title)


@dataclass(frozen=True, slots=True)
class Typed:
    """A text that the user typed; it is never empty."""

    text: str


def numbered(options: Sequence[Option]) -> str:
    """The options as lines, each with its number."""
    return "\n".join(f"{at:4}. {option.shown}" for at, option in enumerate(options, 1))


async def choose(
    console: EscapingConsole, options: Sequence[Option], *, begun: str = ""
) -> int | Typed | Leaving:
    """The number of the option that the user picks, from 0, or what they type where an option takes
    a text.

    With `begun` the user was asked before, and typed that: they may correct it.
    """
    forget_typed(sys.stdin)
    if not _moves_cursor(console):
        return await _from_line(console, options)
    # Only here, because the library takes a third of a second to load.
    from ml_coach.cli import menu_keys

    pointed, screen = 0, menu_keys.screen(sys.stdin, console.file)
    while True:
        picked: int | Typed | Leaving = Typed(begun)
        if not begun:
            picked = await menu_keys.picked(screen, options, pointed)
        if isinstance(picked, int) and options[picked].takes_text:
            pointed, picked = picked, Typed("")
        if not isinstance(picked, Typed):
            return picked
        text = await menu_keys.edited(screen, picked.text)
        begun = ""
        if text is None:
            return "end"
        if text.strip():
            return _read(text)


async def _from_line(console: EscapingConsole, options: Sequence[Option]) -> int | Typed | Leaving:
    console.print(numbered(options), markup=False, highlight=False)
    takes_text = any(option.takes_text for option in options)
    asked = "A number, or what it should give; q ends: " if takes_text else "A number; q ends: "
    keys = [option.key for option in options]
    while text := await _read_value(console, asked):
        word = text.strip().lower()
        at = keys.index(word) if word and word in keys else option_at(word, options)
        if at is not None and not options[at].takes_text:
            return at
        if at is not None:
            if not (text := await _read_value(console, "It should give: ")):
                break
        elif is_number(word):
            console.print(f"The list has no {word}.", markup=False, highlight=False)
            continue
        if text.strip() and (takes_text or _read(text) == "quit"):
            return _read(text)
    return "end"


def is_number(text: str) -> bool:
    """Whether it can only be the number of an option: a value is written in another way there."""
    return text.isascii() and text.isdecimal()


def option_at(text: str, options: Sequence[object]) -> int | None:
    """The option whose number, from 1, the text is; from 0; None for any other text."""
    # Python refuses to read numbers of thousands of digits.
    found = int(text) - 1 if is_number(text) and len(text) < 5 else -1
    return found if 0 <= found < len(options) else None


def _read(text: str) -> Typed | Leaving:
    return "quit" if text.strip().lower() in ("q", "quit") else Typed(text)


def _moves_cursor(console: EscapingConsole) -> bool:
    is_terminal = sys.stdin.isatty() and console.file.isatty()
    return is_terminal and not console.is_dumb_terminal


async def _read_value(console: EscapingConsole, asked: str) -> str:
    """A line, and the lines after it while a bracket is open: a value may be pasted."""
    console.print(asked, end="", style="bold", markup=False, highlight=False)
    text = line = await read_line(sys.stdin)
    while line.strip() and is_unfinished(text):
        console.print("... ", end="", style="bold", markup=False, highlight=False)
        text += (line := await read_line(sys.stdin))
    return text


async def read_line(stream: TextIO) -> str:
    """One line of `stream`, read without blocking the loop, so that Ctrl-C works meanwhile.

    Bytes that are no text come as lone surrogates.
    """
    descriptor, loop = stream.fileno(), asyncio.get_running_loop()
    found = b""
    # Ctrl-D hands over what stands in the line so far; only where that is nothing it is the end.
    while not found.endswith(b"\n"):
        ready: asyncio.Future[None] = loop.create_future()
        try:
            loop.add_reader(descriptor, lambda ready=ready: ready.done() or ready.set_result(None))
        except NotImplementedError:  # Windows
            return await asyncio.to_thread(stream.readline)
        try:
            await ready
        finally:
            loop.remove_reader(descriptor)
        if not (piece := os.read(descriptor, _PIECE)):
            break
        found += piece
    return found.decode(stream.encoding, "surrogateescape")


def forget_typed(stream: TextIO) -> None:
    """Drops what was typed before the question was seen: it answers nothing."""
    try:
        import termios
    except ImportError:  # Windows
        return
    termios.tcflush(stream.fileno(), termios.TCIFLUSH)
