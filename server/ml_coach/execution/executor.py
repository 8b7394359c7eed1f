"""The Executor of core/ports.py: everything generated runs through here."""

from __future__ import annotations

import ast
import asyncio
import os
import re
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import replace
from functools import lru_cache, partial
from pathlib import Path
from typing import TYPE_CHECKING

from ml_coach.core.agents.concurrency import all_of
from ml_coach.core.finding import Finding
from ml_coach.core.project import Project, ProjectReport, TestProgress, Trial, TrialResult, is_tests
from ml_coach.core.python import syntax
from ml_coach.core.results import Evaluation, Execution, TestReport
from ml_coach.core.types import Program, Suite
from ml_coach.execution import (
    findings,
    inspector,
    plugins,
    project_run,
    static_checks,
    trial_runs,
    workspace_modules,
)
from ml_coach.execution.expected_tests import ExpectedTest, expected_tests, rebound
from ml_coach.execution.inside.messages import CANARY_SOURCE, PARTS_AT_MOST, JsonObject
from ml_coach.execution.inside.test_text import (
    all_names_bound,
    names_bound_once,
    plain_functions,
)
from ml_coach.execution.judge import Challenge, JudgedSuite, judge
from ml_coach.execution.plain_comparisons import test_text
from ml_coach.execution.requests import packed, request_for
from ml_coach.execution.sandbox.limits import ResourceLimits
from ml_coach.execution.worker_answers import WorkerAnswer
from ml_coach.execution.workers import Workers

if TYPE_CHECKING:
    from ml_coach.execution.wasm.runtime import Progress

# A program needs one of these modules to skip the test that it is about to fail.
CAN_SKIP_TESTS = re.compile(r"\b_?(?:pytest|unittest)\b")
# A test that uses one of these may look at its own text.
READS_ITSELF = re.compile(r"__file__|\b(?:inspect|linecache|getsource|traceback|tokenize|open)\b")
NO_FIXTURE = re.compile(r"(fixture '\w+') not found")


