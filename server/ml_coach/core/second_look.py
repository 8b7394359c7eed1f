"""A second look at a function that is debugged: do programs written apart from it agree with it?

Its tests may miss the mistake, or no repair may make them pass. Its description says what it must
do, so the function is written anew a few times, by a coder who does not see it. Where most of these
programs pass the user's tests and answer alike, their answer is evidence against another one
(Li et al. 2022, AlphaCode). What it finds is offered like any patch.
"""

from __future__ import annotations

import ast
from collections.abc import Sequence
from dataclasses import dataclass, replace

from ml_coach.core.agents import coder, researcher
from ml_coach.core.agents.team import Team
from ml_coach.core.changes import Patch
from ml_coach.core.errors import BudgetSpent, ModelError
from ml_coach.core.events import Diagnosed, PatchApplied
from ml_coach.core.judging.evaluator import CheckedProgram
from ml_coach.core.judging.probes import calls_of
from ml_coach.core.judging.small_edits import small_edits
from ml_coach.core.judging.voting import Candidate, clusters, passes_binding, same_answer
from ml_coach.core.patches import rewriting
from ml_coach.core.python import syntax
from ml_coach.core.python.stubs import emptied, stubs_in
from ml_coach.core.repair_loop import offer
from ml_coach.core.results import Evaluation
from ml_coach.core.run_state import End, Run
from ml_coach.core.types import Diagnosis, Program, Spec


@dataclass(frozen=True, slots=True)
class _Dispute:
    """A call that most programs written apart answer with `theirs`, and the user's with `own`."""

    call: str
    own: Evaluation
    theirs: Evaluation


async def second_look(run: Run, end: End) -> End:
    """How a run of the debugger ends, after `end`, once others have written the function too.

    `end` itself where nothing describes the function, the model writes only one program, or most
    programs do not agree among themselves.
    """
    state, best = run.state, run.state.best
    is_over = end.outcome not in ("passed", "gave_up") or state.pending is not None
    if best is None or is_over or run.request.max_iters == 1 or run.profile.candidates == 1:
        return end
    if any(finding.kind == "missing_package" for finding in best.failures):
        return end
    author = _author(run, best.program)
    if author is None:
        return end
    try:
        others = await _written_apart(run, best.program, *author)
    except (BudgetSpent, ModelError):  # What was found without it holds.
        return end
    spec = author[0].spec
    own, *compared = await run.evaluator.compare([best.program, *others], state.suite, spec)
    voters = [c for c in compared if passes_binding(c.report, state.suite)]
    most = clusters(voters)[0] if voters else []
    if 2 * len(most) <= run.profile.candidates:
        return end
    votes = f"{len(most)} of {run.profile.candidates} programs written apart from its description"
    if end.outcome == "gave_up":
        summary = f"{votes} pass all tests; this is one of them"
        return await _offer(run, best, most[0].program, summary) or end
    dispute = _dispute(own, most)
    if dispute is None:
        return end
    summary = (
        f"{votes} answer `{dispute.call}` with {dispute.theirs.shown}, this one with "
        f"{dispute.own.shown}"
    )
    better = await _small_edit(run, best.program, spec, most) or most[0].program
    unsure = End("unsure", f"All tests pass, but {summary}.")
    return await _offer(run, best, better, summary) or unsure


def _author(run: Run, program: Program) -> tuple[Team, Program | None] | None:
    """Who writes the function anew, knowing nothing of what is there, and the file that its body
    goes into, None where the prompt describes the whole program."""
    team, request = run.team, run.request
    anew = Team(team.model_client, request, team.profile, team.emit)
    if request.prompt:
        return (replace(anew, spec=team.spec), None) if team.spec.names else None
    described = _described(program, run.state.suite.source)
    if described is None:
        return None
    file = Program(emptied(program.source, described), program.file)
    stub = next((s for s in stubs_in(file.source) if s.name == described), None)
    if stub is None:
        return None
    implementing = replace(request, task="implement", function=described)
    return replace(anew, request=implementing, spec=researcher.read(stub.prompt)), file


def _described(program: Program, tests: str) -> str | None:
    """The one function with a docstring that the tests call, None where there is no such one."""
    tree = syntax.parse(program.source)
    functions = [s for s in tree.body if isinstance(s, ast.FunctionDef)] if tree else []
    described = (f.name for f in functions if ast.get_docstring(f))
    names = [name for name in described if calls_of(tests, Spec("", names=(name,)))]
    return names[0] if len(names) == 1 else None


async def _written_apart(
    run: Run, program: Program, author: Team, file: Program | None
) -> list[Program]:
    run.begin("code")
    first = await coder.write_program(author, file)
    more = await coder.sample_programs(author, run.profile.candidates - 1, file)
    programs = [first, *more] if isinstance(first, Program) else more
    # One that lacks what else the user's file defines cannot take its place.
    defined = _defined(program)
    return [other for other in programs if defined <= _defined(other)]


def _defined(program: Program) -> frozenset[str]:
    tree = syntax.parse(program.source)
    body = tree.body if tree else ()
    return frozenset(s.name for s in body if isinstance(s, syntax.Definition))


def _dispute(own: Candidate, most: Sequence[Candidate]) -> _Dispute | None:
    """The shortest call that all of `most` answer with the same value, and `own` with another."""
    found = [
        _Dispute(call, own.answers[n], theirs[0])
        for n, call in enumerate(own.calls)
        for theirs in [[c.answers[n] for c in most]]
        if not any(answer.error for answer in theirs)
        and all(same_answer(theirs[0], answer) for answer in theirs)
        and not same_answer(theirs[0], own.answers[n])
    ]
    return min(found, key=lambda d: len(d.call), default=None)


async def _small_edit(
    run: Run, program: Program, spec: Spec, most: Sequence[Candidate]
) -> Program | None:
    """The program with one expression changed that passes the tests and answers as `most` do."""
    edited = [edit.program for edit in small_edits(program)]
    candidates = await run.evaluator.compare(edited, run.state.suite, spec) if edited else []
    return next(
        (
            c.program
            for c in candidates
            if c.report.verdict == "passed" and _dispute(c, most) is None
        ),
        None,
    )


async def _offer(run: Run, best: CheckedProgram, better: Program, summary: str) -> End | None:
    """Has the user decide on `better`; None where it fails a test or is refused."""
    checked = await run.check(better)
    if not checked.passes:
        return None
    patch = rewriting(best.program, better.source)
    run.emit(Diagnosed(Diagnosis("code", summary, patch)))
    accepted = await offer(run, patch, summary, checked.report)
    if not isinstance(accepted, Patch):
        return accepted
    if accepted is not patch:
        after = accepted.changes[0].after
        checked = await run.check(Program(after or "", better.file))
    await run.save(checked.program)
    run.state.best = checked
    run.emit(PatchApplied(accepted, summary))
    if not checked.passes:
        return End("gave_up", checked.report.why)
    return End("passed", f"All tests pass. Changed because {summary}.")
