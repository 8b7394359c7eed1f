"""What a user can start and see in any editor, without client code of ours."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from editor import Editor
from lsprotocol import types as lsp
from pygls.exceptions import JsonRpcException

from conftest import StartEditor
from scripted_model import FILES_PROMPT, PROMPT, RIGHT, TESTS, WRONG, ScriptedModel

STUBS = '''"""Sums."""


def add(a, b):
    """Adds two numbers.

    >>> add(1, 2)
    3
    """
    ...


class Account:
    rate = 2

    def interest(self, months: int) -> int:
        raise NotImplementedError

    def done(self):
        return 1
'''


def titles(actions: list[lsp.CodeAction]) -> list[str]:
    return [action.title for action in actions]


async def test_a_comment_or_a_selection_offers_to_generate(start: StartEditor, root: Path):
    (root / "notes.py").write_text(f"x = 1\n# coach: {PROMPT}\n# It takes floats too.\ny = 2\n")
    editor = await start()
    editor.open("notes.py")
    assert "Generate with ML Coach" not in titles(await editor.actions("notes.py", 0))
    for line in (1, 2):
        (action,) = await editor.actions("notes.py", line, only=["refactor"])
        assert action.title == "Generate with ML Coach"
        argument = action.command.arguments[0]
        assert argument["prompt"] == f"{PROMPT}\nIt takes floats too."
    (action,) = await editor.actions("notes.py", 3, only=["refactor"], to=(3, 5))
    assert action.command.arguments[0]["prompt"] == "y = 2"
    assert model_calls(editor) == 0


def model_calls(editor: Editor) -> int:
    return editor.kinds().count("CallStarted")


async def test_a_stub_is_implemented_in_place(start: StartEditor, root: Path, model: ScriptedModel):
    (root / "sums.py").write_text(STUBS)
    own_tests = "def test_mine():\n    assert True\n"
    (root / "test_sums.py").write_text(own_tests)
    editor = await start()
    editor.open("sums.py")
    lines = STUBS.splitlines()
    method = await editor.action(
        "sums.py", "Implement", lines.index("        raise NotImplementedError")
    )
    assert method.command.arguments[0]["function"] == "Account.interest"
    done = await editor.actions("sums.py", lines.index("        return 1"))
    assert "Implement with ML Coach" not in titles(done)

    model.replies["coder"] = f"```python\n{RIGHT}```"
    model.replies["test_writer"] = model.replies["test_writer"].replace("generated_code", "sums")
    stub = await editor.action("sums.py", "Implement", lines.index("def add(a, b):"))
    await editor.choose(stub)
    report = await editor.until(editor.finished)
    assert report["outcome"] == "passed"
    text = editor.text("sums.py")
    assert "return a + b" in text
    assert text.startswith('"""Sums."""\n\n\ndef add(a, b):')
    assert text.endswith(STUBS[STUBS.index("class Account") :])
    # Generated tests never go into the user's own file.
    assert editor.text("test_sums.py") == own_tests
    assert "test_given_1" in editor.text("test_sums_generated.py")


async def test_in_a_project_files_go_where_it_keeps_such_files(start: StartEditor, root: Path):
    for file in ("pyproject.toml", "src/pkg/__init__.py", "tests/test_other.py"):
        (root / file).parent.mkdir(parents=True, exist_ok=True)
        (root / file).touch()
    editor = await start()
    await editor.generate(PROMPT)
    saved = await editor.until(lambda: editor.event("FilesSaved"))
    assert set(saved["files"]) == {"src/pkg/generated_code.py", "tests/test_generated_code.py"}


async def test_a_prompt_for_several_files_becomes_a_run_for_each(start: StartEditor):
    editor = await start()
    first = await editor.generate(FILES_PROMPT)
    await editor.until(lambda: editor.kinds().count("RunFinished") == 2)
    starts = [e for e in editor.events if e["event"] == "RunStarted"]
    assert [e["request"]["program_file"] for e in starts] == ["shapes.py", "report.py"]
    assert starts[0]["run_id"] == first < starts[1]["run_id"]
    ends = [e["report"]["outcome"] for e in editor.events if e["event"] == "RunFinished"]
    assert ends == ["passed", "passed"]
    assert "return side**2" in editor.text("shapes.py")
    assert "from shapes import area" in editor.text("report.py")


async def test_whoever_stops_the_first_run_stops_those_that_follow(
    start: StartEditor, model: ScriptedModel
):
    editor = await start()
    first = await editor.generate(FILES_PROMPT)
    await editor.until(lambda: "RunFinished" in editor.kinds())
    model.held.add("coder")
    await editor.until(lambda: editor.kinds().count("RunStarted") == 2)
    stopped = (await editor.command("stop", runId=first))["stopped"]
    assert [run_id > first for run_id in stopped] == [True]
    await editor.until(lambda: editor.kinds().count("RunFinished") == 2)
    ends = [e["report"]["outcome"] for e in editor.events if e["event"] == "RunFinished"]
    assert ends == ["passed", "stopped"]


async def test_tests_are_written_for_a_file_and_debugging_it_repairs_it(
    start: StartEditor, root: Path, model: ScriptedModel
):
    model.replies["test_writer"] = model.replies["test_writer"].replace("generated_code", "sums")
    (root / "sums.py").write_text(WRONG)
    editor = await start()
    editor.open("sums.py")
    write = await editor.action("sums.py", "Write tests")
    await editor.choose(write)
    await editor.until(editor.finished)
    assert "from sums import add" in editor.text("test_sums.py")
    assert editor.text("sums.py") == WRONG

    editor.events.clear()
    debug = await editor.action("sums.py", "Debug this file")
    await editor.choose(debug)
    await editor.until(lambda: editor.event("PatchOffered"))
    hover = await editor.client.text_document_hover_async(
        lsp.HoverParams(lsp.TextDocumentIdentifier(editor.uri("test_sums.py")), lsp.Position(6, 8))
    )
    assert hover.contents.kind == lsp.MarkupKind.Markdown
    assert "This test fails.** `test_small`" in hover.contents.value
    assert hover.contents.value.count("add(1, 2) gave -1, expected 3") == 1

    lenses = await editor.client.text_document_code_lens_async(
        lsp.CodeLensParams(lsp.TextDocumentIdentifier(editor.uri("test_sums.py")))
    )
    runs = [lens for lens in lenses if lens.command.command == "mlCoach.runTests"]
    shown = {lens.range.start.line: lens.command.title for lens in runs}
    assert shown[0] == "ML Coach: 1 of 2 pass. Run again"
    assert shown[5] == "guessed, failed. Run again"
    assert shown[10] == "guessed, passed. Run again"

    await editor.choose(await editor.action("sums.py", "Apply"))
    assert (await editor.until(editor.finished))["outcome"] == "passed"

    # "Run again" asks no model, and does not say that it debugs or writes tests.
    editor.events.clear()
    command = lenses[0].command
    params = lsp.ExecuteCommandParams(command.command, command.arguments)
    await editor.client.workspace_execute_command_async(params)
    assert (await editor.until(editor.finished))["outcome"] == "passed"
    assert model_calls(editor) == 0
    stages = [event["stage"] for event in editor.events if event["event"] == "StageStarted"]
    assert "tests" not in stages


async def test_a_program_is_refined_and_its_tests_stay(
    start: StartEditor, root: Path, model: ScriptedModel
):
    tests = TESTS.replace("generated_code", "sums")
    (root / "sums.py").write_text(RIGHT)
    (root / "test_sums.py").write_text(tests)
    model.replies["coder"] = "```python\ndef add(a, b):\n    return (a or 0) + (b or 0)\n```"
    model.replies["test_writer"] = "assert add(4, None) == 4\n"
    editor = await start()
    editor.open("sums.py")
    sentence = "Also take None for 0: add(None, 2) == 2"
    await editor.command("refine", uri=editor.uri("sums.py"), prompt=sentence)
    assert (await editor.until(editor.finished))["outcome"] in ("passed", "unsure")
    assert "(a or 0)" in editor.text("sums.py")
    text = editor.text("test_sums.py")
    assert text.startswith(tests)
    assert "assert add(None, 2) == 2" in text
    assert editor.event("RunStarted")["request"]["follow_up"] == sentence
    with pytest.raises(JsonRpcException, match="says what the program must do too"):
        await editor.command("refine", uri=editor.uri("sums.py"), prompt=" ")


async def test_in_a_src_layout_tests_go_where_the_others_are(
    start: StartEditor, root: Path, model: ScriptedModel
):
    (root / "src" / "shop").mkdir(parents=True)
    (root / "tests").mkdir()
    (root / "src" / "shop" / "__init__.py").write_text("")
    (root / "src" / "shop" / "sums.py").write_text(WRONG)
    (root / "pyproject.toml").write_text(
        "[tool.pytest.ini_options]\npythonpath = ['src']\ntestpaths = ['tests']\n"
    )
    model.replies["test_writer"] = model.replies["test_writer"].replace(
        "generated_code", "shop.sums"
    )
    editor = await start()
    editor.open("src/shop/sums.py")
    await editor.choose(await editor.action("src/shop/sums.py", "Write tests"))
    await editor.until(editor.finished)
    tests = editor.text("tests/test_sums.py")
    assert "from shop.sums import add" in tests
    assert "src.shop" not in tests

    editor.events.clear()
    await editor.choose(await editor.action("src/shop/sums.py", "Debug this file"))
    await editor.until(lambda: editor.event("PatchOffered"))
    await editor.choose(await editor.action("src/shop/sums.py", "Apply"))
    assert (await editor.until(editor.finished))["outcome"] == "passed"

    # A new server knows the tests' program by what they import.
    second = await start()
    second.open("tests/test_sums.py", tests)
    await second.command("runTests", uri=second.uri("tests/test_sums.py"))
    assert (await second.until(second.finished))["outcome"] in ("passed", "gave_up")
    assert second.event("RunStarted")["request"]["program_file"] == "src/shop/sums.py"


async def test_findings_move_with_their_lines_and_vanish_with_them(start: StartEditor):
    editor = await start("neovim-0.11")
    await editor.generate(PROMPT)
    await editor.until(lambda: editor.event("PatchOffered"))
    uri, tests = editor.uri("test_generated.py"), editor.text("test_generated.py")
    (finding,) = editor.diagnostics[uri]
    editor.type("test_generated.py", "# one\n# two\n" + tests)
    await editor.until(
        lambda: editor.diagnostics[uri][0].range.start.line == finding.range.start.line + 2
    )
    editor.type("test_generated.py", tests.replace("add(1, 2) == 3", "add(1, 2) == 4"))
    await editor.until(lambda: editor.diagnostics[uri] == [])


async def test_findings_of_a_closed_file_move_with_its_lines_once_it_is_opened(
    start: StartEditor, root: Path
):
    (root / "sums.py").write_text(WRONG)
    own = "from sums import add\n\n\ndef test_add():\n    assert add(1, 2) == 3\n"
    (root / "test_sums.py").write_text(own)
    editor = await start("neovim-0.11")
    editor.open("sums.py")
    await editor.command("runTests", uri=editor.uri("sums.py"))
    await editor.until(editor.finished)
    (finding,) = editor.diagnostics[editor.uri("test_sums.py")]
    assert finding.range.start.line == 4
    # An editor may escape more of a URI than is needed.
    escaped_uri = editor.uri("test_sums.py").replace("_sums", "%5Fsums")
    editor._open(escaped_uri, f"# one\n{own}")
    await editor.until(
        lambda: [d.range.start.line for d in editor.diagnostics.get(escaped_uri, ())] == [5]
    )
    editor._set(escaped_uri, own.replace("== 3", "== -1"))
    await editor.until(lambda: editor.diagnostics[escaped_uri] == [])


async def test_settings_are_per_folder_and_read_after_a_change(start: StartEditor, tmp_path: Path):
    other = tmp_path / "other"
    other.mkdir()
    editor = await start(
        folders=[tmp_path / "project", other],
        options={"testFile": "test_from_options.py"},
        prepare=lambda e: e.settings.update(
            {e.uri(""): {"programFile": "first.py", "maxIters": 0, "colour": "red"}}
        ),
    )
    await editor.generate(PROMPT, autoPatch=True)
    await editor.until(editor.finished)
    assert editor.event("RunStarted")["request"]["program_file"] == "first.py"
    assert editor.event("RunStarted")["request"]["tests_file"] == "test_from_options.py"
    assert editor.event("RunStarted")["request"]["max_iters"] == 3
    told = [m for m in editor.messages if "mlCoach." in m]
    assert len([m for m in told if "maxIters=0 is not a whole number from 1; using 3." in m]) == 1
    assert len([m for m in told if "mlCoach.colour is not a setting" in m]) == 1

    editor.events.clear()
    editor.settings[other.as_uri()] = {"programFile": "second.py"}
    editor.client.workspace_did_change_configuration(lsp.DidChangeConfigurationParams({}))
    await editor.command("generate", prompt=PROMPT, documentUri=f"{other.as_uri()}/any.py")
    await editor.until(lambda: editor.event("PatchOffered"))
    assert editor.event("RunStarted")["request"]["program_file"] == "second.py"
    assert (other / "second.py").exists()


async def test_a_project_sets_what_neither_environment_nor_editor_does(
    start: StartEditor, model: ScriptedModel
):
    def prepare(editor: Editor) -> None:
        editor.environment |= {"MAX_ITERS": "5"}
        editor.settings[editor.uri("")] = {"testFile": "test_editor.py"}
        (editor.root / "pyproject.toml").write_text(
            '[tool.ml-coach]\nprogram-file = "project.py"\ntests-file = "test_project.py"\n'
            'max-iters = 7\nmax-calls = 9\nmodel = "openai:m@http://127.0.0.1:9/v1"\n',
            encoding="utf-8",
        )

    editor = await start(prepare=prepare)
    await editor.generate(PROMPT, autoPatch=True)
    assert (await editor.until(editor.finished))["outcome"] == "passed"
    asked = editor.event("RunStarted")["request"]
    assert asked["program_file"] == "project.py"
    assert asked["tests_file"] == "test_editor.py"
    assert asked["max_iters"] == 5
    assert any("an address or a file may not come with a folder" in m for m in editor.messages)
    # The next command reads the file again.
    (editor.root / "pyproject.toml").write_text(
        '[tool.ml-coach]\nprogram-file = "moved.py"\n', encoding="utf-8"
    )
    editor.events.clear()
    await editor.generate(PROMPT, autoPatch=True, overwrite=True)
    await editor.until(editor.finished)
    assert editor.event("RunStarted")["request"]["program_file"] == "moved.py"


async def test_a_run_of_a_killed_server_resumes_from_its_last_reply(
    start: StartEditor, model: ScriptedModel
):
    model.held.add("debugger")
    first = await start()
    run_id = await first.generate(PROMPT)
    await model.was_asked("debugger")
    first.process.kill()
    await first.process.wait()
    asked, before = list(model.asked), first.text("test_generated.py")
    model.held.clear()

    second = await start()
    for file in ("generated_code.py", "test_generated.py"):
        second.open(file, first.text(file))
    told = await second.until(lambda: [m for m in second.messages if "in the midst" in m])
    assert "generated_code.py: ML Coach's server ended in the midst of the run" in told[0]
    (row,) = (await second.command("runs"))["runs"]
    assert (row["runId"], row["outcome"], row["active"]) == (run_id, "", False)
    assert row["reason"].startswith("ML Coach's server ended in the midst of the run: ")
    await second.choose(await second.action("generated_code.py", "Resume ML Coach run"))
    await second.until(lambda: second.event("PatchOffered"))
    # Only the call that had no reply yet is made again.
    assert model.asked[len(asked) :] == ["debugger"]
    await second.choose(await second.action("generated_code.py", "Apply"))
    report: dict[str, Any] = await second.until(second.finished)
    assert report["outcome"] == "passed"
    assert second.text("generated_code.py") == RIGHT
    assert second.text("test_generated.py") == before


async def test_where_the_tests_of_a_file_stand(start: StartEditor, root: Path):
    editor = await start("kate-22.12")
    source = (
        "import os\n\n@mark\ndef test_a(): ...\n\nclass TestB:\n    async def test_c(self): ..."
    )
    (root / "test_it.py").write_text(source)
    (root / "torn.py").write_text("def test_a(:")
    here = await editor.command("tests", uri=editor.uri("test_it.py"))
    assert here["tests"] == [{"name": "test_a", "line": 3}, {"name": "TestB::test_c", "line": 6}]
    for other in ("torn.py", "gone.py"):
        assert (await editor.command("tests", uri=editor.uri(other)))["tests"] == []


SQUEEZE = (
    'Write squeeze(text), which is idempotent. squeeze("aab") == "ab". "ccd" becomes "cd". '
    '"eef" becomes "ef".'
)
SQUEEZED = """def squeeze(text):
    kept = ""
    for letter in text:
        kept += "" if kept.endswith(letter) else letter
    return kept
