"""What the tools answer, as types: clients get a schema of each."""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel, Field

from ml_coach.core import results
from ml_coach.core.auditing.report import AuditReport, TestVerdict
from ml_coach.core.events import RunStarted
from ml_coach.core.finding import Finding
from ml_coach.core.results import Case, CaseOutcome, Verdict
from ml_coach.core.types import Outcome, RunReport
from ml_coach.core.wording import dropped_text, ending, harmless
from ml_coach.run_log import RunSummary

REPORT_URI = "ml-coach://runs/{run_id}/report"


class TestOutcome(BaseModel):
    """How one test came out."""

    __test__ = False  # pytest collects classes named Test*

    name: str = Field(description="As pytest names it: `test_x`, `TestA::test_b[1-2]`.")
    outcome: CaseOutcome
    message: str = Field("", description="Why it did not pass.")


class Fault(BaseModel):
    """One thing that is wrong, at a place."""

    kind: str
    message: str
    file: str = ""
    line: int = Field(0, description="From 1; 0 where it is not known.")
    detail: str = Field("", description="The traceback, or pytest's explanation.")


class Verification(BaseModel):
    """What a contained run of tests showed."""

    verdict: Verdict = Field(
        description="`passed` only where every test ran and passed; `tampered`: the code tried to "
        "fake its verdict; `error`: the tests could not be run."
    )
    why: str = Field("", description="Why it is not `passed`.")
    level: str = Field(description="How the run was contained, such as `namespaces`.")
    passed: int = Field(description="How many tests passed.")
    total: int = Field(description="How many tests there are.")
    tests: list[TestOutcome]
    faults: list[Fault] = Field(default_factory=list[Fault])
    doubts: list[str] = Field(
        default_factory=list[str],
        description="What in the run could have changed its own outcome. Read it before you rely "
        "on the verdict.",
    )
    limit: str = Field("", description="The limit of time or memory that stopped the run.")
    ran_on: str = Field("", description="Which Python ran it, where that is not the folder's.")
    replaced: list[str] = Field(
        default_factory=list[str],
        description="The folder's files in whose place the run had the given texts.",
    )


class FilteredTest(BaseModel):
    """What one test is worth."""

    test: str = Field(description="As pytest names it.")
    verdict: TestVerdict = Field(
        description="`notices`: it fails on a planted mistake; `cannot_fail`: it runs code with "
        "mistakes in it and notices none; `elsewhere`: it runs none of the code under test; "
        "`not_judging`: it fails, is skipped or flaky, see `why`."
    )
    why: str = ""
    notices: int = Field(description="How many of the planted mistakes it notices.")
    doubts: list[str] = Field(description="Places in it that cannot fail whatever the code does.")


class SurvivingMistake(BaseModel):
    """A mistake, planted in the code under test, that every test passes."""

    file: str
    line: int
    function: str
    what: str = Field(description="The mistake in a sentence.")
    diff: str
    new_test: str = Field(
        description="A pytest function that passes on the program and fails on this mistake, both "
        "seen in the sandbox: it expects what the program does today. Empty where none was found."
    )


class FilteredTests(BaseModel):
    """Which tests say something of the code, and which mistakes none of them notices."""

    score: float | None = Field(
        description="The share of planted mistakes that a test notices, 0 to 1; null without any."
    )
    mistakes: int = Field(description="How many mistakes were tried.")
    unreached: int = Field(description="How many of them lie in code that no test runs.")
    tests: list[FilteredTest]
    repeated: list[list[str]] = Field(
        description="Groups of tests that notice the same mistakes and run the same code."
    )
    survived: list[SurvivingMistake]
    modules: list[str] = Field(description="The code under test.")
    level: str = Field(description="How the runs were contained.")
    seconds: float


class OpenQuestion(BaseModel):
    """What only the user can say. Ask them, then call `answer`."""

    text: str
    call: str
    choices: list[str] = Field(description="The programs' answers, the most frequent first.")


