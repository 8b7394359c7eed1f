"""Everything that works for one editor, put together. Made after `initialize` was answered."""

from __future__ import annotations

import asyncio

from lsprotocol import types as lsp
from pygls.exceptions import JsonRpcException
from pygls.lsp.server import LanguageServer

from ml_coach.lsp.backend import Backend
from ml_coach.lsp.client import Client
from ml_coach.lsp.commands.actions import Actions
from ml_coach.lsp.commands.arguments import OneRun
from ml_coach.lsp.commands.handlers import Commands
from ml_coach.lsp.configuration import Configuration
from ml_coach.lsp.documents.documents import Documents
from ml_coach.lsp.runs import presentation
from ml_coach.lsp.runs.active_runs import ENDED_IN_ITS_MIDST, ENDED_WITH_SERVER, Runs
from ml_coach.lsp.runs.finding_store import FindingStore
from ml_coach.lsp.runs.review import Offers

_RESUME = "Resume"
_ASK_SECONDS = 600.0


class Session:
    """The parts behind the server's requests; `close` ends them."""

    def __init__(self, server: LanguageServer, client: Client, backend: Backend) -> None:
        self._server = server
        self._client = client
        self._backend = backend
        self._offering: asyncio.Future[None] | None = None
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
        for uri in [document.uri for document in client.workspace.text_documents.values()]:
            self.actions.document_changed(uri)
        self.commands = Commands(
            client, documents, self.configuration, backend, self.runs, self._finding_store
        )

    async def close(self) -> None:
        """Ends every run and every process of ours."""
        if self._offering is not None:
            self._offering.cancel()
        self.actions.close()
        await self.runs.stop(reason=ENDED_WITH_SERVER)
        await self._backend.aclose()

    # A run that ended with the server before this one

    def offer_to_resume(self) -> None:
        """Tells the user of a run that ended with the last server; returns at once."""
        self._offering = asyncio.ensure_future(self._offer_to_resume())

    async def _offer_to_resume(self) -> None:
        runs = self.runs
        newest = await asyncio.to_thread(self._backend.run_log.latest, 1)
        if not newest or runs.active:
            return
        reason = runs.reason_of(newest[0])
        if reason not in (ENDED_WITH_SERVER, ENDED_IN_ITS_MIDST):
            return
        run_id, program_file = newest[0].run_id, newest[0].request.program_file
        if runs.change_log(run_id).root not in self._client.roots:
            return
        runs.resumable = run_id
        told = f"{program_file}: {reason}"
        # In editors whose own client listens to events a question is no modal window.
        if not (self._client.shows_patches and self._client.asks_questions):
            told += ' "Resume ML Coach run" among the code actions goes on with it.'
            self._client.show_message(told)
        elif await self._client.ask(told, (_RESUME,), _ASK_SECONDS) == _RESUME:
            try:
                await self.commands.starting.resume(OneRun(run_id=run_id))
            except JsonRpcException as error:
                self._client.show_message(str(error), warning=True)

    # Documents

    def document_changed(self, uri: str) -> None:
        """To be called after a document was opened, changed or closed."""
        if self._documents.open_text(uri) is not None and uri.startswith("file:"):
            before = self._documents.remember_uri(uri)
            if before != uri:
                self.runs.rename_uri(before, uri)
        self._documents.document_changed()
        self.actions.document_changed(uri)
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
