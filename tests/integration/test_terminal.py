"""`ml-coach` as users run it: a real process, and a scripted model behind a real socket."""

from __future__ import annotations

import asyncio
import io
import json
import os
import pty
import re
import shlex
import signal
import sys
from collections.abc import AsyncGenerator
from dataclasses import dataclass
from pathlib import Path

import psutil
import pytest
import pytest_asyncio

from ml_coach.cli.report_view import show_report
from ml_coach.cli.terminal_view import EscapingConsole
from ml_coach.core.events import RunFinished, RunStarted
from ml_coach.core.request import Request
from ml_coach.core.types import RunReport
from ml_coach.core.usage import Usage
from ml_coach.run_log import RunLog, from_json
from scripted_model import (
    DIVIDED_PROMPT,
    DIVISION,
    FILES_PROMPT,
    JOINS,
    PROMPT,
    RIGHT,
    TESTS,
    WRONG,
    ScriptedModel,
    scripted_model,
)

KEY = "sk-a-key-that-nobody-may-see"


@dataclass
class CommandResult:
    code: int
    out: str
    err: str


@dataclass
class Terminal:
    """A folder to work in, a home of its own, and the command."""

    folder: Path
    home: Path
    model: ScriptedModel

    def environment(self, **more: str) -> dict[str, str]:
        keep = {name: os.environ[name] for name in ("PATH", "LANG") if name in os.environ}
        state = {"HOME": str(self.home), "XDG_STATE_HOME": str(self.home / "state")}
        return keep | state | {"ML_COACH_MODEL": self.model.model, "COLUMNS": "200"} | more

    async def start(self, *arguments: str, **more: str) -> asyncio.subprocess.Process:
        return await asyncio.create_subprocess_exec(
            sys.executable, "-m", "ml_coach", *arguments,
            cwd=self.folder, env=self.environment(**more), stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE,
        )  # fmt: skip

    async def run(self, *arguments: str, **more: str) -> CommandResult:
        process = await self.start(*arguments, **more)
        out, err = await process.communicate()
        return CommandResult(process.returncode or 0, out.decode(), err.decode())

    def text(self, name: str) -> str:
        return (self.folder / name).read_text(encoding="utf-8")

    def run_folders(self) -> list[Path]:
        return sorted((self.home / "state" / "ml-coach" / "runs").iterdir())


@pytest_asyncio.fixture
async def terminal(tmp_path: Path) -> AsyncGenerator[Terminal]:
    async with scripted_model() as model:
        for name in ("work", "home"):
            (tmp_path / name).mkdir()
        yield Terminal(tmp_path / "work", tmp_path / "home", model)


async def test_a_prompt_becomes_a_tested_program(terminal: Terminal) -> None:
    ended = await terminal.run("generate", PROMPT, "--auto-patch")
    assert ended.code == 0, ended.err
    assert terminal.text("generated_code.py") == RIGHT
    assert "def test_small" in terminal.text("test_generated.py")
    for words in ("passed", "2 of 2 passed", "calls", "tokens", "sandbox", "generated_code.py"):
        assert words in ended.out
    listed = await terminal.run("runs")
    assert "passed" in listed.out
    assert PROMPT in listed.out
    shown = await terminal.run("show", terminal.run_folders()[-1].name)
    assert shown.code == 0
    assert "1 of 2 tests pass" in shown.out
    assert "2 of 2 passed" in shown.out


async def test_a_program_goes_into_the_file_that_the_prompt_names(terminal: Terminal) -> None:
    terminal.model.replies["test_writer"] = TESTS.replace("generated_code", "tools.sums")
    for folder in ("", "out"):
        more = ("--auto-patch", *(("-o", folder) if folder else ()))
        ended = await terminal.run("generate", f"{PROMPT} Put it into tools/sums.py.", *more)
        assert ended.code == 0, ended.err
        assert "def add" in terminal.text(f"{folder or '.'}/tools/sums.py")
        assert "from tools.sums import" in terminal.text(f"{folder or '.'}/tools/test_sums.py")


