"""ML Coach starts where Python lacks what only Linux and macOS have."""

from __future__ import annotations

import subprocess
import sys

LACKING = """\
import asyncio, importlib, pkgutil, sys
# These have a part for each system, and on this one that needs what is taken away.
import mcp.server, psutil
class Lacking:
    def find_spec(self, name, path=None, target=None):
        if name in ("resource", "fcntl", "pwd", "grp", "termios", "tty", "pty"):
            raise ModuleNotFoundError(f"No module named {name!r}", name=name)
for name in ("resource", "fcntl", "pwd", "grp", "termios"):
    sys.modules.pop(name, None)
sys.meta_path.insert(0, Lacking())
import ml_coach
for found in pkgutil.walk_packages(ml_coach.__path__, "ml_coach."):
    if not found.name.startswith(("ml_coach.execution.inside.", "ml_coach.__main__")):
        importlib.import_module(found.name)
from ml_coach.execution.executor import SandboxedExecutor
from ml_coach.execution.levels import SandboxUnavailable
import sysconfig
sysconfig.get_config_vars()  # It asks which system this is, once.
sys.platform = "win32"
try:
    asyncio.run(SandboxedExecutor(allow_weak=True).run("x.py", {"x.py": ""}, timeout_seconds=5))
except SandboxUnavailable as error:
    print("WSL2 or a dev container" in str(error))
"""


def test_everything_is_imported_without_what_windows_lacks_and_says_what_to_do() -> None:
    ran = subprocess.run(
        [sys.executable, "-c", LACKING], capture_output=True, text=True, timeout=200
    )
    assert ran.stdout == "True\n", ran.stderr[-2000:]
