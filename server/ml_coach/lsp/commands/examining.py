"""`mlCoach.verify` and `mlCoach.filterTests`: contained runs of tests for an editor's agents."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

from ml_coach.core.auditing.report import AuditReport, Mistake, TestAudit
from ml_coach.core.errors import ExaminationError
from ml_coach.core.results import Verification
from ml_coach.core.wording import harmless
from ml_coach.lsp.backend import Backend
from ml_coach.lsp.client import Client
from ml_coach.lsp.commands.arguments import Examine
from ml_coach.lsp.commands.command_results import (
    FilteredTest,
    FilteredTests,
    Survivor,
    Verified,
)
from ml_coach.lsp.configuration import Configuration
from ml_coach.lsp.protocol import RequestFailed, invalid

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Examining:
    """The handlers. They answer when the tests have run, and raise InvalidParams for a place
    outside the workspace folders and RequestFailed where nothing can be run."""

    client: Client
    configuration: Configuration
    backend: Backend
    _working: dict[str, asyncio.Future[Any]] = field(
        default_factory=dict[str, "asyncio.Future[Any]"]
    )

    async def verify(self, argument: Examine) -> Verified:
        """Judges tests in the sandbox."""
        place, highest = self._place(argument)
        settings = await self.configuration.of(highest)
        files = {file.path: file.text for file in argument.files or ()}
        work = self.backend.verify(settings, files, place, highest)
        return _verified(await self._answer(argument.call_id, work))

    async def filter_tests(self, argument: Examine) -> FilteredTests:
        """Says what tests notice of mistakes in the program."""
        place, highest = self._place(argument)
        settings = await self.configuration.of(highest)
        files = {file.path: file.text for file in argument.files or ()}
        work = self.backend.filter_tests(settings, files, place, highest)
        return _filtered(await self._answer(argument.call_id, work))

    def stop(self, call_id: str = "") -> list[str]:
        """Ends one call, or all; the ids of those that it ended."""
        ended = [name for name in self._working if call_id in ("", name)]
        for name in ended:
            self._working[name].cancel()
        return ended

    def _place(self, argument: Examine) -> tuple[Path | None, Path]:
        """The folder or test file that the argument names, None without one, and the workspace
        folder that is not left for it."""
        roots = self.client.roots
        if not roots:
            raise RequestFailed("Open a folder first.")
        if not argument.path:
            if not argument.files:
                raise invalid("Give 'files', or a 'path'.")
            return None, roots[0]
        try:
            # Links are followed before it is asked where it lies.
            path = (roots[0] / argument.path).resolve()
        except (OSError, RuntimeError, ValueError) as error:
            raise invalid(f"'path' cannot be found: {error}.") from None
        inside = [root for root in roots if path.is_relative_to(root)]
        if not inside:
            folders = ", ".join(map(str, roots))
            raise invalid(f"{path} lies outside the workspace folders ({folders}).")
        return path, min(inside, key=lambda root: len(root.parts))

    async def _answer(self, call_id: str, work: Coroutine[Any, Any, T]) -> T:
        """What `work` gives; a client ends it by `mlCoach.stop` with the id of its call."""
        # A task of its own: pygls answers a cancelled request and lets its handler run on.
        task = asyncio.ensure_future(work)
        name = call_id or f"call-{id(task)}"
        self._working[name] = task
        try:
            return await task
        except asyncio.CancelledError:
            raise RequestFailed("Stopped by the user.") from None
        except ExaminationError as error:
            raise RequestFailed(str(error)) from None
        finally:
            del self._working[name]


def _verified(found: Verification) -> Verified:
    report = found.report
    return {
        "verdict": report.verdict,
        "why": harmless(report.why),
        "level": found.level,
        "ranOn": report.ran_on,
        "limit": report.limit,
        "tests": [
            {"name": case.name, "outcome": case.outcome, "message": harmless(case.message)}
            for case in report.cases
        ],
        "faults": [
            {"kind": f.kind, "message": harmless(f.message), "file": f.file, "line": f.line}
            for f in report.findings
        ],
        "doubts": list(found.doubts),
        "replaced": list(found.replaced),
    }


def _filtered(report: AuditReport) -> FilteredTests:
    new = report.new_test_texts()
    return {
        "score": report.score,
        "level": report.level,
        "ranOn": report.ran_on,
        "modules": list(report.modules),
        "tests": [_filtered_test(test) for test in report.tests],
        "survived": [_survivor(m, new.get(m, "")) for m in report.survived],
        "unreached": sum(mistake.status == "unreached" for mistake in report.mistakes),
        "alike": [list(group) for group in report.alike],
    }


def _filtered_test(test: TestAudit) -> FilteredTest:
    return {
        "test": test.test,
        "file": test.file,
        "line": test.line,
        "verdict": test.verdict,
        "why": test.why,
        "notices": len(test.notices),
        "reaches": len(test.reaches),
        "doubts": [{"line": doubt.line, "what": doubt.what} for doubt in test.doubts],
    }


def _survivor(mistake: Mistake, new_test: str) -> Survivor:
    return {
        "file": mistake.file,
        "line": mistake.line,
        "what": mistake.what,
        "diff": mistake.diff,
        "reachedBy": list(mistake.reached_by),
        "newTest": new_test,
    }
