"""What a new user types in the first ten minutes, as a real process: words, paths, endings."""

from __future__ import annotations

import asyncio
import gc
import os
import re
import shlex
import signal
import sys
import threading
from pathlib import Path
from typing import Any

import pytest
from test_terminal import CommandResult, Terminal, read_until, start_at_a_terminal, terminal

from ml_coach.models.llama_process import LlamaOptions, LlamaProcess
from scripted_model import DIVIDED_PROMPT, KEEPS, ONE_TEST, PROMPT, RIGHT, WRONG

__all__ = ["terminal"]  # the fixture

NONE = "def add(a, b):\n    return None\n"
MISSING = "import no_such_package\n\n\ndef add(a, b):\n    return no_such_package.add(a, b)\n"


async def run_in_a_shell(terminal: Terminal, command: str, **more: str) -> CommandResult:
    """Runs a line of shell, in which `ml-coach` is the command."""
    ours = f'ml-coach() {{ {shlex.quote(sys.executable)} -m ml_coach "$@"; }}; {command}'
    process = await asyncio.create_subprocess_exec(
        "bash", "-c", ours, cwd=terminal.folder, env=terminal.environment(**more),
        stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE,
    )  # fmt: skip
    out, err = await process.communicate()
    return CommandResult(process.returncode or 0, out.decode(), err.decode())


# What a run did to files


async def test_what_a_run_replaced_is_said_and_undo_brings_it_back(terminal: Terminal) -> None:
    first = await terminal.run("generate", PROMPT, "--auto-patch")
    assert first.code == 0, first.err
    assert "Replaced" not in first.out
    terminal.model.replies |= {"coder": f"```python\n{NONE}```", "debugger": "I cannot."}
    worse = await terminal.run("generate", PROMPT, "--max-questions", "0")
    assert worse.code == 1
    assert terminal.text("generated_code.py") == NONE
    run = terminal.run_folders()[-1].name
    back = f"what stood there comes back with ml-coach undo {run}"
    assert f"Replaced generated_code.py; {back}" in worse.out
    undone = await terminal.run("undo", run)
    assert undone.code == 0, undone.err
    assert terminal.text("generated_code.py") == RIGHT
    # Said twice it is a redo, and what a run changed nothing of cannot be undone.
    assert (await terminal.run("undo")).code == 0
    assert terminal.text("generated_code.py") == NONE


async def test_undo_keeps_what_the_user_wrote_since_and_removes_what_was_not_there(
    terminal: Terminal,
) -> None:
    await terminal.run("generate", PROMPT, "--auto-patch", "-o", "sub")
    mine = f"{RIGHT}\n\ndef mine():\n    return 1\n"
    (terminal.folder / "sub" / "generated_code.py").write_text(mine, encoding="utf-8")
    refused = await terminal.run("undo")
    assert (refused.code, "Nothing was changed" in refused.err) == (4, True)
    assert terminal.text("sub/generated_code.py") == mine
    (terminal.folder / "sub" / "generated_code.py").write_text(RIGHT, encoding="utf-8")
    assert (await terminal.run("undo")).code == 0
    assert list((terminal.folder / "sub").iterdir()) == []


@pytest.mark.parametrize("key", [b"q\n", b"\x03"])
async def test_who_leaves_at_the_patch_question_finds_the_patch_waiting(
    terminal: Terminal, key: bytes
) -> None:
    process, ours = await start_at_a_terminal(terminal, "generate", PROMPT)
    await read_until(ours, b"Arrow keys or a number, then Enter; q ends.")
    if key == b"\x03":
        process.send_signal(signal.SIGINT)
    else:
        os.write(ours, key)
    shown = await read_until(ours, b"the end")
    os.close(ours)
    assert await process.wait() == 130
    assert b"a patch waits" in shown
    assert b"ml-coach apply " in shown
    assert b"best program" not in shown
    assert terminal.text("generated_code.py") == WRONG
    applied = await terminal.run("apply")
    assert applied.code == 0, applied.err
    assert terminal.text("generated_code.py") == RIGHT


