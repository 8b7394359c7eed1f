"""`ml-coach audit-tests` beside mutmut: time for each mutant, and whether both say the same of it.

    DATA=../shared/data/realbugs
    uv venv mutmut-venv && uv pip install -p mutmut-venv mutmut pytest
    uv venv cosmic-venv && uv pip install -p cosmic-venv cosmic-ray pytest
    uv run python tests/benchmarks/audit.py --data $DATA --mutmut mutmut-venv/bin/python \\
        --cosmic-ray cosmic-venv/bin/python

The trees are those of real bugs, with their fixes. Both run the same tests on the same module, on
as many processors. A mutant is *the same* where the function that it is in has the same syntax tree
after the change. mutmut ends a mutant's run at the first test that fails; we run all that reach it,
since we say for each test what it notices. Times include everything but the start of our sandbox,
which an editor has paid before: a start of its own is measured and taken off. cosmic-ray starts
pytest anew for each mutant; of it only the time and the share that is noticed are compared, as its
mutants are others. No test is written for what survives.

With `--times` only our own audits are timed, of modules of about 150 lines with 11 and 17 tests, as
the terminal makes them: with tests for what survives, and without.
"""

from __future__ import annotations

import argparse
import ast
import asyncio
import json
import os
import resource
import shlex
import shutil
import subprocess
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from realbugs import Bug, environment, read_bugs

from ml_coach.core.auditing.audit import MOST_MISTAKES, audit
from ml_coach.core.auditing.report import AuditReport
from ml_coach.core.project import LineChange
from ml_coach.execution.executor import SandboxedExecutor
from ml_coach.execution.sandbox.limits import PROJECT_LIMITS
from ml_coach.project_files import open_project

# (bug, module): small suites, and modules that mutmut can mutate: it leaves out decorated
# functions, which is all that some of the other projects have.
CASES = (
    ("boltons-c1c25da3", "boltons/mathutils.py"),
    ("tinydb-dcf0a013", "tinydb/utils.py"),
    ("toolz-060cc4bf", "toolz/itertoolz/core.py"),
    ("python-unidiff-b77744f6", "unidiff/patch.py"),
    ("cachetools-43596b23", "src/cachetools/__init__.py"),
)
# (bug, module, tests)
TIMED = (
    ("jmespath.py-f23b1965", "jmespath/lexer.py", "tests/test_lexer.py"),
    ("tinydb-dcf0a013", "tinydb/utils.py", "tests/test_utils.py"),
)
SECONDS = 1800.0
# By mutmut's exit codes. Its limit is time of the clock, so that on a busy machine a timeout of its
# may be none: such mutants are counted, and not compared.
NOTICED = {1: True, 3: True, 0: False, -11: True, -9: True, 33: False, 5: False}
TIMEOUTS = frozenset({36, 24, -24, 152, 255})
Key = tuple[str, str]  # the function's qualified name, and its syntax tree


@dataclass
class Measured:
    """How one tool did: whether each mutant was noticed, and what it took."""

    verdicts: dict[Key, bool]
    count: int
    seconds: float
    processor: float
    timeouts: int = 0

    @property
    def each(self) -> float:
        """Seconds for a mutant."""
        return self.seconds / self.count if self.count else 0.0


def fixed_tree(bug: Bug, folder: Path) -> Path:
    """The tree with the fix."""
    root = bug.unpacked(folder)
    for file, text in bug.fix.items():
        (root / file).write_text(text, encoding="utf-8")
    return root


async def ours(
    bug: Bug, root: Path, module: str, python: str, *, writes_tests: bool = False,
    most: int = 10_000,
) -> tuple[Measured, AuditReport]:  # fmt: skip
    """One audit, with the sandbox started."""
    project = replace(open_project(root).project, targets=bug.tests)
    executor = SandboxedExecutor(python, limits=PROJECT_LIMITS)
    before = _processor()
    await executor.prepare()
    await executor.aclose()
    start, spent = _processor() - before, _processor()
    executor = SandboxedExecutor(python, limits=PROJECT_LIMITS)
    try:
        await executor.prepare()
        started = time.monotonic()
        report = await audit(
            project, executor, modules=[module], most=most, timeout_seconds=SECONDS,
            writes_tests=writes_tests,
        )  # fmt: skip
        seconds = time.monotonic() - started
    finally:
        await executor.aclose()
    if report.problem:
        raise SystemExit(f"{bug.id}: {report.problem}")
    source, verdicts = project.text(module), dict[Key, bool]()
    for mistake in report.mistakes:
        last = mistake.first + mistake.before.count("\n") - 1
        change = LineChange(module, mistake.first, last, mistake.after)
        if key := _key(ast.parse(change.applied(source)), mistake.function):
            verdicts[key] = mistake.status == "noticed"
    processor = _processor() - spent - start
    return Measured(verdicts, len(report.mistakes), seconds, processor), report


