"""Earlier audits, kept by the content of what was audited: equal files have an equal result."""

from __future__ import annotations

import hashlib
import json
import os
from contextlib import suppress
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any, cast

from cattrs import Converter
from cattrs.errors import BaseValidationError

from ml_coach import __version__
from ml_coach.core.auditing.report import AuditReport
from ml_coach.core.project import Project

_MOST_KEPT = 100


@cache
def _converter() -> Converter:
    return Converter()


def to_json(report: AuditReport) -> dict[str, Any]:
    """The report as plain JSON data."""
    plain = cast("dict[str, Any]", _converter().unstructure(report))
    return {**plain, "score": report.score}


@dataclass(frozen=True, slots=True)
class AuditStore:
    """The audits below the folder `audits` of the `state` folder; the newest are kept."""

    state: Path

    def key(self, project: Project, *asked: object) -> str:
        """What stands for a project's content, this version of ours, and whatever else was
        `asked`."""
        digest = hashlib.sha256()
        named = [__version__, project.targets, project.keyword, project.arguments, project.config]
        for part in (*named, *asked):
            digest.update(f"{part!r}\0".encode("utf-8", "surrogatepass"))
        for name in sorted(project.files):
            content = project.files[name]
            digest.update(f"{name}\0{len(content)}\0".encode("utf-8", "surrogateescape"))
            digest.update(content)
        return digest.hexdigest()

    def get(self, key: str) -> AuditReport | None:
        """The audit kept under the key; None where there is none that this version can read."""
        try:
            kept = json.loads(self._file(key).read_text("utf-8"))
            del kept["score"]
            return _converter().structure(kept, AuditReport)
        except (OSError, ValueError, TypeError, KeyError, BaseValidationError):
            return None

    def put(self, key: str, report: AuditReport) -> None:
        """Keeps an audit. Where the disk does not let us, the next one is made anew."""
        file = self._file(key)
        with suppress(OSError):
            file.parent.mkdir(parents=True, exist_ok=True)
            written = file.with_suffix(f".{os.getpid()}")
            written.write_text(json.dumps(to_json(report)), encoding="utf-8")
            written.replace(file)
            kept = sorted(file.parent.glob("*.json"), key=lambda each: each.stat().st_mtime)
            for old in kept[:-_MOST_KEPT]:
                old.unlink()

    def _file(self, key: str) -> Path:
        return self.state / "audits" / f"{key}.json"
