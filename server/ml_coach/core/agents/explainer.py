"""A prompt that asks for an explanation → its text, which stands in a Markdown file of its own."""

from __future__ import annotations

from ml_coach.core.agents.coder import task_text
from ml_coach.core.agents.model_client import ModelClient
from ml_coach.core.agents.templates import render
from ml_coach.core.ports import Call, Profile
from ml_coach.core.types import Spec

MOST_TOKENS = 500


async def explain(model_client: ModelClient, spec: Spec, profile: Profile) -> str:
    """The explanation, ending in one newline; empty where the model gave none. Raises
    `BudgetSpent` and `ModelError`."""
    messages = render("explain", task=task_text(spec))
    most = min(MOST_TOKENS, profile.max_tokens)
    reply = await model_client.ask(Call("explainer", messages, max_tokens=most, may_be_cut=True))
    text = reply.text.strip()
    if reply.finish == "length":
        # What was cut off ends with its last whole sentence.
        text = text[: max(text.rfind(end) for end in (". ", ".\n")) + 1] or text
    return f"{text}\n" if text else ""
