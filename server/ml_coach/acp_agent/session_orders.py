"""What the user asks for in a session → the order of a run, or a sentence why there is none."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from pathlib import Path

from ml_coach.acp_agent.client_files import ClientFiles
from ml_coach.acp_agent.prompts import Asked
from ml_coach.app import App
from ml_coach.core.request import Request
from ml_coach.file_orders import FileOrders
from ml_coach.project_files import NoProject, open_project
from ml_coach.run_order import RunOrder, request_from
from ml_coach.settings import Settings


@dataclass(frozen=True, slots=True)
class SessionOrders:
    """Makes the orders of one session. `last_run` is the id of its newest run, empty for none."""

    app: App
    files: ClientFiles
    settings: Settings
    last_run: str

    async def order(self, asked: Asked) -> RunOrder | str:
        """A prompt is about the last run's program where there is one, else about a new one."""
        match asked.command:
            case "fix":
                return await self._fix(asked)
            case "tests" | "debug":
                return await self._on_file(asked)
            case _ if not asked.text:
                return "Say what the program must do."
            case "generate":
                return await self._generate(asked.text)
            case _:
                last = await self._last_program()
                if last is not None:
                    return await self._refine(last, asked.text)
                if asked.command == "refine":
                    return "There is no program of this session yet; /generate writes one."
                return await self._generate(asked.text)

    async def _generate(self, prompt: str) -> RunOrder | str:
        return await FileOrders(self.files, self.settings).generate(prompt)

    async def _refine(self, request: Request, text: str) -> RunOrder | str:
        has_tests = self.files.text(request.tests_file) is not None
        earlier = request.prompt if request.task in ("generate", "refine") else ""
        return await FileOrders(self.files, self.settings).refine(
            request.program_file, text, earlier, request.tests_file if has_tests else ""
        )

    async def _last_program(self) -> Request | None:
        """The request of the last run, where its program is still there."""
        if not self.last_run:
            return None
        try:
            request = await asyncio.to_thread(lambda: self.app.run_log.start(self.last_run).request)
        except KeyError:
            return None
        if request.task == "fix":
            return None
        await self.files.look_at(request.program_file, request.tests_file)
        return request if self.files.text(request.program_file) is not None else None

    async def _on_file(self, asked: Asked) -> RunOrder | str:
        file = self._inside(asked.file)
        if not file:
            return f"Name a Python file in {self.files.root}, as in: /{asked.command} shop/cart.py"
        await self.files.look_at(file)
        if self.files.text(file) is None:
            return f"There is no file {file}."
        orders = FileOrders(self.files, self.settings)
        if asked.command == "tests":
            return await orders.write_tests(file)
        tests = orders.tests_of(file)
        await self.files.look_at(tests)
        found = f"No tests for {file} were found. Have some written: /tests {file}"
        return await orders.debug(file, tests) if tests else found

    async def _fix(self, asked: Asked) -> RunOrder | str:
        root = self.files.root
        place = (root / asked.file).resolve() if asked.file else root
        if not place.is_relative_to(root):
            return f"{asked.file} lies outside {root}, the folder of this session."
        try:
            opened = await asyncio.to_thread(open_project, place, "", root)
        except NoProject as error:
            return str(error)
        targets = opened.project.targets
        request = request_from(self.settings, "", task="fix", targets=targets)
        return RunOrder(opened.root, request, self.settings, project=opened.project)

    def _inside(self, named: str) -> str:
        """The path of a file in the session's folder; empty where it is none."""
        root = self.files.root
        path = root / Path(named)
        inside = path.parent.resolve() / path.name
        is_python = inside.suffix == ".py" and inside.is_relative_to(root)
        return inside.relative_to(root).as_posix() if is_python else ""
