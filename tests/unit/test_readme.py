"""The README's table of settings is the code's own, its picture that of the results."""

from __future__ import annotations

import re
import runpy
from pathlib import Path
from typing import get_args

from ml_coach.cli.endings import exit_code
from ml_coach.core.types import Outcome
from ml_coach.settings import SETTINGS, Settings

TOP = Path(__file__).parents[2]
README = TOP / "README.md"


def settings_table() -> str:
    lines = ["| environment | flag | editor | default | what it sets |", "|---|---|---|---|---|"]
    for s in SETTINGS:
        default = getattr(Settings(), s.field)
        shown = int(default) if isinstance(default, bool) else default
        if isinstance(shown, float):
            shown = f"{shown:g}"
        cells = (s.variable, s.flag, s.editor and f"mlCoach.{s.editor}", str(shown))
        lines.append(
            "| " + " | ".join(f"`{c}`" if c else "" for c in cells) + f" | {s.description} |"
        )
    return "\n".join(lines)


def test_the_settings_table_is_the_codes_own() -> None:
    text = README.read_text(encoding="utf-8")
    match = re.search(r"<!-- settings -->\n(.*?)\n<!-- /settings -->", text, re.DOTALL)
    assert match is not None
    assert match[1] == settings_table(), f"The README should read:\n{settings_table()}"


def test_the_picture_is_drawn_from_the_results() -> None:
    chart = runpy.run_path(str(TOP / "tests" / "benchmarks" / "chart.py"))
    lines = chart["lines_of"](chart["RESULTS"].read_text(encoding="utf-8"))
    assert len(lines) >= 5, "A table lost its place in the picture."
    drawn = chart["PICTURE"].read_text(encoding="utf-8")
    assert drawn == chart["picture"](lines), "Run: python tests/benchmarks/chart.py"


def test_the_exit_code_of_each_outcome_is_named() -> None:
    (line,) = [t for t in README.read_text("utf-8").splitlines() if t.startswith("Exit codes: ")]
    named = dict(re.findall(r"(\d+) (\w+(?: up)?)", line))
    for outcome in get_args(Outcome):
        assert named[str(exit_code(outcome, 3))] == outcome.replace("_", " ")
