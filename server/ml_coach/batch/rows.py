"""The rows of a batch: read from JSON lines, CSV, or a folder of prompt files.

A row that cannot be read is a `BadRow`, which says in which line and field the fault lies; the
others are run.
"""

from __future__ import annotations

import ast
import csv
import json
import re
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from hashlib import sha256
from pathlib import Path, PurePosixPath, PureWindowsPath
from typing import Any, TextIO, cast

from ml_coach.core.errors import BadRequestError
from ml_coach.core.python import syntax
from ml_coach.models.registry import parse

FIELDS = ("prompt", "id", "files", "tests", "model")
_PROMPT_SUFFIXES = (".txt", ".md", ".prompt")
_TESTS_SUFFIX = ".tests.py"
# Written beside the files of a row's run.
_OURS = ("report.json", "events.jsonl", "calls.jsonl", "bug.txt")
_LONGEST_SHOWN = 60
_LONGEST_FILE_BYTES = 5_000_000
# OUT, which it is put below, has a path of its own.
_LONGEST_PATH_BYTES = 200


@dataclass(frozen=True, slots=True)
class Row:
    """One prompt. `line` counts from 1, in a folder the files. `files` are texts by relative path,
    `tests` asserts, or a pytest file where `files` hold the program. An empty `model` is the
    batch's own."""

    line: int
    id: str
    prompt: str
    files: Mapping[str, str] = field(default_factory=dict[str, str])
    tests: str = ""
    model: str = ""

    @property
    def asserts(self) -> tuple[str, ...]:
        """The tests, where each of them is an assert statement; else none."""
        tree = syntax.parse(self.tests)
        statements = tree.body if tree else []
        if not all(isinstance(s, ast.Assert) for s in statements):
            return ()
        return tuple(ast.get_source_segment(self.tests, s) or "" for s in statements)

    def digest(self, shaping: Mapping[str, Any]) -> str:
        """The hash of all that decides how the row's run ends, except chance: the row's content and
        the options that shape a run. The row's id and place do not count."""
        content = {
            "prompt": self.prompt, "files": dict(self.files), "tests": self.tests,
            "model": self.model, "shaping": dict(shaping),
        }  # fmt: skip
        return sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()


@dataclass(frozen=True, slots=True)
class BadRow:
    """A row that cannot be run; `error` names the line and the field."""

    line: int
    id: str
    error: str


class _Fault(Exception):
    """What is wrong with a row; its text begins with the field."""


def read_rows(
    source: Path, program_file: str, tests_file: str = "test_generated.py"
) -> list[Row | BadRow]:
    """The rows of a `.jsonl` or `.csv` file, or of the prompt files in a folder. `program_file`
    and `tests_file` are where a row's program and its tests stand among its files. Raises
    `OSError`, and `ValueError` for a file of another kind, without rows, or with a bad heading."""
    if source.is_dir():
        given, base = _from_folder(source), source
    elif source.suffix.lower() in (".jsonl", ".ndjson"):
        given, base = _from_json_lines(source), source.parent
    elif source.suffix.lower() == ".csv":
        given, base = _from_csv(source), source.parent
    else:
        raise ValueError(f"{source} must be a .jsonl file, a .csv file, or a folder of prompts.")
    ours = (program_file, tests_file)
    rows = _with_own_ids([_row(line, fields, base, ours) for line, fields in given])
    if not rows:
        raise ValueError(f"{source} holds no prompt.")
    return rows


# Each reader gives, for each row, its line and its fields; a text in their place is the fault.
_Given = Iterator[tuple[int, "dict[str, Any] | str"]]


def _from_json_lines(file: Path) -> _Given:
    with file.open("rb") as lines:
        for number, line in enumerate(lines, 1):
            if not line.strip():
                continue
            try:
                value = json.loads(line.decode("utf-8-sig"))
            except UnicodeDecodeError:
                yield number, "the line is not UTF-8 text"
            except (ValueError, RecursionError) as error:
                yield number, f"the line is not JSON: {error}"
            else:
                is_object = isinstance(value, dict)
                yield number, cast("dict[str, Any]", value) if is_object else "no JSON object"


