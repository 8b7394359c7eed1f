"""What a run sees of the user's workspace: the modules that it imports, where they are on disk."""

from __future__ import annotations

import asyncio
import subprocess
import sys
from pathlib import Path

import pytest

from ml_coach.core.types import Program, Suite
from ml_coach.execution import workspace_modules
from ml_coach.execution.executor import SandboxedExecutor

from .workspaces import ADD, verdicts, written


async def test_a_run_sees_the_modules_it_imports_and_no_other_file(tmp_path: Path) -> None:
    (tmp_path / "shop").mkdir()
    (tmp_path / "shop" / "__init__.py").write_text("")
    (tmp_path / "shop" / "prices.py").write_text("from .rates import RATE\n")
    (tmp_path / "shop" / "rates.py").write_text("RATE = 7\n")
    (tmp_path / "other.py").write_text("")
    (tmp_path / ".env").write_text("SECRET=1")
    executor = SandboxedExecutor(workspace=tmp_path)
    code = "import os\nfrom shop.prices import RATE\nprint(RATE, sorted(os.listdir()))\n"
    try:
        ran = await executor.run("x.py", {"x.py": code}, timeout_seconds=8)
    finally:
        await executor.aclose()
    assert ran.stdout == "7 ['shop', 'x.py']\n"


async def test_a_program_in_a_source_folder_is_judged_instead_of_the_file_on_disk(
    tmp_path: Path,
) -> None:
    """Also where the test imports them by the name that an installed project would have."""
    wrong = "from units import ONE\ndef add(a, b):\n    return a - b * ONE\n"
    executor = written(
        tmp_path,
        {"src/calc.py": wrong, "src/units.py": "ONE = 1\n", "src/shop/__init__.py": ""},
    )
    test = "from calc import add\nimport shop\ndef test_add():\n    assert add(1, 2) == 3\n"
    programs = [Program(text, "src/calc.py") for text in (wrong, wrong.replace("-", "+"), wrong)]
    found = await verdicts(executor, programs, Suite(test, "tests/test_calc.py"))
    assert [verdict for verdict, _ in found] == ["failed", "passed", "failed"], found


@pytest.mark.parametrize(
    "imports",
    [
        "from ..rates import RATE\nfrom .near import NEAR\n",
        "from shop.rates import RATE\nfrom near import NEAR\n",
        "from ..rates import RATE\nfrom near import NEAR\n",
    ],
)
async def test_a_module_with_relative_imports_runs_as_part_of_its_package(
    tmp_path: Path, imports: str
) -> None:
    (tmp_path / "shop" / "parts").mkdir(parents=True)
    (tmp_path / "shop" / "rates.py").write_text("RATE = 7\n")
    (tmp_path / "shop" / "parts" / "near.py").write_text("NEAR = 8\n")
    executor = SandboxedExecutor(workspace=tmp_path)
    file = "shop/parts/bill.py"
    code = f"{imports}print(__name__, RATE, NEAR)\n"
    try:
        ran = await executor.run(file, {file: code}, timeout_seconds=8)
    finally:
        await executor.aclose()
    assert (ran.stdout, ran.findings) == ("__main__ 7 8\n", ())


async def test_a_module_in_the_folder_of_its_importer_is_found(tmp_path: Path) -> None:
    """As with pytest, which looks in a test's own folder, and Python, which does in a script's."""
    executor = written(tmp_path, {"tests/numbers_used.py": "THREE = 3\n"})
    test = "from numbers_used import THREE\ndef test_three():\n    assert THREE == 3\n"
    assert await verdicts(executor, [Program(ADD)], Suite(test, "tests/test_a.py")) == [
        ("passed", "")
    ]


async def test_a_workspace_may_be_a_relative_path(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    command = [sys.executable, "-m", "venv", "--without-pip", str(tmp_path / ".venv")]
    await asyncio.to_thread(subprocess.run, command, check=True)
    monkeypatch.chdir(tmp_path)
    executor = SandboxedExecutor(workspace=Path())
    try:
        ran = await executor.run("x.py", {"x.py": "print(1)"}, timeout_seconds=8)
    finally:
        await executor.aclose()
    assert (ran.clean, ran.stdout) == (True, "1\n")


async def test_a_link_to_a_hidden_file_is_not_followed(tmp_path: Path) -> None:
    (tmp_path / ".env").write_text("KEY = 'the-secret'\n")
    (tmp_path / "settings_local.py").symlink_to(".env")
    files = {"x.py": "import settings_local\n"}
    assert workspace_modules.needed(files, tmp_path) == {}
