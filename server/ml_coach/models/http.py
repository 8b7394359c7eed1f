"""What the providers over HTTP share: a streamed POST under a deadline, with typed errors.

Every reply is streamed, because closing the connection of any other one does not end the work of
the backend.
"""

from __future__ import annotations

import asyncio
import json
import ssl
from codecs import BOM_UTF8, getincrementaldecoder
from collections.abc import AsyncGenerator, Callable, Mapping
from contextlib import aclosing, asynccontextmanager, suppress
from dataclasses import dataclass
from email.utils import parsedate_to_datetime
from functools import cache
from typing import Any, cast
from urllib.parse import urlsplit

import httpx
from httpx_sse import EventSource, SSEError

from ml_coach.core.errors import (
    AuthError,
    BadAnswerError,
    BadRequestError,
    DeadlineError,
    ModelError,
    QuotaError,
    UnavailableError,
)
from ml_coach.core.wording import harmless
from ml_coach.models.foreign_json import Json, as_object, first_object_at
from ml_coach.models.refusals import Refusal, in_stream

# In bytes. An answer that refuses a request is small; a proxy's error page may not be.
_LONGEST_REFUSAL = 64 * 1024
# A model's whole answer comes to some megabytes at most, one event to some kilobytes.
_LONGEST_REPLY = 2**26
_LONGEST_LINE = 2**22
# In characters.
_LONGEST_MESSAGE = 300


# What `Endpoint.events` yields for the line that ends a stream of server-sent events. Whether it
# stands for a whole reply is for the protocol to say.
DONE: Json = {"[DONE]": True}


