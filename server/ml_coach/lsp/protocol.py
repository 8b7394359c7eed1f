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
from pygls.uris import from_fs_path, to_fs_path

logger = logging.getLogger(__name__)


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


def path_of(uri: str) -> Path | None:
    """The absolute path behind a URI, without links; None where the URI names no file that this
    system can have: of another scheme, with a NUL, or through links in a circle."""
    try:
        path = to_fs_path(uri)
        return Path(path).resolve() if path else None
    except (ValueError, OSError, RuntimeError):
        return None


def shown(text: str) -> str:
    """Text of a program or a model for a place where editors show plain text.

    No control or direction mark is left in it, and no link: VS Code follows links in messages,
    also those that run a command.
    """
    # Imported late: an editor waits for the answer to `initialize`.
    from ml_coach.core.wording import harmless

    return harmless(text).replace("](", "] (")


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
    """pygls's protocol with changes for what real editors do, and for what no editor should do."""

    def take(self, message: Any) -> None:
        """Handles one message of the editor, whatever it is: a request gets its reply, if only an
        error; anything else that cannot be read is logged.
        """
        if not isinstance(message, dict):
            logger.warning("The editor sent %.80r, which is no message.", cast("object", message))
            return
        fields = cast("dict[str, Any]", message)
        known_id = fields.get("id")
        if not isinstance(known_id, str | int) or isinstance(known_id, bool):
            if "id" in fields:  # A reply could not name what it replies to.
                logger.warning("The editor sent a message with the id %.80r.", known_id)
                return
            known_id = None
        if error := self._refusal(fields):
            if known_id is not None and "method" in fields:
                self._send_response(known_id, error=error)
            elif "method" not in fields:
                logger.warning("The editor sent %.80r, which is no message.", fields)
            return
        try:
            self.handle_message(cast("Any", self.structure_message(fields)))
        except Exception as failure:  # noqa: BLE001 - whatever a peer sends, reading goes on
            self._could_not_read(fields, known_id, failure)

    @property
    def is_initialized(self) -> bool:
        """Whether an editor began to speak with us."""
        return self._workspace is not None

    def _refusal(self, message: dict[str, Any]) -> lsp.ResponseError | None:
        """Why a message may not be sent now; None where it may. Without an id nobody is told."""
        method, is_up = message.get("method"), self.is_initialized
        codes = lsp.ErrorCodes
        if message.get("jsonrpc") != self.VERSION:
            return _error(codes.InvalidRequest, 'A message must have "jsonrpc": "2.0".')
        if "method" not in message:
            if "id" in message and ("result" in message or "error" in message):
                return None
            return _error(codes.InvalidRequest, "A message needs a method or a result.")
        if not isinstance(method, str):
            return _error(codes.InvalidRequest, "The method must be a string.")
        if method == lsp.EXIT:
            return None
        if cast("Any", self._server).shut_down:
            return _error(codes.InvalidRequest, "ML Coach was asked to shut down.")
        if method == lsp.INITIALIZE:
            again = _error(codes.InvalidRequest, "ML Coach was initialized already.")
            return again if is_up else None
        return None if is_up else _error(codes.ServerNotInitialized, "`initialize` comes first.")

    def _could_not_read(
        self, message: dict[str, Any], known_id: str | int | None, failure: Exception
    ) -> None:
        method = message.get("method")
        logger.warning("The editor's message %.80r cannot be read: %s", method or message, failure)
        if known_id is None:
            return
        if method is None:
            # A reply that cannot be read is an error, because our request would wait for ever.
            waiting = self._request_futures.pop(known_id, None)
            if waiting is not None and not waiting.done():
                waiting.set_exception(JsonRpcException("The reply has no known form."))
            return
        wrong = isinstance(failure, JsonRpcInvalidParams)
        code = lsp.ErrorCodes.InvalidParams if wrong else lsp.ErrorCodes.InternalError
        self._send_response(known_id, error=_error(code, f"The params of {method} are not valid."))

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


def _error(code: lsp.ErrorCodes, sentence: str) -> lsp.ResponseError:
    return lsp.ResponseError(code.value, sentence)


class NoExpectedErrors(logging.Filter):
    """Keeps refused requests out of the log: they are answers, not faults of ours."""

    def filter(self, record: logging.LogRecord) -> bool:
        """False for a record about a refused request."""
        error = record.exc_info[1] if isinstance(record.exc_info, tuple) else None
        return not isinstance(error, JsonRpcException)
