"""How many replies are read right, refused, or silently wrong: patches, programs, test suites.

    python tests/benchmarks/reply_cases.py [--data FILE] [--misses] [--keep-aside N]

FILE holds JSON lines: of a `patch` the `files` before, the `reply`, and in `right` each result
that is acceptable, a mapping of files or "refuse"; of a `program` or a `suite` the `names`, the
`stub`, and a `check` that must run in the result's namespace (or "refuse"), without any text in
`forbidden`. `--keep-aside N` leaves out every Nth row. `losses` counts what the guard finds lost
in results that are wrong.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
from collections import Counter
from pathlib import Path
from typing import Any, Literal

from ml_coach.core.changes import PatchRefused
from ml_coach.core.patches import apply, read_patch
from ml_coach.core.patches.guard import loss
from ml_coach.core.sanitizer import Sanitized, sanitize

sys.path.insert(0, str(Path(__file__).parent))
from grading import grade

Verdict = Literal["right", "refused", "silently wrong", "crash"]
Row = dict[str, Any]


def patched(row: Row) -> dict[str, str] | str:
    """The files after the reply, or the sentence that refuses it."""
    files: dict[str, str] = row["files"]
    patch = read_patch(row["reply"], files, default_file=next(iter(files), ""))
    after = patch if isinstance(patch, PatchRefused) else apply(patch, files)
    return after.reason if isinstance(after, PatchRefused) else after


def verdict_of_patch(row: Row) -> tuple[Verdict, str]:
    after = patched(row)
    if isinstance(after, str):
        return ("right" if "refuse" in row["right"] else "refused"), after
    if any(after == right for right in row["right"] if right != "refuse"):
        return "right", ""
    return "silently wrong", json.dumps(after)


def verdict_of_code(row: Row) -> tuple[Verdict, str]:
    found = sanitize(row["reply"], names=row["names"], stub=row["stub"], kind=row["kind"])
    if not isinstance(found, Sanitized):
        return ("right" if row["check"] == "refuse" else "refused"), found.reason
    if row["check"] == "refuse" or any(text in found.source for text in row["forbidden"]):
        return "silently wrong", found.source
    fine = grade([(found.source, row["check"])])[0]
    return ("right" if fine else "silently wrong"), found.source


def losses(row: Row, after: str) -> int:
    """How many files of a wrong result have lost something, by the guard itself."""
    result: dict[str, str] = json.loads(after)
    return sum(bool(loss(text, result.get(file, ""), "")) for file, text in row["files"].items())


def main() -> None:
    folder = Path(os.environ.get("ML_COACH_DATA", Path(__file__).parents[2].parent / "shared/data"))
    options = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    options.add_argument("--data", type=Path, default=folder / "reply_cases.jsonl")
    options.add_argument("--misses", action="store_true", help="show our misses")
    options.add_argument("--keep-aside", type=int, default=0, metavar="N")
    options.add_argument("--kind", choices=["patch", "program", "suite"])
    chosen = options.parse_args()
    if not chosen.data.exists():
        sys.exit(f"{chosen.data} does not exist; set ML_COACH_DATA or give --data FILE.")
    rows: list[Row] = [json.loads(line) for line in chosen.data.open(encoding="utf-8")]
    if step := chosen.keep_aside:
        rows = [row for at, row in enumerate(rows) if at % step != step - 1]
    rows = [row for row in rows if chosen.kind in (None, row["kind"])]
    counts: dict[str, Counter[str]] = {}
    lost = 0
    for row in rows:
        try:
            read = verdict_of_patch if row["kind"] == "patch" else verdict_of_code
            verdict, said = read(row)
        except Exception as error:  # noqa: BLE001 - what is counted here
            verdict, said = "crash", f"{type(error).__name__}: {error}"
        counts.setdefault(row["kind"], Counter())[verdict] += 1
        if row["kind"] == "patch" and verdict == "silently wrong":
            lost += losses(row, said)
        if chosen.misses and verdict != "right":
            print(f"--- {row['kind']} {row['name']!r}: {verdict}\n{said}\n")
    table(counts)
    print(f"\nFiles that lost something: {lost}")


def table(counts: dict[str, Counter[str]]) -> None:
    counts = {**counts, "ml-coach": sum(counts.values(), Counter())}
    columns = ("right", "refused", "silently wrong", "crash")
    print(f"{'kind':10}{'rows':>6}" + "".join(f"{column:>16}" for column in columns))
    for kind, count in counts.items():
        total = count.total() or 1
        cells = [f"{count[c]:>7} {100 * count[c] / total:6.1f} %" for c in columns]
        print(f"{kind:10}{count.total():>6}" + "".join(cells))


if __name__ == "__main__":
    main()
