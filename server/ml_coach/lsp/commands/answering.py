"""`mlCoach.answer`: a run goes on from the question that an earlier one left open."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field, replace

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
        return {"runId": await self._go_on(run_id, report, found), "reason": ""}

    def ask(self, run_id: str) -> None:
        """Asks the user the question that a run left open; returns at once."""
        self._asking.add(asking := asyncio.ensure_future(self._ask(run_id)))
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

    async def _go_on(self, run_id: str, report: RunReport, answer: Answer) -> str:
        order = await self.starting.order_again(run_id)
        request = answered(order.request, report, answer)
        if request.task in ("implement", "refine"):
            await self._give_program_back(run_id, order)
        return await self.starting.runs.start(replace(order, request=request))

    async def _give_program_back(self, run_id: str, order: RunOrder) -> None:
        """Undoes a run that changed a program: the calls that it recorded are about the program as
        it was before."""
        documents, runs, request = self.starting.documents, self.starting.runs, order.request
        text = self.starting.text(order.root, request.program_file)
        if any(stub.name == request.function for stub in stubs_in(text)):
            return
        if request.task == "refine" and runs.change_log(run_id).latest_action() != "run":
            return
        undone = await undo(run_id, documents, runs)
        if undone.action != "undone":
            changed = request.function or request.program_file
            reason = undone.reason or f"{changed} has another body by now."
            raise RequestFailed(f"The run cannot go on. {reason}")
        runs.forget_results(run_id)

    async def _report(self, run_id: str) -> RunReport:
        """The report of a run that left a question open. Raises RequestFailed for another run."""
        try:
            report = await asyncio.to_thread(self.backend.run_log.report, run_id)
        except KeyError:
            raise RequestFailed(f"There is no run {run_id!r}.") from None
        if report is None or report.question is None:
            raise RequestFailed(f"The run {run_id} left no question open.")
        return report
