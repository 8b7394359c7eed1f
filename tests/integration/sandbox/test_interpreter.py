"""Which Python runs the code, through the front door and with real virtual environments."""

from __future__ import annotations

import asyncio
import json
import os
import shutil
import subprocess
import sys
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from ml_coach.core.results import Execution
from ml_coach.core.types import Program, Suite
from ml_coach.execution.executor import SandboxedExecutor
from ml_coach.execution.levels import SandboxUnavailable

PREFIX = "import sys\nprint(sys.prefix)\n"
ONLY_OURS = "pyflakes"  # what ML Coach itself needs
NEITHERS = "nothing_like_it"


def made(folder: Path, *packages: str, python: str = sys.executable) -> Path:
    """A virtual environment with tiny packages in it, and with nothing else."""
    subprocess.run([python, "-m", "venv", "--without-pip", str(folder)], check=True)
    for package in packages:
        install(folder, package)
    return folder


def install(environment: Path, package: str) -> None:
    (site,) = environment.glob("lib/python3*/site-packages")
    (site / f"{package}.py").write_text("VALUE = 7\n")


@pytest.fixture
async def executor(tmp_path: Path) -> AsyncIterator[SandboxedExecutor]:
    """An executor of a workspace whose environment has the package `theirs`."""
    await asyncio.to_thread(made, tmp_path / ".venv", "theirs")
    executor = SandboxedExecutor(workspace=tmp_path)
    yield executor
    await executor.aclose()


async def run(executor: SandboxedExecutor, code: str) -> Execution:
    return await executor.run("x.py", {"x.py": code}, timeout_seconds=8)


async def test_the_workspaces_python_runs_what_it_has_the_packages_for(
    executor: SandboxedExecutor, tmp_path: Path
) -> None:
    ran = await run(executor, f"import theirs\n{PREFIX}print(theirs.VALUE)\n")
    assert ran.stdout == f"{tmp_path / '.venv'}\n7\n"
    version = f"{sys.version_info[0]}.{sys.version_info[1]}"
    assert ran.ran_on == f"Python {version} at {tmp_path / '.venv/bin/python'}"


async def test_our_own_python_runs_what_only_it_has_the_packages_for(
    executor: SandboxedExecutor, tmp_path: Path
) -> None:
    ran = await run(executor, f"def f():\n    import {ONLY_OURS}\nf()\n{PREFIX}")
    assert ran.stdout == f"{sys.prefix}\n", ran
    assert ran.ran_on.endswith(
        f"ML Coach's own: {tmp_path / '.venv/bin/python'} has no {ONLY_OURS}"
    )
    assert (await run(executor, PREFIX)).stdout == f"{tmp_path / '.venv'}\n"


async def test_the_imports_of_a_suite_count_as_well(executor: SandboxedExecutor) -> None:
    programs = [Program("import theirs\nVALUE = theirs.VALUE\n"), Program("VALUE = 7\n")]
    test = "from generated_code import VALUE\ndef test_value():\n    assert VALUE == 7\n"
    for imported, expected in (("theirs", "at"), (ONLY_OURS, "ML Coach's own")):
        suite = Suite(f"import pytest, {imported}\n{test}")
        (report,) = await executor.test(programs[1:], suite, timeout_seconds=8)
        assert (report.verdict, expected in report.ran_on) == ("passed", True), report
    (report,) = await executor.test(programs[:1], Suite(test), timeout_seconds=8)
    assert report.verdict == "passed", report


@pytest.mark.parametrize(
    "code",
    [
        f"try:\n    import {ONLY_OURS}\nexcept ImportError: pass\n",
        f"from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    import {ONLY_OURS}\n",
        f"import os.path, json\nif 0:\n    import theirs, {ONLY_OURS}, {NEITHERS}\n",
    ],
)
async def test_the_workspaces_python_is_kept_where_ours_would_not_help(
    executor: SandboxedExecutor, tmp_path: Path, code: str
) -> None:
    assert (await run(executor, f"{code}{PREFIX}")).stdout == f"{tmp_path / '.venv'}\n"


async def test_the_users_own_modules_do_not_count_as_packages(
    executor: SandboxedExecutor, tmp_path: Path
) -> None:
    (tmp_path / f"{ONLY_OURS}.py").write_text("VALUE = 'mine'\n")
    (tmp_path / "shop").mkdir()
    (tmp_path / "shop" / "prices.py").write_text("VALUE = 8\n")
    ran = await run(
        executor,
        f"import {ONLY_OURS}\nfrom shop import prices\n{PREFIX}print({ONLY_OURS}.VALUE)\n",
    )
    assert ran.stdout == f"{tmp_path / '.venv'}\nmine\n", ran