@pytest.mark.parametrize("folder", ["", "out"])
async def test_a_prompt_for_several_files_is_divided_into_a_run_for_each(
    terminal: Terminal, folder: str
) -> None:
    more = ("-o", folder) if folder else ()
    ended = await terminal.run("generate", FILES_PROMPT, "--max-calls", "20", *more)
    assert ended.code == 0, ended.out + ended.err
    said = " ".join(ended.out.split())
    assert "This run writes shapes.py; report.py follows. Dividing the prompt took 1 call" in said
    assert "prompt This run writes report.py" in said
    assert "return side**2" in terminal.text(f"{folder or '.'}/shapes.py")
    assert "from shapes import area" in terminal.text(f"{folder or '.'}/report.py")
    assert "assert area(3) == 9" in terminal.text(f"{folder or '.'}/test_shapes.py")
    assert "assert line(2) == 'area 4'" in terminal.text(f"{folder or '.'}/test_report.py")
    assert terminal.model.asked.count("divider") == 1
    logged = [(run / "events.jsonl").read_text() for run in terminal.run_folders()]
    assert ['"calls": 19' in events for events in logged] == [True, False]
    # Both are one limit: what a part used is not there for the next.
    (limits,) = re.findall(r'"limits": \{"calls": (\d+)', logged[1])
    assert 10 < int(limits) < 19


async def test_nothing_is_built_on_a_file_that_fails_or_beyond_the_limits(
    terminal: Terminal,
) -> None:
    terminal.model.spoil = True
    ended = await terminal.run("generate", FILES_PROMPT)
    assert ended.code == 1, ended.out
    assert "report.py may build on shapes.py, and its tests fail" in " ".join(ended.err.split())
    assert (terminal.folder / "shapes.py").exists()
    assert not (terminal.folder / "report.py").exists()
    terminal.model.spoil = False
    ended = await terminal.run("generate", FILES_PROMPT, "-o", "a", "--max-calls", "4")
    assert ended.code == 2, ended.out
    assert "The limit of calls or tokens is used up" in " ".join(ended.err.split())
    assert (terminal.folder / "a" / "shapes.py").exists()
    ended = await terminal.run("generate", FILES_PROMPT, "-o", "b", "--max-calls", "1")
    assert "The prompt names" in ended.out or "limit of" in ended.out, ended.out
    assert "bug in ML Coach" not in ended.err
    assert terminal.model.asked.count("divider") == 3


@pytest.mark.parametrize(
    ("model", "division", "why"),
    [
        ("scripted", "report.py: 1, 2", "no piece belongs to shapes.py"),
        ("scripted-1.5b", DIVISION, ""),
    ],
)
async def test_without_a_division_one_file_is_written(
    terminal: Terminal, model: str, division: str, why: str
) -> None:
    terminal.model.model = terminal.model.model.replace("scripted", model)
    terminal.model.replies["divider"] = division
    ended = await terminal.run("generate", f"{PROMPT} {FILES_PROMPT}")
    said = " ".join(ended.out.split())
    assert "The prompt names report.py and shapes.py, and a run writes one program" in said
    assert (f"The model's division was refused: {why}" in said) is bool(why), said
    assert why in said
    assert terminal.model.asked.count("divider") == (2 if why else 0)
    assert not (terminal.folder / "shapes.py").exists()
    assert (terminal.folder / "generated_code.py").exists()


async def test_the_report_says_which_tests_were_dropped_and_why(terminal: Terminal) -> None:
    idle = "".join(f"\n\ndef test_idle_{n}():\n    assert callable(add)\n" for n in range(7))
    terminal.model.replies["test_writer"] = f"```python\n{TESTS}{idle}```\n"
    ended = await terminal.run("generate", PROMPT, "--auto-patch")
    assert ended.code == 0, ended.err
    assert "2 of 2 passed (2 guessed tests, 7 dropped)" in ended.out
    told = [line for line in ended.out.splitlines() if "it notices no planted mistake" in line]
    assert len(told) == 5
    assert "test_idle_0" in told[0]
    assert "and 2 more" in ended.out