def _from_csv(file: Path) -> _Given:
    # The library's own limit for a cell is 131 kB.
    csv.field_size_limit(_LONGEST_FILE_BYTES)
    with file.open(encoding="utf-8-sig", newline="", errors="surrogateescape") as text:
        reader = csv.DictReader(text, delimiter=_delimiter(text), strict=True)
        _check_heading(file, reader.fieldnames or ())
        while True:
            begun = reader.line_num + 1
            try:
                cells = next(reader, None)
            except csv.Error as error:
                yield begun, f"the line is not CSV: {error}"
                continue
            if cells is None:
                return
            if None in cells:
                yield begun, "there are more cells than columns"
                continue
            row: dict[str, Any] = {name: cell for name, cell in cells.items() if cell}
            if files := row.get("files"):
                row["files"] = _cell(files)
            yield begun, row


def _delimiter(text: TextIO) -> str:
    """A comma, or what spreadsheets put in its place: the mark after the first column's name."""
    heading = text.readline(_LONGEST_FILE_BYTES)
    text.seek(0)
    found = re.match(r"""["']?\w+["']?\s*([;\t])""", heading)
    return found[1] if found else ","


def _check_heading(file: Path, names: Sequence[str]) -> None:
    """What is wrong with the names of the columns is wrong with each row. Raises `ValueError`."""
    for name, count in Counter(names).items():
        if name not in FIELDS:
            why = f"there is no such field as {_shown(name)}, only {', '.join(FIELDS)}"
        elif count > 1:
            why = f"two columns are named {name}"
        else:
            continue
        raise ValueError(f"{file}, line 1: {why}.")
    if names and "prompt" not in names:
        raise ValueError(f"{file}, line 1: no column is named prompt.")


def _cell(files: str) -> object:
    """A cell of CSV: a JSON object, or paths that are parted by semicolons."""
    if files.lstrip().startswith("{"):
        try:
            return json.loads(files)
        except ValueError:
            return files
    return [path.strip() for path in files.split(";") if path.strip()]


def _from_folder(folder: Path) -> _Given:
    files = sorted(f for f in folder.iterdir() if f.suffix.lower() in _PROMPT_SUFFIXES)
    for number, file in enumerate((f for f in files if f.is_file()), 1):
        try:
            row = {"id": file.stem, "prompt": _file_text(folder, file.name)}
            tests = file.with_name(file.stem + _TESTS_SUFFIX)
            if tests.is_file():
                row["tests"] = _file_text(folder, tests.name)
        except _Fault as fault:
            yield number, str(fault)
        else:
            yield number, row


def _row(line: int, given: dict[str, Any] | str, base: Path, ours: tuple[str, str]) -> Row | BadRow:
    if isinstance(given, str):
        return BadRow(line, "", f"line {line}: {given}")
    named = given.get("id")
    try:
        return _checked(line, given, base, ours)
    except _Fault as fault:
        shown = named if isinstance(named, str) else ""
        return BadRow(line, _harmless(shown)[:_LONGEST_SHOWN], f"line {line}, {fault}")


def _checked(line: int, given: dict[str, Any], base: Path, ours: tuple[str, str]) -> Row:
    if unknown := sorted(set(given) - set(FIELDS)):
        raise _Fault(f"{_shown(unknown[0])}: there is no such field, only {', '.join(FIELDS)}")
    prompt = _text(given, "prompt")
    if not prompt.strip():
        raise _Fault("prompt: it is missing or empty")
    row_id = given.get("id")
    if isinstance(row_id, int) and not isinstance(row_id, bool):
        given = given | {"id": str(row_id)}
    row = Row(
        line, _text(given, "id").strip(), prompt, _files(given.get("files"), base),
        _tests(given.get("tests")), _text(given, "model").strip(),
    )  # fmt: skip
    if row.model:
        try:
            parse(row.model)
        except BadRequestError as error:
            raise _Fault(f"model: {error}") from None
    _check_tests(row, ours[0])
    _check_places((*row.files, *ours))
    return row


def _text(given: Mapping[str, Any], name: str) -> str:
    value = given.get(name)
    if value is None:
        return ""
    if not isinstance(value, str):
        raise _Fault(f"{name}: it must be a text, not {_kind(value)}")
    return _unicode(value, name)


def _unicode(text: str, name: str) -> str:
    try:
        text.encode()
    except UnicodeError:
        raise _Fault(f"{name}: it holds what is no Unicode text") from None
    return text


def _tests(value: object) -> str:
    if isinstance(value, list):
        value = "\n".join(_text({"tests": item}, "tests") for item in cast("list[object]", value))
    return _text({"tests": value}, "tests")


