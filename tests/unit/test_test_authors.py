"""Who wrote a test is remembered by its name and its code."""

from __future__ import annotations

from pathlib import Path

from ml_coach.core.types import Suite
from ml_coach.test_authors import TestAuthors

TESTS = "def test_given_1():\n    assert f(1) == 2\n\n\ndef test_a():\n    assert f(3) == 4\n"


def test_a_guessed_test_is_known_again_until_it_is_changed(tmp_path: Path) -> None:
    TestAuthors(tmp_path / "a.jsonl").note(Suite(TESTS, provenance={"test_given_1": "given"}))
    authors = TestAuthors(tmp_path / "a.jsonl")
    assert authors.guessed_in(TESTS) == {"test_a"}
    assert authors.guessed_in(f"import x\n\n# mine\n{TESTS}") == {"test_a"}
    assert authors.guessed_in(TESTS.replace("== 4", "== 5")) == frozenset()
    assert authors.guessed_in("def (") == frozenset()


def test_a_test_is_noted_once(tmp_path: Path) -> None:
    authors = TestAuthors(tmp_path / "a.jsonl")
    for _ in range(3):
        authors.note(Suite(TESTS))
    assert len(authors.file.read_text().splitlines()) == 2
