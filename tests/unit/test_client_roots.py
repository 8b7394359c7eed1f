"""The folders that clients of the MCP server and the ACP agent name."""

from __future__ import annotations

from pathlib import Path

from mcp.types import ListRootsResult

from ml_coach.mcp_server.client_roots import as_root, roots_in


def test_a_root_is_the_folder_named_and_none_that_its_name_decodes_to(tmp_path: Path) -> None:
    named = tmp_path / "a%41"
    for folder in (named, tmp_path / "aA"):
        folder.mkdir()
    assert roots_in(ListRootsResult(roots=[as_root(named)])).folders == (named.resolve(),)
