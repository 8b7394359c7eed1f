"""Where runs have no mounts of their own, what they hide of their files is counted as well."""

from __future__ import annotations

import shutil

import pytest

from ml_coach.execution.executor import SandboxedExecutor

FILLS = """\
import os, time
kept = []
def fill(name):
    kept.append(open(name, "wb", buffering=0))
    for n in range(48): kept[-1].write(bytes(1 << 20))
"""
HIDES = {
    "in a folder that nobody may read": "os.mkdir('z', 0o300)\nfor n in range(9): fill(f'z/{n}')\n",
    "deeper than a path can say": "for n in range(60): os.mkdir('d' * 90); os.chdir('d' * 90)\n"
    "for n in range(9): fill(str(n))\n",
    "in files that it removed": "for n in range(9): fill(str(n)); os.unlink(str(n))\n",
    "in folders that hold nothing": "for n in range(60000): os.mkdir('d' * 200 + str(n))\n",
}


@pytest.mark.parametrize("level", ["bubblewrap", "landlock"])
@pytest.mark.parametrize("where", HIDES)
async def test_hidden_files_count(level: str, where: str) -> None:
    if level == "bubblewrap" and not shutil.which("bwrap"):
        pytest.skip("bubblewrap is not installed here")
    program = f"{FILLS}{HIDES[where]}time.sleep(20)\n"
    executor = SandboxedExecutor(only_level=level)
    try:
        ran = await executor.run("a.py", {"a.py": program}, timeout_seconds=15)
    finally:
        await executor.aclose()
    # Where the kernel counts, it refuses at the limit.
    assert ran.limit == "disk" or "No space left on device" in ran.stderr, ran


async def test_folders_within_folders_are_no_harm() -> None:
    program = "import os\nfor n in range(1500): os.mkdir('d'); os.chdir('d')\nprint('made')\n"
    executor = SandboxedExecutor(only_level="landlock")
    try:
        ran = await executor.run("a.py", {"a.py": program}, timeout_seconds=15)
    finally:
        await executor.aclose()
    assert (ran.stdout, ran.limit) == ("made\n", "")
