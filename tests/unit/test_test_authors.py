"""Where a test comes from is remembered by its name and its code."""

from __future__ import annotations

import logging
from pathlib import Path

import pytest

from damaged_files import DAMAGES, KEEPS_ALL, damage
from ml_coach.core.python.marks import marked
from ml_coach.core.types import Suite
from ml_coach.json_lines import append
from ml_coach.test_authors import TestAuthors

TESTS = "\n\n\n".join(
    f"def test_{name}():\n    assert f({n}) == {n + 1}"
    for n, name in enumerate(("given_1", "stated_1", "property_1", "confirmed_1", "a"))
)
IN_CLASS = "\n\n\nclass TestF:\n    def test_b(self):\n        assert f(9) == 10\n"
KNOWN = {
    "test_given_1": "given",
    "test_stated_1": "stated",
    "test_property_1": "property",
    "test_confirmed_1": "confirmed",
}
SUITE = Suite(TESTS + IN_CLASS, provenance=KNOWN)
ALL = {**KNOWN, "test_a": "guessed", "TestF::test_b": "guessed"}
HERE, FILE = Path("/here"), "test_generated.py"


@pytest.fixture
def authors(tmp_path: Path) -> TestAuthors:
    """They know the tests of `SUITE`."""
    authors = TestAuthors(tmp_path / "a.jsonl")
    authors.note(SUITE, HERE)
    return authors


def test_a_test_is_known_again_until_it_is_changed(authors: TestAuthors) -> None:
    again = TestAuthors(authors.file)
    assert again.provenance_in(SUITE.source, HERE, FILE) == ALL
    assert again.provenance_in(f"import x\n\n# mine\n{SUITE.source}", HERE, FILE) == ALL
    for number, (name, kind) in enumerate(ALL.items()):
        value = 9 if "::" in name else number
        changed = SUITE.source.replace(f"f({value}) ==", f"f({value}) !=")
        others = {n: k for n, k in ALL.items() if n != name}
        assert again.provenance_in(changed, HERE, FILE) == others, kind
    renamed = SUITE.source.replace("test_a", "test_b")
    assert "test_b" not in again.provenance_in(renamed, HERE, FILE)
    assert again.provenance_in("def (", HERE, FILE) == {}


def test_the_comment_above_a_test_has_no_say(authors: TestAuthors) -> None:
    mine = "# ml-coach: guessed\ndef test_mine():\n    assert f(1)\n"
    assert authors.provenance_in(mine, HERE, FILE) == {}
    lied = TESTS.replace("def test_given_1", "# ml-coach: guessed\ndef test_given_1")
    assert authors.provenance_in(lied, HERE, FILE)["test_given_1"] == "given"


def test_of_two_tests_with_one_name_the_one_that_runs_counts(authors: TestAuthors) -> None:
    guess = "def test_a():\n    assert f(4) == 5\n"
    mine = "def test_a():\n    assert f(9) == 9\n"
    assert authors.provenance_in(guess + mine, HERE, FILE) == {}
    assert authors.provenance_in(mine + guess, HERE, FILE) == {"test_a": "guessed"}
    in_class = IN_CLASS + "    def test_b(self):\n        assert f(0)\n"
    assert authors.provenance_in(in_class, HERE, FILE) == {}


def test_in_another_folder_the_comment_above_tells_a_copy_from_the_users_own(
    authors: TestAuthors,
) -> None:
    # In the same folder neither the file's name nor the workspace matters.
    assert authors.provenance_in(SUITE.source, HERE, "test_renamed.py") == ALL
    assert authors.provenance_in(SUITE.source, HERE.parent, "here/test_generated.py") == ALL
    for root, file in ((HERE, "sub/test_generated.py"), (Path("/elsewhere"), FILE)):
        assert authors.provenance_in(SUITE.source, root, file) == {}
        copied = marked(SUITE.source, KNOWN, otherwise="guessed")
        assert authors.provenance_in(copied, root, file) == ALL
    # What was given elsewhere may be a guess here.
    there = Path("/elsewhere")
    authors.note(Suite(TESTS), there)
    guessed = dict.fromkeys([*KNOWN, "test_a"], "guessed")
    assert authors.provenance_in(TESTS, there, FILE) == guessed
    assert authors.provenance_in(TESTS, HERE, FILE) == {**KNOWN, "test_a": "guessed"}


def test_the_users_own_tests_are_not_noted(
    authors: TestAuthors, caplog: pytest.LogCaptureFixture
) -> None:
    own = "def test_mine():\n    assert f(1)\n"
    authors.note(Suite(own, own=True), HERE)
    assert authors.provenance_in(own, HERE, FILE) == {}
    assert not caplog.text


def test_a_test_is_noted_once(authors: TestAuthors) -> None:
    before = authors.file.read_text()
    for _ in range(3):
        authors.note(SUITE, HERE)
    assert authors.file.read_text() == before
    assert len(before.splitlines()) == len(ALL)


def test_what_was_given_once_is_no_guess_later(authors: TestAuthors) -> None:
    authors.note(Suite(TESTS), HERE)
    assert authors.provenance_in(TESTS, HERE, FILE)["test_given_1"] == "given"
    authors.note(Suite(TESTS, provenance={"test_a": "given"}), HERE)
    assert authors.provenance_in(TESTS, HERE, FILE)["test_a"] == "given"


def test_the_file_of_a_version_that_noted_guesses_only_is_read(tmp_path: Path) -> None:
    authors = TestAuthors(tmp_path / "a.jsonl")
    digest = "f9040aa50052fb04231e29302065a4270cf7205902d807690585bdb930cc4e4d"
    append(authors.file, {"test": "test_a", "sha256": digest, "author": "guessed"})
    source = "def test_a():\n    assert f(3) == 4\n"
    for folder in (HERE, tmp_path):
        assert authors.provenance_in(source, folder, FILE) == {"test_a": "guessed"}


def test_lines_of_another_shape_are_skipped_and_counted(
    authors: TestAuthors, caplog: pytest.LogCaptureFixture
) -> None:
    for strange in (
        {"test": ["test_a"], "sha256": {}, "author": "given"},
        {"test": "test_a", "sha256": "0", "author": ["given"]},
        {"test": "test_a", "sha256": "0", "author": "own"},
        {"test": "test_a", "sha256": "0", "author": "nobody"},
        {},
    ):
        append(authors.file, strange)
    with caplog.at_level(logging.WARNING):
        assert authors.provenance_in(SUITE.source, HERE, FILE) == ALL
    assert "5 lines name no test, and were skipped" in caplog.text


@pytest.mark.parametrize("kind", DAMAGES)
def test_a_damaged_file_still_knows_what_is_noted_later(authors: TestAuthors, kind: str) -> None:
    damage(authors.file, kind)
    later = "def test_later():\n    assert f(5) == 6\n"
    if authors.file.is_file():
        authors.note(Suite(later), HERE)
    found = authors.provenance_in(SUITE.source + later, HERE, FILE)
    assert found.items() <= {**ALL, "test_later": "guessed"}.items()
    if authors.file.is_file():
        assert found["test_later"] == "guessed"
    if kind in KEEPS_ALL:
        assert found.items() >= ALL.items()
