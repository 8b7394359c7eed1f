"""Where a test comes from is remembered by its name and its code."""

from __future__ import annotations

import logging
from pathlib import Path

import pytest

from damaged_files import DAMAGES, KEEPS_ALL, damage
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


@pytest.fixture
def authors(tmp_path: Path) -> TestAuthors:
    """They know the tests of `SUITE`."""
    authors = TestAuthors(tmp_path / "a.jsonl")
    authors.note(SUITE)
    return authors


def test_a_test_is_known_again_until_it_is_changed(authors: TestAuthors) -> None:
    again = TestAuthors(authors.file)
    assert again.provenance_in(SUITE.source) == ALL
    assert again.provenance_in(f"import x\n\n# mine\n{SUITE.source}") == ALL
    for number, (name, kind) in enumerate(ALL.items()):
        value = 9 if "::" in name else number
        changed = SUITE.source.replace(f"f({value}) ==", f"f({value}) !=")
        assert again.provenance_in(changed) == {n: k for n, k in ALL.items() if n != name}, kind
    renamed = SUITE.source.replace("test_a", "test_b")
    assert "test_b" not in again.provenance_in(renamed)
    assert again.provenance_in("def (") == {}


def test_the_comment_above_a_test_has_no_say(authors: TestAuthors) -> None:
    mine = "# ml-coach: guessed\ndef test_mine():\n    assert f(1)\n"
    assert authors.provenance_in(mine) == {}
    lied = TESTS.replace("def test_given_1", "# ml-coach: guessed\ndef test_given_1")
    assert authors.provenance_in(lied)["test_given_1"] == "given"


def test_a_test_is_noted_once(authors: TestAuthors) -> None:
    before = authors.file.read_text()
    for _ in range(3):
        authors.note(SUITE)
    assert authors.file.read_text() == before
    assert len(before.splitlines()) == len(ALL)


def test_what_was_given_once_is_no_guess_later(authors: TestAuthors) -> None:
    authors.note(Suite(TESTS))
    assert authors.provenance_in(TESTS)["test_given_1"] == "given"
    authors.note(Suite(TESTS, provenance={"test_a": "given"}))
    assert authors.provenance_in(TESTS)["test_a"] == "given"


def test_the_file_of_a_version_that_noted_guesses_only_is_read(tmp_path: Path) -> None:
    authors = TestAuthors(tmp_path / "a.jsonl")
    digest = "f9040aa50052fb04231e29302065a4270cf7205902d807690585bdb930cc4e4d"
    append(authors.file, {"test": "test_a", "sha256": digest, "author": "guessed"})
    assert authors.provenance_in("def test_a():\n    assert f(3) == 4\n") == {"test_a": "guessed"}


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
        assert authors.provenance_in(SUITE.source) == ALL
    assert "5 lines name no test, and were skipped" in caplog.text


@pytest.mark.parametrize("kind", DAMAGES)
def test_a_damaged_file_still_knows_what_is_noted_later(authors: TestAuthors, kind: str) -> None:
    damage(authors.file, kind)
    later = "def test_later():\n    assert f(5) == 6\n"
    if authors.file.is_file():
        authors.note(Suite(later))
    found = authors.provenance_in(SUITE.source + later)
    assert found.items() <= {**ALL, "test_later": "guessed"}.items()
    if authors.file.is_file():
        assert found["test_later"] == "guessed"
    if kind in KEEPS_ALL:
        assert found.items() >= ALL.items()
