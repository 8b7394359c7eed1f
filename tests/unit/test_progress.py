"""A run's progress in an editor: what each agent writes, and how much of a download is there."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from ml_coach.core.events import (
    CallFinished,
    CallStarted,
    DownloadAdvanced,
    StageStarted,
    TextArrived,
)
from ml_coach.core.usage import Usage
from ml_coach.lsp.runs.progress import Progress


@dataclass
class Window:
    """The editor's side: it keeps what it is told."""

    reports_progress: bool = True
    draws_runs: bool = False
    told: list[Any] = field(default_factory=list)
    messages: list[str] = field(default_factory=list)

    async def request(self, method: str, params: Any, seconds: float, failed: Any = None) -> Any:
        return None

    def notify(self, method: str, params: Any) -> None:
        self.told.append(params.value)

    def show_message(self, text: str) -> None:
        self.messages.append(text)


async def begun(window: Window) -> Progress:
    progress = Progress(window, "generating p.py")
    progress.begin()
    await progress._creating
    return progress


async def test_each_agent_at_work_is_told_of_with_the_line_that_it_writes():
    window = Window()
    progress = await begun(window)
    progress(StageStarted("tests", 1, 3))
    progress(CallStarted(1, "coder", "m"))
    progress(CallStarted(2, "test_writer", "m"))
    progress(TextArrived(1, "import re\ndef slugify"))
    progress(TextArrived(2, "def test_a():\n"))
    progress._reported = 0
    progress(TextArrived(1, "(text):\x1b[2J"))
    coder, tester = window.told[-1].message.split("; ")
    assert coder.startswith("writing the program, line 2, ")
    assert coder.endswith("def slugify(text):\\x1b[2J")
    assert tester.startswith("writing tests, line 2, ")
    assert tester.endswith("def test_a():")
    progress(CallFinished(2, "test_writer", Usage(completion_tokens=9, seconds=1.0), "stop"))
    assert "writing tests" not in window.told[-1].message


async def test_who_has_begun_is_told_of_before_a_word_arrives():
    window = Window()
    progress = await begun(window)
    progress(StageStarted("code", 1, 3))
    progress(StageStarted("tests", 1, 3))
    progress(CallStarted(1, "coder", "m"))
    assert window.told[-1].message == "writing the program"
    progress(CallStarted(2, "test_writer", "m"))
    assert window.told[-1].message == "writing the program; writing tests"


async def test_a_client_that_shows_the_text_elsewhere_is_told_the_line_only():
    window = Window(draws_runs=True)
    progress = await begun(window)
    progress(CallStarted(1, "coder", "m"))
    progress._reported = 0
    progress(TextArrived(1, "import re\ndef slugify"))
    assert window.told[-1].message == "writing the program, line 2"


async def test_programs_that_are_written_at_once_are_told_of_as_one():
    window = Window()
    progress = await begun(window)
    for call in (1, 2, 3):
        progress(CallStarted(call, "coder", "m"))
    assert window.told[-1].message == "writing 3 programs"
    progress._reported = 0
    progress(TextArrived(1, "def a():"))
    assert window.told[-1].message.startswith("writing 3 programs, line 1, ")
    assert "; " not in window.told[-1].message


async def test_a_download_has_a_percentage_and_can_be_cancelled():
    window = Window()
    progress = await begun(window)
    progress(DownloadAdvanced("local:m", 275_000_000, 1_100_000_000, "the hub"))
    report = window.told[-1]
    assert report.message == "downloading the model local:m: 275 of 1100 MB"
    assert (report.percentage, report.cancellable) == (25, True)
    progress._reported = 0
    progress(DownloadAdvanced("local:m", 275_000_000, 0, "the hub"))
    assert window.told[-1].percentage is None
    progress(StageStarted("research", 1, 3))
    assert window.told[-1].percentage is None


async def test_an_editor_without_progress_gets_a_message_at_the_start():
    window = Window(reports_progress=False)
    Progress(window, "generating p.py").begin()
    assert window.messages == [
        'generating p.py. To stop it, choose "Stop ML Coach run" among the code actions.'
    ]
