"""Which question to ask the user: the call whose right answer would tell the most.

One answer of the user is worth more than further samples (Lahiri et al. 2022, Fakhoury et al. 2024,
TiCoder). So programs that were written apart are compared call by call, and the call that divides
them most evenly comes first. Where they agree on every call, the test writer may differ from them;
and where it does not either, only the user can say whether they share a mistake.
"""

from __future__ import annotations

import ast
from collections.abc import Container, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass

from ml_coach.core.evidence import BINDING, Division
from ml_coach.core.examples import shape_of
from ml_coach.core.judging.probes import (
    builders_of,
    calls_of,
    positional,
    signatures_of,
    source_of,
)
from ml_coach.core.judging.voting import Candidate, grouped, passes_binding, same_answer
from ml_coach.core.python import syntax
from ml_coach.core.python.literals import expected_value, value_of
from ml_coach.core.question import Choice, Question
from ml_coach.core.results import UNANSWERED, Evaluation
from ml_coach.core.types import Spec, Suite

# What a person reads at a glance: characters of a call, and of one answer.
LONGEST_CALL, LONGEST_ANSWER = 100, 80


@dataclass(frozen=True, slots=True)
class RankedCall:
    """A call, with what the programs answer to it.

    `is_askable` says whether a person can answer it and nobody did: it and its answers fit into a
    line, and neither the prompt nor the user states what is right. It `is_disputed` where the
    programs differ, or where a guessed test wants what none of them gives.
    """

    call: str
    choices: tuple[Choice, ...]
    is_askable: bool
    is_disputed: bool


def ranked_calls(programs: Sequence[Candidate], suite: Suite, spec: Spec) -> tuple[RankedCall, ...]:
    """The calls at which a right answer would tell something, those to ask the user first, and of
    these the most telling.

    Where some programs do what is demanded, the others count for little. Where none does, choosing
    among them helps nothing, so nothing is asked.
    """
    answering = [p for p in programs if p.answers]
    voters = [p for p in answering if passes_binding(p.report, suite)]
    told, written = _told(suite, spec), _written(suite, spec)
    # Else a probe has the steps of a test, and its answer is what is seen at each of them.
    is_plain = shape_of(spec).is_plain
    ranked: list[tuple[tuple[float, ...], RankedCall]] = []
    for number, call in enumerate(answering[0].calls if answering else ()):
        choices = _choices([p.answers[number] for p in voters or answering])
        if all(choice.raises for choice in choices):
            continue
        is_readable = _is_call(call) and all(c.raises or _is_readable(c.text) for c in choices)
        is_askable = is_plain and bool(voters) and is_readable and call not in told
        every = grouped([p.answers[number] for p in answering], same_answer)
        is_ordinary = number < answering[0].ordinary_answers
        differs = _differs(choices, written.get(call))
        rank = _rank(call, choices, [*map(len, every)], is_ordinary, differs)
        found = RankedCall(call, choices, is_askable, differs or len(choices) > 1)
        ranked.append(((not is_askable, *rank), found))
    return tuple(each for _, each in sorted(ranked, key=lambda one: one[0]))


def next_question(
    ranked: Sequence[RankedCall], answered: Container[str], *, is_confirmed: bool
) -> Question | None:
    """What to ask the user, who was asked about the calls `answered`; None where none is left.

    Where all programs agree on a call, only the user can say whether they share a mistake. With
    `is_confirmed` the user said already that what most programs answer is right: then a shared
    mistake is rare, and only what is disputed is asked.
    """
    asked = (r for r in ranked if r.is_askable and r.call not in answered)
    worth = (r for r in asked if r.is_disputed or not is_confirmed)
    return next((Question(r.call, tuple(filter(_is_answer, r.choices))) for r in worth), None)


def division(ranked: Sequence[RankedCall], answered: Container[str]) -> Division | None:
    """Where the programs differ: at the call of the next question where they differ there, else at
    the most telling other one. None where they agree on every call."""
    divided = (r for r in ranked if len(r.choices) > 1 and r.call not in answered)
    first = next(divided, None)
    if first is None:
        return None
    return Division(first.call, tuple((c.text[:LONGEST_ANSWER], c.programs) for c in first.choices))


def _rank(
    call: str,
    choices: Sequence[Choice],
    groups: Sequence[int],
    is_ordinary: bool,
    differs: bool,
) -> tuple[float, ...]:
    """Lower is better: first the share of the programs that an answer is expected to leave, then
    whether the test writer wants something else, then how programs divide that an earlier answer
    ruled out (`groups` has the sizes of all groups), then ordinary calls and short ones."""
    # An error, or an answer without content, is what right programs give to few of the calls.
    is_empty = all(choice.raises or _is_empty(choice.text) for choice in choices)
    size = len(call) + sum(len(choice.text) for choice in choices)
    left = _left([choice.programs for choice in choices])
    return left, not differs, _left(groups), is_empty, not is_ordinary, size


def _differs(choices: Sequence[Choice], written: str | None) -> bool:
    """Whether the test writer wants what no program gives."""
    return written is not None and all(
        choice.raises or not same_answer(Evaluation(choice.text), Evaluation(written))
        for choice in choices
    )


def _left(groups: Sequence[int]) -> float:
    """The share of the programs that agree with one of them, on average."""
    return round(sum(size**2 for size in groups) / sum(groups) ** 2, 3)


def _choices(answers: Sequence[Evaluation]) -> tuple[Choice, ...]:
    """The different answers, most frequent first."""
    return tuple(
        Choice(group[0].shown, len(group), bool(group[0].error))
        for group in grouped(answers, same_answer)
    )


def _is_answer(choice: Choice) -> bool:
    """Whether a program may be meant to do that: none is meant to be stopped by the sandbox."""
    return not (choice.raises and choice.text in UNANSWERED)


def _is_call(text: str) -> bool:
    """Whether it is a call of one line."""
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
        value_of(text)
    except (*syntax.NOT_PYTHON, TypeError):
        return False
    return True


def _is_empty(text: str) -> bool:
    return _is_readable(text) and not value_of(text)


def _told(suite: Suite, spec: Spec) -> frozenset[str]:
    """The calls whose answer the prompt or the user states."""
    tests = (t for t in suite.tests if suite.provenance_of(t) in BINDING)
    builders = builders_of(suite.source)
    return frozenset(
        call for test in tests for call in calls_of(source_of(suite.source, test), spec, builders)
    )


def _written(suite: Suite, spec: Spec) -> Mapping[str, str]:
    """What guessed tests of the form `assert call == literal` want of each call."""
    wanted: dict[str, str] = {}
    signatures = signatures_of(spec)
    for test in suite.tests:
        for node in syntax.walk(syntax.module(source_of(suite.source, test))):
            match node:
                case ast.Compare(ast.Call(ast.Name(name)) as call, [ast.Eq()], [right]) if (
                    name in spec.names
                ):
                    with suppress(*syntax.NOT_PYTHON, TypeError):
                        value = repr(expected_value(right))
                        wanted.setdefault(syntax.unparsed(positional(call, signatures)), value)
                case _:
                    pass
    return wanted
