"""What the user wrote in the agent panel → what they want."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal
from urllib.parse import urlsplit
from urllib.request import url2pathname

from acp.schema import AvailableCommand, AvailableCommandInput, UnstructuredCommandInput

CommandName = Literal["", "generate", "refine", "fix", "tests", "debug"]
_COMMAND = re.compile(r"/(\w+)(?:\s+(.*))?\Z", re.DOTALL)

# Each with what it does and what may follow it.
_COMMANDS: dict[CommandName, tuple[str, str]] = {
    "generate": ("Write a new program and its tests", "what it must do, with examples"),
    "refine": ("Have the last program do something more", "what it must do as well"),
    "fix": ("Mend the code that the project's tests fail on", "a folder or file of tests"),
    "tests": ("Write tests for a program", "a Python file"),
    "debug": ("Repair a program by its tests", "a Python file"),
}


@dataclass(frozen=True, slots=True)
class Asked:
    """A prompt. `command` is empty where the user named none; `text` is what follows it; `linked`
    are the files that they linked to."""

    command: CommandName
    text: str
    linked: tuple[Path, ...]

    @property
    def file(self) -> str:
        """The file or folder that a command is about: the first link, else what was typed."""
        return next(map(str, self.linked), self.text)


def available_commands() -> list[AvailableCommand]:
    """The commands, as the client offers them behind a slash."""
    return [
        AvailableCommand(
            name=name, description=what,
            input=AvailableCommandInput(UnstructuredCommandInput(hint=hint)),
        )
        for name, (what, hint) in _COMMANDS.items()
    ]  # fmt: skip


def text_of(blocks: Sequence[Any]) -> str:
    """What the user wrote, with the names of the files that they linked to."""
    text = ""
    for block in blocks:
        match block.type:
            case "text":
                text += block.text
            case "resource_link":
                # A link is a word of its own, as in "/tests" and a file dropped behind it.
                text += f" {block.name}" if text[-1:].isalnum() else block.name
            case "resource":
                text += f"\n{getattr(block.resource, 'text', '')}\n"
            case _:  # Pictures and sound, which no run can use.
                continue
    return text.strip()


def read_prompt(blocks: Sequence[Any]) -> Asked | str:
    """What the blocks of a prompt ask for; a sentence for a command that there is none of."""
    text = text_of(blocks)
    paths = (_path(block.uri) for block in blocks if block.type == "resource_link")
    linked = tuple(path for path in paths if path is not None)
    found = _COMMAND.match(text)
    if found is None:
        return Asked("", text, linked)
    for name in _COMMANDS:
        if name == found[1]:
            return Asked(name, (found[2] or "").strip(), linked)
    listed = ", ".join(f"/{known}" for known in _COMMANDS)
    return f"There is no command /{found[1]}. There are {listed}."


def _path(uri: str) -> Path | None:
    parts = urlsplit(uri)
    return Path(url2pathname(parts.path)) if parts.scheme == "file" else None
