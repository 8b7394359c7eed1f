"""The executor as the loop uses it: findings, verdicts, values, traces, in real sandboxes."""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
import textwrap
import time
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from ml_coach.core.types import Finding, Program, Suite
from ml_coach.execution.executor import SandboxedExecutor
from ml_coach.execution.levels import SandboxUnavailable
from ml_coach.execution.sandbox.limits import ResourceLimits

ADD = "def add(a, b):\n    return a + b\n"
SUITE = Suite("from generated_code import add\n\n\ndef test_add():\n    assert add(1, 2) == 3\n")
PARSER = "import argparse\np = argparse.ArgumentParser()\np.add_argument('words')\n"


@pytest.fixture
async def executor() -> AsyncIterator[SandboxedExecutor]:
    made = SandboxedExecutor()
    yield made
    await made.aclose()


async def the_finding(executor: SandboxedExecutor, code: str, seconds: float = 8) -> Finding:
    found = await executor.inspect(Program(textwrap.dedent(code)), {}, timeout_seconds=seconds)
    assert len(found) == 1, found
    return found[0]


async def test_a_good_program_has_no_finding(executor: SandboxedExecutor) -> None:
    program = Program(f"{ADD}\nif __name__ == '__main__':\n    print(add(1, 2))\n")
    assert await executor.inspect(program, {}, timeout_seconds=8) == ()
    assert executor.level == "namespaces"


@pytest.mark.parametrize(
    ("code", "kind", "line", "message"),
    [
        ("def f():\n    return 1 / 0\nf()", "runtime", 2, "ZeroDivisionError: division by zero"),
        ("x = input('? ')", "input", 1, "calls input(), and nobody is there"),
        ("\nfrom sys import argv\nx = int(argv[1]) + argv[2]", "input", 3, "sys.argv"),
        ("import sys\nx = [[\n0], sys.argv[1]]", "input", 3, "sys.argv"),
        ("import sys\nx = sys.argv[1] if len(sys.argv) > 1 else [][0]", "runtime", 2, "IndexError"),
        (f"{PARSER}p.parse_args()", "input", 4, "exit code 2"),
        (f"{PARSER}p.parse_args(['a'])\nimport sys\nsys.exit(2)", "runtime", 6, "exit code 2"),
        (
            "\nimport nothing_like_it",
            "missing_package",
            2,
            "package nothing_like_it is not installed",
        ),
        ("import sys\nsys.exit(3)", "runtime", 2, "exit code 3"),
        ("import os\nos.abort()", "runtime", 2, "aborted"),
        ("def f(:", "syntax", 1, "SyntaxError"),
        ("def f():\n    return undefined_name", "name", 2, "undefined name"),
        ("b = []\nwhile True:\n    b.append('x' * 10_000_000)", "limit", 3, "more than 512 MB"),
        ("while True:\n    print('x' * 1000)", "limit", 2, "printed more than 1024 KB"),
        ("f = open('x', 'wb')\nf.write(bytes(100 << 20))", "limit", 2, "64 MB to a file"),
        ("kept = [open('/dev/null') for _ in range(999)]", "limit", 1, "more than 256 files"),
        (
            "import os, time\nfor _ in range(99):\n    if os.fork() == 0:\n        time.sleep(3)",
            "limit",
            3,
            "more than 64 processes",
        ),
    ],
)
async def test_each_fault_has_its_kind_line_and_words(
    executor: SandboxedExecutor, code: str, kind: str, line: int, message: str
) -> None:
    finding = await the_finding(executor, code)
    assert (finding.kind, finding.line) == (kind, line), finding
    assert message in finding.message


async def test_a_timeout_names_the_line_where_it_was(executor: SandboxedExecutor) -> None:
    finding = await the_finding(executor, "def f():\n    while True:\n        pass\nf()", 0.5)
    assert (finding.kind, finding.message) == ("timeout", "stopped: ran longer than 0.5 s")
    assert finding.line in (2, 3)


async def test_processor_time_of_many_threads_is_limited_by_the_wall(
    executor: SandboxedExecutor,
) -> None:
    finding = await the_finding(executor, "sum(range(10 ** 12))", 0.5)
    assert (finding.kind, finding.line) == ("timeout", 1)


