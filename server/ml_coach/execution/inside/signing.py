"""Makes records of tests that are hard to forge, though the tests share a process with us.

User code can reach every Python object that we hold, so no object that we hold may be enough to
make a record:

* The key is inside a keyed hash, the hash is a local variable of a suspended generator, and Python
  offers one way to it, `gi_frame`. The audit hook reports that access before Python answers it.
* The generator looks at its callers. A record is trusted only when every frame on the stack runs
  code that existed before the user's did. Code is compared by identity, never by its name. Only one
  function may record how a test went (call_recorder.py), and one that the run has ended: functions
  written in C leave no frame, so they cannot be told from each other.
* The functions that lead to a record are frozen (`FrozenFunctions`): no part of them can be
  replaced.
* Records are numbered, so none can be taken away, and the last one says that it is the last.

What remains is raw memory: the audit hook (tampering.py) reports most ways there, not all. The
judge (../judge.py) believes no other record.
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

from ml_coach.execution.inside.messages import PROOF_BYTES

WriteRecord = Callable[[tuple[object, ...]], None]
PARTS = "<parts>"
# Names an object as `id` does, which would call every audit hook, and so ours, at each use.
identity_of: Callable[[object], int] = object.__hash__
# Records that may wait until the next test begins, or the end: each write wakes the supervisor.
CAN_WAIT = frozenset({"called", "report", "compared"})


def known_code(functions: Iterable[object]) -> frozenset[int]:
    """The identities of all code behind the functions among the given objects, nested code too."""
    found: set[int] = set()
    todo = [f.__code__ for f in functions if isinstance(f, types.FunctionType)]
    while todo:
        code = todo.pop()
        if identity_of(code) not in found:
            found.add(identity_of(code))
            todo += [c for c in code.co_consts if isinstance(c, types.CodeType)]
    return frozenset(found)


def record_signer(
    descriptor: int, key: bytes, trusted: frozenset[int]
) -> Generator[None, Any, None]:
    """A generator that signs records and writes each as a line to `descriptor`.

    `trusted` are the identities of the code that existed before the user's. Send the generator a
    pair first: the identities of the code that `FrozenFunctions` made, and of those of them that
    may record calls and the end. Then send it a tuple of plain strings for each record.

    Every function that it calls is a local variable and written in C: no function that user code
    could have replaced runs on top of this frame.
    """
    write, process, frame_at, identity = os.write, os.getpid, sys._getframe, identity_of
    quote, can_wait, restricted = encode_basestring_ascii, CAN_WAIT, ("called", "end")
    keyed = hashlib.blake2b(key=key, digest_size=PROOF_BYTES)
    del key
    owner, number, waiting = process(), 0, b""
    frozen, recording = yield
    fields: tuple[str, ...] = yield
    frame: Any
    while True:
        trust = "trusted"
        frame = frame_at(1)
        if fields[0] in restricted and identity(frame.f_back.f_code) not in recording:
            trust = "untrusted"
        while frame is not None:
            code = identity(frame.f_code)
            if code not in trusted and code not in frozen:
                trust = "untrusted"
                break
            frame = frame.f_back
        frame = None
        if process() == owner:  # A child that the tests forked writes no records.
            parts = [quote(field) for field in (trust, *fields)]
            body = b"[%d,%s]" % (number, ",".join(parts).encode("ascii"))
            proof = keyed.copy()
            proof.update(body)
            waiting += b"%s %s\n" % (proof.hexdigest().encode("ascii"), body)
            number += 1
            try:
                while waiting and fields[0] not in can_wait:
                    waiting = waiting[write(descriptor, waiting) :]
            except OSError:
                pass  # The tests closed the channel. Then there is no last record, and no pass.
        fields = yield


class FrozenFunctions:
    """Makes functions that nobody can change or call with other parts than their own.

    The parts are constants of the code. What a closure, an instance, a module, builtins or defaults
    hold could be replaced for a moment by any code; constants cannot. In the source they stand as
    `PARTS`. `known` are the identities of all that it made, and of what another one made `before`:
    many parts cost time, because Python looks through all constants of new code for names.
    """

    def __init__(self, before: Iterable[int] = ()) -> None:
        self.known = set(before)

    def __call__(self, function: Callable[..., Any], *parts: object) -> Callable[..., Any]:
        code = function.__code__
        constants = tuple(parts if each == PARTS else each for each in code.co_consts)
        code = code.replace(co_consts=constants)
        self.known.add(identity_of(code))
        return types.FunctionType(code, {"__builtins__": {}}, function.__name__)


def record_writer(freeze: FrozenFunctions, send: Callable[[tuple[str, ...]], None]) -> WriteRecord:
    """A function that hands records to the signer's `send`. While it does, no signal handler and no
    finalizer of the user's may run, and no exception may carry its frame away."""
    in_c: Any = importlib.import_module("_signal")  # `signal` wraps its functions in Python code.
    every = frozenset(int(number) for number in in_c.valid_signals())
    return freeze(
        _write_record,
        send,
        (in_c.pthread_sigmask, in_c.SIG_BLOCK, in_c.SIG_SETMASK, every),
        (gc.disable, gc.enable, gc.isenabled),
        (str, type, tuple, BaseException, os._exit),
    )


def _write_record(fields: tuple[object, ...]) -> None:
    parts: Any = "<parts>"
    send, signals, collector, (text, type_of, row, any_error, leave) = parts
    mask, block, restore, every = signals
    stop_collecting, collect_again, is_collecting = collector
    plain: Any = []
    for field in fields:
        plain += [field if type_of(field) is text else text(field)]
    collects = is_collecting()
    stop_collecting()
    before = mask(block, every)
    try:
        send(row(plain))
    except any_error:
        leave(70)  # No last record, no pass.
    finally:
        mask(restore, before)
        if collects:
            collect_again()