async def test_a_package_that_no_python_has_is_a_finding_that_says_how_to_install_it(
    executor: SandboxedExecutor, tmp_path: Path
) -> None:
    python = tmp_path / ".venv/bin/python"
    (finding,) = await executor.inspect(Program("\nimport docx"), {}, timeout_seconds=8)
    assert (finding.kind, finding.line) == ("missing_package", 2)
    assert finding.message == (
        f"the package docx is not installed; if you trust it: {python} -m pip install python-docx"
    )
    lazy = Program(f"def f():\n    import {NEITHERS}\n")
    suite = Suite("from generated_code import f\ndef test_f():\n    f()\n")
    (report,) = await executor.test([lazy], suite, timeout_seconds=8)
    assert report.findings[0].kind == "missing_package"
    assert f"{python} -m pip install {NEITHERS}" in report.findings[0].message
    (finding,) = await executor.inspect(Program("import os.nothing"), {}, timeout_seconds=8)
    assert (finding.kind, "pip" in finding.message) == ("runtime", False)


async def test_a_package_that_is_installed_between_runs_is_found(
    executor: SandboxedExecutor, tmp_path: Path
) -> None:
    code = f"import {ONLY_OURS}\n{PREFIX}"
    assert (await run(executor, code)).stdout == f"{sys.prefix}\n"
    install(tmp_path / ".venv", ONLY_OURS)
    assert (await run(executor, code)).stdout == f"{tmp_path / '.venv'}\n"


async def test_an_environment_that_is_made_between_runs_is_used(tmp_path: Path) -> None:
    executor = SandboxedExecutor(workspace=tmp_path)
    try:
        assert (await run(executor, PREFIX)).stdout == f"{sys.prefix}\n"
        await asyncio.to_thread(made, tmp_path / ".venv")
        assert (await run(executor, PREFIX)).stdout == f"{tmp_path / '.venv'}\n"
        shutil.rmtree(tmp_path / ".venv")
        assert (await run(executor, PREFIX)).stdout == f"{sys.prefix}\n"
    finally:
        await executor.aclose()


def _dangling(environment: Path) -> None:
    python = made(environment) / "bin" / "python"
    python.unlink()
    python.symlink_to("/nowhere/python")


def _no_python(environment: Path) -> None:
    (made(environment) / "bin" / "python").unlink()


def _other_program(environment: Path) -> None:
    python = made(environment) / "bin" / "python"
    python.unlink()
    python.symlink_to("/bin/true")


def _moved(environment: Path) -> None:
    """The Python that the environment was made from no longer exists."""
    config = made(environment) / "pyvenv.cfg"
    python = environment / "bin" / "python"
    python.unlink()
    shutil.copy(os.path.realpath(sys.executable), python)
    config.write_text("home = /nowhere/bin\n")


@pytest.mark.parametrize("broken", [_dangling, _no_python, _other_program, _moved])
async def test_a_broken_environment_is_reported_and_ours_is_used(
    tmp_path: Path, broken: object
) -> None:
    await asyncio.to_thread(broken, tmp_path / ".venv")  # type: ignore[arg-type]
    executor = SandboxedExecutor(workspace=tmp_path)
    try:
        ran = await run(executor, PREFIX)
        (report,) = await executor.test(
            [Program("")], Suite("def test_a(): pass\n"), timeout_seconds=8
        )
    finally:
        await executor.aclose()
    if broken is not _moved or not ran.stdout.startswith(str(tmp_path)):
        assert ran.stdout == f"{sys.prefix}\n"
        assert f"ML Coach's own: {tmp_path / '.venv/bin/python'} does not" in report.ran_on
    assert (ran.clean, report.verdict) == (True, "passed")


def other_pythons() -> dict[str, str]:
    """The paths of Pythons of other versions on this machine, by version."""
    known = [shutil.which(f"python3.{minor}") for minor in range(8, 15)]
    known += map(str, sorted(Path.home().glob(".pyenv/versions/3.*/bin/python")))
    found: dict[str, str] = {}
    for python in filter(None, known):
        asked = [python, "-c", "import sys, venv; print(*sys.version_info[:2], sep='.')"]
        answer = subprocess.run(asked, capture_output=True, text=True)
        if answer.returncode == 0 and answer.stdout != "{}.{}\n".format(*sys.version_info[:2]):
            found[answer.stdout.strip()] = python
    return found


