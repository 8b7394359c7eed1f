"""How quick and how small the language server is: figures and ratios within this one run.

    python tests/benchmarks/server.py [--starts 7] [--requests 300] [--runs 200]

cold     process → answer to `initialize`, beside a pygls server that does nothing
busy     `codeAction` and `hover` while four runs are active
crowd    300 open documents, of which one has 10,000 lines and is typed into: the first code action
         in each, then 500 a second. Of a pygls server that answers nothing, of ours, and of ours
         while four runs are active
large    a document of 20 MB: how long a code action in it takes, and what it adds to the memory
flood    `codeAction` and `mlCoach.stop` while a model streams as fast as it can
stop     `mlCoach.stop` → end of the progress, and no child of the server left
memory   resident size, open files and the run folder after each tenth of the runs, with a recorded
         model; 500 runs are a soak
"""

from __future__ import annotations

import argparse
import asyncio
import itertools
import json
import os
import statistics
import sys
import tempfile
import time
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from pathlib import Path
from typing import Any

import psutil
from aiohttp import web

sys.path.insert(0, str(Path(__file__).parents[1]))

from scripted_model import PROMPT, scripted_model

SERVER = (str(Path(sys.executable).with_name("ml-coach")), "serve")
MINIMAL = (
    sys.executable,
    "-c",
    "from pygls.lsp.server import LanguageServer\n"
    "from lsprotocol.types import TEXT_DOCUMENT_CODE_ACTION\n"
    "server = LanguageServer('minimal', '1')\n"
    "server.feature(TEXT_DOCUMENT_CODE_ACTION)(lambda params: [])\n"
    "server.start_io()",
)


PARTS = ("cold", "busy", "crowd", "large", "flood", "stop", "memory")


class Peer:
    """A client of a few lines, so that what is measured is the server."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self.process = process
        self.progress: dict[str, str] = {}
        self.outcomes: dict[str, str] = {}
        self._replies: dict[int, asyncio.Future[Any]] = {}
        self._changed = asyncio.Event()
        self._reading = asyncio.ensure_future(self._read())

    async def request(self, method: str, params: Any = None) -> Any:
        number = len(self._replies) + 1
        self._replies[number] = asyncio.get_running_loop().create_future()
        self._send({"id": number, "method": method, "params": params})
        return await self._replies[number]

    def notify(self, method: str, params: Any = None) -> None:
        self._send({"method": method, "params": params})

    async def command(self, name: str, **argument: Any) -> Any:
        params = {"command": f"mlCoach.{name}", "arguments": [argument]}
        return await self.request("workspace/executeCommand", params)

    async def until(self, holds: Callable[[], bool]) -> None:
        while not holds():
            self._changed.clear()
            await self._changed.wait()

    def _send(self, message: dict[str, Any]) -> None:
        body = json.dumps({"jsonrpc": "2.0", **message}).encode()
        self.process.stdin.write(b"Content-Length: %d\r\n\r\n%s" % (len(body), body))

    async def _read(self) -> None:
        while header := await self.process.stdout.readline():
            length = 0
            while header.strip():
                if header.lower().startswith(b"content-length:"):
                    length = int(header.split(b":")[1])
                header = await self.process.stdout.readline()
            self._take(json.loads(await self.process.stdout.readexactly(length)))
            self._changed.set()

    def _take(self, message: dict[str, Any]) -> None:
        params = message.get("params")
        match message.get("method"):
            case None:
                reply = self._replies[message["id"]]
                if "error" in message:
                    reply.set_exception(RuntimeError(message["error"]["message"]))
                else:
                    reply.set_result(message.get("result"))
            case "$/progress":
                self.progress[params["token"]] = params["value"]["kind"]
            case "mlCoach/event" if params["event"]["event"] == "RunFinished":
                self.outcomes[params["runId"]] = params["event"]["report"]["outcome"]
            case _ if "id" in message:
                self._send({"id": message["id"], "result": None})
            case _:
                pass


@asynccontextmanager
async def peer(
    command: tuple[str, ...], root: Path, model: str = ""
) -> AsyncGenerator[tuple[Peer, float]]:
    """A server that was initialized, and how many seconds that took."""
    environment = {**os.environ, "ML_COACH_MODEL": model, "XDG_STATE_HOME": f"{root}-state"}
    began = time.perf_counter()
    process = await asyncio.create_subprocess_exec(
        *command, env=environment, limit=2**24,
        stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.DEVNULL,
    )  # fmt: skip
    one = Peer(process)
    capabilities = {"window": {"workDoneProgress": True}}
    params = {"processId": None, "rootUri": root.as_uri(), "capabilities": capabilities}
    await one.request("initialize", {**params, "initializationOptions": {"events": True}})
    seconds = time.perf_counter() - began
    one.notify("initialized", {})
    try:
        yield one, seconds
    finally:
        await one.request("shutdown")
        one.notify("exit")
        await process.wait()
        await one._reading


async def cold(starts: int, root: Path) -> None:
    ours: list[float] = []
    theirs: list[float] = []
    for _ in range(starts):  # In turns, so that a busy machine is busy for both.
        for command, times in ((MINIMAL, theirs), (SERVER, ours)):
            async with peer(command, root) as (_, seconds):
                times.append(seconds)
    ratio = statistics.median(ours) / statistics.median(theirs)
    print(
        f"cold    minimal {statistics.median(theirs):.3f} s, ours {statistics.median(ours):.3f} s, "
        f"ratio {ratio:.2f} (of the fastest {min(ours) / min(theirs):.2f}), n={starts}"
    )


@asynccontextmanager
async def busy_with_runs(one: Peer, root: Path) -> AsyncGenerator[None]:
    """Four runs at a time, each followed by the next, from the first one's end until the exit."""
    stopping = False

    async def run_on(number: int) -> None:
        target = (root / f"busy_{number}.py").as_uri()
        while not stopping:
            run_id = (await one.command(
                "generate", prompt=PROMPT, targetUri=target, autoPatch=True
            ))["runId"]  # fmt: skip
            await one.until(lambda: run_id in one.outcomes)  # noqa: B023

    runs = [asyncio.ensure_future(run_on(number)) for number in range(4)]
    await one.until(lambda: len(one.outcomes) > 0)
    yield
    stopping = True
    await asyncio.gather(*runs)