async def test_limits_can_be_chosen() -> None:
    executor = SandboxedExecutor(limits=ResourceLimits(memory_mb=100))
    try:
        ran = await executor.run(
            "x.py", {"x.py": "b = b'x' * (160 << 20)\nwhile True: pass"}, timeout_seconds=5
        )
    finally:
        await executor.aclose()
    assert ran.findings[0].message == "stopped: used more than 100 MB of memory"


async def test_programs_are_judged_apart_and_in_order(executor: SandboxedExecutor) -> None:
    programs = [
        Program(ADD),
        Program(ADD.replace("+", "-")),
        Program("def add(a, b): raise KeyError(a)"),
        Program("import nothing_like_it"),
        Program("def add(a, b):\n    while True: pass"),
        Program(ADD),
    ]
    reports = await executor.test(programs, SUITE, timeout_seconds=2)
    verdicts = [report.verdict for report in reports]
    assert verdicts == ["passed", "failed", "failed", "error", "error", "passed"]
    assert reports[1].findings[0].message.startswith("assert -1 == 3")
    assert reports[2].findings[0].related[0].file == "generated_code.py"
    assert reports[3].findings[0].kind == "missing_package"
    assert reports[4].findings[0].kind == "timeout"
    assert reports[4].findings[0].test == "test_add"


async def test_a_suite_that_does_not_parse_is_a_finding(executor: SandboxedExecutor) -> None:
    (report,) = await executor.test([Program(ADD)], Suite("def test_("), timeout_seconds=5)
    assert (report.verdict, report.findings[0].kind) == ("error", "collection")


async def test_an_async_test_runs_where_the_plugin_is(executor: SandboxedExecutor) -> None:
    suite = Suite("async def test_a():\n    import asyncio\n    await asyncio.sleep(0)\n")
    bad = Suite("async def test_a():\n    assert 0\n")
    for which, verdict in ((suite, "passed"), (bad, "failed")):
        (report,) = await executor.test([Program(ADD)], which, timeout_seconds=10)
        assert report.verdict == verdict, report


async def test_values_of_expressions(executor: SandboxedExecutor) -> None:
    program = Program("def f(n):\n    while n > 5: pass\n    return [n] * n\nprint('noise')\n")
    expressions = ["f(2)", "f(9)", "g()", "exit(3)", "f(0)", "__import__('os')._exit(1)", "f(1)"]
    values, broken = await executor.evaluate(
        [program, Program("1 / 0")], expressions, timeout_seconds=8
    )
    assert [value.value for value in values] == ["[2, 2]", "", "", "", "[]", "", "[1]"]
    assert values[1].error.startswith("Timeout:")
    assert values[2].error == "NameError: name 'g' is not defined"
    assert values[3].error == "SystemExit: 3"
    assert "exit code 1" in values[5].error
    assert {value.error for value in broken} == {"ZeroDivisionError: division by zero"}


async def test_an_iterator_is_known_by_what_it_yields(executor: SandboxedExecutor) -> None:
    code = (
        "from itertools import count\n"
        "def squares(n):\n    for i in range(n):\n        yield i * i\n"
        "def broken():\n    yield 1\n    raise KeyError(2)\n"
        "def stuck():\n    yield 1\n    while True: pass\n"
    )
    expressions = ["squares(3)", "map(abs, [-1])", "count()", "broken()", "stuck()", "squares(0)"]
    ((squares, mapped, endless, broken, stuck, none),) = await executor.evaluate(
        [Program(code)], expressions, timeout_seconds=8
    )
    assert squares.value == "iter([0, 1, 4])"
    assert mapped.value == "iter([1])"
    assert endless.value.startswith("iter([0, 1, 2,")
    assert endless.value.endswith(" 999])")
    assert broken.error == "KeyError: 2"
    assert stuck.error.startswith("Timeout:")
    assert none.value == "iter([])"


async def test_a_huge_value_is_cut(executor: SandboxedExecutor) -> None:
    ((value,),) = await executor.evaluate([Program("x = 'y' * 10**7")], ["x"], timeout_seconds=8)
    assert len(value.value) < 30_000