async def test_without_a_terminal_the_patch_waits_and_can_be_applied(terminal: Terminal) -> None:
    ended = await terminal.run("generate", PROMPT)
    assert ended.code == 1
    assert terminal.text("generated_code.py") == WRONG
    run = terminal.run_folders()[-1]
    assert (run / "patch.diff").is_file()
    assert "a patch waits" in ended.out
    assert f"ml-coach apply {run.name}" in ended.out
    assert "patch waits" in (await terminal.run("runs")).out
    applied = await terminal.run("apply", run.name)
    assert applied.code == 0, applied.err
    assert terminal.text("generated_code.py") == RIGHT
    # From now on it waits nowhere, not even for a second time.
    assert "patch applied" in (await terminal.run("runs")).out
    shown = (await terminal.run("show")).out
    ending = shown.split("The patch that the run left was applied since.")[1]
    assert "waits" not in ending
    assert "ml-coach apply" not in ending
    assert f"ml-coach open {run.name}" in ending
    again = await terminal.run("apply")
    assert (again.code, "was applied already" in again.err) == (2, True)
    await terminal.run("undo")
    assert " undone " in (await terminal.run("runs")).out


async def test_apply_finds_the_folder_that_the_run_wrote_into(terminal: Terminal) -> None:
    ended = await terminal.run("generate", PROMPT, "-o", "sub dir", COLUMNS="40")
    assert f"ml-coach apply {terminal.run_folders()[-1].name} " in ended.out
    elsewhere = await terminal.run("apply", "last", "-o", ".")
    assert elsewhere.code == 4
    assert f"There is no generated_code.py in {terminal.folder}" in elsewhere.err
    assert "-o" in elsewhere.err
    applied = await terminal.run("apply")
    assert applied.code == 0, applied.err
    assert terminal.text("sub dir/generated_code.py") == RIGHT


async def test_a_waiting_patch_is_refused_on_a_changed_file(terminal: Terminal) -> None:
    await terminal.run("generate", PROMPT)
    mine = "def add(a, b):\n    return sum((a, b))\n"
    (terminal.folder / "generated_code.py").write_text(mine, encoding="utf-8")
    applied = await terminal.run("apply", terminal.run_folders()[-1].name)
    assert applied.code == 4
    assert "Nothing was changed" in applied.err
    assert terminal.text("generated_code.py") == mine


@pytest.mark.parametrize("value", ["many", "0", "-1"])
async def test_a_bad_variable_is_reported_and_its_default_used(
    terminal: Terminal, value: str
) -> None:
    ended = await terminal.run("generate", PROMPT, "--auto-patch", MAX_ITERS=value)
    assert ended.code == 0
    (line,) = [line for line in ended.err.splitlines() if "MAX_ITERS" in line]
    assert f"MAX_ITERS={value}" in line
    assert "using 3" in line


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["generate", PROMPT, "--max-iters", "0"], "--max-iters=0 is not a whole number from 1."),
        (["generate", " "], "The prompt is empty"),
        (["generate", PROMPT, "--program-file", "../x.py"], "--program-file=../x.py"),
        (["generate", PROMPT, "--program-file", "a.py", "--tests-file", "a.py"], "be two files"),
        (["generate", PROMPT, "--program-file", "./test_generated.py"], "be two files"),
        (["generate", PROMPT, "--program-file", "my-mod.py"], "--program-file=my-mod.py"),
        (["show", "nothing"], "no run 'nothing'"),
        (["generate", PROMPT, "-m", "nonsense"], "nonsense"),
        (["generate", b"add \xff".decode(errors="surrogateescape")], "must be UTF-8 text"),
        (["serve", "--tcp", "99999999"], "cannot listen on port 99999999"),
    ],
)
async def test_a_mistake_is_reported_in_one_line(
    terminal: Terminal, arguments: list[str], says: str
) -> None:
    ended = await terminal.run(*arguments)
    assert ended.code in (1, 2, 4)
    assert says in ended.err
    assert "Traceback" not in ended.err
    assert len(ended.err.strip().splitlines()) == 1


