"""Programming tasks from JSON lines: `task_id prompt entry_point public_tests hidden_test
extended_tests`, as HumanEval and MBPP are commonly prepared."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any


@dataclass(frozen=True, slots=True)
class Task:
    """`public_tests` are asserts that a user could have given; `hidden_test` is run after the
    program and must not raise; `extended_tests` are further asserts, possibly none."""

    id: str
    prompt: str
    entry_point: str
    public_tests: tuple[str, ...]
    hidden_test: str
    extended_tests: tuple[str, ...]

    def prompt_with(self, *, given: bool) -> str:
        """The prompt; with `given`, public tests that it does not show are shown below it."""
        if not given or ">>>" in self.prompt or "Example" in self.prompt:
            return self.prompt
        return f"{self.prompt.rstrip()}\n\n\n" + "\n".join(self.public_tests) + "\n"


def read_tasks(file: Path) -> list[Task]:
    """All tasks of `file`. Raises `ValueError` that names the line which is not a task."""
    tasks: list[Task] = []
    for number, line in enumerate(file.read_text(encoding="utf-8").splitlines(), 1):
        if not line.strip():
            continue
        try:
            row: dict[str, Any] = json.loads(line)
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
        except (ValueError, KeyError, TypeError) as error:
            raise ValueError(f"{file}, line {number}, is not a task: {error!r}") from None
    return tasks
