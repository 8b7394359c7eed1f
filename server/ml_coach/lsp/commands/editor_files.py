"""A workspace folder's files as the editor holds them: implements `file_orders.Files`."""

from __future__ import annotations

import ast
import asyncio
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from ml_coach.core.evidence import Provenance
from ml_coach.core.python.syntax import parse
from ml_coach.lsp.backend import Backend
from ml_coach.lsp.documents.documents import Documents, WorkspaceFile
from ml_coach.lsp.runs.finding_store import FindingStore
from ml_coach.lsp.runs.overwriting import foreign_files


@dataclass(frozen=True, slots=True)
class EditorFiles:
    """See `file_orders.Files`. What is written in the editor and not saved counts."""

    root: Path
    documents: Documents
    backend: Backend
    finding_store: FindingStore

    def text(self, file: str) -> str | None:
        """See `file_orders.Files.text`."""
        uri = self._uri(file)
        open_text = self.documents.open_text(uri)
        return self.documents.disk_text(uri) if open_text is None else open_text

    def exists(self, file: str) -> bool:
        """See `file_orders.Files.exists`."""
        return self.documents.exists(WorkspaceFile(self.root, file))

    async def is_foreign(self, file: str) -> bool:
        """See `file_orders.Files.is_foreign`."""
        disk = self.backend.disk(self.root)
        return bool(await foreign_files(self.root, (file,), self.documents, disk))

    async def provenance(self, tests_file: str) -> Mapping[str, Provenance]:
        """See `file_orders.Files.provenance`."""
        text = self.text(tests_file) or ""
        # The file that says so holds every test that was ever written.
        return await asyncio.to_thread(self.backend.provenance_in, text, self.root, tests_file)

    def prompt_of(self, program_file: str) -> str:
        """See `file_orders.Files.prompt_of`."""
        return self.backend.run_log.prompt_of(self.root, program_file)

    def tests_written_for(self, program_file: str) -> str:
        """See `file_orders.Files.tests_written_for`."""
        return self.finding_store.tests_file_of(self._uri(program_file))

    def program_of(self, tests_file: str, text: str) -> str:
        """The program of a tests file that reads `text`: by the run that wrote it, or by its
        imports. Empty where there is none."""
        if state := self.finding_store.suites.get(self._uri(tests_file)):
            return self.documents.of(state.program_uri, "uri").file
        tree = parse(text)
        for node in ast.walk(tree) if tree else ():
            if isinstance(node, ast.ImportFrom) and node.module and not node.level:
                for base in (Path(tests_file).parent, Path(), Path("src")):
                    file = (base / (node.module.replace(".", "/") + ".py")).as_posix()
                    if self.exists(file):
                        return file
        return ""

    def _uri(self, file: str) -> str:
        return self.documents.uri(WorkspaceFile(self.root, file))
