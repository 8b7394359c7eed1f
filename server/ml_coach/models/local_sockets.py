"""Sockets on which processes of one user talk: in a private folder where the system has such, else
on loopback. An address is `unix://` and a path, or `tcp://127.0.0.1:` and a port."""

from __future__ import annotations

import asyncio
import os
import socket
import struct
import sys
from contextlib import suppress
from pathlib import Path

_FOREIGN = "another user listens there"
_UNIX, _TCP = "unix://", "tcp://127.0.0.1:"


def listen(path: Path) -> tuple[socket.socket, str]:
    """A listening socket and its address: at `path`, which only this user may use, or on loopback
    where no socket can be there. That is so on Windows, on some file systems, and for long paths.
    """
    if sys.platform != "win32":  # There asyncio has none.
        listener = socket.socket(socket.AF_UNIX)
        try:
            listener.bind(str(path))
            path.chmod(0o600)
            listener.listen(128)
        except OSError:
            listener.close()
        else:
            return listener, f"{_UNIX}{path}"
    listener = socket.create_server(("127.0.0.1", 0), backlog=128)
    return listener, f"{_TCP}{listener.getsockname()[1]}"


def can_listen(path: Path) -> bool:
    """Whether a Unix socket can be at `path`; nothing is left there."""
    listener, address = listen(path)
    listener.close()
    with suppress(FileNotFoundError):
        path.unlink()
    return address.startswith(_UNIX)


def connect(address: str, timeout_seconds: float) -> socket.socket:
    """A connection to a process of this user. Raises `OSError`, also where it is another user's."""
    if address.startswith(_TCP):
        port = int(address.removeprefix(_TCP))
        return socket.create_connection(("127.0.0.1", port), timeout_seconds)
    connection = socket.socket(socket.AF_UNIX)
    try:
        connection.settimeout(timeout_seconds)
        connection.connect(address.removeprefix(_UNIX))
        if not is_own(connection):
            raise PermissionError(_FOREIGN)
    except BaseException:
        connection.close()
        raise
    return connection


async def open_connection(address: str) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    """As `connect`, for an event loop."""
    if address.startswith(_TCP):
        return await asyncio.open_connection("127.0.0.1", int(address.removeprefix(_TCP)))
    reader, writer = await asyncio.open_unix_connection(address.removeprefix(_UNIX))
    if not is_own(writer.get_extra_info("socket")):
        writer.close()
        raise PermissionError(_FOREIGN)
    return reader, writer


def is_own(connection: socket.socket) -> bool:
    """False where the kernel says that another user is at the other end."""
    if sys.platform != "linux" or connection.family != socket.AF_UNIX:
        return True  # The folder of a socket, or a secret, keeps others out.
    credentials = connection.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, 12)
    _, user, _ = struct.unpack("3i", credentials)
    return user == os.getuid()


def unlink(address: str) -> None:
    """Removes what a process that was killed left: its socket, and the folder if that is empty."""
    path = Path(address.removeprefix(_UNIX))
    if address.startswith(_UNIX) and path.is_socket():
        with suppress(OSError):
            path.unlink()
            path.parent.rmdir()
