"""The battery of attacks, forgeries and ordinary programs: as the user who runs the tests and, if
that is root, as an ordinary user too. Each case is a test of its own, so a report names the case.
"""

from __future__ import annotations

import importlib.util
import json
import os
import secrets
import shutil
import subprocess
import sys
import sysconfig
from functools import cache
from pathlib import Path

import pytest

import ml_coach

from . import attacks, forgeries, kinds, ordinary, reaches

HERE = Path(__file__).parent
ORDINARY_UID = 12345
PACKAGES = [
    "pytest",
    "_pytest",
    "py",
    "pluggy",
    "iniconfig",
    "packaging",
    "pygments",
    "pyflakes",
    "numpy",
    "numpy.libs",
]
CASES = [
    *(f"attack/{attack.name}" for attack in attacks.ATTACKS),
    *(f"forgery/{name}" for name in forgeries.all_forgeries()),
    *(f"kind/{name}" for name in kinds.FORGERIES),
    *(f"reach/{name}" for name in reaches.FORGERIES),
    *(f"honest/{name}" for name in (*kinds.HONEST, *reaches.HONEST)),
    *(f"either/{name}" for name in kinds.EITHER),
    *(f"program/{name}" for name in ordinary.PROGRAMS),
    *(f"suite/{name}" for name in ordinary.all_suites()),
]
USERS = ["root", "ordinary user"] if os.getuid() == 0 else ["ordinary user"]
# What is run at the other levels too: every attack on the walls, and some of the forgeries.
SAMPLE = (
    *(f"attack/{attack.name}" for attack in attacks.ATTACKS if attack not in attacks.RESOURCES),
    *[name for name in CASES if name.startswith(("forgery/", "kind/", "reach/"))][::5],
)
# What a program can see at a level, or stays: which files exist, the user that it runs as, and the
# capabilities that nobody who may gain no rights can ever have.
SEEN = {
    "bubblewrap": (),
    "landlock": (
        *("attack/read_home_listing", "attack/read_shadow_passwords"),
        *("attack/become_root", "attack/status_says_so"),
    ),
}


@cache
def results(user: str, level: str = "namespaces", *only: str) -> dict[str, str]:
    """One run of the battery, or of the cases `only`; what went wrong, by case."""
    command = [str(HERE / "battery.py"), "--secret", secrets.token_hex(12), "--level", level]
    command += ["--only", *only]
    if user == "ordinary user" and os.getuid() == 0:
        return _as_ordinary_user(command)
    return json.loads(_output([sys.executable, *command], env=dict(os.environ)))


def _as_ordinary_user(command: list[str]) -> dict[str, str]:
    """Root's own Python may lie where nobody else may look, so the user gets one of its own."""
    copy = Path("/tmp") / f"ml-coach-battery-{secrets.token_hex(6)}"
    try:
        python = _copy_of_python(copy)
        shutil.copytree(HERE, copy / "battery", ignore=shutil.ignore_patterns("__pycache__"))
        command[0] = str(copy / "battery" / "battery.py")
        environment = {
            "HOME": str(copy),
            "PATH": "/usr/bin:/bin",
            "LD_LIBRARY_PATH": str(copy / "python" / "lib"),
        }
        ids = {"user": ORDINARY_UID, "group": ORDINARY_UID, "extra_groups": []}
        return json.loads(_output([str(python), *command], env=environment, **ids))
    finally:
        shutil.rmtree(copy)


def _copy_of_python(copy: Path) -> Path:
    version = f"python{sys.version_info[0]}.{sys.version_info[1]}"
    base, packages = Path(sys.base_prefix), Path(sysconfig.get_path("purelib"))
    library = copy / "python" / "lib"
    left_out = shutil.ignore_patterns("site-packages", "test", "__pycache__", "idlelib", "config-*")
    shutil.copytree(base / "lib" / version, library / version, ignore=left_out)
    for shared in (base / "lib").glob("libpython*.so*"):
        shutil.copy(shared, library / shared.name, follow_symlinks=True)
    site = library / version / "site-packages"
    site.mkdir()
    for name in PACKAGES:
        if (packages / name).is_dir():
            shutil.copytree(packages / name, site / name)
        elif (packages / f"{name}.py").exists():
            shutil.copy(packages / f"{name}.py", site)
    shutil.copytree(Path(ml_coach.__file__).parent, site / "ml_coach")
    python = copy / "python" / "bin" / version
    python.parent.mkdir()
    shutil.copy(base / "bin" / version, python)
    return python


def _output(command: list[str], **how: object) -> str:
    ran = subprocess.run(command, capture_output=True, text=True, timeout=300, **how)  # type: ignore[call-overload]
    assert ran.returncode == 0, ran.stderr[-2000:]
    return ran.stdout


@pytest.mark.parametrize("user", USERS)
@pytest.mark.parametrize("case", CASES)
def test_case_ends_as_it_should(user: str, case: str) -> None:
    assert results(user)[case] == ""


@pytest.mark.parametrize("level", SEEN)
def test_a_sample_ends_as_it_should_at_the_other_levels(level: str) -> None:
    if level == "bubblewrap" and not shutil.which("bwrap"):
        pytest.skip("bubblewrap is not installed here")
    found = results(USERS[0], level, *SAMPLE)
    assert found.keys() >= {*SAMPLE}
    assert {case: why for case, why in found.items() if why and case not in SEEN[level]} == {}


@pytest.mark.parametrize("target", forgeries.TARGETS)
def test_what_the_forgeries_look_for_exists(target: str) -> None:
    inside = Path(ml_coach.__file__).parent / "execution" / "inside"
    assert any(target in file.read_text() for file in inside.glob("*.py"))


@pytest.mark.parametrize("user", USERS)
def test_no_attack_connected_to_the_host(user: str) -> None:
    assert "attack/connected" not in results(user)


@pytest.mark.parametrize("package", ordinary.WITH_PACKAGES)
def test_package_works_inside(package: str) -> None:
    if not importlib.util.find_spec(package):
        pytest.skip(f"{package} is not installed here")
    assert results(USERS[0])[f"program/{package}"] == ""
