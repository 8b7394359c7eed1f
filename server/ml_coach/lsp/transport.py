"""Reading and writing the protocol's bytes, and how the process ends, with which exit code."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import signal
import sys
import threading
from collections.abc import Callable
from typing import Any

from pygls.io_ import run_async

from ml_coach.lsp.protocol import NoExpectedErrors
from ml_coach.lsp.server import CoachServer

logger = logging.getLogger(__name__)

# A message's header is one line; its body is read by length and has no such limit.
_LONGEST_LINE = 2**16
_PIECE = 2**16


class _Writer:
    """Writes whole messages to a file descriptor. An editor that went away is not an error here."""

    def __init__(self, descriptor: int, gone: Callable[[], None]) -> None:
        self._descriptor = descriptor
        self._gone = gone

    def write(self, data: bytes) -> None:
        """Blocks until everything is written, or the editor has gone."""
        rest = memoryview(data)
        try:
            while rest:
                rest = rest[os.write(self._descriptor, rest) :]
        except OSError:
            self._gone()

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
        reader = asyncio.StreamReader(limit=_LONGEST_LINE)
        _feed(source, reader)
        return await _serve(server, reader, _Writer(target, server.leave))

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
            try:
                return await _serve(make(), reader, writer)
            finally:
                writer.close()

    return asyncio.run(main())


async def _serve(server: CoachServer, reader: asyncio.StreamReader, writer: Any) -> int:
    """Serves until the editor sends `exit` or goes away, or a signal ends the process."""
    logging.getLogger("pygls.protocol.json_rpc").addFilter(NoExpectedErrors())
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        with contextlib.suppress(NotImplementedError):  # Windows has no such handlers.
            loop.add_signal_handler(number, server.leave)
    server.protocol.set_writer(writer)
    never = threading.Event()  # pygls's own way to stop; ours is `exiting`.
    reading = asyncio.ensure_future(
        run_async(stop_event=never, reader=reader, protocol=server.protocol, logger=logger,
                  error_handler=server.report_server_error)
    )  # fmt: skip
    leaving = asyncio.ensure_future(server.exiting.wait())
    await asyncio.wait((reading, leaving), return_when=asyncio.FIRST_COMPLETED)
    for task in (reading, leaving):
        task.cancel()
    results = await asyncio.gather(reading, leaving, return_exceptions=True)
    for result in results:
        if isinstance(result, Exception) and not isinstance(result, asyncio.IncompleteReadError):
            logger.error("Reading ended: %s", result)
    await server.close()
    return 0 if server.shut_down else 1


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
