"""Makes records of tests that the tests can not forge, though they share a process with us.

User code may reach every Python object that we hold, so nothing that we hold may be enough:

* The key is inside a keyed hash, the hash is a local variable of a suspended generator, and Python
  offers one way to it, `gi_frame`, which the watcher reports before it is answered.
* The generator looks at its callers. A record is honest only when every frame on the stack runs
  code that existed before the user's did; code is compared by identity, never by its name. How a
  test went is told by one function only (witness.py): functions written in C leave no frame.
* What leads to a record is fixed (`Fixing`): no part of it can be replaced.
* Records are numbered, so none can be taken away, and the last one says that it is the last.

What remains is reading raw memory (ctypes), which the watcher (tampering.py) reports too. judge.py
believes nothing else.
"""

# pyright: reportPrivateUsage=false
from __future__ import annotations

import gc
import hashlib
import importlib
import os
import sys
import types
from collections.abc import Callable, Generator, Iterable
from json.encoder import encode_basestring_ascii
from typing import Any

Tell = Callable[[tuple[object, ...]], None]
PROOF_BYTES = 16
PARTS = "<parts>"
CAN_WAIT = frozenset({"called", "report"})  # until the next test begins, or the end


def known_code(functions: Iterable[object]) -> frozenset[int]:
    """The identities of all code behind the functions among the given objects, nested code too."""
    found: set[int] = set()
    todo = [f.__code__ for f in functions if isinstance(f, types.FunctionType)]
    while todo:
        code = todo.pop()
        if id(code) not in found:
            found.add(id(code))
            todo += [c for c in code.co_consts if isinstance(c, types.CodeType)]
    return frozenset(found)


def notary(descriptor: int, key: bytes, trusted: frozenset[int]) -> Generator[None, Any, None]:
    """Send it what `Fixing` made and which of that are witnesses; then, each time, a tuple of plain
    strings: it signs them and writes a line to `descriptor`, at once or, where that is early
    enough, with the next one: each write wakes the supervisor.

    Every function that it calls is a local variable and written in C: nothing that user code
    could have replaced runs on top of this frame.
    """
    write, process, frame_at, identity = os.write, os.getpid, sys._getframe, id
    quote, can_wait = encode_basestring_ascii, CAN_WAIT
    keyed = hashlib.blake2b(key=key, digest_size=PROOF_BYTES)
    del key
    owner, number, waiting = process(), 0, b""
    fixed, witnesses = yield
    fields: tuple[str, ...] = yield
    frame: Any
    while True:
        honest = "honest"
        frame = frame_at(1)
        if fields[0] == "called" and identity(frame.f_back.f_code) not in witnesses:
            honest = "forged"
        while frame is not None:
            if identity(frame.f_code) not in trusted and identity(frame.f_code) not in fixed:
                honest = "forged"
                break
            frame = frame.f_back
        frame = None
        if process() == owner:  # a child that the tests forked stays silent
            parts = [quote(field) for field in (honest, *fields)]
            body = b"[%d,%s]" % (number, ",".join(parts).encode("ascii"))
            proof = keyed.copy()
            proof.update(body)
            waiting += b"%s %s\n" % (proof.hexdigest().encode("ascii"), body)
            number += 1
            try:
                while waiting and fields[0] not in can_wait:
                    waiting = waiting[write(descriptor, waiting) :]
            except OSError:
                pass  # The tests closed it. Then there is no last record, and no pass.
        fields = yield


class Fixing:
    """Makes functions that nobody can change or call with other parts than their own.

    The parts are constants of the code: unlike what a closure, an instance, a module, builtins or
    defaults hold, which any code may replace for a moment. In the source they stand as `PARTS`.
    `known` are the identities of all that it made, and of what another one made `before`: large
    parts cost time, for Python looks through them for names.
    """

    def __init__(self, before: Iterable[int] = ()) -> None:
        self.known = set(before)

    def __call__(self, function: Callable[..., Any], *parts: object) -> Callable[..., Any]:
        code = function.__code__
        constants = tuple(parts if each == PARTS else each for each in code.co_consts)
        code = code.replace(co_consts=constants)
        self.known.add(id(code))
        return types.FunctionType(code, {"__builtins__": {}}, function.__name__)


def teller(fix: Fixing, send: Callable[[tuple[str, ...]], None]) -> Tell:
    """A function that records with the notary's `send`. While it does, no signal handler and no
    finalizer of the user's may run, and no exception may carry its frame away."""
    in_c: Any = importlib.import_module("_signal")  # what `signal` wraps with Python code
    every = frozenset(int(number) for number in in_c.valid_signals())
    return fix(
        _tell,
        send,
        (in_c.pthread_sigmask, in_c.SIG_BLOCK, in_c.SIG_SETMASK, every),
        (gc.disable, gc.enable, gc.isenabled),
        (str, type, tuple, BaseException, os._exit),
    )


def _tell(fields: tuple[object, ...]) -> None:
    parts: Any = "<parts>"
    send, signals, collector, (text, kind_of, row, anything, leave) = parts
    mask, block, restore, every = signals
    stop_collecting, collect_again, collecting = collector
    plain: Any = []
    for field in fields:
        plain += [field if kind_of(field) is text else text(field)]
    collects = collecting()
    stop_collecting()
    before = mask(block, every)
    try:
        send(row(plain))
    except anything:
        leave(70)  # No last record, no pass.
    finally:
        mask(restore, before)
        if collects:
            collect_again()
