"""Prompt → Spec. What the prompt itself gives is extracted; a model only adds what is missing."""

from __future__ import annotations

import ast
import re
from dataclasses import replace

from ml_coach.core.agents.guessed_tests import call_of
from ml_coach.core.agents.team import Team
from ml_coach.core.agents.templates import render
from ml_coach.core.examples import (
    extract_examples,
    extract_stated,
    names_of,
    requirements_of,
    shape_of,
    signatures_of,
    stub_of,
)
from ml_coach.core.ports import Call
from ml_coach.core.python import syntax
from ml_coach.core.types import Program, Spec

# Possessive, because a model may write white space until its limit: what could be tried again at
# each of 100,000 characters would keep the whole server waiting.
_HEADING = re.compile(r"^\s*+#*+\s*+\**+(signatures|behaviou?rs|edge cases|assumptions)\b", re.I)
_BULLET = re.compile(r"^\s*+(?:[-*•]|\d++[.)])\s++(\S(?:.*\S)?)")
_SIGNATURE = re.compile(r"^[ \t]*+(?:async\s++)?(?:def\s++(\w++)\s*+\(.*|class\s++(\w++).*)", re.M)


def read(prompt: str) -> Spec:
    """The part of the spec that needs no model. Pure and deterministic."""
    stub = stub_of(prompt)
    return Spec(
        prompt=prompt.strip(),
        stub=stub,
        signatures=signatures_of(prompt),
        names=names_of(prompt),
        examples=extract_examples(prompt),
        stated=extract_stated(prompt),
        requirements=requirements_of(prompt),
    )


def with_examples(spec: Spec, examples: tuple[str, ...]) -> Spec:
    """Takes other given examples; what they call is not stated a second time."""
    known = {call_of(example) for example in examples}
    stated = tuple(test for test in spec.stated if call_of(test.statement) not in known)
    return replace(spec, examples=examples, stated=stated)


async def research(team: Team, existing: Program | None) -> Spec:
    """The spec of the run's request; that of the file `existing` where there is no prompt.

    A prompt for new code gets the model's plan where the profile says that it helps, else only a
    missing interface: tests are written without seeing the code, so both need one name to agree on.
    Raises `BudgetSpent` and `ModelError`.
    """
    request, model_client = team.request, team.model_client
    spec = read(request.prompt or (existing.source if existing else ""))
    if existing is not None and request.task == "refine":
        spec = with_program(spec, existing)
    if existing is None and team.profile.plans:
        reply = await model_client.ask(Call("researcher", render("research", prompt=spec.prompt)))
        spec = with_plan(spec, reply.text)
    if existing is None and not spec.names and shape_of(spec).kind != "script":
        call = Call(
            "researcher",
            render("interface", prompt=spec.prompt),
            max_tokens=96,
            stop=("\n\n", "\n    "),
        )
        spec = with_interface(spec, (await model_client.ask(call)).text)
    return spec if request.examples is None else with_examples(spec, request.examples)


def with_program(spec: Spec, program: Program) -> Spec:
    """Takes the functions and classes of the program that is there, unless the prompt names some of
    them: a follow-up seldom says again what it is about."""
    tree = syntax.parse(program.source)
    top = [s for s in tree.body if isinstance(s, syntax.Definition)] if tree else []
    public = {s.name: s for s in top if not s.name.startswith("_")}
    if public.keys() & {*spec.names}:
        return spec
    functions = [s for s in public.values() if not isinstance(s, ast.ClassDef)]
    signatures = tuple(f"{s.name}({ast.unparse(s.args)})" for s in functions)
    return replace(spec, names=(*public, *spec.names), signatures=signatures + spec.signatures)


def of_follow_up(spec: Spec, follow_up: str) -> Spec:
    """The spec with the facts of the follow-up alone: those of the earlier prompt have their tests
    already. What both answer in different ways is the follow-up's."""
    return replace(
        spec,
        examples=extract_examples(follow_up),
        stated=extract_stated(follow_up, spec.names, spec.signatures),
        requirements=requirements_of(follow_up),
    )


def with_plan(spec: Spec, reply: str) -> Spec:
    """Reads the headed lists of the reply. Whatever the prompt gave stays as it is."""
    lists: dict[str, list[str]] = {}
    current: list[str] = []
    for line in reply.splitlines():
        if heading := _HEADING.match(line):
            current = lists.setdefault(heading[1].lower().replace("our", "or"), [])
        elif bullet := _BULLET.match(line):
            current.append(bullet[1])
    signatures = spec.signatures or tuple(s.strip("`") for s in lists.get("signatures", ()))
    names = spec.names or tuple(_names(signatures))
    return replace(
        spec,
        signatures=signatures,
        names=names,
        behaviours=tuple(lists.get("behaviors", ())),
        edge_cases=tuple(lists.get("edge cases", ())),
        assumptions=tuple(lists.get("assumptions", ())),
    )


def with_interface(spec: Spec, reply: str) -> Spec:
    """Takes the first signature of the reply; the prompt stays without names if there is none."""
    match = _SIGNATURE.search(reply)
    if match is None:
        return spec
    signature = match[0].strip().removesuffix("...").rstrip().rstrip(":")
    names = (match[1] or match[2],)
    plain = re.sub(r"^(?:async\s+)?def\s+", "", signature)
    stated = extract_stated(spec.prompt, names, (plain,))
    return replace(spec, signatures=(signature,), names=names, stated=stated)


def _names(signatures: tuple[str, ...]) -> list[str]:
    found = (re.match(r"(?:async\s+)?(?:def\s+|class\s+)?(\w+)", s) for s in signatures)
    return [match[1] for match in found if match]
