"""What one run is started with, made by the command that starts it."""

from __future__ import annotations

import secrets
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from pathlib import Path
from typing import Any

from ml_coach.core.agents.divider import Part
from ml_coach.core.project import Project
from ml_coach.core.question import Answer
from ml_coach.core.request import Request
from ml_coach.core.types import Program, RunReport
from ml_coach.core.usage import Limits
from ml_coach.settings import Settings


def new_run_id() -> str:
    """A run id that sorts by time, to a fraction of a second: an agent may ask for two runs in one.
    Its random tail keeps apart what begins at the same moment."""
    now = datetime.now()
    fraction = now.microsecond * 4096 // 1_000_000
    return f"{now:%Y%m%d-%H%M%S}-{fraction:03x}{secrets.token_hex(2)[:3]}"


def request_from(settings: Settings, prompt: str, **fields: Any) -> Request:
    """A request with the settings' limits; `fields` are those of `Request`."""
    request = Request(
        prompt,
        program_file=settings.program_file,
        tests_file=settings.tests_file,
        max_iters=settings.max_iters,
        min_confidence=settings.min_confidence,
        max_questions=settings.max_questions,
        run_timeout_seconds=settings.run_timeout_seconds,
        auto_patch=settings.auto_patch,
        limits=Limits(settings.max_calls, settings.max_tokens, settings.max_seconds),
    )
    return replace(request, **fields)


def import_problem(request: Request, *, has_tests: bool) -> str:
    """Why no test could import the program, as a sentence; empty where one can. `has_tests` says
    whether the tests file is there already."""
    # The user's own tests may load the program in their own way.
    own_tests = request.task == "fix" or (request.task == "debug" and has_tests)
    if own_tests or Program("", request.program_file).is_importable:
        return ""
    return (
        f"Tests cannot import {request.program_file}: rename it, so that each part of its path is "
        "a Python name, as in app/my_module.py."
    )


def answered(request: Request, report: RunReport, answer: Answer) -> Request:
    """The request of the run that goes on from `report`, which left a question open.

    Where no further question may be asked this one may: the user came back to it.
    """
    answers = (*report.answers, answer)
    return replace(request, answers=answers, max_questions=max(request.max_questions, len(answers)))


@dataclass(frozen=True, slots=True)
class RunOrder:
    """Everything a run needs, beside the face that shows it.

    The request's files are relative to `root`. `overwrite` lets `generate` replace files that
    ML Coach did not write. A `quiet` run is shown by the editor's client itself: without progress
    and without a message at its end. `replay` is the id of a run that goes on here: the calls that
    it recorded are answered from its log. `record` is a further file for the model's transcript.
    `project` is what the task `fix` mends. A `note` says what of the prompt the run does not do.

    A prompt may name several `new_files`. Where the model can divide it, there is a run for each:
    this one does the first part, and `rest` are those that follow. `of_parts` makes the order for
    the first of such parts, or a sentence why there is none; `first` is the id of the first run, by
    which the user may know them all.
    """

    root: Path
    request: Request
    settings: Settings
    overwrite: bool = False
    quiet: bool = False
    replay: str = ""
    record: Path | None = None
    project: Project | None = None
    note: str = ""
    new_files: tuple[str, ...] = ()
    rest: tuple[Part, ...] = ()
    first: str = ""
    of_parts: Callable[[Sequence[Part]], Awaitable[RunOrder | str]] | None = None
    run_id: str = field(default_factory=new_run_id)

    @property
    def subject(self) -> str:
        """What the run works on, as the user is told: a whole project by its folder's name."""
        is_whole = self.project is not None and self.request.targets == self.project.every
        return self.root.resolve().name if is_whole else self.request.subject

    @property
    def replaced_files(self) -> tuple[str, ...]:
        """The files that the run replaces as a whole, so that they must be ours or absent."""
        if self.request.task == "generate":
            return self.request.changed_files
        writes_tests = self.request.task in ("implement", "write_tests")
        return (self.request.tests_file,) if writes_tests else ()

    @property
    def files(self) -> tuple[str, ...]:
        """The files that the run may read or write, by which other runs know that it is at work.

        A run of a project takes its folder for all of them, and each file once it changes it.
        """
        if self.project is not None:
            return (".",)
        return tuple(dict.fromkeys((*self.request.changed_files, self.request.tests_file)))


def in_place_of(order: RunOrder, new: RunOrder, limits: Limits, **fields: Any) -> RunOrder:
    """`new` as the user wanted `order` to be run, within `limits`; `fields` are further ones."""
    return replace(
        new,
        request=replace(new.request, limits=limits),
        overwrite=order.overwrite,
        record=order.record,
        **fields,
    )


async def next_order(order: RunOrder, report: RunReport) -> RunOrder | str | None:
    """The order of the next part of the prompt, within what is left of its limits, now that `order`
    ended so; a sentence where there can be none, None where nothing is left to do."""
    if not order.rest or order.of_parts is None or report.outcome in ("stopped", "failed"):
        return None
    left = order.request.limits.after(report.usage)
    files = " and ".join(part.file for part in order.rest)
    if report.outcome == "gave_up" or report.pending:
        why = "a patch for it waits" if report.pending else "its tests fail"
        return f"{files} may build on {order.subject}, and {why}, so no run for {files} was begun."
    if left.are_spent:
        return f"The limit of calls or tokens is used up, so no run for {files} was begun."
    new = await order.of_parts(order.rest)
    # Not `quiet`: a client that shows a run by itself knows of the first one only.
    first = order.first or order.run_id
    return new if isinstance(new, str) else in_place_of(order, new, left, first=first)
