"""JSON on the wire: arguments in, errors out, and what pygls does that editors should not see."""

from __future__ import annotations

import dataclasses
import logging
import re
from collections.abc import Generator, Sequence
from typing import Any, TypeVar, cast

from cattrs import Converter
from lsprotocol import converters
from lsprotocol import types as lsp
from pygls.exceptions import JsonRpcException, JsonRpcInvalidParams
from pygls.protocol import (
    JsonRPCNotification,
    JsonRPCRequestMessage,
    JsonRPCResponseMessage,
    LanguageServerProtocol,
    lsp_method,
)

T = TypeVar("T")

# The checks of every argument, by the annotation that stands in the dataclass.
_KINDS: dict[str, tuple[tuple[type, ...], str]] = {
    "str": ((str,), "a string"),
    "bool": ((bool,), "true or false"),
    "int": ((int,), "a whole number"),
    "float": ((int, float), "a number"),
}


class RequestFailed(JsonRpcException):
    """A valid request that can not be done now; its text is a sentence for the user."""

    CODE = -32803
    MESSAGE = "Request failed"


def invalid(sentence: str) -> JsonRpcInvalidParams:
    return JsonRpcInvalidParams(sentence)


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


def make_converter() -> Converter:
    """lsprotocol's converter, with messages of no known type as plain JSON."""
    converter = converters.get_converter()
    for kind in (JsonRPCRequestMessage, JsonRPCResponseMessage, JsonRPCNotification):
        names = [f.name for f in cast("Any", kind).__attrs_attrs__]
        # Tolerates a missing `result` and members that we do not know.
        converter.register_structure_hook(
            kind, lambda obj, cls, names=names: cls(**{name: obj.get(name) for name in names})
        )
    return converter


class CoachProtocol(LanguageServerProtocol):
    """pygls's protocol with three changes, each for what real editors do."""

    def get_result_type(self, method: str) -> type[Any] | None:  # pyright: ignore[reportIncompatibleVariableOverride]
        # Editors answer `null` where the specification has an object. Typed, such a reply is an
        # error popup and an await that never ends; as plain JSON it is a missing answer.
        return None

    def _send_response(
        self, msg_id: Any, result: Any = None, error: lsp.ResponseError | None = None
    ) -> None:
        if error is not None:
            error.data = None  # A traceback is nothing for the user; it is in our log.
        super()._send_response(msg_id, result, error)

    @lsp_method(lsp.EXIT)
    def lsp_exit(self, *arguments: Any) -> Generator[Any, Any, None]:
        # pygls raises SystemExit here and loses the exit code; serving.py ends in good order.
        cast("Any", self._server).leave()
        yield from ()


class NoExpectedErrors(logging.Filter):
    """Keeps refused requests out of the log: they are answers, not faults of ours."""

    def filter(self, record: logging.LogRecord) -> bool:
        error = record.exc_info[1] if isinstance(record.exc_info, tuple) else None
        return not isinstance(error, JsonRpcException)
