"""Whether a folder's own Python may be started: once the user has said so."""

from __future__ import annotations

from pathlib import Path

from ml_coach.lsp.backend import Backend
from ml_coach.lsp.client import Client
from ml_coach.settings import Settings

_ASK_SECONDS = 600.0
_USE, _KEEP = "Use it", "Use ML Coach's own"


async def ask_about_python(
    client: Client, backend: Backend, settings: Settings, root: Path
) -> None:
    """Asks once for each folder `root`. Where the user does not agree it is not used."""
    python = backend.unconfirmed_python(settings, root)
    if not python:
        return
    question = (
        f"May ML Coach start {python}, the Python of this folder, to run generated code? It starts "
        "in the sandbox. The answer yes is remembered for this folder."
    )
    if client.trusts_folders or (
        client.asks_questions and await client.ask(question, (_USE, _KEEP), _ASK_SECONDS) == _USE
    ):
        backend.confirm_python(root)
        return
    client.show_message(
        f"{python} was not started. To allow it, set ML_COACH_PYTHON to it.", warning=False
    )