@dataclass(frozen=True, slots=True)
class Endpoint:
    """A provider's server. `who` names it in the texts of errors, `secrets` never appear there.

    `refine` may give the error for a refusal that only this provider words in its way, else None.
    `mend` may give the request to send instead of one that was refused, else None; it must not give
    the same changes for ever. It is asked until an event came that `is_reply`: proxies refuse after
    a first, empty one.
    """

    http: httpx.AsyncClient
    who: str
    headers: Mapping[str, str]
    secrets: tuple[str, ...] = ()
    refine: Callable[[Refusal], ModelError | None] = lambda _: None
    mend: Callable[[Refusal, Json], Json | None] = lambda refusal, body: None
    is_reply: Callable[[Json], bool] = lambda event: True

    def error(self, refusal: Refusal) -> ModelError:
        """The typed error for a refusal: that of `refine`, else the one for its status."""
        return self.refine(refusal) or self._by_status(refusal)

    def sentence(self, said: str, status: int | None = None) -> str:
        """One sentence for the user, without secrets, at most a few hundred characters."""
        for secret in self.secrets:
            said = said.replace(secret, "***") if secret else said
        # A server's words may hold what controls a terminal or turns the direction of text.
        said = harmless(" ".join(said.split()))
        if len(said) > _LONGEST_MESSAGE:
            said = said[:_LONGEST_MESSAGE].rstrip() + "…"
        code = "" if status is None else f" ({status})"
        return f"{self.who}{code}: {said.rstrip(' .:;,!?') or 'no reason given'}."

    def _by_status(self, refusal: Refusal) -> ModelError:
        status, wait = refusal.status, refusal.retry_after_seconds
        said = self.sentence(refusal.message or _reason(status), status)
        text = f"{said} {refusal.help}".rstrip()
        if refusal.is_overflow:
            return BadRequestError(text)
        if status in (401, 402, 403):
            return AuthError(text)
        if status == 429:
            return QuotaError(text, wait)
        if status >= 500 or status in (408, 409, 425):
            return UnavailableError(text, wait)
        if status >= 400:
            return BadRequestError(text)
        return BadAnswerError(text)

    async def events(
        self, url: str, body: Json, *, timeout_seconds: float
    ) -> AsyncGenerator[Json, None]:
        """The JSON objects of one stream (server-sent events or lines), or of a plain answer.

        Closing the generator or cancelling its task closes the connection. `timeout_seconds`
        bounds the whole exchange, connecting included. Raises the `ModelError` family, also for an
        event with an `error` member.
        """
        started = asyncio.get_running_loop().time()
        if not all(v.isascii() and v.isprintable() for v in self.headers.values()):
            raise AuthError(self.sentence("the key holds a character that no key can hold"))
        while True:
            begun = False
            try:
                async with aclosing(self._exchange(url, body, timeout_seconds, started)) as items:
                    async for item in items:
                        begun = begun or self.is_reply(item)
                        yield item
                return
            except _RefusedError as refused:
                mended = None if begun else self.mend(refused.refusal, body)
                if mended is None:
                    raise self.error(refused.refusal) from None
                body = mended

    async def _exchange(
        self, url: str, body: Json, timeout_seconds: float, started: float
    ) -> AsyncGenerator[Json, None]:
        """One request and its events. Raises `_RefusedError`, and faults as typed errors."""
        # The deadline is set around each await and never across a yield, where it would cancel the
        # consumer's code.
        request = self.http.build_request(
            "POST", url, json=body, headers=dict(self.headers), timeout=None
        )
        async with self.faults(timeout_seconds, started):
            response = await self.http.send(request, stream=True)
        try:
            kind = response.headers.get("content-type", "").partition(";")[0].strip().lower()
            if response.status_code != 200 or kind not in _STREAMS:
                async with self.faults(timeout_seconds, started):
                    whole = response.status_code == 200 and "json" in kind
                    answer = await _read(response, None if whole else _LONGEST_REFUSAL)
                yield self._plain(response, kind, answer)
                return
            async with aclosing(_STREAMS[kind](response)) as stream:
                while True:
                    async with self.faults(timeout_seconds, started):
                        data = await anext(stream, None)
                    if data is None:
                        return
                    if data == "[DONE]":
                        yield DONE
                        return
                    yield self._decoded(data)
        finally:
            await response.aclose()

    def _decoded(self, data: str) -> Json:
        try:
            item: Any = json.loads(data)
        except ValueError:
            raise BadAnswerError(self.sentence("the stream is not JSON")) from None
        found = as_object(item)
        if not found:
            raise BadAnswerError(self.sentence("the stream holds something else than objects"))
        if refusal := in_stream(found):
            raise _RefusedError(refusal)
        return found

    def _plain(self, response: httpx.Response, kind: str, answer: str) -> Json:
        """A plain answer: a refusal, a web page, or a reply from a server that does not stream."""
        found: Json = {}
        with suppress(ValueError):
            body: Any = json.loads(answer)
            # Gemini wraps a refused stream in an array.
            found = as_object(body) or first_object_at({"items": body}, "items")
        if response.status_code == 200 and found:
            if refusal := in_stream(found):
                raise _RefusedError(refusal)
            return found
        if response.status_code == 200 or response.is_redirect:
            what = "a web page" if "html" in kind else "a redirect" if kind == "" else kind
            raise BadAnswerError(self.sentence(f"answers with {what}, is the base URL right?"))
        text = answer if kind == "text/plain" and not found else ""
        wait = retry_after_seconds(response.headers)
        raise _RefusedError(Refusal(response.status_code, found, wait, text))

    @asynccontextmanager
    async def faults(
        self, timeout_seconds: float, started: float | None = None
    ) -> AsyncGenerator[None, None]:
        """Turns the errors of httpx inside into a `ModelError`, and a timeout as well.

        `started` is the loop's time when the call began; None means now.
        """
        now = asyncio.get_running_loop().time()
        try:
            async with asyncio.timeout_at((now if started is None else started) + timeout_seconds):
                yield
        except _TooLongError:
            raise BadAnswerError(self.sentence("the reply does not end")) from None
        except TimeoutError:
            said = f"the reply took longer than {timeout_seconds:g} s"
            raise DeadlineError(self.sentence(said)) from None
        except (httpx.ConnectError, httpx.UnsupportedProtocol, httpx.InvalidURL) as error:
            raise UnavailableError(self.sentence(f"cannot be reached, {error}")) from None
        except (httpx.DecodingError, SSEError, UnicodeDecodeError):
            raise BadAnswerError(self.sentence("the reply cannot be decoded")) from None
        except httpx.HTTPError as error:
            said = f"the connection broke ({type(error).__name__})"
            raise UnavailableError(self.sentence(said)) from None


