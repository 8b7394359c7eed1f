"""Every provider behind one fixture, against a server that plays scripts."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from pathlib import Path

import pytest
from fake_provider import FakeProvider, fake_provider

from ml_coach.core.ports import Model, Profile
from ml_coach.models.gemini import GeminiModel
from ml_coach.models.genai import GenaiModel
from ml_coach.models.ollama import OllamaModel
from ml_coach.models.openai_compatible import OpenAICompatibleModel
from ml_coach.models.recorded import RecordingModel

KEY = "AIza-this-key-must-stay-secret"
PROVIDERS = ("openai", "strict", "ollama", "gemini", "genai", "recorder")


@pytest.fixture
async def server() -> AsyncGenerator[FakeProvider, None]:
    async with fake_provider() as fake:
        yield fake


def open_model(provider: str, url: str, folder: Path) -> Model:
    profile = Profile()
    match provider:
        case "openai":
            return OpenAICompatibleModel(f"openai:m@{url}", "m", url, api_key=KEY, profile=profile)
        case "strict":
            base_url = f"{url}/strict/v1"
            return OpenAICompatibleModel("openai:m", "m", base_url, api_key=KEY, profile=profile)
        case "ollama":
            base_url = f"{url}/v1"
            return OllamaModel(f"openai:m@{url}", "m", base_url, api_key=KEY, profile=profile)
        case "gemini":
            return GeminiModel("gemini:m", "m", api_key=KEY, profile=profile, base_url=url)
        case "genai":
            return GenaiModel("genai:m", "m", api_key=KEY, profile=profile, base_url=url)
        case "recorder":
            return RecordingModel(open_model("openai", url, folder), folder / "calls.jsonl")
        case _:
            raise AssertionError(f"open_model opens no {provider}")


@pytest.fixture(params=PROVIDERS)
async def model(
    request: pytest.FixtureRequest, server: FakeProvider, tmp_path: Path
) -> AsyncGenerator[Model, None]:
    opened = open_model(request.param, server.url, tmp_path)
    yield opened
    await opened.aclose()