def _check_tests(row: Row, program_file: str) -> None:
    """Asserts are given to the test writer; a pytest file judges a program that is there."""
    if not row.tests.strip():
        return
    if fault := syntax.complaint(row.tests):
        raise _Fault(f"tests: {fault}")
    if not row.asserts and program_file not in row.files:
        raise _Fault(
            "tests: without a program there can only be assert statements; a pytest file needs "
            f"{program_file} among the files"
        )


def _check_places(names: Sequence[str]) -> None:
    """No file may stand where another one's folder has to be."""
    for name in names:
        for folder in map(str, PurePosixPath(name).parents):
            if folder in names:
                raise _Fault(f"files: {_shown(folder)} cannot be a file and a folder")


def _files(value: object, base: Path) -> dict[str, str]:
    """Texts by path. Of a list of paths they are read from below the folder of the prompts."""
    if value is None:
        return {}
    if isinstance(value, dict):
        texts = {
            _path(name): _text({"files": text}, "files")
            for name, text in cast("dict[object, object]", value).items()
        }
    elif isinstance(value, list):
        names = [_path(name) for name in cast("list[object]", value)]
        try:
            texts = {name: _file_text(base, name) for name in names}
        except _Fault as fault:
            raise _Fault(f"files: {fault}") from None
    else:
        raise _Fault(f"files: it must be an object or a list of paths, not {_kind(value)}")
    return texts


def _path(name: object) -> str:
    """A relative path that stays inside. Raises `_Fault`."""
    if not isinstance(name, str) or not name or "\0" in name:
        raise _Fault("files: a path must be a text")
    path = PurePosixPath(_unicode(name, "files"))
    leaves = path.is_absolute() or PureWindowsPath(name).drive or {"..", "~"} & {*path.parts}
    if leaves or "\\" in name:
        raise _Fault(f"files: {_shown(name)} must be a relative path that leads nowhere else")
    # Not where letters of either case name one file, nor below such a name.
    if str(path) == "." or path.parts[0].casefold() in _OURS:
        raise _Fault(f"files: {_shown(name)} is the name of a file of ML Coach's own")
    if len(name.encode()) > _LONGEST_PATH_BYTES:
        raise _Fault(f"files: {_shown(name)} is longer than {_LONGEST_PATH_BYTES} bytes")
    return str(path)


def _file_text(base: Path, name: str) -> str:
    """What a file below the folder of the prompts reads, and no other: who wrote the rows must not
    get at what else the user has."""
    try:
        path = (base / name).resolve(strict=True)
        if not path.is_relative_to(base.resolve()):
            raise _Fault(f"{_shown(name)} leads out of the folder of the prompts")
        if not path.is_file() or path.stat().st_size > _LONGEST_FILE_BYTES:
            raise _Fault(f"{_shown(name)} is no file, or too large")
        return path.read_text(encoding="utf-8-sig")
    except UnicodeDecodeError:
        raise _Fault(f"{_shown(name)} is not UTF-8 text") from None
    except OSError:
        raise _Fault(f"{_shown(name)} cannot be read") from None


def _with_own_ids(rows: Sequence[Row | BadRow]) -> list[Row | BadRow]:
    """The rows with an id each: a row without one is `row-` and its line. Two of one id are a
    fault of the second."""
    named: list[Row | BadRow] = []
    lines: dict[str, int] = {}
    taken = Counter(row.id for row in rows if row.id)
    for row in rows:
        row_id = row.id or f"row-{row.line}"
        if not row.id and row_id in taken:
            row_id += "-"
        if isinstance(row, Row) and row_id in lines:
            error = f"line {row.line}, id: {_shown(row_id)} is the id of line {lines[row_id]} too"
            named.append(BadRow(row.line, f"row-{row.line}", error))
            continue
        lines[row_id] = row.line
        named.append(replace(row, id=row_id))
    return named


def _kind(value: object) -> str:
    names: dict[type, str] = {
        dict: "an object",
        list: "a list",
        bool: "true or false",
        int: "a number",
    }
    return names.get(type(value), f"a {type(value).__name__}")


def _shown(text: str) -> str:
    return repr(_harmless(text[:_LONGEST_SHOWN]))


def _harmless(text: str) -> str:
    return text.encode("utf-8", "replace").decode()
