"""Answers inside something else: JSON and XML of tool calls, notebooks, heredocs in a shell."""

from __future__ import annotations

import ast
import json
import re
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, replace
from itertools import islice
from typing import cast

from ml_coach.core.python import syntax

# What tools call their fields, in JSON and as XML elements alike. Keys are compared in lower case
# and without `_` and `-`.
_OLD = frozenset({
    "old", "oldstr", "oldstring", "oldtext", "oldcode", "search", "searchtext", "original", "find",
    "before", "target",
})  # fmt: skip
_NEW = frozenset({
    "new", "newstr", "newstring", "newtext", "newcode", "replace", "replacement", "replacetext",
    "updated", "after", "replacewith",
})  # fmt: skip
_FILE = frozenset({"file", "path", "filepath", "filename", "targetfile", "relativepath", "uri"})
_TEXT = frozenset({
    "code", "content", "contents", "filetext", "filecontent", "text", "diff", "patch", "input",
    "source", "program", "solution", "answer", "final", "response", "body", "codeedit",
})  # fmt: skip
# Deeper or more than this is not a tool call; both keep a hostile reply from costing time.
_MOST_ITEMS = 1_000
_LONGEST_LEAD = 2_000  # An element with fields of ours inside has the first one near its start.

_OPENING = re.compile(r"<([A-Za-z]\w*)((?:\s[^<>\n]*|=[^<>\n]*)?)>")
_ATTRIBUTE = re.compile(r"([\w-]+)\s*=\s*[\"']([^\"'\n]*)([\"'])")
_HEREDOC = re.compile(r"<<-?[ \t]*['\"\\]?(\w+)['\"]?")
_WRITTEN_TO = re.compile(
    r">>?[ \t]*[\"']?([^\s\"'<>|&;]+)|\btee\s+(?:-a\s+)?[\"']?([^\s\"'<>|&;]+)"
)


@dataclass(frozen=True, slots=True)
class Item:
    """One thing found in a wrapper: a text, or an edit where `old` is not None. It is not `closed`
    where the reply ends inside an edit."""

    text: str
    file: str = ""
    old: str | None = None
    language: str = ""
    closed: bool = True


def from_json(text: str) -> list[Item] | str | None:
    """The items in JSON, or the one text that a JSON string or a notebook is; None for no JSON."""
    text = text.strip()
    if text[:1] not in ('"', "'", "{", "["):
        return None
    try:
        value: object = json.loads(text, strict=False)
    except (ValueError, RecursionError):
        value = _literal(text)
    if value is None:
        return None
    if isinstance(value, str):
        return value
    return list(_items(value))


def _literal(text: str) -> object:
    """The value of a Python literal, as `repr` writes it; None for other text."""
    try:
        value: object = ast.literal_eval(text)
    except (*syntax.NOT_PYTHON, TypeError):
        return None
    # A reply that is no more than a string in triple quotes is a docstring.
    return value if not isinstance(value, str) or text[:3] not in ('"""', "'''") else None


def json_within(text: str) -> list[Item]:
    """The items of the JSON objects that stand in prose, each at the start of a line."""
    decoder = json.JSONDecoder(strict=False)
    items: list[Item] = []
    at = 0
    starts = re.finditer(
        r"^[ \t]*(?:<tool_call>\s*|\[TOOL_CALLS\]\s*)?(?=[{\[]\s*[{\"])", text, re.MULTILINE
    )
    for match in islice(starts, _MOST_ITEMS):
        if match.end() < at:
            continue
        with suppress(ValueError, RecursionError):
            value, at = decoder.raw_decode(text, match.end())
            items += _items(value)
    return items


def _items(value: object) -> Iterator[Item]:
    """The edits and texts anywhere in `value`, in order; a file named outside is meant inside."""
    pending: list[tuple[object, str]] = [(value, "")]
    count = 0
    while pending and count < _MOST_ITEMS:
        part, file = pending.pop()
        count += 1
        if isinstance(part, str) and part.lstrip()[:1] in ("{", "["):
            with suppress(ValueError, RecursionError):
                pending.append((json.loads(part, strict=False), file))
        elif isinstance(part, list):
            pending += [(inner, file) for inner in reversed(cast("list[object]", part))]
        elif isinstance(part, dict):
            fields = cast("dict[str, object]", part)
            cells = fields.get("cells")
            if isinstance(cells, list):
                yield Item(_notebook(cast("list[object]", cells)), language="python")
                continue
            file = _named(fields, _FILE) or file
            if item := _item(fields, file):
                yield item
            elif texts := {k: v for k, v in fields.items() if "." in k and _is_text(v)}:
                yield from (Item(cast("str", text), name) for name, text in texts.items())
            else:
                pending += [(inner, file) for inner in reversed(list(fields.values()))]


def _item(fields: dict[str, object], file: str) -> Item | None:
    old, new = _named(fields, _OLD, empty=True), _named(fields, _NEW, empty=True)
    if old is not None and new is not None:
        return Item(new, file, old)
    for text in (v for k, v in fields.items() if _key(k) in _TEXT and isinstance(v, str)):
        may_be_code = file or "\n" in text or "def " in text or "=" in text
        if text and may_be_code and text.lstrip()[:1] not in ("{", "["):
            return Item(text, file)
    return None


