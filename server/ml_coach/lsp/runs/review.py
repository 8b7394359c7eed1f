"""Patches that wait for the user's word: offered as quick fixes, and asked about where possible."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field
from hashlib import sha256

from lsprotocol import types as lsp

from ml_coach.core.patches import make_patch
from ml_coach.core.ports import Decision
from ml_coach.core.types import FileChange, Patch, PatchRefused
from ml_coach.lsp.client import Client
from ml_coach.lsp.documents.editor_workspace import EditorWorkspace
from ml_coach.lsp.documents.positions import edits_between
from ml_coach.lsp.documents.texts import ended_like, merged, plain
from ml_coach.lsp.runs.progress import Progress

# A dialogue may stay open for as long as the user is away; the quick fix stays anyway.
ASK_SECONDS = 3600.0
_HEAR_SECONDS = 5.0
_APPLY, _DISCARD = "Apply", "Discard"


@dataclass(slots=True, eq=False)
class Offer:
    """One patch of one run. `given` maps the digest of a text that the editor gets by applying a
    quick fix's own edit to the text before it."""

    patch_id: str
    run_id: str
    patch: Patch
    summary: str
    workspace: EditorWorkspace
    answer: asyncio.Future[Decision]
    given: dict[str, str] = field(default_factory=dict[str, str])

    @property
    def title(self) -> str:
        first = self.summary.strip().splitlines()[0] if self.summary.strip() else "a repair"
        return first if len(first) <= 70 else f"{first[:69]}…"

    def uris(self) -> list[str]:
        documents = self.workspace.documents
        return [documents.uri(self.workspace.place(change.file)) for change in self.patch.changes]


