"""The core's types → the protocol's: diagnostics, hover, code lenses. Nothing is changed here."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence

from lsprotocol import types as lsp

from ml_coach.core.finding import Finding
from ml_coach.core.wording import harmless
from ml_coach.lsp.client import Client
from ml_coach.lsp.documents.positions import Text, overlaps, split
from ml_coach.lsp.protocol import shown
from ml_coach.lsp.runs.finding_store import FindingStore, SuiteState, TrackedFinding
from ml_coach.lsp.runs.open_questions import OpenQuestion

SOURCE = "ML Coach"
_TEST = re.compile(r"(?:async\s+def|def|class)\s+(test\w*)", re.I)
_MEANS = {
    "syntax": "The file is not valid Python.",
    "name": "Nothing defines this name.",
    "runtime": "The program raised this when it was run.",
    "timeout": "The program did not end within the time that one execution may take.",
    "input": "The program asks for input or arguments, of which there are none in a run.",
    "limit": "The program was stopped at a limit of the sandbox.",
    "missing_package": "This package is not installed where the program runs.",
    "test": "This test fails.",
    "collection": "pytest cannot collect this file.",
    "tampered": "The run tried to change its own verdict.",
}


def diagnostics(
    uri: str,
    text: str,
    finding_store: FindingStore,
    client: Client,
    uri_of: Callable[[str, str], str],
) -> list[lsp.Diagnostic]:
    """The document's findings as diagnostics. `uri_of` takes a run id and a relative file."""
    lines = Text.of(text, client.codec)
    found = finding_store.of(uri, text)
    return [diagnostic(tracked, at, lines, client, uri_of) for tracked, at in found]


def diagnostic(
    tracked: TrackedFinding,
    at: int,
    lines: Text,
    client: Client,
    uri_of: Callable[[str, str], str],
) -> lsp.Diagnostic:
    """One finding as a diagnostic at line `at` (from 0) of `lines`."""
    finding, message = tracked.finding, shown(tracked.finding.message)
    height = max(finding.end_line - finding.line, 0) if finding.end_line else 0
    related = None
    if finding.related and client.can("text_document.publish_diagnostics.related_information"):
        related = [
            lsp.DiagnosticRelatedInformation(
                lsp.Location(uri_of(tracked.run_id, location.file), _line(location.line)),
                shown(location.message or finding.message),
            )
            for location in finding.related
        ]
    elif finding.related:
        message += "".join(f"\n{p.file}:{p.line}: {shown(p.message)}" for p in finding.related)
    return lsp.Diagnostic(
        range=lines.stretch(at, min(at + height, max(len(lines.lines) - 1, at))),
        message=message,
        severity=lsp.DiagnosticSeverity.Error,
        code=finding.kind,
        source=SOURCE,
        related_information=related,
        data={"runId": tracked.run_id},
    )


def question_diagnostic(asked: OpenQuestion, lines: Text) -> lsp.Diagnostic | None:
    """A run's question, at the head of the function that it is about; None where that is gone."""
    if (place := asked.place(lines.lines)) is None:
        return None
    return lsp.Diagnostic(
        range=lines.stretch(place[0], place[0]),
        message=shown(asked.question.text),
        severity=lsp.DiagnosticSeverity.Hint,
        code="question",
        source=SOURCE,
        data={"runId": asked.run_id},
    )


def question_lens(asked: OpenQuestion, lines: Sequence[str]) -> lsp.CodeLens | None:
    """The lens over that function."""
    if (place := asked.place(lines)) is None:
        return None
    command = lsp.Command("", "mlCoach.answer", arguments=[{"runId": asked.run_id}])
    return _lens(place[0], f"Answer: {asked.question.text}", command)


def _line(number: int) -> lsp.Range:
    """The start of a line (from 1) of another document, whose columns are unknown here."""
    at = max(number - 1, 0)
    return lsp.Range(lsp.Position(at, 0), lsp.Position(at, 0))