async def test_environments_of_other_python_versions_are_used(tmp_path: Path) -> None:
    pythons = await asyncio.to_thread(other_pythons)
    if not pythons:
        pytest.skip("there is only one Python here")
    for version, python in pythons.items():
        workspace = tmp_path / version
        await asyncio.to_thread(made, workspace / ".venv", "theirs", python=python)
        executor = SandboxedExecutor(workspace=workspace)
        code = "import sys\nprint(*sys.version_info[:2], sep='.')\n"
        suite = Suite("import theirs, pytest\ndef test_a(tmp_path): assert theirs.VALUE == 7\n")
        try:
            ran = await run(executor, code)
            (report,) = await executor.test([Program("")], suite, timeout_seconds=20)
        finally:
            await executor.aclose()
        if tuple(map(int, version.split("."))) < (3, 11):
            assert ran.clean, ran
            assert "ML Coach's own" in ran.ran_on
            assert f"is Python {version}, older than 3.11" in ran.ran_on
        else:
            assert ran.stdout.strip() == version, (ran, report)
            assert report.verdict == "passed", report


async def test_a_named_interpreter_is_used(executor: SandboxedExecutor, tmp_path: Path) -> None:
    other = await asyncio.to_thread(made, tmp_path / "other")
    named = SandboxedExecutor(str(other / "bin" / "python"), workspace=tmp_path)
    try:
        ran = await run(named, PREFIX)
        (finding,) = await named.inspect(Program(f"import {ONLY_OURS}"), {}, timeout_seconds=8)
    finally:
        await named.aclose()
    assert ran.stdout == f"{other}\n"
    assert finding.kind == "missing_package"
    assert str(other) in finding.message


async def test_a_named_interpreter_that_does_not_start_runs_nothing(tmp_path: Path) -> None:
    executor = SandboxedExecutor(str(tmp_path / "python"))
    with pytest.raises(SandboxUnavailable, match=r"does not start.*ML_COACH_PYTHON"):
        await run(executor, PREFIX)


async def test_a_python_is_asked_for_a_package_once(
    executor: SandboxedExecutor, tmp_path: Path
) -> None:
    """A package that comes without a trace of its installation is not looked for again."""
    (site,) = (tmp_path / ".venv").glob("lib/python3*/site-packages")
    installed = site.stat()
    code = f"import {ONLY_OURS}\n"
    assert "ML Coach's own" in (await run(executor, code)).ran_on
    install(tmp_path / ".venv", ONLY_OURS)
    os.utime(site, ns=(installed.st_atime_ns, installed.st_mtime_ns))
    assert "ML Coach's own" in (await run(executor, code)).ran_on
    os.utime(site)
    assert "ML Coach's own" not in (await run(executor, code)).ran_on


def command(*arguments: str, cwd: Path, python: str = "") -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "ml_coach", *arguments],
        cwd=cwd,
        env={**os.environ, "ML_COACH_PYTHON": python},
        capture_output=True,
        text=True,
        timeout=60,
    )


def test_commands_use_the_setting_and_start_no_program_of_the_folder(tmp_path: Path) -> None:
    environment = made(tmp_path / ".venv", "theirs")
    python = environment / "bin" / "python"
    (tmp_path / "x.py").write_text(f"import theirs\n{PREFIX}")
    (tmp_path / "test_x.py").write_text("def test_a():\n    import theirs\n")
    for named in (("--python", ".venv/bin/python"), ()):
        ran = command("exec", "x.py", *named, cwd=tmp_path, python=str(python))
        assert (ran.returncode, ran.stdout) == (0, f"{environment}\n"), ran.stderr
        assert str(python) in ran.stderr
    assert command("pytest", ".", cwd=tmp_path, python=str(python)).returncode == 0
    python.unlink()
    python.write_text(f"#!/bin/sh\ntouch {tmp_path}/escaped\n")
    python.chmod(0o755)
    ran = command("exec", "x.py", "--json", "out.json", cwd=tmp_path)
    assert (
        "package theirs is not installed" in json.loads((tmp_path / "out.json").read_text())["why"]
    )
    assert ran.returncode == 1
    assert not (tmp_path / "escaped").exists()


def test_the_doctor_names_the_interpreter(tmp_path: Path) -> None:
    _dangling(tmp_path / ".venv")
    python = str(tmp_path / ".venv/bin/python")
    shown = command("doctor", cwd=tmp_path).stdout
    assert f"ML Coach's own: {python} is not used until you allow it" in shown
    shown = command("doctor", cwd=tmp_path, python=python).stdout
    assert f"{python} does not start" in shown
