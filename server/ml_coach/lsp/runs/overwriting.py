"""Whose files a run would replace, and free names where they are the user's own."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path

from ml_coach.core.request import Request
from ml_coach.lsp.backend import Disk
from ml_coach.lsp.documents.documents import Documents, WorkspaceFile
from ml_coach.run_order import RunOrder

_MOST_NUMBERS = 1000


async def foreign_files(
    root: Path, files: Iterable[str], documents: Documents, disk: Disk
) -> list[str]:
    """Those of `files` that hold something which ML Coach did not write.

    Raises `OSError` for a file that cannot be read.
    """
    found: list[str] = []
    for file in files:
        text = documents.open_text(documents.uri(WorkspaceFile(root, file)))
        if text is None:
            text = await disk.read(file)
        if text is not None and text.strip() and not disk.wrote(file, text):
            found.append(file)
    return found


def with_free_names(order: RunOrder) -> RunOrder:
    """The same order for the first files `name_2.py`, `name_3.py`, … that do not exist.

    Only what the order would replace gets another name. Raises `OSError` where all are taken.
    """
    for number in range(2, _MOST_NUMBERS):
        renamed = replace(order, request=_numbered_request(order.request, number))
        if not any((order.root / file).exists() for file in renamed.replaced_files):
            return renamed
    raise OSError(f"There is no free name beside {order.request.program_file}.")


def _numbered_request(request: Request, number: int) -> Request:
    tests_file = _numbered(request.tests_file, number)
    if request.task != "generate":
        return replace(request, tests_file=tests_file)
    program_file = _numbered(request.program_file, number)
    return replace(request, program_file=program_file, tests_file=tests_file)


def _numbered(file: str, number: int) -> str:
    return f"{file.removesuffix('.py')}_{number}.py"
