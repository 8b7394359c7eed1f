"""What a chat and an editor's agents ask of the server: verdicts on tests, quiet runs."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from raw import RawPeer, framed, raw_peer

from scripted_model import PROMPT, ScriptedModel

PATIENCE = 100.0  # seconds, on a machine that does much else
PROGRAM = {"path": "double.py", "text": "def double(n):\n    return n * 2\n"}
TESTS = {
    "path": "test_double.py",
    "text": (
        "from double import double\n\n\n"
        "def test_two():\n    assert double(2) == 4\n\n\n"
        "def test_nothing():\n    double(1)\n"
    ),
}


async def asked(peer: RawPeer, number: int, command: str, **argument: Any) -> Any:
    """The reply to a command, which is an error or has a result."""
    params = {"command": f"mlCoach.{command}", "arguments": [argument]}
    peer.send(framed(id=number, method="workspace/executeCommand", params=params))
    return await peer.reply(number, PATIENCE)


async def test_texts_and_files_on_disk_are_judged_in_the_sandbox(tmp_path: Path):
    async with raw_peer(tmp_path) as peer:
        await peer.initialize()
        sent = (await asked(peer, 1, "verify", files=[PROGRAM, TESTS]))["result"]
        assert (sent["verdict"], len(sent["tests"])) == ("passed", 2)
        assert sent["level"]
        assert not list(peer.root.iterdir())

        (peer.root / "double.py").write_text("def double(n):\n    return n * 3\n")
        (peer.root / "test_double.py").write_text(TESTS["text"])
        on_disk = (await asked(peer, 2, "verify", path="."))["result"]
        failed = [test for test in on_disk["tests"] if test["outcome"] == "failed"]
        assert [test["name"] for test in failed] == ["test_double.py::test_two"]
        both = (await asked(peer, 3, "verify", path=".", files=[PROGRAM]))["result"]
        assert (both["verdict"], both["replaced"]) == ("passed", ["double.py"])


async def test_nothing_outside_the_workspace_folders_is_read(tmp_path: Path):
    outside = tmp_path / "outside"
    outside.mkdir()
    (outside / "test_secret.py").write_text("def test_it():\n    assert 'secret' == ''\n")
    async with raw_peer(tmp_path) as peer:
        await peer.initialize()
        (peer.root / "link").symlink_to(outside)
        for number, path in enumerate(("../outside", str(outside), "link", "link/test_secret.py")):
            for command in ("verify", "filterTests"):
                error = (await asked(peer, f"{number}{command}", command, path=path))["error"]  # type: ignore[arg-type]
                assert "outside the workspace folders" in error["message"]
        named = {"path": "../outside/test_secret.py", "text": "def test_it(): pass\n"}
        error = (await asked(peer, 20, "verify", files=[named]))["error"]
        assert "no path inside" in error["message"]
        error = (await asked(peer, 21, "verify", files=[{"path": "a.py"}]))["error"]
        assert "needs 'text'" in error["message"]


async def test_a_test_that_cannot_fail_is_named(tmp_path: Path):
    async with raw_peer(tmp_path) as peer:
        await peer.initialize()
        found = (await asked(peer, 1, "filterTests", files=[PROGRAM, TESTS]))["result"]
    verdicts = {test["test"]: test["verdict"] for test in found["tests"]}
    assert verdicts == {
        "test_double.py::test_two": "notices",
        "test_double.py::test_nothing": "cannot_fail",
    }
    assert 0 < found["score"] <= 1


async def test_a_call_is_ended_by_its_id(tmp_path: Path):
    endless = {"path": "test_endless.py", "text": "def test_it():\n    while True:\n        pass\n"}
    async with raw_peer(tmp_path, RUN_TIMEOUT="90") as peer:
        await peer.initialize()
        argument = {"files": [endless], "callId": "mine"}
        params = {"command": "mlCoach.verify", "arguments": [argument]}
        peer.send(framed(id=1, method="workspace/executeCommand", params=params))
        stopped: list[str] = []
        number = 2
        while not stopped:  # Until the call has begun.
            number += 1
            stopped = (await asked(peer, number, "stop", runId="mine"))["result"]["stopped"]
        assert stopped == ["mine"]
        replies = [message for message in peer.messages if message.get("id") == 1]
        reply = replies[0] if replies else await peer.reply(1, PATIENCE)
    assert "Stopped by the user" in reply["error"]["message"]


async def test_a_quiet_run_is_told_by_the_client_alone(tmp_path: Path, model: ScriptedModel):
    def said(messages: list[Any]) -> set[str]:
        ends = [m for m in messages if "pass" in str(m.get("params", {}).get("message", ""))]
        kinds = {message.get("method") for message in messages}
        told = {"its end"} if any(m["method"] == "window/showMessage" for m in ends) else set[str]()
        return told | (kinds & {"window/workDoneProgress/create"})

    options = {"drawsRuns": True, "events": True, "maxIters": 1}
    window = {"window": {"workDoneProgress": True}}
    async with raw_peer(tmp_path, ML_COACH_MODEL=model.model) as peer:
        await peer.initialize(initializationOptions=options, capabilities=window)
        run = (await asked(peer, 1, "generate", prompt=PROMPT, quiet=True))["result"]
        ended = await peer.until(
            lambda m: m.get("method") == "mlCoach/run" and not m["params"]["active"], PATIENCE
        )
        assert await peer.answers()
        assert said(peer.messages) == set()
        assert ended["params"]["outcome"] == "gave_up"
        assert "pass" in ended["params"]["summary"]
        steps = (await asked(peer, 2, "explain", **run))["result"]["steps"]
        assert any("2 tests" in step or "tests pass" in step for step in steps)
        assert "There is no run" in (await asked(peer, 3, "explain", runId="x"))["error"]["message"]

        peer.messages.clear()
        await asked(peer, 4, "generate", prompt=PROMPT)
        await peer.until(
            lambda m: m.get("method") == "mlCoach/run" and not m["params"]["active"], PATIENCE
        )
        assert await peer.answers("again")
        assert said(peer.messages) == {"its end", "window/workDoneProgress/create"}
