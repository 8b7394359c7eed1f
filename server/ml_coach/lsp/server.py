"""The server: which request goes where. The session (session.py) does the work.

Little is imported here, because an editor waits for the answer to `initialize`.
"""

from __future__ import annotations

import asyncio
import gc
import logging
from collections.abc import Callable, Coroutine
from functools import partial
from typing import TYPE_CHECKING, Any, get_type_hints

from lsprotocol import types as lsp
from pygls.lsp.server import LanguageServer

import ml_coach
from ml_coach.lsp.client import Client
from ml_coach.lsp.commands.command_table import COMMANDS, Command
from ml_coach.lsp.editor_process import until_gone
from ml_coach.lsp.protocol import CoachProtocol, RequestFailed, make_converter

if TYPE_CHECKING:
    from ml_coach.lsp.backend import Backend
    from ml_coach.lsp.session import Session

logger = logging.getLogger(__name__)

_ACTIONS = (
    lsp.CodeActionKind.QuickFix,
    lsp.CodeActionKind.RefactorRewrite,
    lsp.CodeActionKind.Source,
)


class CoachServer(LanguageServer):
    """`load` returns the backend behind the server; it is called once, after `initialize`.

    `exiting` is set when the editor has gone, `shut_down` once it asked for that properly.
    """

    def __init__(self, load: Callable[[], Backend]) -> None:
        super().__init__(  # pyright: ignore[reportUnknownMemberType]
            "ml-coach",
            ml_coach.__version__,
            # Whole texts: pygls counts lines by `str.splitlines`, which is not the protocol's way.
            # A server whose copy of a text is wrong edits the wrong lines.
            text_document_sync_kind=lsp.TextDocumentSyncKind.Full,
            protocol_cls=CoachProtocol,
            converter_factory=make_converter,
        )
        self.client = Client(self)
        self.exiting = asyncio.Event()
        self.shut_down = False
        self._load = load
        self._opening: asyncio.Future[Session] | None = None
        self._session: Session | None = None
        self._closing: asyncio.Future[None] | None = None
        self._watching: asyncio.Future[None] | None = None

    @property
    def session_if_open(self) -> Session | None:
        """The session, None while it is loaded: nothing was found or offered before that."""
        return self._session

    async def session(self) -> Session:
        """The session, loaded if need be."""
        self.open()
        assert self._opening is not None
        return await asyncio.shield(self._opening)

    def open(self) -> None:
        """Begins to load what the first command will need; may be called twice."""
        self._opening = self._opening or asyncio.ensure_future(self._open())

    async def _open(self) -> Session:
        # Imported in a thread, so that the editor is answered meanwhile.
        make, backend = await asyncio.to_thread(self._imported)
        self._session = make(self, self.client, backend)
        self._session.configuration.ask()
        self._session.offer_to_resume()
        # What was imported is never freed. Without this each full garbage collection visits it
        # all, which keeps an editor waiting for a tenth of a second now and then.
        gc.freeze()
        return self._session

    def _imported(self) -> tuple[type[Session], Backend]:
        from ml_coach.lsp.session import Session

        return Session, self._load()

    async def close(self) -> None:
        """Ends every run and every process of ours. May be called twice."""
        # A task of its own: `exit` may come before `shutdown` is answered, and cancels the answer.
        self._closing = self._closing or asyncio.ensure_future(self._close())
        await asyncio.shield(self._closing)

    async def _close(self) -> None:
        if self._watching is not None:
            self._watching.cancel()
        if self._opening is not None:
            await (await self._opening).close()

    def leave(self, reason: str = "") -> None:
        """The editor sent `exit`, or went away: ends the process soon. `reason` is logged."""
        if reason and not self.exiting.is_set():
            logger.warning("%s The server ends.", reason)
        self.exiting.set()

    def watch_editor(self, process_id: int) -> None:
        """Ends the server when the editor's process is gone: another process may hold its pipe."""

        async def watch() -> None:
            if await until_gone(process_id):
                self.leave(f"The editor's process {process_id} has ended.")

        self._watching = asyncio.ensure_future(watch())

    def report_server_error(self, error: Exception, source: Any) -> None:
        """Logs what pygls could not read."""
        # pygls would open a window in the editor for a reply that it could not read.
        logger.warning("%s: %s", getattr(source, "__name__", source), error)


def create_server(load: Callable[[], Backend]) -> CoachServer:
    """A server with every handler registered. `load` returns the backend; see `CoachServer`."""
    server = CoachServer(load)
    _lifetime(server)
    _notifications(server)
    _documents(server)
    _language_features(server)
    for command in COMMANDS:
        server.command(command.full_name)(_handler(server, command))
    return server