async def test_a_file_of_the_user_is_not_overwritten_without_force(terminal: Terminal) -> None:
    (terminal.folder / "generated_code.py").write_text("mine = 1\n", encoding="utf-8")
    ended = await terminal.run("generate", PROMPT)
    assert ended.code == 2
    assert "generated_code.py" in ended.err
    assert "--force" in ended.err
    assert terminal.text("generated_code.py") == "mine = 1\n"
    assert terminal.model.asked == []
    assert (await terminal.run("generate", PROMPT, "--force", "--auto-patch")).code == 0
    # A file that ML Coach wrote and that was not changed since needs no --force.
    assert (await terminal.run("generate", PROMPT, "--auto-patch")).code == 0


@pytest.mark.parametrize(
    ("held", "file", "text"),
    [
        ("coder", "generated_code.py", "mine = 1\n"),
        ("coder", "test_generated.py", "mine = 1\n"),
        ("debugger", "generated_code.py", f"{WRONG}\n\ndef my_helper():\n    return 1\n"),
    ],
)
async def test_what_the_user_writes_during_a_run_stays(
    terminal: Terminal, held: str, file: str, text: str
) -> None:
    terminal.model.held = {held}
    process = await terminal.start("generate", PROMPT, "--auto-patch", COLUMNS="400")
    await terminal.model.was_asked(held)
    (terminal.folder / file).write_text(text, encoding="utf-8")
    terminal.model.release.set()
    out = (await process.communicate())[0].decode()
    assert process.returncode == 4
    assert f"{file} was changed while the run worked" in out
    assert terminal.text(file) == text
    kept = terminal.run_folders()[-1] / "kept"
    assert f"kept in {kept}" in " ".join(out.split())
    assert (kept / "generated_code.py").read_text() == (WRONG if held == "coder" else RIGHT)


async def test_a_file_that_the_run_does_not_change_keeps_the_users_edits(
    terminal: Terminal,
) -> None:
    terminal.model.held = {"debugger"}
    process = await terminal.start("generate", PROMPT, "--auto-patch")
    await terminal.model.was_asked("debugger")
    mine = terminal.text("test_generated.py") + "\n\ndef test_mine():\n    pass\n"
    (terminal.folder / "test_generated.py").write_text(mine, encoding="utf-8")
    terminal.model.release.set()
    await process.communicate()
    assert process.returncode == 0
    assert terminal.text("generated_code.py") == RIGHT
    assert terminal.text("test_generated.py") == mine


async def test_two_runs_in_one_folder_do_not_overwrite_each_other(terminal: Terminal) -> None:
    terminal.model.held = {"coder"}
    slow = await terminal.start("generate", PROMPT, "--auto-patch")
    await terminal.model.was_asked("coder")
    terminal.model.held = set()
    second = await terminal.run("generate", PROMPT, "--auto-patch")
    assert (second.code, len(terminal.run_folders())) == (2, 1)
    assert f"(process {slow.pid}) is working on generated_code.py" in second.err
    terminal.model.release.set()
    await slow.communicate()
    assert slow.returncode == 0
    assert terminal.text("generated_code.py") == RIGHT


async def test_old_runs_are_removed_where_that_is_asked_for(terminal: Terminal) -> None:
    log = RunLog(terminal.home / "state" / "ml-coach")
    for run_id in ("20200101-101500-aaaa", "20200102-101500-bbbb"):
        with log.record(run_id) as record:
            record(RunStarted(run_id, Request("p"), "m"))
    for path in (log.folder("20200101-101500-aaaa"), *log.folder("20200101-101500-aaaa").iterdir()):
        os.utime(path, (0, 0))
    listed = await terminal.run("runs")
    assert "20200101-101500-aaaa" in listed.out
    pruned = await terminal.run("runs", "--prune")
    assert "Removed 1 run, " in pruned.out
    assert log.ids() == ["20200102-101500-bbbb"]


async def test_events_as_json_lines(terminal: Terminal) -> None:
    ended = await terminal.run("generate", PROMPT, "--auto-patch", "--json")
    events = [from_json(json.loads(line)) for line in ended.out.splitlines()]
    assert isinstance(events[-1], RunFinished)
    assert events[-1].report.outcome == "passed"


