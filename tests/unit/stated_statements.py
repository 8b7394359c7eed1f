"""What is compared where the tests that a prompt states are checked."""

from __future__ import annotations

from ml_coach.core.examples import extract_stated


def raising(call: str, error: str = "ValueError") -> str:
    """The statement that a call raises an error."""
    return f"with pytest.raises({error}):\n    {call}"


def statements(prompt: str) -> list[str]:
    """The statements of the tests that a prompt states, in their order."""
    return [test.statement for test in extract_stated(prompt)]
