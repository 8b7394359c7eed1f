"""Where many tasks run: the options of `ml-coach batch` and `bench`, and what they say."""

from __future__ import annotations

import importlib.util
from dataclasses import dataclass
from typing import Annotated

import typer

from ml_coach.cli.endings import USAGE, fail

RayOption = Annotated[
    str,
    typer.Option(
        "--ray", metavar="ADDRESS", help="Run on this Ray cluster; `auto`: the one of this machine."
    ),
]
SendKeysOption = Annotated[
    bool,
    typer.Option(
        "--send-keys", help="Send the keys of this shell to the nodes; else each has its own."
    ),
]


@dataclass(frozen=True, slots=True)
class Place:
    """What `--jobs`, `--ray` and `--send-keys` say. `ray` is empty for this machine."""

    jobs: int
    ray: str = ""
    send_keys: bool = False


def place_of(jobs: int, ray: str, *, send_keys: bool) -> Place:
    """The place that the options name. Ends the command where Ray is wanted and not installed."""
    if send_keys and not ray:
        fail("--send-keys is for --ray: nothing leaves this machine without it.", USAGE)
    if ray and importlib.util.find_spec("ray") is None:
        fail("--ray needs Ray: pip install 'ml-coach[ray]'", USAGE)
    return Place(jobs, ray, send_keys)
