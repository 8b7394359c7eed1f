"""What the documents name is there: files, links, tests, pictures."""

from __future__ import annotations

import ast
import io
import json
import re
import runpy
import tokenize
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

import pytest

TOP = Path(__file__).parents[2]
SERVER = TOP / "server" / "ml_coach"
DOCS = TOP / "docs"
CLIENTS = TOP / "tests" / "integration" / "lsp" / "clients"
PAGES = [
    *TOP.glob("*.md"),
    *DOCS.glob("*.md"),
    TOP / "client-vscode" / "README.md",
    *SERVER.rglob("*.md"),
]
# The agents' prompts speak of files that a model is to write.
PAGES = [page for page in PAGES if page.parent.name != "prompts"]
# A Python file of ours, or a page, as prose names it: `coach.py`, `lsp/PROTOCOL.md`.
NAMED_FILE = re.compile(r"(?<![\w./*{-])(?:[\w-]+/)*[\w-]+\.(?:py|md|svg|toml)\b")
# A module or what is in it: `core.request.Request`, `lsp.backend`.
NAMED_THING = re.compile(
    r"`((?:core|lsp|models|execution|cli|bench)(?:\.\w+)+"
    r"|(?:app|disk|settings|run_log|run_order|doctor)\.[A-Z]\w+)`"
)
# Names of files that a user has, or that a run makes.
EXAMPLES = {
    "generated_code.py", "test_generated.py", "conftest.py", "json.py", "solution.py",
    "languages.toml", "NAME.py", "my-mod.py", "class.py", "wc.py",
}  # fmt: skip


@cache
def files_of_the_project() -> frozenset[str]:
    """Every file, relative to the top, with slashes."""
    skipped = {".venv", "node_modules", "dist", "out"}
    return frozenset(
        path.relative_to(TOP).as_posix()
        for path in TOP.rglob("*")
        if path.is_file() and not skipped & set(path.relative_to(TOP).parts)
    )


def is_there(name: str) -> bool:
    """Whether a file of the project has this name, or this end of its path."""
    return any(file == name or file.endswith(f"/{name}") for file in files_of_the_project())


def prose(path: Path) -> Iterator[tuple[int, str]]:
    """Every docstring and comment of a Python file, with its line."""
    source = path.read_text(encoding="utf-8")
    for node in ast.walk(ast.parse(source)):
        documented = ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef
        if isinstance(node, documented) and (text := ast.get_docstring(node)):
            yield getattr(node, "lineno", 1), text
    for token in tokenize.generate_tokens(io.StringIO(source).readline):
        if token.type == tokenize.COMMENT:
            yield token.start[0], token.string


def defines(dotted: str) -> bool:
    """Whether `core.request.Request` is a module of ours, or a name that a module of ours has."""
    parts = dotted.split(".")
    for end in range(len(parts), 0, -1):
        module = SERVER.joinpath(*parts[:end])
        for file in (module.with_suffix(".py"), module / "__init__.py"):
            if file.is_file():
                return end == len(parts) or bool(
                    re.search(
                        rf"^ *(?:class |def |async def )?{parts[end]}\b",
                        file.read_text("utf-8"),
                        re.M,
                    )
                )
    return False


def is_example(name: str) -> bool:
    return (
        name in EXAMPLES or re.fullmatch(r"(test_)?(x|name)(_\d|_generated)?\.py", name) is not None
    )


def missing_files(text: str) -> list[str]:
    named = NAMED_FILE.findall(text)
    return [f for f in named if not is_example(f.rsplit("/", 1)[-1]) and not is_there(f)]


def missing_names(text: str) -> list[str]:
    return [name for name in NAMED_THING.findall(text) if not defines(name)]


@pytest.mark.parametrize(
    "path", sorted(SERVER.rglob("*.py")), ids=lambda p: p.relative_to(SERVER).as_posix()
)
def test_every_file_and_module_that_the_code_speaks_of_exists(path: Path) -> None:
    missing = [
        f"line {line}: {name}"
        for line, text in prose(path)
        for name in [*missing_files(text), *missing_names(text)]
    ]
    assert missing == []


@pytest.mark.parametrize("page", PAGES, ids=lambda p: p.relative_to(TOP).as_posix())
def test_every_file_and_module_that_a_page_names_exists(page: Path) -> None:
    text = re.sub(r"\]\([^)]*\)", "]", page.read_text(encoding="utf-8"))
    assert [*missing_files(text), *missing_names(text)] == []


@pytest.mark.parametrize("page", PAGES, ids=lambda p: p.relative_to(TOP).as_posix())
def test_every_relative_link_resolves(page: Path) -> None:
    text = re.sub(r"^```.*?^```", "", page.read_text(encoding="utf-8"), flags=re.DOTALL | re.M)
    broken: list[str] = []
    for target in re.findall(r"\]\(([^)\s]+)\)", text):
        if re.match(r"[a-z]+:", target):
            continue
        file, _, anchor = target.partition("#")
        there = (page.parent / file).resolve() if file else page
        if not there.exists() or (anchor and anchor not in anchors(there)):
            broken.append(target)
    assert broken == []


