"""The loop on real projects: `ml-coach fix` on real bugs of public libraries, with a real model or
one that knows the fix.

    DATA=../shared/data/realbugs
    uv run python tests/benchmarks/workspace.py --data $DATA --perfect
    uv run python tests/benchmarks/workspace.py --data $DATA -m local:qwen2.5-coder-1.5b

The loop sees the tree before the fix and the fix's tests. A bug is *localised* at n where one of
the functions that the fix changes is among the first n suspects of the failure; *fixed* where a run
of the tests afterwards, apart from the loop's own, passes all that the fix makes pass and loses
none that passed; *lost* where something was applied and a test that passed fails.
"""

from __future__ import annotations

import argparse
import asyncio
import tempfile
import time
from collections.abc import AsyncGenerator
from dataclasses import dataclass, field, replace
from pathlib import Path

from perfect_replies import FORMATS, Format, reply
from realbugs import Bug, environment, read_bugs, test_name

from ml_coach.app import App
from ml_coach.core.coach import Coach
from ml_coach.core.events import Event, FailureChosen, PatchApplied, TestsFinished
from ml_coach.core.ports import Call, Decision, Ended, Model, Profile
from ml_coach.core.project import Project
from ml_coach.core.request import Request
from ml_coach.core.types import RunReport
from ml_coach.core.usage import Limits, Usage
from ml_coach.disk import FolderWorkspace, WrittenFiles
from ml_coach.execution.executor import SandboxedExecutor
from ml_coach.execution.sandbox.limits import PROJECT_LIMITS
from ml_coach.models.recorded import RecordedModel, RecordingModel
from ml_coach.project_files import open_project
from ml_coach.settings import Settings

TOPS = (1, 3, 5)
SECONDS = 900.0


