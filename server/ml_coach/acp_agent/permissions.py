"""Asks the client before a file is written, a patch applied, or what only the user can say."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from pathlib import Path
from typing import Any

from acp import (
    RequestError,
    start_tool_call,
    text_block,
    tool_content,
    tool_diff_content,
    update_tool_call,
)
from acp.interfaces import Client
from acp.schema import AllowedOutcome, PermissionOption, ToolCallLocation, ToolCallUpdate

from ml_coach.acp_agent.updates import Updates
from ml_coach.core.changes import FileChange, Patch
from ml_coach.core.ports import Decision
from ml_coach.core.question import Answer, Question
from ml_coach.core.wording import harmless
from ml_coach.disk import RunWorkspace

_YES, _ALWAYS, _NO = "yes", "always", "no"
_OPEN, _SKIP = "open", "skip"


@dataclass(slots=True)
class Permissions:
    """What the user allowed. `always` holds for the session: files may be written unasked.

    `shows_names` is false for a client that shows an option by its kind only, so that two options
    of one kind cannot be told apart in it.
    """

    client: Client
    session_id: str
    updates: Updates
    run_id: str
    folder: Path
    always: bool = False
    shows_names: bool = True
    files: set[str] = field(default_factory=set[str])
    _asked: int = 0

    async def ask(
        self, name: str, content: Sequence[Any], options: Sequence[PermissionOption], kind: Any
    ) -> tuple[str, str]:
        """Asks with a tool call of its own: the id of the option, empty where the user left, and
        that of the tool call, whose end is still to be told."""
        call_id = self.begin(name, content, kind)
        await self.updates.sent()
        call = ToolCallUpdate(
            tool_call_id=call_id, title=harmless(name), kind=kind, status="pending",
            content=list(content),
        )  # fmt: skip
        try:
            said = await self.client.request_permission(self.session_id, call, list(options))
        except (RequestError, ConnectionError):  # Who cannot be asked has permitted nothing.
            return "", call_id
        outcome = said.outcome
        return (outcome.option_id if isinstance(outcome, AllowedOutcome) else ""), call_id

    def begin(self, name: str, content: Sequence[Any], kind: Any) -> str:
        """Shows a tool call that waits; its id."""
        self._asked += 1
        call_id = f"{self.run_id}-{kind}-{self._asked}"
        paths = [each.path for each in content if getattr(each, "type", "") == "diff"]
        self.updates.put(
            start_tool_call(
                call_id, harmless(name), kind=kind, status="pending", content=list(content),
                locations=[ToolCallLocation(path=path) for path in paths],
            )
        )  # fmt: skip
        return call_id

    def end(self, call_id: str, *, done: bool) -> None:
        """Tells the end of a tool call."""
        self.updates.put(update_tool_call(call_id, status="completed" if done else "failed"))

    def diffs(self, changes: Sequence[FileChange]) -> list[Any]:
        """The changes as the protocol shows them."""
        return [
            tool_diff_content(str(self.folder / c.file), c.after or "", c.before) for c in changes
        ]

    async def may_write(self, changes: Sequence[FileChange], foreign: Sequence[str]) -> bool:
        """Whether the files may be written; asked once for each file of a run. Shows the edit.

        `foreign` are those that hold something of the user's: of them it is always asked.
        """
        names = ", ".join(c.file for c in changes)
        new = {c.file for c in changes} - self.files
        if not new or (self.always and not foreign):
            self.end(self.begin(f"Write {names}", self.diffs(changes), "edit"), done=True)
            return True
        what = f"Write {names}, here and later in this run"
        if foreign:
            what = f"Overwrite {', '.join(foreign)}, which ML Coach did not write; {what}"
        chosen, call_id = await self.ask(
            what, self.diffs(changes),
            (
                PermissionOption(option_id=_YES, name="Write", kind="allow_once"),
                PermissionOption(
                    option_id=_ALWAYS, name="Write, also in later runs", kind="allow_always"
                ),
                PermissionOption(option_id=_NO, name="Write nothing", kind="reject_once"),
            ),
            "edit",
        )  # fmt: skip
        allowed = chosen in (_YES, _ALWAYS)
        self.always = self.always or chosen == _ALWAYS
        self.files |= new if allowed else set[str]()
        self.end(call_id, done=allowed)
        return allowed

    # core.ports.Reviewer

    async def decide(self, patch: Patch, summary: str) -> Decision:
        """See `core.ports.Reviewer.decide`."""
        chosen, call_id = await self.ask(
            summary or "Apply a patch", self.diffs(patch.changes),
            (
                PermissionOption(option_id=_YES, name="Apply", kind="allow_once"),
                PermissionOption(option_id=_NO, name="Discard", kind="reject_once"),
            ),
            "edit",
        )  # fmt: skip
        self.end(call_id, done=chosen == _YES)
        if chosen == _YES:
            self.files |= {change.file for change in patch.changes}
        return Decision("apply" if chosen == _YES else "discard" if chosen == _NO else "later")

    async def answer(self, question: Question) -> Answer | None:
        """See `core.ports.Reviewer.answer`."""
        today = f"{date.today():%Y-%m-%d}"
        if not self.shows_names:
            return await self._answer_one_by_one(question, today)
        options = [
            PermissionOption(option_id=str(number), name=harmless(choice.shown), kind="allow_once")
            for number, choice in enumerate(question.choices)
        ]
        options += [
            PermissionOption(option_id=_OPEN, name="Not defined", kind="reject_once"),
            PermissionOption(option_id=_SKIP, name="Skip the question", kind="reject_once"),
        ]
        shown = [
            f"{choice.shown} ({choice.programs} of the programs)" for choice in question.choices
        ]
        content = [tool_content(text_block(harmless("\n".join((question.text, *shown)))))]
        chosen, call_id = await self.ask(question.text, content, options, "other")
        self.end(call_id, done=bool(chosen))
        if chosen in (_OPEN, _SKIP):
            found = question.read("not defined" if chosen == _OPEN else "skip", today)
            return found if isinstance(found, Answer) else None
        return question.pick(int(chosen), today) if chosen.isdecimal() else None

    async def _answer_one_by_one(self, question: Question, today: str) -> Answer | None:
        """Whether it is the first choice, else the second, and so on; None for none of them."""
        options = (
            PermissionOption(option_id=_YES, name="Yes", kind="allow_once"),
            PermissionOption(option_id=_NO, name="No", kind="reject_once"),
        )
        for number, choice in enumerate(question.choices):
            text = harmless(f"{question.text} Is it {choice.shown}?")
            chosen, call_id = await self.ask(
                text, [tool_content(text_block(text))], options, "other"
            )
            self.end(call_id, done=chosen == _YES)
            if chosen != _NO:
                return question.pick(number, today) if chosen == _YES else None
        return None


@dataclass(frozen=True, slots=True)
class PermittedWorkspace:
    """A run's `core.ports.Workspace` that asks before it writes."""

    inner: RunWorkspace
    permissions: Permissions

    @property
    def root(self) -> Path:
        """See `core.ports.Workspace`."""
        return self.inner.root

    async def read(self, file: str) -> str | None:
        """See `core.ports.Workspace.read`."""
        return await self.inner.read(file)

    async def check_writable(self, files: Sequence[str]) -> None:
        """See `core.ports.Workspace.check_writable`."""
        await self.inner.check_writable(files)

    async def write(self, texts: Mapping[str, str]) -> None:
        """See `core.ports.Workspace.write`. Raises `OSError` where the user says no."""
        every = [FileChange(file, await self.read(file), text) for file, text in texts.items()]
        changes = [change for change in every if change.before != change.after]
        if changes:
            foreign = [c.file for c in changes if self._is_foreign(c)]
            if not await self.permissions.may_write(changes, foreign):
                names = ", ".join(change.file for change in changes)
                raise OSError(f"You did not allow that {names} is written, so nothing was changed.")
        await self.inner.write(texts)

    def _is_foreign(self, change: FileChange) -> bool:
        """Whether the run would replace a whole text of the user's, unasked so far."""
        is_whole = change.file in self.inner.replaced
        return (
            is_whole
            and change.file not in self.permissions.files
            and not self.inner.folder.was_ours(change)
        )