async def busy(requests: int, root: Path) -> None:
    async with scripted_model() as model, peer(SERVER, root, model.model) as (one, _):
        text = "# coach: do it\n\n\ndef stub():\n    ...\n" + "x = [1, 2]\n" * 400
        uri = opened(one, root, "notes.py", text)
        hover = {"textDocument": {"uri": uri}, "position": {"line": 4, "character": 5}}
        asked: dict[str, Callable[[], Awaitable[Any]]] = {
            "codeAction": lambda: action_in(one, uri, 4, 5),
            "hover": lambda: one.request("textDocument/hover", hover),
        }
        async with busy_with_runs(one, root):
            for name, ask in asked.items():
                times: list[float] = []
                for _ in range(requests):
                    began = time.perf_counter()
                    await ask()
                    times.append((time.perf_counter() - began) * 1000)
                    await asyncio.sleep(0.01)
                print(f"busy    {name}: {percentiles(times)}, 4 runs active")


def opened(one: Peer, root: Path, name: str, text: str) -> str:
    uri = (root / name).as_uri()
    document = {"uri": uri, "languageId": "python", "version": 1, "text": text}
    one.notify("textDocument/didOpen", {"textDocument": document})
    return uri


def action_in(one: Peer, uri: str, line: int = 0, character: int = 0) -> Awaitable[Any]:
    position = {"line": line, "character": character}
    return one.request(
        "textDocument/codeAction",
        {
            "textDocument": {"uri": uri},
            "range": {"start": position, "end": position},
            "context": {"diagnostics": []},
        },
    )


def percentiles(times: list[float]) -> str:
    times.sort()
    p99 = times[int(len(times) * 0.99) - 1]
    return (
        f"p50 {statistics.median(times):.1f} ms, p99 {p99:.1f} ms, most {times[-1]:.1f} ms, "
        f"n={len(times)}"
    )


async def crowd(requests: int, root: Path) -> None:
    async with peer(MINIMAL, root) as (one, _):
        print(f"crowd   minimal pygls: {await crowded(one, root, requests * 10)}")
    async with peer(SERVER, root) as (one, _):
        print(f"crowd   ours, no runs: {await crowded(one, root, requests * 10)}")
    async with scripted_model() as model, peer(SERVER, root, model.model) as (one, _):
        print(f"crowd   ours, 4 runs:  {await crowded(one, root, requests * 10, runs=True)}")


