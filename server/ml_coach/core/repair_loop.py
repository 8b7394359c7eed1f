"""From a program that fails to one that passes: propose a patch, try it, offer it, apply it.

A patch is tried on a private copy and kept only if strictly more tests pass and none is lost.
A patch that the user edited before saying yes is applied as it is.
"""

from __future__ import annotations

from ml_coach.core.agents import coder, debugger
from ml_coach.core.agents.team import MOST_LESSONS
from ml_coach.core.changes import Patch
from ml_coach.core.events import Diagnosed, PatchApplied, PatchDiscarded, PatchOffered
from ml_coach.core.judging.evaluator import CheckedProgram
from ml_coach.core.judging.voting import choose, passes_binding
from ml_coach.core.patches import rewriting
from ml_coach.core.results import TestReport
from ml_coach.core.run_state import End, Run
from ml_coach.core.types import Diagnosis, Program

_WHAT_HELPS = "More iterations, an example in the prompt or another model may help."


async def repair(run: Run, current: CheckedProgram) -> End:
    """Repairs `current` until it passes or the run gives up; returns how the run ends."""
    end = await _repair_by_model(run, current)
    if end.outcome == "gave_up":
        return await _repair_by_small_edit(run) or end
    return end


async def _repair_by_model(run: Run, current: CheckedProgram) -> End:
    """Each iteration tries one patch: a repair, or after `profile.repairs` of them a fresh start.

    A fresh start also takes the place of a repair that brought no new patch.
    """
    request = run.request
    # The user's own program is repaired, never written anew.
    may_start_afresh = request.task != "debug"
    repairs_in_a_row = 0
    while not current.passes:
        lacking = _lacking(current)
        if lacking and (run.state.started_afresh or not may_start_afresh):
            return End("gave_up", lacking)
        if run.state.iteration >= request.max_iters:
            return _iterations_used_up(run, current)
        run.state.iteration += 1
        proposal: Diagnosis | End | None = None
        # A repair installs nothing; a new program may do without the package.
        if not lacking and (not may_start_afresh or repairs_in_a_row < run.profile.repairs):
            proposal = await _diagnose(run, current)
            repairs_in_a_row += 1
        if proposal is None and may_start_afresh:
            proposal = await _start_afresh(run, current)
            repairs_in_a_row = 0
        if isinstance(proposal, End):
            return proposal
        if proposal is not None:
            following = await _try(run, proposal, current)
            if isinstance(following, End):
                return following
            current = following
    return _passed(current)


def _passed(checked: CheckedProgram) -> End:
    skipped = checked.report.skipped
    return End("passed", "All tests pass." + (f" {skipped} skipped." if skipped else ""))


def _iterations_used_up(run: Run, current: CheckedProgram) -> End:
    request = run.request
    if request.task == "debug" and request.max_iters == 1:
        # The user only had the tests run and asked for no repair.
        why = current.report.why or debugger.summarize(current.failures[:1])
        return End("gave_up", why)
    tried = f"{request.max_iters} iteration{'' if request.max_iters == 1 else 's'}"
    helps = "" if request.task == "debug" else f" {_WHAT_HELPS}"
    return End("gave_up", f"After {tried}: {_what_fails(current)}.{helps}")


def _lacking(checked: CheckedProgram) -> str:
    """Which package that the program imports is missing, and how to install it; else empty."""
    found = next((f.message for f in checked.failures if f.kind == "missing_package"), "")
    return after_install(found) if found else ""


def after_install(missing: str) -> str:
    """What a finding says of a missing package, as a sentence that says how to go on."""
    return f"{missing[:1].upper()}{missing[1:]}. Then start the run again."


def _stuck(what: str, current: CheckedProgram) -> str:
    """Why a fresh start brought nothing, and what may help."""
    return f"{what} after a fresh start: {_what_fails(current)}. {_WHAT_HELPS}"


def _what_fails(checked: CheckedProgram) -> str:
    """Which test fails, and what it found."""
    why = checked.report.why.rstrip(".")
    found = checked.failures[0].message if checked.failures else ""
    return f"{why} ({found})" if why and found and found not in why else why or found


# Propose


async def _diagnose(run: Run, current: CheckedProgram) -> Diagnosis | None:
    """A diagnosis with a patch that was not tried before, or None."""
    run.begin("debug")
    diagnosis = debugger.repair_without_model(current.program)
    if diagnosis is None or _was_tried(run, diagnosis, current):
        failures = await run.evaluator.with_trace(current, run.state.suite, run.team.spec)
        diagnosis = await debugger.debug(run.team, current.program, failures)
    run.emit(Diagnosed(diagnosis))
    if diagnosis.blame == "tests":
        # The coder may never change a test; only the test filter may drop one.
        reason = "The debugger blames the tests; no patch may change a test."
        run.emit(PatchDiscarded(reason, None))
        return None
    is_new = diagnosis.patch is not None and not _was_tried(run, diagnosis, current)
    return diagnosis if is_new else None


