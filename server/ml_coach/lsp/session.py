"""Everything that works for one editor, put together. Made after `initialize` was answered."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

from lsprotocol import types as lsp
from pygls.exceptions import JsonRpcException
from pygls.lsp.server import LanguageServer

from ml_coach.lsp.backend import Backend, PastRun
from ml_coach.lsp.client import Client
from ml_coach.lsp.commands.actions import Actions
from ml_coach.lsp.commands.arguments import OneRun
from ml_coach.lsp.commands.handlers import Commands
from ml_coach.lsp.configuration import Configuration
from ml_coach.lsp.documents.documents import Documents, WorkspaceFile
from ml_coach.lsp.documents.positions import Text, split
from ml_coach.lsp.runs import presentation
from ml_coach.lsp.runs.active_runs import ENDED_IN_ITS_MIDST, ENDED_WITH_SERVER, Runs
from ml_coach.lsp.runs.audits import Audits
from ml_coach.lsp.runs.finding_store import FindingStore
from ml_coach.lsp.runs.open_questions import OpenQuestion, OpenQuestions
from ml_coach.lsp.runs.review import Offers

_RESUME = "Resume"
_ASK_SECONDS = 600.0
# How many of the newest runs may have left a question open that is still shown.
_LOOKED_AT = 10


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
        questions = OpenQuestions(self._question_changed)
        self.runs = Runs(
            client, documents, backend, self._finding_store, offers, questions,
            self._lenses_changed,
        )  # fmt: skip
        backend.show(self.runs.shown_below)
        self.configuration = Configuration(client)
        self.audits = Audits(
            client, documents, backend, self._findings_changed, self._lenses_changed
        )
        self.actions = Actions(client, documents, self._finding_store, self.runs, self.audits)
        for uri in [document.uri for document in client.workspace.text_documents.values()]:
            self.actions.document_changed(uri)
        self.commands = Commands(
            client, documents, self.configuration, backend, self.runs, self._finding_store,
            self.audits,
        )  # fmt: skip

    async def close(self) -> None:
        """Ends every run and every process of ours."""
        if self._offering is not None:
            self._offering.cancel()
        self.actions.close()
        await self.audits.stop()
        await self.runs.stop(reason=ENDED_WITH_SERVER)
        await self._backend.aclose()

    # A run that ended with the server before this one

    def offer_to_resume(self) -> None:
        """Tells the user of a run that ended with the last server; returns at once."""
        self._offering = asyncio.ensure_future(self._offer_to_resume())

    async def _offer_to_resume(self) -> None:
        runs = self.runs
        newest = await asyncio.to_thread(self._backend.run_log.latest, _LOOKED_AT)
        for uri, question in await asyncio.to_thread(self._left_open, newest):
            runs.questions.show(uri, question)
        if not newest or runs.active:
            return
        reason = runs.reason_of(newest[0])
        if reason not in (ENDED_WITH_SERVER, ENDED_IN_ITS_MIDST):
            return
        run_id, subject = newest[0].run_id, newest[0].request.subject
        if runs.change_log(run_id).root not in self._client.roots:
            return
        runs.resumable = run_id
        told = f"{subject}: {reason}"
        # In editors whose own client listens to events a question is no modal window.
        if not (self._client.shows_patches and self._client.asks_questions):
            told += ' "Resume ML Coach run" among the code actions goes on with it.'
            self._client.show_message(told)
        elif await self._client.ask(told, (_RESUME,), _ASK_SECONDS) == _RESUME:
            try:
                await self.commands.starting.resume(OneRun(run_id=run_id))
            except JsonRpcException as error:
                self._client.show_message(str(error), warning=True)

    def _left_open(self, newest: Sequence[PastRun]) -> list[tuple[str, OpenQuestion]]:
        """The questions that runs of earlier servers left open, by their programs' URIs."""
        found: dict[str, OpenQuestion | None] = {}
        for run in newest:
            change_log = self.runs.change_log(run.run_id)
            root = change_log.root
            is_cut = run.outcome in ("stopped", "failed") and run.question is None
            if root not in self._client.roots or is_cut:
                continue
            uri = self._documents.uri(WorkspaceFile(root, run.request.program_file))
            # Of the runs on one program only the last that was not undone says what is open.
            if uri not in found and change_log.last_action(lambda change: True).action != "undo":
                found[uri] = OpenQuestion(run.run_id, run.question) if run.question else None
        return [(uri, asked) for uri, asked in found.items() if asked is not None]

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
        has_some = uri in self._finding_store.uris() or self.runs.questions.at(uri)
        has_some = has_some or self.audits.knows(uri)
        if has_some and not self._client.pulls_diagnostics:
            self._publish(uri)

    def diagnostics(self, uri: str) -> list[lsp.Diagnostic]:
        """The findings of a document, open or not, and the question about it; none for one that
        does not exist."""
        text = self._documents.open_text(uri)
        if text is not None and self._documents.short_text(uri) is None:
            return []
        if text is None:
            text = self._documents.disk_text(uri)
        if text is None and not self.runs.has_unopened_text(uri):
            return []
        text = self._finding_store.text_at_run(uri) if text is None else text
        uri_of = self.runs.uri_of
        found = presentation.diagnostics(uri, text, self._finding_store, self._client, uri_of)
        if asked := self.runs.questions.at(uri):
            lines = Text.of(text, self._client.codec)
            question = presentation.question_diagnostic(asked, lines)
            found += [question] if question else []
        return found + self.audits.diagnostics(uri, text)

    def hover(self, uri: str, position: lsp.Position) -> lsp.Hover | None:
        """Explains the findings at a position, None where there are none."""
        text = self._documents.short_text(uri)
        if text is None or uri not in self._finding_store.uris():
            return None
        offer = next((o for o in self.runs.offers.all() if uri in o.uris()), None)
        title = offer.title if offer else ""
        return presentation.hover(uri, text, position, self._finding_store, self._client, title)

    def lenses(self, uri: str) -> list[lsp.CodeLens]:
        """The code lenses of an open file: over generated tests, and over the function that an
        open question is about."""
        text, state = self._documents.short_text(uri), self._finding_store.suites.get(uri)
        if text is None:
            return []
        found = presentation.lenses(uri, text, state) if state else []
        if asked := self.runs.questions.at(uri):
            lens = presentation.question_lens(asked, split(text))
            found += [lens] if lens else []
        if audit := self.audits.lens(uri, uri.rpartition("/")[2]):
            found.append(audit)
        return found

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

    def _question_changed(self, uri: str) -> None:
        self._findings_changed({uri})
        self._lenses_changed()

    def _lenses_changed(self) -> None:
        if self._client.can("workspace.code_lens.refresh_support"):
            self._client.send(lsp.WORKSPACE_CODE_LENS_REFRESH)
