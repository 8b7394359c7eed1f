"""What editors that run in batch share: each has a probe script that drives it and reports."""

from __future__ import annotations

import asyncio
import json
import os
import sys
from pathlib import Path
from typing import Any

from scripted_model import PROMPT, RIGHT, scripted_model


async def probe(
    folder: Path, *command: str, environment: dict[str, str] | None = None, seconds: float = 90
) -> dict[str, Any]:
    """Runs an editor, by its command line, in a new project in `folder`; gives back its probe's
    report. `environment` adds variables for the probe."""
    root, report_file = folder / "project", folder / "report.json"
    (root / ".git").mkdir(parents=True)  # What every editor takes for a project's root.
    (root / "notes.py").write_text(f"# coach: {PROMPT}\n")
    async with scripted_model() as model:
        variables = {
            **os.environ,
            "HOME": str(folder),
            "ML_COACH": str(Path(sys.executable).with_name("ml-coach")),
            "ML_COACH_MODEL": model.model,
            "XDG_STATE_HOME": str(folder / "state"),
            "PROBE_ROOT": str(root),
            "PROBE_REPORT": str(report_file),
            "PROBE_RIGHT": RIGHT,
            **(environment or {}),
        }
        editor = await asyncio.create_subprocess_exec(
            *command,
            env=variables,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.STDOUT,
        )
        async with asyncio.timeout(seconds):
            output, _ = await editor.communicate()
    assert report_file.exists(), output.decode()
    report = json.loads(report_file.read_text())
    assert "failure" not in report, json.dumps(report)
    return report
