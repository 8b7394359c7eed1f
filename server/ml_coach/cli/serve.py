"""`ml-coach serve`. Imported instead of the other commands: an editor waits for its start."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from ml_coach.lsp.backend import Backend


def serve(arguments: list[str]) -> int:
    """Runs the language server until its editor leaves. Returns the exit code."""
    parser = argparse.ArgumentParser(
        prog="ml-coach serve", description="The language server, on standard input and output."
    )
    parser.add_argument(
        "--tcp", type=int, metavar="PORT", help="Listen on 127.0.0.1:PORT instead (0: any port)."
    )
    parser.add_argument("--stdio", action="store_true", help="The default; editors like to say it.")
    chosen = parser.parse_args(arguments)
    from ml_coach.lsp.server import create_server
    from ml_coach.lsp.transport import serve_stdio, serve_tcp

    if chosen.tcp is None:
        return serve_stdio(lambda: create_server(_backend))
    return serve_tcp(lambda: create_server(_backend), chosen.tcp)


def _backend() -> Backend:
    from ml_coach.app import App

    return App()
