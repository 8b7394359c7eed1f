"""The terminal's reviewer: it shows a patch, or what a run cannot know, and asks for a decision."""

from __future__ import annotations

import asyncio
import os
import shlex
import tempfile
from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass
from datetime import date
from pathlib import Path

from ml_coach.cli.menus import Option, Typed, choose, is_number, numbered, option_at
from ml_coach.cli.terminal_view import EscapingConsole, show_diff
from ml_coach.core.changes import Patch
from ml_coach.core.patches import make_patch
from ml_coach.core.ports import Decision
from ml_coach.core.question import Answer, Question
from ml_coach.core.wording import amount

# The last options of every question, with the word that each stands for.
_OTHERS = (
    (Option("something else…", takes_text=True), ""),
    (Option("not defined, leave it open"), "not defined"),
    (Option("skip"), "skip"),
)
_PATCH = (Option("yes", "y"), Option("no", "n"), Option("edit", "e"))


@dataclass(frozen=True, slots=True)
class TerminalReviewer:
    """Asks on `console`; `paused` hides the live display while it does."""

    console: EscapingConsole
    paused: Callable[[], AbstractContextManager[None]]

    async def decide(self, patch: Patch, summary: str) -> Decision:
        """See `core.ports.Reviewer.decide`."""
        with self.paused():
            self.console.print()
            show_diff(self.console, patch.text)
            while True:
                self.console.print("Apply this patch?", style="bold")
                match await choose(self.console, _PATCH):
                    case 0:
                        return Decision("apply")
                    case 1:
                        return Decision("discard")
                    case "quit":
                        return Decision("stop")
                    case "end":
                        return Decision("later")
                    case _:
                        edited = await _edit(patch)
                        if isinstance(edited, Patch):
                            return Decision("apply", edited)
                        self.console.print(edited, markup=False, highlight=False)

    async def answer(self, question: Question) -> Answer | None:
        """See `core.ports.Reviewer.answer`."""
        options = (*_answers(question), *(option for option, _ in _OTHERS))
        typed, today = "", _today()
        with self.paused():
            self.console.print()
            self.console.print(question.text, style="bold", markup=False, highlight=False)
            while True:
                picked = await choose(self.console, options, begun=typed)
                match picked:
                    case str():
                        return None
                    case Typed(typed):
                        word = typed
                    case at if at < len(question.choices):
                        return question.pick(at, today)
                    case at:
                        word, typed = _OTHERS[at - len(question.choices)][1], ""
                answer = question.read(word, today)
                if isinstance(answer, Answer):
                    return answer
                self.console.print(answer, markup=False, highlight=False)


def _answers(question: Question) -> tuple[Option, ...]:
    """The programs' answers, with how many give each."""
    return tuple(
        Option(f"{choice.shown}   ({amount(choice.programs, 'program')})")
        for choice in question.choices
    )


def show_question(console: EscapingConsole, question: Question) -> None:
    """Prints the question and its choices, each with its number."""
    console.print(question.text, style="bold", markup=False, highlight=False)
    console.print(numbered(_answers(question)), markup=False, highlight=False)


def read_answer(question: Question, text: str) -> Answer | str:
    """What the user said on the command line: a choice's number, a value, an error, or one of the
    words; else a sentence that says what is wanted."""
    word = text.strip()
    if (at := option_at(word, question.choices)) is not None:
        return question.pick(at, _today())
    if is_number(word):
        return f"There is no choice {word}. For the value, write: gives {word}"
    return question.read(word, _today())


def _today() -> str:
    return f"{date.today():%Y-%m-%d}"


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
