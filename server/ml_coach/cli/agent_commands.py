"""`ml-coach mcp` and `ml-coach acp`: ML Coach for other agents, and as an agent of an editor.

Each needs a library that comes with an extra, and is imported when it is asked for.
"""

from __future__ import annotations

import importlib
from typing import Annotated, Any

import typer

from ml_coach.cli.endings import USAGE, fail, run_until_done


def mcp(
    http: Annotated[
        int | None,
        typer.Option(
            "--http", metavar="PORT", help="Listen on 127.0.0.1:PORT instead (0: any port)."
        ),
    ] = None,
) -> None:
    """Serve ML Coach's tools to other agents, by the Model Context Protocol."""
    serving = _face("ml_coach.mcp_server.serving", "mcp")
    run_until_done(serving.serve_stdio() if http is None else serving.serve_http(http))


def acp() -> None:
    """Be an agent in an editor's agent panel, by the Agent Client Protocol."""
    run_until_done(_face("ml_coach.acp_agent.coach_agent", "acp").serve_agent())


def _face(module: str, extra: str) -> Any:
    """The module; ends the command where the library of the `extra` is not installed."""
    try:
        return importlib.import_module(module)
    except ModuleNotFoundError as error:
        if (error.name or "").startswith("ml_coach"):
            raise
        fail(f"This needs more packages; install them with: pip install 'ml-coach[{extra}]'", USAGE)
