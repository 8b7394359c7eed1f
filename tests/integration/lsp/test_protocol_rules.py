"""What the protocol says about the order and the form of messages, with a peer that breaks it."""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import psutil
import pytest
from editor import SERVER
from raw import framed, raw_peer

NOT_INITIALIZED, INVALID_REQUEST, INVALID_PARAMS = -32002, -32600, -32602
REQUEST_FAILED = -32803


async def test_a_request_before_initialize_is_refused_and_breaks_nothing(tmp_path: Path):
    async with raw_peer(tmp_path) as peer:
        command = {"command": "mlCoach.runs", "arguments": []}
        early = await peer.ask(1, "workspace/executeCommand", command)
        assert early["error"]["code"] == NOT_INITIALIZED
        peer.send(framed(method="workspace/didChangeConfiguration", params={"settings": {}}))
        await peer.initialize()
        peer.send(framed(method="initialized", params={}))
        assert (await peer.ask(2, "workspace/executeCommand", command))["result"] == {"runs": []}


async def test_a_second_initialize_is_refused_and_the_root_stays(tmp_path: Path):
    async with raw_peer(tmp_path) as peer:
        await peer.initialize()
        second = await peer.initialize(2, rootUri="file:///elsewhere")
        assert second["error"]["code"] == INVALID_REQUEST
        (peer.root / "own.py").write_text("x = 1\n")
        command = {
            "command": "mlCoach.generate",
            "arguments": [{"prompt": "do it", "targetUri": "file:///elsewhere/a.py"}],
        }
        reply = await peer.ask(3, "workspace/executeCommand", command)
        assert f"outside the workspace folders ({peer.root})" in reply["error"]["message"]


async def test_after_shutdown_every_request_is_refused_until_exit(tmp_path: Path):
    async with raw_peer(tmp_path) as peer:
        await peer.initialize()
        assert (await peer.ask(2, "shutdown"))["result"] is None
        for number, method in ((3, "textDocument/hover"), (4, "shutdown"), (5, "no/such")):
            assert (await peer.ask(number, method, {}))["error"]["code"] == INVALID_REQUEST
        peer.send(framed(method="exit"))
        assert await asyncio.wait_for(peer.process.wait(), 10) == 0


async def test_header_names_are_read_in_any_case(tmp_path: Path):
    async with raw_peer(tmp_path) as peer:
        for number, name in enumerate((b"content-length", b"CONTENT-LENGTH", b"Content-length")):
            message = framed(id=number, method="shutdown")
            peer.send(message.replace(b"Content-Length", name))
            assert (await peer.reply(number))["error"]["code"] == NOT_INITIALIZED


BODY = json.dumps({"jsonrpc": "2.0", "method": "$/nothing", "params": {"a": "b" * 50}}).encode()
BAD_BYTES = {
    "a header without a length": b"Content-Type: text\r\n\r\n",
    "a length that is no number": b"Content-Length: many\r\n\r\n" + BODY,
    "a negative length": b"Content-Length: -5\r\n\r\n" + BODY,
    "a length of nothing": b"Content-Length: 0\r\n\r\n",
    "a length of terabytes": b"Content-Length: 999999999999\r\n\r\n" + BODY,
    "a length that is too short": b"Content-Length: 20\r\n\r\n" + BODY,
    "a length that is too long": b"Content-Length: %d\r\n\r\n%s" % (len(BODY) + 30, BODY),
    "a length that is megabytes too long": b"Content-Length: 200000000\r\n\r\n" + BODY,
    "a length that is megabytes too long before a header of two lines": (
        b"Content-Length: 200000000\r\n\r\n{"
        + framed(method="$/lost").replace(b"\r\n\r\n", b"\r\nContent-Type: text\r\n\r\n")
    ),
    "lines of a shell": b"bash: warning: no such locale\n\n",
    "200 kB without a line end": b"x" * 200_000,
    "200 kB of empty lines": b"\r\n" * 100_000,
    "half of a JSON text": b'Content-Length: 9\r\n\r\n{"id": 1,',
    "bytes that are no text": b"Content-Length: 4\r\n\r\n\xff\xfe\x00\x80",
    "JSON nested 100,000 deep": b"Content-Length: 100000\r\n\r\n" + b"[" * 100_000,
    "a number of 10,000 digits": b"Content-Length: 10000\r\n\r\n" + b"1" * 10_000,
    "a list": b"Content-Length: 2\r\n\r\n[]",
    "null": b"Content-Length: 4\r\n\r\nnull",
    "an empty object": b"Content-Length: 2\r\n\r\n{}",
}