async def test_line_ends_stay_and_come_back(terminal: Terminal) -> None:
    program = terminal.folder / "generated_code.py"
    program.write_bytes(b"\xef\xbb\xbfMINE = 1\r\nYOURS = 2\r\n")
    mine = program.read_bytes()
    assert (await terminal.run("generate", PROMPT, "--force")).code == 1
    # An editor or git gave the file other line ends before the patch is applied.
    program.write_bytes(program.read_bytes().replace(b"\n", b"\r\n"))
    applied = await terminal.run("apply")
    assert applied.code == 0, applied.err
    written = program.read_bytes()
    assert b"\r\n" in written
    assert written.decode("utf-8-sig").replace("\r\n", "\n") == RIGHT
    assert (await terminal.run("undo")).code == 0
    assert program.read_bytes() == mine
    assert (await terminal.run("undo")).code == 0
    assert program.read_bytes() == written


async def test_nothing_is_said_to_be_changed_that_was_not(terminal: Terminal) -> None:
    assert (await terminal.run("generate", PROMPT)).code == 1
    for file, text in (("generated_code.py", RIGHT), ("test_generated.py", None)):
        path = terminal.folder / file
        path.write_text(text, encoding="utf-8") if text else path.rename(path.with_suffix(".bak"))
    applied = await terminal.run("apply")
    assert (applied.code, "already. Nothing was changed." in applied.out) == (0, True), applied
    assert "undo" not in applied.out
    (terminal.folder / "generated_code.py").unlink()
    # The user took everything back by hand, so there is nothing to undo, as often as they ask.
    for _ in range(2):
        undone = await terminal.run("undo")
        assert undone.code == 0, undone.err
        assert "As before the run: generated_code.py (removed)" in undone.out
        assert "Take that back" not in undone.out


async def test_show_names_real_files_and_real_times(terminal: Terminal) -> None:
    terminal.model.held = {"debugger"}
    process = await terminal.start("generate", PROMPT, "--auto-patch", "-o", "sub")
    await terminal.model.was_asked("debugger")
    terminal.model.release.set()
    await process.communicate()
    run = terminal.run_folders()[-1].name
    for name in ("last", run, run[-4:]):
        shown = await terminal.run("show", name)
        assert shown.code == 0, shown.err
        assert re.search(r"file +sub/generated_code\.py *│", shown.out), shown.out
    times = [float(s) for s in re.findall(r"^ *([\d.]+) s  ", shown.out, re.MULTILINE)]
    assert times == sorted(times)
    assert times[-1] > times[0] == 0.0
    # From elsewhere the path is whole, and a file that is gone is not promised.
    (terminal.folder / "sub" / "test_generated.py").unlink()
    there = await run_in_a_shell(terminal, "cd /; ml-coach show; ml-coach open")
    assert f"{terminal.folder}/sub/generated_code.py" in there.out
    assert "test_generated.py  (not there any more)" in there.out
    assert there.out.splitlines()[-1] == f"{terminal.folder}/sub/generated_code.py"


async def test_a_part_of_an_id_that_two_runs_have_is_told(terminal: Terminal) -> None:
    assert "There is no run yet." in (await terminal.run("show")).err
    assert (await terminal.run("runs")).out == "There is no run yet.\n"
    runs = terminal.home / "state" / "ml-coach" / "runs"
    for name in ("20260101-000000-aaaa", "20260101-000001-bbbb"):
        (runs / name).mkdir(parents=True)
    told = await terminal.run("show", "20260101")
    assert told.code == 2
    assert "may mean 2 runs: 20260101-000001-bbbb, 20260101-000000-aaaa" in told.err


async def test_names_are_printed_as_they_are(terminal: Terminal) -> None:
    model = terminal.model.model.replace("openai:scripted", "openai:m")
    ended = await terminal.run(
        "generate", f"{PROMPT} x[a:b:c] :smile:", "-o", "a:m:c", "-m", model, "--auto-patch"
    )
    assert model in ended.out
    assert "a:m:c/generated_code.py" in ended.out
    assert "x[a:b:c] :smile:" in (await terminal.run("runs")).out


# A package that is missing


