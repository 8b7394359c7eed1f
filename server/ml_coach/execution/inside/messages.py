"""How the server and the worker talk: a JSON object behind its length, over a unix socket."""

from __future__ import annotations

import json
import socket
import struct
from typing import Any

Message = dict[str, Any]
HEADER = struct.Struct("!I")
SOURCE_FOLDERS = ("", "src")  # of a workspace, and so of a run: what modules are imported from
PARTS_AT_MOST = 8  # of one request; a cell has the pipes for so many
CANARY_SOURCE = "def test_pass():\n    assert True\n\n\ndef test_fail():\n    assert 1 == 2\n"


class Closed(Exception):
    pass


def pack(message: Message) -> bytes:
    body = json.dumps(message).encode("ascii")
    return HEADER.pack(len(body)) + body


def send(connection: socket.socket, message: Message) -> None:
    connection.sendall(pack(message))


def receive(connection: socket.socket) -> Message:
    """Raises `Closed` when the other side has gone."""
    (length,) = HEADER.unpack(_exactly(connection, HEADER.size))
    return json.loads(_exactly(connection, length))


def _exactly(connection: socket.socket, count: int) -> bytes:
    parts: list[bytes] = []
    while count:
        part = connection.recv(min(count, 1 << 20))
        if not part:
            raise Closed
        parts.append(part)
        count -= len(part)
    return b"".join(parts)
