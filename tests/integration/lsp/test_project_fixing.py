"""`mlCoach.fix`: a project's own tests, run and mended from the editor."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import pytest
from editor import Editor
from lsprotocol import types as lsp
from pygls.exceptions import JsonRpcException

from conftest import StartEditor
from failing_project import CODE, PATCH, PRICES, RATE_FILE, RATES, TEST_FILE, TESTS, write_project
from scripted_model import ScriptedModel

# Beside what one patch mends: an error that is raised in the code.
SHOP = f"{PRICES}\n\ndef half(value):\n    return value / 0\n"
SHOP_TESTS = f"""{TESTS.replace("label, price", "half, label, price")}

class TestHalf:
    def test_half(self):
        assert half(4) == 2
"""
HALF = f"{TEST_FILE}::TestHalf::test_half"


def line_of(text: str, part: str) -> int:
    return text[: text.index(part)].count("\n")


FULL_LINE, REDUCED_LINE = line_of(SHOP_TESTS, "== 14"), line_of(SHOP_TESTS, "== 6")
HALF_LINE, RAISED_LINE = line_of(SHOP_TESTS, "== 2\n"), line_of(SHOP, "value / 0")


@pytest.fixture
def project(root: Path, model: ScriptedModel) -> Path:
    write_project(root, {CODE: SHOP, TEST_FILE: SHOP_TESTS})
    model.replies["debugger"] = PATCH
    return root


def titles(actions: list[lsp.CodeAction]) -> list[str]:
    return [action.title for action in actions]


def places(diagnostics: list[lsp.Diagnostic]) -> set[tuple[int, Any]]:
    return {(one.range.start.line, one.code) for one in diagnostics}


def advanced(editor: Editor) -> list[str]:
    begun = [event for event in editor.events if event["event"] == "TestsAdvanced"]
    return [event["test"] for event in begun if event["total"]]


async def test_a_test_and_a_file_of_tests_offer_to_fix(start: StartEditor, project: Path):
    editor = await start()
    editor.open(TEST_FILE)
    editor.open(CODE)
    (at_method,) = await editor.actions(TEST_FILE, HALF_LINE, only=["refactor"])
    assert at_method.title == "Fix failing test with ML Coach: TestHalf::test_half"
    found = titles(await editor.actions(TEST_FILE, 1, only=["source"]))
    assert "Fix failing tests with ML Coach" in found
    assert "Fix failing" not in " ".join(titles(await editor.actions(CODE, RAISED_LINE)))
    with pytest.raises(JsonRpcException, match="outside the workspace folders"):
        await editor.command("fix", uri=project.parent.as_uri())
    with pytest.raises(JsonRpcException, match="needs the 'uri'"):
        await editor.command("fix", test="test_full")


async def test_one_quick_fix_mends_several_files_and_one_undo_takes_it_back(
    start: StartEditor, project: Path
):
    editor = await start()
    editor.open(TEST_FILE)
    editor.open(CODE)
    run_id = (await editor.command("fix"))["runId"]
    await editor.until(lambda: editor.event("PatchOffered"))
    # Tests that follow each other at once are told of together.
    # Nothing is told of what takes less than a tenth of a second.
    assert {test.partition("::")[0] for test in advanced(editor)} <= {TEST_FILE}
    # Each test is marked where it fails, and the code where the error was raised.
    assert places(await editor.findings(TEST_FILE)) == {
        (FULL_LINE, "test"), (REDUCED_LINE, "test"), (HALF_LINE, "test")
    }  # fmt: skip
    (raised,) = await editor.findings(CODE)
    assert (raised.range.start.line, raised.code) == (RAISED_LINE, "runtime")
    assert "division by zero" in raised.message

    quick_fixes = await editor.actions(TEST_FILE, FULL_LINE, only=["quickfix"])
    assert [t.split(":")[0] for t in titles(quick_fixes)] == [
        "Apply ML Coach patch",
        "Discard ML Coach patch",
    ]
    await editor.choose(quick_fixes[0])
    await editor.until(lambda: editor.kinds().count("PatchOffered") == 2)
    assert "value * rate(kind)" in editor.text(CODE)
    assert "else 3" in (project / RATE_FILE).read_text()  # It was not open, so it is on disk,
    assert editor.text(RATE_FILE) == (project / RATE_FILE).read_text()  # and is shown now.
    assert editor.text(TEST_FILE) == SHOP_TESTS
    assert places(await editor.findings(TEST_FILE)) == {(HALF_LINE, "test")}
    await editor.choose(await editor.action(CODE, "Discard ML Coach patch"))
    report = await editor.until(editor.finished)
    assert "test_half: ZeroDivisionError" in report["reason"]

    undo = await editor.action(CODE, "Undo ML Coach run")
    assert undo.command.arguments[0]["runId"] == run_id
    await editor.choose(undo)
    assert editor.text(CODE) == SHOP
    assert editor.text(RATE_FILE) == RATES


async def test_a_run_judges_what_the_editor_shows(start: StartEditor, project: Path):
    editor = await start()
    editor.open(CODE)
    editor.type(CODE, SHOP.replace("value / 0", "value / 2").replace("value -", "value *"))
    editor.open(RATE_FILE)
    editor.type(RATE_FILE, RATES.replace("else 0", "else 3"))
    await editor.command("fix", uri=editor.uri("tests"))
    report = await editor.until(editor.finished)
    assert (report["outcome"], "nothing to fix" in report["reason"]) == ("passed", True)
    await editor.until(lambda: editor.messages)
    assert editor.messages[-1] == "ML Coach: project passed: 4 of 4 tests pass."


async def test_one_test_is_run_and_only_its_findings_are_said_anew(
    start: StartEditor, project: Path, model: ScriptedModel
):
    editor = await start()
    editor.open(TEST_FILE)
    await editor.command("fix", uri=editor.uri(TEST_FILE), maxIters=1)
    await editor.until(editor.finished)
    assert not model.asked
    editor.open(CODE)
    editor.type(CODE, SHOP.replace("value / 0", "value / 2"))
    editor.events.clear()
    await editor.command("fix", uri=editor.uri(TEST_FILE), test="TestHalf::test_half")
    report = await editor.until(editor.finished)
    assert [case["name"] for case in report["tests"]["cases"]] == [HALF]
    found = places(await editor.findings(TEST_FILE))
    assert found == {(FULL_LINE, "test"), (REDUCED_LINE, "test")}


async def test_what_a_patch_changed_is_still_the_users_own(start: StartEditor, project: Path):
    write_project(project)  # One patch mends all of it.
    editor = await start()
    await editor.command("fix", autoPatch=True)
    await editor.until(editor.finished)
    assert "value * rate(kind)" in (project / CODE).read_text()
    editor.events.clear()
    # To write a program there is to be asked about.
    await editor.generate("Write add(a, b).", targetUri=editor.uri(CODE))
    await editor.until(editor.finished)
    assert any("prices.py was not written by ML Coach" in asked for asked in editor.questions)
    assert "value * rate(kind)" in (project / CODE).read_text()


async def test_a_run_of_a_projects_tests_is_stopped_within_a_second(
    start: StartEditor, project: Path
):
    slow = "import time\n\n\ndef test_slow():\n    time.sleep(60)\n"
    (project / "tests/test_slow.py").write_text(slow)
    editor = await start()
    await editor.command("fix", uri=editor.uri("tests"), runTimeout=60)
    await editor.until(lambda: "tests/test_slow.py::test_slow" in advanced(editor))
    (values,) = editor.progress.values()
    await editor.until(lambda: any("test 5 of 5" in value.get("message", "") for value in values))
    began = time.monotonic()
    (token,) = editor.progress
    editor.client.window_work_done_progress_cancel(lsp.WorkDoneProgressCancelParams(token))
    report = await editor.until(editor.finished)
    assert time.monotonic() - began < 1.0
    assert report["outcome"] == "stopped"
