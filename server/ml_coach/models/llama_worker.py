"""The child process that holds llama.cpp: `python -m ml_coach.models.llama_worker`.

It reads one line of JSON from stdin (see `WorkerOptions`), answers with one line on stdout once the
model is loaded, and serves until stdin ends. Nothing else is ever written to stdout; llama.cpp's
log goes to stderr. It ends when its parent ends, for whatever reason.
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
# Memory for prompts that lost their slot to another; llama.cpp's default is 8 GB.
_CACHED_PROMPTS_MIB = 256


@dataclass(frozen=True, slots=True)
class WorkerOptions:
    """What to load and where to listen. `host` is a socket's path ending in `.sock`, or loopback.

    `context` is in tokens and shared by all `slots`. `folder` is deleted at the end if the
    parent no longer can. The key comes through stdin because others can read a process's arguments
    and environment.
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
    """Loads the model that stdin describes and serves it until stdin ends."""
    options = WorkerOptions(**json.loads(sys.stdin.buffer.readline()))
    # llama.cpp may print to stdout, so our answer has a descriptor of its own.
    answer = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)
    # Loading holds the interpreter's lock for seconds, in which only SIGKILL can end us.
    _die_with_parent(options.parent, signal.SIGKILL)
    server = _load(options)
    signal.signal(signal.SIGTERM, lambda number, frame: _end(options))
    _die_with_parent(options.parent, signal.SIGTERM)
    answer.write(json.dumps({"address": server.listening_address}) + "\n")
    answer.flush()
    while os.read(0, 4096):
        pass
    _end(options)


def _load(options: WorkerOptions) -> Any:
    # Imported here because the parent imports this file for `WorkerOptions` alone; it has no types.
    llama: Any = importlib.import_module("xllamacpp")
    params = llama.CommonParams()
    params.model.path = options.model
    params.hostnames = [options.host]
    params.port = 0
    params.api_keys = [options.key]
    params.ui = False
    params.n_ctx = options.context
    params.n_parallel = options.slots
    # A mapped file would stay in memory beside the copy that is laid out for this CPU.
    params.load_mode = llama.llama_load_mode.LLAMA_LOAD_MODE_NONE
    # One pool for all slots: candidates share the cells of their prompt.
    params.kv_unified = True
    params.cache_ram_mib = _CACHED_PROMPTS_MIB
    if options.speculate:
        # Guesses the next tokens from earlier text, because a repair repeats most of the program.
        # It never changes a reply, and costs nothing where no text repeats.
        kinds = llama.common_speculative_type
        params.speculative.types = [kinds.COMMON_SPECULATIVE_TYPE_NGRAM_SIMPLE]
    params.cpuparams.n_threads = options.threads
    params.cpuparams_batch.n_threads = options.threads
    # Threads that wait for work do not spin: the tests of the program want the cores. Builds with
    # OpenMP heed OMP_WAIT_POLICY instead, see llama_process.py.
    params.cpuparams.poll = params.cpuparams_batch.poll = 0
    return llama.Server(params)


def _die_with_parent(parent: int, number: signal.Signals) -> None:
    if sys.platform != "linux":
        return  # Elsewhere the end of stdin ends the child.
    ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, int(number), 0, 0, 0)
    if os.getppid() != parent:  # The parent died before the call above.
        os.kill(os.getpid(), signal.SIGKILL)


def _end(options: WorkerOptions) -> None:
    shutil.rmtree(Path(options.folder), ignore_errors=True)
    # llama.cpp's threads may be in the middle of a batch, which has nothing to clean up.
    os._exit(0)


if __name__ == "__main__":
    main()
