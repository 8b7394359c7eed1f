"""The commands' arguments, and reading them strictly: nothing is guessed, nothing dropped."""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, TypeVar, cast

from ml_coach.lsp.protocol import invalid

T = TypeVar("T")

# The checks of every argument, by the annotation that stands in the dataclass.
_KINDS: dict[str, tuple[tuple[type, ...], str]] = {
    "str": ((str,), "a string"),
    "bool": ((bool,), "true or false"),
    "int": ((int,), "a whole number"),
    "float": ((int, float), "a number"),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Limited:
    """What every run may be given; None leaves it to the settings."""

    max_iters: int | None = None
    run_timeout: float | None = None
    auto_patch: bool | None = None
    model: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Generate(Limited):
    prompt: str
    target_uri: str | None = None
    test_uri: str | None = None
    document_uri: str | None = None
    overwrite: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Implement(Limited):
    uri: str
    function: str


@dataclass(frozen=True, slots=True, kw_only=True)
class OnFile(Limited):
    uri: str
    test_uri: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class WriteTests(Limited):
    uri: str


@dataclass(frozen=True, slots=True, kw_only=True)
class RunTests:
    uri: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Stop:
    run_id: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class OnPatch:
    patch_id: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ApplyPatch(OnPatch):
    all: bool = False
    edited: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class OnRun:
    run_id: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Latest:
    limit: int = 20


@dataclass(frozen=True, slots=True, kw_only=True)
class Nothing:
    pass


def camel(name: str) -> str:
    return re.sub(r"_(\w)", lambda match: match[1].upper(), name)


def read_arguments(kind: type[T], command: str, arguments: Sequence[Any]) -> T:
    """The command's one object as a `kind`, a flat dataclass. Raises InvalidParams: a sentence."""
    fields = {camel(f.name): f for f in dataclasses.fields(cast("Any", kind))}
    known = ", ".join(fields) or "no argument"
    if len(arguments) > 1 or not all(isinstance(a, dict | None) for a in arguments):
        raise invalid(f"{command} takes one object with: {known}.")
    given = cast("dict[str, Any]", (arguments and arguments[0]) or {})
    values: dict[str, Any] = {}
    for key, value in given.items():
        if key not in fields:
            raise invalid(f"{command} does not know {key!r}; it takes: {known}.")
        field = fields[key]
        annotation = str(field.type).removesuffix(" | None")
        allowed, wanted = _KINDS[annotation]
        if value is None and field.default is not dataclasses.MISSING:
            continue
        # In Python a bool is an int; in JSON it is not.
        if not isinstance(value, allowed) or (isinstance(value, bool) and annotation != "bool"):
            raise invalid(f"{key!r} of {command} must be {wanted}.")
        values[field.name] = value
    for key, field in fields.items():
        if field.default is dataclasses.MISSING and not values.get(field.name):
            raise invalid(f"{command} needs {key!r}.")
    return kind(**values)