class RunResult(BaseModel):
    """How a run ended, and what it left."""

    run_id: str
    task: str
    outcome: Outcome = Field(
        description="`passed`; `unsure`: not enough speaks for the program, see `reason` and "
        "`question`; `gave_up`: not all tests pass, or a patch waits; `stopped`; `failed`: the "
        "model, the sandbox or the disk."
    )
    reason: str
    folder: str = Field(description="What the files are relative to.")
    program_file: str = ""
    tests_file: str = ""
    files: dict[str, str] = Field(description="The texts that were written, by file.")
    tests: list[TestOutcome]
    dropped: list[str] = Field(description="Guessed tests that may not judge, each with a reason.")
    faults: list[Fault]
    confidence: float | None = Field(
        description="The share of recorded runs with such evidence that were right, 0 to 1; null "
        "where that was not measured for the model."
    )
    mutation_score: float | None = Field(
        description="The share of planted mistakes that the tests notice, 0 to 1."
    )
    untested: list[str] = Field(description="Pieces of the prompt that no test is about.")
    question: OpenQuestion | None = None
    patch: str = Field("", description="A diff that waits: it is in no file yet.")
    level: str = Field(description="How generated code was contained.")
    model: str
    calls: int = Field(description="Calls of the model.")
    tokens: int
    seconds: float
    report: str = Field(description="The resource with this result.")
    next: str = Field("", description="What can be done now.")


class RunRow(BaseModel):
    """One run of the log."""

    run_id: str
    task: str
    prompt: str
    outcome: Outcome | Literal[""] = Field(description="Empty for a run that has not ended.")
    reason: str
    folder: str
    patch: Literal["", "waits", "applied"]
    asks: str = Field("", description="The question that the run left open.")
    report: str


class RunRows(BaseModel):
    """The latest runs in the client's roots, newest first."""

    runs: list[RunRow]


def verification(found: results.Verification) -> Verification:
    """A report of the sandbox, as a tool answers it."""
    report = found.report
    return Verification(
        verdict=report.verdict, why=report.why, level=found.level, passed=len(report.passed),
        total=len(report.cases), tests=_outcomes(report.cases), faults=_faults(report.findings),
        doubts=list(found.doubts), limit=report.limit, ran_on=report.ran_on,
        replaced=list(found.replaced),
    )  # fmt: skip


def filtered_tests(report: AuditReport) -> FilteredTests:
    """An audit, as a tool answers it."""
    new = report.new_test_texts()
    return FilteredTests(
        score=report.score, mistakes=len(report.mistakes),
        unreached=sum(m.status == "unreached" for m in report.mistakes),
        tests=[
            FilteredTest(
                test=each.test, verdict=each.verdict, why=each.why, notices=len(each.notices),
                doubts=[f"line {doubt.line}: {doubt.what}" for doubt in each.doubts],
            )
            for each in report.tests
        ],
        repeated=[list(group) for group in report.alike],
        survived=[
            SurvivingMistake(
                file=m.file, line=m.line, function=m.function, what=m.what, diff=m.diff,
                new_test=new.get(m, ""),
            )
            for m in report.survived
        ],
        modules=list(report.modules), level=report.level, seconds=round(report.seconds, 1),
    )  # fmt: skip


def filtered_text(found: FilteredTests) -> str:
    """The score, the tests that are worth nothing, and the mistakes that nobody notices."""
    noticed = "no mistake was tried" if found.score is None else f"{found.score:.0%} noticed"
    lines = [f"{found.mistakes} planted mistakes in {', '.join(found.modules)}: {noticed}."]
    for each in found.tests:
        if each.verdict != "notices":
            lines.append(f"{each.verdict} {each.test}: {each.why}".rstrip(": "))
        lines += [f"{each.test}, {doubt}" for doubt in each.doubts]
    lines += [f"repeat each other: {', '.join(group)}" for group in found.repeated]
    for each in found.survived:
        lines.append(f"survives in {each.file}, line {each.line}: {each.what}\n{each.diff}")
        lines += [f"This test notices it:\n{each.new_test}"] if each.new_test else []
    return harmless("\n".join(lines))