async def test_a_recorded_run_replays_without_its_model(terminal: Terminal) -> None:
    first = await terminal.run("generate", PROMPT, "--auto-patch", "--record", "calls.jsonl")
    assert first.code == 0
    asked = len(terminal.model.asked)
    again = await terminal.run("generate", PROMPT, "--auto-patch", "-m", "recorded:calls.jsonl")
    assert again.code == 0, again.err
    assert len(terminal.model.asked) == asked
    assert terminal.text("generated_code.py") == RIGHT


async def test_ctrl_c_leaves_no_process_and_names_the_best_program(terminal: Terminal) -> None:
    terminal.model.held = {"debugger"}
    process = await terminal.start("generate", PROMPT)
    await terminal.model.was_asked("debugger")
    children = psutil.Process(process.pid).children(recursive=True)
    process.send_signal(signal.SIGINT)
    out, err = await asyncio.wait_for(process.communicate(), 5)
    assert process.returncode == 130, err.decode()
    assert "stopped" in out.decode()
    assert "The best program so far is in generated_code.py" in out.decode()
    assert terminal.text("generated_code.py") == WRONG
    assert not [child for child in children if child.is_running()]


@pytest.mark.parametrize("command", ["runs", "exec", "serve"])
async def test_ctrl_c_during_the_imports_shows_no_traceback(
    terminal: Terminal, tmp_path: Path, command: str
) -> None:
    # Replaces a module that every command imports by one that simulates Ctrl-C.
    # A shell starts what is in the background with the signal ignored; at a terminal it is not.
    pressed = "import os, signal\nsignal.signal(signal.SIGINT, signal.default_int_handler)\n"
    pressed += "os.kill(os.getpid(), signal.SIGINT)\n"
    (tmp_path / "asyncio.py").write_text(pressed, encoding="utf-8")
    ended = await terminal.run(command, PYTHONPATH=str(tmp_path))
    assert (ended.code, ended.out, ended.err) == (130, "", "")


async def test_a_verdict_that_cannot_be_written_is_reported(terminal: Terminal) -> None:
    (terminal.folder / "a.py").write_text("print('done')\n", encoding="utf-8")
    ended = await terminal.run("exec", "a.py", "--json", "nowhere/verdict.json")
    assert ended.code == 2
    assert ended.out == "done\n"
    assert "nowhere/verdict.json cannot be used: there is no such file or folder." in ended.err
    assert "Traceback" not in ended.err


async def test_an_unknown_level_is_named_and_the_known_ones_too(terminal: Terminal) -> None:
    (terminal.folder / "a.py").write_text("print('done')\n", encoding="utf-8")
    ended = await terminal.run("exec", "a.py", "--level", "bogus")
    assert ended.code == 2
    assert ended.out == ""
    last = ended.err.splitlines()[-1]
    assert all(name in last for name in ("bogus", "namespaces", "landlock"))


async def test_a_run_is_one_line_on_a_narrow_terminal(terminal: Terminal) -> None:
    await terminal.run("generate", PROMPT)
    listed = await terminal.run("runs", COLUMNS="40")
    (line,) = listed.out.splitlines()
    assert PROMPT in line


@pytest.mark.parametrize("locale", ["C.UTF-8", "C"])
async def test_a_prompt_on_standard_input_must_be_utf8(terminal: Terminal, locale: str) -> None:
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "ml_coach", "generate", "-",
        cwd=terminal.folder, env=terminal.environment(LC_ALL=locale),
        stdin=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE,
    )  # fmt: skip
    _, err = await process.communicate(b"Write gr\xfc\xdfe().")
    assert process.returncode == 2
    assert err == b"ml-coach: The prompt must be UTF-8 text.\n"