async def test_a_missing_package_is_named_with_the_line_that_installs_it(
    terminal: Terminal,
) -> None:
    reply = f"```python\n{MISSING}```\n"
    terminal.model.replies |= {"coder": reply, "debugger": reply}
    ended = await terminal.run("generate", PROMPT, COLUMNS="400")
    assert ended.code == 1
    # The coder is asked once more, to do without it; the debugger, who installs nothing, is not.
    assert sorted(terminal.model.asked) == ["coder", "coder", "researcher", "test_writer"]
    venv = terminal.folder / ".venv"
    line = f"python3 -m venv {venv} && {venv}/bin/python -m pip install no_such_package"
    assert f"The package no_such_package is not installed; if you trust it: {line}." in ended.out
    assert "The same" not in ended.out


async def test_the_environment_that_the_user_activated_runs_the_program(
    terminal: Terminal, tmp_path: Path
) -> None:
    active = tmp_path / "active"
    made = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "venv", "--without-pip", str(active)
    )
    assert await made.wait() == 0
    reply = f"```python\n{MISSING}```\n"
    terminal.model.replies |= {"coder": reply, "debugger": reply}
    ended = await terminal.run("generate", PROMPT, VIRTUAL_ENV=str(active), COLUMNS="400")
    assert f"{active}/bin/python -m pip install no_such_package" in ended.out
    assert re.search(rf"python +Python 3\.\d+ at {active}/bin/python", ended.out)


# What the machine lacks


async def test_doctor_tells_the_truth_and_changes_nothing(terminal: Terminal) -> None:
    before = sorted(terminal.home.rglob("*"))
    told = await terminal.run("doctor", ML_COACH_MODEL="local:nope")
    assert told.code == 1
    assert "nope is not a local model; there are qwen2.5-coder-1.5b" in told.out
    assert sorted(terminal.home.rglob("*")) == before
    named = await terminal.run("doctor", ML_COACH_MODEL="local:/nowhere/model.gguf")
    assert "/nowhere/model.gguf" in named.out.split("sandbox")[0]
    assert named.code == 1
    # A hint for who has not named a model yet is not repeated to who has.
    assert "name a model" not in (await terminal.run("doctor")).out


@pytest.mark.parametrize("in_the_way", [".", "runs", "claims"])
async def test_a_file_where_the_state_folder_belongs_is_one_sentence(
    terminal: Terminal, in_the_way: str
) -> None:
    file = terminal.home / "state" / "ml-coach" / in_the_way
    file.parent.mkdir(parents=True)
    file.write_text("mine")
    sentence = f"{file} is a file, but ML Coach needs a folder there: move it away or delete it."
    readers = () if in_the_way == "claims" else ("runs", "show", "undo", "apply", "answer", "open")
    for command in ("generate", "doctor", *readers):
        ended = await terminal.run(command, *([PROMPT] if command == "generate" else []))
        assert sentence in " ".join((ended.out + ended.err).split()), ended
        assert "Errno" not in ended.out + ended.err
        assert ended.code == (1 if command == "doctor" else 4)
    assert (terminal.model.asked, file.read_text()) == ([], "mine")


