"""A workspace's virtual environment may be anything: it starts inside, and shows only a Python."""

from __future__ import annotations

import asyncio
import os
import shutil
import sys
from pathlib import Path

import pytest

from ml_coach.execution import installation
from ml_coach.execution.executor import SandboxedExecutor
from ml_coach.execution.installation import Unusable
from ml_coach.execution.levels import SandboxUnavailable

from .test_interpreter import PREFIX, made, run

LEVELS = ["namespaces", "bubblewrap", "landlock"]


def _without_bubblewrap(level: str) -> bool:
    return level == "bubblewrap" and not shutil.which("bwrap")


def _as_a_script(environment: Path, escaped: Path, secret: Path) -> None:
    python = environment / "bin" / "python"
    python.unlink()
    python.write_text(f"#!/bin/sh\ncat {secret} > {escaped}\nenv >> {escaped}\n")
    python.chmod(0o755)


def _as_a_module(environment: Path, escaped: Path, secret: Path) -> None:
    (site,) = environment.glob("lib/python3*/site-packages")
    (site / "sitecustomize.py").write_text(
        "import os\n"
        f"try: open({str(escaped)!r}, 'w').write(open({str(secret)!r}).read())\n"
        "except OSError: pass\n"
        f"try: os.kill({os.getpid()}, 0)\nexcept OSError: pass\n"
        f"else: open({str(environment)!r} + '/signalled', 'w')\n"
    )


@pytest.mark.parametrize("level", LEVELS)
@pytest.mark.parametrize("hostile", [_as_a_script, _as_a_module])
async def test_the_workspaces_python_is_contained_from_its_first_instruction(
    tmp_path: Path, hostile: object, level: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    if _without_bubblewrap(level):
        pytest.skip("bubblewrap is not installed here")
    monkeypatch.setenv("GOOGLE_API_KEY", "the-secret")
    workspace, secret, escaped = tmp_path / "workspace", tmp_path / "secret", tmp_path / "escaped"
    secret.write_text("the-secret")
    environment = await asyncio.to_thread(made, workspace / ".venv")
    hostile(environment, escaped, secret)  # type: ignore[operator]
    executor = SandboxedExecutor(workspace=workspace, only_level=level)
    try:
        ran = await run(executor, PREFIX)
    finally:
        await executor.aclose()
    assert not escaped.exists()
    assert not (environment / "signalled").exists()
    used = str(environment) if hostile is _as_a_module else sys.prefix
    assert ran.stdout == f"{used}\n", ran


@pytest.mark.parametrize("level", LEVELS)
async def test_a_python_that_does_not_end_is_ended(tmp_path: Path, level: str) -> None:
    if _without_bubblewrap(level):
        pytest.skip("bubblewrap is not installed here")
    environment = await asyncio.to_thread(made, tmp_path / ".venv")
    marker = f"{os.getpid() % 1000}.{level}"
    (site,) = environment.glob("lib/python3*/site-packages")
    (site / "sitecustomize.py").write_text(
        f"import ctypes, os, time\nctypes.CDLL(None).prctl(15, {marker!r}.encode())\n"
        "ctypes.CDLL(None).prctl(1, 0)\nos.setpgid(0, 0) if os.getpid() != 1 else None\n"
        "time.sleep(600)\n"
    )
    executor = SandboxedExecutor(workspace=tmp_path, only_level=level)
    starting = asyncio.create_task(executor.prepare())
    async with asyncio.timeout(30):
        while not _named(marker):
            await asyncio.sleep(0.05)
    starting.cancel()
    await asyncio.wait([starting])
    await executor.aclose()
    async with asyncio.timeout(5):  # Who was killed is listed until the kernel has taken it down.
        while _named(marker):
            await asyncio.sleep(0.05)


def _named(name: str) -> list[str]:
    found: list[str] = []
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                if (entry / "comm").read_text().strip() == name[:15]:
                    found.append(entry.name)
            except OSError:
                continue
    return found


def test_only_a_python_installation_is_shown(tmp_path: Path) -> None:
    """A pyvenv.cfg may name any folder, and a folder of the environment may lead anywhere."""
    environment, keys = made(tmp_path / ".venv"), tmp_path / ".ssh"
    (keys / "bin").mkdir(parents=True)
    (keys / "id_ed25519").write_text("the-secret")
    python = str(environment / "bin" / "python")
    assert not any(path.startswith(str(keys)) for path in installation.read(python).readable)
    shutil.rmtree(environment / "lib")
    (environment / "lib").symlink_to(keys)
    (environment / "share").mkdir()
    (environment / "share" / "zoneinfo").symlink_to(keys)
    readable = installation.read(python).readable
    assert not any(os.path.realpath(path).startswith(str(keys)) for path in readable)
    for named in (keys / "bin", Path("/bin"), Path.home() / "bin", Path("/nowhere/bin")):
        (environment / "pyvenv.cfg").write_text(f"home = {named}\n")
        if not Path(named, "python3").exists():
            with pytest.raises(Unusable):
                installation.read(python)


def test_a_base_beside_the_users_files_does_not_show_them(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A repository may bring the shape of a Python with it."""
    environment = made(tmp_path / ".venv")
    (tmp_path / ".env").write_text("the-secret")
    for name in ("bin/python3", "lib/python3.11/os.py"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text("")
    (environment / "pyvenv.cfg").write_text(f"home = {tmp_path / 'bin'}\nversion = 3.11.1\n")
    python = str(environment / "bin" / "python")
    shown = installation.read(python).readable
    assert not any(Path(tmp_path, ".env").is_relative_to(path) for path in shown)
    monkeypatch.setenv("HOME", str(tmp_path))
    with pytest.raises(Unusable, match="does not belong to a Python installation"):
        installation.read(python)


async def test_a_named_program_that_is_no_python_is_not_started(tmp_path: Path) -> None:
    python = tmp_path / "python"
    python.write_text(f"#!/bin/sh\ntouch {tmp_path}/escaped\n")
    python.chmod(0o755)
    executor = SandboxedExecutor(str(python))
    with pytest.raises(SandboxUnavailable, match="does not belong to a Python installation"):
        await run(executor, PREFIX)
    assert not (tmp_path / "escaped").exists()
