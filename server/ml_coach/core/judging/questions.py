"""Which question to ask the user: the call whose right answer would tell the most.

One answer of the user is worth more than further samples (Lahiri et al. 2022, Fakhoury et al. 2024,
TiCoder). So programs that were written apart are compared call by call, and the call that divides
them most evenly comes first. Where they agree on every call, the test writer may differ from them;
and where it does not either, only the user can say whether they share a mistake.
"""

from __future__ import annotations

import ast
from collections.abc import Container, Mapping, Sequence

from ml_coach.core.evidence import BINDING
from ml_coach.core.judging.probes import calls_of, source_of
from ml_coach.core.judging.voting import Candidate, grouped, passes_binding, same_answer
from ml_coach.core.python import syntax
from ml_coach.core.question import Choice, Question
from ml_coach.core.results import Evaluation
from ml_coach.core.types import Spec, Suite

# What a person reads at a glance: characters of a call, and of one answer.
LONGEST_CALL, LONGEST_ANSWER = 100, 80


def next_question(
    programs: Sequence[Candidate], suite: Suite, spec: Spec, answered: Container[str]
) -> Question | None:
    """The most telling call that neither the prompt nor an answer settles; None where there is no
    call, or where no program does what is demanded, so that choosing among them helps nothing."""
    voters = [p for p in programs if passes_binding(p.report, suite) and p.answers]
    if not voters:
        return None
    told = _told(suite, spec)
    written = _written(suite, spec)
    ranked: list[tuple[tuple[float, ...], Question]] = []
    for number, call in enumerate(voters[0].calls):
        choices = _choices([p.answers[number] for p in voters])
        if not choices or call in told or call in answered or not _is_call(call):
            continue
        every = grouped([p.answers[number] for p in programs if p.answers], same_answer)
        is_ordinary = number < voters[0].ordinary_answers
        rank = _rank(call, choices, [*map(len, every)], is_ordinary, written.get(call))
        ranked.append((rank, Question(call, choices)))
    return min(ranked, key=lambda one: one[0])[1] if ranked else None


def _rank(
    call: str,
    choices: Sequence[Choice],
    groups: Sequence[int],
    is_ordinary: bool,
    written: str | None,
) -> tuple[float, ...]:
    """Lower is better: first the share of the programs that an answer is expected to leave, then
    whether the test writer wants something else, then how programs divide that an earlier answer
    ruled out (`groups` has the sizes of all groups), then ordinary calls and short ones."""
    differs = written is not None and all(
        choice.raises or not same_answer(Evaluation(choice.text), Evaluation(written))
        for choice in choices
    )
    # An error, or an answer without content, is what right programs give to few of the calls.
    is_empty = all(choice.raises or not ast.literal_eval(choice.text) for choice in choices)
    size = len(call) + sum(len(choice.text) for choice in choices)
    left = _left([choice.programs for choice in choices])
    return left, not differs, _left(groups), is_empty, not is_ordinary, size


def _left(groups: Sequence[int]) -> float:
    """The share of the programs that agree with one of them, on average."""
    return round(sum(size**2 for size in groups) / sum(groups) ** 2, 3)


def _choices(answers: Sequence[Evaluation]) -> tuple[Choice, ...]:
    """The different answers, most frequent first; none where one cannot be shown as a literal, or
    all are errors."""
    groups = grouped(answers, same_answer)
    choices = tuple(
        Choice(one.error.split(":")[0] or one.value, len(group), bool(one.error))
        for group in groups
        for one in group[:1]
    )
    readable = all(c.raises or _is_readable(c.text) for c in choices)
    return choices if readable and not all(c.raises for c in choices) else ()


def _is_call(text: str) -> bool:
    """Whether it is a call of one line: the probes of classes and scripts are whole programs."""
    if len(text) > LONGEST_CALL or "\n" in text:
        return False
    try:
        return isinstance(syntax.expression(text), ast.Call)
    except syntax.NOT_PYTHON:
        return False


def _is_readable(text: str) -> bool:
    if len(text) > LONGEST_ANSWER:
        return False
    try:
        ast.literal_eval(syntax.expression(text))
    except (*syntax.NOT_PYTHON, TypeError):
        return False
    return True


def _told(suite: Suite, spec: Spec) -> frozenset[str]:
    """The calls whose answer the prompt or the user states."""
    trusted = (*BINDING, "stated")
    tests = (t for t in suite.tests if suite.provenance_of(t) in trusted)
    return frozenset(
        call for test in tests for call in calls_of(source_of(suite.source, test), spec.names)
    )


def _written(suite: Suite, spec: Spec) -> Mapping[str, str]:
    """What guessed tests of the form `assert call == literal` want of each call."""
    wanted: dict[str, str] = {}
    for test in suite.tests:
        for node in syntax.walk(syntax.module(source_of(suite.source, test))):
            match node:
                case ast.Compare(ast.Call(ast.Name(name)) as call, [ast.Eq()], [right]) if (
                    name in spec.names
                ):
                    wanted.setdefault(syntax.unparsed(call), syntax.unparsed(right))
                case _:
                    pass
    return wanted
