"""What the client is shown of a session, in the order in which it happened."""

from __future__ import annotations

import asyncio
import logging
from typing import Any

from acp import RequestError
from acp.interfaces import Client

logger = logging.getLogger(__name__)


class Updates:
    """Sends updates one by one: events of a run come faster than a client takes them."""

    def __init__(self, client: Client, session_id: str) -> None:
        self._client, self._session_id = client, session_id
        self._waiting: asyncio.Queue[Any] = asyncio.Queue()
        self._sending = asyncio.ensure_future(self._send())

    def put(self, update: Any) -> None:
        """Has the update sent after all that came before it."""
        self._waiting.put_nowait(update)

    async def sent(self) -> None:
        """Waits until everything was sent."""
        joined = asyncio.ensure_future(self._waiting.join())
        await asyncio.wait([joined, self._sending], return_when=asyncio.FIRST_COMPLETED)
        joined.cancel()

    def close(self) -> None:
        """Sends nothing more."""
        self._sending.cancel()

    async def _send(self) -> None:
        while True:
            update = await self._waiting.get()
            try:
                await self._client.session_update(self._session_id, update)
            except (ConnectionError, RequestError) as error:
                logger.warning("The client takes no more updates: %s.", error)
                return
            self._waiting.task_done()
