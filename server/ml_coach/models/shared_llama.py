"""A client's side of model_daemon.py: finds the user's daemon or starts it, and keeps weights
loaded there.

    <cache folder>/daemons/<version, installation and machine>.json     where the daemon listens
                                                              .lock     held by who looks or starts

The record is only a hint. What counts is whether a daemon answers that knows the record's secret.
Where no record can be kept, a process has a daemon of its own.
"""

from __future__ import annotations

import asyncio
import json
import os
import platform
import secrets
import socket
import stat
import subprocess
import sys
import tempfile
import threading
from collections.abc import AsyncGenerator, Callable
from concurrent.futures import Future
from contextlib import asynccontextmanager, suppress
from dataclasses import asdict, dataclass
from hashlib import sha256
from importlib.metadata import version
from pathlib import Path
from typing import Any

from filelock import FileLock, Timeout

from ml_coach.core.errors import UnavailableError
from ml_coach.models import local_sockets
from ml_coach.models.foreign_json import Json, as_object, count_at, text_at
from ml_coach.models.llama_process import LlamaOptions, environment, memory_advice, shared
from ml_coach.models.model_daemon import Hello, Order

WAITS = "Waiting for the local model, which another run uses"
# Weights stay in memory for so long after their last use: the next run begins at once.
IDLE_SECONDS = 5.0
# A daemon that does not greet within this is stopped or ending. On a busy machine 0.2 s were seen.
_GREETING_SECONDS = 10.0
_START_SECONDS = 60.0
# After its connection broke, a child that is not said to be gone within this is taken to be alive.
_GONE_SECONDS = 2.0
_LONGEST_RECORD = 65_536


@dataclass(frozen=True, slots=True)
class _Place:
    """Where a daemon listens, and the secrets of `model_daemon.Order`."""

    address: str
    token: str
    proof: str


class SharedLlama:
    """Weights that this process keeps loaded in the daemon, until `end`.

    `folder` is where the daemon's record is kept. `loaded` is told to nobody else; `key` is what a
    request to llama.cpp has to carry.
    """

    def __init__(self, options: LlamaOptions, folder: Path, idle_seconds: float) -> None:
        self.options = options
        self.key = ""
        self.process_id: int | None = None
        self._daemons = _Daemons(folder, idle_seconds)
        self._lease = secrets.token_hex(16)
        self._place: _Place | None = None
        self._connection: socket.socket | None = None
        self._address: Future[str] = Future()
        self._gone: Future[str] = Future()
        self._ended = threading.Event()
        # No event loop owns the connection, because requests may come from any.
        threading.Thread(target=self._attend, name="llama-lease", daemon=True).start()

    @property
    def alive(self) -> bool:
        """Whether the weights are loaded or about to be."""
        return not self._gone.done() and not self._ended.is_set()

    async def address(self) -> str:
        """Waits until the model is loaded and returns where it listens.

        A URL, or `unix://` and a socket's path. Raises `UnavailableError` when loading fails.
        """
        return await shared(self._address)

    async def end(self) -> None:
        """Lets go of the weights. Replies that are still being written go on to their end."""
        self._ended.set()
        if connection := self._connection:
            with suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)
            await asyncio.shield(asyncio.wrap_future(self._gone))
        # Else a daemon is just being started. Nobody has to wait for it only to leave.

    async def why_gone(self) -> UnavailableError | None:
        """The error for the user if the child has ended; None if it is alive."""
        try:
            gone = asyncio.shield(asyncio.wrap_future(self._gone))
            return UnavailableError(await asyncio.wait_for(gone, _GONE_SECONDS))
        except TimeoutError:
            return None

    @asynccontextmanager
    async def turn(self, note: Callable[[str], None]) -> AsyncGenerator[None]:
        """Waits for the turn and keeps it while the work inside goes on. `note` is told if it has
        to wait. Raises `UnavailableError` if the child has ended meanwhile."""
        await self.address()
        try:
            writer = await self._lent(note)
        except OSError as error:
            raise await self._lost(str(error) or "it does not answer") from None
        try:
            yield
        finally:
            writer.close()

    async def _lent(self, note: Callable[[str], None]) -> asyncio.StreamWriter:
        """A connection that has the turn. Raises `OSError` where the daemon lends none."""
        assert self._place
        async with asyncio.timeout(_GREETING_SECONDS):
            reader, writer = await local_sockets.open_connection(self._place.address)
        try:
            writer.write(_line(asdict(Hello(self._place.token, self._lease))))
            async with asyncio.timeout(_GREETING_SECONDS):
                _check(await reader.readline(), self._place)
            while not (told := _message(await reader.readline())).get("turn"):
                if not told:
                    raise ConnectionResetError("it ended the connection")
                note(WAITS)
        except BaseException:
            writer.close()
            raise
        return writer

    async def _lost(self, why: str) -> UnavailableError:
        if gone := await self.why_gone():
            return gone
        await self.end()  # Such as where its folder was swept away. The next call starts anew.
        return UnavailableError(
            f"The process of the local model cannot be reached ({why}). Try again."
        )

    def _attend(self) -> None:
        gone = ""
        try:
            hello = asdict(self.options) | {"file": str(self.options.file.absolute())}
            self._place, self._connection, lines = self._daemons.greet(self._lease, hello)
            with self._connection, lines:
                while not self._ended.is_set() and (told := _message(lines.readline())):
                    gone = gone or text_at(told, "gone")
                    if address := text_at(told, "address"):
                        self.key, self.process_id = text_at(told, "key"), count_at(told, "pid")
                        self._address.set_result(address)
                    if gone:
                        break
        except OSError as error:
            gone = f"The local model cannot be started: {error}."
        finally:
            if self._ended.is_set():
                gone = "The local model was closed."
            else:
                advice = memory_advice(self.options)
                gone = gone or f"The process of the local model was ended from outside. {advice}"
            self._gone.set_result(gone)
            if not self._address.done():
                self._address.set_exception(UnavailableError(gone))


