"""Which tests a plain call runs as pytest does, and that both say the same."""

from __future__ import annotations

import textwrap
from pathlib import Path

import pytest

from ml_coach.execution.inside.plain_tests import fails, plain_call, takes_part

TESTS = """
import asyncio, sys, unittest, warnings
import pytest

@pytest.fixture
def made(request):
    return getattr(request, "param", 1)

class Test:
    def test_method(self):
        assert self is not None

    def test_wrong(self):
        assert self is None

class TestSetUp:
    def setup_method(self):
        self.ready = True

    def test_ready(self):
        assert self.ready

class TestCase(unittest.TestCase):
    def setUp(self):
        self.ready = True

    def tearDown(self):
        assert self.ready

    def test_right(self):
        self.assertTrue(self.ready)

    def test_wrong(self):
        self.assertEqual(1, 2)

    def test_ends_wrong(self):
        self.ready = False

    def test_cleans_up_wrong(self):
        self.addCleanup(int, "x")

    def test_raises(self):
        raise KeyError

    def test_exits(self):
        sys.exit(0)

    def test_skips(self):
        self.skipTest("not here")

    def test_skips_as_pytest(self):
        pytest.skip("not here")

    def test_fails_as_pytest(self):
        pytest.fail("no")

    @unittest.skip("not here")
    def test_skipped(self):
        assert 0

    @unittest.expectedFailure
    def test_expected(self):
        assert 0

    @unittest.expectedFailure
    def test_unexpected(self):
        pass

    def test_parts(self):
        for n in range(3):
            with self.subTest(n=n):
                self.assertNotEqual(n, 1)

    def test_skipped_parts(self):
        for n in range(3):
            with self.subTest(n=n):
                self.skipTest("not here")

    @pytest.mark.xfail
    def test_marked(self):
        assert 0

class TestWaiting(unittest.IsolatedAsyncioTestCase):
    async def test_right(self):
        await asyncio.sleep(0)

    async def test_wrong(self):
        await asyncio.sleep(0)
        assert 0

class TestPrepared(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.ready = True

    def test_ready(self):
        assert self.ready

class TestOwnRun(unittest.TestCase):
    def run(self, result=None):
        return super().run(result)

    def test_right(self):
        pass

@unittest.skip("not here")
class TestSkipped(unittest.TestCase):
    def test_wrong(self):
        assert 0

@pytest.mark.parametrize(("a", "b"), [(1, 2), (2, 2)])
def test_values(a, b):
    assert a + 1 == b

@pytest.mark.parametrize("made", [2], indirect=True)
def test_indirect(made):
    assert made == 2

def test_fixture(made):
    assert made == 2

@pytest.mark.xfail
def test_expected():
    assert 0

def test_skips():
    pytest.skip("not here")

def test_skips_as_unittest():
    raise unittest.SkipTest("not here")

def test_exits():
    sys.exit(0)

def test_warns():
    with pytest.warns(DeprecationWarning):
        warnings.warn("old", DeprecationWarning)

def test_twice():
    with warnings.catch_warnings(record=True) as seen:
        warnings.warn("old", DeprecationWarning)
    assert seen

async def test_waits():
    assert 0
"""
PLAINLY = {
    "Test::test_method", "Test::test_wrong", "test_values[1-2]", "test_values[2-2]", "test_skips",
    "test_skips_as_unittest", "test_exits", "test_warns", "test_twice",
    *(f"TestCase::test_{name}" for name in (
        "right", "wrong", "ends_wrong", "cleans_up_wrong", "raises", "exits", "skips", "skipped",
        "skips_as_pytest", "fails_as_pytest", "expected", "unexpected", "parts", "skipped_parts",
    )), "TestWaiting::test_right", "TestWaiting::test_wrong",
}  # fmt: skip


class Both:
    """Runs each test in both ways, the plain one first."""

    def __init__(self) -> None:
        self.plainly: dict[str, bool] = {}
        self.failed: set[str] = set()
        self.taken_part: bool | None = None

    def pytest_runtestloop(self, session: pytest.Session) -> None:
        self.taken_part = takes_part(session.config, self)
        for item in session.items:
            if call := plain_call(item):
                self.plainly[item.nodeid.partition("::")[2]] = fails(item, call, None)

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        if report.failed:
            self.failed.add(report.nodeid.partition("::")[2])


def _both(folder: Path, *files: tuple[str, str]) -> Both:
    for name, text in (("test_a.py", TESTS), *files):
        (folder / name).write_text(textwrap.dedent(text))
    both = Both()
    none = ["-p", "no:cacheprovider", "-p", "no:timeout", "-p", "no:xdist", "-p", "no:asyncio"]
    none += ["-p", "no:pytest-lsp", "-p", "no:blockbuster"]
    options = ["-q", "--no-header", f"--rootdir={folder}", "-c", str(folder / "pytest.ini"), *none]
    pytest.main([*options, str(folder / "test_a.py")], plugins=[both])
    return both


@pytest.fixture(autouse=True)
def settings(tmp_path: Path) -> None:
    (tmp_path / "pytest.ini").write_text("[pytest]\n")


def test_a_plain_call_says_what_pytest_says(tmp_path: Path) -> None:
    both = _both(tmp_path)
    assert both.plainly.keys() == PLAINLY
    assert {name for name, failed in both.plainly.items() if failed} == both.failed & PLAINLY
    assert "Test::test_wrong" in both.failed


@pytest.mark.parametrize(
    "file",
    [
        ("conftest.py", "def pytest_runtest_call(item):\n    pass\n"),
        ("conftest.py", "def pytest_pyfunc_call(pyfuncitem):\n    return None\n"),
        ("pytest.ini", "[pytest]\nfilterwarnings = error\n"),
        ("pytest.ini", "[pytest]\nusefixtures = made\n"),
    ],
)
def test_where_somebody_takes_part_pytest_runs_the_tests(
    tmp_path: Path, file: tuple[str, str]
) -> None:
    assert _both(tmp_path).taken_part is False
    assert _both(tmp_path, file).taken_part is True


def test_a_fixture_that_every_test_uses_is_left_to_pytest(tmp_path: Path) -> None:
    every = "import pytest\n\n@pytest.fixture(autouse=True)\ndef always():\n    pass\n"
    assert _both(tmp_path, ("conftest.py", every)).plainly == {}