async def test_a_trace_says_what_each_line_did(executor: SandboxedExecutor) -> None:
    code = (
        "def f(n):\n    total = 0\n    for i in range(n):\n        total += i\n    return total\n"
    )
    text = await executor.trace(Program(code), "f(2)", timeout_seconds=5)
    assert text.splitlines()[:4] == [
        "line 1: call f(n = 2)",
        "line 2: total = 0",
        "line 3: i = 0",
        "line 4",
    ]
    assert text.splitlines()[-2:] == ["line 5: returns 1", "value: 1"]


async def test_no_text_tells_where_an_object_lies(executor: SandboxedExecutor) -> None:
    program = Program("class S:\n    pass\ndef f():\n    s = S()\n    return list(iter([s]))\n")
    ((value,),) = await executor.evaluate([program], ["f()"], timeout_seconds=8)
    assert value.value == "[<generated_code.S object>]"
    told = await executor.trace(program, "f()", timeout_seconds=8)
    assert "s = <generated_code.S object>" in told
    assert "0x" not in told
    squares = Program("def f(n):\n    return list(i * i for i in range(n))\n")
    told = await executor.trace(squares, "f(2)", timeout_seconds=8)
    assert "call <genexpr>()" in told
    assert ".0" not in told


async def test_a_trace_is_bounded(executor: SandboxedExecutor) -> None:
    code = "def f():\n    n = 0\n    while True:\n        n += 1\n"
    text = await executor.trace(Program(code), "f()", timeout_seconds=1)
    assert len(text.splitlines()) < 210
    assert text.endswith("stopped: the time limit was reached")


async def test_modules_of_the_workspace_are_there_and_nothing_else(tmp_path: Path) -> None:
    (tmp_path / "shop").mkdir()
    (tmp_path / "shop" / "__init__.py").write_text("")
    (tmp_path / "shop" / "prices.py").write_text("from .rates import RATE\n")
    (tmp_path / "shop" / "rates.py").write_text("RATE = 7\n")
    (tmp_path / "other.py").write_text("")
    (tmp_path / ".env").write_text("SECRET=1")
    executor = SandboxedExecutor(workspace=tmp_path)
    code = "import os\nfrom shop.prices import RATE\nprint(RATE, sorted(os.listdir()))\n"
    try:
        ran = await executor.run("x.py", {"x.py": code}, timeout_seconds=8)
    finally:
        await executor.aclose()
    assert ran.stdout == "7 ['shop', 'x.py']\n"


def written(workspace: Path, files: dict[str, str]) -> SandboxedExecutor:
    """An executor of a workspace that holds these files."""
    for name, text in files.items():
        (workspace / name).parent.mkdir(parents=True, exist_ok=True)
        (workspace / name).write_text(text)
    return SandboxedExecutor(workspace=workspace)


async def verdicts(
    executor: SandboxedExecutor, programs: list[Program], suite: Suite
) -> list[tuple[str, str]]:
    """How each of the programs was judged, and why so. The executor is closed."""
    try:
        reports = await executor.test(programs, suite, timeout_seconds=8)
    finally:
        await executor.aclose()
    return [(report.verdict, report.why) for report in reports]


async def test_programs_in_a_source_folder_are_judged_and_not_what_the_disk_holds(
    tmp_path: Path,
) -> None:
    """Also where the test imports them by the name that an installed project would have."""
    wrong = "from units import ONE\ndef add(a, b):\n    return a - b * ONE\n"
    executor = written(
        tmp_path,
        {"src/calc.py": wrong, "src/units.py": "ONE = 1\n", "src/shop/__init__.py": ""},
    )
    test = "from calc import add\nimport shop\ndef test_add():\n    assert add(1, 2) == 3\n"
    programs = [Program(text, "src/calc.py") for text in (wrong, wrong.replace("-", "+"), wrong)]
    found = await verdicts(executor, programs, Suite(test, "tests/test_calc.py"))
    assert [verdict for verdict, _ in found] == ["failed", "passed", "failed"], found


