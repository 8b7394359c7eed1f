"""The table that `ml-coach bench` prints, and the sentences below it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from rich.console import Console
from rich.table import Table

from ml_coach.bench.table import Row, difference, stage_yields, summarize
from ml_coach.bench.trust import calibration_error, judged, outcomes


def show(console: Console, rows: Mapping[str, Sequence[Row]]) -> None:
    """Prints what each strategy solved and cost, and how two of them differ. `rows` by strategy."""
    table = Table(box=None)
    for column in (
        "strategy", "solved", "extended", "calls", "tokens", "median tokens", "seconds",
    ):  # fmt: skip
        table.add_column(column, justify="left" if column == "strategy" else "right")
    for group in rows.values():
        total = summarize(group)
        table.add_row(
            total.strategy, _share(total.solved, total.tasks),
            _share(total.solved_extended, total.tasks), str(total.calls), str(total.tokens),
            f"{total.median_tokens:.0f}",
            "–" if total.seconds is None else f"{total.seconds:.0f}",
        )  # fmt: skip
    console.print(table)
    for name, group in rows.items():
        _show_trust(console, name, group)
        for step, (gained, lost) in stage_yields(group).items():
            console.print(f"{name}, {step}: {gained} turned to solved, {lost} turned back")
    if len(rows) == 2:
        (first, ours), (second, theirs) = list(rows.items())[::-1]
        points, low, high = difference(ours, theirs)
        console.print(
            f"{first} solves {points:+.1f} points against {second} "
            f"(95 % interval {low:+.1f} to {high:+.1f}, paired over tasks)"
        )


def _show_trust(console: Console, name: str, rows: Sequence[Row]) -> None:
    """How many runs of each outcome are right, and how far the reports' confidence is off."""
    for outcome, (ended, right) in outcomes(rows).items():
        if outcome:
            console.print(f"{name}: {_share(ended, len(rows))} {outcome}, {right} of them right")
    if pairs := judged(rows):
        console.print(f"{name}: calibration error {calibration_error(pairs):.3f}")


def _share(count: int, total: int) -> str:
    return f"{count}/{total} ({count / total:.1%})" if total else "0"
