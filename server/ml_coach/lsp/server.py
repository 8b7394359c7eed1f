"""The server: which request goes where. Everything behind it is in the files beside this one."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from functools import cache, partial
from importlib.metadata import version
from typing import Any

from lsprotocol import types as lsp
from pygls.lsp.server import LanguageServer

from ml_coach.lsp.board import Board
from ml_coach.lsp.client import Client
from ml_coach.lsp.commands import Commands, bound
from ml_coach.lsp.configuration import Configuration
from ml_coach.lsp.parts import Parts
from ml_coach.lsp.places import Places
from ml_coach.lsp.review import Offers
from ml_coach.lsp.runs import Runs
from ml_coach.lsp.wire import CoachProtocol, make_converter

logger = logging.getLogger(__name__)


class CoachServer(LanguageServer):
    """`load` gives the parts at their first use, which is after `initialize` was answered."""

    def __init__(self, load: Callable[[], Parts]) -> None:
        super().__init__(  # pyright: ignore[reportUnknownMemberType]
            "ml-coach",
            version("ml-coach"),
            # Whole texts: pygls counts lines by `str.splitlines`, which is not the protocol's way,
            # and a server whose copy is wrong edits the wrong lines.
            text_document_sync_kind=lsp.TextDocumentSyncKind.Full,
            protocol_cls=CoachProtocol,
            converter_factory=make_converter,
        )
        self._parts_loaded = False
        self._load = cache(load)
        self.left = asyncio.Event()
        self.shut_down = False
        self._closing: asyncio.Future[None] | None = None
        self.client = Client(self)
        self.places = Places(self.client)
        self.board = Board(self._findings_changed)
        offers = Offers(self.client, self._lenses_changed)
        self.runs = Runs(
            self.client, self.places, self.parts, self.board, offers, self._lenses_changed
        )
        self.configuration = Configuration(self.client, self.places, self.parts)
        self.commands = Commands(
            self.client, self.places, self.configuration, self.parts, self.runs
        )
        self._preparing: asyncio.Future[Any] | None = None

    def parts(self) -> Parts:
        self._parts_loaded = True
        return self._load()

    def prepare(self) -> None:
        """Loads the parts and asks for the settings, so that the first command need not."""
        self._preparing = asyncio.ensure_future(self._prepare())

    async def _prepare(self) -> None:
        parts = await asyncio.to_thread(self.parts)
        if self.client.completes:
            parts.connect_editor(partial(_complete, self))
        self.configuration.ask()

    async def close(self) -> None:
        """Ends every run and every process of ours. May be called twice."""
        # A task of its own: `exit` may come before the answer to `shutdown`, and cancels that.
        self._closing = self._closing or asyncio.ensure_future(self._close())
        await asyncio.shield(self._closing)

    async def _close(self) -> None:
        await self.runs.stop()
        if self._parts_loaded:
            await self.parts().aclose()

    def leave(self) -> None:
        """The editor said `exit`, or went away."""
        self.left.set()

    def report_server_error(self, error: Exception, source: Any) -> None:
        # pygls would open a window in the editor for a reply that it could not read.
        logger.warning("%s: %s", getattr(source, "__name__", source), error)

    # Telling the editor that something it shows is old

    def _findings_changed(self, uris: set[str]) -> None:
        if not self.client.pulls_diagnostics:
            for uri in uris:
                self.publish(uri)
        else:
            self.client.send(lsp.WORKSPACE_DIAGNOSTIC_REFRESH)

    def publish(self, uri: str) -> None:
        params = lsp.PublishDiagnosticsParams(
            uri, self.diagnostics(uri), version=self.places.version(uri)
        )
        self.text_document_publish_diagnostics(params)

    def diagnostics(self, uri: str) -> list[lsp.Diagnostic]:
        from ml_coach.lsp import present

        text = self.places.open_text(uri)
        if text is None:
            text = self.board.text_at_run(uri)
        return present.diagnostics(uri, text, self.board, self.client, self.runs.uri_of)

    def _lenses_changed(self) -> None:
        if self.client.can("workspace.code_lens.refresh_support"):
            self.client.send(lsp.WORKSPACE_CODE_LENS_REFRESH)


async def _complete(server: CoachServer, *arguments: Any) -> dict[str, Any]:
    from ml_coach.lsp.completion import complete

    return await complete(server, server.client, *arguments)


def create_server(load: Callable[[], Parts]) -> CoachServer:
    server = CoachServer(load)
    _lifetime(server)
    _notifications(server)
    _documents(server)
    _language_features(server)
    for name, (kind, handler) in server.commands.table().items():
        server.command(name)(bound(name, kind, handler))
    return server


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
        server.prepare()
        if server.client.can("workspace.did_change_configuration.dynamic_registration"):
            registration = lsp.Registration(
                "ml-coach-configuration",
                lsp.WORKSPACE_DID_CHANGE_CONFIGURATION,
                {"section": "mlCoach"},
            )
            server.client.send(
                lsp.CLIENT_REGISTER_CAPABILITY, lsp.RegistrationParams([registration])
            )

    @server.feature(lsp.SHUTDOWN)
    async def shutdown(*_: Any) -> None:
        server.shut_down = True
        await server.close()


def _notifications(server: CoachServer) -> None:
    @server.feature(lsp.WINDOW_WORK_DONE_PROGRESS_CANCEL)
    async def cancel(params: lsp.WorkDoneProgressCancelParams) -> None:
        if run_id := server.runs.of_token(params.token):
            await server.runs.stop(run_id)

    @server.feature(lsp.PROGRESS)
    def piece(params: lsp.ProgressParams) -> None:
        server.client.take_partial(params.token, params.value)

    @server.feature(lsp.WORKSPACE_DID_CHANGE_CONFIGURATION)
    def configured(params: lsp.DidChangeConfigurationParams) -> None:
        server.configuration.changed(params.settings)

    @server.feature(lsp.WORKSPACE_DID_CHANGE_WORKSPACE_FOLDERS)
    def folders(params: lsp.DidChangeWorkspaceFoldersParams) -> None:
        server.configuration.refresh()


def _documents(server: CoachServer) -> None:
    def changed(uri: str) -> None:
        server.places.document_changed()
        # Findings move with their lines, and go with them.
        if uri in server.board.uris() and not server.client.pulls_diagnostics:
            server.publish(uri)

    @server.feature(lsp.TEXT_DOCUMENT_DID_OPEN)
    def opened(params: lsp.DidOpenTextDocumentParams) -> None:
        changed(params.text_document.uri)

    @server.feature(lsp.TEXT_DOCUMENT_DID_CHANGE)
    def edited(params: lsp.DidChangeTextDocumentParams) -> None:
        changed(params.text_document.uri)

    @server.feature(lsp.TEXT_DOCUMENT_DID_CLOSE)
    def closed(params: lsp.DidCloseTextDocumentParams) -> None:
        server.places.document_changed()


def _language_features(server: CoachServer) -> None:
    @server.feature(lsp.TEXT_DOCUMENT_HOVER)
    def hover(params: lsp.HoverParams) -> lsp.Hover | None:
        from ml_coach.lsp import present

        uri = params.text_document.uri
        text = server.places.open_text(uri)
        if text is None or uri not in server.board.uris():
            return None
        waiting = next((o for o in server.runs.offers.all() if uri in o.uris()), None)
        title = waiting.title if waiting else ""
        return present.hover(uri, text, params.position, server.board, server.client, title)

    @server.feature(lsp.TEXT_DOCUMENT_CODE_LENS)
    def lenses(params: lsp.CodeLensParams) -> list[lsp.CodeLens]:
        from ml_coach.lsp import present

        uri = params.text_document.uri
        text, state = server.places.open_text(uri), server.board.suites.get(uri)
        return [] if text is None or state is None else present.lenses(uri, text, state)


def _code_actions(server: CoachServer) -> None:
    from ml_coach.lsp.actions import KINDS, Actions

    actions = Actions(server.client, server.places, server.board, server.runs)
    lazy = server.client.resolves_edits
    options = lsp.CodeActionOptions(code_action_kinds=KINDS, resolve_provider=lazy)

    @server.feature(lsp.TEXT_DOCUMENT_CODE_ACTION, options)
    def code_actions(params: lsp.CodeActionParams) -> list[lsp.CodeAction]:
        return actions.at(params)

    if lazy:

        @server.feature(lsp.CODE_ACTION_RESOLVE)
        def resolve(action: lsp.CodeAction) -> lsp.CodeAction:
            return actions.resolve(action)


def _pulled_diagnostics(server: CoachServer) -> None:
    options = lsp.DiagnosticOptions(
        inter_file_dependencies=True, workspace_diagnostics=False, identifier="ml-coach"
    )

    @server.feature(lsp.TEXT_DOCUMENT_DIAGNOSTIC, options)
    def pull(params: lsp.DocumentDiagnosticParams) -> lsp.RelatedFullDocumentDiagnosticReport:
        return lsp.RelatedFullDocumentDiagnosticReport(
            items=server.diagnostics(params.text_document.uri)
        )
