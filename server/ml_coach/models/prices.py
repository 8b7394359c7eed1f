"""What models of Google and OpenAI cost and hold: one table, with its date.

List prices in US dollars for a million tokens, and limits in tokens, as litellm 1.110.2 records
them from the providers' pages (November 2026). They are what a paid account is charged for prompts
below 200,000 tokens; a free one pays nothing. Prices change: the settings `prompt_price` and
`reply_price` replace them.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from ml_coach.core.agents.model_client import Price

AS_OF = "November 2026"


@dataclass(frozen=True, slots=True)
class Offer:
    """Models whose name, without its provider, matches; the first row that does holds."""

    pattern: str
    price: Price
    context: int


OFFERS: tuple[Offer, ...] = (
    Offer(r"gemini-2\.5-pro", Price(1.25, 10.0, 0.125), 1_048_576),
    Offer(r"gemini-2\.5-flash-lite", Price(0.10, 0.40, 0.01), 1_048_576),
    Offer(r"gemini-2\.5-flash", Price(0.30, 2.50, 0.03), 1_048_576),
    Offer(r"gemini-3-flash", Price(0.50, 3.0, 0.05), 1_048_576),
    Offer(r"gemini-3\.1-flash-lite", Price(0.25, 1.50, 0.025), 1_048_576),
    Offer(r"gemini-(3\.5-flash-lite|flash-lite-latest)", Price(0.30, 2.50, 0.03), 1_048_576),
    Offer(r"gemini-3\.5-flash", Price(1.50, 9.0, 0.15), 1_048_576),
    Offer(r"gemini-(3\.[678]-flash|flash-latest)", Price(0.75, 3.75, 0.075), 1_048_576),
    Offer(r"gemini-(3\.1-pro|pro-latest)", Price(2.0, 12.0, 0.20), 1_048_576),
    Offer(r"gemma-3-27b", Price(), 131_072),
    Offer(r"gemma-4-", Price(), 262_144),
    Offer(r"gpt-5(\.1)?-nano", Price(0.05, 0.40, 0.005), 272_000),
    Offer(r"gpt-5(\.1)?-mini", Price(0.25, 2.0, 0.025), 272_000),
    Offer(r"gpt-5(\.1)?$", Price(1.25, 10.0, 0.125), 272_000),
    Offer(r"gpt-5\.2$", Price(1.75, 14.0, 0.175), 272_000),
    Offer(r"gpt-5\.4$", Price(2.50, 15.0, 0.25), 1_050_000),
    Offer(r"gpt-5\.5$", Price(5.0, 30.0, 0.50), 1_050_000),
    Offer(r"gpt-4\.1-mini", Price(0.40, 1.60, 0.10), 1_047_576),
    Offer(r"gpt-4\.1$", Price(2.0, 8.0, 0.50), 1_047_576),
    Offer(r"gpt-4o-mini", Price(0.15, 0.60, 0.075), 128_000),
    Offer(r"gpt-4o", Price(2.50, 10.0, 1.25), 128_000),
    Offer(r"o4-mini", Price(1.10, 4.40, 0.275), 200_000),
    Offer(r"o3$", Price(2.0, 8.0, 0.50), 200_000),
)


def offer_of(name: str) -> Offer | None:
    """The row for a `provider:model` name; None for other providers, for a model that the table
    does not have, and for one behind an address of the user's."""
    provider, _, model = name.partition(":")
    if provider not in ("gemini", "genai", "openai") or "@" in model:
        return None
    return next((offer for offer in OFFERS if re.match(offer.pattern, model)), None)


def price_of(name: str, prompt_price: float = 0.0, reply_price: float = 0.0) -> Price:
    """What a model costs: what the settings say, else what the table does, else nothing."""
    if prompt_price or reply_price:
        return Price(prompt_price, reply_price, prompt_price)
    offer = offer_of(name)
    return offer.price if offer else Price()
