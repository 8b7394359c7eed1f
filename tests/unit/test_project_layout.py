"""Where the tests of a module go, and by which name they import it."""

from __future__ import annotations

from pathlib import Path

import pytest

from ml_coach.core.request import Request
from ml_coach.project_layout import new_program, source_folder, usual_tests

_PYPROJECT = "[tool.pytest.ini_options]\npythonpath = ['src']\ntestpaths = {}\n"


@pytest.mark.parametrize(
    ("files", "program", "tests"),
    [
        ({}, "tool.py", "test_tool.py"),
        ({}, "app/tool.py", "app/test_tool.py"),
        ({"tests/test_a.py": ""}, "tool.py", "tests/test_tool.py"),
        ({"tests/test_a.py": ""}, "src/pkg/tool.py", "tests/test_tool.py"),
        ({"test/test_a.py": ""}, "pkg/tool.py", "test/test_tool.py"),
        ({"tests/pkg/test_a.py": ""}, "src/pkg/tool.py", "tests/pkg/test_tool.py"),
        ({"tests/pkg/in/test_a.py": ""}, "src/pkg/in/tool.py", "tests/pkg/in/test_tool.py"),
        ({"tests/in/test_a.py": ""}, "src/pkg/in/tool.py", "tests/in/test_tool.py"),
        ({"pkg/tests/test_a.py": "", "tests/a": ""}, "pkg/tool.py", "pkg/tests/test_tool.py"),
        ({}, "src/pkg/tool.py", "tests/test_tool.py"),
        ({"pyproject.toml": _PYPROJECT.format("['checks']"), "checks/a": "", "tests/a": ""},
         "src/pkg/tool.py", "checks/test_tool.py"),
        ({"pyproject.toml": _PYPROJECT.format("'checks tests'"), "checks/a": ""},
         "src/pkg/tool.py", "checks/test_tool.py"),
        ({"pytest.ini": "[pytest]\ntestpaths = checks\n", "checks/a": ""},
         "tool.py", "checks/test_tool.py"),
        ({"setup.cfg": "[tool:pytest]\ntestpaths =\n    checks\n", "checks/a": ""},
         "tool.py", "checks/test_tool.py"),
        ({"pyproject.toml": "no [ toml", "tests/a": ""}, "tool.py", "tests/test_tool.py"),
        ({"pyproject.toml": "tool = 3", "pytest.ini": "no ini"}, "tool.py", "test_tool.py"),
        ({"pyproject.toml": _PYPROJECT.format("['../out']")}, "tool.py", "test_tool.py"),
    ],
)  # fmt: skip
def test_tests_go_where_the_projects_other_tests_are(
    tmp_path: Path, files: dict[str, str], program: str, tests: str
) -> None:
    (tmp_path / "out").mkdir()
    root = tmp_path / "project"
    root.mkdir()
    for file, text in files.items():
        (root / file).parent.mkdir(parents=True, exist_ok=True)
        (root / file).write_text(text)
    assert usual_tests(root, program) == tests


@pytest.mark.parametrize(
    ("files", "program", "module"),
    [
        ((), "src/pkg/tool.py", "pkg.tool"),
        ((), "src/tool.py", "tool"),
        (("src/__init__.py",), "src/pkg/tool.py", "src.pkg.tool"),
        ((), "pkg/src/tool.py", "pkg.src.tool"),
        ((), "src.py", "src"),
    ],
)
def test_a_module_below_src_is_imported_without_it(
    tmp_path: Path, files: tuple[str, ...], program: str, module: str
) -> None:
    for file in files:
        (tmp_path / file).parent.mkdir(parents=True)
        (tmp_path / file).write_text("")
    request = Request("", program_file=program, source_folder=source_folder(tmp_path, program))
    assert request.module == module


def test_a_new_program_goes_into_the_projects_package(tmp_path: Path) -> None:
    def place(*files: str, name: str = "") -> str:
        root = tmp_path / str(len(list(tmp_path.iterdir())))
        for file in files:
            (root / file).parent.mkdir(parents=True, exist_ok=True)
            (root / file).touch()
        if name:
            (root / "pyproject.toml").write_text(f'[project]\nname = "{name}"\n')
        return new_program(root, "new.py")

    assert place("src/shop/__init__.py", "pyproject.toml") == "src/shop/new.py"
    assert place("shop/__init__.py", "tests/__init__.py", "setup.py") == "shop/new.py"
    assert place("src/a/__init__.py", "src/b_c/__init__.py", name="b-c") == "src/b_c/new.py"
    assert place("src/prices.py", "pyproject.toml") == "src/new.py"
    # Nothing says which of two it would be; a folder of scripts, or of anything, is no project.
    assert place("a/__init__.py", "b/__init__.py", "setup.py") == "new.py"
    assert place("main.py", "pyproject.toml") == "new.py"
    assert place("shop/__init__.py") == "new.py"
