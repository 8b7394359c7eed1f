"""Code actions: every way to start, and the waiting patches. No model is asked here, ever."""

from __future__ import annotations

from typing import Any

from lsprotocol import types as lsp

from ml_coach.lsp.client import Client, member
from ml_coach.lsp.documents.documents import Documents
from ml_coach.lsp.documents.positions import Text, overlaps
from ml_coach.lsp.documents.stubs import Stub, prompt_at, stubs_in
from ml_coach.lsp.runs.active_runs import Runs
from ml_coach.lsp.runs.finding_store import FindingStore
from ml_coach.lsp.runs.presentation import diagnostic
from ml_coach.lsp.runs.review import Offer, Offers

_WRITE_TESTS = "source.mlCoach.writeTests"
_DEBUG = "source.mlCoach.debug"
_UNDO = "source.mlCoach.undo"


class Actions:
    def __init__(
        self, client: Client, documents: Documents, finding_store: FindingStore, runs: Runs
    ) -> None:
        self._client = client
        self._documents = documents
        self._finding_store = finding_store
        self._runs = runs
        self._stubs: dict[str, tuple[str, tuple[Stub, ...]]] = {}

    @property
    def _offers(self) -> Offers:
        return self._runs.offers

    def at(self, params: lsp.CodeActionParams) -> list[lsp.CodeAction]:
        uri = params.text_document.uri
        text = self._documents.open_text(uri)
        if text is None:
            return []
        lines = Text.of(text, self._client.codec)
        found = self._patches(uri, text, lines, params.range)
        found += self._from_text(uri, text, lines, params.range)
        if uri.endswith(".py"):
            found += self._whole_file(uri, text)
        only = [getattr(kind, "value", kind) for kind in params.context.only or ()]
        return [action for action in found if _wanted(action, only)]

    def resolve(self, action: lsp.CodeAction) -> lsp.CodeAction:
        """Adds the edit to a patch's action; others, also without data, come back unchanged."""
        offer = self._offers.get(str(member(action.data, "patchId")))
        if offer is not None and action.edit is None:
            action.edit = self._offers.edit(offer)
        return action

    # Patches

    def _patches(self, uri: str, text: str, lines: Text, place: lsp.Range) -> list[lsp.CodeAction]:
        found: list[lsp.CodeAction] = []
        for offer in self._offers.all():
            about = self._about(offer, uri, text, lines, place)
            if about or uri in offer.uris():
                found += [self._apply(offer, about), self._discard(offer, about)]
        return found

    def _about(
        self, offer: Offer, uri: str, text: str, lines: Text, place: lsp.Range
    ) -> list[lsp.Diagnostic]:
        """The run's findings at the place where the user asks."""
        found = [
            diagnostic(pin, at, lines, self._client, self._runs.uri_of)
            for pin, at in self._finding_store.of(uri, text)
            if pin.run_id == offer.run_id
        ]
        return [d for d in found if overlaps(d.range, place)]

    def _apply(self, offer: Offer, about: list[lsp.Diagnostic]) -> lsp.CodeAction:
        edit = self._offers.edit(offer)
        argument = {"patchId": offer.patch_id, "edited": edit is not None}
        return lsp.CodeAction(
            title=f"Apply ML Coach patch: {offer.title}",
            kind=lsp.CodeActionKind.QuickFix,
            diagnostics=about or None,
            is_preferred=True,
            # A client that can not resolve would apply nothing, silently (eglot 1.9).
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

    # What the text at the cursor asks for

    def _from_text(
        self, uri: str, text: str, lines: Text, place: lsp.Range
    ) -> list[lsp.CodeAction]:
        found: list[lsp.CodeAction] = []
        prompt = prompt_at(list(lines.lines), place.start.line)
        stub = self._stub_at(uri, text, place.start.line + 1)
        if not prompt and stub is None and place.start != place.end:
            prompt = lines.between(place).strip()
        if prompt:
            command = _command("Generate", "generate", prompt=prompt, documentUri=uri)
            found.append(_rewrite("Generate with ML Coach", command))
        if stub is not None and uri.endswith(".py"):
            command = _command("Implement", "implement", uri=uri, function=stub.name)
            found.append(_rewrite("Implement with ML Coach", command))
        return found

    def _stub_at(self, uri: str, text: str, line: int) -> Stub | None:
        known, stubs = self._stubs.get(uri, ("", ()))
        if known != text:
            # Editors ask at every move of the cursor; a text is parsed once.
            self._stubs = {
                u: kept for u, kept in self._stubs.items() if self._documents.open_text(u)
            }
            self._stubs[uri] = text, (stubs := stubs_in(text))
        return next((stub for stub in stubs if stub.first <= line <= stub.last), None)

    def _whole_file(self, uri: str, text: str) -> list[lsp.CodeAction]:
        found: list[lsp.CodeAction] = []
        is_test = uri.rsplit("/", 1)[-1].startswith("test_")
        if text.strip() and not is_test:
            found.append(_source("Write tests", _WRITE_TESTS, "writeTests", uri=uri))
            found.append(_source("Debug this file", _DEBUG, "debug", uri=uri))
        if run_id := self._runs.latest.get(uri):
            verb = "Redo" if run_id in self._runs.undone else "Undo"
            found.append(_source(f"{verb} ML Coach run", _UNDO, "undoRun", runId=run_id))
        return found


def _command(title: str, name: str, **argument: Any) -> lsp.Command:
    return lsp.Command(title, f"mlCoach.{name}", arguments=[argument])


def _rewrite(title: str, command: lsp.Command) -> lsp.CodeAction:
    return lsp.CodeAction(title, lsp.CodeActionKind.RefactorRewrite, command=command)


def _source(title: str, kind: str, name: str, **argument: Any) -> lsp.CodeAction:
    return lsp.CodeAction(title, kind, command=_command(title, name, **argument))


def _wanted(action: lsp.CodeAction, only: list[str]) -> bool:
    kind = str(getattr(action.kind, "value", action.kind))
    return not only or any(k == "" or kind == k or kind.startswith(f"{k}.") for k in only)
