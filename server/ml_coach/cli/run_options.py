"""The options that every command has which starts a run."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Annotated, Any, get_type_hints

import typer

from ml_coach.cli.options import JsonOption, ModelOption, read_settings, setting
from ml_coach.settings import Settings

# The settings that such a command has a flag for, by field.
_SETTINGS: dict[str, Any] = {
    "model": ModelOption,
    "max_iters": Annotated[str | None, setting("max_iters")],
    "min_confidence": Annotated[str | None, setting("min_confidence")],
    "unsure_exit": Annotated[str | None, setting("unsure_exit")],
    "max_questions": Annotated[str | None, setting("max_questions")],
    "run_timeout_seconds": Annotated[str | None, setting("run_timeout_seconds")],
    "auto_patch": Annotated[bool | None, setting("auto_patch")],
    "python": Annotated[str | None, setting("python")],
    "allow_weak_sandbox": Annotated[bool | None, setting("allow_weak_sandbox")],
    "max_calls": Annotated[str | None, setting("max_calls")],
    "max_tokens": Annotated[str | None, setting("max_tokens")],
    "max_seconds": Annotated[str | None, setting("max_seconds")],
    "prompt_price": Annotated[str | None, setting("prompt_price")],
    "reply_price": Annotated[str | None, setting("reply_price")],
}
_OTHERS: dict[str, tuple[Any, Any]] = {
    "force": (
        Annotated[bool, typer.Option("--force", help="Overwrite files ML Coach did not write.")],
        False,
    ),
    "as_json": (JsonOption, False),
    "record": (
        Annotated[
            Path | None,
            typer.Option(metavar="FILE", help="Write the model's transcript to this file."),
        ],
        None,
    ),
    "verbose": (
        Annotated[bool, typer.Option("-v", "--verbose", help="Show the model text.")],
        False,
    ),
}


@dataclass(frozen=True, slots=True)
class RunOptions:
    """What the user said about the run. `force` is for files that ML Coach did not write, `record`
    a further file for the model's transcript."""

    flags: dict[str, Any]
    force: bool
    as_json: bool
    record: Path | None
    verbose: bool

    def settings(self, folder: Path | None = None, **flags: Any) -> Settings:
        """The settings with these flags over them; see `read_settings`."""
        return read_settings(folder, **self.flags, **flags)


def with_run_options(command: Callable[..., None]) -> Callable[..., None]:
    """`command` as typer takes it: its parameter `run` becomes the options of a run."""
    own = inspect.signature(command).parameters
    hints = get_type_hints(command, include_extras=True)
    defaults = {name: parameter.default for name, parameter in own.items() if name != "run"}
    kinds = {name: hints[name] for name in defaults}
    for name, kind in _SETTINGS.items():
        kinds[name], defaults[name] = kind, None
    for name, (kind, default) in _OTHERS.items():
        kinds[name], defaults[name] = kind, default

    def started(**given: Any) -> None:
        flags = {name: given.pop(name) for name in _SETTINGS}
        others = {name: given.pop(name) for name in _OTHERS}
        command(**given, run=RunOptions(flags, **others))

    started.__name__, started.__doc__ = command.__name__, command.__doc__
    started.__annotations__ = kinds
    parameter = partial(inspect.Parameter, kind=inspect.Parameter.KEYWORD_ONLY)
    listed = [parameter(name, default=defaults[name], annotation=kinds[name]) for name in kinds]
    started.__signature__ = inspect.Signature(listed)  # pyright: ignore[reportFunctionMemberAccess]
    return started
