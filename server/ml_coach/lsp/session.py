"""Everything that works for one editor, put together. Made after `initialize` was answered."""

from __future__ import annotations

from lsprotocol import types as lsp
from pygls.lsp.server import LanguageServer

from ml_coach.lsp.backend import Backend
from ml_coach.lsp.client import Client
from ml_coach.lsp.commands.actions import Actions
from ml_coach.lsp.commands.handlers import Commands
from ml_coach.lsp.configuration import Configuration
from ml_coach.lsp.documents.documents import Documents
from ml_coach.lsp.runs import presentation
from ml_coach.lsp.runs.active_runs import Runs
from ml_coach.lsp.runs.finding_store import FindingStore
from ml_coach.lsp.runs.review import Offers


class Session:
    """The parts behind the server's requests; `close` ends them."""

    def __init__(self, server: LanguageServer, client: Client, backend: Backend) -> None:
        self._server = server
        self._client = client
        self._backend = backend
        if client.offers_models:
            backend.connect_editor(client.complete)
        documents = Documents(client)
        for document in client.workspace.text_documents.values():
            if document.uri.startswith("file:"):  # Opened before this session was there.
                documents.remember_uri(document.uri)
        self._documents = documents
        self._finding_store = FindingStore(self._findings_changed)
        offers = Offers(client, self._lenses_changed)
        self.runs = Runs(
            client, documents, backend, self._finding_store, offers, self._lenses_changed
        )
        self.configuration = Configuration(client)
        self.actions = Actions(client, documents, self._finding_store, self.runs)
        self.commands = Commands(
            client, documents, self.configuration, backend, self.runs, self._finding_store
        )

    async def close(self) -> None:
        """Ends every run and every process of ours."""
        await self.runs.stop()
        await self._backend.aclose()

    # Documents

    def document_changed(self, uri: str) -> None:
        """To be called after a document was opened, changed or closed."""
        if self._documents.open_text(uri) is not None and uri.startswith("file:"):
            before = self._documents.remember_uri(uri)
            if before != uri:
                self.runs.rename_uri(before, uri)
        self._documents.document_changed()
        # Findings move with their lines, and are gone when their line is.
        if uri in self._finding_store.uris() and not self._client.pulls_diagnostics:
            self._publish(uri)

    def diagnostics(self, uri: str) -> list[lsp.Diagnostic]:
        """The findings of a document, open or not; none for one that does not exist."""
        text = self._documents.open_text(uri)
        if text is not None and self._documents.short_text(uri) is None:
            return []
        if text is None:
            text = self._documents.disk_text(uri)
        if text is None and not self.runs.has_unopened_text(uri):
            return []
        text = self._finding_store.text_at_run(uri) if text is None else text
        uri_of = self.runs.uri_of
        return presentation.diagnostics(uri, text, self._finding_store, self._client, uri_of)

    def hover(self, uri: str, position: lsp.Position) -> lsp.Hover | None:
        """Explains the findings at a position, None where there are none."""
        text = self._documents.short_text(uri)
        if text is None or uri not in self._finding_store.uris():
            return None
        offer = next((o for o in self.runs.offers.all() if uri in o.uris()), None)
        title = offer.title if offer else ""
        return presentation.hover(uri, text, position, self._finding_store, self._client, title)

    def lenses(self, uri: str) -> list[lsp.CodeLens]:
        """The code lenses of an open file of generated tests."""
        text, state = self._documents.short_text(uri), self._finding_store.suites.get(uri)
        return [] if text is None or state is None else presentation.lenses(uri, text, state)

    # Telling the editor that something it shows is outdated

    def _findings_changed(self, uris: set[str]) -> None:
        if self._client.pulls_diagnostics:
            self._client.send(lsp.WORKSPACE_DIAGNOSTIC_REFRESH)
            return
        for uri in uris:
            self._publish(uri)

    def _publish(self, uri: str) -> None:
        found, version = self.diagnostics(uri), self._documents.version(uri)
        params = lsp.PublishDiagnosticsParams(uri, found, version=version)
        self._server.text_document_publish_diagnostics(params)

    def _lenses_changed(self) -> None:
        if self._client.can("workspace.code_lens.refresh_support"):
            self._client.send(lsp.WORKSPACE_CODE_LENS_REFRESH)
