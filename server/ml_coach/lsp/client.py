"""The editor on the other end: what it can do, and asking it without ever hanging.

Every request is gated by a declared ability and has a time limit. A late reply, a malformed one
and none at all are the same thing to the caller: None.
"""

from __future__ import annotations

import asyncio
import logging
import uuid
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Literal, cast

from lsprotocol import types as lsp
from pygls.exceptions import JsonRpcException
from pygls.workspace import PositionCodec, Workspace

if TYPE_CHECKING:
    from pygls.lsp.server import LanguageServer

logger = logging.getLogger(__name__)

APPLY_SECONDS = 10.0
SHOW_SECONDS = 2.0


class Client:
    """Reads the capabilities of `initialize`; nothing may be asked before that."""

    def __init__(self, server: LanguageServer) -> None:
        self._server = server
        self._options: dict[str, Any] = {}
        self._partial: dict[str, Callable[[Any], None]] = {}

    # What it can do

    def begin(self, options: Any) -> None:
        """`options` are the `initializationOptions`, of whatever type the editor sent."""
        self._options = cast("dict[str, Any]", options) if isinstance(options, dict) else {}

    def can(self, path: str) -> Any:
        """The declared capability at a dotted path in snake_case, None where there is none."""
        value: Any = self._server.client_capabilities
        for name in path.split("."):
            value = getattr(value, name, None)
        return value

    def _experimental(self, name: str) -> bool:
        experimental = self.can("experimental")
        for key in ("mlCoach", name):
            experimental = member(experimental, key)
        return experimental is True

    @property
    def options(self) -> dict[str, Any]:
        """The settings in `initializationOptions`, without what is meant for this class."""
        ours = ("events", "openFiles", "asksForPatches")
        return {key: value for key, value in self._options.items() if key not in ours}

    @property
    def wants_events(self) -> bool:
        return self._options.get("events") is True or self._experimental("events")

    @property
    def completes(self) -> bool:
        """Whether the editor offers models of its own."""
        return self._experimental("complete")

    @property
    def applies_edits(self) -> bool:
        return self.can("workspace.apply_edit") is True

    def operates_on_files(self, kind: Literal["create", "delete"]) -> bool:
        operations = self.can("workspace.workspace_edit.resource_operations") or ()
        return self.applies_edits and kind in [getattr(o, "value", o) for o in operations]

    @property
    def versions_edits(self) -> bool:
        """Whether edits may name the document version that they are made for.

        Resource operations only exist in that form, so a client that declares them reads it.
        """
        return bool(
            self.can("workspace.workspace_edit.document_changes")
            or self.can("workspace.workspace_edit.resource_operations")
        )

    @property
    def asks(self) -> bool:
        """Whether the user can be asked a question in a window."""
        return self.can("window.show_message") is not None

    @property
    def asks_for_patches(self) -> bool:
        return self.asks and self._options.get("asksForPatches") is not True

    @property
    def shows_documents(self) -> bool:
        wanted = self._options.get("openFiles") is not False
        return wanted and bool(self.can("window.show_document.support"))

    @property
    def reports_progress(self) -> bool:
        return self.can("window.work_done_progress") is True

    @property
    def pulls_diagnostics(self) -> bool:
        """Whether findings are pulled. A client that can not be told to pull again would show
        a run's findings only after the next key press, so it gets them pushed."""
        pulls = self.can("text_document.diagnostic") is not None
        return pulls and self.can("workspace.diagnostics.refresh_support") is True

    @property
    def resolves_edits(self) -> bool:
        support = self.can("text_document.code_action.resolve_support")
        return support is not None and "edit" in support.properties

    @property
    def reads_markdown(self) -> bool:
        formats = self.can("text_document.hover.content_format") or ()
        return lsp.MarkupKind.Markdown in formats

    @property
    def codec(self) -> PositionCodec:
        return self.workspace.position_codec

    @property
    def workspace(self) -> Workspace:
        return self._server.workspace

    # Asking and telling

    async def request(self, method: str, params: Any, seconds: float) -> Any:
        """The reply as plain JSON; None for an error, no reply in time, or a reply of `null`."""
        return (await self._reply(method, params, seconds))[1]

    async def accepts(self, method: str, params: Any, seconds: float) -> bool:
        """Whether the editor answered without an error, `null` being the usual answer."""
        return (await self._reply(method, params, seconds))[0]

    async def _reply(self, method: str, params: Any, seconds: float) -> tuple[bool, Any]:
        try:
            reply = self._server.protocol.send_request_async(method, params)
            # Shielded: pygls would stumble over the late reply to a request that was cancelled.
            return True, await asyncio.wait_for(asyncio.shield(reply), seconds)
        except TimeoutError:
            logger.warning("The editor did not answer %s within %g s.", method, seconds)
        except JsonRpcException as error:
            logger.warning("The editor answered %s with an error: %s", method, error)
        return False, None

    def send(self, method: str, params: Any = None) -> None:
        """A request whose reply nobody waits for."""
        self._server.protocol.send_request(method, params)

    def notify(self, method: str, params: Any) -> None:
        self._server.protocol.notify(method, params)

    def tell(self, text: str, *, warning: bool = False) -> None:
        """Shows one sentence to the user."""
        kind = lsp.MessageType.Warning if warning else lsp.MessageType.Info
        self._server.window_show_message(lsp.ShowMessageParams(kind, f"ML Coach: {text}"))

    def log(self, text: str) -> None:
        self._server.window_log_message(lsp.LogMessageParams(lsp.MessageType.Info, text))

    async def choose(self, question: str, answers: tuple[str, ...], seconds: float) -> str:
        """The answer that the user picked, empty for none."""
        reply = await self.request(
            lsp.WINDOW_SHOW_MESSAGE_REQUEST,
            lsp.ShowMessageRequestParams(
                lsp.MessageType.Info,
                f"ML Coach: {question}",
                [lsp.MessageActionItem(title) for title in answers],
            ),
            seconds,
        )
        title = member(reply, "title")
        return title if title in answers else ""

    async def show(self, uri: str) -> None:
        """Opens a file beside what the user is doing, where the editor can."""
        if self.shows_documents:
            params = lsp.ShowDocumentParams(uri, take_focus=False)
            await self.request(lsp.WINDOW_SHOW_DOCUMENT, params, SHOW_SECONDS)

    async def apply(self, label: str, edit: lsp.WorkspaceEdit) -> tuple[bool, str]:
        """Whether the editor says that it applied `edit`, and its reason if not."""
        params = lsp.ApplyWorkspaceEditParams(edit, f"ML Coach: {label}")
        reply = await self.request(lsp.WORKSPACE_APPLY_EDIT, params, APPLY_SECONDS)
        if member(reply, "applied") is True:
            return True, ""
        return False, str(member(reply, "failureReason") or "the editor gave no reason")

    # Replies in pieces

    def begin_partial(self, take: Callable[[Any], None]) -> str:
        """A token under which the editor may send pieces of a reply to `take`."""
        token = f"ml-coach-partial-{uuid.uuid4().hex}"
        self._partial[token] = take
        return token

    def end_partial(self, token: str) -> None:
        self._partial.pop(token, None)

    def take_partial(self, token: str | int, value: Any) -> None:
        if take := self._partial.get(str(token)):
            take(value)


def member(reply: Any, name: str) -> Any:
    """A member of a reply, None where the reply is no object or lacks it."""
    return cast("dict[str, Any]", reply).get(name) if isinstance(reply, dict) else None
