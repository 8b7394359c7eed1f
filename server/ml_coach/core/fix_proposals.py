"""What may mend a project's failure: functions that a model writes anew, what it writes from one
line on, and, at no token, small edits. The project's tests judge all of it, in fix_loop.py."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from itertools import islice

from ml_coach.core.agents.concurrency import all_of
from ml_coach.core.agents.project_debugger import MISSING, ProjectCase, fill_in, propose
from ml_coach.core.events import Diagnosed, PatchDiscarded
from ml_coach.core.fixing.context import case_for, sources_of
from ml_coach.core.fixing.failures import Failure
from ml_coach.core.fixing.lines import Place, joined
from ml_coach.core.fixing.suspicion import Suspect
from ml_coach.core.judging.guards import guards, ignored, refusals, truths
from ml_coach.core.judging.omissions import caught, omissions, signatures
from ml_coach.core.judging.small_edits import Edit, small_edits
from ml_coach.core.patches import make_patch
from ml_coach.core.patches.lines import kept_lines
from ml_coach.core.ports import Profile
from ml_coach.core.project import Project
from ml_coach.core.run_state import Run
from ml_coach.core.types import Diagnosis, Program

CHARACTERS_PER_TOKEN = 3  # of code; what is sent has to fit
MOST_CHARACTERS = 24_000  # of one prompt: more makes no model better, and costs
LINE_TOKENS = 96  # how far the model goes on from a line
NEAR_UNITS = 20  # the most suspicious ones, whose files have the functions that are called
EDITED_UNITS, EDITS_EACH = 3, 64  # small edits of each kind, in each of so many functions


async def by_model(
    run: Run, project: Project, failure: Failure, found: Sequence[Suspect], *, samples: bool
) -> list[Diagnosis]:
    """What the model proposes: its best guess, or as many `samples` as the profile has besides."""
    if not found:
        return []
    run.begin("debug")
    case = _case(run.profile, project, failure, found)
    texts = {file: project.text(file) for file in project.modules if project.text(file)}
    count = run.profile.candidates - 1 if samples else 1
    diagnoses = await all_of(
        *[propose(run.team, case, texts, sampled=samples) for _ in range(count)]
    )
    for diagnosis in diagnoses:
        run.emit(Diagnosed(diagnosis))
        if diagnosis.blame == "tests":
            reason = "The debugger blames the tests; no patch may change a test."
            run.emit(PatchDiscarded(reason, None))
    return [d for d in diagnoses if d.patch is not None and d.blame == "code"]


async def from_line(run: Run, project: Project, failure: Failure, place: Place) -> list[Diagnosis]:
    """What comes of as many samples as the profile has, of how a function goes on at `place`.
    Raises `BadRequestError` where the server does not let its model go on."""
    run.begin("debug")
    file, source = place.unit.file, project.text(place.unit.file)
    case = _case(run.profile, project, failure, [Suspect(place.unit, 1.0)])
    case = replace(case, code=f"{place.head}{place.indent}{MISSING}\n{place.tail}")
    replies = await all_of(
        *[
            fill_in(run.team, case, place.head, max_tokens=LINE_TOKENS)
            for _ in range(run.profile.candidates)
        ]
    )
    texts = dict[str, None]()
    for reply in replies:
        lines = kept_lines(reply.text)
        written = "".join(line for line in lines if line.strip() != MISSING)
        texts |= dict.fromkeys(joined(source, place, written, is_whole=reply.finish == "stop"))
    what = f"A change of {file} near line {place.first}"
    return [Diagnosis("code", what, make_patch({file: source}, {file: text})) for text in texts]


def _case(
    profile: Profile, project: Project, failure: Failure, found: Sequence[Suspect]
) -> ProjectCase:
    room = CHARACTERS_PER_TOKEN * (profile.context - profile.max_tokens)
    alone = profile.edit_format == "function"
    return case_for(project, failure, found, min(room, MOST_CHARACTERS), alone=alone)


def by_edits(project: Project, failure: Failure, found: Sequence[Suspect]) -> Iterator[Diagnosis]:
    """The small edits for `failure`, whose suspects are `found`: guards where it raises first. Each
    takes up to a tenth of a second to be made, so they are made when they are asked for."""
    message = failure.shown.message
    raising = [p for p in reversed(failure.shown.related) if p.file in project.modules]
    units = [s.unit for s in found if s.unit.kind == "function"][:EDITED_UNITS]
    pieces = [(_program(project, unit.file), range(unit.first, unit.last + 1)) for unit in units]
    files = dict.fromkeys(suspect.unit.file for suspect in found[:NEAR_UNITS])
    known = signatures(project.text(file) for file in files)
    test = sources_of(project, failure.findings, 1)
    kinds: list[Iterable[Edit]] = []
    for around in (guards, caught):
        kinds += [
            around(_program(project, p.file), p.line, message) for p in raising[:EDITED_UNITS]
        ]
    for program, lines in pieces:
        kinds += [truths(program, lines), ignored(program, lines)]
        kinds += [omissions(program, lines, known), _slips(program, lines)]
    kinds += [refusals(program, lines, message, test) for program, lines in pieces]
    for edits in kinds:
        for edit in islice(edits, EDITS_EACH):
            yield _diagnosis(project, edit)


def _slips(program: Program, lines: range) -> Iterator[Edit]:
    yield from small_edits(program, EDITS_EACH, lines)


def _program(project: Project, file: str) -> Program:
    return Program(project.text(file), file)


def _diagnosis(project: Project, edit: Edit) -> Diagnosis:
    file = edit.program.file
    patch = make_patch({file: project.text(file)}, {file: edit.program.source})
    return Diagnosis("code", f"A small edit of {file}, found by trying: {edit.what}", patch)
