"""A failure of a project's tests → Diagnosis: what the model says, and a patch over its files."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, replace

from ml_coach.core.agents.model_client import Reply
from ml_coach.core.agents.team import SAMPLE_TEMPERATURE, Team
from ml_coach.core.agents.templates import bullets, fenced, render
from ml_coach.core.changes import Patch, PatchRefused
from ml_coach.core.patches import read_patch
from ml_coach.core.ports import Call, Message
from ml_coach.core.project import is_test_file
from ml_coach.core.python import syntax
from ml_coach.core.replies.methods import within_class
from ml_coach.core.types import Diagnosis

MISSING = "# missing"  # in the place of a statement that the model is to write
_REFUSED = "The debugger's patch cannot be applied"


@dataclass(frozen=True, slots=True)
class ProjectCase:
    """What a model is told of a failure. `name` and `file` are those of the piece to rewrite, the
    most suspicious one; `code` is that piece, or several where edits are asked for."""

    test: str
    failure: str
    name: str
    file: str
    code: str
    context: str


async def propose(
    team: Team, case: ProjectCase, texts: Mapping[str, str], *, sampled: bool
) -> Diagnosis:
    """The model's diagnosis: its best guess, or a `sampled` one. `texts` are the project's modules,
    which a patch may change. `patch` is None where the reply holds no change that can be applied.
    Raises `BudgetSpent` and `ModelError`."""
    asks_function = team.profile.edit_format == "function"
    messages = render(
        "fix_function" if asks_function else "fix_edits",
        code=fenced(case.code) if asks_function else case.code,
        lessons=bullets("Earlier corrections failed so:", team.lessons) + "\n",
        **_told(case),
    )
    reply = await team.model_client.ask(_call(team, messages, sampled=sampled))
    if reply.finish == "length":
        return Diagnosis("code", "The debugger's reply was cut off, so its patch was not used.")
    text = within_class(reply.text, case.name) if asks_function else reply.text
    return read_change(text, texts, case.file)


async def fill_in(team: Team, case: ProjectCase, head: str, *, max_tokens: int) -> Reply:
    """How the model goes on from `head`, the first lines of the function `case.code`, in which a
    statement is `MISSING` then: shown, it would be copied. A sample of at most `max_tokens`. Raises
    `BudgetSpent` and `ModelError`."""
    messages = render("fix_statement", code=fenced(case.code), missing=MISSING, **_told(case))
    begun = Message("assistant", f"```python\n{head}")
    call = _call(team, (*messages, begun), sampled=True)
    return await team.model_client.ask(replace(call, max_tokens=max_tokens, may_be_cut=True))


def _told(case: ProjectCase) -> dict[str, str]:
    return {
        "test": fenced(case.test),
        "failure": case.failure,
        "name": case.name,
        "file": case.file,
        "context": case.context,
    }


def _call(team: Team, messages: tuple[Message, ...], *, sampled: bool) -> Call:
    team.diagnoses += 1
    profile = team.profile
    return Call(
        "debugger",
        messages,
        max_tokens=profile.max_tokens,
        temperature=SAMPLE_TEMPERATURE if sampled else profile.temperature,
        seed=team.request.seed + team.diagnoses,
    )


def read_change(text: str, texts: Mapping[str, str], default_file: str) -> Diagnosis:
    """The diagnosis in a model's reply. A patch that touches a test blames the tests; one that
    removes a file, or leaves one that does not compile, is refused."""
    patch = read_patch(text, texts, default_file=default_file)
    cause = _cause(text)
    if isinstance(patch, PatchRefused):
        return Diagnosis("code", f"{_REFUSED}: {patch.reason}")
    for change in patch.changes:
        if is_test_file(change.file):
            return Diagnosis("tests", cause or "The debugger blames the tests.", patch)
        if change.after is None:
            return Diagnosis("code", f"{_REFUSED}: it removes {change.file}.")
        if change.file.endswith(".py") and (fault := syntax.complaint(change.after)):
            return Diagnosis("code", f"{_REFUSED}: {change.file} would not compile: {fault}")
    return Diagnosis("code", cause or _what(patch), patch)


def _what(patch: Patch) -> str:
    return f"A change of {', '.join(change.file for change in patch.changes)}"


def _cause(text: str) -> str:
    """The prose before the first block: the sentence that was asked for."""
    prose = re.split(r"```|~~~|^.*\n?<<<<<<<|^(?:---|diff) ", text, maxsplit=1, flags=re.MULTILINE)
    return " ".join(prose[0].split())[:300].strip()
