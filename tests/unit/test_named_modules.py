"""Which modules of a project a prompt names, and what the coder is told of them."""

from __future__ import annotations

from pathlib import Path

import pytest

from ml_coach.named_modules import named_modules, new_files

RATES = '''"""Rates."""
RATE = 7
_SECRET = 1


def rate(kind: str, *, reduced: bool = False) -> int:
    """The rate of a kind.

    More of it.
    """
    return RATE


class Table(dict):
    """All rates."""

    def find(self, kind):
        return self[kind]

    def _load(self):
        pass
'''
OFFERED = """# shop.rates
RATE = 7
def rate(kind: str, *, reduced: bool=False) -> int: ...  # The rate of a kind.
class Table(dict):  # All rates.
    def find(self, kind): ..."""
FILES = {
    "src/shop/__init__.py": "",
    "src/shop/rates.py": RATES,
    "src/shop/test_rates.py": "def test_rate():\n    assert True\n",
}


@pytest.mark.parametrize(
    "prompt",
    [
        "Write net(price) with shop.rates.",
        "Write net(price), which calls shop.rates.rate(kind).",
        "Write net(price); the rates are in rates.py.",
        "Write net(price) as in src/shop/rates.py",
        "Write net(price) with the module `rates`.",
    ],
)
def test_a_module_is_named_by_its_import_or_its_file(prompt: str) -> None:
    assert named_modules(prompt, Path("/none"), "src/shop/new.py", FILES.get) == OFFERED


@pytest.mark.parametrize(
    "prompt",
    [
        "Write rates(prices), e.g. rates([1.5]) == 2.",
        "Write net(price) with math.floor and no.such.module.",
        "Write tests such as those in test_rates.py.",
    ],
)
def test_what_names_no_module_of_the_project_brings_none(prompt: str) -> None:
    assert named_modules(prompt, Path("/none"), "src/shop/new.py", FILES.get) == ""


@pytest.mark.parametrize(
    ("prompt", "files"),
    [
        ("Create utils/text.py with slugify(s), tests in tests/test_text.py", ("utils/text.py",)),
        ("A script `greet.py`: `python greet.py Ann` prints 'Hello'", ("greet.py",)),
        ("shapes.py with area(r), main.py that prints it", ("shapes.py", "main.py")),
        ("Write suffix(path); suffix('a/b.py') is '.py'", ()),
        ("As in https://example.org/a.py", ()),
        ("net(price) like src/shop/rates.py", ()),
        ("Put it into my-script.py", ()),
        ("Write f(x).", ()),
    ],
)
def test_new_files_are_those_that_a_prompt_asks_for(prompt: str, files: tuple[str, ...]) -> None:
    assert new_files(prompt, FILES.__contains__) == files
