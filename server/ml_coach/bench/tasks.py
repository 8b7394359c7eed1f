"""Programming tasks from JSON lines: `task_id prompt entry_point public_tests hidden_test
extended_tests`, as HumanEval and MBPP are commonly prepared."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, cast

_TEXTS = ("task_id", "prompt", "entry_point", "hidden_test")
_LISTS = ("public_tests", "extended_tests")


@dataclass(frozen=True, slots=True)
class Task:
    """One programming task.

    `public_tests` are asserts that a user could have given. `hidden_test` is code that must not
    raise: it is run after the program, or, where it names the module `generated_code`, as a file
    beside it. `extended_tests` are further asserts of this kind. `entry_point` is empty for a
    script. With a `program` the task is to debug it.
    """

    id: str
    prompt: str
    entry_point: str
    public_tests: tuple[str, ...]
    hidden_test: str
    extended_tests: tuple[str, ...]
    program: str = ""

    def prompt_with(self, *, given: bool) -> str:
        """The prompt; with `given` the public tests follow, unless it already shows examples."""
        if not given or ">>>" in self.prompt or "Example" in self.prompt:
            return self.prompt
        return f"{self.prompt.rstrip()}\n\n\n" + "\n".join(self.public_tests) + "\n"


def read_tasks(file: Path) -> list[Task]:
    """All tasks of `file`. Raises `ValueError`, which names the line that is not a task."""
    tasks: list[Task] = []
    for number, given in _rows(file, "a task"):
        row: dict[str, Any] = {**dict.fromkeys(_LISTS, ()), **given}
        if fault := _fault(row):
            name = row.get("task_id")
            named = f" ({name})" if isinstance(name, str) else ""
            raise ValueError(f"{file}, line {number}{named}, is not a task: {fault}")
        tasks.append(
            Task(
                id=row["task_id"],
                prompt=row["prompt"],
                entry_point=row["entry_point"],
                public_tests=tuple(row["public_tests"]),
                hidden_test=row["hidden_test"],
                extended_tests=tuple(row["extended_tests"]),
            )
        )
    return tasks


def _fault(row: Mapping[str, Any]) -> str:
    """Which field of a row is missing or of a wrong type; empty where none is."""
    for name in _TEXTS:
        if name not in row:
            return f"{name} is missing"
        if not isinstance(row[name], str):
            return f"{name} must be a text, not {type(row[name]).__name__}"
    for name in _LISTS:
        items = row[name]
        if not isinstance(items, list | tuple):
            return f"{name} must be a list of texts, not {type(items).__name__}"
        if not all(isinstance(item, str) for item in cast("list[object]", items)):
            return f"{name} must be a list of texts, but not all of its items are"
    return ""


def read_solutions(file: Path) -> dict[str, str]:
    """The program of each task in JSON lines `task_id solution`. Raises `ValueError` as
    `read_tasks` does."""
    found: dict[str, str] = {}
    for number, row in _rows(file, "a solution"):
        if not (isinstance(row.get("task_id"), str) and isinstance(row.get("solution"), str)):
            raise ValueError(
                f"{file}, line {number}, is not a solution: task_id and solution must be texts"
            )
        found[row["task_id"]] = row["solution"]
    return found


def read_programs(file: Path, tasks: Sequence[Task]) -> list[Task]:
    """A debugging task for each program of `file`, which has JSON lines `task_id code source`.

    `source` is optional and tells the programs of one task apart. Programs of tasks that are not
    among `tasks` are left out. Raises `ValueError` as `read_tasks` does.
    """
    known = {task.id: task for task in tasks}
    found: dict[str, Task] = {}
    for number, row in _rows(file, "a program"):
        if not (isinstance(row.get("task_id"), str) and isinstance(row.get("code"), str)):
            raise ValueError(
                f"{file}, line {number}, is not a program: task_id and code are needed"
            )
        if task := known.get(row["task_id"]):
            origin = row.get("source", number)
            found[f"{task.id} {origin}"] = replace(
                task, id=f"{task.id} {origin}", program=row["code"]
            )
    return list(found.values())


def _rows(file: Path, what: str) -> Iterator[tuple[int, dict[str, Any]]]:
    """The JSON objects of `file`, each with the number of its line."""
    for number, line in enumerate(file.read_text(encoding="utf-8").splitlines(), 1):
        if not line.strip():
            continue
        try:
            row = json.loads(line)
        except ValueError as error:
            raise ValueError(f"{file}, line {number}, is not {what}: {error!r}") from None
        if not isinstance(row, dict):
            raise ValueError(f"{file}, line {number}, is not {what}: no JSON object")
        yield number, cast("dict[str, Any]", row)
