"""`ml-coach fix` on a small project: a real process, real tests, a scripted model."""

from __future__ import annotations

import json

from test_terminal import Terminal, terminal

from failing_project import PATCH, PRICES, RATES, TESTS, write_project
from ml_coach.claims import Claim, Claims

__all__ = ["terminal"]  # the fixture


def _write(terminal: Terminal, more: dict[str, str] | None = None) -> None:
    write_project(terminal.folder, more)


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
    ended = await terminal.run("fix", "--auto-patch", "-v")
    assert "test_label passed before" in ended.out
    # The two hunks that lose nothing were taken alone.
    assert ended.code == 0, ended.out
    assert "value * rate(kind)" in terminal.text("src/shop/prices.py")
    assert 'return f"{value} EUR"' in terminal.text("src/shop/prices.py")


async def test_what_is_empty_or_false_is_thought_of_without_the_model(terminal: Terminal) -> None:
    files = {
        "pyproject.toml": "[tool.pytest.ini_options]\npythonpath = '.'\n",
        "cart.py": "def heaviest(items):\n    first = items[0]\n"
        "    return max(items, default=first)\n\n\n"
        "def known(cache, key):\n    if cache.get(key):\n        return True\n    return False\n",
        "test_cart.py": "from cart import heaviest, known\n\n\ndef test_heaviest():\n"
        "    assert heaviest([2, 3]) == 3\n    assert heaviest([]) is None\n\n\ndef test_known():\n"
        "    assert known({'a': 0}, 'a')\n    assert not known({'a': 0}, 'b')\n",
    }
    for name, text in files.items():
        (terminal.folder / name).write_text(text)
    terminal.model.replies["debugger"] = "I cannot see what is wrong."
    ended = await terminal.run("fix", "--auto-patch")
    assert ended.code == 0, ended.out + ended.err
    assert "    if not items:\n        return\n    first = items[0]\n" in terminal.text("cart.py")
    assert "    if key in cache:\n" in terminal.text("cart.py")


async def test_what_cannot_be_run_is_said(terminal: Terminal) -> None:
    ended = await terminal.run("fix", "no-such-folder")
    assert (ended.code, "There is no no-such-folder" in ended.err) == (2, True)
    _write(
        terminal, {"pyproject.toml": "[tool.pytest.ini_options]\naddopts = '-p no_such_plugin'\n"}
    )
    ended = await terminal.run("fix")
    assert ended.code == 1
    assert "no_such_plugin" in ended.out


async def test_the_settings_are_those_of_the_project(terminal: Terminal) -> None:
    _write(terminal)
    terminal.model.replies["debugger"] = PATCH
    settings = "[tool.ml-coach]\nauto-patch = true\n"
    pyproject = terminal.folder / "pyproject.toml"
    pyproject.write_text(pyproject.read_text() + settings)
    elsewhere = terminal.folder.parent / "elsewhere"
    elsewhere.mkdir()
    project, terminal.folder = terminal.folder, elsewhere
    ended = await terminal.run("fix", str(project))
    assert ended.code == 0, ended.out + ended.err
    assert "value * rate(kind)" in (project / "src/shop/prices.py").read_text()


async def test_what_another_run_works_on_is_left_alone(terminal: Terminal) -> None:
    _write(terminal)
    terminal.model.replies["debugger"] = PATCH
    claims = Claims(terminal.home / "state" / "ml-coach")
    other = claims.claim("20260101-101010-abcd", [terminal.folder])
    assert isinstance(other, Claim)
    ended = await terminal.run("fix", "--auto-patch")
    assert (ended.code, "is working on work; stop it first" in ended.err) == (2, True)
    other.release()
    other = claims.claim("20260101-101010-abcd", [terminal.folder / "src/shop/rates.py"])
    assert isinstance(other, Claim)
    ended = await terminal.run("fix", "--auto-patch")
    assert (ended.code, "is working on rates.py; stop it first" in ended.out) == (4, True)
    assert terminal.text("src/shop/prices.py") == PRICES
    other.release()
    assert (await terminal.run("fix", "--auto-patch")).code == 0


async def test_what_was_not_asked_for_is_lost_as_little(terminal: Terminal) -> None:
    apart = {
        "tests/test_prices.py": TESTS[: TESTS.index("\n\ndef test_label")],
        "tests/test_label.py": "from shop.prices import label\n"
        + TESTS[TESTS.index("\n\ndef test_label") :],
    }
    _write(terminal, apart)
    loses = PATCH + '\nsrc/shop/prices.py\n<<<<<<< SEARCH\n    return f"{value} EUR"\n=======\n'
    terminal.model.replies["debugger"] = f"{loses}    return str(value)\n>>>>>>> REPLACE\n"
    ended = await terminal.run("fix", "tests/test_prices.py", "--auto-patch", "--max-iters", "2")
    assert "tests/test_label.py::test_label passed before" in ended.out
    assert 'return f"{value} EUR"' in terminal.text("src/shop/prices.py")