def _handler(server: CoachServer, command: Command) -> Callable[..., Coroutine[Any, Any, Any]]:
    async def handle(*arguments: Any) -> Any:
        from ml_coach.core.errors import os_error_text
        from ml_coach.lsp.commands.arguments import read_arguments

        handler = command.handler((await server.session()).commands)
        kind = get_type_hints(handler)["argument"]
        try:
            return await handler(read_arguments(kind, command.full_name, arguments))
        except OSError as error:
            raise RequestFailed(os_error_text(error)) from None

    return handle


def _lifetime(server: CoachServer) -> None:
    @server.feature(lsp.INITIALIZE)
    def initialize(params: lsp.InitializeParams) -> None:
        server.client.read_options(params.initialization_options)
        # What is offered depends on what the client can do, which is known only here.
        _code_actions(server)
        if server.client.pulls_diagnostics:
            _pulled_diagnostics(server)
        # From now on, not from `initialized` on: the editor may end in between.
        if isinstance(pid := server.process_id, int):
            server.watch_editor(pid)

    @server.feature(lsp.INITIALIZED)
    def initialized(params: lsp.InitializedParams) -> None:
        server.open()
        if server.client.can("workspace.did_change_configuration.dynamic_registration"):
            method, options = lsp.WORKSPACE_DID_CHANGE_CONFIGURATION, {"section": "mlCoach"}
            wanted = lsp.Registration("ml-coach-configuration", method, options)
            server.client.send(lsp.CLIENT_REGISTER_CAPABILITY, lsp.RegistrationParams([wanted]))

    @server.feature(lsp.SHUTDOWN)
    async def shutdown(*_: Any) -> None:
        server.shut_down = True
        await server.close()


def _notifications(server: CoachServer) -> None:
    @server.feature(lsp.WINDOW_WORK_DONE_PROGRESS_CANCEL)
    async def cancel(params: lsp.WorkDoneProgressCancelParams) -> None:
        session = await server.session()
        runs = session.runs
        await session.audits.stop(token=params.token)
        if run_id := runs.run_of_token(params.token):
            await runs.stop(run_id)

    @server.feature(lsp.PROGRESS)
    def piece(params: lsp.ProgressParams) -> None:
        server.client.take_partial(params.token, params.value)

    @server.feature(lsp.WORKSPACE_DID_CHANGE_CONFIGURATION)
    async def configured(params: lsp.DidChangeConfigurationParams) -> None:
        (await server.session()).configuration.changed(params.settings)

    @server.feature(lsp.WORKSPACE_DID_CHANGE_WORKSPACE_FOLDERS)
    async def folders(params: lsp.DidChangeWorkspaceFoldersParams) -> None:
        (await server.session()).configuration.refresh()


def _documents(server: CoachServer) -> None:
    def changed(params: Any) -> None:
        if session := server.session_if_open:
            session.document_changed(params.text_document.uri)

    for method in (
        lsp.TEXT_DOCUMENT_DID_OPEN,
        lsp.TEXT_DOCUMENT_DID_CHANGE,
        lsp.TEXT_DOCUMENT_DID_CLOSE,
    ):
        server.feature(method)(partial(changed))


def _language_features(server: CoachServer) -> None:
    @server.feature(lsp.TEXT_DOCUMENT_HOVER)
    def hover(params: lsp.HoverParams) -> lsp.Hover | None:
        session = server.session_if_open
        return session.hover(params.text_document.uri, params.position) if session else None

    @server.feature(lsp.TEXT_DOCUMENT_CODE_LENS)
    def lenses(params: lsp.CodeLensParams) -> list[lsp.CodeLens]:
        session = server.session_if_open
        return session.lenses(params.text_document.uri) if session else []


def _code_actions(server: CoachServer) -> None:
    lazy = server.client.resolves_edits
    options = lsp.CodeActionOptions(code_action_kinds=_ACTIONS, resolve_provider=lazy)

    @server.feature(lsp.TEXT_DOCUMENT_CODE_ACTION, options)
    async def code_actions(params: lsp.CodeActionParams) -> list[lsp.CodeAction]:
        return (await server.session()).actions.at(params)

    if lazy:

        @server.feature(lsp.CODE_ACTION_RESOLVE)
        async def resolve(action: lsp.CodeAction) -> lsp.CodeAction:
            return (await server.session()).actions.resolve(action)


def _pulled_diagnostics(server: CoachServer) -> None:
    options = lsp.DiagnosticOptions(
        inter_file_dependencies=True, workspace_diagnostics=False, identifier="ml-coach"
    )

    @server.feature(lsp.TEXT_DOCUMENT_DIAGNOSTIC, options)
    def pull(params: lsp.DocumentDiagnosticParams) -> lsp.RelatedFullDocumentDiagnosticReport:
        session = server.session_if_open
        items = session.diagnostics(params.text_document.uri) if session else []
        return lsp.RelatedFullDocumentDiagnosticReport(items=items)
