"""The settings that a project gives: the table `[tool.ml-coach]` of its pyproject.toml.

They have the names of the flags, and count less than the environment. A folder may come from
anybody, so it cannot name a host, start a program or weaken the sandbox.
"""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any, cast

from ml_coach.settings import SETTINGS, Settings, key_host, with_flags

_NAME = "[tool.ml-coach]"
# What only the user may say, in the environment or by a flag.
_USERS_OWN = ("python", "allow_weak_sandbox")


def project_settings(folder: Path) -> tuple[Settings, list[str]]:
    """The defaults overlaid with the table of the nearest pyproject.toml at or above `folder`, and
    a line for each thing in it that is not used."""
    files = (place / "pyproject.toml" for place in (folder, *folder.parents))
    file = next((file for file in files if file.is_file()), None)
    if file is None:
        return Settings(), []
    try:
        content: Any = tomllib.loads(file.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        return Settings(), [f"{file} is not used: {error}."]
    table = content.get("tool", {}).get("ml-coach", {})
    if not isinstance(table, dict):
        return Settings(), [f"{_NAME} in {file} is not a table."]
    settings, problems = with_project(cast("dict[str, Any]", table))
    return settings, [f"{_NAME} in {file}: {problem}" for problem in problems]


def with_project(table: Mapping[str, Any]) -> tuple[Settings, list[str]]:
    """The defaults overlaid with the project's `table`, and one line for what is not used."""
    known = {row.flag.removeprefix("--"): row for row in SETTINGS if row.flag}
    used: dict[str, Any] = {}
    problems: list[str] = []
    for name, value in table.items():
        row = known.get(name)
        if row is None:
            problems.append(f"{name} is not a setting of ML Coach.")
        elif row.field in _USERS_OWN or (row.field == "model" and key_host(str(value))):
            what = "an address" if row.field == "model" else name
            problems.append(f"{what} may not come with a folder; use {row.variable} or {row.flag}.")
        else:
            used[row.field] = value
    settings, more = with_flags(Settings(), used)
    return settings, problems + [problem.removeprefix("--") for problem in more]
