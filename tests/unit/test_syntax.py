"""Several threads parse at a time, for which CPython 3.11 and 3.12 count wrongly (gh-106905)."""

from __future__ import annotations

import gc
import threading
import time
import warnings
from pathlib import Path

import ml_coach
from ml_coach.core.python import syntax

SOURCE = "x = (1 + 2) * [a, (b, c), {d: e}]\n" * 60


class Finalized:
    """A cycle, so that it is collected at any time, also in the middle of parsing."""

    def __init__(self) -> None:
        self.cycle = self

    def __del__(self) -> None:
        time.sleep(0.0005)  # lets the other threads on; nothing is waited for


def test_threads_parse_at_a_time() -> None:
    raised: list[Exception] = []

    def parse_often() -> None:
        for _ in range(60):
            for _ in range(5):
                Finalized()
            try:
                syntax.module(SOURCE)
            except Exception as error:  # noqa: BLE001 - a thread's exception is lost otherwise
                raised.append(error)

    threads = [threading.Thread(target=parse_often) for _ in range(3)]
    thresholds = gc.get_threshold()
    gc.set_threshold(20)
    try:
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    finally:
        gc.set_threshold(*thresholds)
    assert raised == []


def test_threads_do_not_leak_filters_of_warnings() -> None:
    """Two that set and reset them at a time would end with what one of them had set."""
    before = list(warnings.filters)
    in_turn = threading.Event()

    def second() -> None:
        in_turn.wait()
        with syntax.quietly():
            pass

    thread = threading.Thread(target=second)
    thread.start()
    with syntax.quietly():
        in_turn.set()
        thread.join(0.05)
        assert thread.is_alive()
    thread.join()
    assert warnings.filters == before


def test_only_this_module_parses() -> None:
    server = Path(ml_coach.__file__).parent
    # What runs in the sandbox has one thread and none of our modules.
    inside = server / "execution" / "inside"
    texts = {
        str(file.relative_to(server)): file.read_text("utf-8")
        for file in server.rglob("*.py")
        if inside not in file.parents
    }
    assert [file for file, text in texts.items() if "ast.parse(" in text] == [
        "core/python/syntax.py"
    ]
    assert [file for file, text in texts.items() if "catch_warnings" in text] == [
        "core/python/syntax.py"
    ]
