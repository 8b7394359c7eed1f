"""The whole loop in a real Emacs 28 with eglot 1.9, in batch, by the documented set-up."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from editor_probe import probe
from scripted_model import WRONG

pytestmark = pytest.mark.editor
_PROBE = Path(__file__).parent / "emacs" / "probe.el"


async def test_generates_repairs_and_undoes_in_emacs(tmp_path: Path):
    if not shutil.which("emacs"):
        pytest.skip("no emacs on the path: apt-get install emacs-nox elpa-eglot")
    start = ["--eval", "(package-initialize)", "-l", str(_PROBE)]
    report = await probe(tmp_path, "Emacs 28 with eglot", "emacs", "-q", "--batch", *start)
    assert report["program"] == WRONG
    assert "def test_small():" in report["tests"]
    assert "add(1, 2) gave -1, expected 3" in report["found"][0]
