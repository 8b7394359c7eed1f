"""Which tests are tried on which mistake, and for how long."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace

from ml_coach.core.auditing.entries import entries_of
from ml_coach.core.auditing.mistakes import Edit, Function
from ml_coach.core.project import LineChange, Project, ProjectReport, Trial, TrialResult

# Seconds of a processor that a test may use, and all of a trial together: so many times what they
# took at first, and these in any case. What needs more runs in a circle.
_TIMES_SLOWER = 10.0
_LEAST_SECONDS = 0.25
# In a trial a test may have to do itself what it found done at first: an import, a cache, a
# fixture. Another test did it then, so it takes no longer than the longest one; twice that, for two
# things.
_TIMES_LONGEST = 2.0
# For the tests that may need a mistake's function and do not run its line, each time that those
# which do notice nothing.
_MOST_FURTHER_SECONDS = 1.0
# For all looks together at who needs a function without being seen to run it.
_MOST_LOOK_SECONDS = 20.0


class Plan:
    """What is tried for each of the mistakes `edits`. `first` is how the tests went without any."""

    def __init__(self, first: ProjectReport, edits: Sequence[Edit]) -> None:
        self.edits = edits
        self._first = first
        self._order = [case.name for case in first.tests.cases if case.name in first.passed]
        self._seconds = {case.name: case.seconds for case in first.tests.cases}
        self._longest = max(self._seconds.values(), default=0.0)
        self._entering: dict[Function, frozenset[str]] = {}
        self._unseen: dict[Function, frozenset[str]] = {}
        self.test_seconds = {test: self._limit([test]) for test in self._seconds}

    def reaching(self, edit: Edit) -> frozenset[str]:
        """The tests that may notice a mistake, those that failed at first left out."""
        if not edit.in_function or not self._are_followed:
            return self._first.passed
        return self._running(edit.in_the, edit.reach)

    def unseen(self, edit: Edit) -> frozenset[str]:
        """The tests that need the function that a mistake is in, and are not seen to run it."""
        return self._unseen.get(edit.in_the, frozenset())

    def running(self, modules: Sequence[str]) -> frozenset[str]:
        """The tests that run a line of one of the modules."""
        coverage = self._first.coverage.lines or self._first.coverage.reached
        if not coverage:  # Not all tests were followed.
            return self._first.passed
        lines = [by for file in modules for by in coverage.get(file, {}).values()]
        return frozenset[str]().union(*lines)

    def controls(self, project: Project) -> list[Trial]:
        """The tests without a mistake, also in reverse, and as those are tried that have a mistake
        in what runs at import: a test that fails then would judge wrongly."""
        found = [self._trial(self._order), self._trial(self._order[::-1])]
        at_import = next((edit for edit in self.edits if not edit.in_function), None)
        if at_import is not None:
            line = project.text(at_import.file).split("\n")[0]
            found.append(replace(found[0], change=LineChange(at_import.file, 1, 1, f"{line}\n")))
        return found

    def unstable(self, controls: Sequence[TrialResult]) -> frozenset[str]:
        """The tests that passed at first and not in the controls."""
        every = frozenset(self._order)
        done = [each for each in controls if each.ended != "untried"]
        return frozenset[str]().union(*(every - (each.ran - each.failed) for each in done))

    def looks(self, project: Project) -> dict[Function, Trial]:
        """For each function a trial in which it raises when it is called, with the tests that are
        not seen to run it. Those that fail need it all the same: in another process, while a module
        is imported, in what a cache or a fixture keeps for them.

        As many as there is time for, those first of functions that no test is seen to run.
        """
        if not self._are_followed:
            return {}
        entries = entries_of(project, self.edits)
        self._entering = {
            function: self._running(function, entry.lines) for function, entry in entries.items()
        }
        found: dict[Function, Trial] = {}
        left = _MOST_LOOK_SECONDS
        for function in sorted(entries, key=lambda each: bool(self._entering[each])):
            tests = self._first.passed - self._entering[function]
            left -= self._took(tests)
            if tests and left >= 0:
                trial = self._trial(self._in_order(tests))
                raises = entries[function].raises
                found[function] = replace(trial, change=raises, in_function=True, alone=True)
        return found

    def see(self, looks: Mapping[Function, Trial], results: Sequence[TrialResult]) -> None:
        """Takes what came of the looks; who did not run in one may need its function."""
        for (function, trial), result in zip(looks.items(), results, strict=True):
            self._unseen[function] = frozenset(trial.tests) - (result.ran - result.failed)

    def trial(self, edit: Edit) -> Trial:
        """What is tried for a mistake."""
        reaching = self.reaching(edit)
        further = self._entering.get(edit.in_the, frozenset()) - reaching
        if self._took(further) > _MOST_FURTHER_SECONDS:
            further = frozenset[str]()
        then = (further | self.unseen(edit)) - reaching
        change = LineChange(edit.file, edit.first, edit.last, edit.after)
        trial = self._trial(self._in_order(reaching), self._in_order(then))
        return replace(trial, change=change, in_function=edit.in_function)

    @property
    def _are_followed(self) -> bool:
        coverage = self._first.coverage
        return bool(coverage.lines or coverage.reached)

    def _running(self, function: Function, lines: Iterable[int]) -> frozenset[str]:
        """The tests that run one of these lines of a function; that enter it, where they were
        followed no closer."""
        (file, entered), coverage = function, self._first.coverage
        seen = (coverage.lines or coverage.reached).get(file, {})
        found = [seen.get(n, frozenset[str]()) for n in (lines if coverage.lines else [entered])]
        return self._first.passed & frozenset[str]().union(*found)

    def _in_order(self, tests: frozenset[str]) -> list[str]:
        return [test for test in self._order if test in tests]

    def _trial(self, tests: Sequence[str], then: Sequence[str] = ()) -> Trial:
        return Trial(tuple(tests), seconds=self._limit([*tests, *then]), then=tuple(then))

    def _took(self, tests: Iterable[str]) -> float:
        return sum(self._seconds[test] for test in tests)

    def _limit(self, tests: Iterable[str]) -> float:
        slower = _TIMES_SLOWER * self._took(tests)
        return _LEAST_SECONDS + slower + _TIMES_LONGEST * self._longest
