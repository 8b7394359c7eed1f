"""Which tests a file has, what the static checks flag, what inspection finds: from text alone."""

from __future__ import annotations

import pytest

from ml_coach.core.types import Program
from ml_coach.execution import inspector, plugins, static_checks
from ml_coach.execution.expected_tests import expected_tests

SUITE = """\
import pytest, unittest

@pytest.fixture
def test_data(): return 1

@pytest.mark.parametrize("x", [1])
def test_marked(x): pass

@something
def test_wrapped(): pass

async def test_async(): pass

class TestA:
    def test_in_class(self): pass
    def helper(self): pass
    class TestB:
        def test_deep(self): pass

class TestWithConstructor:
    def __init__(self): pass
    def test_never(self): pass

class Cases(unittest.TestCase):
    def test_unit(self): pass
    async def test_unit_async(self): pass

if True:
    def test_conditional(): pass

def test_twice(): pass
def test_twice(): pass
"""


def test_expected_tests_are_those_that_pytest_collects() -> None:
    found = {test.name: (test.line, test.how) for test in expected_tests(SUITE)}
    assert found == {
        "test_marked": (6, "plain"),
        "test_wrapped": (9, "decorated"),
        "test_async": (12, "async"),
        "TestA::test_in_class": (15, "plain"),
        "TestA::TestB::test_deep": (18, "plain"),
        "Cases::test_unit": (25, "unittest"),
        "Cases::test_unit_async": (26, "async"),
        "test_conditional": (29, "plain"),
        "test_twice": (32, "plain"),
    }


def test_a_suite_that_does_not_parse_raises() -> None:
    with pytest.raises(SyntaxError):
        expected_tests("def test_(:")


@pytest.mark.parametrize(
    ("source", "flag"),
    [
        ("import _ctypes", "line 1 imports _ctypes, which reaches into memory"),
        ("import ctypes\nctypes.CDLL(None)", "line 2 uses ctypes, which reaches into memory"),
        ("import ctypes as c\nf(c)", "line 2 uses c, which reaches into memory"),
        (
            "from ctypes import memmove",
            "line 1 takes memmove from ctypes, which reaches into memory",
        ),
        (
            "import os\nos.environ.get('PYTEST_CURRENT_TEST')",
            "line 2 asks whether it is being tested",
        ),
        ("from _pytest import runner", "line 1 imports _pytest, which is the inside of pytest"),
        ("AssertionError = ValueError", "line 1 replaces AssertionError"),
        ("class Exception: pass", "line 1 replaces Exception"),
        ("def pytest_runtest_call(): pass", "line 1 defines the pytest hook pytest_runtest_call"),
        ("f.__code__ = g", "line 1 uses __code__"),
        (
            "class A:\n  def __eq__(s, o): return True",
            "line 2 has a __eq__ that always gives the same answer",
        ),
    ],
)
def test_what_has_no_honest_use_is_flagged(source: str, flag: str) -> None:
    assert static_checks.flags({"code.py": source}) == (f"code.py {flag}",)


@pytest.mark.parametrize(
    "source",
    [
        "import sys\nsys.exit(0)",
        "import inspect\ninspect.currentframe()",
        "import gc\ngc.collect()",
        "class A:\n  def __eq__(s, o): return s.x == o.x",
        "exec('x = 1')",
        "this does not parse",
        "import os\nos._exit(3)",
        "import ctypes\nctypes.sizeof(ctypes.c_long)",
        "from ctypes import Structure, c_int",
    ],
)
def test_ordinary_programs_are_not_flagged(source: str) -> None:
    assert static_checks.flags({"code.py": source}) == ()


def test_a_conftest_may_only_define_fixtures() -> None:
    assert static_checks.only_fixtures("import pytest\n@pytest.fixture\ndef x(): return 1\n")
    assert not static_checks.only_fixtures("def pytest_collection_modifyitems(items): pass")
    assert not static_checks.only_fixtures("pytest_plugins = ['x']")


def test_only_the_plugins_that_a_suite_uses_are_loaded() -> None:
    assert plugins.wanted(["async def test_a(): pass"]) == ["pytest_asyncio.plugin"]
    assert plugins.wanted(["def test_a(mocker): pass"]) == ["pytest_mock"]
    assert plugins.wanted(["def test_a(): pass"]) == []


def test_inspection_names_the_line_of_a_syntax_error() -> None:
    (finding,) = inspector.look_at(Program("x = 1\ndef f(:\n  pass\n"))
    assert (finding.kind, finding.line) == ("syntax", 2)


def test_inspection_finds_undefined_names_only() -> None:
    found = inspector.look_at(Program("import os\ndef f():\n    return math.pi + undefined\n"))
    assert [(f.kind, f.message, f.line) for f in found] == [
        ("name", "undefined name 'math'", 3),
        ("name", "undefined name 'undefined'", 3),
    ]


@pytest.mark.parametrize("source", ["x\0y", "(" * 5000, "-" * 200_000 + "1"])
def test_inspection_survives_texts_that_break_parsers(source: str) -> None:
    (finding,) = inspector.look_at(Program(source))
    assert finding.kind == "syntax"
