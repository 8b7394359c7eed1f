"""The real bugs in `--data` (a folder with `realbugs.jsonl`): their trees, what is right, and the
virtual environments that their tests run in."""

from __future__ import annotations

import difflib
import json
import subprocess
import sys
import tarfile
from dataclasses import dataclass
from pathlib import Path

from ml_coach.core.fixing.units import MODULE, FileUnits, Unit

CACHE = Path.home() / ".cache" / "ml-coach-tests"


@dataclass(frozen=True)
class Bug:
    """One row. `failing` are the names of the tests that the fix turns to passed, `passing` is how
    many pass before; `fix` maps files to their texts after it."""

    id: str
    tests: tuple[str, ...]
    failing: frozenset[str]
    passing: int
    requires: tuple[str, ...]
    fix: dict[str, str]
    tree: Path

    def unpacked(self, folder: Path) -> Path:
        """The tree before the fix, in a folder of its own below `folder`."""
        target = folder / self.id
        if not target.exists():
            with tarfile.open(self.tree) as tree:
                tree.extractall(target, filter="data")
        return target

    def units(self, root: Path) -> list[Unit]:
        """The units that the fix changes, those that a localisation is to find. Comments, blank
        lines and imports count only where nothing else is changed."""
        found: dict[Unit, bool] = {}
        for file, after in self.fix.items():
            before = (root / file).read_text("utf-8")
            for unit, is_code in _changed_units(file, before, after):
                found[unit] = found.get(unit, False) or is_code
        return [unit for unit, is_code in found.items() if is_code] or list(found)


def read_bugs(data: Path) -> list[Bug]:
    """All rows."""
    fixes = {row["id"]: row["files"] for row in _rows(data / "realbugs_fixes.jsonl")}
    return [
        Bug(
            row["id"],
            tuple(row["tests"]),
            frozenset(row["failing"]),
            row["passing"],
            tuple(sorted(row["requires"])),
            fixes[row["id"]],
            data / "trees" / f"{row['id']}.tar.xz",
        )
        for row in _rows(data / "realbugs.jsonl")
    ]


def test_name(pytest_id: str) -> str:
    """The `module::name` by which the rows name the test with this id."""
    file, _, rest = pytest_id.partition("::")
    head, bracket, parameters = rest.partition("[")
    *classes, function = head.split("::")
    module = file.removesuffix(".py").replace("/", ".")
    return f"{'.'.join([module, *classes])}::{function}{bracket}{parameters}"


def environment(requires: tuple[str, ...], python: str = "") -> Path:
    """The Python of a virtual environment with pytest and these packages, made once with uv.
    `python` is what it is made of; empty for the one that runs this."""
    made_of = python or sys.executable
    version = subprocess.run(
        [made_of, "-c", "import sys; print('%d.%d' % sys.version_info[:2])"],
        check=True, capture_output=True, text=True,
    ).stdout.strip()  # fmt: skip
    folder = CACHE / f"realbugs-{version}" / ("-".join(requires) or "plain")
    found = folder / "bin" / "python"
    if not (folder / "complete").exists():
        subprocess.run(["uv", "venv", "-q", "--clear", "-p", made_of, str(folder)], check=True)
        packages = ["pytest", *requires]
        subprocess.run(["uv", "pip", "install", "-q", "-p", str(found), *packages], check=True)
        (folder / "complete").touch()
    return found


def _rows(file: Path) -> list[dict]:
    return [json.loads(line) for line in file.read_text("utf-8").splitlines()]


def _changed_units(file: str, before: str, after: str) -> list[tuple[Unit, bool]]:
    """The units of the lines that differ, each with whether the change is one of code."""
    old, new = before.splitlines(), after.splitlines()
    units = FileUnits(file, before)
    found: list[tuple[Unit, bool]] = []
    for tag, i, j, k, m in difflib.SequenceMatcher(None, old, new, autojunk=False).get_opcodes():
        if tag == "equal":
            continue
        texts = [line.strip() for line in (*old[i:j], *new[k:m])]
        is_code = any(t and not t.startswith(("#", "import ", "from ")) for t in texts)
        if i < j:
            lines = [n for n in range(i + 1, j + 1) if old[n - 1].strip()] or [i + 1]
            found += [(units.at(line), is_code) for line in lines]
            continue
        above, below = units.at(max(1, i)), units.at(min(len(old), i + 1))
        unit = above
        if above != below and above.kind == "function":
            # New lines right behind a function belong to it where they are indented as it is.
            head = old[above.first - 1]
            depth = len(head) - len(head.lstrip())
            inside = [t for t in new[k:m] if t.strip()]
            is_inside = bool(inside) and len(inside[0]) - len(inside[0].lstrip()) > depth
            unit = above if is_inside else below if below.kind != "function" else units.module
        found.append((unit, is_code))
    return found


__all__ = ["MODULE", "Bug", "environment", "read_bugs", "test_name"]
