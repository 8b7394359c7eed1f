"""From the name of a model to the model. Only opening a model imports its provider's SDK.

local:qwen2.5-coder-1.5b        local:/path/to/weights.gguf
local:OWNER/REPO:QUANT
gemini:NAME                     genai:NAME (the successor's SDK)
openai:MODEL@http://host/v1     editor: or editor:MODEL
recorded:FILE
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from ml_coach.core.errors import BadRequestError
from ml_coach.core.ports import Model, Profile
from ml_coach.models.profiles import profile_of
from ml_coach.settings import key_host

if TYPE_CHECKING:
    from ml_coach.models.dialects import Dialect
    from ml_coach.models.editor import EditorRequest
    from ml_coach.models.local import LocalModels

PROVIDERS = ("local", "gemini", "genai", "openai", "editor", "recorded")
_DEFAULT_LOCAL = "qwen2.5-coder-1.5b"
# Google's own alias for the newest release; a release is shut down within a year or so.
_DEFAULT_GEMINI = "gemini-flash-latest"
_DEFAULTS = {"local": _DEFAULT_LOCAL, "gemini": _DEFAULT_GEMINI, "genai": _DEFAULT_GEMINI}
_OPENAI = "https://api.openai.com/v1"
# Ollama's default port, which no other model server is known to use.
_OLLAMA_PORT = 11434
_EXTRA = "needs `pip install 'ml-coach[genai]'`"
_ENDED = "support for this SDK has ended, `genai:` is its successor"


@dataclass(frozen=True, slots=True)
class Access:
    """What opening a model may need: keys, addresses, where weights come from, the editor.

    `key_hosts` are the hosts, beside OpenAI's own, that may get the OpenAI key, as
    `https://host:port`. `progress` is called with the bytes done, the bytes in all and their source
    while weights are downloaded, `note` with what the user should know of the model that answers.
    The keys are left out of `repr`.
    """

    google_api_key: str = ""
    openai_api_key: str = ""
    key_hosts: frozenset[str] = frozenset()
    gemini_base_url: str = ""
    weights: str = ""
    progress: Callable[[int, int, str], None] = lambda done, total, source: None
    note: Callable[[str], None] = lambda text: None
    editor: EditorRequest | None = None

    def __repr__(self) -> str:
        return "Access(…)"

    def key_for(self, name: ModelName) -> str:
        """The OpenAI key where the model's host may get it, else no key."""
        host = key_host(str(name))
        return self.openai_api_key if not host or host in self.key_hosts else ""


@dataclass(frozen=True, slots=True)
class ModelName:
    """`provider:model`, and the base URL behind an `@` for `openai:`."""

    provider: str
    model: str
    base_url: str = ""

    @property
    def profile(self) -> Profile:
        """What a model of this name can do."""
        return profile_of(str(self))

    def __str__(self) -> str:
        at = f"@{self.base_url}" if self.base_url else ""
        return f"{self.provider}:{self.model}{at}"


@dataclass(frozen=True, slots=True)
class ListedModel:
    """A row of `ml-coach models`: the `title` is for people, the `name` for the settings. `why` is
    a phrase: what is missing, or what to know about it."""

    title: str
    name: str
    profile: Profile
    available: bool
    why: str = ""


def parse(name: str) -> ModelName:
    """Reads a name as a user writes it. Raises `BadRequestError` with the reason it is wrong."""
    provider, colon, model = (part.strip() for part in name.strip().partition(":"))
    if not colon or provider not in PROVIDERS:
        known = ", ".join(f"{p}:" for p in PROVIDERS)
        raise BadRequestError(f"“{name}” is not a model: a name starts with one of {known}.")
    base_url = ""
    if provider == "openai":
        model, _, base_url = model.partition("@http")
        base_url = f"http{base_url}" if base_url else ""
        if "@" in model and not base_url:
            # OpenAI's own models have no such names, so it is an address, which may hold a key.
            raise BadRequestError(
                "What follows @ is not a base URL, like http://localhost:11434/v1."
            )
        _check_base_url(base_url)
    model = model or _DEFAULTS.get(provider, "")
    if not model and provider != "editor":
        raise BadRequestError(f"“{name}” names no model after “{provider}:”.")
    return ModelName(provider, model, base_url)


def default_model(access: Access) -> str:
    """The model for a user who named none: Gemini with a key, through the SDK that is maintained
    where it is installed; else the local one that fits."""
    return default_choice(access)[0]


def default_choice(access: Access) -> tuple[str, str]:
    """The model for a user who named none, and a phrase that says why it is this one."""
    if access.google_api_key:
        if _installed("google.genai"):
            return f"genai:{_DEFAULT_GEMINI}", "GOOGLE_API_KEY is set and google-genai installed"
        return f"gemini:{_DEFAULT_GEMINI}", "GOOGLE_API_KEY is set"
    from ml_coach.models.local_choice import default_local

    choice = default_local()
    return choice.name, choice.reason


