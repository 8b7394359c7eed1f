"""Which unit of a project is to blame for a failure: the most suspicious one first.

Spectrum-based: a line is as suspicious as the failing tests that run it are many and the passing
ones few (Ochiai; Abreu, Zoeteweij and van Gemund 2007), a function as its most suspicious line.
What a spectrum does not show comes from the failure itself: the frames of its traceback, the names
that the test uses, and what an error says is missing. Constants and class bodies run at import, so
they are as suspicious as the functions that read them. Where a test runs none of the project's code
itself, because it starts a process for it, the function is suspected whose words it has in common
with the test and what that says (Zhou, Zhang and Lo 2012 look for bugs by reports in this way).
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import log, sqrt

from ml_coach.core.finding import Finding
from ml_coach.core.fixing.units import FileUnits, Unit, units_of
from ml_coach.core.patches.lines import split_lines
from ml_coach.core.project import Coverage, Project, is_tests

# What the last frames of a traceback add, the innermost first. None of these numbers was fitted.
_FRAMES = (0.5, 0.3, 0.2)
_NAMED = 0.25  # The test itself uses the name.
_ALIKE = 0.1  # The test's own name has the word.
_MOST_BY_WORDS = 20
_MISSING = 2.0  # The error says that a name is missing there.
_DATA = 0.6  # A constant is less often to blame than the function that reads it.
_PROCESS = re.compile(
    r"\b(?:subprocess|Popen|pexpect|sys\.executable|os\.(?:system|exec\w+|spawn\w+)|multiprocessing"
    r"|import sh|runpytest\w*|script_runner|testdir|pytester)\b"
)
_WORD = re.compile(r"[A-Za-z_]\w*")
_PARTS = re.compile(r"[A-Z]?[a-z]+|[A-Z]+(?![a-z])|\d+")
_NO_ATTRIBUTE = re.compile(
    r"(?:module|partially initialized module) '([\w.]+)' has no attribute"
    r"|cannot import name '\w+' from (?:partially initialized module )?'([\w.]+)'"
    r"|(?:type object )?'(\w+)'(?: object)? has no attribute"
)


@dataclass(frozen=True, slots=True)
class Suspect:
    """A unit and how suspicious it is; only the order means something."""

    unit: Unit
    score: float


class Sources:
    """The units of a project's files, read when they are first asked for."""

    def __init__(self, project: Project) -> None:
        self.project = project
        self._known: dict[str, FileUnits] = {}

    def units(self, file: str) -> FileUnits:
        """The units of a file."""
        if file not in self._known:  # Asked for each line of a run, so its text is not read again.
            self._known[file] = units_of(file, self.project.text(file))
        return self._known[file]


def suspects(
    sources: Sources,
    coverage: Coverage,
    failures: Sequence[Finding],
    test_source: str,
) -> list[Suspect]:
    """The units that may be to blame for `failures`, which have one cause. `test_source` is what
    their test functions say."""
    scores = _by_spectrum(sources, coverage, failures)
    frames, missing = _by_frames(sources, failures), _missing(sources, failures)
    if not (scores or frames or missing) and _starts_processes(sources, failures):
        scores = _by_words(sources, failures, test_source)
    for unit, score in _data(sources, scores, failures, test_source).items():
        scores[unit] = max(score, scores.get(unit, 0.0))
    for unit, bonus in frames.items():
        scores[unit] = scores.get(unit, 0.0) + bonus
    words = set(_WORD.findall(test_source))
    alike = {part.lower() for f in failures for part in _PARTS.findall(f.test.split("[")[0])}
    for unit in scores:
        if unit.kind == "function" and unit.simple_name in words:
            scores[unit] += _NAMED
        parts = {part.lower() for part in _PARTS.findall(unit.simple_name)} - {"test"}
        if unit.kind != "module" and parts and parts <= alike:
            scores[unit] += _ALIKE
    for unit in missing:
        scores[unit] = scores.get(unit, 0.0) + _MISSING
    ranked = sorted(scores, key=lambda u: (-scores[u], u.last - u.first, u.key))
    return [Suspect(unit, scores[unit]) for unit in ranked]


def _by_spectrum(
    sources: Sources, coverage: Coverage, failures: Sequence[Finding]
) -> dict[Unit, float]:
    """Ochiai of each function's most suspicious line."""
    runs = [coverage.failed[f.test] for f in failures if f.test in coverage.failed]
    counts: Counter[tuple[str, int]] = Counter()
    for run in runs:
        counts.update((file, line) for file, lines in run.items() for line in lines)
    found: dict[Unit, float] = {}
    for (file, line), failing in counts.items():
        unit = sources.units(file).at(line)
        if unit.kind == "function":
            score = ochiai(failing, passing(coverage, unit, line), len(runs))
            found[unit] = max(score, found.get(unit, 0.0))
    return found


