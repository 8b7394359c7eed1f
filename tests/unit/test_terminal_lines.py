"""What is typed at a terminal: a real one, with its line editing, its Ctrl-D and its pastes."""

from __future__ import annotations

import asyncio
import io
import os
import pty
import signal
import sys
import termios
from collections.abc import Iterator
from contextlib import nullcontext
from dataclasses import dataclass
from typing import TextIO

import pytest

from ml_coach.cli.menus import forget_typed, read_line
from ml_coach.cli.reviewer import TerminalReviewer, read_answer
from ml_coach.cli.terminal_view import EscapingConsole
from ml_coach.core.question import Answer, Choice, Question

SECONDS = 20.0
QUESTION = Question("f(1)", (Choice("[1, 2]", 2), Choice("ValueError", 1, raises=True)))


@dataclass
class Keyboard:
    """A terminal: what is typed at it, and where a program reads that."""

    ours: int
    stream: TextIO

    def type(self, keys: bytes) -> None:
        os.write(self.ours, keys)


@pytest.fixture
def keyboard() -> Iterator[Keyboard]:
    ours, theirs = pty.openpty()
    with os.fdopen(theirs, encoding="utf-8") as stream:
        yield Keyboard(ours, stream)
    os.close(ours)


async def read(keyboard: Keyboard, *keys: bytes) -> str:
    """The line that is read while `keys` are typed, with a little time after each."""
    reading = asyncio.ensure_future(read_line(keyboard.stream))
    for each in keys:
        keyboard.type(each)
        await asyncio.sleep(0.1)
    return await asyncio.wait_for(reading, SECONDS)


@pytest.mark.parametrize(
    ("keys", "line"),
    [
        ([b"1\n"], "1\n"),
        ([b"\x04"], ""),
        ([b"1\x04", b"2\n"], "12\n"),
        ([b"1\x04", b"\x04"], "1"),
        ([b"'caf\xc3\xa9'\n"], "'café'\n"),
        ([b"'caf\xe9'\n"], "'caf\udce9'\n"),
    ],
)
async def test_a_line_ends_where_its_user_ends_it(
    keyboard: Keyboard, keys: list[bytes], line: str
) -> None:
    assert await read(keyboard, *keys) == line


async def test_ctrl_d_within_a_line_holds_nothing_up(keyboard: Keyboard) -> None:
    reading = asyncio.ensure_future(read_line(keyboard.stream))
    keyboard.type(b"1\x04")
    await asyncio.sleep(0.2)
    assert not reading.done()
    reading.cancel()  # As Ctrl-C does.
    with pytest.raises(asyncio.CancelledError):
        await asyncio.wait_for(reading, SECONDS)


async def test_what_was_typed_before_a_question_answers_nothing(keyboard: Keyboard) -> None:
    keyboard.type(b"old\n")
    forget_typed(keyboard.stream)
    assert await read(keyboard, b"new\n") == "new\n"


async def answered(
    keyboard: Keyboard, monkeypatch: pytest.MonkeyPatch, *keys: bytes
) -> tuple[Answer | None, str]:
    """What the user says, and all that the terminal showed."""
    monkeypatch.setattr(sys, "stdin", keyboard.stream)
    shown = io.StringIO()
    console = EscapingConsole(file=shown, width=100)
    asking = asyncio.ensure_future(TerminalReviewer(console, nullcontext).answer(QUESTION))
    for each in keys:
        await asyncio.sleep(0.1)
        keyboard.type(each)
    return await asyncio.wait_for(asking, SECONDS), shown.getvalue()


async def test_a_value_may_be_pasted_in_several_lines(
    keyboard: Keyboard, monkeypatch: pytest.MonkeyPatch
) -> None:
    answer, _ = await answered(keyboard, monkeypatch, b"[\n 1,\n 2,\n]\n")
    assert answer
    assert answer.text == "[1, 2]"


async def test_an_empty_line_ends_a_bracket_that_was_left_open(
    keyboard: Keyboard, monkeypatch: pytest.MonkeyPatch
) -> None:
    answer, shown = await answered(keyboard, monkeypatch, b"[1,\n", b"\n", b"2\n")
    assert "[1, is no Python value" in shown
    assert answer
    assert answer.kind == "raises"


async def test_bytes_that_are_no_text_are_told(
    keyboard: Keyboard, monkeypatch: pytest.MonkeyPatch
) -> None:
    answer, shown = await answered(keyboard, monkeypatch, b"'caf\xe9'\n", b"\x1b[A\n", b"q\n")
    assert answer is None
    assert "is no Python value" in shown
    assert "\\x1b[A is no" in shown


