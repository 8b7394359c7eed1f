"""Where a test comes from: remembered by its folder, its name and its code, also after a restart.

A test that the user changed has other code, so it is the user's own from then on. The comment above
a generated test (core/python/marks.py) is not asked in that folder: anybody may delete or copy it.
In another folder the user may have written the same test by hand. There it counts as ours only with
such a comment, which comes along where a file is copied or its folder is moved.

    <state folder>/test_authors.jsonl
        {"folder": of the file, "test": name, "sha256": of its code, "author": "guessed"}
"""

from __future__ import annotations

import logging
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path

from ml_coach.core.evidence import PROVENANCES, Provenance
from ml_coach.core.python import syntax
from ml_coach.core.python.marks import marked_tests
from ml_coach.core.types import Suite
from ml_coach.json_lines import JsonLines, append

logger = logging.getLogger(__name__)

_Key = tuple[str, str]
_ANYWHERE = ""
# What can be noted. The user's own tests are those that are not.
_NOTED: dict[str, Provenance] = {kind: kind for kind in PROVENANCES if kind != "own"}


@dataclass(frozen=True, slots=True)
class TestAuthors:
    """The tests that ML Coach wrote. `file` is where they are noted."""

    __test__ = False  # pytest collects classes named Test*

    file: Path

    def note(self, suite: Suite, root: Path) -> None:
        """Notes where the tests of a suite that a run wrote come from; its file is relative to
        `root`. Raises `OSError`."""
        folder = _folder(root, suite.file)
        known = self._known().get(folder, {})
        for name, key in _tests_in(suite.source).items():
            provenance = _firmer(suite.provenance_of(name), known.get(key))
            if provenance in _NOTED and provenance != known.get(key):
                line = {"folder": folder, "test": name, "sha256": key[1], "author": provenance}
                append(self.file, line)

    def provenance_in(self, source: str, root: Path, file: str) -> dict[str, Provenance]:
        """Where the tests in a file come from, by name (`test_x`, `TestA::test_b`): those that ML
        Coach wrote and nobody changed since. All others are the user's own."""
        known = self._known()
        # Earlier versions noted no folder: what they noted counts in each.
        here: dict[_Key, Provenance] = {
            **known.get(_ANYWHERE, {}),
            **known.get(_folder(root, file), {}),
        }
        elsewhere: dict[_Key, Provenance] = {}
        for keys in known.values():
            elsewhere |= {key: _firmer(new, elsewhere.get(key)) for key, new in keys.items()}
        marked = marked_tests(source)
        found: dict[str, Provenance] = {}
        for name, key in _tests_in(source).items():
            if key in here:
                found[name] = here[key]
            elif key in elsewhere and name.split("::")[0] in marked:
                found[name] = elsewhere[key]
        return found

    def _known(self) -> dict[str, dict[_Key, Provenance]]:
        """What is noted, by folder."""
        known: dict[str, dict[_Key, Provenance]] = {}
        strange = 0
        for line in JsonLines(self.file):
            match {"folder": _ANYWHERE, **line}:
                case {
                    "folder": str(folder), "test": str(test), "sha256": str(digest),
                    "author": str(author),
                } if author in _NOTED:  # fmt: skip
                    keys, key = known.setdefault(folder, {}), (test, digest)
                    keys[key] = _firmer(_NOTED[author], keys.get(key))
                case _:
                    strange += 1
        if strange:
            logger.warning("%s: %d lines name no test, and were skipped.", self.file, strange)
        return known


def _firmer(new: Provenance, known: Provenance | None) -> Provenance:
    """The more trusted of the two: what one run was given and another guessed is not dropped."""
    at = PROVENANCES.index
    return new if known is None or at(new) < at(known) else known


def _folder(root: Path, file: str) -> str:
    # Of the file, not of the workspace: a terminal's folder may lie in an editor's.
    return str((root / file).resolve().parent)


def _tests_in(source: str) -> dict[str, _Key]:
    """What each test function is known by, by its name; layout and comments do not count.

    Of several with one name the last counts, as for pytest. One that is nested too deeply to be
    written out cannot be told from others, so it is left out.
    """
    last = dict(syntax.test_functions(source))
    codes = {name: syntax.unparsed(node) for name, node in last.items()}
    return {
        name: (name, sha256(code.encode("utf-8", "replace")).hexdigest())
        for name, code in codes.items()
        if code
    }
