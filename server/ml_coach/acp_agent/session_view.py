"""A run's events as the updates of a session: a plan, tool calls, thoughts, the report."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any, get_args

from acp import (
    plan_entry,
    start_tool_call,
    text_block,
    tool_content,
    tool_diff_content,
    update_agent_message_text,
    update_agent_thought_text,
    update_plan,
    update_tool_call,
)
from acp.schema import PlanEntry, ToolCallLocation

from ml_coach.core.events import (
    Event,
    FilesSaved,
    PatchesTried,
    PatchOffered,
    QuestionAsked,
    RunFinished,
    StageStarted,
    TestsAdvanced,
    TestsFinished,
)
from ml_coach.core.request import Request
from ml_coach.core.results import TestReport
from ml_coach.core.types import RunReport, Stage
from ml_coach.core.wording import DOING, ending, harmless, sentence, tests_sentence, title

_STAGES: tuple[Stage, ...] = get_args(Stage)
# Of a task, the stages that a run of it never has.
_WITHOUT: dict[str, frozenset[Stage]] = {
    "fix": frozenset(("research", "code", "tests", "filter")),
    "write_tests": frozenset(("code", "debug", "patch")),
    "debug": frozenset(("code",)),
}
_MOST_SHOWN = 30
_LONGEST_MESSAGE = 400


class SessionView:
    """Call it with each event. `put` takes the updates. With `shows_files` what was saved is shown
    as edits, for a run of the past, of which nobody was asked."""

    def __init__(
        self,
        put: Callable[[Any], None],
        run_id: str,
        request: Request,
        folder: Path,
        *,
        shows_files: bool = False,
    ) -> None:
        self._put, self._run_id, self._folder = put, run_id, folder
        without = _WITHOUT.get(request.task, frozenset[Stage]())
        self._stages: list[Stage] = [stage for stage in _STAGES if stage not in without]
        self._begun: list[Stage] = []
        self._test_runs = 0
        self._is_testing = False
        self._shows_files = shows_files

    def __call__(self, event: Event) -> None:
        """Shows the event."""
        match event:
            case StageStarted():
                self._stage(event)
            case TestsFinished():
                self._tested(event.report)
            case FilesSaved() if self._shows_files:
                self._saved(event)
            case RunFinished():
                self._ended(event.report)
            case TestsAdvanced() | PatchesTried():
                pass
            case FilesSaved() | PatchOffered() | QuestionAsked():
                pass  # Who is asked, or permits a file, sees it there.
            case _:
                self._thought(sentence(event))

    def _stage(self, event: StageStarted) -> None:
        self._plan(event.stage)
        if event.stage == "pytest":
            self._begin_tests(f"Run the tests in the sandbox (iteration {event.iteration})")

    def _plan(self, now: Stage | None) -> None:
        """Shows which stages are over; one may come back."""
        if now is not None:
            self._begun.append(now)
        entries: list[PlanEntry] = []
        for stage in self._stages:
            is_over = stage in self._begun and stage != now
            status = "completed" if is_over else "in_progress" if stage == now else "pending"
            entries.append(plan_entry(DOING[stage].capitalize(), status=status))
        self._put(update_plan(entries))

    def _begin_tests(self, name: str) -> None:
        if self._is_testing:
            return
        self._is_testing = True
        self._test_runs += 1
        self._put(start_tool_call(self._tests_id, name, kind="execute", status="in_progress"))

    @property
    def _tests_id(self) -> str:
        return f"{self._run_id}-tests-{self._test_runs}"

    def _tested(self, report: TestReport) -> None:
        self._begin_tests("Run the tests in the sandbox")
        self._end_tests(_tests_text(report), has_passed=report.verdict == "passed")

    def _end_tests(self, text: str, *, has_passed: bool) -> None:
        self._is_testing = False
        status = "completed" if has_passed else "failed"
        content = [tool_content(text_block(harmless(text)))]
        self._put(update_tool_call(self._tests_id, status=status, content=content))

    def _saved(self, event: FilesSaved) -> None:
        for number, (file, text) in enumerate(event.files.items()):
            path = str(self._folder / file)
            self._put(
                start_tool_call(
                    f"{self._run_id}-saved-{len(self._begun)}-{number}", f"Wrote {file}",
                    kind="edit", status="completed", content=[tool_diff_content(path, text)],
                    locations=[ToolCallLocation(path=path)],
                )
            )  # fmt: skip

    def _ended(self, report: RunReport) -> None:
        if self._is_testing:
            self._end_tests("The tests did not come to an end.", has_passed=False)
        self._plan(None)
        self._put(update_agent_message_text(harmless(_ending(report, self._run_id))))

    def _thought(self, text: str) -> None:
        put_thought(self._put, text)


def put_thought(put: Callable[[Any], None], text: str) -> None:
    """Puts a line that says what a run does; nothing where it is empty."""
    if text:
        put(update_agent_thought_text(f"{harmless(text)}\n"))


def _tests_text(report: TestReport) -> str:
    lines = [tests_sentence(report)]
    for case in report.cases[:_MOST_SHOWN]:
        why = f": {case.message[:_LONGEST_MESSAGE]}" if case.message else ""
        lines.append(f"{case.outcome:7} {case.name}{why}")
    if more := len(report.cases[_MOST_SHOWN:]):
        lines.append(f"and {more} more")
    return "\n".join(lines)


def _ending(report: RunReport, run_id: str) -> str:
    """The report in a few lines of Markdown; names of files are code."""
    lines = [f"**{title(report).capitalize()}.** {ending(report)}"]
    if report.files:
        lines.append(f"Files: {', '.join(f'`{file}`' for file in report.files)}.")
    if report.pending:
        lines.append(f"The patch waits: `ml-coach apply {run_id}` applies it.")
    if report.question:
        lines.append(f"Open question: {report.question.text} `ml-coach answer {run_id}`")
    lines.append(f"Sandbox: {report.sandbox}. Model: {report.model}. Run `{run_id}`.")
    return "\n\n".join(lines)
