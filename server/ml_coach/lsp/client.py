"""The editor on the other end: what it can do, and asking it without ever hanging.

Every request is sent only where the client declared that it can answer, and has a time limit. A
late reply, a malformed one and none at all look the same to the caller.
"""

from __future__ import annotations

import asyncio
import logging
import uuid
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, cast

from lsprotocol import types as lsp
from pygls.exceptions import JsonRpcException
from pygls.workspace import PositionCodec, Workspace

from ml_coach.lsp.protocol import member, path_of, shown

if TYPE_CHECKING:
    from pygls.lsp.server import LanguageServer

    from ml_coach.core.ports import Call

logger = logging.getLogger(__name__)

SHOW_SECONDS = 2.0


@dataclass(frozen=True, slots=True)
class SentEdit:
    """An edit that the editor was asked to apply. Silence says nothing: it may wait for its user,
    and apply the edit minutes later."""

    reply: asyncio.Future[Any]

    async def is_answered(self, seconds: float) -> bool:
        """Whether the editor has said anything, at the latest after `seconds`."""
        await asyncio.wait([self.reply], timeout=seconds)
        return self.reply.done()

    def refusal(self) -> str:
        """Why the editor did not apply the edit, empty where it says that it did. Only to be
        called once it is answered."""
        if self.reply.cancelled():
            return "the editor has gone"
        if error := self.reply.exception():
            return shown(str(error))
        reply = self.reply.result()
        if member(reply, "applied") is True:
            return ""
        return shown(str(member(reply, "failureReason") or "the editor gave no reason"))


