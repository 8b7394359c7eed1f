"""The whole loop in a real Emacs 28 with eglot 1.9, in batch, by eglot's own commands."""

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
_PROBE = Path(__file__).parent / "emacs" / "probe.el"


async def test_generates_repairs_and_undoes_in_emacs(tmp_path: Path):
    if not shutil.which("emacs"):
        pytest.skip("no emacs on the path: apt-get install emacs-nox elpa-eglot")
    root, report_file = tmp_path / "project", tmp_path / "report.json"
    root.mkdir()
    (root / ".git").mkdir()  # What Emacs takes for a project's root.
    (root / "notes.py").write_text(f"# coach: {PROMPT}\n")
    async with scripted_model() as model:
        environment = {
            **os.environ,
            "HOME": str(tmp_path),
            "ML_COACH": str(Path(sys.executable).with_name("ml-coach")),
            "ML_COACH_MODEL": model.model,
            "XDG_STATE_HOME": str(tmp_path / "state"),
            "PROBE_ROOT": str(root),
            "PROBE_REPORT": str(report_file),
            "PROBE_RIGHT": RIGHT,
        }
        emacs = await asyncio.create_subprocess_exec(
            "emacs", "-q", "--batch", "--eval", "(package-initialize)", "-l", str(_PROBE),
            env=environment, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT,
        )  # fmt: skip
        async with asyncio.timeout(90):
            output, _ = await emacs.communicate()
    assert report_file.exists(), output.decode()
    report = json.loads(report_file.read_text())
    assert "failure" not in report, json.dumps(report)
    assert report["program"] == WRONG
    assert "def test_small():" in report["tests"]
    assert "add(1, 2) gave -1, expected 3" in report["found"][0]