class _Daemons:
    """Finds the daemon of this user, machine and installation, and starts it if there is none."""

    def __init__(self, folder: Path, idle_seconds: float) -> None:
        # Another release or build may speak and compute in another way. A home folder may be
        # shared by machines.
        what = "\n".join((version("ml-coach"), sys.prefix, platform.node()))
        self._record = folder / "daemons" / f"{sha256(what.encode()).hexdigest()[:16]}.json"
        self._idle_seconds = idle_seconds

    def greet(self, lease: str, options: dict[str, Any]) -> tuple[_Place, socket.socket, Any]:
        """A place, a connection that keeps these weights loaded, and the lines that arrive there.

        Raises `OSError` where no daemon can be started.
        """
        try:
            self._record.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
            lock = FileLock(self._record.with_suffix(".lock"), timeout=_START_SECONDS)
            lock.acquire()
        except (OSError, NotImplementedError, Timeout):  # A disk that is read-only or knows none.
            place = self._start()
            return place, *_greeted(place, lease, options)
        with lock:
            if place := self._recorded():
                try:
                    return place, *_greeted(place, lease, options)
                except ConnectionRefusedError:
                    local_sockets.unlink(place.address)  # It was killed.
                except (OSError, ValueError):
                    pass  # It hangs, ends just now, or is not ours.
            place = self._start()
            greeted = _greeted(place, lease, options)
            with suppress(OSError):
                self._keep(place)
            return place, *greeted

    def _recorded(self) -> _Place | None:
        try:
            told = _message(_own_bytes(self._record))
        except OSError:
            return None
        place = _Place(*(text_at(told, name) for name in ("address", "token", "proof")))
        return place if all(asdict(place).values()) else None

    def _keep(self, place: _Place) -> None:
        new = self._record.with_suffix(".new")
        new.unlink(missing_ok=True)
        descriptor = os.open(new, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(descriptor, "wb") as file:
            file.write(_line(asdict(place)))
        new.replace(self._record)

    def _start(self) -> _Place:
        order = Order(secrets.token_urlsafe(32), secrets.token_urlsafe(32), self._idle_seconds)
        with tempfile.TemporaryFile() as errors:
            daemon = subprocess.Popen(
                [sys.executable, "-I", "-m", "ml_coach.models.model_daemon"],
                stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=errors,
                env=environment(), cwd=tempfile.gettempdir(),
                # It outlives us where others need it, and Ctrl-C at our terminal is not for it.
                start_new_session=True,
                creationflags=getattr(subprocess, "CREATE_NEW_PROCESS_GROUP", 0),
            )  # fmt: skip
            # Somebody has to hear of its end, or it would stay as a zombie.
            threading.Thread(target=daemon.wait, name="llama-daemon", daemon=True).start()
            overdue = threading.Timer(_START_SECONDS, daemon.kill)
            overdue.daemon = True
            overdue.start()
            assert daemon.stdin
            assert daemon.stdout
            try:
                with daemon.stdin, daemon.stdout, suppress(BrokenPipeError):
                    daemon.stdin.write(_line(asdict(order)))
                    daemon.stdin.flush()
                    if address := text_at(_message(daemon.stdout.readline()), "address"):
                        return _Place(address, order.token, order.proof)
            finally:
                overdue.cancel()
            errors.seek(0)
            said = errors.read().decode("utf-8", "replace").split("\n")
            raise OSError(next((line for line in reversed(said) if line), "it did not begin"))


def _greeted(place: _Place, lease: str, options: dict[str, Any]) -> tuple[socket.socket, Any]:
    """Raises `OSError` where no daemon of ours is there."""
    connection = local_sockets.connect(place.address, _GREETING_SECONDS)
    lines = connection.makefile("rb")
    try:
        connection.sendall(_line(asdict(Hello(place.token, lease, options))))
        _check(lines.readline(), place)
        connection.settimeout(None)
    except BaseException:
        lines.close()
        connection.close()
        raise
    return connection, lines


def _own_bytes(path: Path) -> bytes:
    """What is in a file of this user's. Raises `OSError` for anything else: another user's would
    name a listener of theirs, and a pipe would have us wait for ever."""
    descriptor = os.open(path, os.O_RDONLY | getattr(os, "O_NONBLOCK", 0))
    try:
        status = os.fstat(descriptor)
        is_own = sys.platform == "win32" or status.st_uid == os.getuid()
        if not (is_own and stat.S_ISREG(status.st_mode)):
            raise PermissionError("no file of this user")
        return os.read(descriptor, _LONGEST_RECORD)
    finally:
        os.close(descriptor)


def _check(greeting: bytes, place: _Place) -> None:
    """Raises `OSError` where it is not what the daemon of that place says first."""
    if text_at(_message(greeting), "proof") != place.proof:
        raise PermissionError("no daemon of this user listens there")


def _line(message: dict[str, Any]) -> bytes:
    return json.dumps(message).encode() + b"\n"


def _message(line: bytes) -> Json:
    """An empty one where the line is empty or none that a daemon sends."""
    with suppress(ValueError):
        return as_object(json.loads(line))
    return {}
