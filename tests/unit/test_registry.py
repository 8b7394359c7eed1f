"""Names of models, their profiles, and that importing loads no SDK."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from ml_coach.core.errors import BadRequestError
from ml_coach.models.profiles import FAMILIES, profile_of
from ml_coach.models.registry import (
    PROVIDERS,
    Access,
    ModelName,
    Models,
    default_model,
    list_models,
    parse,
)

KEY = "AIza-this-key-must-stay-secret"
ACCESS = Access(google_api_key=KEY, openai_api_key=KEY)


@pytest.mark.parametrize(
    ("name", "parsed"),
    [
        ("local:", ModelName("local", "qwen2.5-coder-1.5b")),
        ("local:qwen2.5-coder-0.5b", ModelName("local", "qwen2.5-coder-0.5b")),
        ("local:/a b/c.gguf", ModelName("local", "/a b/c.gguf")),
        (" gemini:gemini-x ", ModelName("gemini", "gemini-x")),
        ("openai:qwen3:8b@http://localhost:11434/v1",
         ModelName("openai", "qwen3:8b", "http://localhost:11434/v1")),
        ("openai:org/m@main@https://h/v1", ModelName("openai", "org/m@main", "https://h/v1")),
        ("openai:gpt-5", ModelName("openai", "gpt-5")),
        ("editor:", ModelName("editor", "")),
        ("recorded:/tmp/a.jsonl", ModelName("recorded", "/tmp/a.jsonl")),
    ],
)  # fmt: skip
def test_names_are_read(name: str, parsed: ModelName) -> None:
    assert parse(name) == parsed
    assert parse(str(parsed)) == parsed


@pytest.mark.parametrize(
    ("name", "why"),
    [
        ("", "starts with one of local:, gemini:"),
        ("gpt-5", "starts with one of"),
        ("claude:x", "starts with one of"),
        ("openai:", "names no model"),
        ("recorded:", "names no model"),
        ("openai:m@http://", "not a base URL"),
        ("openai:m@http://h:port/v1", "not a base URL"),
        ("openai:m@http://u:secret@h/v1", "may hold no key"),
        ("openai:m@http://secret@h/v1", "may hold no key"),
        ("openai:m@http://secret@h:port/v1", "not a base URL"),
        ("openai:m@http://secret@/v1", "not a base URL"),
        ("openai:m@http://h/v1?key=secret", "may hold no key"),
        ("openai:m@secret@h/v1", "not a base URL"),
        ("openai:m@HTTP://secret@h/v1", "not a base URL"),
    ],
)
def test_a_bad_name_says_why(name: str, why: str) -> None:
    with pytest.raises(BadRequestError, match=why) as caught:
        parse(name)
    assert "secret" not in str(caught.value)


def test_the_default_is_gemini_with_a_key_and_local_without() -> None:
    assert default_model(Access()) == "local:qwen2.5-coder-1.5b"
    assert parse(default_model(ACCESS)).provider == "genai"


@pytest.mark.parametrize(
    ("name", "candidates", "edit_format"),
    [
        ("local:qwen2.5-coder-0.5b", 4, "function"),
        ("openai:qwen2.5-coder:1.5b@http://h/v1", 4, "function"),
        ("openai:Llama-3.2-3B-Instruct@http://h/v1", 4, "function"),
        ("openai:qwen2.5-coder:7b@http://h/v1", 2, "function"),
        ("openai:qwen3-32b@http://h/v1", 1, "diff"),
        ("openai:llama-3.1-70b@http://1b/v1", 1, "diff"),
        ("gemini:gemini-flash-latest", 1, "diff"),
        ("gemini:gemma-3-4b-it", 2, "function"),
        ("genai:gemini-qwen2.5-coder-0.5b", 4, "function"),
        ("editor:", 1, "diff"),
    ],
)
def test_profiles_fit_the_size(name: str, candidates: int, edit_format: str) -> None:
    profile = profile_of(name)
    assert (profile.candidates, profile.edit_format) == (candidates, edit_format)
    assert profile.max_tokens < profile.context


def test_every_profile_says_where_it_comes_from() -> None:
    assert all(family.why for family in FAMILIES)


async def test_a_model_has_the_name_and_profile_that_were_asked_for() -> None:
    models = Models()
    for name in ("local:qwen2.5-coder-0.5b", "gemini:g", "genai:g", "openai:m@http://h/v1"):
        model = models.open(name, ACCESS)
        assert (model.name, model.profile) == (name, profile_of(name))
        await model.aclose()


async def test_ollama_is_known_by_its_port() -> None:
    at = {port: Models().open(f"openai:m@http://h:{port}/v1", Access()) for port in (11434, 11435)}
    assert {port: type(model).__name__ for port, model in at.items()} == {
        11434: "OllamaModel",
        11435: "OpenAICompatibleModel",
    }
    for model in at.values():
        await model.aclose()


def test_the_list_says_what_is_missing() -> None:
    without = {parse_provider(row.name): row for row in list_models(Access())}
    assert set(without) == set(PROVIDERS)
    assert not without["gemini"].available
    assert "GOOGLE_API_KEY" in without["gemini"].why
    assert "no editor" in without["editor"].why
    with_key = {parse_provider(row.name): row for row in list_models(ACCESS)}
    assert with_key["gemini"].available
    assert "support for this SDK has ended" in with_key["gemini"].why
    assert with_key["genai"].available


@pytest.mark.parametrize("access", [Access(), ACCESS])
def test_what_cannot_be_used_is_listed_last(access: Access) -> None:
    usable = [row.available for row in list_models(access)]
    assert usable == sorted(usable, reverse=True)
    assert len(set(usable)) == 2


def parse_provider(name: str) -> str:
    return name.partition(":")[0]


def test_keys_are_not_shown() -> None:
    models = Models()
    shown = [repr(ACCESS), repr(list_models(ACCESS)), repr(models.open("gemini:g", ACCESS))]
    assert KEY not in "".join(shown)


@pytest.mark.parametrize("module", ["ml_coach.models.registry", "ml_coach.app"])
def test_importing_loads_no_sdk(module: str, tmp_path: Path) -> None:
    script = (
        f"import sys, {module}\n"
        "heavy = ('google.', 'xllamacpp', 'httpx', 'openai', 'pygls', 'pytest')\n"
        "print([m for m in sys.modules if m.startswith(heavy)])\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=True, cwd=tmp_path
    )
    assert done.stdout.strip() == "[]"
