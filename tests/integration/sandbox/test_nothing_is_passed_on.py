"""Programs that are tried one after another, or at once, leave each other nothing."""

from __future__ import annotations

import pytest

from ml_coach.core.types import Program, Suite
from ml_coach.execution.executor import SandboxedExecutor

SUITE = Suite("from generated_code import found\n\n\ndef test_a():\n    assert found == []\n")
LEAVES = Program("""\
import os, socket, tempfile
here = os.path.dirname(os.getcwd())
folders = (here, os.getcwd(), tempfile.gettempdir(), "/tmp", "/dev/shm")
found = [folder for folder in folders if os.path.exists(os.path.join(folder, "left"))]
for folder in folders:
    path = os.path.join(folder, "left")
    try: open(path, "w").close(); folder == os.getcwd() or os.chmod(folder, 0o300)
    except OSError: pass
try:
    ours = socket.socket(); ours.bind(("127.0.0.1", 45_678)); ours.listen()
    if os.fork() == 0:
        os.setsid(); ours.accept()
except PermissionError: pass
except OSError as error: found.append(str(error))
""")


@pytest.mark.parametrize("level", ["namespaces", "bubblewrap", "landlock"])
async def test_equal_programs_have_equal_verdicts(level: str) -> None:
    executor = SandboxedExecutor(only_level=level)
    try:
        reports = await executor.test([LEAVES] * 4, SUITE, timeout_seconds=8)
    finally:
        await executor.aclose()
    assert [(report.verdict, report.why) for report in reports] == [("passed", "")] * 4
