"""The level `wasm`, forced here on Linux: the whole battery, its limits, and a whole run."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import secrets
import subprocess
import sys
import time
from collections.abc import AsyncGenerator
from functools import cache
from pathlib import Path

import psutil
import pytest
import pytest_asyncio

from ml_coach.app import App
from ml_coach.core.events import TestsFinished
from ml_coach.core.types import Program, Suite
from ml_coach.disk import FolderWorkspace, RunWorkspace
from ml_coach.execution.executor import SandboxedExecutor
from ml_coach.execution.levels import SandboxUnavailable
from ml_coach.execution.wasm import runtime
from ml_coach.run_order import RunOrder, request_from
from ml_coach.settings import Settings
from scripted_model import PROMPT, RIGHT, scripted_model

from . import attacks, forgeries, kinds, ordinary, reaches

HERE = Path(__file__).parent
# What there is no way to do in WebAssembly, and where that shows: the compatibility list.
CANNOT = {
    "processes": "subprocess_of_python terminate_child asyncio pool_by_fork process_by_spawn "
    "manager process_executor shared_memory",
    "threads": "threads thread_failure_is_printed",
    "sockets": "loopback unix_sockets",
    "users, terminals, timers and hard links": "terminal locale_and_zone who_am_i alarm "
    "copies_and_links",
    "packages that are not pure Python": "numpy pandas matplotlib",
}
CANNOT_PROGRAMS = frozenset(name for names in CANNOT.values() for name in names.split())
CANNOT_SUITES = frozenset(
    {
        *("threads_and_children", "decorated_to_run_in_a_thread"),
        *("daemon_thread", "multiproc", "maps_in_a_pool"),
    }
)
# What these take for an escape happens in memory of the isolate's own: its files, where a program may
# write anywhere and as many as its memory holds, the devices that its records go to, a socket that no network is behind, and a
# made-up answer of the resolver, which asks nobody.
INSIDE = frozenset(
    {
        *("read_shadow_passwords", "write_root_folder", "internet"),
        *("read_inherited_descriptors", "other_protocols", "inodes_of_shared_memory"),
    }
)
CASES = [
    *(f"attack/{attack.name}" for attack in attacks.ATTACKS),
    *(f"forgery/{name}" for name in forgeries.all_forgeries()),
    *(f"kind/{name}" for name in kinds.FORGERIES),
    *(f"reach/{name}" for name in reaches.FORGERIES),
    *(f"honest/{name}" for name in (*kinds.HONEST, *reaches.HONEST)),
    *(f"program/{name}" for name in ordinary.PROGRAMS),
    *(f"suite/{name}" for name in ordinary.all_suites()),
]


@cache
def results() -> dict[str, str]:
    """One run of the whole battery; what went wrong, by case."""
    command = [sys.executable, str(HERE / "battery.py"), "--secret", secrets.token_hex(12)]
    ran = subprocess.run(
        [*command, "--level", "wasm"], capture_output=True, text=True, env=dict(os.environ)
    )
    assert ran.returncode == 0, ran.stderr[-2000:]
    return json.loads(ran.stdout)


@pytest_asyncio.fixture
async def executor() -> AsyncGenerator[SandboxedExecutor]:
    forced = SandboxedExecutor(only_level="wasm")
    await forced.prepare()
    yield forced
    await forced.aclose()


def denos() -> list[psutil.Process]:
    return [each for each in psutil.Process().children() if "deno" in each.name()]


@pytest.mark.timeout(900)
@pytest.mark.parametrize("case", CASES)
def test_case_ends_as_it_should(case: str) -> None:
    kind, _, name = case.partition("/")
    wrong = results()[case]
    if kind == "attack":
        assert not wrong or name in INSIDE or ended_in_another_way(wrong), wrong
    elif name in CANNOT_PROGRAMS | CANNOT_SUITES:
        assert wrong
    else:
        assert wrong == ""


def ended_in_another_way(wrong: str) -> bool:
    """Whether an attack only ended at another limit than where there is a kernel, or at none: it
    wants processes, threads or memory that a program does not get there. How long a run takes is
    looked at below, with no others beside it."""
    return wrong.startswith(("the limit was", "it took"))


@pytest.mark.timeout(900)
def test_no_attack_connected_to_the_host() -> None:
    assert "attack/connected" not in results()


async def test_the_report_names_the_level_and_its_python(executor: SandboxedExecutor) -> None:
    ran = await executor.run("a.py", {"a.py": "print(6 * 7)"}, timeout_seconds=20)
    assert (ran.stdout, executor.level) == ("42\n", "wasm")
    assert "Pyodide" in ran.ran_on


async def test_a_package_that_is_not_there_is_a_finding(executor: SandboxedExecutor) -> None:
    ran = await executor.run("a.py", {"a.py": "import numpy"}, timeout_seconds=20)
    (finding,) = ran.findings
    assert finding.kind == "missing_package"
    assert "has no package numpy at this level" in finding.message


@pytest.mark.parametrize(
    ("begins", "tests", "lacks"),
    [
        ("", "import numpy\n", "package numpy"),
        ("import threading\nthreading.Thread(target=print).start()\n", "", "threads"),
        ("", "import multiprocessing\nmultiprocessing.Process(target=print).start()\n", ""),
    ],
)
async def test_what_the_level_has_not_is_no_accusation(
    executor: SandboxedExecutor, begins: str, tests: str, lacks: str
) -> None:
    program = Program(f"{begins}def f():\n    return 1\n")
    suite = Suite(f"from {program.module} import f\n{tests}\ndef test_f():\n    assert f() == 1\n")
    (report,) = await executor.test([program], suite, timeout_seconds=20)
    assert report.verdict == "error"
    assert f"has no {lacks}" in report.why
    assert "at this level" in report.why
    assert report.findings[0].kind == "missing_package"


async def test_a_test_that_the_level_has_nothing_for_says_so(executor: SandboxedExecutor) -> None:
    program = Program("import threading\ndef f():\n    threading.Thread(target=print).start()\n")
    suite = Suite(f"from {program.module} import f\n\ndef test_f():\n    f()\n")
    (report,) = await executor.test([program], suite, timeout_seconds=20)
    assert (report.verdict, report.findings[0].kind) == ("failed", "missing_package")
    assert report.why.endswith("Python as WebAssembly has no threads at this level (wasm)")


async def test_what_cannot_be_collected_is_told(executor: SandboxedExecutor) -> None:
    program = Program("def f():\n    return 1\n")
    suite = Suite("raise ValueError('no')\n\ndef test_f():\n    pass\n")
    (report,) = await executor.test([program], suite, timeout_seconds=20)
    assert (report.verdict, report.findings[0].kind) == ("error", "collection")
    assert "ValueError: no" in report.why


async def test_a_loop_ends_at_its_time_and_says_where_it_was(executor: SandboxedExecutor) -> None:
    program = "print('began', flush=True)\nn = 0\nwhile True:\n    n += 1\n"
    ran = await executor.run("a.py", {"a.py": program}, timeout_seconds=10)
    assert 10 <= ran.seconds < 11
    assert ran.stdout == "began\n"
    assert ran.limit == "time"
    assert ran.findings[0].line in (3, 4)


async def test_a_cancelled_run_ends_within_a_second_and_leaves_nothing() -> None:
    executor = SandboxedExecutor(only_level="wasm")
    await executor.prepare()
    endless = executor.run("a.py", {"a.py": "while True: pass"}, timeout_seconds=60)
    running = asyncio.create_task(endless)
    await asyncio.wait([running], timeout=1)
    before = time.monotonic()
    running.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await running
    await executor.aclose()
    assert time.monotonic() - before < 1
    assert denos() == []


@pytest.mark.parametrize(
    ("program", "limit"),
    [
        ("kept = []\nwhile True: kept.append(bytearray(1 << 20))", "memory"),
        ("file = open('x', 'wb')\nwhile True: file.write(bytes(1 << 20))", "disk"),
        ("while True: print('x' * 1000)", "output"),
    ],
)
async def test_a_limit_ends_the_run_and_is_named(
    executor: SandboxedExecutor, program: str, limit: str
) -> None:
    ran = await executor.run("a.py", {"a.py": program}, timeout_seconds=30)
    assert ran.limit == limit
    assert ran.findings[0].message.startswith("stopped:")
    again = await executor.run("a.py", {"a.py": "print('next')"}, timeout_seconds=30)
    assert again.stdout == "next\n"


async def test_what_was_printed_before_the_process_was_ended_is_kept(
    executor: SandboxedExecutor,
) -> None:
    fills = "print('began', flush=True)\nimport time\ntime.sleep(0.3)\n"
    fills += "big = []\nwhile True: open(f'/tmp/{len(big)}', 'wb').write(bytes(1 << 22)); big.append(bytearray(1 << 24))\n"
    ran = await executor.run("a.py", {"a.py": fills}, timeout_seconds=30)
    assert ran.stdout == "began\n", ran


async def test_nothing_of_a_program_is_seen_by_the_next(executor: SandboxedExecutor) -> None:
    leaves = "import builtins, os\nbuiltins.kept = 1\nopen('/tmp/kept', 'w')\nopen('/kept', 'w')\n"
    looks = "import builtins, os\nprint(hasattr(builtins, 'kept'), os.listdir('/'))\n"
    for _ in range(3):
        await executor.run("a.py", {"a.py": leaves}, timeout_seconds=20)
        ran = await executor.run("b.py", {"b.py": looks}, timeout_seconds=20)
        assert ran.stdout.startswith("False")
        assert "kept" not in ran.stdout


async def test_javascript_makes_no_code_for_a_program(executor: SandboxedExecutor) -> None:
    program = "import ctypes\nctypes.CDLL(None).emscripten_run_script(b'globalThis.postMessage({ended: 0})')\n"
    ran = await executor.run("a.py", {"a.py": program}, timeout_seconds=20)
    assert not ran.clean


async def test_an_expression_that_hangs_costs_its_own_time_only(
    executor: SandboxedExecutor,
) -> None:
    program = Program("def f(n):\n    while n: pass\n    return 5\n")
    (values,) = await executor.evaluate([program], ["f(0)", "f(1)", "f(0) + 1"], timeout_seconds=20)
    assert [value.value for value in values] == ["5", "", "6"]
    assert values[1].error.startswith("Timeout: no value within")


async def test_a_whole_run_at_this_level(tmp_path: Path) -> None:
    app = App(tmp_path / "state", only_level="wasm")
    reports: list[TestsFinished] = []
    try:
        async with scripted_model() as model:
            settings = Settings(model=model.model, auto_patch=True, run_timeout_seconds=20)
            order = RunOrder(tmp_path, request_from(settings, PROMPT), settings)
            folder = FolderWorkspace(tmp_path, app.written_files)
            workspace = RunWorkspace(folder, folder.texts(order.replaced_files), tmp_path / "kept")

            def hear(event: object) -> None:
                if isinstance(event, TestsFinished):
                    reports.append(event)

            report = await app.run(order, workspace, None, hear)  # type: ignore[arg-type]
    finally:
        await app.aclose()
    assert report.outcome == "passed"
    assert (tmp_path / "generated_code.py").read_text() == RIGHT
    assert "Pyodide" in reports[-1].report.ran_on


async def test_without_deno_nothing_runs_and_it_is_said_what_to_install(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(sys, "executable", "/nowhere/python")
    monkeypatch.setenv("PATH", "/nowhere")
    executor = SandboxedExecutor(only_level="wasm")
    with pytest.raises(
        SandboxUnavailable, match=r"use WSL2 or a dev container, or install ml-coach\[wasm\]"
    ):
        await executor.prepare()


async def test_a_file_with_another_sum_is_refused(tmp_path: Path) -> None:
    (tmp_path / "arrived").mkdir()
    for name in runtime.FILES:
        (tmp_path / "arrived" / name).write_bytes(b"something else")
    with pytest.raises(runtime.RuntimeMissing, match="published SHA-256 sum"):
        runtime.keep(tmp_path / "arrived", tmp_path / "kept")
    assert not runtime.is_fetched(tmp_path)
