"""The one table of what models can do, so that prompts fit them. The first match holds.

The profile of models of 3 B and less was measured with Qwen2.5-Coder 0.5B and 1.5B, Q4_K_M, see
bench/RESULTS.md. There the 0.5B model's own plan costs it 4 of 82 tasks and 79 % more tokens.
Context and output limits of the others are those on the providers' own pages.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, replace

from ml_coach.core.ports import Profile
from ml_coach.models.prices import offer_of

# Candidates decoded in parallel on a CPU share the cost of reading the weights.
_SMALL = Profile(
    context=8192,
    candidates=4,
    # A small model mostly copies the wrong program from the prompt: four sampled repairs instead of
    # one solved no further task (bench/RESULTS.md), so after one it writes new programs.
    repairs=1,
    edit_format="function",
    plans=False,
    temperature=0.0,
    max_tokens=1024,
)
_MIDDLE = Profile(context=16_384, candidates=2, edit_format="function", max_tokens=2048)
_LARGE = Profile(context=32_768, max_tokens=4096)
# Reasoning counts against the output limit, and its length is not known beforehand.
_GEMINI = Profile(context=1_048_576, max_tokens=8192, thinking_tokens=8192)
_MOST_SMALL, _MOST_MIDDLE = 3.5e9, 15.5e9
_THINKING = Profile(context=128_000, max_tokens=8192, thinking_tokens=8192)


@dataclass(frozen=True, slots=True)
class ModelFamily:
    """Models whose `provider:model` name matches; `why` says where the profile comes from."""

    pattern: str
    profile: Profile
    why: str


# Matches "7b" and "7B", but neither the "7b" in "17b" nor the "1b" in "0.1bit".
_SIZE = r"(?<![\d.])(?:{})b(?![a-z])"

FAMILIES: tuple[ModelFamily, ...] = (
    # For every provider, because a gateway may offer any model.
    ModelFamily(
        r"^\w+:[^@]*" + _SIZE.format(r"0\.\d+|[1-3](?:\.\d+)?"),
        _SMALL,
        "3 B and less, like the local models",
    ),
    ModelFamily(
        r"^\w+:[^@]*" + _SIZE.format(r"[4-9](?:\.\d+)?|1[0-4](?:\.\d+)?"),
        _MIDDLE,
        "up to 14 B, by its size",
    ),
    ModelFamily(r"^(gemini|genai):", _GEMINI, "documented limits of Gemini 2.5 and later"),
    ModelFamily(
        r"^openai:(o\d|gpt-[5-9])[^@]*$", _THINKING, "documented limits of GPT-5 and later"
    ),
    ModelFamily(r"^local:", _SMALL, "small, because neither its file nor its name gives a size"),
    ModelFamily(r"^(openai|editor):", _LARGE, "large, because its name gives no size"),
)


def profile_for_size(parameters: float) -> Profile:
    """The profile of local weights with so many parameters. Their context is kept in memory, so it
    is no longer than our prompts need."""
    if parameters <= _MOST_SMALL:
        return _SMALL
    return _MIDDLE if parameters <= _MOST_MIDDLE else replace(_LARGE, context=_MIDDLE.context)


def profile_of(name: str) -> Profile:
    """The profile for a `provider:model` name; the default one for a model of no family. Reads the
    header of local weights."""
    provider, _, model = name.partition(":")
    is_local = provider == "local"
    if is_local and (found := _of_weights(model)):
        return replace(found, goes_on=True)
    families = (f for f in FAMILIES if re.search(f.pattern, name, re.IGNORECASE))
    profile = next((family.profile for family in families), Profile())
    profile = replace(profile, goes_on=is_local)  # As llama.cpp's server has it.
    offer = offer_of(name)
    return replace(profile, context=min(profile.context, offer.context)) if offer else profile


def _of_weights(name: str) -> Profile | None:
    """The profile of local weights by the size in the table or in the file; None where neither is
    there yet."""
    from ml_coach.models.gguf_header import read_header
    from ml_coach.models.known_weights import known_model
    from ml_coach.models.weights import cached
    from ml_coach.models.weights_download import WeightsError

    if known := known_model(name):
        return profile_for_size(known.parameters * 1e9)
    try:
        file = cached(name)
    except WeightsError:
        return None
    header = read_header(file) if file else None
    if header is None or not header.parameters:
        return None
    profile = profile_for_size(header.parameters)
    return replace(profile, context=min(profile.context, header.context or profile.context))
