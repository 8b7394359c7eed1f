"""Which tests belong to which program: by the runs that wrote them, by name and by import."""

from __future__ import annotations

import ast
from dataclasses import dataclass
from pathlib import Path

from ml_coach import project_layout
from ml_coach.core.python.syntax import parse
from ml_coach.lsp.backend import Backend
from ml_coach.lsp.documents.documents import Documents, WorkspaceFile
from ml_coach.lsp.runs.finding_store import FindingStore
from ml_coach.lsp.runs.overwriting import foreign_files
from ml_coach.settings import Settings


@dataclass(frozen=True, slots=True)
class Pairing:
    """Finds a program's tests, and a tests file's program. Files are relative to their folder."""

    documents: Documents
    backend: Backend
    finding_store: FindingStore

    def tests_of(self, program: WorkspaceFile, settings: Settings) -> str:
        """The file with the program's own tests, empty where there is none."""
        usual = self.usual_tests(program)
        folder, stem = program.path.parent.relative_to(program.root), program.path.stem
        names = [
            (folder / f"test_{stem}.py").as_posix(),
            (folder / f"{stem}_test.py").as_posix(),
            (folder / "tests" / f"test_{stem}.py").as_posix(),
            f"tests/test_{stem}.py",
            usual,
            _generated((folder / f"test_{stem}.py").as_posix()),
            _generated(usual),
        ]
        if program.file == settings.program_file:
            names.insert(0, settings.tests_file)
        if written := self.finding_store.tests_file_of(self.documents.uri(program)):
            names.insert(0, written)
        return next((name for name in names if self._exists(program.root, name)), "")

    def usual_tests(self, program: WorkspaceFile) -> str:
        """The tests file that a program has or gets where the project keeps its tests."""
        return project_layout.usual_tests(program.root, program.file)

    async def writable_tests(self, program: WorkspaceFile, settings: Settings) -> str:
        """A tests file that ML Coach may write: never the user's own."""
        own = program.file == settings.program_file
        first = settings.tests_file if own else self.usual_tests(program)
        disk = self.backend.disk(program.root)
        foreign = await foreign_files(program.root, (first,), self.documents, disk)
        return _generated(first) if foreign else first

    def program_of(self, tests: WorkspaceFile, text: str) -> str:
        """The program of a tests file that reads `text`: by the run that wrote it, or by its
        imports. Empty where there is none."""
        if state := self.finding_store.suites.get(self.documents.uri(tests)):
            return self.documents.of(state.program_uri, "uri").file
        tree = parse(text)
        for node in ast.walk(tree) if tree else ():
            if isinstance(node, ast.ImportFrom) and node.module and not node.level:
                beside = tests.path.parent.relative_to(tests.root)
                for base in (beside, Path(), Path("src")):
                    file = (base / (node.module.replace(".", "/") + ".py")).as_posix()
                    if self._exists(tests.root, file):
                        return file
        return ""

    def _exists(self, root: Path, file: str) -> bool:
        return self.documents.exists(WorkspaceFile(root, file))


def _generated(tests_file: str) -> str:
    return f"{tests_file.removesuffix('.py')}_generated.py"


def is_tests(file: str) -> bool:
    """Whether a file holds tests, by its name as pytest sees it."""
    return Path(file).name.startswith("test_") or file.endswith("_test.py")
