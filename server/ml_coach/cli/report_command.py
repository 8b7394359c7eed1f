"""`ml-coach report`: one page of a run, of a batch's folder, or of a bench's report."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, cast

import typer

from ml_coach.cli.endings import USAGE, fail
from ml_coach.cli.shown_paths import shown
from ml_coach.core.wording import amount
from ml_coach.run_log import EVENTS_FILE

if TYPE_CHECKING:
    from ml_coach.pages.page import OutFacts
    from ml_coach.pages.run_facts import RunFacts

# About 30 kB each: more of them make a page that a browser opens slowly.
_MOST_RUNS = 200


def report(
    what: Annotated[
        str,
        typer.Argument(
            metavar="RUN|OUT",
            help="A run, a batch's folder or a folder of one of its runs, or bench's report.",
        ),
    ] = "last",
    output: Annotated[Path, typer.Option("--output", "-o", help="The page.")] = Path("report.html"),
) -> None:
    """Write a page that shows a run, a batch or a bench; it needs no network."""
    path = Path(what)
    if path.suffix == ".json" and path.is_file():
        text = _bench_page(path)
    elif path.is_dir():
        text = _folder_page(path)
    else:
        text = _run_page(what)
    scratch = output.with_name(f".{output.name}.part")
    scratch.write_text(text, encoding="utf-8")
    scratch.replace(output)
    typer.echo(f"Wrote {shown(output)}")


def _run_page(name: str) -> str:
    from ml_coach.app import App
    from ml_coach.cli.run_reference import named_run

    app = App()
    return app.page_of(named_run(app.run_log, name))


def _folder_page(folder: Path) -> str:
    from ml_coach.batch.results import is_batch
    from ml_coach.pages.page import out_page, run_page

    if (folder / EVENTS_FILE).is_file():
        return run_page(_facts(folder))
    if is_batch(folder):
        return out_page(_batch_facts(folder))
    fail(f"{folder} holds neither a run nor a batch.", USAGE)


def _facts(folder: Path) -> RunFacts:
    from ml_coach.pages.run_facts import run_facts
    from ml_coach.run_log import timed_events

    return run_facts(folder.name, timed_events(folder / EVENTS_FILE))


def _batch_facts(out: Path) -> OutFacts:
    from ml_coach.batch.results import read_results
    from ml_coach.pages.page import OutFacts, OutRow

    lines = read_results(out)
    # Those that need a look come first where not all have room.
    by_need = sorted(lines, key=lambda line: line.outcome == "passed")
    chosen = {line.line for line in [each for each in by_need if each.folder][:_MOST_RUNS]}
    rows: list[OutRow] = []
    runs: list[RunFacts] = []
    for line in lines:
        folder = out / line.folder
        has_run = line.line in chosen and (folder / EVENTS_FILE).is_file()
        if has_run:
            runs.append(_facts(folder))
        rows.append(
            OutRow(
                line.id, line.outcome,
                (f"{line.tests_passed} of {line.tests}", f"{line.usage.tokens}",
                 f"{line.seconds:.1f}", f"${line.cost:.4f}" if line.cost else "–",
                 f"{line.attempts}", line.reason),
                line.seconds, folder.name if has_run else "",
            )
        )  # fmt: skip
    passed, cost = sum(line.outcome == "passed" for line in lines), sum(r.cost for r in lines)
    return OutFacts(
        title=f"Batch {out.resolve().name}",
        summary=(
            ("passed", f"{passed} of {len(lines)}"),
            ("models", ", ".join(dict.fromkeys(r.model for r in lines if r.model)) or "–"),
            ("tokens", str(sum(line.usage.tokens for line in lines))),
            ("cost", f"${cost:.4f}" if cost else "–"),
            ("seconds of all runs", f"{sum(line.seconds for line in lines):.0f}"),
        ),
        columns=("tests", "tokens", "seconds", "cost", "attempts", "reason"),
        texts=("reason",),
        rows=rows,
        runs=runs,
        left_out=sum(bool(line.folder) for line in lines) - len(runs),
        how="ml-coach report takes the folder of a single run, too.",
    )


def _bench_page(file: Path) -> str:
    from ml_coach.bench.table import Row
    from ml_coach.bench.trust import judged, risk_coverage
    from ml_coach.pages.page import OutFacts, OutRow, out_page

    try:
        read: dict[str, Any] = json.loads(file.read_text(encoding="utf-8"))
        asked, rows = read["asked"], [Row(**row) for row in read["rows"]]
    except (ValueError, KeyError, TypeError):
        fail(f"{file} is no report of ml-coach bench.", USAGE)
    loop = judged([row for row in rows if row.strategy == "loop"])
    groups = {row.strategy: [r for r in rows if r.strategy == row.strategy] for row in rows}
    untimed = sum(row.seconds is None for row in rows)
    note = f"{amount(untimed, 'run')} had remembered replies, so no time of them is known."
    return out_page(
        OutFacts(
            title=f"Bench {file.stem}",
            summary=(
                *(
                    (f"solved, {strategy}", f"{sum(r.solved for r in group)} of {len(group)}")
                    for strategy, group in groups.items()
                ),
                *((name.replace("_", " "), _in_words(value)) for name, value in asked.items()),
            ),
            columns=("strategy", "said", "confidence", "calls", "tokens", "seconds", "reason"),
            texts=("strategy", "said", "reason"),
            rows=[
                OutRow(
                    row.task, "solved" if row.solved else "unsolved",
                    (row.strategy, row.outcome.replace("_", " ") or "–",
                     "–" if row.confidence is None else f"{row.confidence:.2f}",
                     f"{row.calls}", f"{row.tokens}",
                     "–" if row.seconds is None else f"{row.seconds:.1f}", row.reason),
                    row.seconds or 0.0,
                )
                for row in rows
            ],
            risk=risk_coverage(loop),
            notes=(note,) if untimed else (),
        )
    )  # fmt: skip


def _in_words(value: object) -> str:
    """A setting of a bench as people read it."""
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, list):
        return ", ".join(map(str, cast("list[object]", value))) or "nothing"
    return str(value)
