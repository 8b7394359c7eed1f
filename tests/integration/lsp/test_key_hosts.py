"""A folder's settings do not decide where OPENAI_API_KEY is sent."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from editor import Editor

from conftest import StartEditor
from scripted_model import PROMPT, ScriptedModel

KEY = "sk-for-openai-only"


def with_key(model: str, answer: str | None = None) -> Callable[[Editor], None]:
    """An editor whose user has a key, and whose folder names the model in its settings."""

    def prepare(editor: Editor) -> None:
        editor.environment |= {"OPENAI_API_KEY": KEY, "ML_COACH_MODEL": ""}
        editor.settings[editor.uri("")] = {"model": model, "autoPatch": True}
        editor.answer = lambda question: answer if "OPENAI_API_KEY" in question else None

    return prepare


@pytest.mark.parametrize("profile", ["vscode-1.139-languageclient-9", "kate-22.12"])
async def test_a_host_that_only_the_folder_names_gets_no_key(
    start: StartEditor, model: ScriptedModel, profile: str
):
    prepare = with_key(model.model)
    editor = await start(
        profile, prepare=prepare, options={"model": model.model, "autoPatch": True}
    )
    await editor.generate(PROMPT)
    assert (await editor.until(editor.finished))["outcome"] == "passed"
    assert model.authorizations == {""}
    assert any("OPENAI_API_KEY was not sent" in message for message in editor.messages)


async def test_a_host_is_confirmed_once(start: StartEditor, model: ScriptedModel):
    editor = await start(prepare=with_key(model.model, "Send the key"))
    await editor.generate(PROMPT)
    assert (await editor.until(editor.finished))["outcome"] == "passed"
    assert model.authorizations == {f"Bearer {KEY}"}
    asked = [question for question in editor.questions if "OPENAI_API_KEY" in question]
    assert len(asked) == 1
    assert model.model.partition("@")[2].removesuffix("/v1") in asked[0]
    again = await start(prepare=with_key(model.model))
    await again.generate(PROMPT, overwrite=True)
    assert (await again.until(again.finished))["outcome"] == "passed"
    assert not [question for question in again.questions if "OPENAI_API_KEY" in question]
    assert model.authorizations == {f"Bearer {KEY}"}


async def test_a_host_that_the_user_named_gets_the_key(start: StartEditor, model: ScriptedModel):
    editor = await start(prepare=lambda e: e.environment.update(OPENAI_API_KEY=KEY))
    await editor.generate(PROMPT, autoPatch=True)
    assert (await editor.until(editor.finished))["outcome"] == "passed"
    assert model.authorizations == {f"Bearer {KEY}"}