class SandboxedExecutor:
    """Runs code in a warm, contained worker that is started with the first run.

    `python`, the `activated` virtual environment and the `workspace`'s own decide which Python
    that is (workers.py). Modules that code imports from the workspace are copied in, and so is each
    conftest.py of the user's own tests. With `allow_weak` the user permits code to run with process
    limits only, where nothing better works. `only_level` tries one level and no other. Without
    `starts_theirs` the workspace's Python is not started. `shown` gives the texts of files of the
    workspace that an editor shows, by path: they count before the disk's.
    """

    def __init__(
        self,
        python: str | None = None,
        *,
        allow_weak: bool = False,
        limits: ResourceLimits | None = None,
        workspace: Path | None = None,
        only_level: str = "",
        starts_theirs: bool = True,
        activated: str = "",
        shown: Callable[[], Mapping[str, str]] = dict[str, str],
    ) -> None:
        self._shown = shown
        self._limits = limits or ResourceLimits()
        self._workspace = workspace
        self._workers = Workers(
            python,
            workspace,
            allow_weak=allow_weak,
            limits=self._limits,
            only_level=only_level,
            starts_theirs=starts_theirs,
            activated=activated,
            shown=shown,
        )
        self._processors = os.cpu_count() or 1

    @property
    def level(self) -> str:
        """See `ports.Executor`; `not started` before the first run."""
        return self._workers.level or "not started"

    async def prepare(self, progress: Progress | None = None) -> str:
        """Starts the worker ahead of the first run; returns the level in force. `progress` hears
        (bytes done, bytes in all) where the level has to be fetched first. Raises
        `SandboxUnavailable`, as every method does that runs code."""
        await self._workers.prepare(progress)
        return self.level

    async def inspect(
        self, program: Program, files: Mapping[str, str], *, timeout_seconds: float
    ) -> tuple[Finding, ...]:
        """See `ports.Executor`."""
        static = await asyncio.to_thread(inspector.look_at, program)
        if any(finding.kind == "syntax" for finding in static):
            return static
        all_files = {**files, program.file: program.source}
        ran = await self.run(program.file, all_files, timeout_seconds=timeout_seconds)
        return (*static, *ran.findings)

    async def run(
        self,
        file: str,
        files: Mapping[str, str | bytes],
        *,
        timeout_seconds: float,
        arguments: Sequence[str] = (),
        standard_input: bytes = b"",
    ) -> Execution:
        """Runs `file`, one of `files`, as a script. `files` maps relative paths to contents: the
        private copy that the run sees."""
        package = _package(file, _text(files.get(file, "")))
        request = request_for(
            "script", files, timeout_seconds, file=file, package=package,
            arguments=list(arguments), input=standard_input.decode("latin-1"),
        )  # fmt: skip
        (answer,) = await self._workers.run(request)
        return findings.execution(
            answer, file, self._limits, timeout_seconds,
            has_arguments=bool(arguments), has_input=bool(standard_input),
        )  # fmt: skip

    async def test(
        self, programs: Sequence[Program], suite: Suite, *, timeout_seconds: float
    ) -> tuple[TestReport, ...]:
        """See `ports.Executor`."""
        if not programs:
            return ()
        try:
            expected = expected_tests(suite.source)
        except (SyntaxError, ValueError, RecursionError, MemoryError) as error:
            finding = _broken_suite(suite, error)
            return (TestReport("error", (), (finding,), finding.message),) * len(programs)
        own = await self._conftests(suite, {program.file for program in programs})
        left_out = [name for name, text in own.items() if not static_checks.only_fixtures(text)]
        kept = {name: text for name, text in own.items() if name not in left_out}
        common = {**kept, suite.file: suite.source}
        await self._workers.prepare()
        jobs = [
            self._judge(common, batch, {suite.file: expected}, timeout_seconds, suite.may_skip)
            for batch in self._batches(programs)
        ]
        judged = [report for reports in await all_of(*jobs) for report in reports]
        return tuple(
            _blaming_conftest(left_out, report) if left_out else report for report in judged
        )

    async def evaluate(
        self, programs: Sequence[Program], expressions: Sequence[str], *, timeout_seconds: float
    ) -> tuple[tuple[Evaluation, ...], ...]:
        """See `ports.Executor`."""
        jobs = [self._values(program, expressions, timeout_seconds) for program in programs]
        return await all_of(*jobs)

    async def trace(self, program: Program, expression: str, *, timeout_seconds: float) -> str:
        """See `ports.Executor`."""
        files = {program.file: program.source}
        request = request_for(
            "trace", files, timeout_seconds, file=program.file, expression=expression
        )
        (answer,) = await self._workers.run(request)
        return findings.traced(answer)

    async def test_project(
        self,
        project: Project,
        changes: Sequence[Mapping[str, str]] = ({},),
        *,
        only: Collection[str] | None = None,
        followed: Collection[str] | None = None,
        each_line: bool = False,
        timeout_seconds: float,
        test_seconds: float,
        hash_seed: int = 0,
        progress: Callable[[TestProgress], None] | None = None,
    ) -> tuple[ProjectReport, ...]:
        """See `ports.Executor`."""
        run = project_run.ProjectRun(
            project, only, followed, timeout_seconds, test_seconds, self._limits, each_line,
            hash_seed,
        )  # fmt: skip
        return await run.reports(self._workers, changes, progress)

    async def try_changes(
        self,
        project: Project,
        trials: Sequence[Trial],
        *,
        timeout_seconds: float,
        test_seconds: Mapping[str, float] | None = None,
        progress: Callable[[int], None] | None = None,
    ) -> tuple[TrialResult, ...]:
        """See `ports.Executor`."""
        run = trial_runs.TrialRuns(project, timeout_seconds, self._limits, test_seconds or {})
        return await run.results(self._workers, trials, progress)

    async def aclose(self) -> None:
        """See `ports.Executor`."""
        await self._workers.aclose()

    async def test_files(
        self, files: Mapping[str, str | bytes], *, only: str = "", timeout_seconds: float
    ) -> TestReport:
        """Judges every test file among `files`, or the one named `only`, in one run."""
        named = [only] if only else [name for name in files if is_tests(name)]
        expected: dict[str, tuple[ExpectedTest, ...]] = {}
        for name in named:
            source = _text(files.get(name, ""))
            try:
                expected[name] = expected_tests(source)
            except (SyntaxError, ValueError, RecursionError, MemoryError) as error:
                finding = _broken_suite(Suite(source, name), error)
                return TestReport("error", (), (finding,), finding.message)
        (report,) = await self._judge(files, (Program("", ""),), expected, timeout_seconds)
        return report

    async def _conftests(self, suite: Suite, judged: Collection[str]) -> dict[str, str]:
        """The conftest.py files of the user's own tests: guessed tests were written without them.
        One that is itself `judged` is left out."""
        if self._workspace is None or not suite.is_kept_whole:
            return {}
        look = partial(workspace_modules.conftests, suite.file, self._workspace, self._shown())
        found = await asyncio.to_thread(look)
        return {name: text for name, text in found.items() if name not in judged}

    def _batches(self, programs: Sequence[Program]) -> list[Sequence[Program]]:
        """Programs that share a supervisor, so that every processor has work."""
        size = min(PARTS_AT_MOST, -(-len(programs) // self._processors))
        if self.level != "namespaces":
            size = 1
        return [programs[start : start + size] for start in range(0, len(programs), size)]

    async def _judge(
        self,
        files: Mapping[str, str | bytes],
        programs: Sequence[Program],
        expected: Mapping[str, Sequence[ExpectedTest]],
        timeout_seconds: float,
        may_skip: bool = False,
    ) -> list[TestReport]:
        """Judges each program, put beside `files`, with the same tests. A program without a name
        stands for what `files` holds already."""
        spec = _tests_spec(files, expected)
        challenges = [Challenge() for _ in programs]
        parts = [_part(*each, spec) for each in zip(programs, challenges, strict=True)]
        request = request_for("tests", files, timeout_seconds, parts=parts)
        shared_flags = static_checks.flags(_texts(files))
        texts = {name: test_text(_text(files[name])) for name in expected}
        reports: list[TestReport] = []
        answers: Sequence[WorkerAnswer] = await self._workers.run(request)
        for program, challenge, answer in zip(programs, challenges, answers, strict=True):
            flags = (*shared_flags, *static_checks.flags({program.file: program.source}))
            skips = may_skip and not CAN_SKIP_TESTS.search(program.source)
            suite = JudgedSuite(
                expected,
                texts,
                {*files, program.file},
                flags,
                program.file,
                self._limits,
                timeout_seconds,
                skips,
            )
            reports.append(judge(answer, challenge, suite))
        return reports

    async def _values(
        self, program: Program, expressions: Sequence[str], timeout_seconds: float
    ) -> tuple[Evaluation, ...]:
        request = request_for(
            "values",
            {program.file: program.source},
            timeout_seconds,
            file=program.file,
            expressions=list(expressions),
            each_seconds=max(0.2, min(1.0, timeout_seconds / 8)),
        )
        (answer,) = await self._workers.run(request)
        return findings.evaluations(answer, len(expressions))


def _tests_spec(
    files: Mapping[str, str | bytes], expected: Mapping[str, Sequence[ExpectedTest]]
) -> JsonObject:
    """What a run of these tests needs to know, the same for every program."""
    sources = {name: _text(text) for name, text in files.items() if name.endswith(".py")}
    conftests = [name for name in sources if name.rsplit("/", 1)[-1] == "conftest.py"]
    if not all(static_checks.only_fixtures(sources[name]) for name in conftests):
        conftests = []
    tests = [sources[name] for name in expected if name in sources]
    others = {} if any("patch" in text for text in tests) else sources
    return {
        "functions": {n: _functions(t) for n, t in others.items() if n not in expected},
        "reads_itself": any(READS_ITSELF.search(text) for text in tests),
        "targets": list(expected),
        "plugins": plugins.wanted(tests),
        "compare_with": plugins.compare_with(tests),
        "names": {name: _names(sources[name]) for name in expected if name in sources},
        "rebinds": sorted({name for text in tests for name in rebound(text)}),
        "conftests": conftests,
    }


@lru_cache(maxsize=16)  # A suite judges many programs, and is read once.
def _names(source: str) -> JsonObject:
    """The names that a test file binds: in the sandbox no other code may bind them anew."""
    patches_itself = source.replace('__name__ == "__main__"', "").count("__name__")
    if patches_itself:
        return {"once": {}, "bound": None}
    with syntax.PARSING:
        return {"once": names_bound_once(source), "bound": all_names_bound(source)}


def _functions(source: str) -> dict[str, int]:
    """As `plain_functions`, which the sandbox uses too, and so knows nothing of our threads."""
    with syntax.PARSING:
        return plain_functions(source)


def _part(program: Program, challenge: Challenge, spec: JsonObject) -> JsonObject:
    """The part of a request that is one program's own."""
    own = {program.file: program.source} if program.file else {}
    functions = {name: _functions(source) for name, source in own.items()}
    tests = {
        **spec,
        "functions": {**spec["functions"], **functions} if spec["functions"] else {},
        "targets": [*spec["targets"], challenge.canary_file],
        "key": challenge.key.hex(),
        "canary": challenge.canary,
    }
    return {"files": packed({**own, challenge.canary_file: CANARY_SOURCE}), "tests": tests}


def _text(content: str | bytes) -> str:
    return content if isinstance(content, str) else content.decode("utf-8", "replace")


def _texts(files: Mapping[str, str | bytes]) -> dict[str, str]:
    return {name: _text(content) if name.endswith(".py") else "" for name, content in files.items()}


def _blaming_conftest(left_out: Sequence[str], report: TestReport) -> TestReport:
    """`report`, or an error where a test lacked a fixture because these conftest.py files were left
    out: such a failure says nothing of the program."""
    details = (finding.detail for finding in report.findings)
    missing = next(filter(None, map(NO_FIXTURE.search, details)), None)
    if missing is None:
        return report
    why = (
        f"The {missing[1]} is not there: {left_out[0]} does more than define fixtures, "
        "and ML Coach runs tests without such a file."
    )
    return replace(report, verdict="error", cases=(), findings=(), why=why)


def _package(file: str, source: str) -> str:
    """The package as whose module a file runs, as `python -m` does; empty for a plain script."""
    tree = syntax.parse(source)
    nodes = syntax.walk(tree) if tree else ()
    relative = any(isinstance(node, ast.ImportFrom) and node.level for node in nodes)
    return file.rpartition("/")[0].replace("/", ".") if relative else ""


def _broken_suite(suite: Suite, error: BaseException) -> Finding:
    line = error.lineno or 0 if isinstance(error, SyntaxError) else 0
    return Finding("collection", f"the tests do not compile: {error}", suite.file, line)
