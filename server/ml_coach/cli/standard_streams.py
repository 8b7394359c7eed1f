"""Standard input and output that were closed, or whose reader has left."""

from __future__ import annotations

import os
import sys
from contextlib import suppress


def open_closed() -> None:
    """Opens those of the three standard streams that a shell closed (`<&-`), as empty ones.

    Python has None for them, and the next file to be opened would take their number.
    """
    for number, name in enumerate(("stdin", "stdout", "stderr")):
        if getattr(sys, name) is None:
            with suppress(OSError):
                os.fstat(number)
                continue  # It is open, so something else keeps Python from using it.
            os.open(os.devnull, os.O_RDWR)
            mode = "w" if number else "r"
            setattr(sys, name, open(number, mode, encoding="utf-8", closefd=False))  # noqa: SIM115


NOBODY_READS = "Nobody reads the output any more, so this ended."


def drop_output() -> None:
    """Lets all further output go nowhere, so that nothing of it raises, at the exit neither."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
