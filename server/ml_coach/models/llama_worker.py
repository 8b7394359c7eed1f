"""The child process that holds llama.cpp: `python -m ml_coach.models.llama_worker`.

It reads one line of JSON from stdin (see `Order`), answers with one line on stdout once the model
is loaded, and serves until stdin ends. Nothing else is ever written to stdout; llama.cpp's log goes
to stderr. It dies with its parent, however that dies.
"""

from __future__ import annotations

import ctypes
import importlib
import json
import os
import shutil
import signal
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

_PR_SET_PDEATHSIG = 1
# Prompts that lost their slot to another one; llama.cpp would keep 8 GB of them.
_CACHED_PROMPTS_MIB = 256


@dataclass(frozen=True, slots=True)
class Order:
    """What to load and where to listen. `host` is a socket's path ending in `.sock`, or loopback.

    `context` is in tokens and shared by all `slots`. `folder` is deleted at the end where the
    parent can no longer do it. The key comes through stdin because arguments and environments
    of a process can be read by others.
    """

    model: str
    host: str
    key: str
    context: int
    slots: int
    threads: int
    parent: int
    folder: str
    speculate: bool


def main() -> None:
    order = Order(**json.loads(sys.stdin.buffer.readline()))
    # llama.cpp may print: what we answer goes through a descriptor that it does not know.
    answer = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)
    # Loading holds the interpreter's lock for seconds, in which only the kernel can end us.
    _die_with_parent(order.parent, signal.SIGKILL)
    server = _load(order)
    signal.signal(signal.SIGTERM, lambda number, frame: _end(order))
    _die_with_parent(order.parent, signal.SIGTERM)
    answer.write(json.dumps({"address": server.listening_address}) + "\n")
    answer.flush()
    while os.read(0, 4096):
        pass
    _end(order)


def _load(order: Order) -> Any:
    # It has no types; and the parent reads this file for `Order` alone.
    llama: Any = importlib.import_module("xllamacpp")
    params = llama.CommonParams()
    params.model.path = order.model
    params.hostnames = [order.host]
    params.port = 0
    params.api_keys = [order.key]
    params.ui = False
    params.n_ctx = order.context
    params.n_parallel = order.slots
    # Mapped, the file would stay in memory beside the copy that is laid out for this CPU.
    params.load_mode = llama.llama_load_mode.LLAMA_LOAD_MODE_NONE
    # One pool for all slots: candidates share the cells of their prompt.
    params.kv_unified = True
    params.cache_ram_mib = _CACHED_PROMPTS_MIB
    if order.speculate:
        # Guesses what follows from text that was there before: a repair repeats most of the
        # program. It never changes a reply, and where nothing repeats it costs nothing.
        kinds = llama.common_speculative_type
        params.speculative.types = [kinds.COMMON_SPECULATIVE_TYPE_NGRAM_SIMPLE]
    params.cpuparams.n_threads = order.threads
    params.cpuparams_batch.n_threads = order.threads
    return llama.Server(params)


def _die_with_parent(parent: int, number: signal.Signals) -> None:
    if sys.platform != "linux":
        return  # There the end of stdin has to do.
    ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, int(number), 0, 0, 0)
    if os.getppid() != parent:  # It died before the kernel was told.
        os.kill(os.getpid(), signal.SIGKILL)


def _end(order: Order) -> None:
    shutil.rmtree(Path(order.folder), ignore_errors=True)
    # llama.cpp's threads may be in the middle of a batch: nothing of theirs is worth a clean-up.
    os._exit(0)


if __name__ == "__main__":
    main()
