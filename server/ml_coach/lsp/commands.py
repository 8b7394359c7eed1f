"""`workspace/executeCommand`: what PROTOCOL.md lists, each command answering at once."""

from __future__ import annotations

import ast
import asyncio
from collections.abc import Callable, Coroutine
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from ml_coach.core.syntax import parse
from ml_coach.lsp.client import Client
from ml_coach.lsp.configuration import Configuration
from ml_coach.lsp.journal import Journal
from ml_coach.lsp.parts import Parts, PastRun
from ml_coach.lsp.places import Place, Places, uri_of
from ml_coach.lsp.runs import Job, Runs
from ml_coach.lsp.stubs import stubs_in
from ml_coach.lsp.undo import undo
from ml_coach.lsp.wire import RequestFailed, invalid
from ml_coach.settings import Settings, with_editor


@dataclass(frozen=True, slots=True, kw_only=True)
class Limited:
    """What every run may be given; None leaves it to the settings."""

    max_iters: int | None = None
    run_timeout: float | None = None
    auto_patch: bool | None = None
    model: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Generate(Limited):
    prompt: str
    target_uri: str | None = None
    test_uri: str | None = None
    document_uri: str | None = None
    overwrite: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Implement(Limited):
    uri: str
    function: str


@dataclass(frozen=True, slots=True, kw_only=True)
class OnFile(Limited):
    uri: str
    test_uri: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class WriteTests(Limited):
    uri: str


@dataclass(frozen=True, slots=True, kw_only=True)
class RunTests:
    uri: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Stop:
    run_id: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class OnPatch:
    patch_id: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ApplyPatch(OnPatch):
    all: bool = False
    edited: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class OnRun:
    run_id: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Latest:
    limit: int = 20


@dataclass(frozen=True, slots=True, kw_only=True)
class Nothing:
    pass


Handler = Callable[[Any], Coroutine[Any, Any, Any]]