@pytest.mark.parametrize(
    "imports",
    [
        "from ..rates import RATE\nfrom .near import NEAR\n",
        "from shop.rates import RATE\nfrom near import NEAR\n",
        "from ..rates import RATE\nfrom near import NEAR\n",
    ],
)
async def test_a_module_that_imports_from_its_own_package_runs_as_part_of_it(
    tmp_path: Path, imports: str
) -> None:
    (tmp_path / "shop" / "parts").mkdir(parents=True)
    (tmp_path / "shop" / "rates.py").write_text("RATE = 7\n")
    (tmp_path / "shop" / "parts" / "near.py").write_text("NEAR = 8\n")
    executor = SandboxedExecutor(workspace=tmp_path)
    file = "shop/parts/bill.py"
    code = f"{imports}print(__name__, RATE, NEAR)\n"
    try:
        ran = await executor.run(file, {file: code}, timeout_seconds=8)
    finally:
        await executor.aclose()
    assert (ran.stdout, ran.findings) == ("__main__ 7 8\n", ())


async def test_a_module_beside_the_one_that_imports_it_is_there(tmp_path: Path) -> None:
    """As with pytest, which looks in a test's own folder, and Python, which does in a script's."""
    executor = written(tmp_path, {"tests/numbers_used.py": "THREE = 3\n"})
    test = "from numbers_used import THREE\ndef test_three():\n    assert THREE == 3\n"
    assert await verdicts(executor, [Program(ADD)], Suite(test, "tests/test_a.py")) == [
        ("passed", "")
    ]


OWN = Suite(
    "from calc import add\n\n\ndef test_add(three):\n    assert add(1, 2) == three\n",
    "tests/test_calc.py",
    own=True,
)
THREE = "import pytest\n\n\n@pytest.fixture\ndef three():\n    return {}\n"


@pytest.mark.parametrize(
    "files",
    [
        {"conftest.py": THREE.format(3)},
        {"tests/conftest.py": THREE.format(3), "conftest.py": THREE.format(4)},
        {
            "tests/conftest.py": f"from kept import THREE\n{THREE.format('THREE')}",
            "tests/kept.py": "THREE = 3\n",
        },
        {"tests/conftest.py": f"from calc import add\n{THREE.format(3)}"},
    ],
    ids=["above", "both", "imports", "imports_the_program"],
)
async def test_the_users_own_tests_have_the_fixtures_of_their_conftest(
    tmp_path: Path, files: dict[str, str]
) -> None:
    programs = [Program(text, "calc.py") for text in (ADD, ADD.replace("+", "-"))]
    right, wrong = await verdicts(written(tmp_path, files), programs, OWN)
    assert right == ("passed", "")
    assert wrong == ("failed", "1 of 1 tests did not pass: test_add failed")


async def test_what_is_wrong_with_a_conftest_is_said(tmp_path: Path) -> None:
    executor = written(tmp_path, {"conftest.py": f"import nothing_like_it\n{THREE.format(3)}"})
    ((verdict, why),) = await verdicts(executor, [Program(ADD, "calc.py")], OWN)
    assert verdict == "error"
    assert why.startswith("conftest.py could not be collected: the package nothing_like_it is not")


async def test_where_a_conftest_that_has_hooks_is_missed_no_program_is_to_blame(
    tmp_path: Path,
) -> None:
    """Hooks could change what a verdict is made of. Tests that need nothing of it are judged."""
    hook = "def pytest_configure(config):\n    pass\n"
    programs = [Program(ADD, "calc.py")]
    executor = written(tmp_path, {"tests/conftest.py": THREE.format(3) + hook})
    ((verdict, why),) = await verdicts(executor, programs, OWN)
    assert verdict == "error"
    assert why == (
        "The fixture 'three' is not there: tests/conftest.py does more than define fixtures, "
        "and ML Coach runs tests without such a file."
    )
    needs_none = Suite(
        OWN.source.replace("(three)", "()").replace("== three", "== 3"), OWN.file, own=True
    )
    assert await verdicts(written(tmp_path, {}), programs, needs_none) == [("passed", "")]


PLANTED = """
import importlib.util, marshal, pathlib, sys
folder = pathlib.Path(__file__).parent / "tests"
lower, other = folder / "conftest.py", folder / "other.txt"
text = "import pytest\\n@pytest.fixture\\ndef three(): return -1\\n"
"""


