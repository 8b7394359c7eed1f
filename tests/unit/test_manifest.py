"""The VS Code manifest offers exactly the settings that the server knows, with its defaults."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from ml_coach import __version__
from ml_coach.settings import SETTINGS, Settings

ROOT = Path(__file__).parents[2]
CLIENT_ONLY = {"server.command", "trace.server", "showProjectTests"}


@pytest.fixture(scope="module")
def manifest() -> dict[str, Any]:
    return json.loads((ROOT / "package.json").read_text(encoding="utf-8"))


@pytest.fixture(scope="module")
def properties(manifest: dict[str, Any]) -> dict[str, Any]:
    listed = manifest["contributes"]["configuration"]["properties"]
    return {name.removeprefix("mlCoach."): row for name, row in listed.items()}


def test_the_manifest_lists_the_servers_settings(properties: dict[str, Any]) -> None:
    assert set(properties) - CLIENT_ONLY == {s.editor for s in SETTINGS if s.editor}


@pytest.mark.parametrize("setting", [s for s in SETTINGS if s.editor], ids=lambda s: s.editor)
def test_the_defaults_equal_the_servers(setting: Any, properties: dict[str, Any]) -> None:
    shown = properties[setting.editor]
    assert shown["default"] == getattr(Settings(), setting.field)
    # The server must accept what the settings page offers.
    assert shown["default"] == "" or setting.read(shown["default"]) == shown["default"]


def test_every_setting_is_described_and_scoped(properties: dict[str, Any]) -> None:
    for name, row in properties.items():
        assert row.get("description") or row.get("markdownDescription"), name
        assert row.get("scope"), name


def test_every_command_in_a_menu_is_declared(manifest: dict[str, Any]) -> None:
    contributes = manifest["contributes"]
    declared = {row["command"] for row in contributes["commands"]}
    used = {
        entry["command"]
        for menu in contributes["menus"].values()
        for entry in menu
        if "command" in entry
    }
    assert used <= declared


def test_the_versions_agree(manifest: dict[str, Any]) -> None:
    assert manifest["version"] == __version__


def test_the_extension_is_compiled_against_the_oldest_editor_it_runs_on(
    manifest: dict[str, Any],
) -> None:
    """So that what is newer has to be asked for, in chat/newerApi.ts."""
    lock = json.loads((ROOT / "package-lock.json").read_text(encoding="utf-8"))
    types = lock["packages"]["node_modules/@types/vscode"]["version"]
    assert manifest["engines"]["vscode"] == f"^{types}"


def test_the_lock_file_names_no_registry() -> None:
    assert '"resolved"' not in (ROOT / "package-lock.json").read_text(encoding="utf-8")