class Models:
    """Opens models. Local models that one `Models` opened share the process of their weights, and
    models of a server share what is known of its dialect."""

    def __init__(self) -> None:
        self._local: LocalModels | None = None
        self._dialects: dict[str, Dialect] = {}

    def open(self, name: str, access: Access) -> Model:
        """Opens the model of that name, and never another. The caller closes it.

        Raises `BadRequestError` for a name of no provider. What is missing otherwise (a key, the
        network, weights) makes the first call fail.
        """
        parsed = parse(name)
        match parsed.provider:
            case "local":
                return self._open_local(parsed, access)
            case "gemini" | "genai":
                return _open_gemini(parsed, access)
            case "openai" if _is_ollama(parsed.base_url):
                return _open_ollama(parsed, access)
            case "openai":
                return self._open_openai(parsed, access)
            case "editor":
                from ml_coach.models.editor import EditorModel

                return EditorModel(access.editor, parsed.model, profile=parsed.profile)
            case "recorded":
                from ml_coach.models.recorded import RecordedModel

                return RecordedModel(Path(parsed.model))
            case other:
                raise BadRequestError(f"Nothing opens models of the provider {other!r}.")

    def _open_local(self, name: ModelName, access: Access) -> Model:
        from ml_coach.models.local import LocalModels

        self._local = self._local or LocalModels()
        self._local.source, self._local.progress = access.weights, access.progress
        self._local.note = access.note
        return self._local.model(name.model, name.profile)

    def _open_openai(self, name: ModelName, access: Access) -> Model:
        from ml_coach.models.dialects import dialect_of
        from ml_coach.models.openai_compatible import OpenAICompatibleModel

        base_url = name.base_url or _OPENAI
        host = urlsplit(base_url).hostname or ""
        return OpenAICompatibleModel(
            str(name),
            name.model,
            base_url,
            api_key=access.key_for(name),
            profile=name.profile,
            dialect=self._dialects.setdefault(str(name), dialect_of(host)),
            note=access.note,
        )


def _open_gemini(name: ModelName, access: Access) -> Model:
    if name.provider == "gemini":
        from ml_coach.models.gemini import GeminiModel as GoogleModel
    elif _installed("google.genai"):
        from ml_coach.models.genai import GenaiModel as GoogleModel
    else:
        raise BadRequestError(f"{name} {_EXTRA}.")
    return GoogleModel(
        str(name),
        name.model,
        api_key=access.google_api_key,
        profile=name.profile,
        base_url=access.gemini_base_url,
    )


def _open_ollama(name: ModelName, access: Access) -> Model:
    from ml_coach.models.ollama import OllamaModel

    return OllamaModel(
        str(name), name.model, name.base_url, api_key=access.key_for(name), profile=name.profile
    )


def list_models(access: Access) -> tuple[ListedModel, ...]:
    """The models that can be used here, then those that cannot, each with what to know of it. Asks
    no network."""
    key = "" if access.google_api_key else "GOOGLE_API_KEY is not set"
    google = f"gemini:{_DEFAULT_GEMINI}", f"genai:{_DEFAULT_GEMINI}"
    rows = (
        *_local_rows(),
        _row("Gemini", google[0], key or _missing("google.generativeai"), _ENDED),
        _row(
            "Gemini by google-genai", google[1],
            key or ("" if _installed("google.genai") else _EXTRA),
        ),
        _row("A server of your own", "openai:MODEL@BASE-URL", "", "Ollama, LM Studio, vLLM, …"),
        _row(
            "The editor's own models", "editor:",
            "" if access.editor else "no editor that offers its models is connected",
        ),
        ListedModel("A recorded run", "recorded:FILE", Profile(), True, "name a transcript"),
    )  # fmt: skip
    return tuple(sorted(rows, key=lambda row: not row.available))


def _local_rows() -> tuple[ListedModel, ...]:
    from ml_coach.models.known_weights import KNOWN
    from ml_coach.models.local_choice import fit
    from ml_coach.models.machine import this_machine
    from ml_coach.models.weights import cached

    machine, rows = this_machine(), list[ListedModel]()
    for known in KNOWN:
        missing, fits = _missing("xllamacpp"), fit(machine, known)
        if not missing and not machine.room_for(known):
            missing = fits
        size = f"{known.size / 1e9:.1f} GB are downloaded at the first use"
        note = fits if cached(known.name) else f"{fits}; {size}; {known.licence}"
        rows.append(_row(known.title, f"local:{known.name}", missing, note))
    return tuple(rows)


def _row(title: str, name: str, missing: str, note: str = "") -> ListedModel:
    return ListedModel(title, name, profile_of(name), not missing, missing or note)


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
        _ = parts.port  # Reading the port checks it.
    except ValueError:
        parts = urlsplit("")
    if not parts.hostname:
        # The message does not repeat the address, which may hold a key.
        raise BadRequestError("What follows @ is not a base URL, like http://localhost:11434/v1.")
    if parts.username or parts.password or parts.query:
        # The name is shown, logged and kept, so no key may be part of it.
        raise BadRequestError("A base URL may hold no key; set OPENAI_API_KEY instead.")
