"""Tests for mistakes that no test notices: each passes on the program and fails on the mistake.

No model is asked. The steps of tests that come near a mistake are taken with other values
(looks.py), what the program does then is what a test expects, and the mistakes are tried on all
these tests as an audit tries them on a project's own. What is left is right by construction, as far
as the program is: such a test only says what the program does today, and says so in a comment.
"""

from __future__ import annotations

import ast
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import chain, islice, zip_longest

from ml_coach.core.auditing import looks
from ml_coach.core.auditing.looks import Look
from ml_coach.core.auditing.report import Mistake, NewTest
from ml_coach.core.ports import Executor
from ml_coach.core.project import Project
from ml_coach.core.python import syntax

MOST_LOOKS = 150
# Of the looks, and of the first run of the new tests. The mistakes are tried with 0, as everything
# else is. So what depends on the order of a set of texts is rarely the same all three times.
LOOKS_SEED, FIRST_SEED = 1, 2
_MOST_TESTS = 6  # whose steps are taken, of each function with a mistake in it
_TRIAL = "test_ml_coach_{}"


@dataclass(frozen=True, slots=True)
class Candidates:
    """Tests that say what the program does, by the file that they stand in. `project` has them."""

    project: Project
    texts: Mapping[str, str]

    @property
    def ids(self) -> frozenset[str]:
        """The ids of the tests."""
        return frozenset(self.texts)


async def candidates(
    project: Project, mistakes: Sequence[Mistake], executor: Executor, *,
    timeout_seconds: float, test_seconds: float,
) -> Candidates:  # fmt: skip
    """Tests that may notice those of `mistakes` that nobody notices, none of them tried on one."""
    asked = list(islice(_looks(project, mistakes), MOST_LOOKS))
    names = [_TRIAL.format(number) for number in range(len(asked))]
    files = [look.of.partition("::")[0] for look in asked]
    asking: dict[str, list[str]] = {}
    for name, file, look in zip(names, files, asked, strict=True):
        asking.setdefault(file, []).append(look.asking(name))
    ids = [f"{file}::{name}" for file, name in zip(files, names, strict=True)]
    if not ids:
        return Candidates(project, {})
    texts = {file: project.text(file) + looks.asking_text(of) for file, of in asking.items()}
    # Twice: what differs without a mistake is nothing to expect.
    reports = await executor.test_project(
        project.with_texts(texts), ({}, {}), only=ids, timeout_seconds=timeout_seconds / 2,
        test_seconds=test_seconds, hash_seed=LOOKS_SEED,
    )  # fmt: skip
    seen, again = (
        {finding.test: looks.seen(finding.detail) for finding in report.tests.findings}
        for report in reports
    )
    known = {file: syntax.top_level(syntax.module(project.text(file))) for file in asking}
    found: dict[str, str] = {}
    for test, name, look in zip(ids, names, asked, strict=True):
        if (
            (saw := seen.get(test))
            and saw == again.get(test)
            and (text := look.expecting(name, saw, known[_file(test)]))
        ):
            found[test] = text
    return Candidates(_with_tests(project, found), found)


def chosen(
    project: Project, mistakes: Sequence[Mistake], tried: Mapping[int, Collection[str]],
    written: Candidates,
) -> tuple[NewTest, ...]:  # fmt: skip
    """The fewest of the tests `written` that notice all of `mistakes` that any does, without those
    that are in their file under another name. `tried` has the ids of the tests that notice a
    mistake, by its place among `mistakes`."""
    notices: dict[str, set[int]] = {}
    for number, tests in tried.items():
        for test in tests:
            notices.setdefault(test, set()).add(number)
    there = {
        file: dict(syntax.test_functions(project.text(file)))
        for file in {_file(test) for test in notices}
    }
    names = {file: set(tests) for file, tests in there.items()}
    bodies = {file: {_body(node) for node in tests.values()} for file, tests in there.items()}
    found: list[NewTest] = []
    left = set[int]().union(*notices.values())
    while left:
        best = min(notices, key=lambda test: _rank(notices[test] & left, written.texts[test]))
        noticed = sorted(notices[best] & left)
        left -= notices[best]
        file = _file(best)
        ((_, written_one),) = syntax.test_functions(written.texts[best])
        if _body(written_one) in bodies[file]:  # It was written before and not asked this time.
            continue
        name = _free_name(mistakes[noticed[0]], names[file])
        names[file].add(name)
        text = written.texts[best].replace(best.partition("::")[2], name, 1)
        comment = _comment([mistakes[number] for number in noticed])
        found.append(NewTest(file, name, comment + text, tuple(noticed)))
    return tuple(found)


