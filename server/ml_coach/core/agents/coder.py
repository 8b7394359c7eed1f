"""Spec → Program. Asked again, with the parser's own words, until the reply is valid Python."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial

from ml_coach.core.agents.concurrency import all_of
from ml_coach.core.agents.model_client import ModelClient
from ml_coach.core.agents.team import SAMPLE_TEMPERATURE, Team
from ml_coach.core.agents.templates import bullets, fenced, render
from ml_coach.core.changes import PatchRefused
from ml_coach.core.events import ProgramWritten
from ml_coach.core.patches import read_body, read_patch
from ml_coach.core.ports import Call, Message, Profile
from ml_coach.core.python import syntax
from ml_coach.core.python.repairs import repair
from ml_coach.core.request import Request
from ml_coach.core.sanitizer import Refused, sanitize
from ml_coach.core.types import Program, Spec

_CONFIRMED = "The user was asked, and says:"
_LESSONS = "An earlier attempt went wrong; avoid this:"
_MODULES = "These modules of the project exist. Import what the task needs of them:"
CUT = "The reply is too long and was cut off."
# A model that failed three times in a row on syntax does not get it right on the fourth.
TRIES = 3


@dataclass(frozen=True, slots=True)
class CoderRequest:
    """What the coder is to write. `lessons` are earlier failures in a line each, `modules` what
    modules that are there offer, as code; a `temperature`
    of None is the profile's. An invalid reply is asked for again until `tries` are used up."""

    spec: Spec
    profile: Profile
    file: str
    lessons: tuple[str, ...] = ()
    modules: str = ""
    temperature: float | None = None
    seed: int | None = None
    tries: int = TRIES


@dataclass(frozen=True, slots=True)
class CoderResult:
    """A valid program and what was done to the reply to get it."""

    program: Program
    done: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class CoderTask:
    """What the model is asked, how often at most, and what makes a program of its reply's text;
    `read_last` makes one of the last reply."""

    call: Call
    tries: int
    read: Callable[[str], CoderResult | Refused]
    read_last: Callable[[str], CoderResult | Refused]


async def write_program(
    team: Team, existing: Program | None, *, sampled: bool = False
) -> Program | Refused:
    """One program: the model's best guess, or a `sampled` other one. `existing` is the file around
    the stub that is to be implemented, or the program that is to be refined. Raises `BudgetSpent`
    and `ModelError`."""
    team.samples += sampled
    wanted = CoderRequest(
        team.spec,
        team.profile,
        team.request.program_file,
        lessons=team.lessons,
        modules=team.request.modules,
        temperature=SAMPLE_TEMPERATURE if sampled else None,
        seed=team.request.seed + team.samples,
        # Shown its bad reply a small model repeats it; a sample is something else.
        tries=1 if team.profile.candidates > 1 else TRIES,
    )
    if existing is None:
        task = whole_program(wanted)
    elif team.request.task == "refine":
        task = changed_program(wanted, existing, team.request)
    else:
        task = body_of_stub(wanted, existing, team.request.function)
    written = await write(team.model_client, task, partial(team.refuse, "coder"))
    if isinstance(written, Refused):
        return written
    team.emit(ProgramWritten(written.program, written.done))
    return written.program


async def sample_programs(team: Team, number: int, existing: Program | None) -> list[Program]:
    """Up to `number` other programs, decoded in parallel. Raises as `write_program`."""
    asked = (write_program(team, existing, sampled=True) for _ in range(number))
    return [program for program in await all_of(*asked) if isinstance(program, Program)]


def task_text(spec: Spec) -> str:
    """The prompt word for word; a prompt that is code is fenced, so that a model completes it."""
    is_code = spec.stub and syntax.parse(spec.prompt) is not None
    return fenced(spec.prompt) if is_code else spec.prompt


def details_text(spec: Spec, lessons: tuple[str, ...] = ()) -> str:
    """What the prompt does not contain itself, as titled lists; empty where there is nothing."""
    signatures = () if spec.stub else spec.signatures
    return (
        bullets("Interface:", signatures)
        + bullets("Behaviours:", spec.behaviours)
        + bullets("Edge cases:", spec.edge_cases)
        + bullets("Assumptions:", spec.assumptions)
        + bullets(_CONFIRMED, spec.confirmed)
        + bullets(_LESSONS, lessons)
    )