async def test_a_number_is_that_of_an_option_and_never_a_value(
    keyboard: Keyboard, monkeypatch: pytest.MonkeyPatch
) -> None:
    answer, shown = await answered(keyboard, monkeypatch, b"7\n", b"3\n", b"7\n")
    assert "The list has no 7." in shown
    assert answer
    assert answer.text == "7"


@pytest.mark.parametrize(
    ("said", "shown"),
    [
        ("1", "f(1) gives [1, 2]"),
        (" 2 ", "f(1) raises ValueError"),
        ("gives 1", "f(1) gives 1"),
        ("-1", "f(1) gives -1"),
        ("1.0", "f(1) gives 1.0"),
        ("not defined", "f(1) is not defined"),
    ],
)
def test_what_the_command_line_says(said: str, shown: str) -> None:
    answer = read_answer(QUESTION, said)
    assert isinstance(answer, Answer)
    assert answer.shown == shown


@pytest.mark.parametrize("number", ["0", "3", "9" * 6000])
def test_a_number_that_no_choice_has_is_told_on_the_command_line(number: str) -> None:
    assert "For the value, write: gives" in str(read_answer(QUESTION, number))


async def pressed(keyboard: Keyboard, monkeypatch: pytest.MonkeyPatch, keys: bytes) -> str:
    """The answer, as text, that the keys give where the terminal can move its cursor."""
    monkeypatch.setattr(sys, "stdin", keyboard.stream)
    monkeypatch.setenv("TERM", "xterm")
    shown, seen, loop = bytearray(), asyncio.Event(), asyncio.get_running_loop()

    def read() -> None:
        shown.extend(os.read(keyboard.ours, 4096))
        if b"q ends" in shown:
            seen.set()

    loop.add_reader(keyboard.ours, read)
    before = termios.tcgetattr(keyboard.stream)
    with os.fdopen(os.dup(keyboard.stream.fileno()), "w", encoding="utf-8") as screen:
        console = EscapingConsole(file=screen, width=100)
        asking = asyncio.ensure_future(TerminalReviewer(console, nullcontext).answer(QUESTION))
        await asyncio.wait_for(seen.wait(), SECONDS)
        keyboard.type(keys)
        answer = await asyncio.wait_for(asking, SECONDS)
    loop.remove_reader(keyboard.ours)
    assert termios.tcgetattr(keyboard.stream) == before
    return answer.shown if answer else ""


@pytest.mark.parametrize(
    ("keys", "shown"),
    [
        (b"\r", "f(1) gives [1, 2]"),
        (b"2\r", "f(1) raises ValueError"),
        (b"12\r", "f(1) raises ValueError"),
        (b"2\x1b[A\r", "f(1) gives [1, 2]"),
        (b"\x1b[B\x1b[B\x1b[B\r", "f(1) is not defined"),
        (b"9\x1b[F\r", "f(1) was skipped"),
        (b"3\r1\r", "f(1) gives 1"),
        (b"3\r\r2\x1b[H\r", "f(1) gives [1, 2]"),
        (b"-1\r", "f(1) gives -1"),
        (b"1.5\r", "f(1) gives 1.5"),
        (b"[\r1,\r2]\r", "f(1) gives [1, 2]"),
        (b"\x1b[200~{'q':\n 1}\x1b[201~\r", "f(1) gives {'q': 1}"),
        (b"'\xc3\xa9'\r", "f(1) gives 'é'"),
        (b"raises KeyError\r", "f(1) raises KeyError"),
        (b"q", ""),
        (b"3\rq\r", ""),
        (b"\x04", ""),
        (b"3\r\x04", ""),
    ],
)
async def test_keys_pick_an_option_or_begin_a_value(
    keyboard: Keyboard, monkeypatch: pytest.MonkeyPatch, keys: bytes, shown: str
) -> None:
    assert await pressed(keyboard, monkeypatch, keys) == shown


async def test_ctrl_c_at_a_list_interrupts_and_gives_the_terminal_back(
    keyboard: Keyboard, monkeypatch: pytest.MonkeyPatch
) -> None:
    loop, task = asyncio.get_running_loop(), asyncio.current_task()
    assert task
    loop.add_signal_handler(signal.SIGINT, task.cancel)
    before = termios.tcgetattr(keyboard.stream)
    try:
        with pytest.raises(asyncio.CancelledError):
            await pressed(keyboard, monkeypatch, b"\x03")
        task.uncancel()
    finally:
        loop.remove_signal_handler(signal.SIGINT)
        loop.remove_reader(keyboard.ours)
    assert termios.tcgetattr(keyboard.stream) == before
