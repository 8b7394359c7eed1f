"""The help of every command, as a user reads it."""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator
from typing import Any

import pytest
import typer.main

from ml_coach.cli import main
from ml_coach.cli.commands import command_line


def _commands(command: Any, *names: str) -> Iterator[tuple[str, ...]]:
    yield names
    for name, below in getattr(command, "commands", {}).items():
        yield from _commands(below, *names, name)


COMMANDS = list(_commands(typer.main.get_command(command_line)))


def _help(
    names: tuple[str, ...], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> str:
    monkeypatch.setenv("COLUMNS", "160")
    monkeypatch.setattr(sys, "argv", ["ml-coach", *names, "--help"])
    with pytest.raises(SystemExit) as ended:
        main()
    assert ended.value.code in (0, None)
    return capsys.readouterr().out


@pytest.mark.parametrize("names", COMMANDS, ids=" ".join)
def test_help_names_values_in_words(
    names: tuple[str, ...], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    told = _help(names, monkeypatch, capsys)
    assert "--help" in told
    assert not re.search(r"<[\w|\[\]]+>", told), told
    # A type of Python's in the column of values, in typer's or argparse's form.
    assert not re.search(r"--[\w-]+ +(?:str|int|float|bool|path|TEXT|INTEGER|PATH)\b", told), told


def test_help_says_what_each_kind_of_value_is(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    told = _help(("bench",), monkeypatch, capsys)
    for flag, word in {
        "limit": "N", "strategy": "NAME", "programs": "FILE", "also": "FILE", "without": "NAME",
        "min-confidence": "SHARE",
    }.items():  # fmt: skip
        assert re.search(rf"--{flag} +(?:-\w +)?{word} ", told), flag
    assert re.search(r"--plan +Let", told)
    assert re.search(r"TASKS +JSON lines", told)


def test_help_keeps_brackets(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert "[tool.ml-coach]" in _help((), monkeypatch, capsys)
