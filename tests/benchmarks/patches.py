"""How many malformed diffs each applier applies right, applies wrong without a word, or refuses.

    python tests/benchmarks/patches.py [--data FILE] [--limit N] [--misses]

FILE holds JSON lines with `before`, `after` and `diffs`, a diff's text by kind. Right means that
the result equals `after`, letter for letter. `same program` counts results that differ from it
in blank lines, comments or layout alone (equal syntax trees); the bar counts them as wrong, and
so does the column `wrong`. Seconds are for applying alone, within this one run on this machine.
"""

from __future__ import annotations

import argparse
import ast
import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
import warnings
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

from ml_coach.core.changes import PatchRefused
from ml_coach.core.patches import apply, read_patch

_FILE = "solution.py"

Apply = Callable[[str, str], str | None]
"""The text after a diff, None where the diff is refused."""


def ml_coach(before: str, diff: str) -> str | None:
    patch = read_patch(diff, {_FILE: before})
    if isinstance(patch, PatchRefused):
        return None
    result = apply(patch, {_FILE: before})
    return None if isinstance(result, PatchRefused) else result.get(_FILE)


def command(folder: Path, *words: str) -> Apply:
    """A tool that changes a file in a folder of its own and says by its exit code if it could."""
    target, patch = folder / _FILE, folder / "changes.diff"
    environment = {**os.environ, "GIT_CEILING_DIRECTORIES": str(folder.parent), "LC_ALL": "C"}

    def run(before: str, diff: str) -> str | None:
        target.write_bytes(before.encode("utf-8", "surrogatepass"))
        patch.write_bytes(diff.encode("utf-8", "surrogatepass"))
        done = subprocess.run(
            [*words],
            cwd=folder,
            env=environment,
            capture_output=True,
            timeout=20,
            check=False,
            stdin=subprocess.DEVNULL,
        )
        if done.returncode or not target.exists():
            return None
        return target.read_bytes().decode("utf-8", "surrogatepass")

    return run


def whatthepatch_applier() -> Apply | None:
    try:
        import whatthepatch
    except ImportError:
        return None

    def run(before: str, diff: str) -> str | None:
        try:
            text = before
            for change in whatthepatch.parse_patch(diff):
                lines = whatthepatch.apply_diff(change, text)
                text = "".join(f"{line}\n" for line in lines)
        except Exception:  # noqa: BLE001 - a crash is a refusal here
            return None
        return text if text != before else None

    return run


def appliers(folder: Path) -> tuple[dict[str, Apply], list[str]]:
    """Every applier that is installed, and a note for each that is not."""
    rows: dict[str, Apply] = {"ml-coach": ml_coach}
    notes: list[str] = []
    if shutil.which("git"):
        rows["git apply"] = command(folder, "git", "apply", "changes.diff")
        words = ("git", "apply", "--recount", "-C1", "--ignore-whitespace", "changes.diff")
        rows["git apply --recount -C1 --ignore-whitespace"] = command(folder, *words)
    else:
        notes.append("git is not installed: no row for it.")
    if shutil.which("patch"):
        words = ("patch", "-F3", "-l", "-f", "-s", "--no-backup-if-mismatch", "-r", "-")
        rows["patch -F3 -l"] = command(folder, *words, _FILE, "changes.diff")
    else:
        notes.append("patch is not installed: no row for it.")
    if theirs := whatthepatch_applier():
        rows["whatthepatch"] = theirs
    else:
        notes.append("whatthepatch is not installed (pip install whatthepatch): no row for it.")
    return rows, notes


def verdict(result: str | None, after: str) -> str:
    if result is None:
        return "refused"
    if result == after:
        return "right"
    return "same program" if _tree(result) == _tree(after) else "wrong"


def _tree(source: str) -> str:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            return ast.dump(ast.parse(source))
        except (SyntaxError, ValueError):
            return source


def table(head: str, rows: dict[str, tuple[Counter[str], float | None]]) -> None:
    width = max(map(len, [head, *rows]))
    titles = f"{'right':>7}  {'wrong':>7}  {'refused':>7}  {'same program':>12}  seconds"
    print(f"{head:{width}}  {titles}")
    for name, (counts, seconds) in rows.items():
        total = counts.total() or 1
        wrong = counts["wrong"] + counts["same program"]
        shares = [f"{100 * n / total:6.2f}%" for n in (counts["right"], wrong, counts["refused"])]
        timed = "" if seconds is None else f"{seconds:7.1f}"
        print(f"{name:{width}}  {'  '.join(shares)}  {counts['same program']:12}  {timed}")


def main() -> None:
    folder = Path(os.environ.get("ML_COACH_DATA", Path(__file__).parents[2].parent / "shared/data"))
    options = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    options.add_argument("--data", type=Path, default=folder / "malformed_diffs.jsonl")
    options.add_argument("--limit", type=int, default=None, help="rows, each with all its kinds")
    options.add_argument("--misses", action="store_true", help="show our misses")
    chosen = options.parse_args()
    if not chosen.data.exists():
        sys.exit(f"{chosen.data} does not exist; set ML_COACH_DATA or give --data FILE.")
    with chosen.data.open(encoding="utf-8") as lines:
        rows: list[dict[str, Any]] = [json.loads(line) for line in lines][: chosen.limit]
    kinds: dict[str, tuple[Counter[str], float | None]] = {}
    totals: dict[str, tuple[Counter[str], float | None]] = {}
    with tempfile.TemporaryDirectory() as scratch:
        tools, notes = appliers(Path(scratch))
        for name, tool in tools.items():
            counts: Counter[str] = Counter()
            seconds = 0.0
            for row in rows:
                for kind, diff in row["diffs"].items():
                    start = time.perf_counter()
                    result = tool(row["before"], diff)
                    seconds += time.perf_counter() - start
                    found = verdict(result, row["after"])
                    counts[found] += 1
                    if name == "ml-coach":
                        kinds.setdefault(kind, (Counter(), None))[0][found] += 1
                        if chosen.misses and found != "right":
                            print(f"--- row {row.get('id')}, {kind}: {found}\n{diff}")
            totals[name] = counts, seconds
    print(f"{sum(c.total() for c, _ in kinds.values())} diffs from {chosen.data.name}\n")
    table("applier", totals)
    print()
    table("ml-coach by kind", kinds)
    for note in notes:
        print(f"\nNote: {note}")


if __name__ == "__main__":
    main()