async def crowded(one: Peer, root: Path, requests: int, runs: bool = False) -> str:
    """Opens the documents, asks, and says how that went.

    The client's own cost is given too: it shares the processors with the server, and plays the
    model of the runs.
    """
    long = "".join(f"def f{n}(a):\n    return a + {n}\n\n\n" for n in range(2500))
    short = "# coach: do it\n\n\ndef stub():\n    ...\n" + "x = [1, 2]\n" * 300
    uris = [opened(one, root, f"open_{number}.py", short) for number in range(299)]
    uris.append(opened(one, root, "long.py", long))
    async with AsyncExitStack() as stack:
        if runs:
            await stack.enter_async_context(busy_with_runs(one, root))
        first: list[float] = []
        for uri in uris:
            await timed(one, uri, first)
        times: list[float] = []
        process = psutil.Process(one.process.pid)
        before, own = sum(process.cpu_times()[:2]), time.process_time()
        began = time.perf_counter()
        asked: list[asyncio.Future[None]] = []
        for number in range(requests):
            if number % 100 == 0:
                change = {"uri": uris[-1], "version": number + 2}
                text = [{"text": f"# typed {number}\n{long}"}]
                one.notify(
                    "textDocument/didChange", {"textDocument": change, "contentChanges": text}
                )
                asked.append(asyncio.ensure_future(timed(one, uris[-1], times)))
            asked.append(asyncio.ensure_future(timed(one, uris[number * 7 % 300], times)))
            await asyncio.sleep(max(0, began + number / 500 - time.perf_counter()))
        await asyncio.gather(*asked)
        rate = len(times) / (time.perf_counter() - began)
        spent = sum(process.cpu_times()[:2]) - before
        own = time.process_time() - own
        each = 1000 / len(times)
        size = process.memory_info().rss / 1e6
        return (
            f"first {percentiles(first)}; then {percentiles(times)}, {rate:.0f} a second, "
            f"{size:.0f} MB; "
            f"CPU for each {spent * each:.2f} ms of the server's, {own * each:.2f} of the client's"
        )


async def timed(one: Peer, uri: str, times: list[float]) -> None:
    began = time.perf_counter()
    await action_in(one, uri, 3)
    times.append((time.perf_counter() - began) * 1000)


async def large(requests: int, root: Path) -> None:
    text = "def stub():\n    ...\n\n\n" + "values = [1, 2, 3]\n" * 1_050_000
    async with peer(SERVER, root) as (one, _):
        small = opened(one, root, "small.py", "def stub():\n    ...\n")
        await action_in(one, small)
        process = psutil.Process(one.process.pid)
        before = process.memory_info().rss / 1e6
        began = time.perf_counter()
        uri = opened(one, root, "large.py", text)
        await action_in(one, uri)
        seconds = time.perf_counter() - began
        times: list[float] = []
        for _ in range(requests):
            began = time.perf_counter()
            await action_in(one, uri, 5)
            times.append((time.perf_counter() - began) * 1000)
        added = process.memory_info().rss / 1e6 - before
    print(
        f"large   {len(text) / 1e6:.0f} MB: opened and first codeAction {seconds:.2f} s, then "
        f"{percentiles(times)}; {added:.0f} MB more"
    )


