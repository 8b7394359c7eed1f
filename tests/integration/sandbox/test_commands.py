"""`ml-coach exec` and `ml-coach pytest`, as processes of their own."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from .workspaces import ADD, SUITE


def command(*arguments: str, cwd: Path) -> tuple[int, str, dict[str, object]]:
    ran = subprocess.run(
        [sys.executable, "-m", "ml_coach", *arguments, "--json", "out.json"],
        cwd=cwd,
        capture_output=True,
        text=True,
        timeout=60,
    )
    return ran.returncode, ran.stdout, json.loads((cwd / "out.json").read_text())


def test_exec_runs_a_file_with_its_folder(tmp_path: Path) -> None:
    (tmp_path / "a.py").write_text("import b\nprint(b.X, open('words.txt').read())\n")
    (tmp_path / "b.py").write_text("X = 5\n")
    (tmp_path / "words.txt").write_text("hello")
    (tmp_path / ".env").write_text("SECRET")
    code, out, record = command("exec", "a.py", cwd=tmp_path)
    assert (code, out) == (0, "5 hello\n")
    assert record == {
        "verdict": "passed",
        "why": "",
        "level": "namespaces",
        "cases": [],
        "limit": "",
    }


def test_exec_says_why_it_failed(tmp_path: Path) -> None:
    (tmp_path / "a.py").write_text("print(open('.env').read())\n")
    (tmp_path / ".env").write_text("SECRET")
    code, out, record = command("exec", "a.py", cwd=tmp_path)
    assert (code, out, record["verdict"]) == (1, "", "failed")
    assert "FileNotFoundError" in str(record["why"])


def test_we_never_import_from_a_folder_that_shadows_the_standard_library(tmp_path: Path) -> None:
    for name in ("argparse", "asyncio", "json", "typing"):
        (tmp_path / f"{name}.py").write_text(f"open({str(tmp_path / 'escaped')!r}, 'w')\n")
    (tmp_path / "a.py").write_text("print(1)\n")
    code, out, _ = command("exec", "a.py", cwd=tmp_path)
    assert (code, out) == (0, "1\n")
    assert not (tmp_path / "escaped").exists()


def test_pytest_judges_a_folder(tmp_path: Path) -> None:
    (tmp_path / "generated_code.py").write_text(ADD)
    (tmp_path / "test_a.py").write_text(SUITE.source)
    code, out, record = command("pytest", ".", cwd=tmp_path)
    assert (code, record["verdict"]) == (0, "passed")
    assert "test_add" in out
    (tmp_path / "test_b.py").write_text("def test_b(): assert 0\n")
    code, _, record = command("pytest", ".", cwd=tmp_path)
    assert (code, record["verdict"]) == (1, "failed")


@pytest.mark.parametrize(
    ("arguments", "verdict", "why", "limit"),
    [
        (("exec", "bad.py"), "failed", "ended with exit code 3", ""),
        (("exec", "loop.py", "--timeout", "1"), "error", "stopped: ran longer than 1 s", "time"),
        (("exec", "large.py"), "error", "stopped: used more than 512 MB of memory", "memory"),
        (("exec", "nothing.py"), "error", "there is no file nothing.py", ""),
        (("exec", "empty"), "error", "there is no file empty", ""),
        (("pytest", "empty"), "error", "there is no test", ""),
        (("pytest", "nowhere"), "error", "there is no folder or file nowhere", ""),
    ],
)
def test_a_command_that_did_not_pass_says_why(
    tmp_path: Path, arguments: tuple[str, ...], verdict: str, why: str, limit: str
) -> None:
    (tmp_path / "bad.py").write_text("raise SystemExit(3)\n")
    (tmp_path / "loop.py").write_text("while True: pass\n")
    (tmp_path / "large.py").write_text("b = b'x' * (900 << 20)\nwhile True: pass\n")
    (tmp_path / "empty").mkdir()
    code, _, record = command(*arguments, cwd=tmp_path)
    assert code == 1
    assert (record["verdict"], record["why"], record["limit"]) == (verdict, why, limit)
