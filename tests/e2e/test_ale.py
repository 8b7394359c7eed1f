"""What a user of Vim with ALE is told of a run, by the documented set-up."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from editor_probe import probe
from scripted_model import PROMPT

pytestmark = pytest.mark.editor
_ALE = Path("/usr/share/vim-ale")
_PROBE = Path(__file__).parent / "ale" / "probe.vim"


def _vim_with_ale() -> str:
    vim = shutil.which("vim.nox")
    if vim is None or not _ALE.is_dir():
        pytest.skip("no Vim with ALE: apt-get install vim-nox vim-ale")
    return vim


async def test_messages_tell_of_the_beginning_the_files_and_the_patch(tmp_path: Path):
    vim = _vim_with_ale()
    start = ["-N", "-u", str(_PROBE), "--not-a-term", "-X"]
    report = await probe(
        tmp_path, "Vim 9 with ALE", vim, *start, environment={"PROBE_PROMPT": PROMPT}
    )
    begun, program, tests, patch = report["shown"]
    assert 'generating generated_code.py. To stop it, choose "Stop ML Coach run"' in begun
    assert "generated_code.py was written to disk" in program
    assert "test_generated.py was written to disk" in tests
    assert 'Choose "Apply ML Coach patch" or "Discard ML Coach patch"' in patch