class Client:
    """Reads the capabilities of `initialize`; nothing may be asked before that."""

    def __init__(self, server: LanguageServer) -> None:
        self._server = server
        self._options: dict[str, Any] = {}
        self._partial: dict[str, Callable[[Any], None]] = {}

    # What it can do

    def read_options(self, options: Any) -> None:
        """`options` are the `initializationOptions`, of whatever type the editor sent."""
        self._options = cast("dict[str, Any]", options) if isinstance(options, dict) else {}

    def can(self, path: str) -> Any:
        """The declared capability at a dotted path in snake_case, None where it is undeclared."""
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
        ours = (
            "events", "drawsRuns", "openFiles", "asksForPatches", "patchQuestions", "asksQuestions",
        )  # fmt: skip
        return {key: value for key, value in self._options.items() if key not in ours}

    @property
    def wants_events(self) -> bool:
        """Whether the client wants `mlCoach/event` notifications."""
        return self._options.get("events") is True or self._experimental("events")

    @property
    def draws_runs(self) -> bool:
        """Whether the client wants `mlCoach/run` and `mlCoach/writing` notifications."""
        return self._options.get("drawsRuns") is True

    @property
    def offers_models(self) -> bool:
        """Whether the editor offers models of its own."""
        return self._experimental("complete")

    @property
    def trusts_folders(self) -> bool:
        """Whether the user has already said that they trust the folder: VS Code asks before
        it starts our extension there, and only our extension offers models."""
        return self.offers_models

    @property
    def applies_edits(self) -> bool:
        """Whether the editor takes `workspace/applyEdit`."""
        return self.can("workspace.apply_edit") is True

    def operates_on_files(self, kind: Literal["create", "delete"]) -> bool:
        """Whether an edit may create or delete files."""
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
    def asks_questions(self) -> bool:
        """Whether the user can be asked a question in a window."""
        return self.can("window.show_message") is not None

    @property
    def asks_about_patches(self) -> bool:
        """Whether the server asks about a patch in a window: only where the user chose that.

        A question that comes up unasked takes the keys of a user who is typing, and a typed "1"
        would apply the patch (Neovim).
        """
        return self.asks_questions and self._options.get("patchQuestions") is True

    @property
    def shows_patches(self) -> bool:
        """Whether the client tells the user of patches by itself, from the events."""
        return self._options.get("asksForPatches") is True

    @property
    def shows_questions(self) -> bool:
        """Whether the client asks the user a run's question by itself (`mlCoach/question`)."""
        return self._options.get("asksQuestions") is True

    @property
    def shows_documents(self) -> bool:
        """Whether files may be opened in the editor: it can, and the user did not turn it off."""
        wanted = self._options.get("openFiles") is not False
        return wanted and bool(self.can("window.show_document.support"))

    @property
    def reports_progress(self) -> bool:
        """Whether the editor shows progress that the server begins."""
        return self.can("window.work_done_progress") is True

    @property
    def pulls_diagnostics(self) -> bool:
        """Whether findings are pulled. A client that cannot be told to pull again would show
        a run's findings only after the next key press, so it gets them pushed."""
        pulls = self.can("text_document.diagnostic") is not None
        return pulls and self.can("workspace.diagnostics.refresh_support") is True

    @property
    def resolves_edits(self) -> bool:
        """Whether the editor asks for a code action's edit only when the user picks it."""
        support = self.can("text_document.code_action.resolve_support")
        return support is not None and "edit" in support.properties

    @property
    def reads_markdown(self) -> bool:
        """Whether hovers may be Markdown."""
        formats = self.can("text_document.hover.content_format") or ()
        return lsp.MarkupKind.Markdown in formats

    @property
    def codec(self) -> PositionCodec:
        """How the editor counts columns."""
        return self.workspace.position_codec

    @property
    def workspace(self) -> Workspace:
        """pygls's mirror of the editor's folders and open documents."""
        return self._server.workspace

    @property
    def roots(self) -> list[Path]:
        """The workspace folders, the root of an editor that knows no folders, or nothing."""
        uris = [folder.uri for folder in self.workspace.folders.values()]
        if not uris and self.workspace.root_uri:
            uris = [self.workspace.root_uri]
        return [path for uri in uris if (path := path_of(uri)) is not None]

    # Requests, notifications and messages

    async def request(self, method: str, params: Any, seconds: float, failed: Any = None) -> Any:
        """The reply as plain JSON; `failed` for an error or no reply within `seconds`."""
        try:
            reply = self._server.protocol.send_request_async(method, params)
            # Shielded: pygls would stumble over the late reply to a request that was cancelled.
            return await asyncio.wait_for(asyncio.shield(reply), seconds)
        except TimeoutError:
            logger.warning("The editor did not answer %s within %g s.", method, seconds)
        except JsonRpcException as error:
            logger.warning("The editor answered %s with an error: %s", method, error)
        return failed

    def send(self, method: str, params: Any = None) -> None:
        """A request whose reply is ignored."""
        self._server.protocol.send_request(method, params)

    def notify(self, method: str, params: Any) -> None:
        """A message that has no reply."""
        self._server.protocol.notify(method, params)

    def show_message(self, text: str, *, warning: bool = False) -> None:
        """Shows one sentence to the user."""
        kind = lsp.MessageType.Warning if warning else lsp.MessageType.Info
        self._server.window_show_message(lsp.ShowMessageParams(kind, f"ML Coach: {shown(text)}"))

    def log(self, text: str) -> None:
        """Adds a line to the server's log in the editor."""
        self._server.window_log_message(lsp.LogMessageParams(lsp.MessageType.Info, shown(text)))

    async def ask(
        self, question: str, answers: tuple[str, ...], seconds: float, *, warning: bool = False
    ) -> str:
        """Asks the user in a window. The answer that they picked, empty for none."""
        reply = await self.request(
            lsp.WINDOW_SHOW_MESSAGE_REQUEST,
            lsp.ShowMessageRequestParams(
                lsp.MessageType.Warning if warning else lsp.MessageType.Info,
                f"ML Coach: {shown(question)}",
                [lsp.MessageActionItem(title) for title in answers],
            ),
            seconds,
        )
        title = member(reply, "title")
        return title if title in answers else ""

    async def show_document(self, uri: str) -> None:
        """Opens a file beside what the user is doing, where the editor can."""
        if self.shows_documents:
            params = lsp.ShowDocumentParams(uri, take_focus=False)
            await self.request(lsp.WINDOW_SHOW_DOCUMENT, params, SHOW_SECONDS)

    def send_edit(self, label: str, edit: lsp.WorkspaceEdit) -> SentEdit:
        """Asks the editor to apply `edit`; returns at once."""
        params = lsp.ApplyWorkspaceEditParams(edit, f"ML Coach: {label}")
        return SentEdit(self._server.protocol.send_request_async(lsp.WORKSPACE_APPLY_EDIT, params))

    async def ask_question(self, params: dict[str, Any]) -> Any:
        """The user's answer to a run's question (`mlCoach/question`) as plain JSON, None without.

        Waits for as long as the user does; cancelling it takes the question off the screen.
        """
        try:
            return await self._cancellable("mlCoach/question", params)
        except JsonRpcException as error:
            logger.warning("The editor answered mlCoach/question with an error: %s", error)
            return None

    # The editor's own models

    async def complete(self, model: str, call: Call, take: Callable[[str], None]) -> dict[str, Any]:
        """One call to a model of the editor's (`mlCoach/complete`), streamed to `take`.

        Cancelling it cancels the editor's request. Raises `ConnectionError` where the editor
        answers with an error or with no object.
        """

        def take_piece(value: Any) -> None:
            if isinstance(text := member(value, "text"), str):
                take(text)

        token = f"ml-coach-partial-{uuid.uuid4().hex}"
        self._partial[token] = take_piece
        params = {
            "model": model,
            "purpose": call.purpose,
            "messages": [{"role": m.role, "text": m.text} for m in call.messages],
            "maxTokens": call.max_tokens,
            "temperature": call.temperature,
            "partialResultToken": token,
        }
        try:
            answer = await self._cancellable("mlCoach/complete", params)
        except JsonRpcException as error:
            raise ConnectionError(str(error)) from None
        finally:
            del self._partial[token]
        if not isinstance(answer, dict):
            raise ConnectionError("the editor sent no answer")
        return cast("dict[str, Any]", answer)

    async def _cancellable(self, method: str, params: Any) -> Any:
        """The reply as plain JSON, whenever it comes. Cancelling this cancels the request."""
        request_id = str(uuid.uuid4())
        reply = self._server.protocol.send_request_async(method, params, msg_id=request_id)
        try:
            return await asyncio.shield(reply)
        except asyncio.CancelledError:
            self.notify(lsp.CANCEL_REQUEST, lsp.CancelParams(request_id))
            raise

    def take_partial(self, token: str | int, value: Any) -> None:
        """Hands a piece of a reply to the call that waits for it; others are dropped."""
        if take := self._partial.get(str(token)):
            take(value)
