"""Connecting to the server, and models that the editor itself offers."""

from __future__ import annotations

import asyncio
import socket
from typing import Any

import psutil
from editor import SERVER, Editor
from lsprotocol import types as lsp
from raw import framed, read_message

from conftest import StartEditor
from scripted_model import PROMPT, RIGHT, ScriptedModel


async def test_tcp_listens_on_loopback_only_and_serves_one_editor():
    process = await asyncio.create_subprocess_exec(
        *SERVER, "--tcp", "0", stderr=asyncio.subprocess.PIPE
    )
    told = (await process.stderr.readline()).decode()
    assert told.startswith("ml-coach listens on 127.0.0.1:")
    port = int(told.rsplit(":", 1)[1])
    (listening,) = [
        c for c in psutil.Process(process.pid).net_connections() if c.status == psutil.CONN_LISTEN
    ]
    assert listening.laddr.ip == "127.0.0.1"
    assert listening.family == socket.AF_INET
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    second, other = await asyncio.open_connection("127.0.0.1", port)
    assert await second.read() == b""
    other.close()
    params = {"processId": None, "rootUri": None, "capabilities": {}}
    writer.write(framed(id=1, method="initialize", params=params))
    assert (await read_message(reader))["result"]["serverInfo"]["name"] == "ml-coach"
    writer.write(framed(id=2, method="shutdown") + framed(method="exit"))
    assert (await read_message(reader))["id"] == 2
    assert await asyncio.wait_for(process.wait(), 10) == 0
    writer.close()
    # A pipe's transport is closed by the end of the process, one turn of the loop later.
    assert await process.stderr.read() is not None


async def test_the_editors_own_models_write_the_program(start: StartEditor, model: ScriptedModel):
    asked: list[dict[str, Any]] = []

    def prepare(editor: Editor) -> None:
        editor.environment["ML_COACH_MODEL"] = "editor:"
        editor.experimental = {"mlCoach": {"complete": True}}

        async def complete(params: dict[str, Any]) -> dict[str, Any]:
            asked.append(params)
            text = " ".join(message["text"] for message in params["messages"])
            reply = model.reply_to(text)
            token = params["partialResultToken"]
            for start in range(0, len(reply), 40):
                piece = lsp.ProgressParams(token, {"text": reply[start : start + 40]})
                editor.client.progress(piece)
            ended = {"finish": "stop", "text": "", "promptTokens": 9, "completionTokens": 7}
            return {**ended, "fault": "", "message": ""}

        editor.client.feature("mlCoach/complete")(complete)

    editor = await start(prepare=prepare)
    await editor.generate(PROMPT, autoPatch=True)
    report = await editor.until(editor.finished)
    assert report["outcome"] == "passed"
    assert editor.text("generated_code.py") == RIGHT
    assert {params["purpose"] for params in asked} >= {"coder", "test_writer", "debugger"}
    assert all(params["model"] == "" and params["maxTokens"] > 0 for params in asked)


async def test_an_error_of_the_editors_model_is_the_reason_of_the_failed_run(start: StartEditor):
    def prepare(editor: Editor) -> None:
        editor.environment["ML_COACH_MODEL"] = "editor:"
        editor.experimental = {"mlCoach": {"complete": True}}

        async def complete(params: dict[str, Any]) -> dict[str, Any]:
            return {"fault": "not_allowed", "message": "The user said no"}

        editor.client.feature("mlCoach/complete")(complete)

    editor = await start(prepare=prepare)
    await editor.generate(PROMPT)
    report = await editor.until(editor.finished)
    assert report["outcome"] == "failed"
    assert "The user said no" in report["reason"]


async def test_editor_models_fail_with_a_reason_where_the_editor_has_none(start: StartEditor):
    editor = await start(prepare=lambda e: e.environment.__setitem__("ML_COACH_MODEL", "editor:"))
    await editor.generate(PROMPT)
    report = await editor.until(editor.finished)
    assert report["outcome"] == "failed"
    assert "none is connected" in report["reason"]
