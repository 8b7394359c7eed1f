"""The commands are listed in one place: whatever else names them agrees with the table."""

from __future__ import annotations

import dataclasses
import json
import typing
from pathlib import Path
from typing import Any

import pytest

import protocol_text
from ml_coach.lsp.commands.arguments import camel
from ml_coach.lsp.commands.command_table import COMMANDS, Command
from ml_coach.lsp.commands.handlers import Commands
from ml_coach.lsp.commands.starting import Starting

ROOT = Path(__file__).parents[2]


@pytest.mark.parametrize("file", protocol_text.MARKS, ids=lambda path: path.name)
def test_the_documents_list_the_commands_of_the_table(file: Path) -> None:
    advice = "Run: python tests/protocol_text.py"
    assert protocol_text.present(file) == protocol_text.expected(file), advice


@pytest.mark.parametrize("command", COMMANDS, ids=lambda command: command.name)
def test_a_handler_takes_the_argument_and_returns_the_answer_of_its_row(
    command: Command[Any, Any],
) -> None:
    class Handlers:
        """Stands for an open session: the handlers as functions of their classes."""

        starting = Starting

        def __getattr__(self, name: str) -> Any:
            return getattr(Commands, name)

    hints = typing.get_type_hints(command.handler(Handlers()))
    assert hints == {"argument": command.argument, "return": command.answer}


def test_every_name_is_camel_case_and_there_once() -> None:
    names = [command.name for command in COMMANDS]
    assert len(set(names)) == len(names)
    for command in COMMANDS:
        assert camel(command.name) == command.name
        fields = [field.name for field in dataclasses.fields(command.argument)]
        assert fields == [name.lower() for name in fields]


def test_the_extension_registers_none_of_the_servers_commands() -> None:
    manifest = json.loads((ROOT / "package.json").read_text(encoding="utf-8"))
    servers = {command.full_name for command in COMMANDS}
    registered = {row["command"] for row in manifest["contributes"]["commands"]}
    assert not servers & registered
    named = {
        event.removeprefix("onCommand:")
        for walkthrough in manifest["contributes"]["walkthroughs"]
        for step in walkthrough["steps"]
        for event in step["completionEvents"]
    }
    assert named
    assert named <= servers | registered
