"""`ml-coach audit-tests` as users run it."""

from __future__ import annotations

import ast
import json
from xml.etree import ElementTree

import pytest
from test_terminal import Terminal, terminal

__all__ = ["terminal"]  # the fixture

CART = """RATE = 7


def price(value):
    if value < 0:
        raise ValueError("negative")
    return value * RATE
"""
TESTS = """import pytest
from cart import price


@pytest.mark.parametrize("value", [1, 2])
def test_price(value):
    assert price(value) == 7 * value


def test_weak():
    assert (price(3), "a tuple")
"""


async def test_the_report_names_the_test_that_cannot_fail_and_what_survives(
    terminal: Terminal,
) -> None:
    (terminal.folder / "pyproject.toml").write_text("[tool.pytest.ini_options]\n")
    (terminal.folder / "cart.py").write_text(CART)
    (terminal.folder / "test_cart.py").write_text(TESTS)
    files = ("--sarif", "out.sarif", "--junit", "out.xml")
    ended = await terminal.run("audit-tests", "test_cart.py", *files)
    assert ended.code == 0, ended.err
    assert "cart.py: the tests notice" in ended.out
    assert "sandbox: namespaces" in ended.out
    (weak,) = [line for line in ended.out.splitlines() if "test_weak" in line]
    assert "cannot fail: notices none of the" in weak
    assert "line 11" in ended.out
    assert "cart.py:5 in price" in ended.out
    assert "+    if value <= 0:" in ended.out
    assert "ml-coach write-tests cart.py" in ended.out
    log = json.loads(terminal.text("out.sarif"))
    rules = {result["ruleId"] for result in log["runs"][0]["results"]}
    assert {"test-cannot-fail", "assert-always-true", "mistake-survives"} <= rules
    suites = ElementTree.fromstring(terminal.text("out.xml")).findall("testsuite")
    assert [suite.get("name") for suite in suites] == ["tests", "mistakes"]

    # The same files have the same result, at once: no sandbox is started for it.
    kept = await terminal.run("audit-tests", "test_cart.py", *files, "--json", "--min-score", "100")
    assert kept.code == 1
    report = json.loads(kept.out)
    assert 0.3 < report["score"] < 1
    verdicts = {test["test"].partition("::")[2]: test["verdict"] for test in report["tests"]}
    assert verdicts["test_weak"] == "cannot_fail"
    (file,) = (terminal.home / "state" / "ml-coach" / "audits").iterdir()
    file.write_text(file.read_text().replace('"cannot_fail"', '"elsewhere"'))
    told = (await terminal.run("audit-tests", "test_cart.py", *files, "--json")).out
    assert "cannot_fail" not in told
    again = await terminal.run("audit-tests", "test_cart.py", *files, "--json", "--again")
    assert "cannot_fail" in again.out


async def test_tests_are_written_that_notice_what_none_notices(terminal: Terminal) -> None:
    (terminal.folder / "pyproject.toml").write_text("[tool.pytest.ini_options]\n")
    (terminal.folder / "cart.py").write_text(CART)
    (terminal.folder / "test_cart.py").write_bytes(TESTS.replace("\n", "\r\n").encode())
    before = await terminal.run("audit-tests", "test_cart.py")
    assert "a new test notices it: assert price(0) == 0" in before.out
    assert "ml-coach audit-tests test_cart.py --write-tests" in before.out
    assert "price(0)" not in terminal.text("test_cart.py")
    (terminal.folder / "test_cart.py").chmod(0o444)
    refused = await terminal.run("audit-tests", "test_cart.py", "--write-tests")
    assert (refused.code, "is read-only" in refused.err) == (4, True)
    assert refused.err.count("cannot be written") == 1
    assert "price(0)" not in terminal.text("test_cart.py")
    (terminal.folder / "test_cart.py").chmod(0o644)
    written = await terminal.run("audit-tests", "test_cart.py", "--write-tests")
    assert (written.code, "tests into test_cart.py: they notice" in written.err) == (0, True)
    text = (terminal.folder / "test_cart.py").read_bytes().decode()
    assert text.startswith(TESTS.replace("\n", "\r\n"))
    assert text.count("\r\n") == text.count("\n")
    assert "# ml-coach: guessed\r\n" in text
    # An audit of its own says that they are worth something.
    report = json.loads((await terminal.run("audit-tests", "test_cart.py", "--json")).out)
    survived = {m["what"] for m in report["mistakes"] if m["status"] == "survived"}
    assert "`<` becomes `<=`" not in survived
    new = [t for t in report["tests"] if "::test_price_" in t["test"]]
    assert new
    assert {test["verdict"] for test in new} == {"notices"}


