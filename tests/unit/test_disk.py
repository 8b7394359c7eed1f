"""A folder as workspace: it is not left, and changes of the user are not overwritten."""

from __future__ import annotations

from pathlib import Path

import pytest

from ml_coach.disk import FolderWorkspace, RunWorkspace, WrittenFiles


@pytest.fixture
def workspace(tmp_path: Path) -> FolderWorkspace:
    (tmp_path / "work").mkdir()
    return FolderWorkspace(tmp_path / "work", WrittenFiles(tmp_path / "state" / "written.jsonl"))


async def test_written_text_is_read_back(workspace: FolderWorkspace) -> None:
    texts = {"a.py": "x = 'ä'\r\n", "sub/b.py": ""}
    await workspace.write(texts)
    assert {file: await workspace.read(file) for file in texts} == texts
    assert (workspace.root / "a.py").read_bytes() == "x = 'ä'\r\n".encode()
    assert sorted(p.name for p in workspace.root.iterdir()) == ["a.py", "sub"]
    assert await workspace.read("none.py") is None


async def test_files_that_others_wrote_or_changed_are_foreign(
    workspace: FolderWorkspace,
) -> None:
    (workspace.root / "theirs.py").write_text("1\n")
    ours = {"ours.py": "2\n", "changed.py": "3\n"}
    run = RunWorkspace(workspace, dict.fromkeys(ours), workspace.root / "kept")
    await run.write(ours)
    (workspace.root / "changed.py").write_text("4\n")
    files = ["theirs.py", "ours.py", "changed.py", "none.py"]
    assert workspace.foreign(files) == ["theirs.py", "changed.py"]


@pytest.mark.parametrize("file", ["../x.py", "/tmp/x.py", "link/x.py"])
async def test_nothing_outside_the_folder_is_touched(
    workspace: FolderWorkspace, tmp_path: Path, file: str
) -> None:
    (workspace.root / "link").symlink_to(tmp_path)
    with pytest.raises(PermissionError, match="outside"):
        await workspace.write({file: "x"})
    assert not (tmp_path / "x.py").exists()


async def test_a_file_keeps_its_mode(workspace: FolderWorkspace) -> None:
    path = workspace.root / "a.py"
    path.write_text("1\n")
    path.chmod(0o600)
    await workspace.write({"a.py": "2\n"})
    assert path.stat().st_mode & 0o777 == 0o600


async def test_a_byte_order_mark_is_not_part_of_the_text(workspace: FolderWorkspace) -> None:
    (workspace.root / "a.py").write_bytes(b"\xef\xbb\xbfx = 1\r\n")
    assert await workspace.read("a.py") == "x = 1\r\n"


async def test_a_file_that_is_not_utf8_is_left_alone(workspace: FolderWorkspace) -> None:
    (workspace.root / "a.py").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(OSError, match="not UTF-8"):
        await workspace.read("a.py")


async def test_a_run_does_not_overwrite_changes_of_others(
    workspace: FolderWorkspace, tmp_path: Path
) -> None:
    await workspace.write({"a.py": "found\n"})
    files = ("a.py", "new.py", "gone.py")
    run = RunWorkspace(workspace, workspace.texts(files), tmp_path / "kept")
    for step in ("1\n", "2\n"):
        await run.write(dict.fromkeys(files, step))
    (run.root / "gone.py").unlink()
    (run.root / "new.py").write_text("theirs\n")
    with pytest.raises(OSError, match=rf"new\.py was changed .* kept in {tmp_path / 'kept'}$"):
        await run.write(dict.fromkeys(files, "3\n"))
    assert workspace.texts(files) == {"a.py": "2\n", "new.py": "theirs\n", "gone.py": None}
    for file in files:
        assert (tmp_path / "kept" / file).read_text() == "3\n"
    # A file whose text the run does not change may have been changed by others.
    await run.write({"a.py": "3\n", "new.py": "2\n"})
    assert workspace.texts(files) == {"a.py": "3\n", "new.py": "theirs\n", "gone.py": None}


class TestCheckWritable:
    """What could not be saved is said in one sentence, before anything is asked of a model."""

    async def test_new_and_ordinary_files_are_writable(self, workspace: FolderWorkspace) -> None:
        (workspace.root / "a.py").write_text("1\n")
        await workspace.check_writable(["a.py", "new.py", "new/folder/b.py"])

    async def test_a_read_only_file(self, workspace: FolderWorkspace) -> None:
        path = workspace.root / "a.py"
        path.write_text("1\n")
        path.chmod(0o444)
        with pytest.raises(OSError, match=r"a\.py cannot be written: .*a\.py is read-only\.$"):
            await workspace.check_writable(["a.py"])

    async def test_a_read_only_folder(self, workspace: FolderWorkspace) -> None:
        workspace.root.chmod(0o555)
        with pytest.raises(OSError, match=r"the folder .*work is read-only\.$"):
            await workspace.check_writable(["sub/a.py"])
        workspace.root.chmod(0o755)

    async def test_another_encoding(self, workspace: FolderWorkspace) -> None:
        (workspace.root / "a.py").write_bytes("# caf\u00e9\n".encode("latin-1"))
        with pytest.raises(OSError, match="not UTF-8"):
            await workspace.check_writable(["a.py"])

    async def test_a_folder_or_a_file_in_the_way(self, workspace: FolderWorkspace) -> None:
        (workspace.root / "a.py").mkdir()
        with pytest.raises(OSError, match="is a folder"):
            await workspace.check_writable(["a.py"])
        (workspace.root / "b").write_text("")
        with pytest.raises(OSError, match=r"cannot be written: .*b is a file"):
            await workspace.check_writable(["b/c.py"])

    async def test_links_in_a_circle_or_out_of_the_folder(
        self, workspace: FolderWorkspace, tmp_path: Path
    ) -> None:
        (workspace.root / "a.py").symlink_to("b.py")
        (workspace.root / "b.py").symlink_to("a.py")
        with pytest.raises(OSError, match=r"a\.py cannot be found"):
            await workspace.check_writable(["a.py"])
        (workspace.root / "c.py").symlink_to(tmp_path / "elsewhere.py")
        with pytest.raises(PermissionError, match="outside"):
            await workspace.check_writable(["c.py"])


async def test_a_byte_order_mark_stays(workspace: FolderWorkspace) -> None:
    path = workspace.root / "a.py"
    path.write_bytes(b"\xef\xbb\xbfx = 1\r\n")
    assert await workspace.read("a.py") == "x = 1\r\n"
    await workspace.write({"a.py": "x = 2\r\n"})
    assert path.read_bytes() == b"\xef\xbb\xbfx = 2\r\n"


async def test_a_file_that_was_removed_meanwhile_is_not_written_again(
    workspace: FolderWorkspace, tmp_path: Path
) -> None:
    await workspace.write({"a.py": "1\n"})
    run = RunWorkspace(workspace, workspace.texts(["a.py"]), tmp_path / "kept")
    (workspace.root / "a.py").unlink()
    for text in ("1\n", "2\n"):
        with pytest.raises(OSError, match=r"a\.py was removed while the run worked"):
            await run.write({"a.py": text})
        assert (tmp_path / "kept" / "a.py").read_text() == text
    assert not (workspace.root / "a.py").exists()
