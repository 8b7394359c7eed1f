"""Names of models → models. Importing this imports no SDK; opening a model imports its provider.

local:qwen2.5-coder-1.5b        local:/path/to/weights.gguf
gemini:NAME                     genai:NAME (the successor's SDK)
openai:MODEL@http://host/v1     editor: or editor:MODEL
recorded:FILE
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from ml_coach.core.errors import BadRequestError
from ml_coach.core.ports import Model, Profile
from ml_coach.models.profiles import profile_of

if TYPE_CHECKING:
    from ml_coach.models.editor import EditorRequest
    from ml_coach.models.local import LocalModels

PROVIDERS = ("local", "gemini", "genai", "openai", "editor", "recorded")
_DEFAULT_LOCAL = "qwen2.5-coder-1.5b"
# Google's own alias for the newest release: names of releases are shut down within a year or so.
_DEFAULT_GEMINI = "gemini-flash-latest"
_DEFAULTS = {"local": _DEFAULT_LOCAL, "gemini": _DEFAULT_GEMINI, "genai": _DEFAULT_GEMINI}
_OPENAI = "https://api.openai.com/v1"
# Its own port, where nothing else is known to listen.
_OLLAMA_PORT = 11434
_EXTRA = "needs `pip install 'ml-coach[genai]'`"
_ENDED = "support for this SDK has ended, `genai:` is its successor"


@dataclass(frozen=True, slots=True)
class Access:
    """What opening a model may need: keys, addresses, the editor. Never shown as a whole."""

    google_api_key: str = ""
    openai_api_key: str = ""
    gemini_base_url: str = ""
    weights: str = ""
    progress: Callable[[int, int, str], None] = lambda done, total, source: None
    editor: EditorRequest | None = None

    def __repr__(self) -> str:
        return "Access(…)"


@dataclass(frozen=True, slots=True)
class ModelName:
    """`provider:model`, and the base URL behind an `@` for `openai:`."""

    provider: str
    model: str
    base_url: str = ""

    def __str__(self) -> str:
        at = f"@{self.base_url}" if self.base_url else ""
        return f"{self.provider}:{self.model}{at}"


@dataclass(frozen=True, slots=True)
class Listed:
    """A row of `ml-coach models`. `why` says what is missing, or what to know, in one phrase."""

    name: str
    profile: Profile
    available: bool
    why: str = ""


def parse(name: str) -> ModelName:
    """Reads a name as a user writes it. Raises `BadRequestError`, which says what is wrong."""
    provider, colon, model = (part.strip() for part in name.strip().partition(":"))
    if not colon or provider not in PROVIDERS:
        known = ", ".join(f"{p}:" for p in PROVIDERS)
        raise BadRequestError(f"“{name}” is no model: a name starts with one of {known}.")
    base_url = ""
    if provider == "openai":
        model, _, base_url = model.partition("@http")
        base_url = f"http{base_url}" if base_url else ""
        if "@" in model and not base_url:
            # OpenAI's own models have no such name: it is an address, and may hold a key.
            raise BadRequestError("What follows @ is no base URL, like http://localhost:11434/v1.")
        _check_base_url(base_url)
    model = model or _DEFAULTS.get(provider, "")
    if not model and provider != "editor":
        raise BadRequestError(f"“{name}” names no model after “{provider}:”.")
    return ModelName(provider, model, base_url)


def default_model(access: Access) -> str:
    """The model for a user who named none: Gemini with a key, else the one that needs none."""
    return f"gemini:{_DEFAULT_GEMINI}" if access.google_api_key else f"local:{_DEFAULT_LOCAL}"


class Models:
    """Opens models; holds what those of one process share. Close it after the models."""

    def __init__(self) -> None:
        self._local: LocalModels | None = None

    def open(self, name: str, access: Access) -> Model:
        """Opens nothing but this model, ever. Raises `BadRequestError` for a name of no provider.

        What is missing later (a key, the network, weights) is said by the first call.
        """
        parsed = parse(name)
        shown, profile = str(parsed), profile_of(str(parsed)).profile
        match parsed.provider:
            case "local":
                return self._local_models(access).model(parsed.model, profile)
            case "gemini":
                from ml_coach.models.gemini import GeminiModel

                return GeminiModel(
                    shown,
                    parsed.model,
                    api_key=access.google_api_key,
                    profile=profile,
                    base_url=access.gemini_base_url,
                )
            case "genai":
                from ml_coach.models.genai import GenaiModel

                if not _installed("google.genai"):
                    raise BadRequestError(f"{shown} {_EXTRA}.")
                return GenaiModel(
                    shown,
                    parsed.model,
                    api_key=access.google_api_key,
                    profile=profile,
                    base_url=access.gemini_base_url,
                )
            case "openai" if _is_ollama(parsed.base_url):
                from ml_coach.models.ollama import OllamaModel

                return OllamaModel(
                    shown,
                    parsed.model,
                    parsed.base_url,
                    api_key=access.openai_api_key,
                    profile=profile,
                )
            case "openai":
                from ml_coach.models.openai_compatible import OpenAICompatibleModel, openai_fields

                return OpenAICompatibleModel(
                    shown,
                    parsed.model,
                    parsed.base_url or _OPENAI,
                    api_key=access.openai_api_key,
                    profile=profile,
                    extend=None if parsed.base_url else partial(openai_fields, profile),
                )
            case "editor":
                from ml_coach.models.editor import EditorModel

                return EditorModel(access.editor, parsed.model, profile=profile)
            case _:
                from ml_coach.models.recorded import RecordedModel

                return RecordedModel(Path(parsed.model))

    async def aclose(self) -> None:
        """Nothing is left to close: a local model's process ends with its last user."""

    def _local_models(self, access: Access) -> LocalModels:
        from ml_coach.models.local import LocalModels

        self._local = self._local or LocalModels()
        self._local.source, self._local.progress = access.weights, access.progress
        return self._local


