"""A model that passes another one through, as the base of those that add something to it."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import AsyncGenerator

from ml_coach.core.ports import Call, Ended, Model, Profile


class WrappedModel(ABC):
    """A `core.ports.Model` with the name and the profile of `model`, which it also closes."""

    def __init__(self, model: Model) -> None:
        self._model = model

    @property
    def name(self) -> str:
        """See `core.ports.Model`."""
        return self._model.name

    @property
    def profile(self) -> Profile:
        """See `core.ports.Model`."""
        return self._model.profile

    @abstractmethod
    def stream(self, call: Call) -> AsyncGenerator[str | Ended, None]:
        """See `core.ports.Model.stream`."""

    async def aclose(self) -> None:
        """See `core.ports.Model.aclose`."""
        await self._model.aclose()