async def test_a_disk_that_is_full_or_read_only_is_one_sentence(terminal: Terminal) -> None:
    """In namespaces of the test's own, where it may mount. A long path breaks a line anywhere."""
    for options, why in (("size=16k", "the disk is full"), ("ro", "is read-only")):
        (terminal.folder / "small").mkdir(exist_ok=True)
        mounted = f"mount -t tmpfs -o {options} tmpfs small && $0 -m ml_coach"
        for command, code in (("doctor", 1), ("generate 'add two numbers' -o small", 4)):
            state = "XDG_STATE_HOME=$PWD/small " if command == "doctor" else ""
            script = mounted.replace("$0", f"{state}$0") + f" {command}"
            ended = await run_in_a_shell(
                terminal, f"unshare -rm sh -c {shlex.quote(script)} {shlex.quote(sys.executable)}",
                COLUMNS="400",
            )  # fmt: skip
            assert ended.code == code, ended
            words = {"doctor": "Free 0.10 GB there|Make .*small writable"}.get(command, why)
            # The report is wrapped where the folder's name is long.
            assert re.search(words, " ".join(ended.out.replace("│", "").split())), ended
            assert "Errno" not in ended.out + ended.err
    assert terminal.model.asked == []


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["bench", "none.jsonl"], "none.jsonl cannot be used: there is no such file or folder."),
        (["generate", "@none"], "(A prompt that begins with @ names a file.)"),
        (["generate", "--prompt-file", "none"], "none cannot be used"),
        (["generate", PROMPT, "-o", "file"], "a part of the path is a file, not a folder"),
        (["exec", "none.py"], "): there is no file none.py"),
        (["answer", "last", "a"], "There is no run yet."),
    ],
)
async def test_what_the_system_refuses_is_said_in_words(
    terminal: Terminal, arguments: list[str], says: str
) -> None:
    (terminal.folder / "file").write_text("", encoding="utf-8")
    ended = await terminal.run(*arguments)
    assert ended.code in (1, 2, 4)
    assert says in ended.err
    assert len(ended.err.strip().splitlines()) == 1
    assert "Errno" not in ended.err
    assert terminal.model.asked == []


# Pipes and standard streams


async def test_a_reader_that_leaves_ends_the_command_in_a_sentence(terminal: Terminal) -> None:
    made = await run_in_a_shell(terminal, 'ml-coach generate "$0" | head -1', P=PROMPT)
    assert made.err.count("\n") == 1
    assert "Nobody reads the output any more" in made.err
    for command in ("ml-coach runs", "ml-coach --help", "ml-coach generate p --json"):
        ended = await run_in_a_shell(terminal, f"{command} | head -1")
        assert "Traceback" not in ended.err
        assert ended.err.count("\n") <= 1


async def test_closed_standard_streams_do_no_harm(terminal: Terminal) -> None:
    command = f"ml-coach generate {shlex.quote(PROMPT)} --auto-patch"
    ended = await run_in_a_shell(terminal, f"{command} <&-")
    assert (ended.code, ended.err) == (0, "")
    assert terminal.text("generated_code.py") == RIGHT
    assert (await run_in_a_shell(terminal, "ml-coach runs >&- 2>&-")).code == 0


async def test_who_no_longer_waits_for_a_model_hears_nothing_more(tmp_path: Path) -> None:
    """Ctrl-C while the local model loads."""
    heard: list[dict[str, Any]] = []
    asyncio.get_running_loop().set_exception_handler(lambda _, context: heard.append(context))
    weights = tmp_path / "none.gguf"
    weights.write_bytes(b"no weights")
    process = LlamaProcess(LlamaOptions(weights))
    waiting = asyncio.ensure_future(process.address())
    await asyncio.sleep(0)
    waiting.cancel()
    await asyncio.wait([waiting])
    await asyncio.sleep(0)
    await process.end()
    for thread in threading.enumerate():
        if thread.name == "llama-supervisor":
            await asyncio.to_thread(thread.join)
    await asyncio.sleep(0)  # What the thread called for is done now.
    # A future whose error nobody took complains when it is collected.
    del process, waiting, thread
    gc.collect()
    assert heard == []


# What is printed


async def test_two_replies_at_once_are_printed_one_after_another(terminal: Terminal) -> None:
    # The program and the tests are asked for at the same time.
    for who in ("coder", "test_writer"):
        words = " ".join(f"{who}-{number}" for number in range(300))
        terminal.model.replies[who] = f"{words}\n\n{terminal.model.replies[who]}"
    ended = await terminal.run("generate", PROMPT, "-v")
    assert "[coder]" in ended.out
    lines = [line.split() for line in ended.out.splitlines() if "-299" in line]
    assert lines == [
        [f"{who}-{number}" for number in range(300)] for who in ("coder", "test_writer")
    ]


