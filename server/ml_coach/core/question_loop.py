"""From a run that is not sure to one that is: ask the user, and go on with the answer.

An answer becomes a *confirmed* test, which outranks what any model wrote: the programs are chosen
anew by it, and where none passes it, new ones are written that know of it.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import replace

from ml_coach.core.events import QuestionAnswered, QuestionAsked, SuiteWritten
from ml_coach.core.python.marks import marked
from ml_coach.core.question import Answer, Question
from ml_coach.core.run_state import End, Run
from ml_coach.core.types import Suite

_OPEN_ENDS = ("unsure", "gave_up")


async def ask_until_sure(run: Run, end: End, go_on: Callable[[Run], Awaitable[End]]) -> End:
    """Asks until the run ends surely, the user has no answer, or enough was asked.

    `end` is how the run would end now; `go_on` chooses anew with what is known by then. A question
    that was asked and not answered is left in the run's state.
    """
    state, request = run.state, run.request
    if request.task in ("debug", "write_tests") or state.pending:
        return end
    while end.outcome in _OPEN_ENDS and len(state.answers) < request.max_questions:
        question = run.question()
        # What the user answered in the run that goes on here comes first.
        known = request.answers[len(state.answers) :]
        answer = known[0] if known else await _ask(run, question) if question else None
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
    state.written = _with_test(state.written, answer)
    run.emit(SuiteWritten(state.written))
    team.spec = replace(team.spec, confirmed=(*team.spec.confirmed, answer.shown))


def _with_test(suite: Suite, answer: Answer) -> Suite:
    number = sum(kind == "confirmed" for kind in suite.provenance.values()) + 1
    name = f"test_confirmed_{number}"
    said = f"# The user's answer{f' of {answer.date}' if answer.date else ''}."
    body = "\n".join(f"    {line}" for line in (said, *answer.statement.splitlines()))
    test = marked(f"def {name}():\n{body}\n", {name: "confirmed"}, otherwise="confirmed")
    source = f"{suite.source.rstrip()}\n\n\n{test}"
    return replace(suite, source=source, provenance={**suite.provenance, name: "confirmed"})
