"""The settings that a project gives: the table `[tool.ml-coach]` of its pyproject.toml.

They have the names of the flags, and count less than the environment. A folder may come from
anybody, so it cannot name a host, start a program, load weights or weaken the sandbox.
"""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any, cast

from ml_coach.core.errors import os_error_text
from ml_coach.project_files import upwards
from ml_coach.settings import SETTINGS, Settings, key_host, shortened, with_flags

_NAME = "[tool.ml-coach]"
# What only the user may say, in the environment or by a flag.
_USERS_OWN = ("python", "allow_weak_sandbox")


def project_settings(folder: Path, highest: Path | None = None) -> tuple[Settings, list[str]]:
    """The defaults overlaid with the table of the nearest pyproject.toml at or above `folder`, but
    not above `highest`, and a line for each thing in it that is not used."""
    files = (place / "pyproject.toml" for place in upwards(folder, highest))
    file: Path | None = None
    try:
        file = next((file for file in files if file.is_file()), None)
        if file is None:
            return Settings(), []
        content = tomllib.loads(file.read_text(encoding="utf-8"))
    except OSError as error:
        named = OSError(error.errno, error.strerror, str(file or folder))
        return Settings(), [os_error_text(named)]
    except UnicodeDecodeError:
        return Settings(), [f"{file} is not used: it is not UTF-8 text."]
    except (ValueError, RecursionError) as error:
        return Settings(), [f"{file} is not used: {error}."]
    table = _table(_table(content, "tool"), "ml-coach")
    if table is None:
        return Settings(), [f"{_NAME} in {file} is not a table."]
    settings, problems = with_project(table)
    return settings, [f"{_NAME} in {file}: {problem}" for problem in problems]


def _table(above: dict[str, Any] | None, name: str) -> dict[str, Any] | None:
    """The table of that name, empty where it is missing; None where its name has another value."""
    found: Any = {} if above is None else above.get(name, {})
    return cast("dict[str, Any]", found) if isinstance(found, dict) else None


def with_project(table: Mapping[str, Any]) -> tuple[Settings, list[str]]:
    """The defaults overlaid with the project's `table`, and one line for what is not used."""
    known = {row.flag.removeprefix("--"): row for row in SETTINGS if row.flag}
    used: dict[str, Any] = {}
    problems: list[str] = []
    for name, value in table.items():
        row = known.get(name)
        if row is None:
            problems.append(f"{shortened(name)} is not a setting of ML Coach.")
        elif row.field in _USERS_OWN or (row.field == "model" and _leads_elsewhere(str(value))):
            what = "an address or a file" if row.field == "model" else name
            problems.append(f"{what} may not come with a folder; use {row.variable} or {row.flag}.")
        else:
            used[row.field] = value
    settings, more = with_flags(Settings(), used)
    return settings, problems + [problem.removeprefix("--") for problem in more]


def _leads_elsewhere(model: str) -> bool:
    """Whether a model's name holds an address, or a file that its provider would read.

    The weights are read outside of the sandbox, by code that trusts them.
    """
    reads_file = model.strip().startswith("recorded") or model.strip().endswith(".gguf")
    return reads_file or bool(key_host(model))
