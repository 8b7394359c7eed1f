"""The one table of what models can do, so that prompts fit them. First match wins.

Where the figures come from: shared with every developer, docs/design.md (a model of 3 B and less
is best asked for whole functions in one fence, with prompts of 1.5 k tokens or less; its own plan
costs it 1 to 3 points) and the providers' own pages (context and output limits).
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from ml_coach.core.ports import Profile

# Decoded in parallel on a CPU, candidates share the cost of reading the weights.
_SMALL = Profile(
    context=8192,
    candidates=4,
    # It copies the wrong program from the prompt: a new sample is worth more (bench/RESULTS.md).
    repairs=1,
    edit_format="function",
    plans=False,
    temperature=0.0,
    max_tokens=1024,
)
_MIDDLE = Profile(context=16_384, candidates=2, edit_format="function", max_tokens=2048)
_LARGE = Profile(context=32_768, max_tokens=4096)
# Thoughts count against the output limit, and there is no asking beforehand how long they get.
_GEMINI = Profile(context=1_048_576, max_tokens=8192, thinking_tokens=8192)
_THINKING = Profile(context=128_000, max_tokens=8192, thinking_tokens=8192)


@dataclass(frozen=True, slots=True)
class Family:
    """Models whose `provider:model` name matches; `why` is where the profile comes from."""

    pattern: str
    profile: Profile
    why: str


# "7b" and "7B", not the "7b" in "17b", not the "1b" in "0.1bit".
_SIZE = r"(?<![\d.])(?:{})b(?![a-z])"

FAMILIES: tuple[Family, ...] = (
    Family(r"^local:", _SMALL, "measured with Qwen2.5-Coder 0.5B and 1.5B, Q4_K_M"),
    # Any provider: behind a gateway may stand any model.
    Family(
        r"^\w+:[^@]*" + _SIZE.format(r"0\.\d+|[1-3](?:\.\d+)?"),
        _SMALL,
        "3 B and less, like the local models",
    ),
    Family(
        r"^\w+:[^@]*" + _SIZE.format(r"[4-9](?:\.\d+)?|1[0-4](?:\.\d+)?"),
        _MIDDLE,
        "up to 14 B, by its size",
    ),
    Family(r"^(gemini|genai):", _GEMINI, "documented limits of Gemini 2.5 and later"),
    Family(r"^openai:(o\d|gpt-[5-9])[^@]*$", _THINKING, "documented limits of GPT-5 and later"),
    Family(r"^(openai|editor):", _LARGE, "large, because its name gives no size"),
)


def profile_of(name: str) -> Family:
    """The family of a `provider:model` name; the plainest profile for one of no family."""
    for family in FAMILIES:
        if re.search(family.pattern, name, re.IGNORECASE):
            return family
    return Family("", Profile(), "nothing is known about it")
