"""What `implement`, `debug`, `write-tests` and `refine` say of arguments that make no sense."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from ml_coach.cli import main

MORE = "also take None: add(None, 2) == 2"
STUBS = """class Account:
    @property
    def name(self): ...

    async def interest(self, months): ...


def add(a, b): ...


def done():
    return 1
"""


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["implement", "none.py::f"], "There is no file none.py."),
        (["implement", "notes.txt::f"], "must end in .py"),
        (["implement", ".::f"], "is a folder"),
        (["implement", "bank.py"], "Still empty: Account.name, Account.interest, add."),
        (["implement", "bank.py::ad"], "has no function 'ad'. There is: add."),
        (["implement", "bank.py::interest"], "There is: Account.interest."),
        (["implement", "bank.py::done"], "it has one. To have it written anew"),
        (["implement", "bad.py::f"], "bad.py does not compile"),
        (["implement", "my-mod.py::f"], "Tests cannot import my-mod.py: rename it"),
        (["implement", "latin.py::f"], "is not UTF-8 text"),
        (["debug", "bank.py"], "looked for test_bank.py, bank_test.py, tests/test_bank.py"),
        (["debug", "bank.py"], "Name them with --tests FILE, or have some written first: ml-coach"),
        (["debug", "bank.py", "--tests", "/etc/x.py"], "/etc/x.py lies outside"),
        (["debug", "bank.py", "--tests", "none.py"], "There is no file none.py."),
        (["debug", "bank.py", "--tests", "bank.py"], "must name another file"),
        (["debug", "test_x.py"], "Name the program that they test."),
        (["write-tests", "empty.py"], "empty.py is empty."),
        (["write-tests", "bank.py", "--tests", "test_x.py"], "was not written by ML Coach"),
        (["refine", "bank.py"], "Say what it must do as well: ml-coach refine bank.py"),
        (["refine", MORE], "There is no run yet."),
        (["refine", "nope", MORE], "There is no run 'nope'"),
        (["refine", "bad.py", MORE], "bad.py does not compile"),
        (["refine", "bank.py", " "], "The prompt is empty."),
    ],
)  # fmt: skip
def test_a_mistake_is_one_sentence_that_says_what_to_do(
    arguments: list[str],
    says: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    texts = {
        "bank.py": STUBS, "bad.py": "def f(:\n    ...\n", "my-mod.py": "def f(): ...\n",
        "test_x.py": "def test_mine(): ...\n", "empty.py": "\n",
    }  # fmt: skip
    folder = tmp_path / "work"
    folder.mkdir()
    for file, text in texts.items():
        (folder / file).write_text(text)
    (folder / "latin.py").write_bytes(b"# \xe9\ndef f(): ...\n")
    before = {path: path.read_bytes() for path in folder.iterdir()}
    monkeypatch.chdir(folder)
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    # A model that is not there: nothing here may get as far as to ask one.
    monkeypatch.setenv("ML_COACH_MODEL", "openai:none@http://127.0.0.1:9/v1")
    monkeypatch.setattr(sys, "argv", ["ml-coach", *arguments])
    with pytest.raises(SystemExit) as ended:
        main()
    assert ended.value.code == 2
    said = capsys.readouterr().err
    assert says in said
    assert len(said.strip().splitlines()) == 1
    assert {path: path.read_bytes() for path in folder.iterdir()} == before