def new_client(base_url: str) -> httpx.AsyncClient:
    """A client for one provider. Raises `UnavailableError` for a proxy that cannot be used.

    Redirects are not followed, because they would carry the key elsewhere. Proxies that the
    environment names are used, except for a server on this machine.
    """
    here = urlsplit(base_url).hostname in ("localhost", "127.0.0.1", "::1")
    try:
        return httpx.AsyncClient(
            follow_redirects=False, timeout=None, verify=_tls(), trust_env=not here
        )
    except (ImportError, ValueError, httpx.InvalidURL):
        # Its text may hold the proxy's password.
        raise UnavailableError(
            "The proxy that HTTP_PROXY, HTTPS_PROXY or ALL_PROXY names cannot be used."
        ) from None


@cache
def _tls() -> ssl.SSLContext:
    # Kept, because reading the certificates takes 20 to 100 ms.
    return httpx.create_ssl_context()


class _RefusedError(Exception):
    """The provider refused a request; how is in `refusal`."""

    def __init__(self, refusal: Refusal) -> None:
        super().__init__()
        self.refusal = refusal


class _TooLongError(Exception):
    """A reply, or a line of one, that no model would send."""


@dataclass(frozen=True, slots=True)
class _BoundedText:
    """A response as `httpx_sse` reads it: its text, in which no line grows without an end."""

    response: httpx.Response

    @property
    def headers(self) -> httpx.Headers:
        return self.response.headers

    async def aiter_text(self) -> AsyncGenerator[str, None]:
        decoder = getincrementaldecoder("utf-8-sig")("replace")
        async with aclosing(_pieces(self.response)) as pieces:
            async for piece in pieces:
                yield decoder.decode(piece)

    async def aiter_lines(self) -> AsyncGenerator[str, None]:
        async with aclosing(_split(self.response)) as lines:
            async for line in lines:
                yield line.decode("utf-8", "replace").rstrip("\r")


async def _pieces(
    response: httpx.Response, longest_line: int = _LONGEST_LINE
) -> AsyncGenerator[bytes, None]:
    """The body's decoded bytes. Raises `_TooLongError`."""
    size = line = 0
    async with aclosing(cast(AsyncGenerator[bytes, None], response.aiter_bytes())) as chunks:
        async for chunk in chunks:
            size += len(chunk)
            end = chunk.rfind(b"\n")
            line = len(chunk) - end if end >= 0 else line + len(chunk)
            if size > _LONGEST_REPLY or line > longest_line:
                raise _TooLongError
            yield chunk


async def _split(response: httpx.Response) -> AsyncGenerator[bytes, None]:
    """The body's lines, split at line feeds only. Raises `_TooLongError`."""
    held = list[bytes]()
    mark = BOM_UTF8  # Some servers put it before the first line.
    async with aclosing(_pieces(response)) as chunks:
        async for chunk in chunks:
            first, *lines = chunk.split(b"\n")
            held.append(first)
            for line in lines:
                yield b"".join(held).removeprefix(mark)
                held, mark = [line], b""
    yield b"".join(held).removeprefix(mark)


async def _event_texts(response: httpx.Response) -> AsyncGenerator[str, None]:
    source = EventSource(cast(httpx.Response, _BoundedText(response)))
    async with aclosing(source.aiter_sse()) as events:
        async for event in events:
            if event.data:
                yield event.data


async def _lines(response: httpx.Response) -> AsyncGenerator[str, None]:
    # Split at line feeds only, because JSON may hold every other line separator.
    async with aclosing(_split(response)) as lines:
        async for line in lines:
            if line.strip():
                yield line.decode("utf-8")


_STREAMS = {"text/event-stream": _event_texts, "application/x-ndjson": _lines}


async def _read(response: httpx.Response, limit: int | None) -> str:
    held = bytearray()
    # An answer that does not stream is one line.
    async with aclosing(_pieces(response, _LONGEST_REPLY)) as chunks:
        async for chunk in chunks:
            held += chunk
            if limit is not None and len(held) > limit:
                break
    return held.decode("utf-8-sig", "replace")


def retry_after_seconds(headers: Mapping[str, str]) -> float | None:
    """Retry-After in seconds, from either of its forms (RFC 9110, 10.2.3)."""
    value = headers.get("retry-after", "").strip()
    if not value:
        return None
    try:
        return max(0.0, float(value))
    except ValueError:
        pass
    try:
        then = parsedate_to_datetime(value)
        now = parsedate_to_datetime(headers["date"])
    except (KeyError, TypeError, ValueError):
        return None
    return max(0.0, (then - now).total_seconds())


def _reason(status: int) -> str:
    return httpx.codes.get_reason_phrase(status).lower()