class Commands:
    def __init__(
        self,
        client: Client,
        places: Places,
        configuration: Configuration,
        parts: Parts,
        runs: Runs,
    ) -> None:
        self._client = client
        self._places = places
        self._configuration = configuration
        self._parts = parts
        self._runs = runs

    def table(self) -> dict[str, tuple[type, Handler]]:
        """Every command by its name, with the type of its argument."""
        return {
            "mlCoach.generate": (Generate, self.generate),
            "mlCoach.implement": (Implement, self.implement),
            "mlCoach.debug": (OnFile, self.debug),
            "mlCoach.writeTests": (WriteTests, self.write_tests),
            "mlCoach.runTests": (RunTests, self.run_tests),
            "mlCoach.stop": (Stop, self.stop),
            "mlCoach.applyPatch": (ApplyPatch, self.apply_patch),
            "mlCoach.discardPatch": (OnPatch, self.discard_patch),
            "mlCoach.undoRun": (OnRun, self.undo_run),
            "mlCoach.resume": (OnRun, self.resume),
            "mlCoach.runs": (Latest, self.list_runs),
            "mlCoach.events": (OnRun, self.events),
            "mlCoach.models": (Nothing, self.models),
            "mlCoach.doctor": (Nothing, self.doctor),
        }

    # Starting

    async def generate(self, argument: Generate) -> dict[str, Any]:
        if not argument.prompt.strip():
            raise invalid("mlCoach.generate needs a 'prompt' that says what the program must do.")
        if argument.target_uri:
            target = self._places.of(argument.target_uri, "targetUri")
            root, file = target.root, target.file
        elif argument.document_uri:
            root, file = self._places.root_of(argument.document_uri), ""
        else:
            root, file = self._places.default_root(), ""
        settings = await self._settings(root, argument)
        program = file or settings.program_file
        tests = self._tests_argument(argument.test_uri, root)
        if not tests:
            tests = _beside(program) if file and file != settings.program_file else (
                settings.tests_file
            )  # fmt: skip
        if tests == program:
            raise invalid("targetUri and testUri must be two different files.")
        request = self._parts.request(
            settings, argument.prompt, program_file=program, tests_file=tests
        )
        job = Job(root, request, settings, overwrite=argument.overwrite)
        return await self._start(job)

    async def implement(self, argument: Implement) -> dict[str, Any]:
        place, text = self._open(argument.uri)
        named = [stub for stub in stubs_in(text) if stub.name == argument.function]
        stub = named[-1] if named else None
        if stub is None:
            raise RequestFailed(
                f"{place.file} has no function {argument.function!r} whose body is still empty."
            )
        settings = await self._settings(place.root, argument)
        tests = await self._own_tests(place, settings)
        request = self._parts.request(
            settings, stub.prompt, task="implement", function=stub.name,
            program_file=place.file, tests_file=tests,
        )  # fmt: skip
        return await self._start(Job(place.root, request, settings))

    async def debug(self, argument: OnFile) -> dict[str, Any]:
        place, _ = self._open(argument.uri)
        settings = await self._settings(place.root, argument)
        tests = self._tests_argument(argument.test_uri, place.root)
        tests = tests or await self._present_tests(place, settings) or _beside(place.file)
        request = self._parts.request(
            settings, "", task="debug", program_file=place.file, tests_file=tests
        )
        return await self._start(Job(place.root, request, settings))

    async def write_tests(self, argument: WriteTests) -> dict[str, Any]:
        place, _ = self._open(argument.uri)
        settings = await self._settings(place.root, argument)
        tests = await self._own_tests(place, settings)
        request = self._parts.request(
            settings, "", task="write_tests", program_file=place.file, tests_file=tests
        )
        return await self._start(Job(place.root, request, settings))

    async def run_tests(self, argument: RunTests) -> dict[str, Any]:
        """Inspects a program and runs its tests; asks no model. Takes either file of the two."""
        place, text = self._open(argument.uri)
        settings = await self._settings(place.root, Limited(max_iters=1))
        program, tests = place.file, await self._present_tests(place, settings)
        if _is_tests(place.file):
            program, tests = self._program_of(place, text), place.file
        if not tests or not program:
            raise RequestFailed(f"No tests were found that belong to {place.file}.")
        request = self._parts.request(
            settings, "", task="debug", program_file=program, tests_file=tests
        )
        return await self._start(Job(place.root, request, settings))

    async def _start(self, job: Job) -> dict[str, Any]:
        if not self._client.asks and (foreign := await self._runs.foreign(job)):
            raise RequestFailed(
                f"{' and '.join(foreign)} was not written by ML Coach, or was changed since. "
                "Name another file, or remove it."
            )
        return {"runId": self._runs.start(job)}

    async def _settings(self, root: Path, limited: Limited) -> Settings:
        settings = await self._configuration.of(root)
        asked = {
            "maxIters": limited.max_iters,
            "runTimeout": limited.run_timeout,
            "autoPatch": limited.auto_patch,
            "model": limited.model,
        }
        settings, problems = with_editor(settings, asked)
        if problems:
            raise invalid(problems[0].removeprefix("mlCoach.").split("; using")[0] + ".")
        return settings

    # Files

    def _open(self, uri: str) -> tuple[Place, str]:
        place = self._places.of(uri, "uri")
        text = self._places.open_text(self._places.uri(place))
        if text is None:
            try:
                text = place.path.read_text(encoding="utf-8")
            except (OSError, UnicodeDecodeError) as error:
                raise RequestFailed(f"{place.file} can not be read: {error}.") from None
        return place, text

    def _tests_argument(self, uri: str | None, root: Path) -> str:
        if not uri:
            return ""
        place = self._places.of(uri, "testUri")
        if place.root != root:
            raise invalid("The program and its tests must lie in the same workspace folder.")
        return place.file

    def _exists(self, root: Path, file: str) -> bool:
        place = Place(root, file)
        return place.path.is_file() or self._places.open_text(self._places.uri(place)) is not None

    async def _present_tests(self, place: Place, settings: Settings) -> str:
        """The file with the program's own tests, empty where there is none."""
        folder, stem = place.path.parent.relative_to(place.root), place.path.stem
        names = [
            (folder / f"test_{stem}.py").as_posix(),
            (folder / f"{stem}_test.py").as_posix(),
            (folder / "tests" / f"test_{stem}.py").as_posix(),
            f"tests/test_{stem}.py",
            _generated(_beside(place.file)),
        ]
        if place.file == settings.program_file:
            names.insert(0, settings.tests_file)
        if state := self._runs.suite_for(self._places.uri(place)):
            names.insert(0, state)
        return next((name for name in names if self._exists(place.root, name)), "")

    async def _own_tests(self, place: Place, settings: Settings) -> str:
        """A tests file that ML Coach may write: never the user's own."""
        own = place.file == settings.program_file
        first = settings.tests_file if own else _beside(place.file)
        request = self._parts.request(
            settings, "", task="write_tests", program_file=place.file, tests_file=first
        )
        job = Job(place.root, request, settings)
        return _generated(first) if await self._runs.foreign(job) else first

    def _program_of(self, place: Place, text: str) -> str:
        """The file that a tests file imports from, by the run that wrote it or by its imports."""
        if state := self._runs.board.suites.get(self._places.uri(place)):
            return self._places.of(state.program_uri, "uri").file
        tree = parse(text)
        for node in ast.walk(tree) if tree else ():
            if isinstance(node, ast.ImportFrom) and node.module and not node.level:
                for base in (place.path.parent.relative_to(place.root), Path()):
                    file = (base / (node.module.replace(".", "/") + ".py")).as_posix()
                    if self._exists(place.root, file):
                        return file
        return ""

    # During and after

    async def stop(self, argument: Stop) -> dict[str, Any]:
        if argument.run_id and argument.run_id not in self._runs.active:
            return {"stopped": []}
        return {"stopped": await self._runs.stop(argument.run_id or "")}

    async def apply_patch(self, argument: ApplyPatch) -> dict[str, Any]:
        offer = self._runs.offers.get(argument.patch_id)
        if argument.all and offer and (run := self._runs.active.get(offer.run_id)):
            run.reviewer.apply_all = True
        reason = await self._runs.offers.apply(argument.patch_id, edited=argument.edited)
        if reason:
            self._client.tell(reason, warning=True)
        return {"applied": not reason, "reason": reason}

    async def discard_patch(self, argument: OnPatch) -> dict[str, Any]:
        reason = self._runs.offers.discard(argument.patch_id)
        return {"discarded": not reason, "reason": reason}

    async def undo_run(self, argument: OnRun) -> dict[str, Any]:
        undone = await undo(argument.run_id, self._parts, self._places, self._runs)
        if undone.action == "refused":
            self._client.tell(undone.reason, warning=True)
        else:
            self._runs.board.clear(argument.run_id)
        return asdict(undone)

    async def resume(self, argument: OnRun) -> dict[str, Any]:
        run_id, parts = argument.run_id, self._parts
        if not await self._runs.settled(run_id):
            raise RequestFailed(f"The run {run_id} is still going on.")
        try:
            request = await asyncio.to_thread(parts.past_request, run_id)
            root = Journal(parts.run_folder(run_id)).root
        except KeyError:
            raise RequestFailed(f"There is no run {run_id!r} that could be resumed.") from None
        if root is None or root not in self._places.roots:
            raise RequestFailed(f"That run worked in {root or 'a terminal'}, not open here.")
        settings = await self._configuration.of(root)
        model = parts.past_model(run_id)
        settings = replace(settings, model=model or settings.model)
        return await self._start(Job(root, request, settings, replay=run_id))

    # Reading

    async def list_runs(self, argument: Latest) -> dict[str, Any]:
        past = await asyncio.to_thread(self._parts.runs, argument.limit)
        logged = {run.run_id for run in past}
        begun = [
            PastRun(run_id, run.job.request.prompt, "", "", self._parts.run_folder(run_id))
            for run_id, run in self._runs.active.items()
            if run_id not in logged
        ]
        latest = sorted((*begun, *past), key=lambda run: run.run_id, reverse=True)
        return {"runs": [self._row(run) for run in latest[: argument.limit]]}

    def _row(self, run: PastRun) -> dict[str, Any]:
        offer = self._runs.offers.of_run(run.run_id)
        active = self._runs.active.get(run.run_id)
        root = active.job.root if active else Journal(run.folder).root
        return {
            "runId": run.run_id,
            "prompt": run.prompt,
            "outcome": run.outcome,
            "reason": run.reason,
            "active": active is not None,
            "waitingPatchId": offer.patch_id if offer else "",
            "folder": str(run.folder),
            "rootUri": uri_of(root) if root else "",
        }

    async def events(self, argument: OnRun) -> dict[str, Any]:
        parts = self._parts
        try:
            events = await asyncio.to_thread(parts.past_events, argument.run_id)
            root = Journal(parts.run_folder(argument.run_id)).root
        except KeyError:
            raise RequestFailed(f"There is no run {argument.run_id!r}.") from None
        lines = [self._runs.event_json(argument.run_id, event) for event in events]
        return {"rootUri": uri_of(root) if root else "", "events": lines}

    async def models(self, argument: Nothing) -> dict[str, Any]:
        return await self._parts.models(await self._anywhere())

    async def doctor(self, argument: Nothing) -> dict[str, Any]:
        return {"checks": await self._parts.doctor(await self._anywhere())}

    async def _anywhere(self) -> Settings:
        roots = self._places.roots
        return await self._configuration.of(roots[0]) if roots else self._parts.settings()[0]


def _beside(program_file: str) -> str:
    path = Path(program_file)
    return (path.parent / f"test_{path.name}").as_posix()


def _generated(tests_file: str) -> str:
    return f"{tests_file.removesuffix('.py')}_generated.py"


def _is_tests(file: str) -> bool:
    return Path(file).name.startswith("test_") or file.endswith("_test.py")
