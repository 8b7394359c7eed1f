"""Says what goes on while the sandbox starts: a first start may fetch and prepare Pyodide."""

from __future__ import annotations

from collections.abc import Callable, Generator
from contextlib import contextmanager

from rich.console import Console

_MEGABYTE = 1e6


@contextmanager
def starting_sandbox() -> Generator[Callable[[int, int], None]]:
    """Shows that the sandbox starts, on standard error. Gives what hears the bytes that are there
    of what is fetched, and the bytes in all."""
    console = Console(stderr=True)
    told = False
    with console.status("Starting the sandbox ...") as status:

        def fetched(done_bytes: int, total_bytes: int) -> None:
            nonlocal told
            if not told and not console.is_terminal:
                console.print("Fetching Pyodide from the npm registry ...", highlight=False)
            told = True
            done, total = done_bytes / _MEGABYTE, total_bytes / _MEGABYTE
            status.update(f"Fetching Pyodide from the npm registry: {done:.1f} of {total:.1f} MB")
            if done_bytes >= total_bytes:
                status.update("Preparing Pyodide, once ...")

        yield fetched