@pytest.mark.parametrize(
    ("arguments", "code", "why"),
    [
        (["--min-score", "nan"], 2, "--min-score"),
        (["--min-score", "101"], 2, "--min-score"),
        (["--module", "test_cart.py"], 2, "no module of the project"),
        (["--module", "../cart.py"], 2, "no module of the project"),
        (["--module", "here/../cart.py", "--min-score", "0"], 0, ""),
        (["-k", "none_of_them"], 4, ""),
    ],
)
async def test_a_score_or_a_module_that_cannot_be_is_refused(
    terminal: Terminal, arguments: list[str], code: int, why: str
) -> None:
    (terminal.folder / "pyproject.toml").write_text("[tool.pytest.ini_options]\n")
    (terminal.folder / "cart.py").write_text(CART)
    (terminal.folder / "test_cart.py").write_text(TESTS)
    ended = await terminal.run("audit-tests", ".", *arguments)
    assert (ended.code, why in ended.err) == (code, True), ended.err


async def test_a_file_that_cannot_be_written_keeps_no_other_from_it(terminal: Terminal) -> None:
    folder = terminal.folder
    for name in ("bag", "cart"):
        (folder / f"{name}.py").write_text(CART)
        (folder / f"test_{name}.py").write_text(TESTS.replace("cart", name))
    (folder / "test_bag.py").chmod(0o444)
    ended = await terminal.run("audit-tests", ".", "--write-tests")
    assert (ended.code, "test_bag.py cannot be written" in ended.err) == (4, True), ended.err
    assert terminal.text("test_bag.py") == TESTS.replace("cart", "bag")
    assert "tests into test_cart.py: they notice" in ended.err
    assert terminal.text("test_cart.py").count("def test_price_") > 0


TABBED = """import pytest
from cart import price


class TestPrice:
\tdef test_price(self):
\t\tassert price(3) == 21


def test_negative():
\tfor value in (-1, -2):
\t\twith pytest.raises(ValueError):
\t\t\tprice(value)
\tassert price(3)
"""


async def test_new_tests_are_written_once_and_in_the_style_of_their_file(
    terminal: Terminal,
) -> None:
    (terminal.folder / "pyproject.toml").write_text("[tool.pytest.ini_options]\n")
    (terminal.folder / "cart.py").write_text(CART)
    before = b"\xef\xbb\xbf" + TABBED.replace("\n", "\r\n").encode()
    file = terminal.folder / "test_cart.py"
    file.write_bytes(before)
    # The second time the new tests are among the others, unless only some are asked.
    for only in ((), (), ("-k", "TestPrice or negative")):
        ended = await terminal.run("audit-tests", "test_cart.py", "--write-tests", *only)
        assert ended.code == 0, ended.err
    text = file.read_bytes()
    assert text.startswith(before)
    assert text.count(b"\r\n") == text.count(b"\n")
    assert text.count(b"\xef\xbb\xbf") == 1
    tree = ast.parse(text)
    bodies = [ast.dump(ast.Module(n.body, [])) for n in tree.body if isinstance(n, ast.FunctionDef)]
    assert len(bodies) == len(set(bodies)) > 1
    added = text.removeprefix(before).decode()
    assert "\r\n\tassert price(0) == 0\r\n" in added
    assert "\r\n " not in added