def hover(
    uri: str,
    text: str,
    position: lsp.Position,
    finding_store: FindingStore,
    client: Client,
    patch_title: str,
) -> lsp.Hover | None:
    """What a finding means, with its traceback. `patch_title` is a waiting patch's, or empty."""
    lines = Text.of(text, client.codec)
    here = lsp.Range(position, position)
    found = [
        tracked.finding
        for tracked, at in finding_store.of(uri, text)
        if overlaps(here, lines.stretch(at, at))
    ]
    if not found:
        return None
    markdown = client.reads_markdown
    parts = [_explained(finding, markdown=markdown) for finding in found]
    if patch_title:
        title = _inline(patch_title) if markdown else shown(patch_title)
        parts.append(f"A patch waits for you: {title}. See the quick fixes here.")
    kind = lsp.MarkupKind.Markdown if markdown else lsp.MarkupKind.PlainText
    return lsp.Hover(lsp.MarkupContent(kind, "\n\n".join(parts)))


def _explained(finding: Finding, *, markdown: bool) -> str:
    title = f"{SOURCE}: {_MEANS[finding.kind]}"
    detail = harmless(finding.detail.strip() or finding.message)
    if not markdown:
        test = f" ({shown(finding.test)})" if finding.test else ""
        return f"{title}{test}\n\n{detail}"
    test = f" {_inline(finding.test)}" if finding.test else ""
    fence = _fence(detail, 3)
    return f"**{title}**{test}\n\n{fence}text\n{detail}\n{fence}"


def _inline(text: str) -> str:
    """Text of a program or a model in Markdown: as code, in which nothing is a link or an image."""
    line = " ".join(harmless(text).split())
    fence = _fence(line, 1)
    space = " " if "`" in (line[:1], line[-1:]) else ""
    return f"{fence}{space}{line}{space}{fence}"


def _fence(text: str, least: int) -> str:
    """A fence longer than any in the text, so that the text cannot close it."""
    fence = "`" * least
    while fence in text:
        fence += "`"
    return fence


def lenses(uri: str, text: str, state: SuiteState) -> list[lsp.CodeLens]:
    """One lens over each generated test with its outcome, and one over the file."""
    command = lsp.Command("", "mlCoach.runTests", arguments=[{"uri": uri}])
    found = [_lens(0, _suite_title(state), command)]
    # Not parsed: editors ask after every change, also of tests that are thousands of lines long.
    for line, one in enumerate(split(text)):
        if match := _TEST.match(one):
            found.append(_lens(line, _test_title(match[1], state), command))
    dropped = [drop for drop in state.dropped if drop.test not in text]
    found += [_lens(0, f"dropped {drop.test}: {drop.reason}", command) for drop in dropped]
    return found


def _lens(line: int, title: str, command: lsp.Command) -> lsp.CodeLens:
    start = lsp.Range(lsp.Position(line, 0), lsp.Position(line, 0))
    return lsp.CodeLens(
        start, lsp.Command(shown(title), command.command, arguments=command.arguments)
    )


def _suite_title(state: SuiteState) -> str:
    if state.report is None:
        return "ML Coach: not run yet. Run"
    return f"ML Coach: {len(state.report.passed)} of {len(state.report.cases)} pass. Run again"


def _test_title(name: str, state: SuiteState) -> str:
    for drop in state.dropped:
        if drop.test.split("[")[0].split("::")[0] == name:
            return f"dropped: {drop.reason}"
    every = state.report.cases if state.report else ()
    cases = [case for case in every if case.function.split("::")[0] == name]
    # The tests of a class may come from several.
    functions = [case.function for case in cases] or [name]
    kept = " and ".join(dict.fromkeys(map(state.suite.provenance_of, functions)))
    outcomes = [case.outcome for case in cases]
    if not outcomes:
        return f"{kept}, not run yet. Run"
    bad = next((outcome for outcome in outcomes if outcome not in ("passed", "skipped")), "")
    return f"{kept}, {bad.replace('_', ' ') or outcomes[0]}. Run again"
