"""A project's files on disk, for every face but an editor's: implements `file_orders.Files`."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from ml_coach.app import App
from ml_coach.core.evidence import Provenance
from ml_coach.disk import FolderWorkspace


class FolderFiles:
    """See `file_orders.Files`."""

    def __init__(self, root: Path, app: App) -> None:
        self._root, self._app = root, app
        self._folder = FolderWorkspace(root.resolve(), app.written_files)

    @property
    def root(self) -> Path:
        """See `file_orders.Files.root`."""
        return self._root

    def text(self, file: str) -> str | None:
        """See `file_orders.Files.text`."""
        return self._folder.texts((file,))[file]

    def exists(self, file: str) -> bool:
        """See `file_orders.Files.exists`."""
        return (self._root / file).is_file()

    async def is_foreign(self, file: str) -> bool:
        """See `file_orders.Files.is_foreign`."""
        return bool(self._folder.foreign((file,)))

    async def provenance(self, tests_file: str) -> Mapping[str, Provenance]:
        """See `file_orders.Files.provenance`."""
        return self._app.provenance_in(self.text(tests_file) or "", self._root, tests_file)

    def prompt_of(self, program_file: str) -> str:
        """See `file_orders.Files.prompt_of`."""
        return self._app.run_log.prompt_of(self._folder.root, program_file)

    def tests_written_for(self, program_file: str) -> str:
        """See `file_orders.Files.tests_written_for`."""
        runs = self._app.run_log.on(self._folder.root, program_file)
        return next((request.tests_file for _, request in runs), "")
