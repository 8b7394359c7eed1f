"""Events in words: the one place that says what a user reads about a run's progress."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from typing import assert_never

from ml_coach.core.events import (
    BaselineTaken,
    CallFinished,
    CallRetrying,
    CallStarted,
    CandidateChosen,
    Diagnosed,
    DownloadAdvanced,
    Event,
    FailureChosen,
    FilesSaved,
    ModelNoted,
    PatchApplied,
    PatchDiscarded,
    PatchesTried,
    PatchOffered,
    ProgramInspected,
    ProgramWritten,
    PromptNoted,
    QuestionAnswered,
    QuestionAsked,
    ReplyRefused,
    RunFinished,
    RunStarted,
    SpecWritten,
    StageStarted,
    SuiteFiltered,
    SuiteWritten,
    TestsAdvanced,
    TestsFinished,
    TextArrived,
)
from ml_coach.core.evidence import counted
from ml_coach.core.results import TestReport
from ml_coach.core.types import Dropped, RunReport, Stage, Suite

DOING: dict[Stage, str] = {
    "research": "reading the task",
    "code": "writing the program",
    "tests": "writing tests",
    "filter": "judging the tests",
    "pytest": "running the tests",
    "debug": "debugging",
    "patch": "trying a patch",
}


_EXAMPLE = "An example in the prompt becomes a test."
_AGAIN = "Run it again, or try another model."
_DEBUG = "“Debug this file” among the code actions, or `ml-coach debug`, tries to mend it."
# What a reason says that names by itself what helps.
_HELPS = (
    " may help",
    "Debug the file",
    "hange that test",
    " raises it",
    "start the run again",
    _EXAMPLE,
)


def sentence(event: Event) -> str:  # noqa: C901 - one arm for each event
    """One line for the user, empty for an event that only moves a progress display."""
    match event:
        case RunStarted():
            return f"Model {event.model}"
        case StageStarted() | CallStarted() | TextArrived() | CallFinished() | RunFinished():
            return ""
        case DownloadAdvanced() | TestsAdvanced() | PatchesTried():
            return ""
        case BaselineTaken():
            return _baseline(event)
        case FailureChosen():
            suspects = ", ".join(event.suspects[:3]) or "no function of the project was run"
            tests = ", ".join(event.tests[:2]) + (", …" if len(event.tests) > 2 else "")
            return f"{tests}: {event.message}. Suspected: {suspects}"
        case ModelNoted() | PromptNoted():
            return event.text
        case CallRetrying():
            wait = f"waiting {event.delay_seconds:.0f} s"
            return f"{event.reason} ({wait}, attempt {event.attempt} of {event.attempts})"
        case SpecWritten():
            names = ", ".join(event.spec.names) or "no name found"
            return f"{names}; {amount(len(event.spec.examples), 'given example')}"
        case ReplyRefused():
            return f"The {event.agent.replace('_', ' ')}'s reply cannot be used: {event.reason}"
        case ProgramWritten():
            lines = amount(event.program.source.count("\n"), "line")
            return _with_notes(f"{event.program.file}: {lines}", event.done)
        case CandidateChosen():
            return _choice(event)
        case ProgramInspected():
            if not event.findings:
                return "Runs without a finding"
            return "; ".join(f.message for f in event.findings)
        case SuiteWritten():
            tests = tests_by_provenance(event.suite, event.suite.tests)
            return _with_notes(f"{event.suite.file}: {tests}", event.done)
        case SuiteFiltered():
            text = f"{amount(len(event.kept), 'test')} kept, {len(event.dropped)} dropped"
            if event.mutation_score is not None:
                who = "it notices" if len(event.kept) == 1 else "they notice"
                text += f"; {who} {event.mutation_score:.0%} of planted mistakes"
            return text
        case TestsFinished():
            return tests_sentence(event.report)
        case Diagnosed():
            return event.diagnosis.summary
        case PatchOffered():
            return f"A patch that makes {event.passed} of {event.total} tests pass"
        case PatchApplied():
            return "Patch applied"
        case PatchDiscarded():
            return f"Patch discarded: {event.reason}"
        case QuestionAsked():
            return event.question.text
        case QuestionAnswered():
            return f"You said: {event.answer.shown}"
        case FilesSaved():
            return f"Saved {', '.join(event.files)}"
        case _:
            assert_never(event)


def _baseline(event: BaselineTaken) -> str:
    text = f"{event.passed} pass, {event.failing} fail"
    if event.causes > 1:
        text += f" for {event.causes} causes"
    if event.flaky:
        text += f"; flaky, so not counted: {', '.join(event.flaky)}"
    return text + (f"; set aside: {'; '.join(event.set_aside)}" if event.set_aside else "")


def tests_text(done: int, total: int) -> str:
    """How far a run of a project's tests is, see `core.project.TestProgress`."""
    if not total:
        return f"collecting the tests: {done} so far"
    return f"running the tests: {done} of {total}"


