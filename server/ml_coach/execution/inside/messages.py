"""How the server and the worker talk: a JSON object behind its length, over a unix socket.

Texts that may hold any bytes travel as base64 in an answer, so that an answer's size is known, and
as latin-1 in a request, whose files are the server's own.
"""

from __future__ import annotations

import json
import socket
import struct
from typing import Any

JsonObject = dict[str, Any]
HEADER = struct.Struct("!I")
TEST_KINDS = frozenset({"tests", "project"})  # of a request: what has signed records
NOT_STARTED = "pytest"  # in the place of a file that could not be collected
SOURCE_FOLDERS = ("", "src")  # of a workspace, and so of a run: what modules are imported from
PARTS_AT_MOST = 8  # of one request; the supervisor makes the pipes for so many
RECORDS_AT_MOST = 8 << 20  # bytes that one part may write to its records channel
PROOF_BYTES = 16  # the length of the keyed hash before each record of a test run
CANARY_SOURCE = "def test_pass():\n    assert True\n\n\ndef test_fail():\n    assert 1 == 2\n"


class ConnectionClosed(Exception):
    """The other side closed the connection, which means that nobody waits for an answer."""


def pack(message: JsonObject) -> bytes:
    """The bytes that stand for `message` on the wire."""
    body = json.dumps(message).encode("ascii")
    return HEADER.pack(len(body)) + body


def receive(connection: socket.socket) -> JsonObject:
    """Blocks until a whole message is there. Raises `ConnectionClosed`."""
    (length,) = HEADER.unpack(_exactly(connection, HEADER.size))
    return json.loads(_exactly(connection, length))


def _exactly(connection: socket.socket, count: int) -> bytes:
    parts: list[bytes] = []
    while count:
        part = connection.recv(min(count, 1 << 20))
        if not part:
            raise ConnectionClosed
        parts.append(part)
        count -= len(part)
    return b"".join(parts)