def _is_text(value: object) -> bool:
    return isinstance(value, str) and "\n" in value


def _named(fields: dict[str, object], names: frozenset[str], *, empty: bool = False) -> str | None:
    for key, value in fields.items():
        if _key(key) in names and isinstance(value, str) and (value or empty):
            return value
    return None


def _key(name: str) -> str:
    return name.lower().replace("_", "").replace("-", "")


def _notebook(cells: list[object]) -> str:
    sources: list[str] = []
    for cell in cells:
        if not isinstance(cell, dict):
            continue
        fields = cast("dict[str, object]", cell)
        source = fields.get("source")
        if isinstance(source, list):
            source = "".join(map(str, cast("list[object]", source)))
        if fields.get("cell_type", "code") == "code" and isinstance(source, str):
            lines = [line for line in source.split("\n") if not line.startswith(("%", "!"))]
            sources.append("\n".join(lines).strip("\n"))
    return "\n\n".join(source for source in sources if source) + "\n"


def from_xml(text: str) -> list[Item]:
    """The edits and files that a tool call in XML names; empty where the text holds none."""
    if "</" not in text:
        return []
    elements = list(_elements(text))
    items = list(_items_of(elements))
    is_cut = any(body is None and key in _OLD | _NEW for key, _, body in elements)
    return [replace(item, closed=not is_cut) for item in items]


def _items_of(elements: list[tuple[str, dict[str, str], str | None]]) -> Iterator[Item]:
    fields: dict[str, object] = {}
    file = ""
    for key, attributes, body in elements:
        for label in ("file", "path", "filename", "name", "title"):
            if "." in attributes.get(label, ""):
                file = attributes[label]
        if body is None:
            continue
        if key in _FILE and "\n" in body.strip():
            yield Item(_body(body), file)
        elif key in _FILE:
            yield from _complete(fields, file)
            fields, file = {}, body.strip()
        elif key in _OLD | _NEW | _TEXT:
            if key in fields or (key in _OLD and fields.keys() & _OLD):
                yield from _complete(fields, file)
                fields = {}
            fields[key] = _body(body)
            if fields.keys() & _OLD and fields.keys() & _NEW:
                yield from _complete(fields, file)
                fields = {}
    yield from _complete(fields, file)


def _elements(text: str) -> Iterator[tuple[str, dict[str, str], str | None]]:
    """What each element is, as a key, its attributes and its body; those with elements of ours
    inside come first, with an empty body. The body of one without an end is None."""
    unclosed: set[str] = set()
    until = 0
    for steps, match in enumerate(_OPENING.finditer(text)):
        name = match[1]
        if match.start() < until or name in unclosed or steps >= _MOST_ITEMS:
            continue
        pairs = {key: value for key, value, _ in _ATTRIBUTE.findall(match[2])}
        if match[2].startswith("="):
            pairs[""] = match[2][1:]
        key = _key(pairs.get("name") or pairs.get("") or name)
        end = text.find(f"</{name}>", match.end())
        if end < 0:
            unclosed.add(name)
            yield key, pairs, None
            continue
        body = text[match.end() : end]
        if key in _OLD | _NEW or (key in _TEXT | _FILE and not _has_fields(body)):
            until = end
            yield key, pairs, body
        else:
            yield key, pairs, ""


def _has_fields(body: str) -> bool:
    names = (_key(match[1]) for match in _OPENING.finditer(body[:_LONGEST_LEAD]))
    return any(name in _OLD | _NEW | _FILE or name == "parameter" for name in names)


def _complete(fields: dict[str, object], file: str) -> list[Item]:
    item = _item(fields, file) if fields else None
    return [item] if item and (file or item.old is not None) else []


def _body(body: str) -> str:
    body = re.sub(r"\A\s*<!\[CDATA\[|\]\]>\s*\Z", "", body)
    return re.sub(r"\n[ \t]*\Z", "\n", body.removeprefix("\r").removeprefix("\n"))


def from_shell(text: str) -> list[Item]:
    """The files that a shell's heredocs write, and the patches that they feed to a tool."""
    if "<<" not in text:
        return []
    items: list[Item] = []
    lines = text.split("\n")
    ends: dict[str, list[int]] = {}
    for number, line in enumerate(lines):
        ends.setdefault(line.strip(), []).append(number)
    after = 0
    for number, line in enumerate(lines):
        match = _HEREDOC.search(line) if number >= after and "<<" in line else None
        end = next((at for at in ends.get(match[1], []) if at > number), 0) if match else 0
        if not match or not end:
            continue
        body = "".join(f"{inner}\n" for inner in lines[number + 1 : end])
        after = end + 1
        command = line[: match.start()] + line[match.end() :]
        if re.search(r"\b(?:git\s+apply|git\s+am|patch|apply_?patch)\b", command):
            items.append(Item(body, language="patch"))
        elif re.match(r"\s*(?:\$ )?python\d?\b", command):
            items.append(Item(body, language="python"))
        elif written := _WRITTEN_TO.search(command):
            items.append(Item(body, (written[1] or written[2]).removeprefix("./")))
    return items
