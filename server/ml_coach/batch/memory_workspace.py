"""A workspace whose files exist in memory only, for runs that nobody watches."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path


@dataclass(frozen=True, slots=True)
class MemoryWorkspace:
    """A `core.ports.Workspace`. `root` is where programs find the modules that they import, `texts`
    are the files by relative path."""

    root: Path = Path()
    texts: dict[str, str] = field(default_factory=dict[str, str])

    async def read(self, file: str) -> str | None:
        """See `core.ports.Workspace.read`."""
        return self.texts.get(file)

    async def check_writable(self, files: Sequence[str]) -> None:
        """See `core.ports.Workspace.check_writable`."""

    async def write(self, texts: Mapping[str, str]) -> None:
        """See `core.ports.Workspace.write`."""
        self.texts.update(texts)
