"""Where a prompt comes from: the command line, a file, or standard input."""

from __future__ import annotations

import sys
from pathlib import Path

from ml_coach.app import DEFAULT_PROMPT
from ml_coach.cli.endings import USAGE, fail
from ml_coach.core.errors import os_error_text


def read_prompt(prompt: str, file: Path | None) -> str:
    """The prompt itself; `@FILE` and `file` name a file, `-` is standard input.

    Ends the command where no prompt is given, or two, or where it is not UTF-8 text.
    """
    if file is not None and prompt != DEFAULT_PROMPT:
        fail("There are two prompts: give PROMPT or --prompt-file, not both.", USAGE)
    try:
        if file is not None:
            text = file.read_text(encoding="utf-8")
        elif prompt == "-":
            text = _typed()
        elif prompt.startswith("@"):
            text = Path(prompt[1:]).read_text(encoding="utf-8")
        else:
            text = prompt
        text.encode()  # Raises for bytes that are not UTF-8, which Python reads as surrogates.
    except UnicodeError:
        fail("The prompt must be UTF-8 text.", USAGE)
    except OSError as error:
        hint = " (A prompt that begins with @ names a file.)" if prompt.startswith("@") else ""
        fail(os_error_text(error) + hint, USAGE)
    if not text.strip():
        fail("The prompt is empty. Say what the program must do.", USAGE)
    if text == DEFAULT_PROMPT:
        sys.stderr.write(f"No prompt was given, so this one is used: {text}\n")
    return text


def _typed() -> str:
    if sys.stdin.isatty():
        sys.stderr.write("Write what the program must do; Ctrl-D on a line of its own ends it.\n")
    return sys.stdin.read()