def mutmuts(bug: Bug, root: Path, module: str, python: str, failing: Sequence[str]) -> Measured:
    """One run of mutmut in the tree, without the tests that fail: it refuses a suite with one."""
    top = "src" if module.startswith("src/") else module.partition("/")[0]
    also = [each.name for each in root.iterdir() if each.name != top]
    settings = {
        "source_paths": [top], "only_mutate": [module], "also_copy": also,
        "pytest_add_cli_args_test_selection": list(bug.tests),
        "pytest_add_cli_args": [f"--deselect={test}" for test in failing],
        "use_git_change_detection": ["false"],
    }  # fmt: skip
    # An empty list is read as one empty argument, which is the whole folder for pytest.
    given = {name: values for name, values in settings.items() if values}
    lines = [f"{name}=\n" + "".join(f"    {v}\n" for v in vs) for name, vs in given.items()]
    with (root / "setup.cfg").open("a", encoding="utf-8") as config:
        config.write("\n[mutmut]\n" + "".join(lines))
    for name in ("pytest.ini", "tox.ini"):
        (root / name).unlink(missing_ok=True)
    toml = root / "pyproject.toml"
    if toml.exists():  # Its options may name plugins that are not installed.
        text = toml.read_text("utf-8")
        toml.write_text(text.replace("[tool.pytest.ini_options]", "[tool.not-pytest]"))
    spent, started = _processor(), time.monotonic()
    ran = subprocess.run(
        [python, "-m", "mutmut", "run"], cwd=root, capture_output=True, text=True, check=False,
        timeout=SECONDS,
    )  # fmt: skip
    seconds, processor = time.monotonic() - started, _processor() - spent
    meta = root / "mutants" / f"{module}.meta"
    if not meta.exists():
        raise SystemExit(f"mutmut: {(ran.stdout + ran.stderr)[-1500:]}")
    codes = json.loads(meta.read_text("utf-8"))["exit_code_by_key"]
    if not any(code is not None for code in codes.values()):
        raise SystemExit(f"mutmut: {(ran.stdout + ran.stderr)[-1500:]}")
    mutated = ast.parse((root / "mutants" / module).read_text("utf-8"))
    functions = {
        each.name: each
        for each in ast.walk(mutated)
        if isinstance(each, ast.FunctionDef | ast.AsyncFunctionDef)
    }
    verdicts: dict[Key, bool] = {}
    for name, code in codes.items():
        mangled = name.rpartition(".")[2]
        function = functions.get(mangled)
        if function is not None and code in NOTICED:
            verdicts[_original(mangled), _tree(function)] = NOTICED[code]
    count = sum(code is not None for code in codes.values())
    timeouts = sum(code in TIMEOUTS for code in codes.values())
    return Measured(verdicts, count, seconds, processor, timeouts)


def cosmic_rays(
    bug: Bug, root: Path, module: str, python: str, failing: Sequence[str]
) -> tuple[Measured, int]:
    """One run of cosmic-ray in the tree, and how many of its mutants are noticed."""
    deselected = [f"--deselect={test}" for test in failing]
    tests = [python, "-m", "pytest", "-x", "-q", "-o", "addopts=", *bug.tests, *deselected]
    lines = [
        "[cosmic-ray]", f"module-path = {json.dumps(module)}", "timeout = 30.0",
        f"test-command = {json.dumps(shlex.join(tests))}", "excluded-modules = []",
        "[cosmic-ray.distributor]", 'name = "local"',
    ]  # fmt: skip
    (root / "cosmic.toml").write_text("\n".join(lines) + "\n", encoding="utf-8")
    command = str(Path(python).with_name("cosmic-ray"))
    environment = {**os.environ, "PYTHONPATH": f"{root / 'src'}:{root}"}
    spent, started = _processor(), time.monotonic()
    for step in ("init", "exec"):
        subprocess.run(
            [command, step, "cosmic.toml", "session.sqlite"], cwd=root, env=environment, check=True,
            timeout=SECONDS, capture_output=True,
        )  # fmt: skip
    seconds, processor = time.monotonic() - started, _processor() - spent
    dumped = subprocess.run(
        [command, "dump", "session.sqlite"], cwd=root, check=True, capture_output=True, text=True
    )
    results = [json.loads(line)[1] for line in dumped.stdout.splitlines()]
    killed = sum(bool(each) and each["test_outcome"] == "killed" for each in results)
    return Measured({}, len(results), seconds, processor), killed


async def show_times(bugs: dict[str, Bug], python: str) -> None:
    """A line for each audit of `TIMED`."""
    for name, module, tests in TIMED:
        bug = replace(bugs[name], tests=(tests,))
        with tempfile.TemporaryDirectory() as scratch:
            root = fixed_tree(bug, Path(scratch))
            uses = str(environment(bug.requires, python))
            for writes in (False, True):
                own, report = await ours(
                    bug, root, module, uses, writes_tests=writes, most=MOST_MISTAKES
                )
                count = sum(len(test.notices) for test in report.new_tests)
                new = f"{len(report.new_tests)} new tests for {count} mistakes" if writes else ""
                print(
                    f"{name} {module}: {len(report.tests)} tests, {own.count} mutants in "
                    f"{own.seconds:.1f} s ({own.processor:.1f} s of a processor) {new}",
                    flush=True,
                )


