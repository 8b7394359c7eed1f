"""Which tests belong to which program, by the runs that wrote them, by name and by import."""

from __future__ import annotations

import ast
from dataclasses import dataclass
from pathlib import Path

from ml_coach.core.python.syntax import parse
from ml_coach.lsp.backend import Backend
from ml_coach.lsp.documents.documents import Documents, WorkspaceFile
from ml_coach.lsp.runs.active_runs import Job, Runs
from ml_coach.settings import Settings


@dataclass(frozen=True, slots=True)
class Pairing:
    documents: Documents
    backend: Backend
    runs: Runs

    def exists(self, root: Path, file: str) -> bool:
        place = WorkspaceFile(root, file)
        return (
            place.path.is_file() or self.documents.open_text(self.documents.uri(place)) is not None
        )

    def tests_of(self, place: WorkspaceFile, settings: Settings) -> str:
        """The file with the program's own tests, empty where there is none."""
        folder, stem = place.path.parent.relative_to(place.root), place.path.stem
        names = [
            (folder / f"test_{stem}.py").as_posix(),
            (folder / f"{stem}_test.py").as_posix(),
            (folder / "tests" / f"test_{stem}.py").as_posix(),
            f"tests/test_{stem}.py",
            _generated(beside(place.file)),
        ]
        if place.file == settings.program_file:
            names.insert(0, settings.tests_file)
        if state := self.runs.suite_for(self.documents.uri(place)):
            names.insert(0, state)
        return next((name for name in names if self.exists(place.root, name)), "")

    async def writable_tests(self, place: WorkspaceFile, settings: Settings) -> str:
        """A tests file that ML Coach may write: never the user's own."""
        own = place.file == settings.program_file
        first = settings.tests_file if own else beside(place.file)
        request = self.backend.request(
            settings, "", task="write_tests", program_file=place.file, tests_file=first
        )
        job = Job(place.root, request, settings)
        return _generated(first) if await self.runs.foreign(job) else first

    def program_of(self, place: WorkspaceFile, text: str) -> str:
        """The file that a tests file imports from, by the run that wrote it or by its imports."""
        if state := self.runs.finding_store.suites.get(self.documents.uri(place)):
            return self.documents.of(state.program_uri, "uri").file
        tree = parse(text)
        for node in ast.walk(tree) if tree else ():
            if isinstance(node, ast.ImportFrom) and node.module and not node.level:
                for base in (place.path.parent.relative_to(place.root), Path()):
                    file = (base / (node.module.replace(".", "/") + ".py")).as_posix()
                    if self.exists(place.root, file):
                        return file
        return ""


def beside(program_file: str) -> str:
    path = Path(program_file)
    return (path.parent / f"test_{path.name}").as_posix()


def _generated(tests_file: str) -> str:
    return f"{tests_file.removesuffix('.py')}_generated.py"


def is_tests(file: str) -> bool:
    return Path(file).name.startswith("test_") or file.endswith("_test.py")