async def _start_afresh(run: Run, current: CheckedProgram) -> Diagnosis | End:
    """The best of new programs instead of a further repair, as a patch like any other."""
    # A body takes the place of the one that failed; a follow-up is done anew.
    existing = current.program if run.request.task == "implement" else run.state.found
    run.state.started_afresh = True
    for finding in current.failures[:MOST_LESSONS]:
        run.team.learn(finding.message)
    run.begin("code")
    programs = await coder.sample_programs(run.team, run.profile.candidates, existing)
    candidates = await run.compare(programs)
    new = [c for c in candidates if c.program.digest not in run.state.tried]
    if not new:
        why = _lacking(current) or _stuck("The same program came back", current)
        return End("gave_up", why)
    chosen = choose(new, run.state.written)
    run.state.candidates.append(chosen)
    run.state.origin = chosen
    patch = rewriting(current.program, chosen.program.source)
    return Diagnosis("code", "A fresh start", patch)


async def _repair_by_small_edit(run: Run) -> End | None:
    """The last resort, which costs no token: one expression changed so that all tests pass.

    The model's patches come first, because a program that was found by a search alone is wrong more
    often; and guessed tests do not suffice, because they are wrong more often than such an edit is
    right (bench/RESULTS.md). None where no edit helps.
    """
    state, best = run.state, run.state.best
    may_repair = state.suite.has_binding_tests and run.request.max_iters > 1 and not state.pending
    if best is None or not may_repair or passes_binding(best.report, state.suite):
        return None
    run.begin("debug")
    edit = await run.evaluator.small_edit(best.program, state.suite, run.team.spec)
    if edit is None or edit.program.digest in state.tried:
        return None
    summary = f"A small edit, found by trying, makes all tests pass: {edit.what}"
    diagnosis = Diagnosis("code", summary, rewriting(best.program, edit.program.source))
    run.emit(Diagnosed(diagnosis))
    following = await _try(run, diagnosis, best)
    if isinstance(following, End):
        return following
    return _passed(following) if following.passes else None


def _was_tried(run: Run, diagnosis: Diagnosis, current: CheckedProgram) -> bool:
    patch = diagnosis.patch
    return patch is not None and _patched(current.program, patch).digest in run.state.tried


# Try, offer, apply


async def _try(run: Run, diagnosis: Diagnosis, current: CheckedProgram) -> CheckedProgram | End:
    """The program to go on with: the patched one if it is better and accepted, else `current`.

    The patched one becomes the best program and has the tests filtered again, which may change its
    report.
    """
    state, patch, summary = run.state, diagnosis.patch, diagnosis.summary
    assert patch is not None
    before = set(state.tried)
    checked = await run.check(_patched(current.program, patch))
    if not checked.improves_on(current):
        run.team.learn(checked.failures[0].message if checked.failures else checked.report.why)
        run.emit(PatchDiscarded("It makes no more tests pass, or it loses one.", patch))
        if state.started_afresh and checked.signature in before:
            why = _lacking(checked) or _stuck("The same failure came back", current)
            return End("gave_up", why)
        return current
    mends_syntax = any(f.kind == "syntax" for f in current.findings)
    accepted = await offer(run, patch, summary, checked.report, unasked=mends_syntax)
    if not isinstance(accepted, Patch):
        return accepted or current
    if accepted is not patch:
        checked = await run.check(_patched(current.program, accepted))
    # Not added to `state.candidates`: a program that was made of a candidate has no vote of its
    # own on the tests.
    (candidate,) = await run.compare([checked.program])
    judged_by = state.suite
    end = await run.filter_tests(candidate)
    if end is None:
        if state.suite != judged_by:
            checked = await run.check(checked.program)
        await run.save(checked.program, state.suite)
        state.best = checked
    run.emit(PatchApplied(accepted, summary))  # Where the run is over, the filter has saved it.
    return end or checked


async def offer(
    run: Run, patch: Patch, summary: str, report: TestReport, *, unasked: bool = False
) -> Patch | End | None:
    """The patch to apply, as the user may have edited it; None where the user refuses it.

    `report` is that of the tests with `patch`, which helps.
    """
    run.begin("patch")
    run.emit(PatchOffered(patch, summary, len(report.passed), len(report.cases)))
    if run.request.auto_patch or unasked:
        return patch
    # However the run ends meanwhile, the patch can still be applied.
    run.state.pending = patch
    decision = await run.reviewer.decide(patch, summary)
    if decision.answer in ("apply", "discard"):
        run.state.pending = None
    match decision.answer:
        case "apply":
            return patch if decision.edited is None else decision.edited
        case "discard":
            run.team.learn(f"The user refused: {summary}")
            run.emit(PatchDiscarded("The user said no.", patch))
            return None
        case "stop":
            why = "Stopped by the user; a patch that helps waits for your decision."
            return End("stopped", why)
        case "later":
            return End("gave_up", "A patch that helps waits for your decision.")


def _patched(program: Program, patch: Patch) -> Program:
    """`program` after `patch`, which was made from exactly this text."""
    for change in patch.changes:
        if change.file == program.file and change.after is not None:
            return Program(change.after, program.file)
    return program
