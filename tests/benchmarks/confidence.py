"""What a bound of confidence brings, on runs that the confidence was not fitted on.

    ml-coach bench tasks.jsonl --only HumanEval -m MODEL --replies FILE -o humaneval.json
    python tests/benchmarks/confidence.py humaneval.json mbpp.json [--undetermined FILE]

The tasks of all reports are split into five parts; the confidence in each part's runs is fitted on
the other four. Figures are means over four such splits. `--undetermined` names the tasks, as JSON
lines with `task_id`, whose prompt does not say what the hidden test asks for.
"""

from __future__ import annotations

import argparse
import json
import random
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import mean

from ml_coach.bench.trust import calibration_error
from ml_coach.core.evidence import Evidence
from ml_coach.core.judging.calibration import fit

BOUNDS = (0.65, 0.7, 0.75, 0.8, 0.85, 0.9)
PARTS, SPLITS = 5, 4


@dataclass(frozen=True, slots=True)
class Run:
    """One run of the loop; one without `evidence`, or that gave up, never ends `passed`."""

    report: str
    task: str
    solved: bool
    may_pass: bool
    evidence: Evidence | None


def read_runs(file: Path) -> list[Run]:
    """The loop's runs in a report of `ml-coach bench`."""
    rows = [row for row in json.loads(file.read_text("utf-8"))["rows"] if row["strategy"] == "loop"]
    return [
        Run(
            file.stem, row["task"], row["solved"],
            bool(row["evidence"]) and row["outcome"] != "gave_up",
            Evidence(**row["evidence"]) if row["evidence"] else None,
        )
        for row in rows
    ]  # fmt: skip


def confidences(runs: Sequence[Run], seed: int) -> Iterator[float]:
    """For each run the confidence that was fitted without its part of the tasks."""
    tasks = sorted({run.task for run in runs})
    random.Random(seed).shuffle(tasks)
    part_of = {task: number % PARTS for number, task in enumerate(tasks)}
    fitted = [
        fit([(r.evidence, r.solved) for r in runs if r.evidence and part_of[r.task] != part], "")
        for part in range(PARTS)
    ]
    for run in runs:
        yield fitted[part_of[run.task]].confidence(run.evidence) if run.evidence else 0.0


def show(name: str, splits: Sequence[Sequence[tuple[float, Run]]], wanted: Collection[str]) -> None:
    """A line for each bound: how many runs pass, and how many of these are right."""
    chosen = [[(c, r) for c, r in split if r.task in wanted] for split in splits]
    print(f"\n{name}: {len(chosen[0])} runs")
    for bound in BOUNDS:
        passing = [[r for c, r in split if r.may_pass and c >= bound] for split in chosen]
        number = mean(map(len, passing))
        right = mean(sum(r.solved for r in runs) / max(1, len(runs)) for runs in passing)
        share = number / len(chosen[0])
        print(f"  at {bound:.2f} {number:6.1f} ({share:4.0%}) pass, {right:4.0%} of them right")
    error = mean(calibration_error([(c, r.solved) for c, r in s if r.evidence]) for s in chosen)
    print(f"  expected calibration error {error:.3f}")


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n", 1)[0])
    parser.add_argument("reports", nargs="+", type=Path)
    parser.add_argument("--undetermined", type=Path)
    options = parser.parse_args()
    runs = [run for report in options.reports for run in read_runs(report)]
    splits = [list(zip(confidences(runs, seed), runs, strict=True)) for seed in range(SPLITS)]
    everything = {run.task for run in runs}
    for report in options.reports:
        of_report = [[(c, r) for c, r in s if r.report == report.stem] for s in splits]
        show(report.stem, of_report, everything)
        if options.undetermined:
            lines = options.undetermined.read_text("utf-8").splitlines()
            unknown = {json.loads(line)["task_id"] for line in lines}
            if unknown & {run.task for _, run in of_report[0]}:
                show(f"{report.stem}, what the prompt determines", of_report, everything - unknown)
    show("all", splits, everything)


if __name__ == "__main__":
    main()
