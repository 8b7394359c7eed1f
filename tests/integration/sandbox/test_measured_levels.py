"""A level is named only where a probe has seen that it contains."""

from __future__ import annotations

import os
import platform
import subprocess
import sys
from pathlib import Path

import pytest

HERE = Path(__file__).parent
READS = "import sys\nprint(open({path!r}).read())\n"

pytestmark = pytest.mark.skipif(
    platform.machine() != "x86_64", reason="the simulated kernels are filters for x86_64"
)


def ran_on_a_kernel_without(what: str, folder: Path, level: str = "") -> str:
    """What `ml-coach exec` prints of a program that reads a secret beside its folder."""
    secret = folder / "secret.txt"
    secret.write_text("the-secret")
    program = folder / "program" / "program.py"
    program.parent.mkdir()
    program.write_text(READS.format(path=str(secret)))
    command = [sys.executable, "-m", "ml_coach", "exec", str(program)]
    chosen = ["--level", level] if level else []
    ran = subprocess.run(
        [sys.executable, str(HERE / "old_kernel.py"), what, *command, *chosen],
        capture_output=True,
        text=True,
        env={**os.environ, "HOME": str(folder)},
        timeout=200,
    )
    assert ran.returncode != 0
    return ran.stdout + ran.stderr


def test_what_contains_nothing_is_not_offered(tmp_path: Path) -> None:
    printed = ran_on_a_kernel_without("nl", tmp_path, "landlock")
    assert "the-secret" not in printed
    assert "Generated code is not run" in printed
    assert "landlock: a program can" in printed


def test_webassembly_takes_over_where_the_kernel_contains_nothing(tmp_path: Path) -> None:
    printed = ran_on_a_kernel_without("nl", tmp_path)
    assert "the-secret" not in printed
    assert "No such file" in printed


def test_landlock_alone_is_offered_where_it_contains(tmp_path: Path) -> None:
    printed = ran_on_a_kernel_without("n", tmp_path)
    assert "the-secret" not in printed
    assert "Permission denied" in printed


def test_namespaces_contain_without_landlock(tmp_path: Path) -> None:
    printed = ran_on_a_kernel_without("l", tmp_path, "namespaces")
    assert "the-secret" not in printed
    assert "No such file" in printed