async def test_no_artefact_of_a_run_holds_a_key(terminal: Terminal) -> None:
    keys = {"GOOGLE_API_KEY": KEY, "OPENAI_API_KEY": KEY}
    ended = await terminal.run(
        "generate", PROMPT, "--auto-patch", "-v", "--record", "calls.jsonl", **keys
    )
    assert ended.code == 0
    assert KEY not in ended.out + ended.err
    for folder in (terminal.folder, terminal.home):
        for file in folder.rglob("*"):
            if file.is_file():
                assert KEY.encode() not in file.read_bytes(), file


async def test_no_text_of_others_controls_the_terminal(terminal: Terminal) -> None:
    """Tested for a prompt, a reply, and what a program raises."""
    raising = 'def add(a, b):\n    raise ValueError("\\x1b[2J\\x1b[HAll tests pass")\n'
    terminal.model.replies["coder"] = f"Here:\x1b[3J\ud800\n```python\n{raising}```\n"
    ended = await terminal.run("generate", f"{PROMPT}\x1b[4J", "-v")
    assert ended.code == 1
    listed = await terminal.run("runs")
    shown = await terminal.run("show", terminal.run_folders()[-1].name)
    (terminal.folder / "raising.py").write_text(f"{raising}\nadd(1, 2)\n", encoding="utf-8")
    ran = await terminal.run("exec", "raising.py")
    for printed, code in (
        (ended.out, "[3J"), (ended.out, "[2J"), (listed.out, "[4J"), (shown.out, "[2J"),
        (ran.err, "[2J"),
    ):  # fmt: skip
        assert f"\\x1b{code}" in printed
        assert "\x1b" not in printed


def test_an_escaped_reason_is_shown_whole() -> None:
    reason = "x " * 10 + "\x1b[2J" * 3 + " y" * 10
    report = RunReport("failed", reason, None, None, None, 1, Usage(), 1.0, "model", "sandbox")
    out = io.StringIO()
    show_report(EscapingConsole(file=out, width=40), report, folder=Path(), run_id="run")
    assert out.getvalue().count(" y") == 10


PATCH_ASKED = b"Arrow keys or a number, then Enter; q ends."


async def generate_at_a_terminal(
    terminal: Terminal, **variables: str
) -> tuple[asyncio.subprocess.Process, int]:
    """The process, and the test's end of its terminal."""
    return await start_at_a_terminal(terminal, "generate", PROMPT, **variables)


async def start_at_a_terminal(
    terminal: Terminal, *arguments: str, **variables: str
) -> tuple[asyncio.subprocess.Process, int]:
    ours, theirs = pty.openpty()
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "ml_coach", *arguments,
        cwd=terminal.folder, env=terminal.environment(TERM="xterm", **variables),
        stdin=theirs, stdout=theirs, stderr=theirs,
    )  # fmt: skip
    os.close(theirs)
    return process, ours


async def read_until(terminal: int, text: bytes) -> bytes:
    """What the terminal shows up to `text`, or all of it where `text` never appears."""
    shown = b""
    while text not in shown:
        try:
            piece = await asyncio.to_thread(os.read, terminal, 4096)
        except OSError:  # Linux raises this where other systems return nothing.
            break
        if not piece:
            break
        shown += piece
    return shown


async def test_at_a_terminal_the_user_is_asked(terminal: Terminal) -> None:
    process, ours = await generate_at_a_terminal(terminal)
    shown = await read_until(ours, PATCH_ASKED)
    assert b"Apply this patch?" in shown, shown
    assert b"return a + b" in shown
    os.write(ours, b"y\n")
    await read_until(ours, b"the end")
    os.close(ours)
    assert await process.wait() == 0
    assert terminal.text("generated_code.py") == RIGHT


async def test_the_folders_python_is_asked_about_once(terminal: Terminal) -> None:
    venv = ["-m", "venv", "--without-pip", str(terminal.folder / ".venv")]
    made = await asyncio.create_subprocess_exec(sys.executable, *venv)
    assert await made.wait() == 0
    ended = await terminal.run("generate", PROMPT, "--auto-patch")
    # A long path breaks the line anywhere, in a frame.
    assert "is not used until you allow it" in " ".join(ended.out.replace("│", "").split())
    for asked in (True, False):
        process, ours = await generate_at_a_terminal(terminal)
        shown = await read_until(ours, PATCH_ASKED)
        assert (b"is the Python of this folder" in b" ".join(shown.split())) is asked, shown
        if asked:
            os.write(ours, b"y\n")
            await read_until(ours, PATCH_ASKED)
        os.write(ours, b"y\n")
        shown = await read_until(ours, b"the end")
        os.close(ours)
        assert await process.wait() == 0
        assert b"/work/.venv/bin/python" in shown, shown
        assert b"is not used" not in shown


