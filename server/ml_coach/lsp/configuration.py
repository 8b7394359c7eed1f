"""Settings as an editor's user has them: per folder, live, over the environment."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, cast

from lsprotocol import types as lsp

from ml_coach.lsp.backend import Backend
from ml_coach.lsp.client import Client, member
from ml_coach.lsp.documents.documents import Documents, uri_of
from ml_coach.settings import Settings, with_editor

SECTION = "mlCoach"
_SECONDS = 2.0
# Keys that belong to the client alone.
_FOREIGN = frozenset({"trace", "serverPath", "server"})


@dataclass(slots=True)
class Configuration:
    client: Client
    documents: Documents
    backend: Backend
    _pushed: dict[str, Any] = field(default_factory=dict[str, Any])
    _sections: dict[Path, asyncio.Future[dict[str, Any]]] = field(
        default_factory=dict[Path, "asyncio.Future[dict[str, Any]]"]
    )
    _told: set[str] = field(default_factory=set[str])

    def changed(self, settings: Any) -> None:
        """The editor says that something changed, and maybe what."""
        self._pushed = _section(member(settings, SECTION))
        self.refresh()

    def refresh(self) -> None:
        """Asks the editor again, ahead of the next command."""
        self._sections.clear()
        self.ask()

    def ask(self) -> None:
        for root in self.documents.roots:
            self._asked(root)

    async def of(self, root: Path) -> Settings:
        """What counts in a folder. Each bad value is told once and has no effect."""
        section = await asyncio.shield(self._asked(root))
        settings, problems = self.backend.settings()
        for layer in (self.client.options, self._pushed, section):
            settings, more = with_editor(settings, _ours(layer))
            problems += more
        for problem in problems:
            if problem not in self._told:
                self._told.add(problem)
                self.client.tell(problem, warning=True)
        return settings

    def _asked(self, root: Path) -> asyncio.Future[dict[str, Any]]:
        """The folder's section; asked for once until something changes, so that a command need
        not wait for the editor."""
        if root not in self._sections:
            self._sections[root] = asyncio.ensure_future(self._ask(root))
        return self._sections[root]

    async def _ask(self, root: Path) -> dict[str, Any]:
        if not self.client.can("workspace.configuration"):
            return {}
        item = lsp.ConfigurationItem(uri_of(root), SECTION)
        reply = await self.client.request(
            lsp.WORKSPACE_CONFIGURATION, lsp.ConfigurationParams([item]), _SECONDS
        )
        if isinstance(reply, list) and reply:
            return _section(cast("list[Any]", reply)[0])
        self._sections.pop(root, None)  # Asked again the next time.
        return {}


def _section(value: Any) -> dict[str, Any]:
    return cast("dict[str, Any]", value) if isinstance(value, dict) else {}


def _ours(layer: dict[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in layer.items() if key not in _FOREIGN}
