"""Findings and a test report → Diagnosis: a summary of everything, and a patch where possible."""

from __future__ import annotations

import re
from pathlib import PurePosixPath

from ml_coach.core.agents.coder import task_text
from ml_coach.core.agents.team import SAMPLE_TEMPERATURE, Team
from ml_coach.core.agents.templates import bullets, fenced, render
from ml_coach.core.changes import Patch, PatchRefused
from ml_coach.core.finding import Finding
from ml_coach.core.patches import read_patch, rewriting
from ml_coach.core.ports import Call
from ml_coach.core.python.repairs import repair
from ml_coach.core.types import Diagnosis, Program

# More than this and a small model fixes the last one and forgets the first.
MOST_FINDINGS = 4
_DETAIL_CHARACTERS = 700


def summarize(findings: tuple[Finding, ...]) -> str:
    """All findings (syntax, runtime, tests) in a few lines, the most basic kind first."""
    lines = [f"{f.file}:{f.line}: {f.message}" if f.line else f.message for f in findings]
    return "\n".join(dict.fromkeys(lines))


def repair_without_model(program: Program) -> Diagnosis | None:
    """The deterministic fixes: missing imports, fences, indentation. Costs no token."""
    source, done = repair(program.source)
    if source == program.source:
        return None
    return Diagnosis("code", "; ".join(done) or "repaired", rewriting(program, source))


async def debug(team: Team, program: Program, findings: tuple[Finding, ...]) -> Diagnosis:
    """The model's diagnosis: its best guess first, later on a sampled one. `patch` is None where
    its reply holds no change that can be applied; the summary then says why. A patch that touches a
    test file blames the tests. Raises `BudgetSpent` and `ModelError`."""
    team.diagnoses += 1
    profile = team.profile
    messages = render(
        f"debug_{profile.edit_format}",
        task=task_text(team.spec),
        file=program.file,
        program=fenced(program.source),
        findings=_findings_text(findings),
        lessons=bullets("Earlier corrections failed so:", team.lessons),
    )
    call = Call(
        "debugger",
        messages,
        max_tokens=profile.max_tokens,
        temperature=SAMPLE_TEMPERATURE if team.diagnoses > 1 else profile.temperature,
        seed=team.request.seed + team.diagnoses,
    )
    reply = await team.model_client.ask(call)
    if reply.finish == "length":
        return Diagnosis("code", "The debugger's reply was cut off, so its patch was not used.")
    text = reply.text
    patch = read_patch(text, {program.file: program.source}, default_file=program.file)
    cause = _cause(text)
    if isinstance(patch, PatchRefused):
        return Diagnosis("code", f"The debugger's patch cannot be applied: {patch.reason}")
    others = [change.file for change in patch.changes if change.file != program.file]
    if others and not any("test" in PurePosixPath(file).name for file in others):
        reason = f"it changes {others[0]}, which is no part of this run"
        return Diagnosis("code", f"The debugger's patch cannot be applied: {reason}.")
    if others:
        return Diagnosis("tests", cause or "The debugger blames the tests.", patch)
    return Diagnosis("code", cause or summarize(findings[:1]), _repaired(program, patch))


def _repaired(program: Program, patch: Patch) -> Patch | None:
    after = patch.changes[0].after
    if after is None or after == program.source:
        return None
    source, _ = repair(after)
    return rewriting(program, source)


def _findings_text(findings: tuple[Finding, ...]) -> str:
    parts: list[str] = []
    for finding in findings[:MOST_FINDINGS]:
        place = f" (line {finding.line})" if finding.line and not finding.test else ""
        parts.append(f"- {finding.message}{place}")
        if finding.detail:
            detail = finding.detail[-_DETAIL_CHARACTERS:].strip()
            parts.append("\n".join(f"  {line}" for line in detail.splitlines()))
    if len(findings) > MOST_FINDINGS:
        parts.append(f"- and {len(findings) - MOST_FINDINGS} more")
    return "\n".join(parts)


def _cause(text: str) -> str:
    """The prose before the first fence: the sentence that the prompt asked for."""
    prose = re.split(r"```|~~~", text, maxsplit=1)[0]
    sentences = " ".join(prose.split())
    return sentences[:300].strip()
