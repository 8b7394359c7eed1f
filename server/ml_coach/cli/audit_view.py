"""An audit of tests as a person reads it: what each test notices, and what nobody notices."""

from __future__ import annotations

from pathlib import Path

from rich.console import Console
from rich.markup import escape
from rich.padding import Padding
from rich.syntax import Syntax
from rich.table import Table
from rich.text import Text

from ml_coach.cli.next_commands import show_next
from ml_coach.cli.shown_paths import shown
from ml_coach.core.auditing.report import AuditReport, Mistake, TestAudit

_MOST_TESTS, _MOST_MISTAKES = 20, 8
_ORDER = {"cannot_fail": 0, "not_judging": 1, "elsewhere": 2, "notices": 3}
_MARKS = {
    "cannot_fail": ("✗", "red"), "not_judging": ("?", "yellow"),
    "elsewhere": ("-", "dim"), "notices": ("✓", "green"),
}  # fmt: skip


def show_audit(
    console: Console, report: AuditReport, root: Path, *, verbose: bool, write_command: str = ""
) -> None:
    """Prints the whole report; without `verbose` not more of it than one looks at. `write_command`
    writes the new tests, where they are not written anyway."""
    if report.problem:
        console.print(f"[red]{escape(report.problem)}[/]", soft_wrap=True)
        return
    _head(console, report)
    _tests(console, report, verbose=verbose)
    _alike(console, report)
    _survivors(console, report, verbose=verbose)
    commands: list[tuple[str, str]] = []
    if report.new_tests and write_command:
        count = len(report.new_tests)
        commands.append((write_command, f"write {count} tests that notice more of them"))
    files = dict.fromkeys(m.file for m in report.mistakes if m.status != "noticed")
    commands += [
        (f"ml-coach write-tests {shown(root / file)}", "have a model write tests for it")
        for file in files
    ]
    console.print()
    show_next(console, commands[:2])


def _head(console: Console, report: AuditReport) -> None:
    noticed = sum(mistake.status == "noticed" for mistake in report.mistakes)
    count, score = len(report.mistakes), report.score
    share = "" if score is None else f": [bold]{100 * score:.0f} %[/]"
    modules = escape(", ".join(report.modules))
    console.print(
        f"[bold]{modules}[/]: the tests notice {noticed} of {count} small mistakes{share}",
        highlight=False, soft_wrap=True,
    )  # fmt: skip
    left = [f"{report.untried} more were not tried"] if report.untried else []
    left += [f"{report.equivalent} change nothing, left out"] if report.equivalent else []
    words = [*left, f"{report.seconds:.1f} s", f"sandbox: {report.level}", report.ran_on]
    console.print(f"[dim]{escape(' · '.join(words))}[/]\n", highlight=False, soft_wrap=True)


def _tests(console: Console, report: AuditReport, *, verbose: bool) -> None:
    table = Table(box=None, padding=(0, 1), header_style="dim")
    table.add_column("")
    table.add_column("test", overflow="fold", ratio=3)
    table.add_column("notices", justify="right", no_wrap=True)
    table.add_column("", overflow="fold", ratio=4)
    ordered = sorted(report.tests, key=lambda t: (_ORDER[t.verdict], not t.doubts))
    bad = sum(t.verdict == "cannot_fail" or bool(t.doubts) for t in ordered)
    most = len(ordered) if verbose else max(_MOST_TESTS, bad)
    file = ""
    for test in ordered[:most]:
        mark, style = _MARKS[test.verdict]
        if test.doubts and test.verdict == "notices":
            mark, style = "!", "yellow"
        name = test.test.partition("::")[2]
        count = f"{len(test.notices)} of {len(test.reaches)}" if test.reaches else "-"
        table.add_row(Text(mark, style), Text(name), count, Text(_said(test), "dim"))
        file = file or test.file
    console.print(table)
    if len(ordered) > most:
        rest = f"  … and {len(ordered) - most} more tests (--verbose shows all)"
        console.print(f"[dim]{rest}[/]", highlight=False)


def _said(test: TestAudit) -> str:
    words: list[str] = []
    if test.verdict == "cannot_fail":
        words.append(
            f"cannot fail: notices none of the {len(test.reaches)} mistakes where it runs"
            if test.reaches
            else "cannot fail: no mistake is where it runs"
        )
    elif test.verdict == "elsewhere":
        words.append("runs none of the module's functions")
    elif test.why:
        words.append(f"judges nothing: {test.why}")
    words += [f"line {doubt.line}: {doubt.what}" for doubt in test.doubts]
    return "; ".join(words)


def _alike(console: Console, report: AuditReport) -> None:
    if not report.alike:
        return
    console.print("\n[bold]Tests that notice the same mistakes and run the same lines[/]")
    for group in report.alike:
        names = [test.partition("::")[2] for test in group]
        more = f" and {len(names) - 4} more" if len(names) > 4 else ""
        console.print(f"  {escape(', '.join(names[:4]))}{more}", highlight=False, soft_wrap=True)


def _survivors(console: Console, report: AuditReport, *, verbose: bool) -> None:
    new = report.new_test_texts()
    for status, title in (
        ("survived", "Mistakes that no test notices, though tests run the line"),
        ("unreached", "Mistakes in lines that no test runs"),
    ):
        found = [mistake for mistake in report.mistakes if mistake.status == status]
        if not found:
            continue
        found.sort(key=_is_of_a_text)
        most = len(found) if verbose else _MOST_MISTAKES
        console.print(f"\n[bold]{title}[/] ({len(found)})")
        for mistake in found[:most]:
            where = f" in {mistake.function}" if mistake.function else ""
            place = f"{mistake.file}:{mistake.line}{where}"
            console.print(f"  {escape(place)}", highlight=False, soft_wrap=True)
            diff = Syntax(mistake.diff, "diff", background_color="default", word_wrap=True)
            console.print(Padding(diff, (0, 0, 0, 4)))
            if text := new.get(mistake):
                looked = escape(text.rstrip().rpartition("\n")[2].strip())
                words = f"    [dim]a new test notices it: {looked}[/]"
                console.print(words, highlight=False, soft_wrap=True)
        if len(found) > most:
            console.print(f"[dim]  … and {len(found) - most} more (--verbose)[/]", highlight=False)


def _is_of_a_text(mistake: Mistake) -> bool:
    """Wording is what tests leave open most often, so it comes last."""
    return "XX" in mistake.after
