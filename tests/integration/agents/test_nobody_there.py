"""The three servers on standard input and output, started where nobody speaks with them."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
from agent_place import Place

INITIALIZE = (
    b'{"jsonrpc": "2.0", "id": 1, "method": "initialize", "params": {"protocolVersion": 1}}\n'
)


@pytest.mark.parametrize("command", ["acp", "mcp", "serve"])
@pytest.mark.parametrize("output", ["pipe", "file"])
def test_without_a_client_it_ends_quietly(
    place: Place, tmp_path: Path, command: str, output: str
) -> None:
    with (tmp_path / "out").open("wb") as file:
        ended = subprocess.run(
            [sys.executable, "-m", "ml_coach", command], check=False, timeout=60,
            cwd=place.folder, env=place.environment(), stdin=subprocess.DEVNULL,
            stdout=file if output == "file" else subprocess.PIPE, stderr=subprocess.PIPE,
        )  # fmt: skip
    assert (ended.returncode, ended.stderr) == (0, b"")
    assert not ended.stdout
    assert not (tmp_path / "out").read_bytes()


def test_an_agent_reads_from_a_file_and_writes_into_one(place: Place, tmp_path: Path) -> None:
    (tmp_path / "in").write_bytes(INITIALIZE)
    with (tmp_path / "in").open("rb") as read, (tmp_path / "out").open("wb") as written:
        ended = subprocess.run(
            [sys.executable, "-m", "ml_coach", "acp"], check=False, timeout=60, cwd=place.folder,
            env=place.environment(), stdin=read, stdout=written, stderr=subprocess.PIPE,
        )  # fmt: skip
    assert (ended.returncode, ended.stderr) == (0, b"")
    assert b'"protocolVersion":1' in (tmp_path / "out").read_bytes().replace(b" ", b"")
