"""Where the OpenAI key goes: only to hosts that the user named or confirmed.

A folder's settings may name a model at any address, and they come with the folder.
"""

from __future__ import annotations

from ml_coach.lsp.backend import Backend
from ml_coach.lsp.client import Client
from ml_coach.run_order import RunOrder

_ASK_SECONDS = 600.0
_SEND, _KEEP = "Send the key", "Send no key"


async def ask_about_key(client: Client, backend: Backend, order: RunOrder) -> None:
    """Asks once for each host. Where the user does not agree the run goes on without the key."""
    host = backend.unconfirmed_host(order.settings)
    if not host:
        return
    question = (
        f"The settings of this folder name a model at {host}. "
        "May OPENAI_API_KEY be sent there? The answer yes is remembered for this host."
    )
    if client.asks_questions and await client.ask(question, (_SEND, _KEEP), _ASK_SECONDS) == _SEND:
        backend.confirm_host(host)
        return
    client.show_message(
        f"OPENAI_API_KEY was not sent to {host}, which only the settings of this folder name. To "
        "allow it, start the editor with ML_COACH_MODEL set to this model.",
        warning=True,
    )