NO_TEXT = "import pathlib, sys; pathlib.Path(sys.argv[1]).write_bytes(bytes([255]))"


@pytest.mark.parametrize(
    ("editor", "says"),
    [
        ("no-such-editor -w", b"The editor no-such-editor -w does not start"),
        ("vi '", b"The editor vi ' does not start"),
        (shlex.join([sys.executable, "-c", NO_TEXT]), b"is not UTF-8 text"),
    ],
)
async def test_the_user_is_asked_again_when_the_editor_fails(
    terminal: Terminal, editor: str, says: bytes
) -> None:
    process, ours = await generate_at_a_terminal(terminal, EDITOR=editor)
    await read_until(ours, PATCH_ASKED)
    os.write(ours, b"e\n")
    assert says in await read_until(ours, PATCH_ASKED)
    os.write(ours, b"y\n")
    shown = await read_until(ours, b"the end")
    os.close(ours)
    assert await process.wait() == 0, shown
    assert terminal.text("generated_code.py") == RIGHT


ASKED = b"or type what it should give; q ends."
CONFIRMED = "assert slugify('A B_c') == 'a-b-c'"


async def test_at_a_terminal_a_question_takes_a_value_and_tells_of_nonsense(
    terminal: Terminal,
) -> None:
    terminal.model.divide()
    one = {"MAX_QUESTIONS": "1"}
    process, ours = await start_at_a_terminal(terminal, "generate", DIVIDED_PROMPT, **one)
    shown = await read_until(ours, ASKED)
    assert b"slugify('A B_c'): which is right?" in shown, shown
    assert b"1. 'a-b_c'   (2 programs)" in shown
    assert b"2. 'a-b-c'   (2 programs)" in shown
    os.write(ours, b"a b\r")
    told = b"a b is no Python value. Write one, such as 3"
    assert told in await read_until(ours, told)
    # It stands there again to be corrected.
    await read_until(ours, b"It should give: \x1b[0ma b")
    os.write(ours, b"\x15'a-b-c'\r")
    shown = await read_until(ours, b"the end")
    os.close(ours)
    assert b"slugify('A B_c') gives 'a-b-c'" in shown
    assert b"1 confirmed test" in shown
    await process.wait()
    assert CONFIRMED in terminal.text("test_generated.py")
    assert terminal.text("generated_code.py") == JOINS


async def test_quitting_keeps_the_question_for_later(terminal: Terminal) -> None:
    terminal.model.divide()
    process, ours = await start_at_a_terminal(terminal, "generate", DIVIDED_PROMPT)
    await read_until(ours, ASKED)
    os.write(ours, b"q\n")
    shown = await read_until(ours, b"the end")
    os.close(ours)
    assert await process.wait() == 3
    run = terminal.run_folders()[-1].name
    assert f"ml-coach answer {run}".encode() in shown
    assert CONFIRMED not in terminal.text("test_generated.py")

    one = {"MAX_QUESTIONS": "1"}
    process, ours = await start_at_a_terminal(terminal, "answer", run, **one)
    assert b"slugify('A B_c'): which is right?" in await read_until(ours, ASKED)
    os.write(ours, b"2\r")
    # The run may ask two more of its three questions.
    await read_until(ours, ASKED)
    os.write(ours, b"q\n")
    await read_until(ours, b"the end")
    os.close(ours)
    await process.wait()
    assert CONFIRMED in terminal.text("test_generated.py")


