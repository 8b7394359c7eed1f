"""`mlCoach.answer`: a run goes on from the question that an earlier one left open."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from dataclasses import dataclass, field, replace
from typing import Any

from pygls.exceptions import JsonRpcException

from ml_coach.core.python.stubs import stubs_in
from ml_coach.core.question import Answer
from ml_coach.core.types import RunReport
from ml_coach.lsp.backend import Backend
from ml_coach.lsp.client import Client
from ml_coach.lsp.commands.arguments import GiveAnswer
from ml_coach.lsp.commands.command_results import Answered
from ml_coach.lsp.commands.starting import Starting
from ml_coach.lsp.protocol import RequestFailed, invalid, shown
from ml_coach.lsp.runs.open_questions import OpenQuestion, ask_user, read_answer
from ml_coach.lsp.runs.undo import undo
from ml_coach.run_order import RunOrder, answered

_ASK_SECONDS = 600.0
# Answers of programs that fit into a message as buttons.
_MOST_BUTTONS = 4


@dataclass(frozen=True, slots=True)
class Answering:
    """The command, and asking the user for the answer in a window that they opened."""

    client: Client
    backend: Backend
    starting: Starting
    _asking: set[asyncio.Future[None]] = field(default_factory=set["asyncio.Future[None]"])

    async def answer(self, argument: GiveAnswer) -> Answered:
        """Starts the run that goes on. Raises RequestFailed where no question is open, and where
        the run cannot start; an answer that cannot be read is also told to the user."""
        run_id = argument.run_id
        report = await self._report(run_id)
        assert report.question is not None
        if argument.choice is None and argument.text is None:
            self.ask(run_id)
            return {"runId": "", "reason": ""}
        found = read_answer(report.question, argument.choice, argument.text)
        if found is None:
            raise invalid(f"The question has {len(report.question.choices)} choices, from 0.")
        if isinstance(found, str):
            self.client.show_message(found, warning=True)
            return {"runId": "", "reason": found}
        going_on = await self._go_on(run_id, report, found, quiet=argument.quiet)
        return {"runId": going_on, "reason": ""}

    def ask(self, run_id: str) -> None:
        """Asks the user the question that a run left open; returns at once."""
        self._keep(self._ask(run_id))

    def _keep(self, work: Coroutine[Any, Any, None]) -> None:
        self._asking.add(asking := asyncio.ensure_future(work))
        asking.add_done_callback(self._asking.discard)

    async def _ask(self, run_id: str) -> None:
        try:
            report = await self._report(run_id)
            assert report.question is not None
            asked = OpenQuestion(run_id, report.question)
            found = await self._asked(asked)
            if found is not None:
                await self._go_on(run_id, report, found)
        except JsonRpcException as error:
            self.client.show_message(str(error), warning=True)

    async def _asked(self, asked: OpenQuestion) -> Answer | None:
        question = asked.question
        if self.client.shows_questions:
            return await ask_user(self.client, asked.run_id, question)
        if not self.client.asks_questions or len(question.choices) > _MOST_BUTTONS:
            self.client.show_message(
                f"{question.text} Choose the answer among the code actions at that function."
            )
            return None
        titles = {shown(title): argument for title, argument in asked.titles()}
        chosen = await self.client.ask(question.text, tuple(titles), _ASK_SECONDS)
        argument = titles.get(chosen, {})
        found = read_answer(question, argument.get("choice"), argument.get("text"))
        return found if isinstance(found, Answer) else None

    async def _go_on(
        self, run_id: str, report: RunReport, answer: Answer, *, quiet: bool = False
    ) -> str:
        runs = self.starting.runs
        order = replace(await self.starting.order_again(run_id), quiet=quiet)
        order = replace(order, request=answered(order.request, report, answer))
        if not await self._gives_program_back(run_id, order):
            return await runs.start(order)
        try:
            started = await runs.start(order)
        except JsonRpcException:
            await undo(run_id, self.starting.documents, runs, "redo")
            raise
        self._keep(self._put_back(run_id, order))
        return started

    async def _gives_program_back(self, run_id: str, order: RunOrder) -> bool:
        """Undoes a run that changed a program, because the calls that it recorded are about the
        program as it was before; says whether there was anything to undo."""
        documents, runs, request = self.starting.documents, self.starting.runs, order.request
        if request.task not in ("implement", "refine"):
            return False
        if later := await asyncio.to_thread(self.backend.run_log.changed_since, run_id):
            changed = f"Run {later} changed {request.program_file} after that one"
            raise RequestFailed(f"The run cannot go on. {changed}: undo it first.")
        text = self.starting.text(order.root, request.program_file)
        if any(stub.name == request.function for stub in stubs_in(text)):
            return False
        if runs.change_log(run_id).latest_action() in ("run", "redo"):
            undone = await undo(run_id, documents, runs, "undo")
            if undone.action == "refused":
                raise RequestFailed(f"The run cannot go on. {undone.reason}")
            runs.forget_results(run_id)
            return True
        if request.task == "implement":
            raise RequestFailed(f"The run cannot go on. {request.function} has a body by now.")
        return False

    async def _put_back(self, run_id: str, order: RunOrder) -> None:
        """Makes the changes of a run again that was undone for `order`, once that has ended and
        changed nothing, because it failed or was stopped."""
        runs = self.starting.runs
        if (active := runs.active.get(order.run_id)) and active.task:
            await asyncio.wait([active.task])
        if not runs.change_log(order.run_id).files():
            await undo(run_id, self.starting.documents, runs, "redo")

    async def _report(self, run_id: str) -> RunReport:
        """The report of a run that left a question open. Raises RequestFailed for another run."""
        try:
            report = await asyncio.to_thread(self.backend.run_log.report, run_id)
        except KeyError:
            raise RequestFailed(f"There is no run {run_id!r}.") from None
        if report is None or report.question is None:
            raise RequestFailed(f"The run {run_id} left no question open.")
        return report
