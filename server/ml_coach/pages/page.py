"""Facts → one HTML file, with its style inside and nothing that is fetched."""

from __future__ import annotations

import base64
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cache
from hashlib import sha256
from pathlib import Path
from typing import Any, cast

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup

from ml_coach.core.wording import amount, dropped_text, harmless
from ml_coach.pages.charts import outcome_by_time, risk_over_coverage
from ml_coach.pages.run_facts import RunFacts

_FOLDER = Path(__file__).parent


@dataclass(frozen=True, slots=True)
class OutRow:
    """A row of a batch, or a task of a bench. `mark` is the outcome's name, `cells` are the texts
    of the table's further columns, `run` is the anchor of the run's part of the page."""

    name: str
    mark: str
    cells: tuple[str, ...]
    seconds: float = 0.0
    run: str = ""


@dataclass(frozen=True, slots=True)
class OutFacts:
    """What the page of a batch or a bench shows. `summary` are (words, value), `columns` name the
    rows' cells, of which those in `texts` hold words and the others numbers. `risk` are points of
    coverage and risk. `left_out` counts runs that the page has no part for, and `how` says how to
    see one."""

    title: str
    summary: tuple[tuple[str, str], ...]
    columns: tuple[str, ...]
    texts: tuple[str, ...]
    rows: Sequence[OutRow]
    runs: Sequence[RunFacts] = ()
    risk: Sequence[tuple[float, float]] = ()
    left_out: int = 0
    how: str = ""
    notes: tuple[str, ...] = field(default=())


def run_page(facts: RunFacts) -> str:
    """The page of one run."""
    return _render("run.html.jinja", title=facts.heading, run=facts)


def out_page(facts: OutFacts) -> str:
    """The page of a batch or a bench."""
    timed = [(row.name, row.mark, row.seconds) for row in facts.rows if row.seconds]
    harmless_names = [(harmless(name), mark, seconds) for name, mark, seconds in timed]
    return _render(
        "out.html.jinja",
        title=facts.title,
        out=facts,
        times=Markup(outcome_by_time(harmless_names)),
        curve=Markup(risk_over_coverage(facts.risk)),
    )


def _render(template: str, **values: Any) -> str:
    style = (_FOLDER / "page.css").read_text(encoding="utf-8")
    digest = base64.b64encode(sha256(style.encode()).digest()).decode()
    policy = f"default-src 'none'; style-src 'sha256-{digest}'; base-uri 'none'; form-action 'none'"
    return (
        _environment().get_template(template).render(style=Markup(style), policy=policy, **values)
    )


@cache
def _environment() -> Environment:
    environment = Environment(
        loader=FileSystemLoader(_FOLDER),
        autoescape=True,
        undefined=StrictUndefined,
        finalize=_finalized,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    cast("Any", environment).filters.update(amount=amount, dropped=dropped_text)
    return environment


def _finalized(value: Any) -> Any:
    """A text without what reverses or controls it; markup of our own stays."""
    return harmless(value) if isinstance(value, str) and not isinstance(value, Markup) else value