async def test_one_of_a_thing_is_no_plural(terminal: Terminal) -> None:
    ended = await terminal.run("generate", PROMPT, "--max-calls", "1")
    assert ": 1 call, " in ended.out
    terminal.model.replies |= {
        "coder": f"```python\n{KEEPS}```",
        "test_writer": f"```python\n{ONE_TEST}```",
    }
    one = await terminal.run("generate", DIVIDED_PROMPT, "--max-questions", "0")
    assert "1 test kept, 0 dropped; it notices " in one.out


async def test_the_report_names_what_one_types_next(terminal: Terminal) -> None:
    ended = await terminal.run("generate", PROMPT, "--auto-patch", "-o", "sub dir")
    run = terminal.run_folders()[-1].name
    shown, tested = (line.strip() for line in ended.out.splitlines()[-2:])
    assert shown.startswith(f"ml-coach open {run} ")
    assert tested.startswith("ml-coach pytest 'sub dir' ")
    again = await run_in_a_shell(terminal, tested.partition("   ")[0])
    assert again.code == 0, again.err


async def test_help_says_what_a_value_is(terminal: Terminal) -> None:
    told = (await terminal.run("generate", "--help")).out
    assert re.search(r"--max-iters +N ", told)
    assert re.search(r"--run-timeout +SECONDS ", told)
    for flag in ("--install-completion", "--show-completion", "--version"):
        assert flag in (await terminal.run("--help")).out
    assert re.fullmatch(r"ml-coach \d+\.\d+\.\d+\n", (await terminal.run("--version")).out)


async def test_a_shell_completes_commands_and_runs(terminal: Terminal) -> None:
    run = terminal.home / "state" / "ml-coach" / "runs" / "20260101-000000-aaaa"
    run.mkdir(parents=True)
    for words, expected in (("ml-coach un", "undo"), ("ml-coach show 20", run.name)):
        asked = {
            "_ML_COACH_COMPLETE": "complete_bash", "COMP_WORDS": words,
            "COMP_CWORD": str(words.count(" ")),
        }  # fmt: skip
        process = await asyncio.create_subprocess_exec(
            Path(sys.executable).with_name("ml-coach"), env=terminal.environment(**asked),
            stdout=asyncio.subprocess.PIPE,
        )  # fmt: skip
        out, _ = await process.communicate()
        assert expected in out.decode().split()


# What is given


async def test_a_program_gets_arguments_and_standard_input(terminal: Terminal) -> None:
    source = "import sys\nprint(sys.argv[1:], sys.stdin.read().upper())\n"
    (terminal.folder / "tool.py").write_text(source, encoding="utf-8")
    ended = await run_in_a_shell(terminal, "echo hello | ml-coach exec tool.py -- -n 3 'a b'")
    assert (ended.code, ended.out) == (0, "['-n', '3', 'a b'] HELLO\n\n")
    without = await run_in_a_shell(terminal, "ml-coach exec")
    assert without.err.endswith("the following arguments are required: FILE\n")
    large = await run_in_a_shell(terminal, "seq 100000 | ml-coach exec tool.py | wc -c")
    assert large.out.strip() == "588899"  # what seq prints, and `[] ` and a line end


async def test_a_prompt_comes_from_a_file_or_from_standard_input(terminal: Terminal) -> None:
    (terminal.folder / "prompt.txt").write_text(PROMPT, encoding="utf-8")
    stop = "--max-calls 1"
    for given in ("@prompt.txt", "--prompt-file prompt.txt", "- < prompt.txt"):
        await run_in_a_shell(terminal, f"ml-coach generate {stop} {given}")
    listed = (await terminal.run("runs")).out.splitlines()
    assert len(listed) == 3
    assert all(PROMPT in line for line in listed)


async def test_at_a_terminal_it_is_said_that_a_prompt_is_waited_for(terminal: Terminal) -> None:
    process, ours = await start_at_a_terminal(terminal, "generate", "-", "--max-calls", "1")
    assert b"Ctrl-D" in await read_until(ours, b"Ctrl-D")
    os.write(ours, PROMPT.encode() + b"\n\x04")
    await read_until(ours, b"the end")
    os.close(ours)
    await process.wait()
    assert PROMPT in (await terminal.run("runs")).out


