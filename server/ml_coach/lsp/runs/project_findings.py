"""What the tests of a project found, at the places where a user looks."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from ml_coach.core.finding import Finding, Location
from ml_coach.core.project import is_test_file


def with_frames(findings: Sequence[Finding]) -> tuple[Finding, ...]:
    """`findings` of tests that fail, and one more for each line of the project's own code that an
    error of theirs was raised in: the innermost frame. It names the tests that fail there."""
    raised: dict[tuple[str, int], list[Finding]] = {}
    for finding in findings:
        code = [place for place in finding.related if not is_test_file(place.file)]
        if code:
            raised.setdefault((code[-1].file, code[-1].line), []).append(finding)
    frames = [
        replace(
            of_line[0],
            kind="runtime",
            file=file,
            line=line,
            related=tuple(Location(one.file, one.line, one.test) for one in of_line),
        )
        for (file, line), of_line in raised.items()
    ]
    return (*findings, *frames)
