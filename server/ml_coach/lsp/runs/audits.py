"""Audits of test files in the editor: which tests notice no mistake, shown at their lines."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from lsprotocol import types as lsp

from ml_coach.core.auditing.audit import AuditProgress
from ml_coach.core.auditing.new_tests import added
from ml_coach.core.auditing.report import AuditReport, Mistake, NewTest, TestAudit
from ml_coach.core.errors import SetupError
from ml_coach.core.project import is_tests
from ml_coach.lsp.backend import Backend
from ml_coach.lsp.client import Client
from ml_coach.lsp.documents.documents import Documents, WorkspaceFile
from ml_coach.lsp.documents.positions import Text, edits_between, overlaps, split
from ml_coach.lsp.protocol import shown, uri_of
from ml_coach.lsp.runs.folder_python import ask_about_python
from ml_coach.lsp.runs.presentation import SOURCE
from ml_coach.lsp.runs.progress import Progress
from ml_coach.project_files import NoProject, Opened, open_project
from ml_coach.settings import Settings

logger = logging.getLogger(__name__)

QUESTION = "Which of these tests cannot fail?"
_WRITE = "source.mlCoach.writeNewTests"
_MOST_RELATED = 5
_STOP_SECONDS = 5.0


@dataclass(frozen=True, slots=True)
class _Remark:
    """What is said of a test: its line (from 1) and that line's text then, which finds it again."""

    line: int
    anchor: str
    message: str
    survived: tuple[Mistake, ...] = ()


@dataclass(frozen=True, slots=True)
class _Audited:
    """An audit's result for one file, by its name in the project, whose folder is `root`. `texts`
    are those that it and the modules under test had then, by URI."""

    root: Path
    file: str
    report: AuditReport
    remarks: tuple[_Remark, ...]
    texts: Mapping[str, str]


