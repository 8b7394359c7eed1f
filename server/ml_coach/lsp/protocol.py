"""The wire: errors as sentences, URIs of paths, and what pygls does that editors should not see."""

from __future__ import annotations

import logging
from collections.abc import Generator
from pathlib import Path
from typing import Any, cast

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
from pygls.uris import from_fs_path


class RequestFailed(JsonRpcException):
    """A valid request that cannot be done now; its text is a sentence for the user."""

    CODE = -32803
    MESSAGE = "Request failed"


def invalid(sentence: str) -> JsonRpcInvalidParams:
    """The error InvalidParams with a sentence for the user; to be raised."""
    return JsonRpcInvalidParams(sentence)


def uri_of(path: Path) -> str:
    """The URI of an absolute path, as pygls spells it."""
    return from_fs_path(str(path)) or path.as_uri()


def member(reply: Any, name: str) -> Any:
    """A member of a JSON reply, None where the reply is not an object or lacks it."""
    return cast("dict[str, Any]", reply).get(name) if isinstance(reply, dict) else None


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
        """No type: every reply to a request of ours stays plain JSON."""
        # Editors answer `null` where the specification has an object. Typed, such a reply is an
        # error popup and an await that never ends; as plain JSON it is a missing answer.
        return None

    def _send_response(
        self, msg_id: Any, result: Any = None, error: lsp.ResponseError | None = None
    ) -> None:
        if error is not None:
            error.data = None  # The traceback is in our log; the user has no use for it.
        super()._send_response(msg_id, result, error)

    @lsp_method(lsp.EXIT)
    def lsp_exit(self, *arguments: Any) -> Generator[Any, Any, None]:
        """The editor's `exit`: asks the server to end."""
        # pygls raises SystemExit here and loses the exit code; transport.py ends the process.
        cast("Any", self._server).leave()
        yield from ()


class NoExpectedErrors(logging.Filter):
    """Keeps refused requests out of the log: they are answers, not faults of ours."""

    def filter(self, record: logging.LogRecord) -> bool:
        """False for a record about a refused request."""
        error = record.exc_info[1] if isinstance(record.exc_info, tuple) else None
        return not isinstance(error, JsonRpcException)