@pytest.mark.parametrize("lower", [{"tests/conftest.py": THREE.format(3)}, {}], ids=["two", "one"])
@pytest.mark.parametrize(
    "attack",
    [
        "lower.write_text(text)\n",
        "other.write_text(text)\nother.replace(lower)\n",
        "(folder / '__pycache__').mkdir()\n"
        f"digest = importlib.util.source_hash({THREE.format(3).encode()!r})\n"
        "code = marshal.dumps(compile(text, str(lower), 'exec'))\n"
        "planted = importlib.util.MAGIC_NUMBER + bytes([3, 0, 0, 0]) + digest + code\n"
        "name = 'conftest' + sys.modules['_pytest.assertion.rewrite'].PYC_TAIL\n"
        "(folder / '__pycache__' / name).write_bytes(planted)\n",
        "raise SystemExit\n",
    ],
    ids=["writes", "moves", "plants_compiled_code", "leaves"],
)
async def test_no_program_changes_a_conftest(
    tmp_path: Path, attack: str, lower: dict[str, str]
) -> None:
    """The upper one imports the program, and only then a lower one is loaded."""
    upper = {"conftest.py": f"import calc\n{THREE.format(3)}"}
    program = Program(ADD.replace("+", "-") + PLANTED + attack, "calc.py")
    ((verdict, why),) = await verdicts(written(tmp_path, {**upper, **lower}), [program], OWN)
    assert verdict in ("failed", "tampered", "error"), why
    assert why


async def test_tests_of_a_model_need_no_conftest(tmp_path: Path) -> None:
    """It has never seen it, and what it imports may not be there."""
    executor = written(tmp_path, {"conftest.py": "import nothing_like_it\n"})
    assert await verdicts(executor, [Program(ADD)], SUITE) == [("passed", "")]


async def test_a_python_without_pytest_is_lent_ours(tmp_path: Path) -> None:
    await asyncio.to_thread(
        subprocess.run,
        [sys.executable, "-m", "venv", "--without-pip", str(tmp_path / ".venv")],
        check=True,
    )
    (site,) = (tmp_path / ".venv").glob("lib/python3*/site-packages")
    (site / "only_theirs.py").touch()
    executor = SandboxedExecutor(workspace=tmp_path)
    code = "import sys\nprint(sys.prefix)\n"
    try:
        ran = await executor.run("x.py", {"x.py": code}, timeout_seconds=8)
        (report,) = await executor.test([Program(ADD)], SUITE, timeout_seconds=8)
        # What ours has too is not lent: with a package that only theirs has, ours is no way out.
        mixed = Program("import only_theirs\nimport httpx")
        (missing,) = await executor.inspect(mixed, {}, timeout_seconds=8)
    finally:
        await executor.aclose()
    assert ran.stdout.strip() == str(tmp_path / ".venv")
    assert report.verdict == "passed", report
    assert (missing.kind, missing.line) == ("missing_package", 2)


