"""A run's report at the terminal: how it ended, why, its tests and its cost."""

from __future__ import annotations

from pathlib import Path

from rich.console import Console, Group
from rich.markup import escape
from rich.panel import Panel
from rich.table import Table
from rich.text import Text

from ml_coach.cli.shown_paths import shown
from ml_coach.core.types import RunReport
from ml_coach.core.wording import advice, amount, dropped_text, harmless, tests_by_provenance, title

_MOST_SHOWN = 5
_COLOURS = {
    "passed": "green",
    "unsure": "yellow",
    "gave_up": "yellow",
    "stopped": "yellow",
    "failed": "red",
}


def _origin(report: RunReport) -> str:
    """Where the tests that ran come from, and how many were dropped."""
    if report.suite is None or report.tests is None:
        return ""
    functions = dict.fromkeys(case.function for case in report.tests.cases)
    dropped = f", {len(report.dropped)} dropped" if report.dropped else ""
    return tests_by_provenance(report.suite, functions) + dropped


def show_report(
    console: Console, report: RunReport, *, folder: Path, run_id: str, applied: bool = False
) -> None:
    """Prints a run's outcome and reason, its tests with those that were dropped, and its cost.

    `folder` is the one that its files are in; `applied` says that the patch which the run left was
    applied since.
    """
    table = Table.grid(padding=(0, 2))
    table.add_column(style="dim")
    table.add_column()
    if report.tests is not None:
        passed = f"{len(report.tests.passed)} of {len(report.tests.cases)} passed"
        origin = f" ({_origin(report)})" if report.suite else ""
        ran = f"{passed}{origin}" if report.tests.cases else "none could run"
        table.add_row("tests", ran)
    for dropped in report.dropped[:_MOST_SHOWN]:
        table.add_row("dropped", Text(harmless(dropped_text(dropped))))
    if more := len(report.dropped[_MOST_SHOWN:]):
        table.add_row("", f"and {more} more")
    for answer in report.answers:
        table.add_row("you said", Text(harmless(answer.shown)))
    usage = report.usage
    calls = amount(usage.calls, "call")
    tokens = f"{usage.tokens} tokens ({usage.prompt_tokens} in, {usage.completion_tokens} out)"
    cost = f", ${usage.cost:.4f}" if usage.cost else ""
    table.add_row("model", escape(f"{report.model}: {calls}, {tokens}{cost}"))
    iterations = amount(report.iterations, "iteration")
    table.add_row("run", f"{run_id}: {iterations}, {report.seconds:.1f} s")
    table.add_row("sandbox", report.sandbox)
    if report.tests is not None and report.tests.ran_on:
        table.add_row("python", escape(report.tests.ran_on))
    for file in report.files:
        table.add_row("file", _file(folder / file, report.files[file]))
    named, reason = title(report), report.reason
    if helps := advice(report):
        reason = f"{reason.rstrip('.')}. {helps}"
    if applied:
        named, reason = (
            "patch applied",
            "The patch that the run left was applied since. Below is the run before it.",
        )
    head = Text(f" {named} ", f"bold {_COLOURS[report.outcome]}")
    # Escaped before it is laid out: escapes make it longer, and what does not fit is cut off.
    body = Group(Text(harmless(_as_sentence(reason))), table)
    console.print(
        Panel(body, title=head, title_align="left", border_style=_COLOURS[report.outcome])
    )
    if report.explanation:
        console.print(Text(harmless(report.explanation)))


def _as_sentence(reason: str) -> str:
    """The reason with a capital letter, unless it begins with a name, which stays as it is."""
    is_word = reason.partition(" ")[0].isalpha()
    return reason[:1].upper() + reason[1:] if is_word else reason


def _file(path: Path, text: str) -> Text:
    """Where a file is, and what became of it since the run wrote this text. Never cut off."""
    try:
        now = path.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError):
        now = None
    became = "" if now == text else "  (not there any more)" if now is None else "  (changed since)"
    return Text(harmless(shown(path)) + became, overflow="fold")
