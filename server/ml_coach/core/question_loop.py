"""From a run that is not sure to one that is: ask the user, and go on with the answer.

An answer becomes a *confirmed* test, which outranks what any model wrote: the programs are chosen
anew by it, and where none passes it, new ones are written that know of it.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import replace

from ml_coach.core.agents.suite_assembly import import_line
from ml_coach.core.events import QuestionAnswered, QuestionAsked, SuiteWritten
from ml_coach.core.judging.suite_extension import doubt, with_answer
from ml_coach.core.question import Answer, Question
from ml_coach.core.run_state import End, Run

_OPEN_ENDS = ("unsure", "gave_up")


async def ask_until_sure(run: Run, end: End, go_on: Callable[[Run], Awaitable[End]]) -> End:
    """Asks until the run ends surely, the user has no answer, or enough was asked.

    `end` is how the run would end now; `go_on` chooses anew with what is known by then. A question
    that was asked and not answered is left in the run's state.
    """
    state, request = run.state, run.request
    if request.task in ("debug", "write_tests") or state.chosen is None:
        return end
    while (known := request.answers[len(state.answers) :]) or _may_ask(run, end):
        question = run.question()
        # What the user answered in the run that goes on here comes first, however that ends now. A
        # patch that waits by then was made without the answer, and may be offered again.
        if state.pending:
            state.pending = None
            state.tried.clear()
        answer = known[0] if known else await _ask(run, question) if question else None
        while answer and (said := doubt(state.written, answer, run.team.spec)):
            if answer.doubt == said:
                break  # They were told, and say so nevertheless: both stay.
            question = _again(question, answer, said)
            answer = await _ask(run, question)
            if answer is None and end.outcome == "passed":
                end = End("unsure", f"The answer was not taken. {said}")
        if answer is None:
            state.question = question
            break
        state.question = None
        if question and question.is_confirmed_by(answer):
            state.is_confirmed = True
        state.answers.append(answer)
        run.emit(QuestionAnswered(answer))
        if answer.kind != "skip":
            _learn(run, answer)
            end = await go_on(run)
    return end


def _again(question: Question | None, answer: Answer, said: str) -> Question:
    """The question that was answered so that something speaks against it, as `said`."""
    asked = question if question and question.call == answer.call else Question(answer.call, ())
    return replace(asked, doubt=said)


def _may_ask(run: Run, end: End) -> bool:
    may_ask_more = len(run.state.answers) < run.request.max_questions
    return end.outcome in _OPEN_ENDS and may_ask_more and not run.state.pending


async def _ask(run: Run, question: Question) -> Answer | None:
    run.state.question = question  # Who stops the run here can come back to it.
    run.emit(QuestionAsked(question))
    with run.team.model_client.budget.paused():
        return await run.reviewer.answer(question)


def _learn(run: Run, answer: Answer) -> None:
    """Makes the answer a test, and an example for whoever writes a program from now on."""
    state, team = run.state, run.team
    if not answer.statement:
        state.left_open |= {answer.call}
        return
    needed = f"import pytest\n{import_line(run.request.module, team.spec.names)}"
    told = with_answer(state.written, answer, needed)
    state.written = told.suite
    state.uncollected += told.replaced
    run.emit(SuiteWritten(state.written))
    team.spec = replace(team.spec, confirmed=(*team.spec.confirmed, answer.shown))
