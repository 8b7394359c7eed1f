"""`ml-coach fix` on a small project: a real process, real tests, a scripted model."""

from __future__ import annotations

import json

from test_terminal import Terminal, terminal

__all__ = ["terminal"]  # the fixture

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


def _write(terminal: Terminal, more: dict[str, str] | None = None) -> None:
    files = {
        "pyproject.toml": "[tool.pytest.ini_options]\ntestpaths = ['tests']\n",
        "src/shop/__init__.py": "",
        "src/shop/rates.py": RATES,
        "src/shop/prices.py": PRICES,
        "tests/test_prices.py": TESTS,
        ".env": "SECRET=a-secret-of-the-project\n",
    }
    for name, text in {**files, **(more or {})}.items():
        (terminal.folder / name).parent.mkdir(parents=True, exist_ok=True)
        (terminal.folder / name).write_text(text)


async def test_a_patch_over_two_files_mends_all_and_can_be_undone(terminal: Terminal) -> None:
    _write(terminal)
    terminal.model.replies["debugger"] = PATCH
    ended = await terminal.run("fix", "--auto-patch", "-v")
    assert ended.code == 0, ended.out + ended.err
    assert "1 pass, 2 fail" in ended.out
    assert "value * rate(kind)" in terminal.text("src/shop/prices.py")
    assert "else 3" in terminal.text("src/shop/rates.py")
    assert terminal.text("tests/test_prices.py") == TESTS
    calls = (terminal.run_folders()[-1] / "calls.jsonl").read_text()
    asked = json.dumps(calls)
    assert "def test_reduced" in asked or "def test_full" in asked
    assert "def rate(kind)" in asked
    assert "a-secret-of-the-project" not in asked
    assert "3 of 3 tests pass" in (await terminal.run("show")).out
    undone = await terminal.run("undo")
    assert undone.code == 0, undone.err
    assert terminal.text("src/shop/prices.py") == PRICES
    assert terminal.text("src/shop/rates.py") == RATES
    assert (await terminal.run("fix", "--auto-patch")).code == 0


async def test_without_a_terminal_the_patch_waits_for_apply(terminal: Terminal) -> None:
    _write(terminal)
    terminal.model.replies["debugger"] = PATCH
    ended = await terminal.run("fix")
    assert ended.code == 1, ended.err
    assert terminal.text("src/shop/prices.py") == PRICES
    applied = await terminal.run("apply")
    assert applied.code == 0, applied.err
    assert "value * rate(kind)" in terminal.text("src/shop/prices.py")
    again = await terminal.run("fix", "tests", "-k", "full or label")
    assert again.code == 0
    assert "nothing to fix" in again.out
    assert "2 of 2" in again.out


async def test_no_patch_changes_a_test_and_none_that_loses_one_is_kept(terminal: Terminal) -> None:
    _write(terminal)
    change = 'tests/test_prices.py\n<<<<<<< SEARCH\n    assert price(2, "full") == 14\n=======\n'
    terminal.model.replies["debugger"] = f"{change}    assert True\n>>>>>>> REPLACE\n"
    ended = await terminal.run("fix", "--auto-patch")
    assert ended.code == 1
    assert terminal.text("tests/test_prices.py") == TESTS
    _write(terminal)  # A small edit was found meanwhile, which mends one of both tests.
    loses = PATCH + '\nsrc/shop/prices.py\n<<<<<<< SEARCH\n    return f"{value} EUR"\n=======\n'
    terminal.model.replies["debugger"] = f"{loses}    return str(value)\n>>>>>>> REPLACE\n"
    ended = await terminal.run("fix", "--auto-patch")
    assert ended.code == 1
    assert "test_label passed before" in ended.out
    assert 'return f"{value} EUR"' in terminal.text("src/shop/prices.py")


async def test_what_cannot_be_run_is_said(terminal: Terminal) -> None:
    ended = await terminal.run("fix", "no-such-folder")
    assert (ended.code, "There is no no-such-folder" in ended.err) == (2, True)
    _write(
        terminal, {"pyproject.toml": "[tool.pytest.ini_options]\naddopts = '-p no_such_plugin'\n"}
    )
    ended = await terminal.run("fix")
    assert ended.code == 1
    assert "no_such_plugin" in ended.out
