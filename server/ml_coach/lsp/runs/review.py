"""Patches that wait for the user's decision: offered as quick fixes, and by a dialogue."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from hashlib import sha256

from lsprotocol import types as lsp

from ml_coach.core.changes import FileChange, Patch, PatchRefused
from ml_coach.core.patches import make_patch
from ml_coach.core.ports import Decision
from ml_coach.core.question import Answer, Question
from ml_coach.lsp.client import Client
from ml_coach.lsp.documents.editor_workspace import EditorWorkspace
from ml_coach.lsp.documents.positions import edits_between
from ml_coach.lsp.protocol import shown
from ml_coach.lsp.runs.open_questions import ask_user
from ml_coach.lsp.runs.progress import Progress
from ml_coach.text_merging import merged, plain, with_line_ends_of

# A dialogue may stay open for as long as the user is away; the quick fix stays anyway.
ASK_SECONDS = 3600.0
_OWN_EDIT_SECONDS = 5.0
_APPLY, _DISCARD = "Apply", "Discard"
_NOT_WAITING = "That patch does not wait any more."


@dataclass(slots=True, eq=False)
class Offer:
    """One patch of one run, with the future of the user's decision.

    `edited_texts` recognises an edit that the editor applied by itself: it maps the digest of the
    text after a quick fix's own edit to the text before it.
    """

    patch_id: str
    run_id: str
    patch: Patch
    summary: str
    workspace: EditorWorkspace
    decision: asyncio.Future[Decision]
    edited_texts: dict[str, str] = field(default_factory=dict[str, str])

    @property
    def title(self) -> str:
        """The summary's first line, at most 70 characters."""
        summary = shown(self.summary).strip()
        first = summary.splitlines()[0] if summary else "a repair"
        return first if len(first) <= 70 else f"{first[:69]}…"

    def uris(self) -> list[str]:
        """The URIs of the patch's files."""
        return [self.workspace.uri(change.file) for change in self.patch.changes]

    def edit(self) -> lsp.WorkspaceEdit | None:
        """The edit that applies the patch to the open documents as they are now; None where it
        cannot, or none is open. Files that are not open are changed on disk, by the command.

        No model is asked and no document is changed.
        """
        edits: dict[str, list[lsp.TextEdit]] = {}
        documents, client = self.workspace.documents, self.workspace.client
        for change in self.patch.changes:
            now = self.workspace.open_text(change.file)
            if now is None:
                continue
            after = _applied(change, now)
            if not isinstance(after, str):
                return None
            shown = with_line_ends_of(now, after)
            self._expect(FileChange(change.file, now, shown))
            edits[self.workspace.uri(change.file)] = edits_between(now, shown, client.codec)
        if not edits:
            return None
        if not client.versions_edits:
            return lsp.WorkspaceEdit(changes=edits)
        return lsp.WorkspaceEdit(
            document_changes=[
                lsp.TextDocumentEdit(
                    lsp.OptionalVersionedTextDocumentIdentifier(uri, documents.version(uri)), edit
                )
                for uri, edit in edits.items()
            ]
        )

    def _expect(self, change: FileChange) -> None:
        """Notes what the quick fix's own edit leads to: the editor applies it before it tells."""
        after = _digest(change.after or "")
        if after not in self.edited_texts:
            self.edited_texts[after] = change.before or ""
            with suppress(OSError):  # The log is only needed where the server is killed now.
                self.workspace.plan_changes((change,))

    def edit_arrived(self) -> bool:
        """Whether each open document of the patch holds a text that its quick fix's edit leads
        to."""
        shown = (self.workspace.open_text(change.file) for change in self.patch.changes)
        texts = [text for text in shown if text is not None]
        return bool(texts) and all(_digest(text) in self.edited_texts for text in texts)

    async def apply(self) -> str:
        """Puts the patch into the files and decides. Empty, or why that was not possible."""
        workspace, changes = self.workspace, self.patch.changes
        after: dict[str, str | None] = {}
        for change in changes:
            now = await workspace.read(change.file)
            if now is not None and (before := self.edited_texts.get(_digest(now))) is not None:
                # The editor applied the quick fix's edit by itself.
                workspace.record_change(FileChange(change.file, before, now))
                after[change.file] = plain(now)
                continue
            text = _applied(change, now)
            if isinstance(text, PatchRefused):
                return f"{text.reason} The patch was not applied."
            after[change.file] = text
            # The change is against what the user sees now.
            workspace.known[change.file] = now
        try:
            await workspace.write(after)
        except OSError as error:
            return str(error)
        if not self.decision.done():
            unchanged = after == {change.file: plain(change.after) for change in changes}
            before_all = {change.file: change.before for change in changes}
            edited = None if unchanged else make_patch(before_all, after)
            self.decision.set_result(Decision("apply", edited))
        return ""


