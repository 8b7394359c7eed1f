"""The files that `ml-coach bench` writes: its report, the picture beside it, a calibration."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from ml_coach.bench.table import Row, summarize
from ml_coach.bench.trust import curve_svg, judged
from ml_coach.core.evidence import Evidence
from ml_coach.core.judging.calibration import fit


def write_report(output: Path, asked: Mapping[str, Any], rows: Mapping[str, Sequence[Row]]) -> None:
    """Writes `output`, and beside it the loop's risk over its coverage where that is known."""
    report = {
        "asked": asked,
        "summaries": [asdict(summarize(r)) for r in rows.values()],
        "rows": [asdict(row) for group in rows.values() for row in group],
    }
    scratch = output.with_suffix(".part")
    scratch.write_text(json.dumps(report, indent=1) + "\n", encoding="utf-8")
    scratch.replace(output)
    if pairs := judged(rows.get("loop", ())):
        title = f"{asked['model']}, {len(pairs)} runs"
        output.with_suffix(".svg").write_text(curve_svg(pairs, title), encoding="utf-8")


def write_calibration(file: Path, model: str, reports: Sequence[Path]) -> None:
    """Fits a calibration on the loop's runs in `reports`: one entry of models/calibrations.json.

    Raises `ValueError` where the runs do not suffice.
    """
    read = [json.loads(report.read_text(encoding="utf-8")) for report in reports]
    rows = [row for report in read for row in report["rows"] if row["evidence"]]
    runs = [(Evidence(**row["evidence"]), row["solved"]) for row in rows]
    fitted = fit(runs, ", ".join(report.stem for report in reports))
    entry = {"pattern": f"^{re.escape(model)}$", **asdict(fitted)}
    file.write_text(json.dumps(entry, indent=1) + "\n", encoding="utf-8")