async def flood(requests: int, root: Path) -> None:
    """A model that sends one character an event, and never ends by itself."""

    async def answer(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse(headers={"Content-Type": "text/event-stream"})
        await response.prepare(request)
        asked.set()
        with suppress(ConnectionError):
            for number in itertools.count():
                pieces = [f"x{n} = {n}\n" for n in range(number * 500, number * 500 + 500)]
                await response.write(b"".join(piece_event(piece) for piece in pieces))
        return response

    def piece_event(text: str) -> bytes:
        choice = {"index": 0, "delta": {"content": text}, "finish_reason": None}
        return b"data: " + json.dumps({"choices": [choice]}).encode() + b"\n\n"

    asked = asyncio.Event()
    app = web.Application()
    app.router.add_post("/v1/chat/completions", answer)
    runner = web.AppRunner(app, shutdown_timeout=0.1)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    name = f"openai:flood@http://127.0.0.1:{runner.addresses[0][1]}/v1"
    async with peer(SERVER, root, name) as (one, _):
        uri = opened(one, root, "notes.py", "# coach: do it\n")
        await action_in(one, uri)
        times: list[float] = []
        stops: list[float] = []
        process = psutil.Process(one.process.pid)
        for _ in range(3):
            one.progress.clear()
            asked.clear()
            run_id = (await one.command("generate", prompt=PROMPT))["runId"]
            await asked.wait()
            for _ in range(requests // 3):
                began = time.perf_counter()
                await action_in(one, uri)
                times.append((time.perf_counter() - began) * 1000)
                await asyncio.sleep(0.01)
            began = time.perf_counter()
            await one.command("stop", runId=run_id)
            await one.until(lambda: set(one.progress.values()) == {"end"})
            stops.append(time.perf_counter() - began)
        size = process.memory_info().rss / 1e6
        print(
            f"flood   codeAction: {percentiles(times)}; stop at most {max(stops):.3f} s, "
            f"{size:.0f} MB"
        )
    await runner.cleanup()


async def stop(times: int, root: Path) -> None:
    ends: list[float] = []
    children: list[float] = []
    async with scripted_model() as model, peer(SERVER, root, model.model) as (one, _):
        model.held.add("debugger")
        for _ in range(times):
            model.forget()
            one.progress.clear()
            run_id = (await one.command("generate", prompt=PROMPT))["runId"]
            await model.was_asked("debugger")
            began = time.perf_counter()
            await one.command("stop", runId=run_id)
            await one.until(lambda: set(one.progress.values()) == {"end"})
            ends.append(time.perf_counter() - began)
            model.release.set()
            model.release.clear()
        model.forget()
        await one.command("generate", prompt=PROMPT, targetUri=(root / "last.py").as_uri())
        await model.was_asked("debugger")
        family = psutil.Process(one.process.pid).children(recursive=True)
        began = time.perf_counter()
        await one.request("shutdown")
        one.notify("exit")
        await one.process.wait()
        _, left = await asyncio.to_thread(psutil.wait_procs, family, 5)
        assert not left, left
        children.append(time.perf_counter() - began)
        one.request = _answered  # The server has gone; nothing is left to say goodbye to.
    print(
        f"stop    command → end of progress: median {statistics.median(ends):.3f} s, most "
        f"{max(ends):.3f} s, n={times}; shutdown in a run → no process left {children[0]:.3f} s"
    )


async def _answered(method: str, params: Any = None) -> Any:
    return None


async def memory(runs: int, root: Path) -> None:
    state = Path(f"{root}-state") / "ml-coach" / "runs"
    async with scripted_model() as model, peer(SERVER, root, model.model) as (one, _):
        run_id = (await one.command("generate", prompt=PROMPT, autoPatch=True))["runId"]
        await one.until(lambda: run_id in one.outcomes)
        transcript = state / run_id / "calls.jsonl"
    async with peer(SERVER, root, f"recorded:{transcript}") as (one, _):
        process, sizes = psutil.Process(one.process.pid), list[float]()
        before = _size(state.parent)
        for number in range(1, runs + 1):
            run_id = (await one.command("generate", prompt=PROMPT, autoPatch=True))["runId"]
            await one.until(lambda: run_id in one.outcomes)  # noqa: B023
            assert one.outcomes[run_id] == "passed", one.outcomes[run_id]
            if number % max(runs // 10, 1) == 0:
                family = [process, *process.children(recursive=True)]
                sizes.append(process.memory_info().rss / 1e6)
                print(
                    f"memory  after {number:>5} runs {sizes[-1]:.1f} MB, with the sandbox "
                    f"{_resident(family):.1f} MB, {process.num_fds()} open files; "
                    f"{(_size(state.parent) - before) / 1e6:.1f} MB on disk",
                    flush=True,
                )
        began = time.perf_counter()
        await one.command("runs", limit=20)
        listed = (time.perf_counter() - began) * 1000
    print(
        f"memory  at the end {sizes[-1] / sizes[0]:.3f} times that after the first tenth; "
        f"{(_size(state.parent) - before) / runs / 1000:.1f} kB on disk a run; `runs` takes "
        f"{listed:.1f} ms"
    )


def _resident(processes: list[psutil.Process]) -> float:
    """In MB; a process that has just ended counts as nothing."""
    total = 0
    for process in processes:
        with suppress(psutil.Error):
            total += process.memory_info().rss
    return total / 1e6


def _size(folder: Path) -> int:
    return sum(path.lstat().st_size for path in folder.rglob("*") if path.is_file())


async def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--starts", type=int, default=7)
    parser.add_argument("--requests", type=int, default=300)
    parser.add_argument("--runs", type=int, default=200)
    parser.add_argument("--only", choices=PARTS)
    chosen = parser.parse_args()
    parts: dict[str, Callable[[Path], Awaitable[None]]] = {
        "cold": lambda root: cold(chosen.starts, root),
        "busy": lambda root: busy(chosen.requests, root),
        "crowd": lambda root: crowd(chosen.requests, root),
        "large": lambda root: large(chosen.requests, root),
        "flood": lambda root: flood(chosen.requests, root),
        "stop": lambda root: stop(5, root),
        "memory": lambda root: memory(chosen.runs, root),
    }
    print(f"load of the machine: {os.getloadavg()[0]:.1f} on {os.cpu_count()} processors")
    for name, part in parts.items():
        if chosen.only in (None, name):
            with tempfile.TemporaryDirectory() as folder:
                root = Path(folder) / "project"
                root.mkdir()
                await part(root)


if __name__ == "__main__":
    asyncio.run(main())