def run_result(begun: RunStarted, report: RunReport, *, patch_waits: bool) -> RunResult:
    """A run's report, as a tool answers it. `patch_waits` says that its patch was not applied."""
    request, question, evidence = begun.request, report.question, report.evidence
    patch = report.pending.text if report.pending and patch_waits else ""
    asked = question and OpenQuestion(
        text=question.text, call=question.call, choices=[c.shown for c in question.choices]
    )
    return RunResult(
        run_id=begun.run_id, task=request.task, outcome=report.outcome, reason=report.reason,
        folder=begun.folder, files=dict(report.files),
        program_file="" if request.task == "fix" else request.program_file,
        tests_file="" if request.task == "fix" else request.tests_file,
        tests=_outcomes(report.tests.cases) if report.tests else [],
        dropped=[dropped_text(each) for each in report.dropped],
        faults=_faults(report.findings), confidence=report.confidence,
        mutation_score=evidence.mutation_score if evidence else None,
        untested=list(evidence.untested) if evidence else [],
        question=asked, patch=patch, level=report.sandbox, model=report.model,
        calls=report.usage.calls, tokens=report.usage.tokens, seconds=round(report.seconds, 1),
        report=REPORT_URI.format(run_id=begun.run_id), next=_next(begun.run_id, patch, asked),
    )  # fmt: skip


def run_text(result: RunResult, report: RunReport) -> str:
    """The result in a few lines."""
    named = f"{result.outcome.replace('_', ' ')} ({result.level}, run {result.run_id})"
    lines = [f"{named}: {ending(report)}"]
    if result.question:
        choices = "; ".join(result.question.choices)
        lines.append(f"Question for the user: {result.question.text} Answers: {choices}")
    if result.patch:
        lines.append(f"This patch waits:\n{result.patch}")
    if result.files:
        lines.append(f"Written in {result.folder}: {', '.join(result.files)}")
    return harmless("\n".join(filter(None, (*lines, result.next))))


def verification_text(found: Verification) -> str:
    """The verdict in a line, each test that did not pass, and what raises doubts."""
    head = f"{found.verdict} ({found.level}): {found.passed} of {found.total} tests pass"
    lines = [f"{head}. {found.why}".rstrip(". ") + "."]
    lines += [
        f"{test.outcome} {test.name}: {test.message}".rstrip(": ")
        for test in found.tests
        if test.outcome != "passed"
    ]
    lines += [f"doubt: {doubt}" for doubt in found.doubts]
    if found.replaced:
        lines.append(f"With the given texts in the place of: {', '.join(found.replaced)}")
    return harmless("\n".join(lines))


def run_row(run: RunSummary, folder: str) -> RunRow:
    """A line of the run log."""
    asked = run.request
    return RunRow(
        run_id=run.run_id, task=asked.task, prompt=asked.follow_up or asked.prompt,
        outcome=run.outcome, reason=run.reason, folder=folder, patch=run.patch,  # type: ignore[arg-type]
        asks=run.question.text if run.question else "",
        report=REPORT_URI.format(run_id=run.run_id),
    )  # fmt: skip


def _next(run_id: str, patch: str, question: OpenQuestion | None) -> str:
    if question:
        return f"Ask the user, then call `answer` with run_id {run_id}: the run goes on."
    if patch:
        return f"The user applies the patch with: ml-coach apply {run_id}"
    return ""


def _outcomes(cases: tuple[Case, ...]) -> list[TestOutcome]:
    return [TestOutcome(name=c.name, outcome=c.outcome, message=c.message) for c in cases]


def _faults(findings: tuple[Finding, ...]) -> list[Fault]:
    return [
        Fault(kind=f.kind, message=f.message, file=f.file, line=f.line, detail=f.detail)
        for f in findings
    ]