async def test_the_stream_is_read_on_after_bytes_that_are_no_message(tmp_path: Path):
    async with raw_peer(tmp_path) as peer:
        await peer.initialize()
        peer.send(framed(method="initialized", params={}))
        for what, bad in BAD_BYTES.items():
            peer.send(bad)
            # Some bytes may take the next message with them, never the ones after it.
            peer.send(framed(method="$/lost"))
            assert await peer.answers(what), what


BAD_MESSAGES: dict[str, tuple[dict[str, Any], int | None]] = {
    "params of a wrong shape": ({"method": "textDocument/hover", "params": 5}, INVALID_PARAMS),
    "no params": ({"method": "textDocument/hover"}, INVALID_PARAMS),
    "a position that is a text": (
        {
            "method": "textDocument/hover",
            "params": {"textDocument": {"uri": "file:///a"}, "position": "here"},
        },
        INVALID_PARAMS,
    ),
    "a method that is a number": ({"method": 5}, INVALID_REQUEST),
    "an old version": ({"method": "textDocument/hover", "jsonrpc": "1.0"}, INVALID_REQUEST),
    "no version": ({"method": "textDocument/hover", "jsonrpc": None}, INVALID_REQUEST),
    "an unknown method": ({"method": "textDocument/magic", "params": {}}, -32601),
    "a command that is none": (
        {"method": "workspace/executeCommand", "params": {"command": "rm"}},
        INVALID_PARAMS,
    ),
    "a reply to nothing": ({"result": 5}, None),
    "neither request nor reply": ({}, None),
}


async def test_a_bad_request_gets_an_error_reply(tmp_path: Path):
    async with raw_peer(tmp_path) as peer:
        await peer.initialize()
        peer.send(framed(method="initialized", params={}))
        for what, (message, code) in BAD_MESSAGES.items():
            peer.send(framed(id=what, **message))
            if code is not None:
                error = (await peer.reply(what))["error"]
                assert error["code"] == code, what
                assert "Traceback" not in str(error)
            assert await peer.answers(f"after {what}"), what


async def test_messages_that_cannot_be_answered_are_passed_over(tmp_path: Path):
    async with raw_peer(tmp_path) as peer:
        await peer.initialize()
        for odd in (None, [1], {"a": 1}, 1.5, True):
            peer.send(framed(id=odd, method="textDocument/hover", params={}))
        peer.send(framed(method="textDocument/didOpen", params={"textDocument": 5}))
        peer.send(framed(method="$/cancelRequest"))
        assert await peer.answers()


ODD_URIS = (
    "file:///a%00b.py",
    "file:///" + "x" * 5000 + ".py",
    "file://[::1",
    "http://[::1",
    "untitled:notes",
    "",
)


@pytest.mark.parametrize("uri", ODD_URIS)
async def test_a_document_and_a_folder_that_no_path_can_name_break_nothing(
    tmp_path: Path, uri: str
):
    async with raw_peer(tmp_path) as peer:
        folders = [{"uri": peer.root.as_uri(), "name": "a"}, {"uri": uri, "name": "b"}]
        if "error" in await peer.initialize(workspaceFolders=folders):
            await peer.initialize("again")
        document = {"uri": uri, "languageId": "python", "version": 1, "text": "# coach: do it\n"}
        peer.send(framed(method="textDocument/didOpen", params={"textDocument": document}))
        peer.send(framed(method="initialized", params={}))
        for number, argument in enumerate(({"uri": uri}, {"uri": uri, "testUri": uri})):
            command = {"command": "mlCoach.debug", "arguments": [argument]}
            error = (await peer.ask(number, "workspace/executeCommand", command))["error"]
            assert error["code"] in (INVALID_PARAMS, REQUEST_FAILED), error
        assert await peer.answers()


