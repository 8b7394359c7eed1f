"""The process that holds the models inside for all of a user's: `python -m
ml_coach.models.model_daemon`.

An editor's server and a terminal ask one daemon, so weights are in memory once, and no two of them
compute at the same time. It starts llama.cpp in a child (llama_process.py) for each set of weights,
and lends out turns. The replies themselves go from the child straight to who asked.

It reads one line of JSON from stdin (`Order`) and answers with one (`{"address": …}`). A connection
begins with a line of each side, `Hello` and `{"proof": …, "pid": …}`; from then on only the daemon
talks. A connection that names weights keeps them loaded:

    {"address": …, "key": …, "pid": …}     where llama.cpp listens, as soon as it is loaded
    {"gone": "The local model was …"}      it ended, or could not be loaded

One that names none asks for a turn, which lasts until it is closed:

    {"turn": false}                        another run's turn has to end first
    {"turn": true}

Weights that nobody uses leave the memory after `idle_seconds`, and then the daemon ends. A client
that was killed uses nothing: the kernel closes its connections.
"""

from __future__ import annotations

import asyncio
import hmac
import json
import os
import shutil
import signal
import socket
import sys
import tempfile
from collections import deque
from collections.abc import Coroutine, Generator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ml_coach.core.errors import UnavailableError
from ml_coach.models.llama_process import LlamaOptions, LlamaProcess
from ml_coach.models.local_sockets import is_own, listen

_HELLO_SECONDS = 10.0
# A model that computes nothing for so long is waiting for nobody but a client that does not read.
_WATCH_SECONDS = 5.0
# Longest line that a client sends; a path is the longest thing in it.
_LONGEST_LINE = 65_536


@dataclass(frozen=True, slots=True)
class Order:
    """How to serve. Who connects has to know `token`, and learns that it is us by `proof`."""

    token: str
    proof: str
    idle_seconds: float


@dataclass(frozen=True, slots=True)
class Hello:
    """The first line of a client. `lease` is a name that it chose for the weights it keeps loaded;
    `options` are those of `LlamaOptions`, or empty where it asks for a turn with that lease."""

    token: str
    lease: str
    options: dict[str, Any] = field(default_factory=dict[str, Any])


@dataclass(eq=False, slots=True)
class _Loaded:
    """A child with its weights, how many connections need it, and since when there are none."""

    process: LlamaProcess
    users: int = 0
    idle_since: float = 0.0


class Turns:
    """Who may compute: the requests of one lease together, and leases in the order they asked."""

    def __init__(self) -> None:
        self._lease = ""
        self._held = set[asyncio.Future[None]]()
        self._waiting: deque[tuple[str, asyncio.Future[None]]] = deque()

    @property
    def is_awaited(self) -> bool:
        """Whether some wait for a turn."""
        return bool(self._waiting)

    def ask(self, lease: str) -> asyncio.Future[None]:
        """Done when it is this lease's turn. End each with `give_back`, also one that waits."""
        turn = asyncio.get_running_loop().create_future()
        self._waiting.append((lease, turn))
        self._lend()
        return turn

    def give_back(self, turn: asyncio.Future[None]) -> None:
        """Ends a turn, or the wait for one."""
        self._held.discard(turn)
        self._waiting = deque(item for item in self._waiting if item[1] is not turn)
        self._lend()

    def take_back(self) -> None:
        """Ends the turns of those who have them."""
        self._held.clear()
        self._lend()

    def _lend(self) -> None:
        # Whoever waits is first in the line, so a lease that asks all the time starves nobody.
        while self._waiting and (not self._held or self._waiting[0][0] == self._lease):
            self._lease, turn = self._waiting.popleft()
            self._held.add(turn)
            turn.set_result(None)


