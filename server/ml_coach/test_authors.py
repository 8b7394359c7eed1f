"""Who wrote a test: remembered by its name and its code, also after a restart.

A test that the user changed has other code, so it is the user's own from then on.

    <state folder>/test_authors.jsonl    {"test": name, "sha256": of its code, "author": "guessed"}
"""

from __future__ import annotations

import ast
from collections.abc import Iterator
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path

from ml_coach.core.python import syntax
from ml_coach.core.types import Suite
from ml_coach.json_lines import JsonLines, append


@dataclass(frozen=True, slots=True)
class TestAuthors:
    """The tests that ML Coach wrote. `file` is where they are noted."""

    __test__ = False  # pytest collects classes named Test*

    file: Path

    def note(self, suite: Suite) -> None:
        """Notes the tests of a suite that the model guessed. Raises `OSError`."""
        known = self._guessed()
        for name, digest in _tests_in(suite.source):
            if suite.provenance_of(name) == "guessed" and (name, digest) not in known:
                append(self.file, {"test": name, "sha256": digest, "author": "guessed"})

    def guessed_in(self, source: str) -> frozenset[str]:
        """The names of the tests in a file that the model guessed and nobody changed since."""
        known = self._guessed()
        return frozenset(name for name, digest in _tests_in(source) if (name, digest) in known)

    def _guessed(self) -> set[tuple[object, object]]:
        lines = (line for line in JsonLines(self.file) if line.get("author") == "guessed")
        return {(str(line.get("test")), str(line.get("sha256"))) for line in lines}


def _tests_in(source: str) -> Iterator[tuple[str, str]]:
    """Each top-level test function, with a digest of its code; layout and comments do not count."""
    for node in syntax.tests(source):
        if not isinstance(node, ast.ClassDef):
            yield node.name, sha256(ast.unparse(node).encode("utf-8", "replace")).hexdigest()
