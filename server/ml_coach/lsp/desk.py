"""Everything that works for the editor, put together. Made after `initialize` was answered."""

from __future__ import annotations

from functools import partial
from typing import Any

from lsprotocol import types as lsp
from pygls.lsp.server import LanguageServer

from ml_coach.lsp import present
from ml_coach.lsp.actions import Actions
from ml_coach.lsp.board import Board
from ml_coach.lsp.client import Client
from ml_coach.lsp.commands import Commands
from ml_coach.lsp.completion import complete
from ml_coach.lsp.configuration import Configuration
from ml_coach.lsp.parts import Parts
from ml_coach.lsp.places import Places
from ml_coach.lsp.review import Offers
from ml_coach.lsp.runs import Runs


class Desk:
    def __init__(self, server: LanguageServer, client: Client, parts: Parts) -> None:
        self._server = server
        self._client = client
        self._parts = parts
        if client.completes:
            self._parts.connect_editor(partial(complete, server, client))
        self.places = Places(client)
        self._board = Board(self._findings_changed)
        offers = Offers(client, self._lenses_changed)
        self.runs = Runs(
            client, self.places, self._parts, self._board, offers, self._lenses_changed
        )
        self.configuration = Configuration(client, self.places, self._parts)
        self.actions = Actions(client, self.places, self._board, self.runs)
        commands = Commands(client, self.places, self.configuration, self._parts, self.runs)
        self.commands = commands.table()

    async def close(self) -> None:
        """Ends every run and every process of ours."""
        await self.runs.stop()
        await self._parts.aclose()

    # Documents

    def document_changed(self, uri: str) -> None:
        if self.places.open_text(uri) is not None and uri.startswith("file:"):
            before = self.places.spelt(uri)
            if before != uri:
                self.runs.respell(before, uri)
        self.places.document_changed()
        # Findings move with their lines, and go with them.
        if uri in self._board.uris() and not self._client.pulls_diagnostics:
            self._publish(uri)

    def diagnostics(self, uri: str) -> list[lsp.Diagnostic]:
        text = self.places.open_text(uri)
        if text is None:
            text = self.places.disk_text(uri)
        if text is None and not self.runs.holds(uri):
            return []
        text = self._board.text_at_run(uri) if text is None else text
        return present.diagnostics(uri, text, self._board, self._client, self.runs.uri_of)

    def hover(self, uri: str, position: lsp.Position) -> lsp.Hover | None:
        text = self.places.open_text(uri)
        if text is None or uri not in self._board.uris():
            return None
        waiting = next((o for o in self.runs.offers.all() if uri in o.uris()), None)
        title = waiting.title if waiting else ""
        return present.hover(uri, text, position, self._board, self._client, title)

    def lenses(self, uri: str) -> list[lsp.CodeLens]:
        text, state = self.places.open_text(uri), self._board.suites.get(uri)
        return [] if text is None or state is None else present.lenses(uri, text, state)

    # Telling the editor that something it shows is old

    def _findings_changed(self, uris: set[str]) -> None:
        if self._client.pulls_diagnostics:
            self._client.send(lsp.WORKSPACE_DIAGNOSTIC_REFRESH)
            return
        for uri in uris:
            self._publish(uri)

    def _publish(self, uri: str) -> None:
        found, version = self.diagnostics(uri), self.places.version(uri)
        params: Any = lsp.PublishDiagnosticsParams(uri, found, version=version)
        self._server.text_document_publish_diagnostics(params)

    def _lenses_changed(self) -> None:
        if self._client.can("workspace.code_lens.refresh_support"):
            self._client.send(lsp.WORKSPACE_CODE_LENS_REFRESH)