ORDERED = """def words(text):
    return list({*text.split(), "ham", "egg", "tea"})


def joined(text):
    return "-".join(frozenset([*text.split(), "ham", "egg", "tea"]))


def known(text):
    return {*text.split(), "ham", "egg", "tea"}
"""
ORDERED_TESTS = """import ordered


def test_words():
    ordered.words("one two")


def test_joined():
    ordered.joined("one two")


def test_known():
    ordered.known("one two")
"""


async def test_no_test_expects_the_order_of_a_set(terminal: Terminal) -> None:
    (terminal.folder / "pyproject.toml").write_text("[tool.pytest.ini_options]\n")
    (terminal.folder / "ordered.py").write_text(ORDERED)
    (terminal.folder / "test_ordered.py").write_text(ORDERED_TESTS)
    written = await terminal.run("audit-tests", "test_ordered.py", "--write-tests")
    assert (written.code, "tests into test_ordered.py" in written.err) == (0, True), written.err
    new = terminal.text("test_ordered.py").removeprefix(ORDERED_TESTS)
    assert "assert ordered.known(" in new
    assert "ordered.words(" not in new
    assert "ordered.joined(" not in new


CHANGING = """import os
import random
from datetime import date
from pathlib import Path


def pick(values):
    return random.choice(values) if len(values) > 2 else None


def age(born):
    return date.today().year - born if born > 1000 else 0


def place(name):
    return str(Path.cwd() / name) if len(name) > 3 else name


def beside(name):
    return str(Path(__file__).parent / name) if len(name) > 3 else name


def home(name):
    return os.environ.get("HOME", "") + name if len(name) > 3 else name


def shown(name):
    return repr(object()) if len(name) > 3 else name
"""
CHANGING_TESTS = """import changing as c


def test_pick():
    c.pick([1, 1, 2])


def test_age():
    c.age(2000)


def test_place():
    c.place("abcd")


def test_beside():
    c.beside("abcd")


def test_home():
    c.home("abcd")


def test_shown():
    c.shown("abcd")
"""


async def test_no_test_expects_chance_the_clock_or_the_machine(terminal: Terminal) -> None:
    (terminal.folder / "pyproject.toml").write_text("[tool.pytest.ini_options]\n")
    (terminal.folder / "changing.py").write_text(CHANGING)
    (terminal.folder / "test_changing.py").write_text(CHANGING_TESTS)
    written = await terminal.run("audit-tests", "test_changing.py", "--write-tests")
    assert (written.code, "tests into test_changing.py" in written.err) == (0, True)
    new = terminal.text("test_changing.py").removeprefix(CHANGING_TESTS)
    asserts = [line.strip() for line in new.splitlines() if line.startswith("    ")]
    assert "assert c.place('bcd') == 'bcd'" in asserts
    # The branch that is the same everywhere: nothing of the other.
    same = ("is None", "== 0", "== ''", "== 'bcd'")
    assert [line for line in asserts if line.startswith("assert") and not line.endswith(same)] == []


async def test_tests_that_cannot_be_run_are_no_result(terminal: Terminal) -> None:
    (terminal.folder / "test_x.py").write_text("import nowhere\n\n\ndef test_x():\n    pass\n")
    ended = await terminal.run("audit-tests", "test_x.py")
    assert ended.code == 4
    assert "No test passes" in ended.out
    assert "nowhere" in ended.out
    (terminal.folder / "test_z.py").write_text(
        "import pytest\n\n\n@pytest.mark.skip\ndef test_z():\n    pass\n"
    )
    ended = await terminal.run("audit-tests", "test_z.py")
    assert "No test passes, so none can notice a mistake: all are skipped." in ended.out
    nowhere = await terminal.run("audit-tests", "test_y.py")
    assert (nowhere.code, "There is no test_y.py" in nowhere.err) == (2, True)
