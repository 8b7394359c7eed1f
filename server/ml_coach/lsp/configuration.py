"""Settings as an editor's user has them: per folder, live, over the environment."""

from __future__ import annotations

import asyncio
import os
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, cast

from lsprotocol import types as lsp

from ml_coach.lsp.client import Client
from ml_coach.lsp.protocol import member, uri_of
from ml_coach.project_settings import project_settings
from ml_coach.settings import Settings, from_environment, with_editor

SECTION = "mlCoach"
_SECONDS = 2.0
# Keys that belong to the client alone.
_CLIENTS_OWN = frozenset({"trace", "serverPath", "server", "showProjectTests"})


@dataclass(slots=True)
class Configuration:
    """The settings that count in each workspace folder.

    From the lowest layer: defaults, `[tool.ml-coach]` of the folder's project, environment,
    `initializationOptions`, what the last `didChangeConfiguration` held, and the folder's section.
    """

    client: Client
    _pushed: dict[str, Any] = field(default_factory=dict[str, Any])
    _sections: dict[Path, asyncio.Future[dict[str, Any]]] = field(
        default_factory=dict[Path, "asyncio.Future[dict[str, Any]]"]
    )
    _shown: set[str] = field(default_factory=set[str])

    def changed(self, settings: Any) -> None:
        """The editor says that something changed, and maybe what."""
        self._pushed = _section(member(settings, SECTION))
        self.refresh()

    def refresh(self) -> None:
        """Asks the editor again, ahead of the next command."""
        self._sections.clear()
        self.ask()

    def ask(self) -> None:
        """Asks for every folder's section, so that no command needs to wait for it."""
        for root in self.client.roots:
            self._section_of(root)

    async def of(self, root: Path) -> Settings:
        """The settings in a folder. Each bad value is shown once and has no effect."""
        section = await asyncio.shield(self._section_of(root))
        # Read each time: no editor says when another program changes the file.
        project, problems = await asyncio.to_thread(project_settings, root)
        settings, more = from_environment(os.environ, project)
        problems += more
        for layer in (self.client.options, self._pushed, section):
            settings, more = with_editor(settings, _known_here(layer))
            problems += more
        for problem in problems:
            if problem not in self._shown:
                self._shown.add(problem)
                self.client.show_message(problem, warning=True)
        return settings

    async def anywhere(self) -> Settings:
        """The settings in the first folder, or those of the environment where there is none."""
        roots = self.client.roots
        return await self.of(roots[0]) if roots else from_environment(os.environ)[0]

    def _section_of(self, root: Path) -> asyncio.Future[dict[str, Any]]:
        """The folder's section; the editor is asked once until something changes."""
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


def _known_here(layer: dict[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in layer.items() if key not in _CLIENTS_OWN}