def _processor() -> float:
    used = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return sum(each.ru_utime + each.ru_stime for each in used)


def _original(mangled: str) -> str:
    """`xǁBitsǁas_hex__mutmut_3` is `Bits.as_hex`, `x_clamp__mutmut_1` is `clamp`."""
    name = mangled.rpartition("__mutmut_")[0]
    return ".".join(name.split("ǁ")[1:]) if "ǁ" in name else name.removeprefix("x_")


def _key(tree: ast.Module, function: str) -> Key | None:
    """The outermost function of a qualified name, as mutmut mutates it."""
    body: list[ast.stmt] = tree.body
    path: list[str] = []
    for name in function.split(".") if function else ():
        node = next((n for n in body if getattr(n, "name", "") == name), None)
        if node is None:
            return None
        path.append(name)
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            return ".".join(path), _tree(node)
        body = getattr(node, "body", [])
    return None


def _tree(function: ast.FunctionDef | ast.AsyncFunctionDef) -> str:
    arguments = function.args
    defaults = [ast.dump(d) for d in (*arguments.defaults, *arguments.kw_defaults) if d]
    return " ".join([*defaults, *map(ast.dump, function.body)])


async def main() -> None:
    """Prints a line for each module, and the mutants of which the two tools say different."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, required=True, help="the folder realbugs")
    parser.add_argument(
        "--mutmut", default="", type=_whole, help="a Python that has mutmut and pytest"
    )
    parser.add_argument("--times", action="store_true", help="time our own audits instead")
    parser.add_argument("--cosmic-ray", default="", help="a Python that has cosmic-ray and pytest")
    parser.add_argument("--python", default="", help="what the virtual environments are made of")
    parser.add_argument("--only", default="", help="bugs whose id has this text")
    options = parser.parse_args()
    mutmut = options.mutmut
    bugs = {bug.id: bug for bug in read_bugs(options.data)}
    if options.times:
        await show_times(bugs, options.python or mutmut)
        return
    if not mutmut:
        parser.error("--mutmut is missing")
    for name, module in CASES:
        if options.only in name:
            with tempfile.TemporaryDirectory() as scratch:
                root = fixed_tree(bugs[name], Path(scratch))
                python = str(environment(bugs[name].requires, options.python or mutmut))
                own, report = await ours(bugs[name], root, module, python)
                copy = shutil.copytree(root, Path(scratch) / "copy" / name)
                failing = [t.test for t in report.tests if t.verdict == "not_judging"]
                theirs = mutmuts(bugs[name], copy, module, mutmut, failing)
                show(name, module, own, theirs, report)
                if options.cosmic_ray:
                    again = fixed_tree(bugs[name], Path(scratch) / "again")
                    cosmic = _whole(options.cosmic_ray)
                    rays, killed = cosmic_rays(bugs[name], again, module, cosmic, failing)
                    noticed = sum(own.verdicts.values()) / max(1, len(own.verdicts))
                    print(
                        f"    cosmic-ray {rays.count} mutants in {rays.seconds:.1f} s "
                        f"({rays.processor:.1f}), {killed / rays.count:.0%} noticed (ours "
                        f"{noticed:.0%}); ratio {own.each / rays.each:.2f}, of processor time "
                        f"{own.processor / own.count / (rays.processor / rays.count):.2f}",
                        flush=True,
                    )


def show(name: str, module: str, own: Measured, theirs: Measured, report: AuditReport) -> None:
    """One module's line, and the differences."""
    both = own.verdicts.keys() & theirs.verdicts.keys()
    differ = [key for key in both if own.verdicts[key] != theirs.verdicts[key]]
    tests = len(report.tests)
    print(
        f"{name} {module}: {tests} tests; ours {own.count} mutants in {own.seconds:.1f} s "
        f"({own.processor:.1f} s of a processor), {1000 * own.each:.0f} ms each; mutmut "
        f"{theirs.count} in {theirs.seconds:.1f} s ({theirs.processor:.1f}), {theirs.timeouts} "
        f"timeouts, "
        f"{1000 * theirs.each:.0f} ms each; ratio {own.each / theirs.each:.2f}, of processor time "
        f"{own.processor / own.count / (theirs.processor / theirs.count):.2f}; same mutants "
        f"{len(both)}, same verdict {len(both) - len(differ)}",
        flush=True,
    )
    for function, tree in differ:
        said = "noticed" if own.verdicts[function, tree] else "not noticed"
        print(f"    ours says {said}: {function}")
        print(f"      … {tree[-300:]}")


def _whole(path: str) -> str:
    return str(Path(path).absolute()) if path else ""


if __name__ == "__main__":
    asyncio.run(main())
