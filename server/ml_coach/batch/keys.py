"""The keys among the settings, apart from the rest, which may be sent and logged."""

from __future__ import annotations

import os
from dataclasses import replace

from ml_coach.settings import Settings

# Settings that hold a key, and the variable that a node may have it in.
KEYS = {"google_api_key": "GOOGLE_API_KEY", "openai_api_key": "OPENAI_API_KEY"}


def keys_of(settings: Settings) -> dict[str, str]:
    """The keys by setting, as far as there are any."""
    return {name: value for name in KEYS if (value := getattr(settings, name))}


def keys_here() -> dict[str, str]:
    """Those of this machine's environment, by setting; a missing one is empty."""
    return {setting: os.environ.get(variable, "") for setting, variable in KEYS.items()}


def without_keys(settings: Settings) -> Settings:
    """The settings as they may be sent, kept and logged."""
    return replace(settings, **dict.fromkeys(KEYS, ""))