async def test_on_a_pipe_the_question_is_in_the_report_and_answered_by_another_process(
    terminal: Terminal,
) -> None:
    terminal.model.divide()
    ended = await terminal.run("generate", DIVIDED_PROMPT, "--json")
    assert ended.code == 3, ended.err
    finished = from_json(json.loads(ended.out.splitlines()[-1]))
    assert isinstance(finished, RunFinished)
    assert finished.report.question is not None
    assert finished.report.question.text == "slugify('A B_c'): which is right?"
    run, asked = terminal.run_folders()[-1].name, list(terminal.model.asked)

    unsaid = await terminal.run("answer", run)
    assert unsaid.code == 2
    assert "  2. 'a-b-c'   (2 programs)" in unsaid.out
    assert f"ml-coach answer {run} 1" in unsaid.err
    unsaid = await terminal.run("answer", run, "--json")
    assert (unsaid.code, unsaid.out) == (2, "")
    assert "  2. 'a-b-c'   (2 programs)" in unsaid.err
    shown = (await terminal.run("show")).out
    assert "  2. 'a-b-c'   (2 programs)" in shown
    assert f"ml-coach answer {run}" in shown
    unclear = await terminal.run("answer", run, "a b")
    assert (unclear.code, len(terminal.run_folders())) == (2, 1)
    assert "is no Python value" in unclear.err
    answered = await terminal.run("answer", run, "'a-b-c'")
    assert answered.code == 3, answered.err
    assert "you said" in answered.out
    assert CONFIRMED in terminal.text("test_generated.py")
    # The calls of the first run were not made again.
    assert terminal.model.asked == asked
    # Another question is open now.
    assert "ml-coach answer" in answered.out
    # It is answered by the model of the run, whatever the settings name by now; -1 is no option.
    elsewhere = {"ML_COACH_MODEL": "openai:other@http://127.0.0.1:1/v1"}
    elsewhere |= {"OPENAI_API_KEY": KEY, "MAX_ITERS": "1"}
    other = await terminal.run("answer", run, "-1", **elsewhere)
    assert "slugify('A B_c') gives -1" in other.out, other.err
    assert other.code == 1
    assert terminal.model.asked[: len(asked)] == asked
    # Only the log names that model's host, so the key goes there once the user names it again.
    assert f"is not sent to http://{terminal.model.model.partition('//')[2][:-3]}" in other.err
    assert f"--model {terminal.model.model}" in other.err
    assert not any(KEY in each for each in terminal.model.authorizations)


async def test_a_configured_price_gives_a_cost(terminal: Terminal) -> None:
    ended = await terminal.run(
        "generate", PROMPT, "--auto-patch", "--prompt-price", "100", "--reply-price", "1000"
    )
    assert ended.code == 0, ended.err
    assert "$0." in ended.out


async def test_a_bench_compares_two_strategies_on_the_chosen_tasks(
    terminal: Terminal,
) -> None:
    task = {
        "prompt": PROMPT,
        "entry_point": "add",
        "public_tests": ["assert add(1, 2) == 3"],
        "hidden_test": "assert add(2, 3) == 5",
    }
    lines = [json.dumps(task | {"task_id": name}) for name in ("sums/1", "sums/10", "other/1")]
    (terminal.folder / "tasks.jsonl").write_text("\n".join(lines) + "\n", encoding="utf-8")
    command = ("bench", "tasks.jsonl", "--strategy", "loop", "--versus", "one-shot")

    def benched() -> list[tuple[str, str, bool]]:
        rows = json.loads(terminal.text("bench.json"))["rows"]
        return [(row["task"], row["strategy"], row["solved"]) for row in rows]

    ended = await terminal.run(*command, "--only", "sums/1")
    assert ended.code == 0, ended.err
    assert benched() == [("sums/1", "one-shot", False), ("sums/1", "loop", True)]
    assert "loop solves +100.0 points against one-shot" in ended.out
    ended = await terminal.run(*command, "--only", "sums", "--skip", "1")
    assert [task for task, _, _ in benched()] == ["sums/10", "sums/10"]
    ended = await terminal.run(*command, "--only", "sums", "--skip", "2")
    assert ended.code == 2
    assert ended.err == "ml-coach: tasks.jsonl holds no such task.\n"
