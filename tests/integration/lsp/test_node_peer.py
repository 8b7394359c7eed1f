"""The whole scenario against `vscode-languageserver-protocol`, which shares no line with pygls."""

from __future__ import annotations

import asyncio
import json
import os
import shutil
import sys
from pathlib import Path

import pytest

from scripted_model import PROMPT, RIGHT, ScriptedModel

_PEER = Path(__file__).parent / "node" / "peer.mjs"
_MODULES = Path.home() / ".cache" / "ml-coach-tests" / "node"


@pytest.fixture
def peer_folder() -> Path:
    """Where `npm install vscode-languageserver-protocol` was run, outside the tree."""
    folder = Path(os.environ.get("ML_COACH_NODE_PEER", _MODULES))
    if not shutil.which("node") or not (folder / "node_modules").is_dir():
        pytest.skip(f"no node, or no vscode-languageserver-protocol in {folder}")
    return folder


async def test_another_implementation_of_the_protocol_agrees(
    model: ScriptedModel, root: Path, tmp_path: Path, peer_folder: Path
):
    environment = {
        **os.environ,
        "ML_COACH": str(Path(sys.executable).with_name("ml-coach")),
        "ML_COACH_MODEL": model.model,
        "XDG_STATE_HOME": str(tmp_path / "state"),
        "NODE_PEER": str(peer_folder),
        "PROBE_ROOT": str(root),
        "PROBE_PROMPT": PROMPT,
    }
    node = await asyncio.create_subprocess_exec(
        "node", str(_PEER), env=environment,
        stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE,
    )  # fmt: skip
    async with asyncio.timeout(90):
        output, errors = await node.communicate()
    assert node.returncode == 0, errors.decode()
    seen = json.loads(output.splitlines()[-1])
    assert seen["refusals"][0][0] == -32602
    assert "does not know 'colour'" in seen["refusals"][0][1]
    assert seen["finding"]["source"] == "ML Coach"
    assert seen["edited"]
    assert seen["answer"] == {"applied": True, "reason": ""}
    assert seen["program"] == RIGHT
    assert seen["left"] == []
    assert (seen["progress"][0], seen["progress"][-1]) == ("begin", "end")
    assert seen["progress"].count("begin") == seen["progress"].count("end") == 1
    assert seen["undone"]["action"] == "undone"
    assert seen["files"] == []
    assert seen["exitCode"] == 0
