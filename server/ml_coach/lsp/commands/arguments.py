"""The commands' arguments, and reading them strictly: nothing is guessed, nothing dropped."""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, TypeVar, cast

from ml_coach.lsp.protocol import invalid
from ml_coach.text_merging import holds_half_character

T = TypeVar("T")

# How each annotation of the dataclasses below is checked, and what a value must be.
_CHECKS: dict[str, tuple[tuple[type, ...], str]] = {
    "str": ((str,), "a string"),
    "bool": ((bool,), "true or false"),
    "int": ((int,), "a whole number"),
    "float": ((int, float), "a number"),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class RunSettings:
    """Settings that a command may name for one run; the others are those of the folder. With
    `quiet` the client shows the run by itself: no progress is sent, and no message at its end."""

    max_iters: int | None = None
    run_timeout: float | None = None
    auto_patch: bool | None = None
    model: str | None = None
    quiet: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Generate(RunSettings):
    """`document_uri` chooses the workspace folder where there is no `target_uri`."""

    prompt: str
    target_uri: str | None = None
    test_uri: str | None = None
    document_uri: str | None = None
    overwrite: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Implement(RunSettings):
    """`function` is the stub's dotted name, as in `Class.method`."""

    uri: str
    function: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Debug(RunSettings):
    """Without `test_uri` the program's own tests are looked for."""

    uri: str
    test_uri: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class WriteTests(RunSettings):
    """The program that tests are written for."""

    uri: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Refine(RunSettings):
    """What the program must do as well, in `prompt`. Without `test_uri` the program's own tests are
    looked for."""

    uri: str
    prompt: str
    test_uri: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Fix(RunSettings):
    """A folder or a file of tests, without it the workspace folder; of a file perhaps one `test`,
    by a name such as `TestA::test_b`. `keyword` selects tests as pytest's `-k` does."""

    uri: str | None = None
    test: str | None = None
    keyword: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class RunTests:
    """A program or its tests."""

    uri: str


@dataclass(frozen=True, slots=True, kw_only=True)
class AuditTests:
    """A test file."""

    uri: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ListTests:
    """A test file."""

    uri: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Stop:
    """One run, or every run without `run_id`. `reason` says why, where it was not the user."""

    run_id: str | None = None
    reason: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class OnePatch:
    """A patch, by the id from its event, its run's details or its code action."""

    patch_id: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ApplyPatch:
    """`all`: every later patch of that run too. `edited`: the client applies the edit itself."""

    patch_id: str
    all: bool = False
    edited: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class GiveAnswer:
    """`choice` counts the question's answers from 0; `text` is a Python literal, `raises X`, `not
    defined` or `skip`. Without both the user is asked. `quiet` is as in RunSettings."""

    run_id: str
    choice: int | None = None
    text: str | None = None
    quiet: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class OneRun:
    """A run in the log."""

    run_id: str


@dataclass(frozen=True, slots=True, kw_only=True)
class LatestRuns:
    """At most `limit` runs."""

    limit: int = 20


@dataclass(frozen=True, slots=True, kw_only=True)
class FileText:
    """The text of a file that need not be on disk; `path` is relative."""

    path: str
    text: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Examine:
    """A program and its tests as `files`; or a `path`, that of a folder or test file of the
    workspace, absolute or relative to the first folder; or both: then the files stand in for those
    on disk. `call_id`, chosen by the client, ends the work by `mlCoach.stop`."""

    files: list[FileText] | None = None
    path: str = ""
    call_id: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class NoArgument:
    """For a command that takes nothing."""


def camel(name: str) -> str:
    """`run_id` as `runId`."""
    return re.sub(r"_(\w)", lambda match: match[1].upper(), name)


def read_arguments(
    kind: type[T], command: str, arguments: Sequence[Any], may_be_empty: Sequence[str] = ()
) -> T:
    """The command's one object as a `kind`, one of the dataclasses above.

    Raises InvalidParams with a sentence for an unknown key, a wrong type or a missing value; a
    value that must be there is no empty one, except under the keys that `may_be_empty`.
    """
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
        if value is None and field.default is not dataclasses.MISSING:
            continue
        annotation = str(field.type).removesuffix(" | None")
        values[field.name] = _read(value, annotation, command, key)
    for key, field in fields.items():
        if field.default is dataclasses.MISSING and not values.get(field.name):
            if field.name in values and key in may_be_empty:
                continue
            raise invalid(f"{command} needs {key!r}.")
    return kind(**values)


def _read(value: Any, annotation: str, command: str, key: str) -> Any:
    """A value of the annotated type. Raises InvalidParams for another one."""
    if annotation == "list[FileText]":
        if not isinstance(value, list):
            raise invalid(f"{key!r} of {command} must be a list of objects with: path, text.")
        of = f"{key!r} of {command}"
        # An empty file is a file, too.
        every = cast("list[Any]", value)
        return [read_arguments(FileText, of, [one], may_be_empty=("text",)) for one in every]
    allowed, wanted = _CHECKS[annotation]
    # In Python a bool is an int; in JSON it is not.
    if not isinstance(value, allowed) or (isinstance(value, bool) and annotation != "bool"):
        raise invalid(f"{key!r} of {command} must be {wanted}.")
    if isinstance(value, str) and holds_half_character(value):
        raise invalid(f"{key!r} of {command} holds half a character (a lone surrogate).")
    return value