"""
ORIGINS = {
    "test_given_1": "given",
    "test_stated_1": "stated",
    "test_stated_2": "stated",
    "test_property_1": "property",
    "test_example_1": "guessed",
}


async def _lenses(editor: Editor, file: str) -> dict[str, str]:
    """The lens above each test, without what can be done."""
    if editor.uri(file) not in editor.buffers:
        editor.open(file)
    lines = (editor.text(file) or "").splitlines()
    found = await editor.client.text_document_code_lens_async(
        lsp.CodeLensParams(lsp.TextDocumentIdentifier(editor.uri(file)))
    )
    above = ((lines[lens.range.start.line], lens.command.title) for lens in found)
    return {
        line.removeprefix("def ").split("(")[0]: title.removesuffix(". Run again")
        for line, title in above
        if line.startswith("def ")
    }


async def test_where_a_test_comes_from_is_known_after_a_restart(
    start: StartEditor, root: Path, model: ScriptedModel
):
    model.replies |= {
        "coder": f"```python\n{SQUEEZED}```\n",
        "test_writer": "assert squeeze('ghh') == 'gh'\n",
    }
    first = await start("kate-22.12")
    run_id = await first.generate(SQUEEZE)
    assert (await first.until(first.finished))["outcome"] == "passed"
    made = await _lenses(first, "test_generated.py")
    assert made == {test: f"{origin}, passed" for test, origin in ORIGINS.items()}
    tests = root / "test_generated.py"
    mine = "\n\n# ml-coach: given\ndef test_mine():\n    assert squeeze('') == ''\n"
    changed = tests.read_text().replace('"eef"', '"eeeef"').replace("'eef'", "'eeeef'")
    assert changed != tests.read_text()
    tests.write_text(changed + mine)

    now = {**ORIGINS, "test_stated_2": "own", "test_mine": "own"}
    second = await start("kate-22.12")
    rerun = (await second.command("runTests", uri=second.uri("test_generated.py")))["runId"]
    report = await second.until(second.finished)
    assert report["outcome"] == "passed"
    known = {test: origin for test, origin in now.items() if origin != "own"}
    assert (report["suite"]["own"], report["suite"]["provenance"]) == (True, known)
    assert await _lenses(second, "test_generated.py") == {t: f"{o}, passed" for t, o in now.items()}
    # What the Test Explorer shows, of both runs, after another restart too.
    third = await start("kate-22.12")
    for run, origins in ((run_id, ORIGINS), (rerun, now)):
        drawn = (await third.command("run", runId=run))["report"]["tests"]
        assert {test["name"]: test["provenance"] for test in drawn} == origins


async def test_a_debugging_run_that_is_resumed_knows_what_the_user_changed_meanwhile(
    start: StartEditor, root: Path, model: ScriptedModel
):
    first = await start("kate-22.12")
    await first.generate(f"{PROMPT} add(2, 3) == 5", autoPatch=True)
    assert (await first.until(first.finished))["outcome"] == "passed"
    (root / "generated_code.py").write_text(WRONG)
    model.forget()
    model.held.add("debugger")
    first.events.clear()
    debugged = await first.command("debug", uri=first.uri("generated_code.py"))
    assert first.event("RunStarted") or await first.until(lambda: first.event("RunStarted"))
    origins = first.event("RunStarted")["request"]["provenance"]
    assert sorted(origins.values()) == ["given", "guessed", "guessed"]
    await model.was_asked("debugger")
    given = next(test for test, origin in origins.items() if origin == "given")
    # The lens says so in the middle of the run, too.
    assert (await _lenses(first, "test_generated.py"))[given] == "given, failed"
    first.process.kill()
    await first.process.wait()
    tests = root / "test_generated.py"
    tests.write_text(tests.read_text().replace("add(2, 3) == 5", "add(2, 4) == 6"))
    model.held.clear()

    second = await start("kate-22.12")
    await second.command("resume", runId=debugged["runId"])
    await second.until(lambda: second.event("RunStarted"))
    resumed = second.event("RunStarted")["request"]["provenance"]
    assert resumed == {test: origin for test, origin in origins.items() if test != given}
    await second.until(lambda: second.event("PatchOffered"))
    assert (await _lenses(second, "test_generated.py"))[given] == "own, failed"


@pytest.mark.parametrize("profile", ["vscode-1.139-languageclient-9"])
async def test_one_edit_per_step(start: StartEditor, profile: str):
    editor = await start(profile)
    await editor.generate(PROMPT)
    await editor.until(lambda: editor.event("PatchOffered"))
    (edit,) = editor.edits
    assert [type(change).__name__ for change in edit.document_changes] == [
        "CreateFile", "TextDocumentEdit", "CreateFile", "TextDocumentEdit",
    ]  # fmt: skip
    await editor.choose(await editor.action("generated_code.py", "Apply"))
    await editor.until(editor.finished)
    (change,) = editor.edits[1].document_changes
    assert change.text_document.version is not None
    (text_edit,) = change.edits
    assert text_edit.new_text == "    return a + b\n"
