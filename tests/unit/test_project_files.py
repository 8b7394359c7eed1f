"""Which files of a project a run sees, and how its tests are configured."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from ml_coach.project_files import NoProject, open_project


def _write(root: Path, files: dict[str, str]) -> None:
    for name, text in files.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(text)


def test_hidden_ignored_and_foreign_files_are_left_out(tmp_path: Path) -> None:
    root = tmp_path / "project"
    _write(
        root,
        {
            ".env": "SECRET=1",
            ".git/config": "",
            ".gitignore": "*.log\n/local/\nkeys/*.txt\n!keys/public.txt\n_version.py\n",
            "pyproject.toml": "",
            "run.log": "",
            "local/settings.py": "KEY = 1",
            "keys/private.txt": "",
            "keys/public.txt": "",
            "venv/pyvenv.cfg": "",
            "venv/lib/x.py": "",
            "shop/__init__.py": "",
            "shop/_version.py": "version = '1'",
            "shop/data.json": "{}",
            "shop/.hidden.py": "",
            "shop/local/inner.py": "",
        },
    )
    _write(tmp_path, {"outside.py": "KEY = 1"})
    links = {"outside.py": tmp_path / "outside.py", "secret.py": root / ".env"}
    links |= {"ignored.py": root / "local/settings.py", "same.json": root / "shop/data.json"}
    for name, target in links.items():
        (root / "shop" / name).symlink_to(target)
    found = open_project(root).project.files
    assert sorted(found) == [
        "keys/public.txt",
        "pyproject.toml",
        "shop/__init__.py",
        "shop/_version.py",
        "shop/data.json",
        "shop/local/inner.py",
        "shop/same.json",
    ]


def test_the_root_the_layout_and_the_options_are_found(tmp_path: Path) -> None:
    options = (
        "-n 4 --cov=shop -m 'not slow' --strict-markers -p shop.plugin --import-mode=importlib"
    )
    _write(
        tmp_path,
        {
            "pyproject.toml": f"""[project]
name = "the-shop"
version = "2.1"
[project.scripts]
shop = "shop.cli:main"
[tool.pytest.ini_options]
addopts = "{options}"
testpaths = ["checks", "gone"]
""",
            "src/shop/__init__.py": "",
            "checks/unit/test_shop.py": "",
        },
    )
    opened = open_project(tmp_path / "checks" / "unit" / "test_shop.py", "prices")
    project = opened.project
    assert opened.root == tmp_path
    assert project.targets == ("checks/unit/test_shop.py",)
    assert project.keyword == "prices"
    assert project.import_roots == ("src", "")
    assert project.config == "pyproject.toml"
    kept = ("-m", "not slow", "-p", "shop.plugin", "--import-mode=importlib")
    assert project.arguments == kept
    assert (project.name, project.version) == ("the-shop", "2.1")
    assert project.entry_points["console_scripts"] == {"shop": "shop.cli:main"}
    assert open_project(tmp_path).project.targets == ("checks",)


def test_a_project_that_is_too_large_or_is_none_is_said_in_a_sentence(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(NoProject, match=r"There is no .*nothing"):
        open_project(tmp_path / "nothing")
    monkeypatch.setattr("ml_coach.project_files.FILES_AT_MOST", 2)
    _write(tmp_path, {"pyproject.toml": "", "a.py": "", "b.py": ""})
    with pytest.raises(NoProject, match="holds more than 2 files"):
        open_project(tmp_path)


def test_no_file_is_read_that_does_not_fit_or_never_ends(tmp_path: Path) -> None:
    for name in ("pyproject.toml", ".gitignore", "test_a.py"):
        os.mkfifo(tmp_path / name)
    _write(tmp_path, {"pytest.ini": "", "test_b.py": ""})
    assert sorted(open_project(tmp_path).project.files) == ["pytest.ini", "test_b.py"]
    with (tmp_path / "data.bin").open("wb") as file:
        file.truncate(1 << 40)  # A sparse file; no machine could hold it.
    with pytest.raises(NoProject, match="64 MB"):
        open_project(tmp_path)
