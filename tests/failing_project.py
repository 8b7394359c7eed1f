"""Projects whose tests fail, and the replies that mend them: a small one with a mistake in each of
two files, and the tree before the fix of a real bug."""

from __future__ import annotations

import os
import tarfile
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import pytest

from benchmarks.perfect_replies import reply
from benchmarks.realbugs import read_bugs

CODE, RATE_FILE, TEST_FILE = "src/shop/prices.py", "src/shop/rates.py", "tests/test_prices.py"
RATES = "RATE = 7\n\n\ndef rate(kind):\n    return RATE if kind == 'full' else 0\n"
PRICES = """from shop.rates import rate


def price(value, kind):
    return value - rate(kind)


def label(value):
    return f"{value} EUR"
"""
TESTS = """from shop.prices import label, price


def test_full():
    assert price(2, "full") == 14


def test_reduced():
    assert price(2, "reduced") == 6


def test_label():
    assert label(3) == "3 EUR"
"""
# Both files are wrong: the operation, and the reduced rate.
PATCH = """The price is a product, and there is a reduced rate.

src/shop/prices.py
<<<<<<< SEARCH
    return value - rate(kind)
=======
    return value * rate(kind)
>>>>>>> REPLACE

src/shop/rates.py
<<<<<<< SEARCH
    return RATE if kind == 'full' else 0
=======
    return RATE if kind == 'full' else 3
>>>>>>> REPLACE
"""
FILES = {
    "pyproject.toml": "[tool.pytest.ini_options]\ntestpaths = ['tests']\n",
    "src/shop/__init__.py": "",
    RATE_FILE: RATES,
    CODE: PRICES,
    TEST_FILE: TESTS,
    ".env": "SECRET=a-secret-of-the-project\n",
}


DATA = Path(os.environ.get("ML_COACH_DATA", Path(__file__).parents[2] / "shared/data")) / "realbugs"
_BUG = "boltons-eb659013"


@dataclass(frozen=True)
class FailingProject:
    """What a probe has to know: the file of tests and how many of them fail, the texts of the files
    of code once the reply has mended them, and what is told in the end. `target` is what is fixed:
    that file, or the whole project."""

    write: Callable[[Path], None]
    tests: str
    failing: int
    fixed: dict[str, str]
    reply: str
    told: str
    target: Literal["", "tests"] = ""

    @property
    def variables(self) -> dict[str, str]:
        """For the environment of a probe."""
        return {
            "PROBE_TESTS": self.tests, "PROBE_FAILING": str(self.failing),
            "PROBE_CODE": os.pathsep.join(self.fixed), "PROBE_TOLD": self.told,
            "PROBE_TARGET": self.target,
        }  # fmt: skip


def real_bug() -> FailingProject:
    """The tree of a bug of boltons, for which four tests fail. Skips where there is none."""
    if not DATA.is_dir():
        pytest.skip(f"no folder {DATA}: set ML_COACH_DATA to the data of the benchmarks")
    bug = next(bug for bug in read_bugs(DATA) if bug.id == _BUG)

    def write(root: Path) -> None:
        with tarfile.open(bug.tree) as packed:
            packed.extractall(root, filter="data")

    with tempfile.TemporaryDirectory() as folder:
        write(Path(folder))
        before = {file: Path(folder, file).read_text("utf-8") for file in bug.fix}
    (tests,), count = bug.tests, bug.passing + len(bug.failing)
    return FailingProject(
        write, tests, len(bug.failing), bug.fix, reply("search", before, bug.fix),
        f"{count} of {count} tests pass", "tests",
    )  # fmt: skip


def write_project(root: Path, more: dict[str, str] | None = None) -> None:
    """Writes the project's files, and `more` over them."""
    for name, text in {**FILES, **(more or {})}.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(text)


SHOP = FailingProject(
    write_project,
    TEST_FILE,
    2,
    {
        CODE: PRICES.replace("value - rate", "value * rate"),
        RATE_FILE: RATES.replace("else 0", "else 3"),
    },
    PATCH,
    "3 of 3 tests pass",
)
