"""Notes every tool call that a client makes, refused ones too.

    <state folder>/tool_calls.jsonl    one call a line: when, who, what, how it ended, which run

What was sent is not noted: it may be large, and runs keep their own requests.
"""

from __future__ import annotations

import logging
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

from mcp.server.context import CallNext, HandlerResult, ServerRequestContext
from pydantic import BaseModel

from ml_coach.json_lines import append

logger = logging.getLogger(__name__)

_LONGEST_REASON = 300


@dataclass(frozen=True, slots=True)
class CallLog:
    """Middleware of the server. `state` is the folder that runs are kept in, too."""

    state: Path

    async def __call__(
        self, ctx: ServerRequestContext[Any, Any], call_next: CallNext
    ) -> HandlerResult:
        """Passes everything on; what it raises as well."""
        if ctx.method != "tools/call":
            return await call_next(ctx)
        begun, result = time.time(), None
        try:
            result = await call_next(ctx)
            return result
        finally:
            self._note(ctx, begun, result)

    def _note(
        self, ctx: ServerRequestContext[Any, Any], begun: float, result: HandlerResult
    ) -> None:
        params = cast("dict[str, Any]", ctx.params or {})
        arguments = cast("dict[str, Any]", params.get("arguments") or {})
        client = ctx.session.client_params
        answered = _plain(result)
        structured = cast("dict[str, Any]", answered.get("structuredContent") or {})
        line = {
            "at": round(begun, 3),
            "seconds": round(time.time() - begun, 3),
            "client": client.client_info.name[:80] if client else "",
            "tool": str(params.get("name", ""))[:80],
            "arguments": sorted(arguments)[:20],
            "ended": _ended(answered, structured),
            "run_id": structured.get("run_id", ""),
        }
        try:
            append(self.state / "tool_calls.jsonl", line)
        except OSError as error:  # The answer is worth more than the note.
            logger.warning("A call was not noted: %s.", error)


def _plain(result: HandlerResult) -> dict[str, Any]:
    if isinstance(result, BaseModel):
        return result.model_dump(by_alias=True, mode="json")
    return result or {}


def _ended(answered: dict[str, Any], structured: dict[str, Any]) -> str:
    """How the call ended: the run's outcome or the verdict, `asked`, `refused: why`, `cut off`."""
    if not answered:
        return "cut off"
    if answered.get("isError"):
        why = str(answered.get("content", [{}])[0].get("text", ""))
        return f"refused: {why[:_LONGEST_REASON]}"
    if not structured:
        return "asked"
    return str(structured.get("outcome") or structured.get("verdict") or "answered")