async def test_the_server_ends_with_an_editor_that_ends_before_it_says_initialized(tmp_path: Path):
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-c", "input()", stdin=asyncio.subprocess.PIPE
    )
    async with raw_peer(tmp_path) as peer:
        await peer.initialize(processId=process.pid)
        await peer.ask(1, "no/such")  # By its answer the process has been looked at.
        await process.communicate(b"\n")
        assert await asyncio.wait_for(peer.process.wait(), 10) == 1


async def test_the_server_ends_with_the_editors_process_though_another_holds_the_pipe(
    tmp_path: Path,
):
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-c", "input()", stdin=asyncio.subprocess.PIPE
    )
    async with raw_peer(tmp_path) as peer:
        await peer.initialize(processId=process.pid)
        peer.send(framed(method="initialized", params={}))
        assert await peer.answers()
        await process.communicate(b"\n")
        # Standard input stays open: this test holds it.
        assert await asyncio.wait_for(peer.process.wait(), 10) == 1


async def test_a_process_that_cannot_be_seen_from_here_is_not_watched(tmp_path: Path):
    async with raw_peer(tmp_path) as peer:
        await peer.initialize(processId=2**22 + 5)
        peer.send(framed(method="initialized", params={}))
        assert await peer.answers()
        assert await peer.answers("again")


def test_an_editor_that_reads_nothing_more_does_not_block_the_end():
    process = subprocess.Popen(SERVER, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    with process:
        initialize = {"processId": None, "rootUri": None, "capabilities": {}}
        process.stdin.write(framed(id=0, method="initialize", params=initialize))
        # The replies are more than a pipe holds; the last request shows that all were read.
        for number in range(1, 1000):
            process.stdin.write(framed(id=number, method="x" * 400))
        process.stdin.flush()
        process.terminate()
        assert process.wait(10) == 1


async def test_a_document_of_20_mb_is_answered_and_takes_little_memory(tmp_path: Path):
    async with raw_peer(tmp_path) as peer:
        await peer.initialize()
        peer.send(framed(method="initialized", params={}))
        assert await peer.answers()
        text = "def stub():\n    ...\n" + "values = [1, 2, 3]\n" * 1_050_000
        uri = (peer.root / "large.py").as_uri()
        document = {"uri": uri, "languageId": "python", "version": 1, "text": text}
        here = {"line": 1, "character": 0}
        params = {
            "textDocument": {"uri": uri},
            "range": {"start": here, "end": here},
            "context": {"diagnostics": []},
        }
        peer.send(framed(method="textDocument/didOpen", params={"textDocument": document}))
        reply = await peer.ask(1, "textDocument/codeAction", params)
        assert reply["result"] == []
        command = {"command": "mlCoach.debug", "arguments": [{"uri": uri}]}
        error = (await peer.ask(2, "workspace/executeCommand", command))["error"]
        assert "large.py is too long" in error["message"]
        # The text itself, once as it came and once as it is kept.
        assert psutil.Process(peer.process.pid).memory_info().rss < 300e6


async def test_half_a_character_in_a_prompt_is_refused_with_a_sentence(tmp_path: Path):
    async with raw_peer(tmp_path) as peer:
        await peer.initialize()
        command = {"command": "mlCoach.generate", "arguments": [{"prompt": "add \ud800 numbers"}]}
        error = (await peer.ask(1, "workspace/executeCommand", command))["error"]
        assert error["code"] == INVALID_PARAMS
        assert "'prompt' of mlCoach.generate holds half a character" in error["message"]
