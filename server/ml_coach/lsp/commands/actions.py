"""Code actions: every way to start a run, and the waiting patches. None of them asks a model."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Any

from lsprotocol import types as lsp

from ml_coach.core.project import is_tests
from ml_coach.core.python.stubs import LONGEST_PARSED, Stub, stub_around, stubs_in
from ml_coach.core.python.tests_at import test_at
from ml_coach.lsp.client import Client
from ml_coach.lsp.documents.documents import Documents
from ml_coach.lsp.documents.positions import Text, overlaps
from ml_coach.lsp.documents.prompt_comments import prompt_at
from ml_coach.lsp.protocol import member, shown
from ml_coach.lsp.runs.active_runs import Runs
from ml_coach.lsp.runs.audits import QUESTION, Audits
from ml_coach.lsp.runs.finding_store import FindingStore
from ml_coach.lsp.runs.presentation import diagnostic, question_diagnostic
from ml_coach.lsp.runs.review import Offer, Offers

_WRITE_TESTS = "source.mlCoach.writeTests"
_DEBUG = "source.mlCoach.debug"
_AUDIT = "source.mlCoach.auditTests"
_UNDO = "source.mlCoach.undo"
_FIX = "source.mlCoach.fix"
_STOP = "source.mlCoach.stop"
_RESUME = "source.mlCoach.resume"

# Between two documents that are read ahead, requests are answered.
_PAUSE_SECONDS = 0.005


class Actions:
    """What the editor offers at a position of a document."""

    def __init__(
        self,
        client: Client,
        documents: Documents,
        finding_store: FindingStore,
        runs: Runs,
        audits: Audits,
    ) -> None:
        self._client = client
        self._documents = documents
        self._finding_store = finding_store
        self._runs = runs
        self._audits = audits
        self._stubs: dict[str, tuple[str, tuple[Stub, ...]]] = {}
        self._unread: dict[str, None] = {}
        self._reading: asyncio.Future[None] | None = None

    def document_changed(self, uri: str) -> None:
        """To be called after a document was opened, changed or closed; returns at once."""
        if self._documents.open_text(uri) is None:
            self._stubs.pop(uri, None)
            self._documents.forget_lines(uri)
        elif uri not in self._stubs:
            self._unread[uri] = None
            if self._reading is None or self._reading.done():
                self._reading = asyncio.ensure_future(self._read_ahead())

    async def _read_ahead(self) -> None:
        """Reads documents that were opened, before anybody asks. An editor may open hundreds at
        once; read at the first request for each, they would keep the requests waiting."""
        while self._unread:
            await asyncio.sleep(_PAUSE_SECONDS)
            uri = next(iter(self._unread))
            del self._unread[uri]
            text = self._documents.open_text(uri)
            if text is not None and uri.endswith(".py") and len(text) <= LONGEST_PARSED:
                self._documents.lines(uri, text)
                self._stubs_in(uri, text)

    def close(self) -> None:
        """Ends what is done ahead."""
        if self._reading is not None:
            self._reading.cancel()

    @property
    def _offers(self) -> Offers:
        return self._runs.offers

    def at(self, params: lsp.CodeActionParams) -> list[lsp.CodeAction]:
        """The code actions at a range, of the kinds that the editor asks for."""
        uri = params.text_document.uri
        text, found = self._documents.open_text(uri), self._stop_or_resume()
        only = [getattr(kind, "value", kind) for kind in params.context.only or ()]
        if text is not None:
            found += self._in_text(uri, text, params.range)
        return [action for action in found if _is_of_kind(action, only)]

    def _in_text(self, uri: str, text: str, selection: lsp.Range) -> list[lsp.CodeAction]:
        if self._documents.short_text(uri) is None:
            return self._patches(uri) + self._undo(uri)
        lines = self._documents.lines(uri, text)
        found = self._patches(uri, self._findings_at(uri, text, lines, selection))
        found += self._answers(uri, lines, selection)
        found += self._from_text(uri, text, lines, selection)
        found += self._audits.new_tests(uri, text, selection)
        found += self._test_at(uri, lines, selection.start.line + 1)
        if uri.endswith(".py"):
            found += self._whole_file(uri, text)
        return found + self._undo(uri)

    def _stop_or_resume(self) -> list[lsp.CodeAction]:
        """In every document: many editors have no other way to stop a run, or to go on with it."""
        runs = [run for run in self._runs.active.values() if not run.view.over]
        if not runs and (run_id := self._runs.resumable):
            return [_source("Resume ML Coach run", _RESUME, "resume", runId=run_id)]
        title = "Stop ML Coach run"
        return [
            _source(
                title if len(runs) == 1 else f"{title}: {run.progress.title}",
                _STOP, "stop", runId=run.run_id,
            )
            for run in runs
        ]  # fmt: skip

    def resolve(self, action: lsp.CodeAction) -> lsp.CodeAction:
        """Adds the edit to a patch's action. Others, also those without data, stay unchanged."""
        offer = self._offers.get(str(member(action.data, "patchId")))
        if offer is not None and action.edit is None:
            action.edit = offer.edit()
        return action

    # Patches

    def _patches(
        self, uri: str, findings: Sequence[tuple[str, lsp.Diagnostic]] = ()
    ) -> list[lsp.CodeAction]:
        """`findings` are those where the user asks, each with its run."""
        found: list[lsp.CodeAction] = []
        for offer in self._offers.all():
            about = [diagnostic for run_id, diagnostic in findings if run_id == offer.run_id]
            if about or uri in offer.uris():
                found += [self._apply(offer, about), self._discard(offer, about)]
        return found

    def _findings_at(
        self, uri: str, text: str, lines: Text, selection: lsp.Range
    ) -> list[tuple[str, lsp.Diagnostic]]:
        found = [
            (tracked.run_id, diagnostic(tracked, at, lines, self._client, self._runs.uri_of))
            for tracked, at in self._finding_store.of(uri, text)
        ]
        return [(run_id, d) for run_id, d in found if overlaps(d.range, selection)]

    def _apply(self, offer: Offer, about: list[lsp.Diagnostic]) -> lsp.CodeAction:
        edit = offer.edit()
        argument = {"patchId": offer.patch_id, "edited": edit is not None}
        return lsp.CodeAction(
            title=f"Apply ML Coach patch: {offer.title}",
            kind=lsp.CodeActionKind.QuickFix,
            diagnostics=about or None,
            is_preferred=True,
            # A client that cannot resolve would silently apply nothing (eglot 1.9).
            edit=None if self._client.resolves_edits else edit,
            command=_command("Apply", "applyPatch", **argument),
            data={"patchId": offer.patch_id},
        )

    def _discard(self, offer: Offer, about: list[lsp.Diagnostic]) -> lsp.CodeAction:
        return lsp.CodeAction(
            title="Discard ML Coach patch",
            kind=lsp.CodeActionKind.QuickFix,
            diagnostics=about or None,
            command=_command("Discard", "discardPatch", patchId=offer.patch_id),
        )

    # A run's question

    def _answers(self, uri: str, lines: Text, selection: lsp.Range) -> list[lsp.CodeAction]:
        """One for each answer, anywhere in the function that the question is about."""
        asked = self._runs.questions.at(uri)
        place = asked and asked.place(lines.lines)
        if asked is None or place is None:
            return []
        if selection.end.line < place[0] or selection.start.line > place[1]:
            return []
        about = question_diagnostic(asked, lines)
        answers = asked.titles()
        if self._client.shows_questions:
            answers.append(("Something else…", {"runId": asked.run_id}))
        return [
            lsp.CodeAction(
                title=f"Answer ML Coach: {shown(title)}",
                kind=lsp.CodeActionKind.QuickFix,
                diagnostics=[about] if about else None,
                command=_command("Answer", "answer", **argument),
            )
            for title, argument in answers
        ]

    # Runs that the text at the cursor can start

    def _from_text(
        self, uri: str, text: str, lines: Text, selection: lsp.Range
    ) -> list[lsp.CodeAction]:
        found: list[lsp.CodeAction] = []
        prompt = prompt_at(lines.lines, selection.start.line)
        stub = self._stub_at(uri, text, lines, selection.start.line + 1)
        if not prompt and stub is None and selection.start != selection.end:
            prompt = lines.between(selection).strip()
        if prompt:
            command = _command("Generate", "generate", prompt=prompt, documentUri=uri)
            found.append(_rewrite("Generate with ML Coach", command))
        if stub is not None:
            command = _command("Implement", "implement", uri=uri, function=stub.name)
            found.append(_rewrite("Implement with ML Coach", command))
        return found

    def _stub_at(self, uri: str, text: str, lines: Text, line: int) -> Stub | None:
        if not uri.endswith(".py"):
            return None
        if len(text) > LONGEST_PARSED:
            return stub_around(lines.lines, line)
        found = self._stubs_in(uri, text)
        return next((stub for stub in found if stub.first <= line <= stub.last), None)

    def _stubs_in(self, uri: str, text: str) -> tuple[Stub, ...]:
        known, stubs = self._stubs.get(uri, ("", ()))
        if known is not text:
            # Editors ask at every move of the cursor, so a text is parsed only once.
            self._stubs[uri] = text, (stubs := stubs_in(text))
        return stubs

    def _test_at(self, uri: str, lines: Text, line: int) -> list[lsp.CodeAction]:
        test = test_at(lines.lines, line) if is_tests(uri) else ""
        if not test:
            return []
        command = _command("Fix", "fix", uri=uri, test=test)
        return [_rewrite(f"Fix failing test with ML Coach: {shown(test)}", command)]

    def _whole_file(self, uri: str, text: str) -> list[lsp.CodeAction]:
        found: list[lsp.CodeAction] = []
        if text.strip() and is_tests(uri):
            found.append(_source("Fix failing tests with ML Coach", _FIX, "fix", uri=uri))
            found.append(_source(QUESTION, _AUDIT, "auditTests", uri=uri))
        elif text.strip():
            found.append(_source("Write tests", _WRITE_TESTS, "writeTests", uri=uri))
            found.append(_source("Debug this file", _DEBUG, "debug", uri=uri))
        return found

    def _undo(self, uri: str) -> list[lsp.CodeAction]:
        run_id = self._runs.latest.get(uri)
        if run_id is None:
            return []
        verb = "Redo" if run_id in self._runs.undone else "Undo"
        return [_source(f"{verb} ML Coach run", _UNDO, "undoRun", runId=run_id)]


def _command(title: str, name: str, **argument: Any) -> lsp.Command:
    return lsp.Command(title, f"mlCoach.{name}", arguments=[argument])


def _rewrite(title: str, command: lsp.Command) -> lsp.CodeAction:
    return lsp.CodeAction(title, lsp.CodeActionKind.RefactorRewrite, command=command)


def _source(title: str, kind: str, name: str, **argument: Any) -> lsp.CodeAction:
    return lsp.CodeAction(title, kind, command=_command(title, name, **argument))


def _is_of_kind(action: lsp.CodeAction, only: list[str]) -> bool:
    kind = str(getattr(action.kind, "value", action.kind))
    return not only or any(k == "" or kind == k or kind.startswith(f"{k}.") for k in only)
