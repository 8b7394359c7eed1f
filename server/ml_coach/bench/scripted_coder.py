"""A model whose coder always writes a program that is known beforehand: what is then measured are
the tests, and what the loop makes of them."""

from __future__ import annotations

from collections.abc import AsyncGenerator

from ml_coach.core.ports import Call, Ended, Model
from ml_coach.core.usage import Usage
from ml_coach.models.wrapped_model import WrappedModel


class ScriptedCoder(WrappedModel):
    """`model`, except that each call of the coder is answered with `program`."""

    def __init__(self, model: Model, program: str) -> None:
        super().__init__(model)
        self._program = program

    async def stream(self, call: Call) -> AsyncGenerator[str | Ended, None]:
        """See `core.ports.Model.stream`."""
        if call.purpose == "coder":
            yield f"```python\n{self._program.strip()}\n```"
            yield Ended("stop", Usage(calls=1))
            return
        async for piece in self._model.stream(call):
            yield piece
