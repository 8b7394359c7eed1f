"""Asks the user, in the midst of a call, what only they can say, where the client lets it."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date

from mcp.server.elicitation import AcceptedElicitation
from mcp.server.mcpserver import Context
from mcp.shared.exceptions import MCPError
from pydantic import BaseModel, Field

from ml_coach.core.question import Answer, Question
from ml_coach.core.wording import harmless
from ml_coach.folder_runs import DeferringReviewer

_MOST_TRIES = 3


class TypedAnswer(BaseModel):
    """What the user fills in."""

    answer: str = Field(
        description="What it should give: a Python value such as 'abc', `raises ValueError`, "
        "`not defined`; or `skip`."
    )


@dataclass(frozen=True, slots=True)
class AskingReviewer(DeferringReviewer):
    """Asks through the client. Patches wait, as they do on a pipe."""

    context: Context

    async def answer(self, question: Question) -> Answer | None:
        """See `core.ports.Reviewer.answer`."""
        choices = "; ".join(choice.shown for choice in question.choices)
        message = f"{question.text} Answers of the programs: {choices}"
        for _ in range(_MOST_TRIES):
            try:
                said = await self.context.elicit(harmless(message), TypedAnswer)
            except (MCPError, ValueError):  # The client cannot, or sent something else.
                return None
            if not isinstance(said, AcceptedElicitation):
                return None
            found = question.read(said.data.answer, f"{date.today():%Y-%m-%d}")
            if isinstance(found, Answer):
                return found
            message = f"{found} {question.text}"
        return None


def reviewer_of(context: Context) -> DeferringReviewer:
    """Who decides in a run of this call. Today's protocol has no questions in the midst of a call:
    there the question comes with the result, and `answer` goes on."""
    capabilities = context.client_capabilities
    asks = capabilities.elicitation if capabilities is not None else None
    has_forms = asks is not None and (asks.form is not None or asks.url is None)
    can_ask = has_forms and context.session.can_send_request
    return AskingReviewer(context) if can_ask else DeferringReviewer()
