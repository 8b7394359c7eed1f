"""The words that `--help` shows for values: FILE, N or NAME, where typer would show `<path>`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any, get_args

from typer.core import TyperArgument, TyperCommand, TyperGroup, TyperOption

if TYPE_CHECKING:
    from collections.abc import Sequence

_WORDS = {int: "N", float: "N", Path: "FILE"}


class WordedCommand(TyperCommand):
    """A command whose help names values in words that a person understands."""

    def get_params(self, ctx: Any) -> Any:
        """As typer's own, in words."""
        return _worded(super().get_params(ctx))


class WordedGroup(TyperGroup):
    """As `WordedCommand`, for a command that has commands of its own."""

    def get_params(self, ctx: Any) -> Any:
        """As typer's own, in words."""
        return _worded(super().get_params(ctx))


def _worded(parameters: Sequence[Any]) -> Sequence[Any]:
    for parameter in parameters:
        if isinstance(parameter, TyperArgument):
            parameter.metavar = parameter.metavar or (parameter.name or "").upper()
            parameter.display_type_rich = _nothing
        elif isinstance(parameter, TyperOption) and parameter.metavar is None:
            given = parameter.type_descriptor.annotation
            kind = next(iter(get_args(given)), given)  # of a list, what it holds
            parameter.metavar = "" if parameter.is_flag else _WORDS.get(kind, "NAME")
    return parameters


def _nothing(ctx: Any) -> str:
    """An argument's own name says enough; typer would show its type beside it."""
    return ""
