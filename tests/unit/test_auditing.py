"""The mistakes of an audit, the asserts that cannot fail, and which module tests are about."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from xml.etree import ElementTree

import jsonschema
import pytest
from junitparser import JUnitXml

from ml_coach.audit_store import AuditStore, to_json
from ml_coach.cli.audit_files import as_junit, as_sarif
from ml_coach.core.auditing.always_true import doubts_in
from ml_coach.core.auditing.looks import Look, looks_of
from ml_coach.core.auditing.mistakes import Edit, edits_in
from ml_coach.core.auditing.new_tests import Candidates, added, chosen
from ml_coach.core.auditing.report import AuditReport, Doubt, Mistake, TestAudit
from ml_coach.core.auditing.subject import modules_under_test
from ml_coach.core.project import LineChange, Project
from peers import node_file

MODULE = '''"""Prices."""
from __future__ import annotations

RATE = 7


def price(value: int, kind="full"):
    """The price."""
    if value < 0 and kind:
        raise ValueError("negative")
    return value * RATE  # é
'''


def _texts(source: str) -> dict[str, Edit]:
    """The whole modules that the mistakes make, each with its mistake."""
    found = edits_in("m.py", source).every
    return {LineChange(e.file, e.first, e.last, e.after).applied(source): e for e in found}


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("value < 0", "value <= 0"),
        ("value < 0", "value < 1"),
        ("0 and kind", "0 or kind"),
        ('raise ValueError("negative")', "pass"),
        ('"negative"', '"XXnegativeXX"'),
        ("value * RATE", "value // RATE"),
        ("return value * RATE", "return None"),
        ("RATE = 7", "RATE = 8"),
        ('kind="full"', 'kind="XXfullXX"'),
    ],
)
def test_a_mistake_changes_one_place_and_nothing_else(before: str, after: str) -> None:
    assert MODULE.replace(before, after) in _texts(MODULE)


@pytest.mark.parametrize(
    ("line", "after"),
    [
        ("x += a", {"x -= a", "x = a"}),
        ("x = not a", {"x = (a)", "x = None"}),
        ("x = -a", {"x = (a)", "x = None"}),
        ("x = f(a, k=a)", {"x = f(None, k=a)", "x = f(a, k=None)", "x = None"}),
        ("f(a)", {"f(None)", "pass"}),
        ("x = a is not None", {"x = a is None", "x = None"}),
        ("x = a not  in b", {"x = a in b", "x = None"}),
        ("x = a and b and a", {"x = a or b and a", "x = a and b or a", "x = None"}),
        ("x = lambda: a", {"x = lambda: None", "x = None"}),
        ("x = f'{a}b'", {"x = f'XX{a}bXX'", "x = None"}),
        ("x = b'é'[0]", set()),  # no Python
    ],
)
def test_the_mistakes_of_a_statement(line: str, after: set[str]) -> None:
    source = f"def f(a, b, x):\n    {line}\n    return x\n"
    made = {text.splitlines()[1].strip() for text in _texts(source)}
    assert made - {line} == after


def test_loops_have_mistakes_of_their_own() -> None:
    source = (
        "def f(a):\n    while a:\n        if a():\n            continue\n        break\n    a()\n"
    )
    made = _texts(source)
    for before, after in (
        ("continue", "break"), ("break", "return"),
        ("while a:", "while (not a):"), ("if a():", "if (not a()):"),
    ):  # fmt: skip
        assert source.replace(before, after) in made


def test_what_changes_nothing_that_python_executes_is_left_out() -> None:
    found = edits_in("m.py", "def f(a):\n    return 1 if True else 2\n")
    # `2` is never reached, and Python knows.
    assert "2` becomes `3" not in " ".join(edit.what for edit in found.every)
    assert found.equivalent >= 1


def test_annotations_docstrings_and_excluded_lines_have_no_mistakes() -> None:
    source = (
        '__version__ = "1"\n\n\n'
        "def f(a: int = 3) -> int:\n"
        '    """Adds 1."""\n'
        "    b = a + 1  # pragma: no mutate\n"
        "    return b\n"
    )
    assert {edit.what for edit in edits_in("m.py", source).every} == {
        "`3` becomes `4`",
        "`return b` returns `None`",
    }


def test_a_mistake_says_where_it_is_and_who_can_notice() -> None:
    edits = {edit.what: edit for edit in edits_in("m.py", MODULE).every}
    in_function, at_import = edits["`<` becomes `<=`"], edits["`7` becomes `8`"]
    default = edits['`"full"` becomes `"XXfullXX"`']
    assert (in_function.function, in_function.first, in_function.entered) == ("price", 9, 7)
    assert in_function.reach == range(9, 10)
    assert in_function.in_function
    assert not at_import.in_function
    assert not default.in_function


def test_a_text_that_is_no_python_has_no_mistakes() -> None:
    assert edits_in("m.py", "def f(:\n").every == []


@pytest.mark.parametrize(
    "body",
    [
        "assert (f(1), 'wrong')",
        "assert True",
        "assert x == x",
        "assert x.y[0] <= x.y[0]",
        "assert 'a text' or f(1)",
        "assert not []",
        "assert (n for n in x)",
        "assert lambda: f(1)",
        "assert len(x) >= 0",
        "assert isinstance(x, object)",
        "assert x.called_once_with",
        "x.assert_called_once",
        "f(1) == 2",
        "try:\n        assert f(1)\n    except Exception:\n        pass",
        "f(1)",
        "pass",
    ],
)
def test_what_cannot_fail_is_seen_in_its_text(body: str) -> None:
    assert doubts_in(f"def test_x():\n    {body}\n")["test_x"]


@pytest.mark.parametrize(
    "body",
    [
        "assert f(1) == 2",
        "assert f(x) == f(x)",
        "assert x",
        "assert x or y",
        "assert [*x]",
        "assert f'{x}'",
        "assert len(x) > 0",
        "assert x.called",
        "x.assert_called_once()",
        "with pytest.raises(ValueError):\n        f(1)",
        "self.assertEqual(f(1), 2)",
        "helper(1)",
        "try:\n        assert f(1)\n    except ValueError:\n        pass",
        "try:\n        f(1)\n    except ValueError:\n        pytest.fail('no')",
        "np.testing.assert_allclose(f(1), 2)",
    ],
)
def test_what_can_fail_is_not_doubted(body: str) -> None:
    helper = "def helper(n):\n    assert f(n)\n\n\n"
    assert doubts_in(f"{helper}def test_x():\n    {body}\n")["test_x"] == ()


def test_a_test_of_a_class_is_named_as_pytest_names_it() -> None:
    found = doubts_in("class TestA:\n    def test_x(self):\n        assert True\n")
    assert [doubt.line for doubt in found["TestA::test_x"]] == [3]


def test_the_module_under_test_is_the_one_of_the_tests_name_else_what_they_import() -> None:
    project = Project(
        {
            "src/shop/__init__.py": b"from .cart import Cart\nfrom shop.rates import *\n",
            "src/shop/cart.py": b"",
            "src/shop/rates.py": b"",
            "src/shop/other.py": b"",
            "tests/test_cart.py": b"from shop import Cart\nimport shop.rates\n",
            "tests/test_all.py": b"from shop import Cart, rate\nimport os\n",
            "tests/test_parts.py": b"import shop.other, shop.cart\n",
        },
        import_roots=("src", ""),
    )
    ran = project.modules
    every = [f"tests/test_{name}.py" for name in ("cart", "all", "parts")]
    about = [modules_under_test(project, [test], ran) for test in every]
    assert about == [
        ("src/shop/cart.py",),
        ("src/shop/cart.py", "src/shop/rates.py"),
        ("src/shop/cart.py", "src/shop/other.py"),
    ]
    assert modules_under_test(project, every[2:], ["src/shop/other.py"]) == ("src/shop/other.py",)


STEPS = """import pytest
from cart import Cart, price


