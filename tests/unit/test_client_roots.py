"""The folders that clients of the MCP server and the ACP agent name."""

from __future__ import annotations

from pathlib import Path

import pytest
from mcp.server.mcpserver.exceptions import ToolError
from mcp.types import ListRootsResult

from ml_coach.mcp_server.client_roots import Roots, as_root, roots_in


def test_a_root_is_the_folder_named_and_none_that_its_name_decodes_to(tmp_path: Path) -> None:
    named = tmp_path / "a%41"
    for folder in (named, tmp_path / "aA"):
        folder.mkdir()
    assert roots_in(ListRootsResult(roots=[as_root(named)])).folders == (named.resolve(),)


@pytest.mark.parametrize("name", ["a" * 5000, "a\0b", "loop"])
def test_a_name_that_can_be_no_file_is_refused_in_a_sentence(tmp_path: Path, name: str) -> None:
    (tmp_path / "loop").symlink_to(tmp_path / "loop")
    with pytest.raises(ToolError, match="cannot be found") as refused:
        Roots((tmp_path,)).place(name)
    assert len(str(refused.value)) < 600
