"""How often runs were right, measured for some models: what `ml-coach bench --calibrate` wrote.

    calibrations.json    a list of objects: pattern, bias, weights, source, runs

`pattern` is a regular expression for the `provider:model` name. A measurement holds for the models
that it was made with; for another model the report says that there is none.
"""

from __future__ import annotations

import json
import re
from functools import cache
from pathlib import Path
from typing import Any, cast

from ml_coach.core.judging.calibration import Calibration

FILE = Path(__file__).with_name("calibrations.json")


def calibration_of(name: str) -> Calibration | None:
    """The calibration for a `provider:model` name; None where none was made."""
    for pattern, calibration in _calibrations():
        if re.search(pattern, name, re.IGNORECASE):
            return calibration
    return None


@cache
def _calibrations() -> tuple[tuple[str, Calibration], ...]:
    rows = cast("list[dict[str, Any]]", json.loads(FILE.read_text(encoding="utf-8")))
    return tuple(
        (
            row["pattern"],
            Calibration(row["bias"], row["weights"], row["source"], row["runs"]),
        )
        for row in rows
    )
