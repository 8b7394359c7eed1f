"""The executor as the loop uses it: findings, verdicts, values, traces, in real sandboxes."""

from __future__ import annotations

import asyncio
import subprocess
import sys
import textwrap
import time
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from ml_coach.core.agents import researcher
from ml_coach.core.agents.suite_assembly import assemble
from ml_coach.core.finding import Finding
from ml_coach.core.types import Program, Suite
from ml_coach.execution.executor import SandboxedExecutor
from ml_coach.execution.levels import SandboxUnavailable
from ml_coach.execution.sandbox.limits import ResourceLimits

from .workspaces import ADD, SUITE

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
async def test_a_finding_has_the_kind_line_and_message_of_its_fault(
    executor: SandboxedExecutor, code: str, kind: str, line: int, message: str
) -> None:
    finding = await the_finding(executor, code)
    assert (finding.kind, finding.line) == (kind, line), finding
    assert message in finding.message


ELSEWHERE = '{"exception": "E", "text": "t", "frames": [["../../.bashrc", 1]]}'


@pytest.mark.parametrize(
    ("code", "message"),
    [
        ("import os\nos.kill(os.getpid(), 40)", "ended by signal 40"),
        ("raise OSError([1], 'no')", "OSError: [Errno [1]] no"),
        ("import os\nos.write(4000, b'[' * 50_000 + b'\\n')\nraise KeyError(1)", "KeyError: 1"),
        (f"import os\nos.write(4000, b'{ELSEWHERE}\\n')", "E: t"),
    ],
    ids=["signal_without_a_name", "odd_errno", "deep_record", "place_elsewhere"],
)
async def test_no_program_breaks_the_server_or_leads_it_to_other_files(
    executor: SandboxedExecutor, code: str, message: str
) -> None:
    found = await executor.inspect(Program(code), {}, timeout_seconds=8)
    assert {finding.file for finding in found} == {"generated_code.py"}
    assert found[0].message == message
    told = "the program wrote to our channel: a line was dropped"
    assert [finding.message for finding in found[1:]] == [told] * (
        "[" * 3 in code or "* 50" in code
    )


async def test_a_timeout_names_the_line_where_it_was(executor: SandboxedExecutor) -> None:
    finding = await the_finding(executor, "def f():\n    while True:\n        pass\nf()", 0.5)
    assert (finding.kind, finding.message) == ("timeout", "stopped: ran longer than 0.5 s")
    assert finding.line in (2, 3)


async def test_a_long_computation_is_limited_by_wall_time(
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


async def test_programs_are_judged_separately_and_in_order(executor: SandboxedExecutor) -> None:
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


async def test_each_expression_has_a_value_or_an_error(executor: SandboxedExecutor) -> None:
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


async def test_the_value_of_an_iterator_is_what_it_yields(executor: SandboxedExecutor) -> None:
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


@pytest.mark.parametrize(
    ("expression", "value"),
    [
        ("Counter('aab')", "{'a': 2, 'b': 1}"),
        ("[OrderedDict(a=(defaultdict(int, b=1),))]", "[{'a': ({'b': 1},)}]"),
        ("np.float64(1.2)", "1.2"),
        ("{np.int64(1): [np.bool_(True)]}", "{1: [True]}"),
        ("np.float32(0.1)", "0.10000000149011612"),
        ("np.array([1, 2])", "array([1, 2])"),
        ("Point(1, 2)", "Point(x=1, y=2)"),
        ("own", "[[...]]"),
    ],
)
async def test_a_value_is_spelled_as_the_plain_one_that_it_equals(
    executor: SandboxedExecutor, expression: str, value: str
) -> None:
    code = (
        "from collections import Counter, OrderedDict, defaultdict, namedtuple\n"
        "import numpy as np\nPoint = namedtuple('Point', 'x y')\nown = []\nown.append(own)\n"
    )
    ((found,),) = await executor.evaluate([Program(code)], [expression], timeout_seconds=8)
    assert found.value == value


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


async def test_no_text_holds_the_address_of_an_object(executor: SandboxedExecutor) -> None:
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


async def test_a_python_without_pytest_uses_ours(tmp_path: Path) -> None:
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
        # Only pytest is taken from ours. A package that only theirs has rules ours out for the rest.
        mixed = Program("import only_theirs\nimport httpx")
        (missing,) = await executor.inspect(mixed, {}, timeout_seconds=8)
    finally:
        await executor.aclose()
    assert ran.stdout.strip() == str(tmp_path / ".venv")
    assert report.verdict == "passed", report
    assert (missing.kind, missing.line) == ("missing_package", 2)


async def test_the_weak_level_has_to_be_allowed() -> None:
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


async def test_the_event_loop_is_never_blocked(executor: SandboxedExecutor) -> None:
    await executor.prepare()
    longest, last = 0.0, time.monotonic()
    task = asyncio.create_task(executor.test([Program(ADD)] * 6, SUITE, timeout_seconds=20))
    while not task.done():
        await asyncio.sleep(0.001)
        now = time.monotonic()
        longest, last = max(longest, now - last), now
    await task
    assert longest < 1.0  # on a machine that others use as well; blocking would be the whole time


async def test_an_executor_can_be_closed_twice_and_used_again() -> None:
    executor = SandboxedExecutor()
    for _ in range(2):
        ran = await executor.run("x.py", {"x.py": "print(1)"}, timeout_seconds=8)
        assert ran.clean
        await executor.aclose()
        await executor.aclose()


async def test_a_property_test_runs_on_hypothesis(executor: SandboxedExecutor) -> None:
    prompt = 'Write encode(s) and decode(s). encode("ab") == "bc", decode("bc") == "ab"'
    suite = assemble(researcher.read(prompt), "generated_code", "test_generated.py", "")
    head = "def encode(s):\n    return ''.join(chr(ord(c) + 1) for c in s)\n\n\ndef decode(s):\n"
    right = Program(head + "    return ''.join(chr(ord(c) - 1) for c in s)\n")
    short = Program(head + "    return ''.join(chr(ord(c) - 1) for c in s[:1])\n")
    lazy = Program(head + "    return 'ab'\n")
    reports = await executor.test([right, short, lazy], suite, timeout_seconds=30)
    failing = [[c.function for c in r.cases if c.outcome != "passed"] for r in reports]
    assert failing == [[], ["test_given_2", "test_property_1"], ["test_property_1"]]