class ModelDaemon:
    """Serves clients until nobody needs it any more."""

    def __init__(self, order: Order) -> None:
        self._order = order
        self._loaded: dict[str, _Loaded] = {}
        self._leases: dict[str, _Loaded] = {}
        self._turns = Turns()
        self._ended = asyncio.Event()
        self._connections = 0
        self._tasks = set[asyncio.Task[None]]()

    async def serve(self, listener: socket.socket) -> None:
        """Returns when no client came for `idle_seconds`; no child is left then."""
        loop = asyncio.get_running_loop()
        with suppress(NotImplementedError):  # Windows
            loop.add_signal_handler(signal.SIGTERM, self._ended.set)
        server = await asyncio.start_server(self._connected, sock=listener, limit=_LONGEST_LINE)
        self._look_later()
        watch = asyncio.create_task(self._watch_turns())
        await self._ended.wait()
        watch.cancel()
        server.close()
        self._end(*self._loaded)
        await asyncio.gather(*self._tasks)

    async def _connected(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        client = _Client(reader, writer)
        try:
            hello = await client.hello(self._order)
            if hello and not self._ended.is_set():
                with self._counted():
                    client.tell(proof=self._order.proof, pid=os.getpid())
                    await (self._lease if hello.options else self._turn)(client, hello)
        except (OSError, ValueError, TypeError, KeyError):
            pass  # What a client sends or omits ends its connection and nothing else.
        finally:
            writer.close()

    @contextmanager
    def _counted(self) -> Generator[None]:
        self._connections += 1
        try:
            yield
        finally:
            self._connections -= 1
            self._look_later()

    async def _lease(self, client: _Client, hello: Hello) -> None:
        try:
            opened = self._open(hello.options)
        except OSError as error:  # Such as a full disk.
            client.tell(gone=f"The local model cannot be started: {error}.")
            return
        with self._used(opened) as loaded:
            self._leases[hello.lease] = loaded
            try:
                await client.until_left(self._tell(client, loaded.process))
            finally:
                del self._leases[hello.lease]

    async def _tell(self, client: _Client, process: LlamaProcess) -> None:
        try:
            address = await process.address()
            client.tell(address=address, key=process.key, pid=process.process_id)
            client.tell(gone=str(await process.gone()))
        except UnavailableError as error:
            client.tell(gone=str(error))

    async def _turn(self, client: _Client, hello: Hello) -> None:
        turn = self._turns.ask(hello.lease)
        try:
            with self._used(self._leases[hello.lease]):
                if not turn.done():
                    client.tell(turn=False)
                await client.until_left(self._lend(client, turn))
        finally:
            self._turns.give_back(turn)

    async def _lend(self, client: _Client, turn: asyncio.Future[None]) -> None:
        await turn
        client.tell(turn=True)

    def _open(self, options: dict[str, Any]) -> _Loaded:
        """The child for these options. Others that nobody uses make room for a new one."""
        wanted = LlamaOptions(
            Path(options["file"]), **{k: v for k, v in options.items() if k != "file"}
        )
        key = json.dumps([options, *_version(wanted.file)])
        loaded = self._loaded.get(key)
        if loaded is None or not loaded.process.alive:
            self._end(*(key for key, other in self._loaded.items() if not other.users))
            loaded = self._loaded[key] = _Loaded(LlamaProcess(wanted))
        return loaded

    @contextmanager
    def _used(self, loaded: _Loaded) -> Generator[_Loaded]:
        loaded.users += 1
        try:
            yield loaded
        finally:
            loaded.users -= 1
            loaded.idle_since = asyncio.get_running_loop().time()

    def _end(self, *keys: str) -> None:
        for key in keys:
            task = asyncio.create_task(self._loaded.pop(key).process.end())
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)

    async def _watch_turns(self) -> None:
        """Takes a turn back that is awaited while nothing is computed: whoever has it was stopped,
        such as by Ctrl-Z, and would hold up all others."""
        before = -1.0
        while True:
            await asyncio.sleep(_WATCH_SECONDS)
            spent = sum(loaded.process.cpu_seconds for loaded in self._loaded.values())
            if self._turns.is_awaited and spent == before:
                self._turns.take_back()
            before = spent

    def _look_later(self) -> None:
        asyncio.get_running_loop().call_later(self._order.idle_seconds, self._look)

    def _look(self) -> None:
        """Ends what has been idle long enough."""
        # A timer may be early by as much as the clock's resolution.
        since = asyncio.get_running_loop().time() - self._order.idle_seconds + 0.05
        idle = [k for k, one in self._loaded.items() if not one.users and one.idle_since <= since]
        self._end(*idle)
        if not self._loaded and not self._connections:
            self._ended.set()


class _Client:
    """One connection, seen from here."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader = reader
        self._writer = writer

    async def hello(self, order: Order) -> Hello | None:
        """What the client wants; None where it is a stranger. Raises `ValueError` and the like."""
        if not is_own(self._writer.get_extra_info("socket")):
            return None
        async with asyncio.timeout(_HELLO_SECONDS):
            line = await self._reader.readline()
        hello = Hello(**json.loads(line))
        return hello if hmac.compare_digest(hello.token, order.token) else None

    def tell(self, **message: object) -> None:
        """Sends a line; it is lost where the client has left."""
        self._writer.write(json.dumps(message).encode() + b"\n")

    async def until_left(self, work: Coroutine[Any, Any, None]) -> None:
        """Does the work, which ends early when the client leaves, and waits until it has left."""
        task = asyncio.create_task(work)
        try:
            while await self._reader.read(_LONGEST_LINE):
                pass
        finally:
            task.cancel()
            await asyncio.wait([task])
        if not task.cancelled():
            task.result()


def _version(file: Path) -> tuple[int, int]:
    """What changes when a file does. Nothing for one that is not there, which llama.cpp tells."""
    try:
        status = file.stat()
    except OSError:
        return 0, 0
    return status.st_size, status.st_mtime_ns


def main() -> None:
    """Serves as stdin says, until nobody needs it."""
    order = Order(**json.loads(sys.stdin.buffer.readline()))
    folder = Path(tempfile.mkdtemp(prefix="ml-coach-"))  # Mode 0700, so only we may enter.
    try:
        listener, address = listen(folder / "daemon.sock")
        sys.stdout.write(json.dumps({"address": address}) + "\n")
        sys.stdout.flush()
        # Who started us may end before we do, and nobody would read on.
        with Path(os.devnull).open("r+b") as nowhere:
            for stream in range(3):
                os.dup2(nowhere.fileno(), stream)
        asyncio.run(ModelDaemon(order).serve(listener))
    finally:
        shutil.rmtree(folder, ignore_errors=True)


if __name__ == "__main__":
    main()