def whole_program(request: CoderRequest) -> CoderTask:
    """Asks for a whole new program."""
    spec = request.spec
    details = details_text(spec, request.lessons)
    if request.modules:
        details += f"\n\n{_MODULES}\n{fenced(request.modules)}"
    messages = render("code", task=task_text(spec), details=details)

    def read(text: str, names: tuple[str, ...] = spec.names) -> CoderResult | Refused:
        cleaned = sanitize(text, names=names, stub=spec.stub)
        if isinstance(cleaned, Refused):
            return cleaned
        source, done = repair(cleaned.source)
        return CoderResult(Program(source, request.file), done)

    def read_last(text: str) -> CoderResult | Refused:
        found = read(text)
        if not isinstance(found, Refused) or spec.stub:
            return found
        # Names are read from prose, which may be misread. Any other fault stays one.
        loose = read(text, ())
        if isinstance(loose, Refused):
            return found
        tree = syntax.module(loose.program.source)
        defined = tuple(s.name for s in tree.body if isinstance(s, syntax.Definition))
        return read(text, tuple(name for name in spec.names if name in defined) or defined)

    return CoderTask(_call(messages, request), request.tries, read, read_last)


def body_of_stub(request: CoderRequest, program: Program, function: str) -> CoderTask:
    """Asks for the body of the stub `function` in `program`; everything else stays untouched."""
    messages = render(
        "implement",
        program=fenced(program.source),
        function=function,
        details=bullets(_CONFIRMED, request.spec.confirmed) + bullets(_LESSONS, request.lessons),
    )

    def read(text: str) -> CoderResult | Refused:
        patch = read_body(text, program.source, function, program.file)
        if isinstance(patch, PatchRefused):
            return Refused(patch.reason)
        after = patch.changes[0].after or program.source
        source, done = repair(after)
        return CoderResult(Program(source, program.file), done)

    return CoderTask(_call(messages, request), request.tries, read, read)


def changed_program(wanted: CoderRequest, program: Program, request: Request) -> CoderTask:
    """Asks for `program` with the request's follow-up, in the edit format that fits the model."""
    earlier = request.earlier_prompt
    messages = render(
        f"refine_{wanted.profile.edit_format}",
        file=program.file,
        program=fenced(program.source),
        task=f"\n\nIt was written for this task:\n{earlier}" if earlier else "",
        follow_up=request.follow_up,
        details=bullets(_CONFIRMED, wanted.spec.confirmed) + bullets(_LESSONS, wanted.lessons),
    )

    def read(text: str) -> CoderResult | Refused:
        patch = read_patch(text, {program.file: program.source}, default_file=program.file)
        if isinstance(patch, PatchRefused):
            return Refused(patch.reason)
        others = [change.file for change in patch.changes if change.file != program.file]
        if others or patch.changes[0].after is None:
            return Refused(f"It must change {program.file} alone.")
        source, done = repair(patch.changes[0].after)
        return CoderResult(Program(source, program.file), done)

    return CoderTask(_call(messages, wanted), wanted.tries, read, read)


def _call(messages: tuple[Message, ...], request: CoderRequest) -> Call:
    profile = request.profile
    temperature = profile.temperature if request.temperature is None else request.temperature
    return Call(
        "coder",
        messages,
        max_tokens=profile.max_tokens,
        temperature=temperature,
        seed=request.seed,
    )


async def write(
    model_client: ModelClient, task: CoderTask, refused: Callable[[str], None]
) -> CoderResult | Refused:
    """Asks for `task` until a reply is valid. `refused` is called with the reason of each reply
    that cannot be used. Raises `BudgetSpent` and `ModelError`."""
    answer: CoderResult | Refused = Refused("The model was not asked.")
    call = task.call
    for attempt in range(task.tries):
        reply = await model_client.ask(call)
        read = task.read_last if attempt == task.tries - 1 else task.read
        answer = read(reply.text) if reply.finish == "stop" else Refused(CUT)
        if isinstance(answer, CoderResult):
            return answer
        refused(answer.reason)
        # The model sees the bad reply and what is wrong with it. A reply that was cut off would
        # only cost tokens, and the model would go on with it.
        bad = (Message("assistant", reply.text),) if reply.finish == "stop" else ()
        again = Message("user", f"{answer.reason} Reply with the corrected, complete code only.")
        call = replace(
            call,
            messages=(*call.messages[:2], *bad, again),
            temperature=max(call.temperature, 0.4 * attempt),
        )
    return answer