@dataclass(slots=True)
class Offers:
    """All open offers, by patch id. `changed` is called when one comes or goes."""

    client: Client
    changed: Callable[[], None]
    _open: dict[str, Offer] = field(default_factory=dict[str, Offer])
    _busy: set[str] = field(default_factory=set[str])
    _hearing: set[asyncio.Future[None]] = field(default_factory=set["asyncio.Future[None]"])

    def of_run(self, run_id: str) -> Offer | None:
        return next((offer for offer in self._open.values() if offer.run_id == run_id), None)

    def get(self, patch_id: str) -> Offer | None:
        return self._open.get(patch_id)

    def all(self) -> tuple[Offer, ...]:
        return tuple(self._open.values())

    async def wait(self, offer: Offer) -> Decision:
        """The user's answer, from wherever it comes first."""
        self._open[offer.patch_id] = offer
        self.changed()
        asking = asyncio.ensure_future(self._ask(offer)) if self.client.asks_for_patches else None
        try:
            return await offer.answer
        finally:
            del self._open[offer.patch_id]
            self.changed()
            if asking is not None and asking is not asyncio.current_task():
                asking.cancel()

    async def _ask(self, offer: Offer) -> None:
        question = f"{offer.title} (the patch for {', '.join(c.file for c in offer.patch.changes)})"
        chosen = await self.client.choose(question, (_APPLY, _DISCARD), ASK_SECONDS)
        if chosen == _APPLY:
            if reason := await self.apply(offer.patch_id):
                self.client.tell(reason, warning=True)
        elif chosen == _DISCARD:
            self.discard(offer.patch_id)

    def edit(self, offer: Offer) -> lsp.WorkspaceEdit | None:
        """What applying the patch does to the documents as they are now; None where it can not.

        Pure: no model is asked and nothing is changed.
        """
        edits: dict[str, list[lsp.TextEdit]] = {}
        documents = offer.workspace.documents
        for change in offer.patch.changes:
            uri = documents.uri(offer.workspace.place(change.file))
            now = documents.open_text(uri)
            after = None if now is None else _fitted(offer.patch, change.file, now)
            if now is None or not isinstance(after, str):
                return None
            shown = ended_like(now, after)
            offer.given[_digest(shown)] = now
            edits[uri] = edits_between(now, shown, self.client.codec)
        if not self.client.versions_edits:
            return lsp.WorkspaceEdit(changes=edits)
        return lsp.WorkspaceEdit(
            document_changes=[
                lsp.TextDocumentEdit(
                    lsp.OptionalVersionedTextDocumentIdentifier(uri, documents.version(uri)), edit
                )
                for uri, edit in edits.items()
            ]
        )

    async def apply(self, patch_id: str, *, edited: bool = False) -> str:
        """Puts the patch into the files and lets the run go on. Empty, or why it was not done.

        `edited` says that the editor applied the quick fix's own edit. Where that has not been
        heard of yet this returns at once: eglot tells of a change only after its command ended.
        """
        offer = self._open.get(patch_id)
        if offer is None or patch_id in self._busy or offer.answer.done():
            return "That patch does not wait any more."
        self._busy.add(patch_id)
        if edited and not self._heard(offer):
            self._hearing.add(task := asyncio.ensure_future(self._hear_and_apply(offer)))
            task.add_done_callback(self._hearing.discard)
            return ""
        return await self._apply_once(offer)

    def _heard(self, offer: Offer) -> bool:
        texts = [offer.workspace.documents.open_text(uri) for uri in offer.uris()]
        return all(text is not None and _digest(text) in offer.given for text in texts)

    async def _hear_and_apply(self, offer: Offer) -> None:
        await offer.workspace.documents.wait_until(lambda: self._heard(offer), _HEAR_SECONDS)
        if reason := await self._apply_once(offer):
            self.client.tell(reason, warning=True)

    async def _apply_once(self, offer: Offer) -> str:
        try:
            return await self._apply(offer)
        finally:
            self._busy.discard(offer.patch_id)

    async def _apply(self, offer: Offer) -> str:
        workspace = offer.workspace
        before = {change.file: change.before for change in offer.patch.changes}
        after: dict[str, str | None] = {}
        for change in offer.patch.changes:
            now = await workspace.read(change.file)
            if now is not None and (known := offer.given.get(_digest(now))) is not None:
                # The editor applied the quick fix's edit by itself.
                workspace.adopt(FileChange(change.file, known, now))
                after[change.file] = plain(now)
                continue
            fitted = _fitted(offer.patch, change.file, now)
            if isinstance(fitted, PatchRefused):
                return f"{fitted.reason} The patch was not applied."
            after[change.file] = fitted
            # From here on the run's change is against what the user sees.
            workspace.known[change.file] = now
        try:
            await workspace.write(after)
        except OSError as error:
            return str(error)
        if not offer.answer.done():
            wanted = {change.file: plain(change.after) for change in offer.patch.changes}
            edited = None if after == wanted else make_patch(before, after)
            offer.answer.set_result(Decision("apply", edited))
        return ""

    def discard(self, patch_id: str) -> str:
        """Tells the run that the user does not want the patch. Empty, or why it was not done."""
        offer = self._open.get(patch_id)
        if offer is None or patch_id in self._busy or offer.answer.done():
            return "That patch does not wait any more."
        offer.answer.set_result(Decision("discard"))
        return ""


@dataclass(slots=True)
class EditorReviewer:
    """Implements `core.ports.Reviewer` for one run. With `apply_all` it asks no more."""

    offers: Offers
    workspace: EditorWorkspace
    run_id: str
    progress: Progress
    apply_all: bool = False

    async def decide(self, patch: Patch, summary: str) -> Decision:
        if self.apply_all:
            return Decision("apply")
        self.progress.say("waiting for your decision on a patch")
        answer: asyncio.Future[Decision] = asyncio.get_running_loop().create_future()
        offer = Offer(
            patch_id(self.run_id, patch), self.run_id, patch, summary, self.workspace, answer
        )
        return await self.offers.wait(offer)


def patch_id(run_id: str, patch: Patch) -> str:
    """Two runs may offer the same patch, each for itself."""
    return f"{run_id}/{patch.id}"


def _fitted(patch: Patch, file: str, now: str | None) -> str | PatchRefused | None:
    """`file` after the patch, moved onto its present text; with plain line feeds."""
    (change,) = (c for c in patch.changes if c.file == file)
    return merged(plain(change.before), plain(change.after), plain(now), file)


def _digest(text: str) -> str:
    return sha256(text.encode("utf-8", "surrogatepass")).hexdigest()
