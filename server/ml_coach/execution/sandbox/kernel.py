"""The few system calls that Python's standard library has no function for."""

from __future__ import annotations

import ctypes
import os
import platform
from functools import cache

PR_SET_PDEATHSIG = 1
PR_SET_DUMPABLE = 4
PR_CAPBSET_DROP = 24
PR_SET_SECUREBITS = 28
PR_SET_CHILD_SUBREAPER = 36
PR_SET_NO_NEW_PRIVS = 38
PR_CAP_AMBIENT = 47
PR_CAP_AMBIENT_CLEAR_ALL = 4

# x86_64 and aarch64 number these alike; the others are looked up by name.
MOUNT_SETATTR = 442
LANDLOCK_CREATE_RULESET = 444
LANDLOCK_ADD_RULE = 445
LANDLOCK_RESTRICT_SELF = 446
BY_MACHINE = {
    "x86_64": {"pivot_root": 155, "capset": 126, "seccomp": 317},
    "aarch64": {"pivot_root": 41, "capset": 91, "seccomp": 277},
}


@cache
def libc() -> ctypes.CDLL:
    """The C library that this Python is linked with."""
    return ctypes.CDLL(None, use_errno=True)


def machine() -> str:
    """The kind of processor, as Linux calls it."""
    found = platform.machine()
    return {"arm64": "aarch64", "AMD64": "x86_64"}.get(found, found)


def number(name: str) -> int:
    """The number of a system call on this machine. Raises `KeyError` on unknown machines."""
    return BY_MACHINE[machine()][name]


def checked(result: int, what: str) -> int:
    """`result`, unless it says that the call failed. Raises `OSError`, which names `what`."""
    if result < 0:
        code = ctypes.get_errno()
        raise OSError(code, f"{what}: {os.strerror(code)}")
    return result


def syscall(nr: int, *arguments: object) -> int:
    """Makes a system call; below 0 where it failed."""
    return libc().syscall(ctypes.c_long(nr), *arguments)


def prctl(option: int, *values: int) -> int:
    """Makes a prctl(2) call; below 0 where it failed."""
    padded = [ctypes.c_ulong(v) for v in (*values, 0, 0, 0, 0)[:4]]
    return libc().prctl(ctypes.c_int(option), *padded)


def die_with_parent(signal_number: int) -> None:
    """The signal comes when the *thread* that forked us ends, so fork from one that lives on."""
    checked(prctl(PR_SET_PDEATHSIG, signal_number), "PR_SET_PDEATHSIG")


def set_dumpable(dumpable: bool) -> None:
    """A process that is not dumpable keeps its memory and descriptors from others of its user."""
    checked(prctl(PR_SET_DUMPABLE, int(dumpable)), "PR_SET_DUMPABLE")


def adopt_orphans() -> None:
    """Makes this process the parent of every descendant whose own parent ends."""
    checked(prctl(PR_SET_CHILD_SUBREAPER, 1), "PR_SET_CHILD_SUBREAPER")


def forbid_new_privileges() -> None:
    """No program that this process starts can gain rights, not even a set-user-id one."""
    checked(prctl(PR_SET_NO_NEW_PRIVS, 1), "PR_SET_NO_NEW_PRIVS")


def drop_capabilities() -> None:
    """No capability is left, and none can come back through a set-user-id file or uid 0."""
    capability = 0
    while prctl(PR_CAPBSET_DROP, capability) == 0:
        capability += 1
    prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL)
    prctl(PR_SET_SECUREBITS, 0x2F)  # NOROOT, NO_SETUID_FIXUP and their locks
    header = (ctypes.c_uint32 * 2)(0x20080522, 0)
    nothing = (ctypes.c_uint32 * 6)()
    checked(syscall(number("capset"), header, nothing), "capset")
