"""The whole loop in a real Emacs 28 with eglot 1.9, in batch, by the documented set-up."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from editor_probe import probe
from failing_project import SHOP, real_bug
from scripted_model import WRONG

pytestmark = pytest.mark.editor
_PROBE = Path(__file__).parent / "emacs" / "probe.el"
_ANSWERING = Path(__file__).parent / "emacs" / "answering.el"
_FIXING = Path(__file__).parent / "emacs" / "fixing.el"


def _start(script: Path) -> list[str]:
    if not shutil.which("emacs"):
        pytest.skip("no emacs on the path: apt-get install emacs-nox elpa-eglot")
    return ["emacs", "-q", "--batch", "--eval", "(package-initialize)", "-l", str(script)]


async def test_generates_repairs_and_undoes_in_emacs(tmp_path: Path):
    report = await probe(tmp_path, "Emacs 28 with eglot", *_start(_PROBE))
    assert report["program"] == WRONG
    assert "def test_small():" in report["tests"]
    assert "add(1, 2) gave -1, expected 3" in report["found"][0]


async def test_a_question_is_answered_by_a_code_action_in_emacs(tmp_path: Path):
    start = _start(_ANSWERING)
    report = await probe(tmp_path, "Emacs 28 with eglot", *start, divided=True, seconds=300)
    assert "slugify('A B_c'): which is right?" in report["told"]
    assert "assert slugify('A B_c') == 'a-b-c'" in report["tests"]


async def test_a_projects_failing_tests_are_fixed_and_that_is_undone_in_emacs(tmp_path: Path):
    start = _start(_FIXING)
    report = await probe(tmp_path, "Emacs 28 with eglot", *start, failing=SHOP, seconds=300)
    assert report["lines"] == [5, 9]
    assert report["fixed"] == [*SHOP.fixed.values()]


async def test_a_bug_of_a_real_library_is_fixed_and_that_is_undone_in_emacs(tmp_path: Path):
    bug = real_bug()
    start = _start(_FIXING)
    report = await probe(tmp_path, "Emacs 28 with eglot", *start, failing=bug, seconds=300)
    assert report["fixed"] == [*bug.fixed.values()]