@dataclass(slots=True)
class Audits:
    """The audits that go on and the results of those that are over, by the URI of the test file.

    `changed` is called with the URIs whose diagnostics are no longer the same, `lenses_changed`
    where lenses are.
    """

    client: Client
    documents: Documents
    backend: Backend
    changed: Callable[[set[str]], None]
    lenses_changed: Callable[[], None]
    _results: dict[str, _Audited] = field(default_factory=dict[str, _Audited])
    _active: dict[str, tuple[Progress, asyncio.Task[None]]] = field(
        default_factory=dict[str, "tuple[Progress, asyncio.Task[None]]"]
    )

    async def start(self, file: WorkspaceFile, settings: Settings) -> None:
        """Begins an audit of a test file; one of it that goes on is stopped."""
        uri = self.documents.uri(file)
        await self.stop(uri)
        progress = Progress(self.client, f"audits {file.file}")
        progress.begin()
        self._active[uri] = (
            progress,
            asyncio.ensure_future(self._work(uri, file, settings, progress)),
        )

    async def stop(self, uri: str = "", *, token: Any = None) -> bool:
        """Ends the audit of a file, that behind a progress token, or all; whether there was one."""
        chosen = [
            task
            for of, (progress, task) in self._active.items()
            if uri in ("", of) and token in (None, progress.token)
        ]
        for task in chosen:
            task.cancel()
        if chosen:
            await asyncio.wait(chosen, timeout=_STOP_SECONDS)
        return bool(chosen)

    async def _work(
        self, uri: str, file: WorkspaceFile, settings: Settings, progress: Progress
    ) -> None:
        ended = "stopped"

        def advanced(at: AuditProgress) -> None:
            of = f": {at.done} of {at.total}" if at.total else ""
            progress.report_now_and_then(f"{at.stage}{of}")

        try:
            opened = await asyncio.to_thread(open_project, file.path)
            opened = self._with_unsaved(opened)
            await ask_about_python(self.client, self.backend, settings, opened.root)
            report = await self.backend.audit(settings, opened, progress=advanced)
            self._show(uri, opened, report)
            ended = report.problem or _summary(report)
            if not self.client.reports_progress or report.problem:
                self.client.show_message(f"{file.file}: {ended}", warning=bool(report.problem))
        except (NoProject, SetupError, OSError) as error:
            ended = "failed"
            self.client.show_message(str(error), warning=True)
        except Exception:
            ended = "failed"
            logger.exception("The audit of %s ended by a fault of ours.", uri)
        finally:
            progress.end(ended)
            del self._active[uri]

    def _with_unsaved(self, opened: Opened) -> Opened:
        """The project with the texts of its files as the editor has them."""
        texts: dict[str, str] = {}
        for name in opened.project.files:
            uri = self.documents.uri(WorkspaceFile(opened.root, name))
            if name.endswith(".py") and (text := self.documents.open_text(uri)) is not None:
                texts[name] = text
        return Opened(opened.root, opened.project.with_texts(texts))

    def _show(self, uri: str, opened: Opened, report: AuditReport) -> None:
        name = next(iter(opened.project.targets))
        lines = split(opened.project.text(name))
        remarks = [] if report.problem else [*_remarks(report, name, lines)]
        texts = {
            self.documents.uri(WorkspaceFile(opened.root, file)): opened.project.text(file)
            for file in (name, *report.modules)
        }
        self._results[uri] = _Audited(opened.root, name, report, tuple(remarks), texts)
        self.changed({uri})
        self.lenses_changed()

    # Showing

    def knows(self, uri: str) -> bool:
        """Whether something may be shown in this document."""
        return uri in self._results

    def diagnostics(self, uri: str, text: str) -> list[lsp.Diagnostic]:
        """What is said of the tests of a document, at their present lines."""
        known = self._results.get(uri)
        if known is None:
            return []
        lines = Text.of(text, self.client.codec)
        found: list[lsp.Diagnostic] = []
        for remark in known.remarks:
            at = _present_line(remark, lines.lines)
            if at is not None:
                found.append(self._diagnostic(known, remark, lines.stretch(at, at)))
        return found

    def _diagnostic(self, known: _Audited, remark: _Remark, where: lsp.Range) -> lsp.Diagnostic:
        message, related = shown(remark.message), None
        survived = remark.survived[:_MOST_RELATED]
        if survived and self.client.can("text_document.publish_diagnostics.related_information"):
            related = [
                lsp.DiagnosticRelatedInformation(
                    lsp.Location(self._uri(known.root, mistake), _line(mistake.line)),
                    shown(f"not noticed: {mistake.what}"),
                )
                for mistake in survived
            ]
        elif survived:
            places = (f"\n{m.file}:{m.line}: not noticed: {shown(m.what)}" for m in survived)
            message += "".join(places)
        return lsp.Diagnostic(
            where, message, lsp.DiagnosticSeverity.Information, code="cannot_fail", source=SOURCE,
            related_information=related,
        )  # fmt: skip

    def new_tests(self, uri: str, text: str, selection: lsp.Range) -> list[lsp.CodeAction]:
        """Writes tests for mistakes that no test notices: for those of a test at the range, and
        all. Offered while the tests that were audited are still there, and the modules unchanged:
        that such a test passes, and fails for its mistake, was seen with these."""
        known = self._results.get(uri)
        if known is None or not self._is_as_audited(known, uri, text):
            return []
        report, found = known.report, list[lsp.CodeAction]()
        lines = Text.of(text, self.client.codec)
        for remark in known.remarks:
            at = _present_line(remark, lines.lines)
            if remark.survived and at is not None and overlaps(lines.stretch(at, at), selection):
                numbers = [report.mistakes.index(mistake) for mistake in remark.survived]
                new = report.new_tests_of(known.file, numbers)
                about = [self._diagnostic(known, remark, lines.stretch(at, at))]
                found += self._writing(uri, text, new, about)
        return found + self._writing(uri, text, report.new_tests_of(known.file))

    def _writing(
        self, uri: str, text: str, tests: Sequence[NewTest], about: Sequence[lsp.Diagnostic] = ()
    ) -> list[lsp.CodeAction]:
        """The action that writes those of the tests that are not there yet behind the others."""
        behind = added(text, tests)
        if not behind:
            return []
        edits = edits_between(text, text + behind, self.client.codec)
        edit = lsp.WorkspaceEdit(changes={uri: edits})
        if self.client.versions_edits:
            place = lsp.OptionalVersionedTextDocumentIdentifier(uri, self.documents.version(uri))
            edit = lsp.WorkspaceEdit(document_changes=[lsp.TextDocumentEdit(place, [*edits])])
        count = len({number for test in tests for number in test.notices})
        word = "a test" if len(tests) == 1 else f"{len(tests)} tests"
        title = f"Write {word} for mistakes that no test notices ({count})"
        kind = lsp.CodeActionKind.QuickFix if about else _WRITE
        return [lsp.CodeAction(title=title, kind=kind, diagnostics=[*about] or None, edit=edit)]

    def _is_as_audited(self, known: _Audited, uri: str, text: str) -> bool:
        others = {other: self.documents.open_text(other) for other in known.texts if other != uri}
        are_same = all(now in (None, known.texts[other]) for other, now in others.items())
        return are_same and text.startswith(known.texts[uri])

    def _uri(self, root: Path, mistake: Mistake) -> str:
        return self.documents.uri(WorkspaceFile(root, mistake.file)) or uri_of(root / mistake.file)

    def lens(self, uri: str, file_name: str) -> lsp.CodeLens | None:
        """The lens on the first line of a test file, with the result where there is one."""
        if not is_tests(file_name):
            return None
        known, title = self._results.get(uri), f"ML Coach: {QUESTION[0].lower()}{QUESTION[1:]}"
        if known is not None and not known.report.problem:
            title = f"ML Coach: {_summary(known.report)}. Audit again"
        start = lsp.Range(lsp.Position(0, 0), lsp.Position(0, 0))
        command = lsp.Command(shown(title), "mlCoach.auditTests", arguments=[{"uri": uri}])
        return lsp.CodeLens(start, command)


