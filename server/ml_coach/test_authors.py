"""Where a test comes from: remembered by its name and its code, also after a restart.

A test that the user changed has other code, so it is the user's own from then on. The comment above
a generated test (core/python/marks.py) is not asked: anybody may copy it or delete it.

    <state folder>/test_authors.jsonl    {"test": name, "sha256": of its code, "author": "guessed"}
"""

from __future__ import annotations

import logging
from collections.abc import Iterator
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path

from ml_coach.core.evidence import PROVENANCES, Provenance
from ml_coach.core.python import syntax
from ml_coach.core.types import Suite
from ml_coach.json_lines import JsonLines, append

logger = logging.getLogger(__name__)

_Key = tuple[str, str]
# What can be noted. The user's own tests are those that are not.
_NOTED: dict[str, Provenance] = {kind: kind for kind in PROVENANCES if kind != "own"}


@dataclass(frozen=True, slots=True)
class TestAuthors:
    """The tests that ML Coach wrote. `file` is where they are noted."""

    __test__ = False  # pytest collects classes named Test*

    file: Path

    def note(self, suite: Suite) -> None:
        """Notes where the tests of a suite that a run wrote come from. Raises `OSError`."""
        known = self._known()
        for name, key in _tests_in(suite.source):
            provenance = _firmer(suite.provenance_of(name), known.get(key))
            if provenance != known.get(key):
                append(self.file, {"test": name, "sha256": key[1], "author": provenance})

    def provenance_in(self, source: str) -> dict[str, Provenance]:
        """Where the tests in a file come from, by name (`test_x`, `TestA::test_b`): those that ML
        Coach wrote and nobody changed since. All others are the user's own."""
        known = self._known()
        return {name: known[key] for name, key in _tests_in(source) if key in known}

    def _known(self) -> dict[_Key, Provenance]:
        known: dict[_Key, Provenance] = {}
        strange = 0
        for line in JsonLines(self.file):
            match line:
                case {"test": str(test), "sha256": str(digest), "author": str(author)} if (
                    author in _NOTED
                ):
                    key = test, digest
                    known[key] = _firmer(_NOTED[author], known.get(key))
                case _:
                    strange += 1
        if strange:
            logger.warning("%s: %d lines name no test, and were skipped.", self.file, strange)
        return known


def _firmer(new: Provenance, known: Provenance | None) -> Provenance:
    """The more trusted of the two: what one run was given and another guessed is not dropped."""
    at = PROVENANCES.index
    return new if known is None or at(new) < at(known) else known


def _tests_in(source: str) -> Iterator[tuple[str, _Key]]:
    """Each test function's name, and what it is known by; layout and comments do not count.

    One that is nested too deeply to be written out cannot be told from others, so it is left out.
    """
    for name, node in syntax.test_functions(source):
        if code := syntax.unparsed(node):
            yield name, (name, sha256(code.encode("utf-8", "replace")).hexdigest())
