"""Bytes → the protocol's messages. No byte that a peer sends ends the reading: what is no message
is skipped, with a sentence, up to the next header.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator
from typing import Any

LONGEST_MESSAGE = 2**28
_LONGEST_HEADER = 2**16
# Header names are written in any case. The second pattern finds a header behind the rest of a body
# whose length was given too short, or within one whose length was given too long; JSON text cannot
# hold it, because line ends are escaped there.
_LENGTH = re.compile(rb"^content-length[ \t]*:[ \t]*(\d{1,18})[ \t]*\r?$", re.I | re.M)
_ANYWHERE = re.compile(rb"content-length[ \t]*:[ \t]*(\d{1,18})[ \t]*(?:\r\n|\Z)", re.I)
_MOST_COMPLAINTS = 50
# In bytes, from the name `Content-Length` to the end of the header.
_LONGEST_REST = 256


class Framing:
    """Takes the pieces of a byte stream and gives back its messages as plain JSON.

    `complain` is called with a sentence for whatever had to be skipped.
    """

    def __init__(self, complain: Callable[[str], None]) -> None:
        self._complain = complain
        self._complaints = 0
        self._bytes = bytearray()
        self._length: int | None = None
        # So much of an incomplete message holds no other message's header.
        self._searched = 0

    def feed(self, piece: bytes) -> Iterator[Any]:
        """The messages that are complete with `piece`."""
        self._bytes += piece
        while True:
            if self._length is None and not self._read_header():
                return
            if self._length is None:
                continue
            if len(self._bytes) < self._length:
                if not self._cut_off_at_header():
                    return
                continue
            body = bytes(self._bytes[: self._length])
            del self._bytes[: self._length]
            self._length = None
            try:
                message = json.loads(body)
            except (ValueError, RecursionError) as error:
                self._skip_body(body, error)
                continue
            yield message

    def _read_header(self) -> bool:
        """Whether a header block was taken off; sets the length where it names a good one."""
        end = self._bytes.find(b"\r\n\r\n")
        if end < 0:
            if len(self._bytes) > _LONGEST_HEADER:
                self._skip(f"{len(self._bytes)} bytes without the end of a header")
                # The end of what is skipped may be the beginning of a header.
                del self._bytes[: -_LONGEST_HEADER // 2]
            return False
        header = bytes(self._bytes[:end])
        del self._bytes[: end + 4]
        found = _LENGTH.findall(header) or _ANYWHERE.findall(header)
        if not found:
            self._skip(f"a header without a Content-Length: {header[:80]!r}")
        elif int(found[-1]) > LONGEST_MESSAGE:
            self._skip(f"a message of {int(found[-1])} bytes, more than {LONGEST_MESSAGE}")
        else:
            self._length, self._searched = int(found[-1]), 0
        return True

    def _cut_off_at_header(self) -> bool:
        """Gives up an incomplete message where the next one's header stands in its midst.

        Without this, a length that is far too long would make the server deaf for ever.
        """
        while (end := self._bytes.find(b"\r\n\r\n", self._searched)) >= 0:
            self._searched = end + 1
            begin = max(0, end - _LONGEST_REST)
            header = _ANYWHERE.search(bytes(self._bytes[begin : end + 2]))
            if header is not None:
                self._skip(f"a message shorter than its length: {bytes(self._bytes[:80])!r}")
                del self._bytes[: begin + header.start()]
                self._length = None
                return True
        self._searched = max(0, len(self._bytes) - 3)
        return False

    def _skip_body(self, body: bytes, error: Exception) -> None:
        if not body:
            return
        self._skip(f"a message that is no JSON ({error}): {body[:80]!r}")
        if header := _ANYWHERE.search(body):
            # The length was given too long, so that the body swallowed the next message.
            self._bytes[:0] = body[header.start() :]

    def _skip(self, what: str) -> None:
        self._complaints += 1
        if self._complaints <= _MOST_COMPLAINTS:
            self._complain(f"The editor sent {what}. It is skipped.")