def _summary(report: AuditReport) -> str:
    count, every = len(report.cannot_fail), len(report.tests)
    weak = f"{count} of {every} tests cannot fail" if count else "every test can fail"
    score = "" if report.score is None else f"; {100 * report.score:.0f} % of mistakes are noticed"
    return weak + score


def _remarks(report: AuditReport, file: str, lines: Sequence[str]) -> list[_Remark]:
    """One for each function, not for each of its parameters."""
    found: dict[tuple[int, str], _Remark] = {}

    def remark(line: int, message: str, survived: Sequence[Mistake] = ()) -> None:
        anchor = lines[line - 1].strip() if 0 < line <= len(lines) else ""
        found.setdefault((line, message), _Remark(line, anchor, message, tuple(survived)))

    by_line: dict[int, list[TestAudit]] = {}
    for test in report.tests:
        if test.file == file:
            by_line.setdefault(test.line, []).append(test)
    for line, cases in by_line.items():
        if all(case.verdict == "cannot_fail" for case in cases):
            reached = sorted({number for case in cases for number in case.reaches})
            mistakes = [report.mistakes[number] for number in reached]
            text = (
                f"This test cannot fail: it notices none of {len(reached)} mistakes where it runs."
            )
            remark(line, text, mistakes)
    for test, doubt in report.doubtful():
        if test.file == file:
            remark(doubt.line, f"{doubt.what[:1].upper()}{doubt.what[1:]}.")
    known = {test.test: test for test in report.tests}
    for group in report.alike:
        names = list(dict.fromkeys(name.partition("::")[2].partition("[")[0] for name in group))
        if len(names) > 1 and known[group[0]].file == file:
            others = ", ".join(names[1:4])
            remark(known[group[0]].line, f"This test and {others} notice the same mistakes.")
    return list(found.values())


def _present_line(remark: _Remark, lines: Sequence[str]) -> int | None:
    """The line, from 0, that still reads the same and is nearest to the old one."""
    same = [at for at, line in enumerate(lines) if line.strip() == remark.anchor]
    return min(same, key=lambda at: abs(at - remark.line + 1), default=None)


def _line(number: int) -> lsp.Range:
    start = lsp.Position(max(number - 1, 0), 0)
    return lsp.Range(start, start)