def added(text: str, tests: Sequence[NewTest]) -> str:
    """What to write behind `text`, that of a test file, so that it has these tests, too; empty
    where it has them."""
    known = {name for name, _ in syntax.test_functions(text)}
    new = "".join(f"\n\n{test.text}" for test in tests if test.name not in known)
    lead = "" if not new or text.endswith("\n") else "\n"
    return (lead + new).replace("\n", "\r\n" if "\r\n" in text else "\n")


def _rank(notices: Collection[int], text: str) -> tuple[int, bool, int, str]:
    """The most mistakes first, then values before errors, then short before long."""
    return -len(notices), "pytest.raises" in text, len(text), text


def _comment(mistakes: Sequence[Mistake]) -> str:
    lines = ["# ml-coach: guessed", "# It says what the program does today. It fails where"]
    lines += [f"#   {m.file}:{m.line}: {m.what}" for m in mistakes[:4]]
    return "\n".join(lines) + "\n"


def _free_name(mistake: Mistake, taken: Collection[str]) -> str:
    last = mistake.function.rpartition(".")[2].strip("_") or "module"
    numbered = (f"test_{last}_{number}" for number in range(1, len(taken) + 2))
    return next(name for name in numbered if name not in taken)


def _body(test: ast.FunctionDef | ast.AsyncFunctionDef) -> str:
    return "".join(map(ast.dump, [test.args, *test.body]))


def _file(test: str) -> str:
    return test.partition("::")[0]


def _with_tests(project: Project, tests: Mapping[str, str]) -> Project:
    behind: dict[str, str] = {}
    for test, text in tests.items():
        behind[_file(test)] = behind.get(_file(test), project.text(_file(test))) + f"\n\n{text}"
    return project.with_texts(behind)


def _looks(project: Project, mistakes: Sequence[Mistake]) -> Iterator[Look]:
    """In turns for each function that has a mistake which nobody notices."""
    near: dict[tuple[str, str], dict[str, None]] = {}
    for mistake in sorted(mistakes, key=lambda m: m.status != "survived"):
        functions = (test.partition("[")[0] for test in mistake.reached_by)
        near.setdefault((mistake.file, mistake.function), {}).update(dict.fromkeys(functions))
    open_ones = {(m.file, m.function) for m in mistakes if m.status != "noticed"}
    rows: list[Iterator[Look]] = []
    for (file, function), tests in near.items():
        if (file, function) in open_ones:
            seeds = _seeds(project.text(file), function)
            for test in islice(tests, _MOST_TESTS):
                rows.append(looks.looks_of(project.text(_file(test)), test, seeds))
    turns = chain.from_iterable(zip_longest(*rows))
    yield from dict.fromkeys(look for look in turns if look)


def _seeds(source: str, function: str) -> tuple[object, ...]:
    """The constants of a function by its qualified name; of the module where it is in none."""
    scope: ast.AST | None = syntax.parse(source)
    for name in filter(None, function.split(".")):
        below = ast.iter_child_nodes(scope) if scope else ()
        scope = next((node for node in below if getattr(node, "name", "") == name), None)
    return looks.constants_of(scope) if scope else ()