async def test_a_workspace_may_be_named_relative_to_here(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    command = [sys.executable, "-m", "venv", "--without-pip", str(tmp_path / ".venv")]
    await asyncio.to_thread(subprocess.run, command, check=True)
    monkeypatch.chdir(tmp_path)
    executor = SandboxedExecutor(workspace=Path())
    try:
        ran = await executor.run("x.py", {"x.py": "print(1)"}, timeout_seconds=8)
    finally:
        await executor.aclose()
    assert (ran.clean, ran.stdout) == (True, "1\n")


async def test_the_weak_level_needs_a_word() -> None:
    executor = SandboxedExecutor(only_level="weak")
    with pytest.raises(SandboxUnavailable, match="--allow-weak"):
        await executor.prepare()
    allowed = SandboxedExecutor(only_level="weak", allow_weak=True)
    try:
        assert await allowed.prepare() == "weak"
        ran = await allowed.run("x.py", {"x.py": "print(1)"}, timeout_seconds=8)
        assert (ran.clean, ran.stdout) == (True, "1\n")
    finally:
        await allowed.aclose()


async def test_the_loop_is_never_blocked(executor: SandboxedExecutor) -> None:
    await executor.prepare()
    longest, last = 0.0, time.monotonic()
    task = asyncio.create_task(executor.test([Program(ADD)] * 6, SUITE, timeout_seconds=20))
    while not task.done():
        await asyncio.sleep(0.001)
        now = time.monotonic()
        longest, last = max(longest, now - last), now
    await task
    assert longest < 1.0  # on a machine that others use as well; blocking would be the whole time


async def test_closing_twice_and_running_again_is_fine() -> None:
    executor = SandboxedExecutor()
    for _ in range(2):
        ran = await executor.run("x.py", {"x.py": "print(1)"}, timeout_seconds=8)
        assert ran.clean
        await executor.aclose()
        await executor.aclose()


def command(*arguments: str, cwd: Path) -> tuple[int, str, dict[str, object]]:
    ran = subprocess.run(
        [sys.executable, "-m", "ml_coach", *arguments, "--json", "out.json"],
        cwd=cwd,
        capture_output=True,
        text=True,
        timeout=60,
    )
    return ran.returncode, ran.stdout, json.loads((cwd / "out.json").read_text())


def test_exec_runs_a_file_with_its_folder(tmp_path: Path) -> None:
    (tmp_path / "a.py").write_text("import b\nprint(b.X, open('words.txt').read())\n")
    (tmp_path / "b.py").write_text("X = 5\n")
    (tmp_path / "words.txt").write_text("hello")
    (tmp_path / ".env").write_text("SECRET")
    code, out, record = command("exec", "a.py", cwd=tmp_path)
    assert (code, out) == (0, "5 hello\n")
    assert record == {
        "verdict": "passed",
        "why": "",
        "level": "namespaces",
        "cases": [],
        "limit": "",
    }


def test_exec_fails_with_a_reason(tmp_path: Path) -> None:
    (tmp_path / "a.py").write_text("print(open('.env').read())\n")
    (tmp_path / ".env").write_text("SECRET")
    code, out, record = command("exec", "a.py", cwd=tmp_path)
    assert (code, out, record["verdict"]) == (1, "", "failed")
    assert "FileNotFoundError" in str(record["why"])


def test_a_folder_that_hides_python_itself_is_not_imported_by_us(tmp_path: Path) -> None:
    for name in ("argparse", "asyncio", "json", "typing"):
        (tmp_path / f"{name}.py").write_text(f"open({str(tmp_path / 'escaped')!r}, 'w')\n")
    (tmp_path / "a.py").write_text("print(1)\n")
    code, out, _ = command("exec", "a.py", cwd=tmp_path)
    assert (code, out) == (0, "1\n")
    assert not (tmp_path / "escaped").exists()


def test_pytest_judges_a_folder(tmp_path: Path) -> None:
    (tmp_path / "generated_code.py").write_text(ADD)
    (tmp_path / "test_a.py").write_text(SUITE.source)
    code, out, record = command("pytest", ".", cwd=tmp_path)
    assert (code, record["verdict"]) == (0, "passed")
    assert "test_add" in out
    (tmp_path / "test_b.py").write_text("def test_b(): assert 0\n")
    code, _, record = command("pytest", ".", cwd=tmp_path)
    assert (code, record["verdict"]) == (1, "failed")


@pytest.mark.parametrize(
    ("arguments", "verdict", "why", "limit"),
    [
        (("exec", "bad.py"), "failed", "ended with exit code 3", ""),
        (("exec", "loop.py", "--timeout", "1"), "error", "stopped: ran longer than 1 s", "time"),
        (("exec", "large.py"), "error", "stopped: used more than 512 MB of memory", "memory"),
        (("exec", "nothing.py"), "error", "there is no file nothing.py", ""),
        (("exec", "empty"), "error", "there is no file empty", ""),
        (("pytest", "empty"), "error", "there is no test", ""),
        (("pytest", "nowhere"), "error", "there is no folder or file nowhere", ""),
    ],
)
def test_a_command_that_did_not_pass_says_why(
    tmp_path: Path, arguments: tuple[str, ...], verdict: str, why: str, limit: str
) -> None:
    (tmp_path / "bad.py").write_text("raise SystemExit(3)\n")
    (tmp_path / "loop.py").write_text("while True: pass\n")
    (tmp_path / "large.py").write_text("b = b'x' * (900 << 20)\nwhile True: pass\n")
    (tmp_path / "empty").mkdir()
    code, _, record = command(*arguments, cwd=tmp_path)
    assert code == 1
    assert (record["verdict"], record["why"], record["limit"]) == (verdict, why, limit)