def patches_text(done: int) -> str:
    """How far the search for a small edit is."""
    return f"trying small changes: {done} so far"


def tests_sentence(report: TestReport) -> str:
    """`9 of 9 tests pass`, and why the run failed where that was not a failing test."""
    text = _passing(report)
    return text if report.verdict in ("passed", "failed") else f"{text}. {report.why}".strip()


def _passing(report: TestReport) -> str:
    total = len(report.cases)
    text = f"{len(report.passed)} of {amount(total, 'test')} pass{'es' if total == 1 else ''}"
    return text + (f", {report.skipped} skipped" if report.skipped else "")


def title(report: RunReport) -> str:
    """How a run ended, in one or two words."""
    return "a patch waits" if report.pending else report.outcome.replace("_", " ")


def ending(report: RunReport) -> str:
    """How a run ended: the tests that hold, why it did not get further, and what helps."""
    if report.outcome not in ("passed", "unsure"):
        return " ".join(filter(None, (_held(report), _sentence(report.reason), advice(report))))
    parts = [tests_sentence(report.tests)] if report.tests else []
    dropped = f"{amount(len(report.dropped), 'test')} dropped" if report.dropped else ""
    # Of the user's own tests there is nothing to say but that they pass.
    why = "" if report.evidence is None and parts else report.reason.rstrip(".")
    parts += [part for part in (why, dropped) if part]
    return " ".join(filter(None, ("; ".join(parts) + ".", advice(report))))


def advice(report: RunReport) -> str:
    """What the user can do next, where neither the reason nor an open question says it."""
    if report.pending or report.question:
        return ""
    if report.outcome == "unsure" and _EXAMPLE not in report.reason:
        return _EXAMPLE
    # A fault says by itself what mends it, and who stops a run knows what is next.
    if report.outcome == "gave_up" and not any(word in report.reason for word in _HELPS):
        return _AGAIN if report.usage.calls else _DEBUG
    return ""


def _held(report: RunReport) -> str:
    """How many tests passed, where some could run."""
    if report.tests is None or not report.tests.cases:
        return ""
    return f"{_passing(report.tests)}."


def _sentence(text: str) -> str:
    return f"{text.rstrip('.')}."


def dropped_text(dropped: Dropped) -> str:
    """A dropped test with what it checks, why it was dropped, and what the program did in it."""
    what = f"{dropped.test} ({dropped.source})" if dropped.source else dropped.test
    answer = dropped.answer.splitlines()[0] if dropped.answer else ""
    return f"{what}: {dropped.reason}" + (f"; the program: {answer}" if answer else "")


def tests_by_provenance(suite: Suite, tests: Iterable[str]) -> str:
    """How many of `tests` come from where: `2 given and 3 guessed tests`, `no test`."""
    return counted(Counter(suite.provenance_of(test) for test in tests))


def amount(number: int, noun: str) -> str:
    """`1 test`, `2 tests`."""
    return f"{number} {noun}{'' if number == 1 else 's'}"


def _with_notes(text: str, notes: tuple[str, ...]) -> str:
    return f"{text} ({'; '.join(notes)})" if notes else text


def _choice(event: CandidateChosen) -> str:
    if event.candidates == 1:
        return ""
    if event.agreeing == 1:
        return f"The best of {event.candidates} candidates, no two of which agree"
    return f"{event.agreeing} of {event.candidates} candidates agree"


def harmless(text: str) -> str:
    """`text` with each character escaped that could control a terminal or reverse its text."""
    return "".join(c if _is_harmless(c) else f"\\x{ord(c):02x}" for c in text)


def _is_harmless(character: str) -> bool:
    code = ord(character)
    if character in "\n\t":
        return True
    turns_text = 0x202A <= code <= 0x202E or 0x2066 <= code <= 0x2069
    is_half = 0xD800 <= code <= 0xDFFF  # half of a surrogate pair, which cannot be encoded alone
    return code >= 32 and not 0x7F <= code < 0xA0 and not turns_text and not is_half
