"""Serves the tools to a client: on standard input and output, or over HTTP on this machine."""

from __future__ import annotations

import asyncio
import hmac
import logging
import os
import secrets
import socket
import sys
from collections.abc import Generator
from contextlib import contextmanager
from typing import Any

import uvicorn
from mcp.server.mcpserver import MCPServer
from starlette.datastructures import Headers
from starlette.responses import PlainTextResponse
from starlette.types import ASGIApp, Receive, Scope, Send

from ml_coach.app import App
from ml_coach.mcp_server.tools import create_server

_HOST = "127.0.0.1"
_LEAVE_SECONDS = 2
_STOPPED = 130
_LOG_FORMAT = "ml-coach: %(message)s"


async def serve_stdio() -> None:
    """Serves one client until it closes standard input."""
    logging.basicConfig(level=logging.WARNING, format=_LOG_FORMAT)
    app = App()
    serving = asyncio.ensure_future(create_server(app).run_stdio_async())
    try:
        await asyncio.shield(serving)
    except asyncio.CancelledError:
        serving.cancel()
        await asyncio.wait([serving], timeout=_LEAVE_SECONDS)
        await app.aclose()
        # A thread of the library waits for the next line of standard input and cannot be ended.
        os._exit(_STOPPED)
    finally:
        await app.aclose()


async def serve_http(port: int) -> None:
    """Serves clients of this machine until the process is stopped; port 0 takes a free one.

    Prints the address and a new token on standard error: without the token nothing is answered.
    Raises `OSError` where the port is taken.
    """
    logging.basicConfig(level=logging.WARNING, format=_LOG_FORMAT)
    app, token = App(), secrets.token_urlsafe(32)
    with socket.socket() as listening:
        listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listening.bind((_HOST, port))
        listening.listen()  # Who reads the address connects at once.
        address = f"http://{_HOST}:{listening.getsockname()[1]}/mcp"
        sys.stderr.write(f"ml-coach: {address}\nml-coach: Authorization: Bearer {token}\n")
        sys.stderr.flush()
        served = with_token(http_app(create_server(app)), token)
        config = uvicorn.Config(
            served, log_config=None, access_log=False, timeout_graceful_shutdown=_LEAVE_SECONDS
        )
        server = _Server(config)
        serving = asyncio.ensure_future(server.serve([listening]))
        try:
            await asyncio.shield(serving)
        except asyncio.CancelledError:
            server.should_exit = True
            await serving
            raise
        finally:
            await app.aclose()


class _Server(uvicorn.Server):
    @contextmanager
    def capture_signals(self) -> Generator[None]:
        """Leaves signals to the command line, which cancels what it runs."""
        yield


def http_app(server: MCPServer[Any]) -> ASGIApp:
    """The server over streamable HTTP. For this host the library itself refuses what another host
    or another origin asks, which a web page in the user's browser would."""
    return server.streamable_http_app(host=_HOST)


def with_token(app: ASGIApp, token: str) -> ASGIApp:
    """`app`, which only hears of requests that bring the token. It is compared in constant time."""
    wanted = f"Bearer {token}".encode()

    async def checked(scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http":
            brought = Headers(scope=scope).get("authorization", "")
            if not hmac.compare_digest(brought.encode("latin-1", "replace"), wanted):
                refusal = PlainTextResponse(
                    "This needs the token that ml-coach printed when it started.\n",
                    status_code=401, headers={"WWW-Authenticate": "Bearer"},
                )  # fmt: skip
                return await refusal(scope, receive, send)
        await app(scope, receive, send)

    return checked
