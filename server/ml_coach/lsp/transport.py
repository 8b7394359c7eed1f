"""Reading and writing the protocol's bytes, and how the process ends, with which exit code."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import select
import signal
import sys
import threading
from collections import deque
from collections.abc import Callable
from typing import Any, cast

from ml_coach.lsp.framing import Framing
from ml_coach.lsp.protocol import CoachProtocol, NoExpectedErrors
from ml_coach.lsp.server import CoachServer

logger = logging.getLogger(__name__)

_PIECE = 2**16
# A pipe that can be written to takes this much at once, without blocking.
_AT_ONCE = 4096
# An editor that leaves more than this unread has stopped reading.
_MOST_UNREAD = 2**26
_FLUSH_SECONDS = 1.0


class _Writer:
    """Writes whole messages to a file descriptor, and never blocks the server for it.

    What the editor does not take at once waits for a thread. `gone` is called when the editor has
    closed its end, or leaves too much unread.
    """

    def __init__(self, descriptor: int, gone: Callable[[str], None]) -> None:
        self._descriptor = descriptor
        self._gone = gone
        self._unread: deque[bytes] = deque()
        self._size = 0
        self._changed = threading.Condition()
        self._loop = asyncio.get_running_loop()
        self._poll = select.poll() if hasattr(select, "poll") else None
        if self._poll is not None:
            self._poll.register(descriptor, select.POLLOUT)
        # A daemon: a write that never returns must not keep the process alive.
        threading.Thread(target=self._write_unread, name="ml-coach-stdout", daemon=True).start()

    def write(self, data: bytes) -> None:
        """Returns at once. Messages arrive in the order of the calls."""
        with self._changed:
            # A second thread would cost time for every message: most pipes are empty.
            rest = data if self._size else self._written_at_once(data)
            if not rest:
                return
            self._unread.append(bytes(rest))
            self._size += len(rest)
            too_much = self._size > _MOST_UNREAD
            self._changed.notify_all()
        if too_much:
            self._gone("The editor does not read what it is sent.")

    def _written_at_once(self, data: bytes) -> memoryview:
        """What the pipe does not take now."""
        rest = memoryview(data)
        try:
            while rest and self._poll is not None and self._poll.poll(0):
                rest = rest[os.write(self._descriptor, rest[:_AT_ONCE]) :]
        except OSError:
            self._gone("")
            return rest[:0]
        return rest

    def _write_unread(self) -> None:
        while True:
            with self._changed:
                self._changed.wait_for(lambda: self._unread)
                rest = memoryview(self._unread[0])
            try:
                while rest:
                    rest = rest[os.write(self._descriptor, rest) :]
            except OSError:
                with contextlib.suppress(RuntimeError):  # The loop is closed.
                    self._loop.call_soon_threadsafe(self._gone, "")
                with self._changed:
                    self._size = 0
                    self._changed.notify_all()
                return
            with self._changed:
                self._size -= len(self._unread.popleft())
                self._changed.notify_all()

    def flush(self) -> None:
        """Waits a moment for what is unread still, as the reply to `shutdown`."""
        with self._changed:
            self._changed.wait_for(lambda: not self._size, _FLUSH_SECONDS)

    def close(self) -> None:
        """Does nothing: the descriptor lives as long as the process."""


def serve_stdio(make: Callable[[], CoachServer]) -> int:
    """Serves one editor on standard input and output. Returns the process's exit code."""
    # The protocol gets private copies: what prints or reads in this process or its children can
    # then neither break a message nor steal one.
    source, target = os.dup(0), os.dup(1)
    nothing = os.open(os.devnull, os.O_RDONLY)
    os.dup2(nothing, 0)
    os.dup2(2, 1)

    async def main() -> int:
        server = make()
        _heed_signals(server)  # Before anything is read: one may follow the first message.
        reader = asyncio.StreamReader()
        _feed(source, reader)
        writer = _Writer(target, server.leave)
        try:
            return await _serve(server, reader, writer)
        finally:
            await asyncio.to_thread(writer.flush)

    return asyncio.run(main())


def serve_tcp(make: Callable[[], CoachServer], port: int) -> int:
    """Serves the first editor that connects to 127.0.0.1. Returns the process's exit code."""

    async def main() -> int:
        connected: asyncio.Future[tuple[asyncio.StreamReader, asyncio.StreamWriter]]
        connected = asyncio.get_running_loop().create_future()

        def accept(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            if connected.done():
                writer.close()  # One server, one editor.
            else:
                connected.set_result((reader, writer))

        # Only the loopback address, because every client can have files written.
        try:
            listener = await asyncio.start_server(accept, "127.0.0.1", port)
        except (OSError, OverflowError) as error:  # The port is taken, or out of range.
            sys.stderr.write(f"ml-coach cannot listen on port {port}: {error}\n")
            return 1
        address = listener.sockets[0].getsockname()
        sys.stderr.write(f"ml-coach listens on {address[0]}:{address[1]}\n")
        sys.stderr.flush()
        async with listener:
            reader, writer = await connected
            server = make()
            _heed_signals(server)
            try:
                return await _serve(server, reader, writer)
            finally:
                writer.close()

    return asyncio.run(main())


async def _serve(server: CoachServer, reader: asyncio.StreamReader, writer: Any) -> int:
    """Serves until the editor sends `exit` or goes away, or a signal ends the process."""
    logging.getLogger("pygls.protocol.json_rpc").addFilter(NoExpectedErrors())
    server.protocol.set_writer(writer)
    reading = asyncio.ensure_future(_read(server, reader))
    leaving = asyncio.ensure_future(server.exiting.wait())
    await asyncio.wait((reading, leaving), return_when=asyncio.FIRST_COMPLETED)
    for task in (reading, leaving):
        task.cancel()
    results = await asyncio.gather(reading, leaving, return_exceptions=True)
    for result in results:
        if isinstance(result, Exception):
            logger.error("Reading ended: %s", result)
    await server.close()
    # The protocol's 1 is for an editor that leaves without a word, not for none (`</dev/null`).
    is_initialized = cast("CoachProtocol", server.protocol).is_initialized
    return 0 if server.shut_down or not is_initialized else 1


def _heed_signals(server: CoachServer) -> None:
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        with contextlib.suppress(NotImplementedError):  # Windows has no such handlers.
            loop.add_signal_handler(number, server.leave)


async def _read(server: CoachServer, reader: asyncio.StreamReader) -> None:
    framing = Framing(logger.warning)
    while piece := await reader.read(_PIECE):
        for message in framing.feed(piece):
            cast("CoachProtocol", server.protocol).take(message)
            # Runs go on between the messages of an editor that sends many at once.
            await asyncio.sleep(0)


def _feed(source: int, reader: asyncio.StreamReader) -> None:
    """Reads a descriptor into `reader` from a thread of its own.

    Not from pygls's pool: a few busy jobs there would block reading. A daemon thread, because a
    read that never returns must not keep the process alive.
    """
    loop = asyncio.get_running_loop()

    def read() -> None:
        with contextlib.suppress(RuntimeError):  # The loop is closed.
            while piece := _piece(source):
                loop.call_soon_threadsafe(reader.feed_data, piece)
            loop.call_soon_threadsafe(reader.feed_eof)

    threading.Thread(target=read, name="ml-coach-stdin", daemon=True).start()


def _piece(source: int) -> bytes:
    try:
        return os.read(source, _PIECE)
    except OSError:
        return b""
