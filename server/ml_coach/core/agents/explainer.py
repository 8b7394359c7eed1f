"""A prompt that asks for an explanation → its text, which stands in a Markdown file of its own."""

from __future__ import annotations

from ml_coach.core.agents.coder import task_text
from ml_coach.core.agents.team import Team
from ml_coach.core.agents.templates import render
from ml_coach.core.ports import Call

MOST_TOKENS = 500


async def explain(team: Team) -> str:
    """The explanation that the prompt asks for, ending in one newline; empty where the model gave
    none. Raises `BudgetSpent` and `ModelError`."""
    messages = render("explain", task=task_text(team.spec))
    most = min(MOST_TOKENS, team.profile.max_tokens)
    call = Call("explainer", messages, max_tokens=most, may_be_cut=True)
    reply = await team.model_client.ask(call)
    text = reply.text.strip()
    if reply.finish == "length":
        # What was cut off ends with its last whole sentence.
        text = text[: max(text.rfind(end) for end in (". ", ".\n")) + 1] or text
    return f"{text}\n" if text else ""