@dataclass(slots=True)
class Offers:
    """All open offers, by patch id. `changed` is called when one comes or goes."""

    client: Client
    changed: Callable[[], None]
    _open: dict[str, Offer] = field(default_factory=dict[str, Offer])
    _applying: set[str] = field(default_factory=set[str])
    _later: set[asyncio.Future[None]] = field(default_factory=set["asyncio.Future[None]"])

    def of_run(self, run_id: str) -> Offer | None:
        """The offer that a run waits for, if any."""
        return next((offer for offer in self._open.values() if offer.run_id == run_id), None)

    def get(self, patch_id: str) -> Offer | None:
        """The open offer with this id, if any."""
        return self._open.get(patch_id)

    def all(self) -> tuple[Offer, ...]:
        """All open offers, oldest first."""
        return tuple(self._open.values())

    async def wait(self, offer: Offer) -> Decision:
        """The user's decision, by a quick fix, a command or the dialogue."""
        self._open[offer.patch_id] = offer
        self.changed()
        asks = self.client.asks_about_patches
        asking = asyncio.ensure_future(self._ask(offer)) if asks else None
        if not asks and not self.client.shows_patches:
            files = " and ".join(change.file for change in offer.patch.changes)
            self.client.show_message(
                f"a patch for {files} waits for you: {offer.title.rstrip('.')}. "
                'Choose "Apply ML Coach patch" or "Discard ML Coach patch" among the code actions '
                "there."
            )
        try:
            return await offer.decision
        finally:
            del self._open[offer.patch_id]
            self.changed()
            if asking is not None and asking is not asyncio.current_task():
                asking.cancel()

    async def _ask(self, offer: Offer) -> None:
        question = f"{offer.title} (the patch for {', '.join(c.file for c in offer.patch.changes)})"
        chosen = await self.client.ask(question, (_APPLY, _DISCARD), ASK_SECONDS)
        if chosen == _APPLY:
            if reason := await self.apply(offer.patch_id):
                self.client.show_message(reason, warning=True)
        elif chosen == _DISCARD:
            self.discard(offer.patch_id)

    async def apply(self, patch_id: str, *, edited: bool = False) -> str:
        """Puts the patch into the files and lets the run go on. Empty, or why it was not done.

        `edited` says that the editor applied the quick fix's own edit. Where the server does not
        know of that edit yet this returns at once: eglot sends a change only after its command
        ended.
        """
        offer = self._open.get(patch_id)
        if offer is None or patch_id in self._applying or offer.decision.done():
            return _NOT_WAITING
        self._applying.add(patch_id)
        if edited and not offer.edit_arrived():
            self._later.add(task := asyncio.ensure_future(self._apply_later(offer)))
            task.add_done_callback(self._later.discard)
            return ""
        try:
            return await offer.apply()
        finally:
            self._applying.discard(patch_id)

    async def _apply_later(self, offer: Offer) -> None:
        try:
            await offer.workspace.documents.wait_until(offer.edit_arrived, _OWN_EDIT_SECONDS)
            reason = await offer.apply()
        finally:
            self._applying.discard(offer.patch_id)
        if reason:
            self.client.show_message(reason, warning=True)

    def discard(self, patch_id: str) -> str:
        """Tells the run that the user does not want the patch. Empty, or why it was not done."""
        offer = self._open.get(patch_id)
        if offer is None or patch_id in self._applying or offer.decision.done():
            return _NOT_WAITING
        offer.decision.set_result(Decision("discard"))
        return ""


@dataclass(slots=True)
class EditorReviewer:
    """Implements `core.ports.Reviewer` for one run. With `apply_all` it applies without asking.

    `is_asking` says that the run waits for an answer; setting `left` ends that, without one.
    """

    offers: Offers
    workspace: EditorWorkspace
    run_id: str
    progress: Progress
    apply_all: bool = False
    is_asking: bool = False
    left: asyncio.Event = field(default_factory=asyncio.Event)

    async def decide(self, patch: Patch, summary: str) -> Decision:
        """See `ports.Reviewer.decide`."""
        if self.apply_all:
            return Decision("apply")
        self.progress.report("waiting for your decision on a patch")
        decision: asyncio.Future[Decision] = asyncio.get_running_loop().create_future()
        offer = Offer(
            patch_id(self.run_id, patch), self.run_id, patch, summary, self.workspace, decision
        )
        return await self.offers.wait(offer)

    async def answer(self, question: Question) -> Answer | None:
        """See `ports.Reviewer.answer`. None where the client does not ask by itself: a window that
        comes up unasked takes the keys of a user who is typing."""
        client = self.workspace.client
        if not client.shows_questions:
            return None
        self.progress.report("waiting for your answer")
        asking = asyncio.ensure_future(ask_user(client, self.run_id, question))
        leaving = asyncio.ensure_future(self.left.wait())
        self.is_asking = True
        try:
            await asyncio.wait((asking, leaving), return_when=asyncio.FIRST_COMPLETED)
            return asking.result() if asking.done() else None
        finally:
            self.is_asking = False
            asking.cancel()
            leaving.cancel()


def patch_id(run_id: str, patch: Patch) -> str:
    """The id of a run's patch: two runs may offer the same patch."""
    return f"{run_id}/{patch.id}"


def _applied(change: FileChange, now: str | None) -> str | PatchRefused | None:
    """The file's text, now `now`, after the change; with plain line feeds."""
    return merged(plain(change.before), plain(change.after), plain(now), change.file)


def _digest(text: str) -> str:
    return sha256(text.encode("utf-8", "surrogatepass")).hexdigest()
