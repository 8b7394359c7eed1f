"""What editors that run in batch share: each has a probe script that drives it and reports."""

from __future__ import annotations

import asyncio
import json
import os
import re
import sys
from pathlib import Path
from typing import Any

from failing_project import FailingProject
from scripted_model import DIVIDED_PROMPT, PROMPT, RIGHT, scripted_model

EDITORS = Path(__file__).parents[1] / "docs" / "editors.md"


def documented_setup(editor: str) -> str:
    """The block of settings that docs/editors.md gives below the heading `editor`."""
    page = EDITORS.read_text(encoding="utf-8")
    block = re.search(rf"^## {re.escape(editor)}\n.*?^```\w+\n(.*?)^```", page, re.M | re.S)
    assert block is not None, f"docs/editors.md has no block for {editor}"
    return block[1]


async def probe(
    folder: Path,
    editor: str,
    *command: str,
    environment: dict[str, str] | None = None,
    seconds: float = 90,
    divided: bool = False,
    failing: FailingProject | None = None,
) -> dict[str, Any]:
    """Runs an editor, by its command line, in a new project in `folder`; gives back its probe's
    report. The probe sets the editor up by the block of docs/editors.md under `editor`.
    `environment` adds variables for the probe. With `divided` the task is the one that only the
    user can decide, and one question is asked of them. `failing` makes it that
    project."""
    root, report_file = folder / "project", folder / "report.json"
    (root / ".git").mkdir(parents=True)  # What every editor takes for a project's root.
    (root / "notes.py").write_text(f"# coach: {DIVIDED_PROMPT if divided else PROMPT}\n")
    if failing:
        failing.write(root)
    setup_file = folder / "setup"
    setup_file.write_text(documented_setup(editor))
    ours = Path(sys.executable).parent
    async with scripted_model() as model:
        if divided:
            model.divide()
        if failing:
            model.replies["debugger"] = failing.reply
        variables = {
            **os.environ,
            "HOME": str(folder),
            "PATH": f"{ours}{os.pathsep}{os.environ['PATH']}",
            "ML_COACH_MODEL": model.model,
            "XDG_STATE_HOME": str(folder / "state"),
            "PROBE_SETUP": str(setup_file),
            "PROBE_ROOT": str(root),
            "PROBE_REPORT": str(report_file),
            "PROBE_RIGHT": RIGHT,
            "MAX_QUESTIONS": "1",
            **(failing.variables if failing else {}),
            **(environment or {}),
        }
        process = await asyncio.create_subprocess_exec(
            *command,
            env=variables,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.STDOUT,
        )
        async with asyncio.timeout(seconds):
            output, _ = await process.communicate()
    assert report_file.exists(), output.decode()
    report = json.loads(report_file.read_text())
    assert "failure" not in report, json.dumps(report)
    return report
