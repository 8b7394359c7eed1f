"""The terminal's reviewer: it shows a coloured diff and asks for y, n, e(dit) or q."""

from __future__ import annotations

import asyncio
import os
import shlex
import sys
import tempfile
from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from string import ascii_lowercase
from typing import TextIO

from ml_coach.cli.terminal_view import EscapingConsole, show_diff
from ml_coach.core.changes import Patch
from ml_coach.core.patches import make_patch
from ml_coach.core.ports import Decision
from ml_coach.core.python.syntax import is_unfinished
from ml_coach.core.question import Answer, Question

_WHICH = "A letter, or what it should give; [n]ot defined, [s]kip, [q]uit: "
# A terminal hands over one line at a time.
_PIECE = 65_536
_QUESTION = "Apply this patch? [y]es, [n]o, [e]dit, [q]uit: "


class DeferringReviewer:
    """Keeps every patch for later, where there is no terminal to ask at."""

    async def decide(self, patch: Patch, summary: str) -> Decision:
        """See `core.ports.Reviewer.decide`."""
        return Decision("later")

    async def answer(self, question: Question) -> Answer | None:
        """See `core.ports.Reviewer.answer`."""
        return None


@dataclass(frozen=True, slots=True)
class TerminalReviewer:
    """Asks on `console`; `paused` hides the live display while it does."""

    console: EscapingConsole
    paused: Callable[[], AbstractContextManager[None]]

    async def decide(self, patch: Patch, summary: str) -> Decision:
        """See `core.ports.Reviewer.decide`."""
        with self.paused():
            forget_typed(sys.stdin)
            self.console.print()
            show_diff(self.console, patch.text)
            while True:
                self.console.print(_QUESTION, end="", style="bold", markup=False, highlight=False)
                answer = await read_line(sys.stdin)
                match answer.strip().lower()[:1]:
                    case "y":
                        return Decision("apply")
                    case "n":
                        return Decision("discard")
                    case "e":
                        edited = await _edit(patch)
                        if isinstance(edited, Patch):
                            return Decision("apply", edited)
                        self.console.print(edited, markup=False, highlight=False)
                    case "q":
                        return Decision("stop")
                    case "" if not answer:
                        return Decision("later")  # The end of the input.
                    case _:
                        continue

    async def answer(self, question: Question) -> Answer | None:
        """See `core.ports.Reviewer.answer`."""
        with self.paused():
            forget_typed(sys.stdin)
            self.console.print()
            show_question(self.console, question)
            while True:
                self.console.print(_WHICH, end="", style="bold", markup=False, highlight=False)
                line = await self._read_value()
                if not line or line.strip().lower() in ("q", "quit"):
                    return None
                answer = read_answer(question, line)
                if isinstance(answer, Answer):
                    return answer
                self.console.print(answer, markup=False, highlight=False)

    async def _read_value(self) -> str:
        """A line, and the lines after it while a bracket is open: a value may be pasted."""
        text = line = await read_line(sys.stdin)
        while line.strip() and is_unfinished(text):
            self.console.print("... ", end="", style="bold", markup=False, highlight=False)
            text += (line := await read_line(sys.stdin))
        return text


def show_question(console: EscapingConsole, question: Question) -> None:
    """Prints the question and its choices, each with a letter: a digit may be an answer itself."""
    console.print(question.text, style="bold", markup=False, highlight=False)
    for letter, choice in zip(ascii_lowercase, question.choices, strict=False):
        programs = f"{choice.programs} program{'' if choice.programs == 1 else 's'}"
        line = f"  {letter}  {choice.shown}   ({programs})"
        console.print(line, markup=False, highlight=False)


def read_answer(question: Question, text: str) -> Answer | str:
    """What the user typed: a choice's letter, a value, an error, or one of the words; else a
    sentence that says what is wanted."""
    word, today = text.strip(), f"{date.today():%Y-%m-%d}"
    letters = ascii_lowercase[: len(question.choices)]
    if len(word) == 1 and word.lower() in letters:
        return question.pick(letters.index(word.lower()), today)
    return question.read({"n": "not defined", "s": "skip"}.get(word.lower(), word), today)


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


async def _edit(patch: Patch) -> Patch | str:
    """The patch with the text that the user's editor left, or a sentence why there is none."""
    change = patch.changes[0]
    editor = os.environ.get("VISUAL") or os.environ.get("EDITOR") or "vi"
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / Path(change.file).name
        file.write_text(change.after or "", encoding="utf-8", newline="")
        try:
            process = await asyncio.create_subprocess_exec(*shlex.split(editor), str(file))
        except (OSError, ValueError) as error:
            return f"The editor {editor} does not start: {error}. Set VISUAL or EDITOR to another."
        await process.wait()
        try:
            text = file.read_bytes().decode("utf-8")
        except (OSError, UnicodeDecodeError):
            return "What the editor left is not UTF-8 text. Nothing was changed."
    if text == change.after:
        return "Nothing was changed."
    return make_patch({change.file: change.before}, {change.file: text})
