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
from pathlib import Path
from typing import IO

from rich.console import Console

from ml_coach.cli.terminal_view import show_diff
from ml_coach.core.changes import Patch
from ml_coach.core.patches import make_patch
from ml_coach.core.ports import Decision

_QUESTION = "Apply this patch? [y]es, [n]o, [e]dit, [q]uit: "


class DeferringReviewer:
    """Keeps every patch for later, where there is no terminal to ask at."""

    async def decide(self, patch: Patch, summary: str) -> Decision:
        """See `core.ports.Reviewer.decide`."""
        return Decision("later")


@dataclass(frozen=True, slots=True)
class TerminalReviewer:
    """Asks on `console`; `paused` hides the live display while it does."""

    console: Console
    paused: Callable[[], AbstractContextManager[None]]

    async def decide(self, patch: Patch, summary: str) -> Decision:
        """See `core.ports.Reviewer.decide`."""
        with self.paused():
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


async def read_line(stream: IO[str]) -> str:
    """One line of `stream`, read without blocking the loop, so that Ctrl-C works meanwhile."""
    loop = asyncio.get_running_loop()
    ready: asyncio.Future[None] = loop.create_future()
    try:
        loop.add_reader(stream.fileno(), lambda: ready.done() or ready.set_result(None))
    except NotImplementedError:  # Windows
        return await asyncio.to_thread(stream.readline)
    try:
        await ready
        return stream.readline()
    finally:
        loop.remove_reader(stream.fileno())


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
