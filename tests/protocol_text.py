"""The command lists of PROTOCOL.md and of client-vscode/src/protocol.ts, as the table of commands
says them. `python tests/protocol_text.py` writes both; tests/unit/test_protocol.py compares.
"""

from __future__ import annotations

import dataclasses
import re
import types
import typing
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from ml_coach.lsp import run_details
from ml_coach.lsp.commands import command_results
from ml_coach.lsp.commands.answering import Answering
from ml_coach.lsp.commands.arguments import FileText, RunSettings, camel
from ml_coach.lsp.commands.command_table import COMMANDS, Command
from ml_coach.lsp.commands.examining import Examining
from ml_coach.lsp.commands.handlers import Commands
from ml_coach.lsp.commands.starting import Starting

TOP = Path(__file__).parents[1]
PROTOCOL = TOP / "server" / "ml_coach" / "lsp" / "PROTOCOL.md"
TYPES = TOP / "client-vscode" / "src" / "protocol.ts"
MARKS = {
    PROTOCOL: ("<!-- commands: python tests/protocol_text.py -->\n", "<!-- /commands -->\n"),
    TYPES: ("// commands: python tests/protocol_text.py\n", "// /commands\n"),
}
_NAMES = {
    "str": "string", "bool": "boolean", "int": "number", "float": "number", "NoneType": "null",
    "list[FileText]": "FileText[]",
}  # fmt: skip
_NAMED = {
    "Task": run_details.Task,
    "Outcome": run_details.Outcome,
    "RunAction": run_details.RunAction,
    "RunEvent": command_results.RunEvent,
}
_GIVEN = (RunSettings, FileText)
_NOTIFIED = (run_details.RunDetails, run_details.RunWriting)


class _Handlers:
    """Stands for the handlers of a session, as functions of their classes."""

    starting = Starting
    answering = Answering
    examining = Examining

    def __getattr__(self, name: str) -> Any:
        return getattr(Commands, name)


def types_of(command: Command) -> tuple[type, type]:
    """The types of a command's argument and answer."""
    hints = typing.get_type_hints(command.handler(_Handlers()))
    return hints["argument"], hints["return"]


def expected(file: Path) -> str:
    """What stands between the file's marks."""
    return _markdown() if file == PROTOCOL else _typescript()


def present(file: Path) -> str:
    """What stands between the file's marks now."""
    return _split(file)[1]


def _split(file: Path) -> tuple[str, str, str]:
    begin, end = MARKS[file]
    before, _, rest = file.read_text(encoding="utf-8").partition(begin)
    inside, found, after = rest.partition(end)
    assert found, f"{file} has lost its marks."
    return before + begin, inside, end + after


def _markdown() -> str:
    lines = ["| command | argument | result | what it does |", "|---|---|---|---|"]
    for command in COMMANDS:
        argument, result = _argument(command), _object(_members(types_of(command)[1]))
        cells = (f"`{command.full_name}`", argument and f"`{argument}`", f"`{result}`")
        row = " | ".join(cell.replace("|", r"\|") for cell in cells)
        lines.append(f"| {row} | {command.does} |")
    shown = [f"- {kind.__name__}: `{_object(_fields(kind))}`" for kind in _GIVEN]
    shown += [f"- {name}: `{_plain_type(_NAMED[name])}`" for name in _NAMED if name != "RunEvent"]
    for kind in _nested_types():
        shown.append(f"- {kind.__name__}: `{_object(_members(kind))}`")
    return "\n".join([*lines, "", *shown]) + "\n"


def _typescript() -> str:
    kinds = dict.fromkeys((*_nested_types(), *(types_of(command)[1] for command in COMMANDS)))
    parts = [
        *(f"export type {n} = {_plain_type(t)};" for n, t in _NAMED.items() if n != "RunEvent"),
        *(_interface(kind, _fields(kind)) for kind in _GIVEN),
        *(_interface(kind, _members(kind)) for kind in kinds),
        "/** Each command's argument and result. */\nexport interface Commands {",
    ]
    rows = [
        f"  '{c.full_name}': [{_argument(c) or 'object'}, {types_of(c)[1].__name__}];"
        for c in COMMANDS
    ]
    return "\n\n".join(parts) + "\n" + "\n".join(rows) + "\n}\n"


def _interface(kind: type, members: dict[str, str]) -> str:
    doc = re.sub(r"\s+", " ", kind.__doc__ or "").strip()
    lines = [f"  readonly {key}: {value};" for key, value in members.items()]
    return "\n".join([f"/** {doc} */", f"export interface {kind.__name__} {{", *lines, "}"])


def _argument(command: Command) -> str:
    """The argument in TypeScript's words, empty for none."""
    kind, _ = types_of(command)
    fields = _fields(kind)
    if not issubclass(kind, RunSettings):
        return _object(fields) if fields else ""
    own = {key: value for key, value in fields.items() if key not in _fields(RunSettings)}
    return f"{_object(own)} & RunSettings"


def _fields(kind: type) -> dict[str, str]:
    """A dataclass's fields: names as on the wire, with `?` where one may be left out."""
    found: dict[str, str] = {}
    for field in dataclasses.fields(kind):
        optional = "" if field.default is dataclasses.MISSING else "?"
        found[f"{camel(field.name)}{optional}"] = _NAMES[field.type.removesuffix(" | None")]
    return found


def _members(kind: type) -> dict[str, str]:
    return {key: _type(value) for key, value in typing.get_type_hints(kind).items()}


def _type(hint: Any) -> str:
    named = next((name for name, value in _NAMED.items() if hint == value), "")
    return named or _plain_type(hint)


def _plain_type(hint: Any) -> str:
    origin, arguments = typing.get_origin(hint), typing.get_args(hint)
    if origin is list:
        return f"{_type(arguments[0])}[]"
    if origin is typing.Literal:
        return " | ".join(f"'{value}'" for value in arguments)
    if origin in (typing.Union, types.UnionType):
        return " | ".join(_type(part) for part in arguments)
    return _NAMES.get(hint.__name__, hint.__name__)


def _object(members: dict[str, str]) -> str:
    return "{" + ", ".join(f"{key}: {value}" for key, value in members.items()) + "}"


def _nested_types() -> Iterator[type]:
    """The types that answers and notifications are made of, and those of the notifications."""
    found: dict[type, None] = {}

    def visit(kind: Any) -> None:
        for hint in typing.get_type_hints(kind).values():
            for part in (hint, *typing.get_args(hint)):
                if typing.is_typeddict(part) and part not in found:
                    visit(part)
                    found[part] = None

    for command in COMMANDS:
        visit(types_of(command)[1])
    for kind in _NOTIFIED:
        visit(kind)
        found[kind] = None
    return iter(found)


if __name__ == "__main__":
    for path in MARKS:
        before, _, after = _split(path)
        path.write_text(before + expected(path) + after, encoding="utf-8")