async def test_a_project_sets_what_the_environment_does_not(terminal: Terminal) -> None:
    (terminal.folder / "pyproject.toml").write_text(
        '[tool.ml-coach]\nprogram-file = "ours.py"\ntests-file = "test_theirs.py"\n'
        'auto-patch = true\nallow-weak-sandbox = true\npython = "/bin/sh"\nmax-iter = 3\n',
        encoding="utf-8",
    )
    (terminal.folder / "below").mkdir()
    ended = await run_in_a_shell(
        terminal, f"cd below; ml-coach generate {shlex.quote(PROMPT)}",
        ML_COACH_TESTS_FILE="test_ours.py",
    )  # fmt: skip
    assert ended.code == 0, ended
    assert terminal.text("below/ours.py") == RIGHT
    assert (terminal.folder / "below" / "test_ours.py").is_file()
    told = ended.err.splitlines()
    assert ["allow-weak-sandbox may not come with a folder" in told[0]] == [True]
    assert "python may not come with a folder" in told[1]
    assert "max-iter is not a setting of ML Coach." in told[2]


# What no longer is there, or was given twice


async def test_two_prompts_are_refused(terminal: Terminal) -> None:
    (terminal.folder / "prompt.txt").write_text(PROMPT, encoding="utf-8")
    for prompt in (PROMPT, "-", "@prompt.txt"):
        ended = await terminal.run("generate", prompt, "--prompt-file", "prompt.txt")
        assert ended.code == 2
        assert "There are two prompts" in ended.err
    assert terminal.model.asked == []


async def test_no_command_is_advised_for_files_that_are_gone(terminal: Terminal) -> None:
    await terminal.run("generate", PROMPT, "--auto-patch", "-o", "sub")
    assert "ml-coach open" in (await terminal.run("show")).out
    assert (await terminal.run("undo")).code == 0
    shown = (await terminal.run("show")).out
    assert "(not there any more)" in shown
    assert "ml-coach" not in shown.rpartition("╯")[2]


async def test_undo_of_a_run_that_left_all_as_it_was_says_so(terminal: Terminal) -> None:
    await terminal.run("generate", PROMPT, "--auto-patch")
    assert "undo" in (await terminal.run("generate", PROMPT)).out
    # The patch makes again what stood there before the run.
    applied = await terminal.run("apply")
    assert terminal.text("generated_code.py") == RIGHT
    assert "undo" not in applied.out
    undone = await terminal.run("undo")
    assert undone.code == 4
    assert "the files are as they were before that run" in undone.err
    shown = (await terminal.run("show")).out
    assert "ml-coach show" not in shown


async def test_a_program_with_arguments_is_not_said_to_want_some(terminal: Terminal) -> None:
    for source, told in (
        ("import sys\nif sys.argv[1:] != ['a', 'b']:\n    sys.exit(7)\n", "exit code 7"),
        ("import sys\nprint(sys.argv[2])\n", "IndexError: list index out of range"),
    ):
        (terminal.folder / "tool.py").write_text(source, encoding="utf-8")
        without = await terminal.run("exec", "tool.py")
        assert "the program wants arguments" in without.err
        ended = await terminal.run("exec", "tool.py", "--", "c")
        assert ended.code == 1
        assert told in ended.err
        assert "the program wants" not in ended.err
    (terminal.folder / "tool.py").write_text("input()\ninput()\n", encoding="utf-8")
    ended = await run_in_a_shell(terminal, "echo one | ml-coach exec tool.py")
    assert "EOFError: EOF when reading a line" in ended.err
    assert "nobody is there" not in ended.err


async def test_help_fits_the_terminal(terminal: Terminal) -> None:
    for command in ("exec", "pytest", "generate", "bench"):
        told = (await terminal.run(command, "--help", COLUMNS="80")).out
        assert told
        assert [line for line in told.splitlines() if len(line.rstrip()) > 80] == []


async def test_a_current_folder_that_is_gone_is_said(terminal: Terminal) -> None:
    ended = await run_in_a_shell(terminal, "mkdir x; cd x; rmdir ../x; ml-coach generate p")
    assert ended.code == 4
    assert "The current folder is not there any more" in ended.err