@dataclass
class PerfectModel:
    """Says the fix, in one format, whatever it is asked."""

    text: str
    profile: Profile
    name: str = "perfect:fix"

    async def stream(self, call: Call) -> AsyncGenerator[str | Ended, None]:
        """See `core.ports.Model`."""
        yield self.text
        yield Ended("stop", Usage(1, sum(len(m.text) for m in call.messages) // 4))

    async def aclose(self) -> None:
        """See `core.ports.Model`."""


class NobodyToAsk:
    """The patches are applied unasked (`auto_patch`)."""

    async def decide(self, patch: object, summary: str) -> Decision:
        """See `core.ports.Reviewer`."""
        return Decision("apply")

    async def answer(self, question: object) -> None:
        """See `core.ports.Reviewer`."""


@dataclass
class Row:
    """What came of one bug. `rank` is that of the best right suspect, 0 for none among them."""

    bug: str
    rank: int = 0
    file_rank: int = 0
    fixed: bool = False
    lost: bool = False
    calls: int = 0
    tokens: int = 0
    seconds: float = 0.0
    ending: str = ""


@dataclass
class Listener:
    """Remembers which tests passed at first, which failures the run worked on, and what it did."""

    chosen: list[FailureChosen] = field(default_factory=list)
    applied: list[str] = field(default_factory=list)
    passed: frozenset[str] | None = None

    def __call__(self, event: Event) -> None:
        if isinstance(event, TestsFinished) and self.passed is None:
            self.passed = event.report.passed
        if isinstance(event, FailureChosen):
            self.chosen.append(event)
        if isinstance(event, PatchApplied):
            self.applied.append(event.summary)


def model_for(bug: Bug, project: Project, options: argparse.Namespace, kind: Format) -> Model:
    """The model that the options ask for."""
    if options.perfect:
        before = {file: project.text(file) for file in bug.fix}
        text = reply(kind, before, bug.fix)
        profile = Profile(edit_format="function" if kind == "functions" else "diff")
        return PerfectModel(text, profile)
    if options.replies:
        return RecordedModel(options.replies / f"{bug.id}.jsonl")
    model = App().model(Settings(model=options.model), lambda event: None)
    if options.record:
        options.record.mkdir(parents=True, exist_ok=True)
        return RecordingModel(model, options.record / f"{bug.id}.jsonl")
    return model


async def measure(bug: Bug, options: argparse.Namespace, kind: Format) -> Row:
    """Runs the loop on one bug and grades what it leaves."""
    python = str(environment(bug.requires, options.python))
    executor = SandboxedExecutor(python, limits=PROJECT_LIMITS)
    with tempfile.TemporaryDirectory() as scratch:
        root = bug.unpacked(Path(scratch))
        project = replace(open_project(root).project, targets=bug.tests)
        right = {unit.key for unit in bug.units(root)}
        listener, started = Listener(), time.monotonic()
        model = model_for(bug, project, options, kind)
        workspace = FolderWorkspace(root, WrittenFiles(Path(scratch) / "written.jsonl"))
        limits = Limits(calls=options.calls, tokens=options.tokens, seconds=SECONDS)
        request = Request(
            "", task="fix", targets=bug.tests, auto_patch=True, max_iters=options.max_iters,
            limits=limits,
        )  # fmt: skip
        coach = Coach(model, executor, workspace, NobodyToAsk(), project=project)
        try:
            report = await coach.run(request, listener)
            row = Row(bug.id, calls=report.usage.calls, tokens=report.usage.tokens)
            row.rank, row.file_rank = ranks(bug, listener, right)
            row.seconds = time.monotonic() - started
            row.ending = "; ".join([*listener.applied, report.reason])
            if report.files:
                await grade(row, bug, executor, project, report, listener.passed or frozenset())
        finally:
            await executor.aclose()
            await model.aclose()
    return row


def ranks(bug: Bug, listener: Listener, right: set[tuple[str, str]]) -> tuple[int, int]:
    """The places of the best right function and file among the suspects of the bug's failure."""
    for chosen in listener.chosen:
        if any(test_name(test) in bug.failing for test in chosen.tests):
            suspects = [tuple(each.split("::", 1)) for each in chosen.suspects]
            files = list(dict.fromkeys(file for file, _ in suspects))
            found = next((n for n, s in enumerate(suspects, 1) if s in right), 0)
            known = {file for file, _ in right}
            return found, next((n for n, file in enumerate(files, 1) if file in known), 0)
    return 0, 0


async def grade(
    row: Row,
    bug: Bug,
    executor: SandboxedExecutor,
    before: Project,
    report: RunReport,
    passed_before: frozenset[str],
) -> None:
    """Whether the files that the run left do what the fix does, by a run of all tests."""
    (after,) = await executor.test_project(
        before, (report.files,), timeout_seconds=SECONDS, test_seconds=60.0
    )
    lost = passed_before - after.passed
    row.lost = bool(lost)
    row.fixed = bug.failing <= {test_name(test) for test in after.passed} and not lost


def table(rows: list[Row], title: str) -> str:
    """The columns of the README of this benchmark, one line of sums."""
    count = len(rows)
    functions = " / ".join(str(sum(0 < row.rank <= top for row in rows)) for top in TOPS)
    files = " / ".join(str(sum(0 < row.file_rank <= top for row in rows)) for top in TOPS)
    fixed, lost = sum(row.fixed for row in rows), sum(row.lost for row in rows)
    calls, tokens = sum(row.calls for row in rows), sum(row.tokens for row in rows)
    return (
        f"{title}: {count} bugs; right function among the first 1 / 3 / 5: {functions}; "
        f"right file: {files}; fixed {fixed}; something lost {lost}; "
        f"{calls} calls, {tokens} tokens"
    )


async def main() -> None:
    """Prints a line for each bug and the sums."""
    options = parsed()
    bugs = [b for b in read_bugs(options.data) if not options.only or options.only in b.id]
    bugs.sort(key=lambda bug: bug.passing)  # The small suites first.
    kinds = (options.format,) if options.format else FORMATS if options.perfect else (FORMATS[0],)
    for kind in kinds:
        rows: list[Row] = []
        for bug in bugs[: options.most or None]:
            row = await measure(bug, options, kind)
            rows.append(row)
            how = "lost" if row.lost else "fixed" if row.fixed else "not fixed"
            print(
                f"{row.bug:28} {row.rank or '-':>3} {how:9} {row.calls:3} calls "
                f"{row.tokens:6} tokens {row.seconds:6.1f} s  {row.ending[:110]}",
                flush=True,
            )
        print(table(rows, f"perfect, {kind}" if options.perfect else options.model), flush=True)


def parsed() -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, required=True, help="the folder realbugs")
    parser.add_argument("-m", "--model", default="")
    parser.add_argument("--perfect", action="store_true", help="a model that says the fix")
    parser.add_argument("--format", choices=FORMATS, help="of the perfect model; else all three")
    parser.add_argument("--record", type=Path, help="a folder for a transcript of each bug")
    parser.add_argument("--replies", type=Path, help="a folder of transcripts to replay")
    parser.add_argument("--python", default="", help="what the virtual environments are made of")
    parser.add_argument("--only", default="", help="bugs whose id has this text")
    parser.add_argument("--most", type=int, default=0, help="so many bugs")
    parser.add_argument("--max-iters", type=int, default=3, help="functions to try for a failure")
    parser.add_argument("--calls", type=int, default=40)
    parser.add_argument("--tokens", type=int, default=200_000)
    return parser.parse_args()


if __name__ == "__main__":
    asyncio.run(main())
