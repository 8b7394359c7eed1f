"""Programming tasks from JSON lines: `task_id prompt entry_point public_tests hidden_test
extended_tests`, as HumanEval and MBPP are commonly prepared."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, cast


@dataclass(frozen=True, slots=True)
class Task:
    """One programming task.

    `public_tests` are asserts that a user could have given. `hidden_test` is code that is run after
    the program and must not raise; `extended_tests` are further asserts of this kind. With a
    `program` the task is to debug it.
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
    for number, row in _rows(file, "a task"):
        try:
            tasks.append(
                Task(
                    id=row["task_id"],
                    prompt=row["prompt"],
                    entry_point=row["entry_point"],
                    public_tests=tuple(row.get("public_tests", ())),
                    hidden_test=row["hidden_test"],
                    extended_tests=tuple(row.get("extended_tests", ())),
                )
            )
        except (KeyError, TypeError) as error:
            raise ValueError(f"{file}, line {number}, is not a task: {error!r}") from None
    return tasks


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
