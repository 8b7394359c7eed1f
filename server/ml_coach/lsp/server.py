"""The server: which request goes where. All work is done at the session (session.py).

Little is imported here, because an editor waits for the answer to `initialize`.
"""

from __future__ import annotations

import asyncio
import gc
import logging
from collections.abc import Callable, Coroutine
from functools import partial
from typing import TYPE_CHECKING, Any

from lsprotocol import types as lsp
from pygls.lsp.server import LanguageServer

import ml_coach
from ml_coach.lsp.client import Client
from ml_coach.lsp.protocol import CoachProtocol, RequestFailed, make_converter

if TYPE_CHECKING:
    from ml_coach.lsp.backend import Backend
    from ml_coach.lsp.session import Session

logger = logging.getLogger(__name__)

COMMANDS = (
    "generate", "implement", "debug", "writeTests", "runTests", "stop", "applyPatch",
    "discardPatch", "undoRun", "resume", "runs", "events", "models", "doctor",
)  # fmt: skip
_ACTIONS = (
    lsp.CodeActionKind.QuickFix,
    lsp.CodeActionKind.RefactorRewrite,
    lsp.CodeActionKind.Source,
)


class CoachServer(LanguageServer):
    """`load` gives the backend behind the server; it is called once, after `initialize`."""

    def __init__(self, load: Callable[[], Backend]) -> None:
        super().__init__(  # pyright: ignore[reportUnknownMemberType]
            "ml-coach",
            ml_coach.__version__,
            # Whole texts: pygls counts lines by `str.splitlines`, which is not the protocol's way,
            # and a server whose copy is wrong edits the wrong lines.
            text_document_sync_kind=lsp.TextDocumentSyncKind.Full,
            protocol_cls=CoachProtocol,
            converter_factory=make_converter,
        )
        self.client = Client(self)
        self.left = asyncio.Event()
        self.shut_down = False
        self._load = load
        self._opening: asyncio.Future[Session] | None = None
        self._session: Session | None = None
        self._closing: asyncio.Future[None] | None = None

    def desk_now(self) -> Session | None:
        """The session if it is there already: nothing has been found or offered before that."""
        return self._session

    async def session(self) -> Session:
        self.open()
        assert self._opening is not None
        return await asyncio.shield(self._opening)

    def open(self) -> None:
        """Begins to load what the first command will need."""
        self._opening = self._opening or asyncio.ensure_future(self._open())

    async def _open(self) -> Session:
        # Imported in a thread, so that the editor is answered meanwhile.
        make, backend = await asyncio.to_thread(self._imported)
        self._session = make(self, self.client, backend)
        self._session.configuration.ask()
        # What was imported stays for good. Walked at each full collection, it would keep an editor
        # waiting for a tenth of a second now and then.
        gc.freeze()
        return self._session

    def _imported(self) -> tuple[type[Session], Backend]:
        from ml_coach.lsp.session import Session

        return Session, self._load()

    async def close(self) -> None:
        """Ends every run and every process of ours. May be called twice."""
        # A task of its own: `exit` may come before the answer to `shutdown`, and cancels that.
        self._closing = self._closing or asyncio.ensure_future(self._close())
        await asyncio.shield(self._closing)

    async def _close(self) -> None:
        if self._opening is not None:
            await (await self._opening).close()

    def leave(self) -> None:
        """The editor said `exit`, or went away."""
        self.left.set()

    def report_server_error(self, error: Exception, source: Any) -> None:
        # pygls would open a window in the editor for a reply that it could not read.
        logger.warning("%s: %s", getattr(source, "__name__", source), error)


def create_server(load: Callable[[], Backend]) -> CoachServer:
    server = CoachServer(load)
    _lifetime(server)
    _notifications(server)
    _documents(server)
    _language_features(server)
    for name in COMMANDS:
        server.command(f"mlCoach.{name}")(_command(server, f"mlCoach.{name}"))
    return server


def _command(server: CoachServer, name: str) -> Callable[..., Coroutine[Any, Any, Any]]:
    async def command(*arguments: Any) -> Any:
        from ml_coach.lsp.commands.arguments import read_arguments

        kind, handler = (await server.session()).commands[name]
        try:
            return await handler(read_arguments(kind, name, arguments))
        except OSError as error:
            raise RequestFailed(str(error)) from None

    return command


def _lifetime(server: CoachServer) -> None:
    @server.feature(lsp.INITIALIZE)
    def initialize(params: lsp.InitializeParams) -> None:
        server.client.begin(params.initialization_options)
        # What is offered depends on what the client can do, which is known only here.
        _code_actions(server)
        if server.client.pulls_diagnostics:
            _pulled_diagnostics(server)

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
        runs = (await server.session()).runs
        if run_id := runs.of_token(params.token):
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
        if session := server.desk_now():
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
        session = server.desk_now()
        return session.hover(params.text_document.uri, params.position) if session else None

    @server.feature(lsp.TEXT_DOCUMENT_CODE_LENS)
    def lenses(params: lsp.CodeLensParams) -> list[lsp.CodeLens]:
        session = server.desk_now()
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
        session = server.desk_now()
        items = session.diagnostics(params.text_document.uri) if session else []
        return lsp.RelatedFullDocumentDiagnosticReport(items=items)