def anchors(page: Path) -> set[str]:
    """The headings' anchors, as code hosts make them."""
    heads = re.findall(r"^#+ (.+)$", page.read_text(encoding="utf-8"), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", head.lower()).replace(" ", "-") for head in heads}


def test_every_folder_and_file_of_the_map_exists() -> None:
    text = (TOP / "README.md").read_text(encoding="utf-8")
    listed = re.search(r"<!-- map -->\n```\n(.*?)```\n<!-- /map -->", text, re.DOTALL)
    assert listed is not None
    parents: list[str] = []
    names: list[str] = []
    for line in listed[1].splitlines():
        indent = (len(line) - len(line.lstrip())) // 2
        for name in line.strip().split("  ")[0].split(" "):
            parents = [*parents[:indent], name]
            names.append("".join(parents[:indent]) + name)
    missing = [n for n in names if not (TOP / n).exists()]
    assert missing == []
    packages = {
        f"server/ml_coach/{p.name}/" for p in SERVER.iterdir() if (p / "__init__.py").exists()
    }
    assert packages <= set(names), "The README's map omits a package."


def test_every_test_that_holds_an_invariant_exists() -> None:
    text = (DOCS / "architecture.md").read_text(encoding="utf-8")
    table = re.search(r"<!-- invariants -->\n(.*?)\n<!-- /invariants -->", text, re.DOTALL)
    assert table is not None
    named = re.findall(r"`([\w/]+\.py)::(\w+)`", table[1])
    assert len(named) >= 15
    missing = [
        f"{file}::{test}"
        for file, test in named
        if not re.search(rf"^ *(async )?def {test}\(", read(file), re.MULTILINE)
    ]
    assert missing == []


def read(file: str) -> str:
    path = TOP / file
    return path.read_text(encoding="utf-8") if path.is_file() else ""


def test_the_picture_of_the_architecture_is_drawn_from_its_script() -> None:
    script = runpy.run_path(str(DOCS / "architecture.py"))
    drawn = script["PICTURE"].read_text(encoding="utf-8")
    assert drawn == script["picture"](), "Run: python docs/architecture.py"
    boxes = [name for name, *_ in script["rows"](script["BOXES"])]
    parts = [p for name in boxes for p in name.split(", ") if "." in p or "/" in p]
    missing = [p for p in parts if not any((SERVER / s / p).exists() for s in ("", "core"))]
    assert missing == []


def test_the_picture_of_the_terminal_is_drawn_from_its_capture() -> None:
    script = runpy.run_path(str(DOCS / "pictures" / "terminal.py"))
    drawn = script["PICTURE"].read_text(encoding="utf-8")
    capture = script["CAPTURE"].read_text(encoding="utf-8")
    assert drawn == script["picture"](capture), "Run: python docs/pictures/terminal.py"


def test_pictures_are_small() -> None:
    sizes = {p.name: p.stat().st_size for p in (DOCS / "pictures").iterdir()}
    assert {name: size for name, size in sizes.items() if size > 300_000} == {}


# The editors' columns on docs/editors.md, by the recorded capabilities.
EDITORS = {
    "VS Code": "vscode-1.139-languageclient-11",
    "Neovim 0.11": "neovim-0.11",
    "Neovim 0.7": "neovim-0.7",
    "eglot 1.24": "emacs28-eglot-1.24",
    "eglot 1.9": "emacs28-eglot-1.9",
    "lsp-mode 8": "emacs28-lsp-mode-8.0",
    "coc": "neovim-coc",
    "vim-lsp": "vim9-vim-lsp",
    "ALE 3.3": "vim9-ale-3.3",
    "Kate 22": "kate-22.12",
}


def clients_table() -> str:
    declared = {
        name: json.loads((CLIENTS / f"{file}.json").read_text(encoding="utf-8"))
        for name, file in EDITORS.items()
    }
    rows = {
        "new files open in the editor": lambda c: edits(c) and makes_files(c),
        "open files change in place": edits,
        "progress of a run": lambda c: member(c, "window", "workDoneProgress"),
        "a patch can be asked about, with `patchQuestions`": asks,
        "code lenses on the tests": lambda c: member(c, "textDocument", "codeLens") is not None,
    }
    lines = [f"| | {' | '.join(EDITORS)} |", f"|---|{'---|' * len(EDITORS)}"]
    for title, can in rows.items():
        marks = ["✓" if can(c.get("capabilities", c)) else "–" for c in declared.values()]
        lines.append(f"| {title} | {' | '.join(marks)} |")
    return "\n".join(lines)


def edits(capabilities: dict[str, Any]) -> bool:
    return member(capabilities, "workspace", "applyEdit") is True


def makes_files(capabilities: dict[str, Any]) -> bool:
    operations = member(capabilities, "workspace", "workspaceEdit", "resourceOperations")
    return "create" in (operations or ())


def asks(capabilities: dict[str, Any]) -> bool:
    return member(capabilities, "window", "showMessage") is not None


def member(value: Any, *path: str) -> Any:
    for name in path:
        value = value.get(name) if isinstance(value, dict) else None
    return value


def test_the_table_of_editors_follows_from_what_they_declare() -> None:
    text = (DOCS / "editors.md").read_text(encoding="utf-8")
    table = re.search(r"<!-- clients -->\n(.*?)<!-- /clients -->", text, re.DOTALL)
    assert table is not None
    assert table[1].strip() == clients_table(), f"docs/editors.md should read:\n{clients_table()}"
