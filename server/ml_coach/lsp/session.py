"""Everything that works for the editor, put together. Made after `initialize` was answered."""

from __future__ import annotations

from functools import partial
from typing import Any

from lsprotocol import types as lsp
from pygls.lsp.server import LanguageServer

from ml_coach.lsp.backend import Backend
from ml_coach.lsp.client import Client
from ml_coach.lsp.commands.actions import Actions
from ml_coach.lsp.commands.handlers import Commands
from ml_coach.lsp.configuration import Configuration
from ml_coach.lsp.documents.documents import Documents
from ml_coach.lsp.editor_completion import complete
from ml_coach.lsp.runs import presentation as present
from ml_coach.lsp.runs.active_runs import Runs
from ml_coach.lsp.runs.finding_store import FindingStore
from ml_coach.lsp.runs.review import Offers


class Session:
    def __init__(self, server: LanguageServer, client: Client, backend: Backend) -> None:
        self._server = server
        self._client = client
        self._backend = backend
        if client.completes:
            self._backend.connect_editor(partial(complete, server, client))
        self.documents = Documents(client)
        self._finding_store = FindingStore(self._findings_changed)
        offers = Offers(client, self._lenses_changed)
        self.runs = Runs(
            client, self.documents, self._backend, self._finding_store, offers, self._lenses_changed
        )
        self.configuration = Configuration(client, self.documents, self._backend)
        self.actions = Actions(client, self.documents, self._finding_store, self.runs)
        commands = Commands(client, self.documents, self.configuration, self._backend, self.runs)
        self.commands = commands.table()

    async def close(self) -> None:
        """Ends every run and every process of ours."""
        await self.runs.stop()
        await self._backend.aclose()

    # Documents

    def document_changed(self, uri: str) -> None:
        if self.documents.open_text(uri) is not None and uri.startswith("file:"):
            before = self.documents.spelt(uri)
            if before != uri:
                self.runs.respell(before, uri)
        self.documents.document_changed()
        # Findings move with their lines, and go with them.
        if uri in self._finding_store.uris() and not self._client.pulls_diagnostics:
            self._publish(uri)

    def diagnostics(self, uri: str) -> list[lsp.Diagnostic]:
        text = self.documents.open_text(uri)
        if text is None:
            text = self.documents.disk_text(uri)
        if text is None and not self.runs.holds(uri):
            return []
        text = self._finding_store.text_at_run(uri) if text is None else text
        return present.diagnostics(uri, text, self._finding_store, self._client, self.runs.uri_of)

    def hover(self, uri: str, position: lsp.Position) -> lsp.Hover | None:
        text = self.documents.open_text(uri)
        if text is None or uri not in self._finding_store.uris():
            return None
        waiting = next((o for o in self.runs.offers.all() if uri in o.uris()), None)
        title = waiting.title if waiting else ""
        return present.hover(uri, text, position, self._finding_store, self._client, title)

    def lenses(self, uri: str) -> list[lsp.CodeLens]:
        text, state = self.documents.open_text(uri), self._finding_store.suites.get(uri)
        return [] if text is None or state is None else present.lenses(uri, text, state)

    # Telling the editor that something it shows is old

    def _findings_changed(self, uris: set[str]) -> None:
        if self._client.pulls_diagnostics:
            self._client.send(lsp.WORKSPACE_DIAGNOSTIC_REFRESH)
            return
        for uri in uris:
            self._publish(uri)

    def _publish(self, uri: str) -> None:
        found, version = self.diagnostics(uri), self.documents.version(uri)
        params: Any = lsp.PublishDiagnosticsParams(uri, found, version=version)
        self._server.text_document_publish_diagnostics(params)

    def _lenses_changed(self) -> None:
        if self._client.can("workspace.code_lens.refresh_support"):
            self._client.send(lsp.WORKSPACE_CODE_LENS_REFRESH)