def passing(coverage: Coverage, unit: Unit, line: int) -> int:
    """How many passing tests ran a line of `unit`, or the unit, where lines are not known."""
    return coverage.passed.get(unit.file, {}).get(unit.first if coverage.by_function else line, 0)


def ochiai(failing: int, passing: int, failures: int) -> float:
    """How suspicious a line is that so many of the `failures` ran, and so many passing tests."""
    return failing / sqrt(failures * (failing + passing))


def _by_frames(sources: Sources, failures: Sequence[Finding]) -> dict[Unit, float]:
    """What each unit gets for being in the tracebacks: at most once as much as the best frame."""
    modules = frozenset(sources.project.modules)
    found: dict[Unit, float] = {}
    for failure in failures:
        places = [p for p in reversed(failure.related) if p.file in modules]
        units = list(dict.fromkeys(sources.units(p.file).at(p.line) for p in places))
        for unit, bonus in zip(units, _FRAMES, strict=False):
            found[unit] = max(bonus, found.get(unit, 0.0))
    return found


def _starts_processes(sources: Sources, failures: Sequence[Finding]) -> bool:
    """Whether the code of the project may have run elsewhere: without a sign of that, a test that
    ran none of it says nothing of it."""
    project = sources.project
    tests = {finding.test.partition("::")[0] for finding in failures}
    folders = {file.rpartition("/")[0] for file in tests}
    beside = [f for f in project.files if is_tests(f) or f.rpartition("/")[0] in folders]
    return any(_PROCESS.search(project.text(f)) for f in beside if f.endswith(".py"))


def _by_words(sources: Sources, failures: Sequence[Finding], test_source: str) -> dict[Unit, float]:
    """The functions that are most alike to the test and what it says, by the cosine of their words'
    weights (idf): what is in few functions says most."""
    texts: dict[Unit, frozenset[str]] = {}
    for file in sources.project.modules:
        lines = split_lines(sources.project.text(file))
        for unit in sources.units(file).functions:
            texts[unit] = _words("\n".join([file, *lines[unit.first - 1 : unit.last]]))
    said = _words(
        "\n".join([test_source, *(f"{f.test}\n{f.message}\n{f.detail}" for f in failures)])
    )
    spread = Counter(word for words in texts.values() for word in words)
    weight = {word: log(1 + len(texts) / count) for word, count in spread.items()}
    found: dict[Unit, float] = {}
    for unit, words in texts.items():
        common = sum(weight[word] ** 2 for word in words & said)
        found[unit] = common / sqrt(sum(weight[word] ** 2 for word in words) or 1.0)
    most = max(found.values(), default=0.0) or 1.0
    likeliest = sorted(found, key=lambda u: -found[u])[:_MOST_BY_WORDS]
    return {unit: found[unit] / most for unit in likeliest if found[unit]}


def _words(text: str) -> frozenset[str]:
    """The words of a text, and those that its names are made of."""
    return frozenset(part.lower() for part in _PARTS.findall(text) if len(part) > 1)


def _data(
    sources: Sources,
    scores: Mapping[Unit, float],
    failures: Sequence[Finding],
    test_source: str,
) -> dict[Unit, float]:
    """Class bodies and modules, as suspicious as the functions that read what they assign."""
    readers: dict[str, float] = {}
    for unit, score in scores.items():
        for name in unit.reads:
            readers[name] = max(score, readers.get(name, 0.0))
    files = {unit.file for unit in scores}
    holders = [u for f in files for u in sources.units(f).every if u.kind != "function"]
    # A module that only has constants runs no line in any test.
    for file in sources.project.modules:
        units = sources.units(file) if file not in files else None
        if units and units.module.binds & readers.keys():
            holders += [u for u in units.every if u.kind != "function"]
    binding = Counter(name for unit in holders for name in unit.binds)
    words = set(_WORD.findall(test_source))
    named = " ".join(f.test for f in failures)
    found: dict[Unit, float] = {}
    for unit in holders:
        parts = {p for p in _PARTS.findall(unit.simple_name) if len(p) > 2}
        is_meant = unit.simple_name in words or any(part in named for part in parts)
        for name in unit.binds & readers.keys():
            share = 1.0 if is_meant and unit.kind == "class" else 1 / binding[name]
            found[unit] = max(_DATA * readers[name] * share, found.get(unit, 0.0))
    return found


def _missing(sources: Sources, failures: Sequence[Finding]) -> list[Unit]:
    """Where the errors say that a name is missing."""
    found: list[Unit] = []
    for failure in failures:
        for module, other, kind in _NO_ATTRIBUTE.findall(f"{failure.message}\n{failure.detail}"):
            path = (module or other).replace(".", "/")
            for file in sources.project.modules if path or kind else ():
                units = sources.units(file)
                if path and f"/{file}".endswith((f"/{path}.py", f"/{path}/__init__.py")):
                    found.append(units.module)
                if kind:
                    found += [u for u in units.others if u.simple_name == kind]
    return list(dict.fromkeys(found))
