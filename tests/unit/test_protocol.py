"""The commands are listed in one place: whatever else names them agrees with the table."""

from __future__ import annotations

import dataclasses
import json
import typing
from pathlib import Path

import pytest

import protocol_text
from ml_coach.lsp.commands.arguments import camel
from ml_coach.lsp.commands.command_table import COMMANDS, Command

ROOT = Path(__file__).parents[2]


@pytest.mark.parametrize("file", protocol_text.MARKS, ids=lambda path: path.name)
def test_the_documents_list_the_commands_of_the_table(file: Path) -> None:
    advice = "Run: python tests/protocol_text.py"
    assert protocol_text.present(file) == protocol_text.expected(file), advice


@pytest.mark.parametrize("command", COMMANDS, ids=lambda command: command.name)
def test_a_command_takes_a_flat_dataclass_and_answers_an_object(command: Command) -> None:
    argument, answer = protocol_text.types_of(command)
    assert dataclasses.is_dataclass(argument)
    assert typing.is_typeddict(answer)
    for field in dataclasses.fields(argument):
        kinds = ("str", "bool", "int", "float", "list[FileText]")
        assert field.type.removesuffix(" | None") in kinds


def test_every_name_is_camel_case_and_there_once() -> None:
    names = [command.name for command in COMMANDS]
    assert len(set(names)) == len(names)
    for command in COMMANDS:
        assert camel(command.name) == command.name


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
