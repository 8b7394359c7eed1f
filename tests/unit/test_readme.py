"""The README's table of settings is the code's own."""

from __future__ import annotations

import re
from pathlib import Path

from ml_coach.settings import SETTINGS, Settings

README = Path(__file__).parents[2] / "README.md"


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
