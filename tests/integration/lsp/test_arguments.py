"""Arguments are checked before anything happens, and the answer is a sentence."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from pygls.exceptions import JsonRpcException

from conftest import StartEditor
from ml_coach.lsp.protocol import path_of
from scripted_model import PROMPT, RIGHT, WRONG, ScriptedModel

INVALID_PARAMS, REQUEST_FAILED = -32602, -32803


async def test_bad_arguments_get_an_error_with_a_sentence(start: StartEditor):
    editor = await start()
    outside = "file:///etc/passwd.py"
    (editor.root / "here.py").write_text("x = 1\n")
    cases: list[tuple[str, dict[str, Any], int, str]] = [
        ("generate", {}, INVALID_PARAMS, "needs 'prompt'"),
        ("generate", {"prompt": " "}, INVALID_PARAMS, "needs a 'prompt'"),
        ("generate", {"prompt": 7}, INVALID_PARAMS, "'prompt' .* must be a string"),
        ("generate", {"prompt": "x", "promt": "y"}, INVALID_PARAMS, "does not know 'promt'; it"),
        ("generate", {"prompt": "x", "maxIters": "3"}, INVALID_PARAMS, "a whole number"),
        ("generate", {"prompt": "x", "maxIters": True}, INVALID_PARAMS, "a whole number"),
        ("generate", {"prompt": "x", "maxIters": 0}, INVALID_PARAMS, "maxIters=0 is not a whole"),
        ("generate", {"prompt": "x", "runTimeout": -1}, INVALID_PARAMS, "runTimeout=-1 is not"),
        ("generate", {"prompt": "x", "autoPatch": 1}, INVALID_PARAMS, "true or false"),
        ("generate", {"prompt": "x", "targetUri": outside}, INVALID_PARAMS, "outside the work"),
        ("generate", {"prompt": "x", "targetUri": "here.py"}, INVALID_PARAMS, "must be the URI"),
        (
            "generate",
            {"prompt": "x", "targetUri": editor.uri("notes.md")},
            INVALID_PARAMS,
            "must name a Python file",
        ),
        (
            "generate",
            {"prompt": "x", "targetUri": editor.uri("a.py"), "testUri": editor.uri("a.py")},
            INVALID_PARAMS,
            "must be two files",
        ),
        ("debug", {"uri": outside}, INVALID_PARAMS, "outside the workspace"),
        ("debug", {"uri": editor.uri("../up.py")}, INVALID_PARAMS, "outside the workspace"),
        ("debug", {"uri": editor.uri("none.py")}, REQUEST_FAILED, "cannot be read"),
        (
            "implement",
            {"uri": editor.uri("here.py"), "function": "f"},
            REQUEST_FAILED,
            "has no function 'f'",
        ),
        ("runTests", {"uri": editor.uri("here.py")}, REQUEST_FAILED, "No tests were found"),
        ("undoRun", {"runId": "../../x"}, REQUEST_FAILED, "There is no run"),
        ("undoRun", {"runId": "x", "force": True}, INVALID_PARAMS, "does not know 'force'"),
        ("resume", {"runId": "none"}, REQUEST_FAILED, "There is no run"),
        ("events", {"runId": "none"}, REQUEST_FAILED, "There is no run"),
        ("runPage", {"runId": "../../x"}, REQUEST_FAILED, "There is no run"),
        ("stop", {"runId": 3}, INVALID_PARAMS, "must be a string"),
    ]
    for name, argument, code, sentence in cases:
        with pytest.raises(JsonRpcException, match=sentence) as refusal:
            await editor.command(name, **argument)
        assert refusal.value.code == code, (name, argument)
        assert refusal.value.data is None
    assert editor.events == []
    assert [path.name for path in editor.root.iterdir()] == ["here.py"]


@pytest.mark.parametrize("name", ["my-mod.py", "class.py", "a#b.py", "my-app/mod.py"])
async def test_a_program_that_no_test_can_import_is_refused(
    start: StartEditor, model: ScriptedModel, name: str
):
    editor = await start()
    (editor.root / name).parent.mkdir(exist_ok=True)
    (editor.root / name).write_text('def add(a, b):\n    """Adds."""\n')
    uri = (editor.root / name).as_uri()
    for command, argument in (
        ("generate", {"prompt": PROMPT, "targetUri": uri, "overwrite": True}),
        ("implement", {"uri": uri, "function": "add"}),
        ("writeTests", {"uri": uri}),
        ("debug", {"uri": uri}),
    ):
        with pytest.raises(JsonRpcException, match=f"cannot import {name}: rename") as refusal:
            await editor.command(command, **argument)
        assert refusal.value.code == REQUEST_FAILED, command
    assert model.asked == []
    assert [path.name for path in editor.root.rglob("*.py")] == [Path(name).name]


async def test_the_users_own_tests_may_load_a_program_that_no_import_can(start: StartEditor):
    editor = await start()
    (editor.root / "my-mod.py").write_text(WRONG)
    (editor.root / "test_my-mod.py").write_text(
        "import runpy\nfrom pathlib import Path\n\n\n"
        "def test_add():\n"
        '    program = runpy.run_path(str(Path(__file__).with_name("my-mod.py")))\n'
        '    assert program["add"](1, 2) == 3\n'
    )
    await editor.command("debug", uri=editor.uri("my-mod.py"), autoPatch=True)
    assert (await editor.until(editor.finished))["outcome"] == "passed"
    assert editor.text("my-mod.py") == RIGHT


async def test_applying_or_discarding_an_unknown_patch_answers_with_the_reason(start: StartEditor):
    editor = await start()
    answer = await editor.command("applyPatch", patchId="none")
    assert answer == {"applied": False, "reason": "That patch does not wait any more."}
    answer = await editor.command("discardPatch", patchId="none")
    assert answer == {"discarded": False, "reason": "That patch does not wait any more."}


async def test_runs_events_models_and_doctor_answer_as_documented(start: StartEditor):
    editor = await start()
    run_id = await editor.generate(PROMPT, autoPatch=True)
    await editor.until(editor.finished)
    (run,) = (await editor.command("runs", limit=5))["runs"]
    assert run["runId"] == run_id
    assert run["prompt"] == PROMPT
    assert (run["task"], run["programFile"]) == ("generate", "generated_code.py")
    assert run["rootUri"] == editor.uri("")
    log = await editor.command("events", runId=run_id)
    assert [event["event"] for event in log["events"]] == [
        kind for kind in editor.kinds() if kind != "TextArrived"
    ]
    page = path_of((await editor.command("runPage", runId=run_id))["uri"])
    assert page == Path(run["folder"]) / "report.html"
    assert "+    return a + b" in page.read_text(encoding="utf-8")
    models = await editor.command("models")
    assert models["default"].startswith("openai:scripted@")
    assert any(row["name"].startswith("local:") for row in models["models"])
    assert all({"name", "ok"} <= set(c) for c in (await editor.command("doctor"))["checks"])


@pytest.mark.parametrize("command", ["generate", "runTests", "writeTests"])
async def test_a_file_where_the_state_folder_belongs_is_one_sentence(
    start: StartEditor, root: Path, tmp_path: Path, command: str
):
    file = tmp_path / "state" / "ml-coach"
    file.parent.mkdir(exist_ok=True)
    file.write_text("mine")
    (root / "sums.py").write_text(WRONG)
    (root / "test_sums.py").write_text("def test_it():\n    assert True\n")
    editor = await start()
    argument = {"prompt": PROMPT} if command == "generate" else {"uri": editor.uri("sums.py")}
    with pytest.raises(JsonRpcException) as refused:
        await editor.command(command, **argument)
    sentence = f"{file} is a file, but ML Coach needs a folder there: move it away or delete it."
    assert str(refused.value) == sentence
    assert (await editor.command("runs"))["runs"] == []
