"""`mlCoach/complete`: asking the editor's own models, for clients that offer them."""

from __future__ import annotations

import asyncio
import uuid
from collections.abc import Callable
from typing import Any, cast

from lsprotocol import types as lsp
from pygls.exceptions import JsonRpcException
from pygls.lsp.server import LanguageServer

from ml_coach.core.ports import Call
from ml_coach.lsp.client import Client, member


async def complete(
    server: LanguageServer, client: Client, model: str, call: Call, take: Callable[[str], None]
) -> dict[str, Any]:
    """One call, streamed to `take`. Raises `ConnectionError` where the editor answers nothing."""

    def piece(value: Any) -> None:
        if isinstance(text := member(value, "text"), str):
            take(text)

    token, request_id = client.begin_partial(piece), str(uuid.uuid4())
    params = {
        "model": model,
        "purpose": call.purpose,
        "messages": [{"role": m.role, "text": m.text} for m in call.messages],
        "maxTokens": call.max_tokens,
        "temperature": call.temperature,
        "partialResultToken": token,
    }
    reply = server.protocol.send_request_async("mlCoach/complete", params, msg_id=request_id)
    try:
        answer = await asyncio.shield(reply)
    except asyncio.CancelledError:
        client.notify(lsp.CANCEL_REQUEST, lsp.CancelParams(request_id))
        raise
    except JsonRpcException as error:
        raise ConnectionError(str(error)) from None
    finally:
        client.end_partial(token)
    if not isinstance(answer, dict):
        raise ConnectionError("the editor sent no answer")
    return cast("dict[str, Any]", answer)