def list_models(access: Access) -> tuple[Listed, ...]:
    """What could be used here, and why not where it could not. Asks no network."""
    key = "" if access.google_api_key else "GOOGLE_API_KEY is not set"
    google = f"gemini:{_DEFAULT_GEMINI}", f"genai:{_DEFAULT_GEMINI}"
    return (
        *_local_rows(),
        _row(google[0], key or _missing("google.generativeai"), _ENDED),
        _row(google[1], key or ("" if _installed("google.genai") else _EXTRA)),
        _row("openai:MODEL@BASE-URL", "", "name a model and where it is served"),
        _row("editor:", "" if access.editor else "no editor that offers its models is connected"),
        Listed("recorded:FILE", Profile(), True, "name a transcript"),
    )


def _local_rows() -> tuple[Listed, ...]:
    from ml_coach.models import weights

    missing = _missing("xllamacpp")
    rows: list[Listed] = []
    for known in weights.KNOWN:
        here = weights.cached(known.name) is not None
        size = f"{known.size / 1e6:.0f} MB are downloaded at the first use"
        rows.append(_row(f"local:{known.name}", missing, "" if here else size))
    return tuple(rows)


def _row(name: str, missing: str, note: str = "") -> Listed:
    return Listed(name, profile_of(name).profile, not missing, missing or note)


def _missing(module: str) -> str:
    return "" if _installed(module) else f"the package {module} is not installed"


def _installed(module: str) -> bool:
    try:
        return find_spec(module) is not None
    except ModuleNotFoundError:
        return False


def _is_ollama(base_url: str) -> bool:
    return urlsplit(base_url).port == _OLLAMA_PORT


def _check_base_url(base_url: str) -> None:
    if not base_url:
        return
    try:
        parts = urlsplit(base_url)
        _ = parts.port  # Read here, because reading it is what checks it.
    except ValueError:
        parts = urlsplit("")
    if not parts.hostname:
        # Not repeated, as it may hold a key.
        raise BadRequestError("What follows @ is no base URL, like http://localhost:11434/v1.")
    if parts.username or parts.password or parts.query:
        # The name is shown, logged and kept: a key may not be a part of it.
        raise BadRequestError("A base URL may hold no key; set OPENAI_API_KEY instead.")