@pytest.mark.parametrize(("value", "wanted"), [(5, 35), (6, 42)])
def test_price(value, wanted):
    assert price(value) == wanted


class TestCart:
    def test_cart(self, tmp_path):
        cart = Cart(2)
        cart.add("a")
        assert cart.is_full() is False

    def test_own(self):
        assert self.cart.is_full()


def test_error():
    with pytest.raises(ValueError):
        price(-1)


def test_text():
    assert price(f"a{1}") == 3
"""


def _looked(test: str, *seeds: object) -> list[tuple[str, ...]]:
    return [(*look.steps, look.value) for look in looks_of(STEPS, f"t.py::{test}", seeds)]


def test_the_steps_of_a_test_are_taken_with_other_values() -> None:
    priced = [value for (value,) in _looked("test_price", 0, 100, "half")]
    assert priced[:2] == ["price(5)", "price(6)"]
    assert {"price(0)", "price(100)", "price(7)", "price(4)"} <= {*priced}
    assert not [value for value in priced if "half" in value]  # Of another type.
    steps = _looked("TestCart::test_cart")
    assert ("cart = Cart(2)", "cart.add('a')", "cart.is_full()") in steps
    assert ("cart = Cart(2)", "cart.add('')") in steps
    assert ("cart = Cart(3)", "cart.add('a')", "cart.is_full()") in steps
    assert ("price(-1)",) in _looked("test_error")
    assert _looked("TestCart::test_own") == []
    assert ("price(f'a{2}')",) in _looked("test_text")  # The text around stays.
    assert all(value.startswith("price(f'a{") for (value,) in _looked("test_text"))
    assert _looked("test_nowhere") == []


@pytest.mark.parametrize(
    ("saw", "body"),
    [
        (("is", "0"), "assert price(0) == 0"),
        (("is", "True"), "assert price(0) is True"),
        (("is", "inf"), "assert price(0) == float('inf')"),
        (("gives", "[1]"), "assert list(price(0)) == [1]"),
        (("is", "0.30000000000000004"), "assert price(0) == pytest.approx(0.30000000000000004)"),
        (("is", "2.0"), "assert price(0) == 2.0"),
        (("raises", "ValueError"), "with pytest.raises(ValueError):\n        price(0)"),
        (("raises", "OwnError"), ""),
        (("is", "<object>"), ""),
        (("is", f"'{'x' * 300}'"), ""),
    ],
)
def test_what_was_seen_is_what_a_test_expects(saw: tuple[str, str], body: str) -> None:
    text = Look("t.py::test_a", ("tmp_path",), (), "price(0)").expecting("test_b", saw, ["pytest"])
    assert text == (f"def test_b(tmp_path):\n    {body}\n" if body else "")


def test_the_fewest_new_tests_are_chosen_and_said_once() -> None:
    tests = {
        "t.py::test_ml_coach_0": "def test_ml_coach_0():\n    assert f(1) == 1\n",
        "t.py::test_ml_coach_1": "def test_ml_coach_1():\n    assert f(2) == 2\n",
        "t.py::test_ml_coach_2": "def test_ml_coach_2():\n    assert f(10) == 10\n",
    }
    project = Project({"t.py": b"def test_f_1():\n    pass\n"})
    tried = {0: ["t.py::test_ml_coach_0", "t.py::test_ml_coach_2"], 1: ["t.py::test_ml_coach_2"]}
    found = chosen(project, [MISTAKE, MISTAKE], tried, Candidates(project, tests))
    (test,) = found
    assert (test.file, test.name, test.notices) == ("t.py", "test_f_2", (0, 1))
    assert test.text.startswith("# ml-coach: guessed\n")
    assert "#   m.py:3: `<` becomes `<=`\n" in test.text
    assert test.text.endswith("def test_f_2():\n    assert f(10) == 10\n")
    behind = added("def test_x():\n    pass", found)
    assert behind == f"\n\n\n{test.text}"
    assert added(f"import m{behind}", found) == ""
    assert added("a\r\n", found).count("\r\n") == behind.count("\n") - 1


MISTAKE = Mistake(
    "m.py", 2, "a = 1\nb < 2\n", "a = 1\nb <= 2\n", "`<` becomes `<=`", "f", "survived", ("t::x",)
)
REPORT = AuditReport(
    ("m.py",),
    (MISTAKE, Mistake("m.py", 9, "c\n", "d\n", "`c`", status="noticed", noticed_by=("t.py::y",))),
    (
        TestAudit("t.py::x", "t.py", 3, "cannot_fail", reaches=(0,), doubts=(Doubt(4, "<&>"),)),
        TestAudit("t.py::y", "t.py", 7, "notices", notices=(1,), reaches=(0, 1)),
        TestAudit("t.py::z", "t.py", 9, "not_judging", "it fails"),
    ),
    alike=(("t.py::y", "t.py::w"),),
    level="namespaces",
)


def test_a_mistake_is_shown_by_the_lines_that_differ() -> None:
    assert (MISTAKE.line, MISTAKE.diff) == (3, "-b < 2\n+b <= 2")
    assert REPORT.score == 0.5
    assert [test.test for test in REPORT.cannot_fail] == ["t.py::x"]


def test_sarif_names_each_rule_that_a_result_is_of() -> None:
    log = json.loads(as_sarif(REPORT))
    assert (log["version"], log["$schema"].endswith("sarif-2.1.0.json")) == ("2.1.0", True)
    (run,) = log["runs"]
    rules = {rule["id"] for rule in run["tool"]["driver"]["rules"]}
    found = [(result["ruleId"], result["level"]) for result in run["results"]]
    assert found == [
        ("test-cannot-fail", "warning"),
        ("assert-always-true", "warning"),
        ("tests-notice-the-same", "note"),
        ("mistake-survives", "note"),
    ]
    for result in run["results"]:
        assert result["ruleId"] in rules
        assert result["message"]["text"]
        (location,) = result["locations"]
        place = location["physicalLocation"]
        assert place["artifactLocation"]["uri"] in ("t.py", "m.py")
        assert place["region"]["startLine"] >= 1
    related = run["results"][0]["relatedLocations"][0]["physicalLocation"]
    assert related["region"]["startLine"] == 3


def test_sarif_is_what_its_schema_wants() -> None:
    # That of OASIS, in a package of Microsoft's.
    file = node_file("@microsoft/jest-sarif/lib/schemas/sarif-2.1.0-rtm.5.json")
    validator = jsonschema.validators.validator_for(schema := json.loads(Path(file).read_text()))(
        schema, format_checker=jsonschema.FormatChecker()
    )
    odd = replace(MISTAKE, file="src/a b/é.py", first=0, what="\x1b[31m")
    for report in (REPORT, AuditReport(), replace(REPORT, mistakes=(odd,), tests=(), alike=())):
        log = json.loads(as_sarif(report))
        assert [error.message for error in validator.iter_errors(log)] == []
    log["runs"][0]["results"][0]["level"] = "bad"
    assert [error.json_path for error in validator.iter_errors(log)] == [
        "$.runs[0].results[0].level"
    ]


def test_junit_is_read_by_a_library_for_it() -> None:
    read = JUnitXml.fromstring(as_junit(REPORT).encode())
    tests, mistakes = read
    assert (tests.tests, tests.failures, tests.skipped, tests.errors) == (3, 1, 1, 0)
    assert (mistakes.tests, mistakes.failures) == (2, 1)
    (failed,) = [case for case in tests if case.is_failure]
    assert (failed.classname, failed.name) == ("t.py", "x")
    (unnoticed,) = [case for case in mistakes if case.is_failure]
    assert unnoticed.result[0].text == "-b < 2\n+b <= 2"
    assert [case.name for case in tests if case.is_skipped] == ["z"]


def test_junit_fails_for_tests_that_cannot_and_mistakes_that_nobody_notices() -> None:
    root = ElementTree.fromstring(as_junit(REPORT))
    tests, mistakes = root.findall("testsuite")
    assert [tests.get(name) for name in ("tests", "failures", "skipped")] == ["3", "1", "1"]
    assert [mistakes.get(name) for name in ("tests", "failures")] == ["2", "1"]
    failure = tests.find("testcase/failure")
    assert failure is not None
    assert "line 4: <&>" in (failure.get("message") or "")


def test_an_audit_is_kept_by_the_content_of_what_was_audited(tmp_path: Path) -> None:
    store, project = AuditStore(tmp_path), Project({"m.py": b"a", "t.py": b"b"})
    key = store.key(project, "python")
    assert store.get(key) is None
    store.put(key, REPORT)
    assert store.get(key) == REPORT
    assert to_json(REPORT)["score"] == 0.5
    others = [
        store.key(Project({"m.py": b"ab", "t.py": b""}), "python"),
        store.key(project, "other python"),
        store.key(Project({"m.py": b"a", "t.py": b"b"}, keyword="x"), "python"),
    ]
    assert len({key, *others}) == 4
    assert key == store.key(Project({"t.py": b"b", "m.py": b"a"}), "python")
    (kept,) = (tmp_path / "audits").iterdir()
    kept.write_text(kept.read_text()[:50])
    assert store.get(key) is None
