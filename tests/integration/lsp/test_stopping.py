"""However a run is stopped, it ends within a second, reports it, and leaves no process."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable

import psutil
import pytest
from editor import Editor
from lsprotocol import types as lsp

from conftest import StartEditor
from scripted_model import PROMPT, ScriptedModel

LONGEST_SECONDS = 1.0


async def in_the_middle(start: StartEditor, model: ScriptedModel, held: str = "coder") -> Editor:
    """An editor whose run waits for a model that does not answer."""
    model.held.add(held)
    editor = await start()
    await editor.generate(PROMPT)
    await model.was_asked(held)
    await editor.until(lambda: any(_kinds(editor)))
    return editor


def _kinds(editor: Editor) -> list[list[str]]:
    return [[value["kind"] for value in values] for values in editor.progress.values()]


async def by_progress(editor: Editor) -> None:
    (token,) = editor.progress
    editor.client.window_work_done_progress_cancel(lsp.WorkDoneProgressCancelParams(token))


async def by_command(editor: Editor) -> None:
    answer = await editor.command("stop")
    assert len(answer["stopped"]) == 1


async def by_name(editor: Editor) -> None:
    run_id = (await editor.command("runs"))["runs"][0]["runId"]
    assert await editor.command("stop", runId="another") == {"stopped": []}
    assert await editor.command("stop", runId=run_id) == {"stopped": [run_id]}


@pytest.mark.parametrize("stop", [by_progress, by_command, by_name])
async def test_a_stopped_run_ends_within_a_second_and_the_next_one_works(
    start: StartEditor, model: ScriptedModel, stop: Callable[[Editor], Awaitable[None]]
):
    editor = await in_the_middle(start, model)
    began = time.monotonic()
    await stop(editor)
    report = await editor.until(editor.finished)
    await editor.until(lambda: _kinds(editor)[0][-1] == "end")
    assert time.monotonic() - began < LONGEST_SECONDS
    assert report["outcome"] == "stopped"
    assert report["reason"] == "Stopped by the user."
    # The server goes on: the next run works.
    model.held.clear()
    await editor.generate(PROMPT)
    await editor.until(lambda: editor.event("PatchOffered"))


async def test_a_run_that_waits_for_a_decision_can_be_stopped(start: StartEditor):
    editor = await start()
    await editor.generate(PROMPT)
    await editor.until(lambda: editor.event("PatchOffered"))
    await by_command(editor)
    report = await editor.until(editor.finished)
    assert report["outcome"] == "stopped"
    actions = await editor.actions("generated_code.py")
    assert not [a for a in actions if a.title.startswith("Apply")]


@pytest.mark.parametrize("waiting", ["for the model", "for the user"])
async def test_shutdown_during_a_run_ends_it_and_every_process(
    start: StartEditor, model: ScriptedModel, waiting: str
):
    if waiting == "for the model":
        editor = await in_the_middle(start, model)
    else:
        editor = await start()
        await editor.generate(PROMPT)
        await editor.until(lambda: editor.event("PatchOffered"))
    family = psutil.Process(editor.process.pid).children(recursive=True)
    began = time.monotonic()
    assert await editor.quit() == 0
    assert time.monotonic() - began < LONGEST_SECONDS * 2
    assert not [child for child in family if child.is_running()]


@pytest.mark.parametrize("farewell", ["exit", "end of input", "terminate"])
async def test_without_shutdown_the_exit_code_is_1(
    start: StartEditor, model: ScriptedModel, farewell: str
):
    editor = await in_the_middle(start, model)
    family = psutil.Process(editor.process.pid).children(recursive=True)
    match farewell:
        case "exit":
            editor.client.exit(None)
        case "end of input":
            editor.process.stdin.close()
        case _:
            editor.process.terminate()
    assert await asyncio.wait_for(editor.process.wait(), 5) == 1
    assert not [child for child in family if child.is_running()]


async def test_exit_after_shutdown_gives_exit_code_0(start: StartEditor, model: ScriptedModel):
    editor = await in_the_middle(start, model)
    editor.client.protocol.send_request(lsp.SHUTDOWN, None)
    editor.client.exit(None)
    assert await asyncio.wait_for(editor.process.wait(), 5) == 0


async def test_a_second_run_is_refused_on_the_same_file_only(
    start: StartEditor, model: ScriptedModel
):
    editor = await in_the_middle(start, model)
    with pytest.raises(Exception, match=r"is working on generated_code\.py; stop it first"):
        await editor.generate(PROMPT)
    other = await editor.generate(PROMPT, targetUri=editor.uri("other.py"))
    active = [run["runId"] for run in (await editor.command("runs"))["runs"] if run["active"]]
    assert other in active
    assert len(active) == 2


async def test_every_document_offers_to_stop_while_a_run_is_active(
    start: StartEditor, model: ScriptedModel
):
    editor = await in_the_middle(start, model)
    editor.open("notes.txt", "any text")
    for file in ("notes.txt", "never_opened.py"):
        assert [a for a in await editor.actions(file) if a.title == "Stop ML Coach run"], file
    await editor.choose(await editor.action("notes.txt", "Stop ML Coach run"))
    assert (await editor.until(editor.finished))["outcome"] == "stopped"
    assert not [a for a in await editor.actions("notes.txt") if a.title.startswith("Stop")]


async def test_a_run_that_ended_with_the_server_says_so_and_is_resumed_from_the_next_one(
    start: StartEditor, model: ScriptedModel
):
    first = await in_the_middle(start, model)
    await first.quit()
    model.held.clear()
    second = await start()
    await second.until(lambda: [m for m in second.messages if "ended or restarted" in m])
    row = (await second.command("runs"))["runs"][0]
    assert (row["outcome"], "ended or restarted" in row["reason"]) == ("stopped", True)
    second.open("notes.txt", "any text")
    await second.choose(await second.action("notes.txt", "Resume ML Coach run"))
    await second.until(lambda: second.event("PatchOffered"))
