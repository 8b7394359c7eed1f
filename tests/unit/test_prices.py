"""List prices and limits by the names of models."""

import pytest

from ml_coach.core.agents.model_client import Price
from ml_coach.core.usage import Usage
from ml_coach.models.prices import AS_OF, OFFERS, offer_of, price_of
from ml_coach.models.profiles import profile_of
from ml_coach.models.registry import Access, default_model


@pytest.mark.parametrize(
    ("name", "prompt", "reply"),
    [
        ("gemini:gemini-flash-latest", 0.75, 3.75),
        ("genai:gemini-2.5-flash", 0.30, 2.50),
        ("genai:gemini-2.5-flash-lite", 0.10, 0.40),
        ("gemini:gemini-3.1-pro-preview", 2.0, 12.0),
        ("openai:gpt-5", 1.25, 10.0),
        ("openai:gpt-5-mini", 0.25, 2.0),
        ("openai:gpt-5.9", 0, 0),
        ("openai:gpt-5@http://localhost:1234/v1", 0, 0),
        ("gemini:gemini-qwen2.5-coder-0.5b", 0, 0),
        ("local:qwen2.5-coder-1.5b", 0, 0),
        ("recorded:gpt-5", 0, 0),
    ],
)
def test_a_price_goes_by_the_name(name: str, prompt: float, reply: float) -> None:
    price = price_of(name)
    assert (price.prompt, price.completion) == (prompt, reply)


def test_the_settings_replace_the_table() -> None:
    assert price_of("openai:gpt-5", 7.0, 0.0) == Price(7.0, 0.0, 7.0)
    assert price_of("openai:mine@http://h/v1", 1.0, 2.0).of(Usage(1, 10**6, 10**6)) == 3.0


def test_the_table_is_dated_and_no_row_hides_another() -> None:
    assert AS_OF.split()[1].isdecimal()
    for offer in OFFERS:
        assert offer.price.prompt <= offer.price.completion
        assert offer.price.cached <= offer.price.prompt
    assert offer_of("gemini:gemini-3.5-flash-lite") is not offer_of("gemini:gemini-3.5-flash")


def test_a_context_is_no_longer_than_the_table_says() -> None:
    assert profile_of("gemini:gemini-flash-latest").context == 1_048_576
    assert profile_of("openai:gpt-4o").context <= 128_000
    assert profile_of("openai:gpt-5").context <= 272_000


def test_a_key_of_google_chooses_the_sdk_that_is_maintained() -> None:
    """The development environment has both."""
    assert default_model(Access(google_api_key="k")) == "genai:gemini-flash-latest"
