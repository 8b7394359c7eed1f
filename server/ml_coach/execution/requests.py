"""The request for a worker: what is run, on which private copy of files."""

from __future__ import annotations

from collections.abc import Mapping

from ml_coach.execution.inside.messages import JsonObject


def request_for(
    kind: str, files: Mapping[str, str | bytes], timeout_seconds: float, **more: object
) -> JsonObject:
    """A request of one part, unless `more` has `parts`."""
    return {
        "kind": kind,
        "files": packed(files),
        "timeout_seconds": timeout_seconds,
        "parts": [{}],
        **more,
    }


def packed(files: Mapping[str, str | bytes]) -> dict[str, str]:
    """Every file's bytes as latin-1, so that all of them fit into JSON."""
    raw = {
        name: content if isinstance(content, bytes) else content.encode("utf-8", "surrogatepass")
        for name, content in files.items()
    }
    return {name: content.decode("latin-1") for name, content in raw.items()}
