"""Landlock: a process gives up, for good, every file access outside the named paths.

Source: linux/Documentation/userspace-api/landlock.rst. It does not cover chmod, chown, utimes and
extended attributes, and limits signals and abstract sockets only from ABI 6 on.
"""

from __future__ import annotations

import ctypes
import os
import stat
from collections.abc import Iterable

from ml_coach.execution.sandbox import kernel

EXECUTE, WRITE_FILE, READ_FILE, READ_DIR = 1 << 0, 1 << 1, 1 << 2, 1 << 3
MAKE_CHAR, MAKE_BLOCK = 1 << 6, 1 << 11
REFER, TRUNCATE, IOCTL_DEVICE = 1 << 13, 1 << 14, 1 << 15
ALL_OF_ABI_1 = (1 << 13) - 1
ON_A_FILE = EXECUTE | WRITE_FILE | READ_FILE | TRUNCATE | IOCTL_DEVICE

READ = READ_FILE | READ_DIR | EXECUTE
WRITE = (ALL_OF_ABI_1 & ~(MAKE_CHAR | MAKE_BLOCK)) | REFER | TRUNCATE
DEVICE = READ_FILE | WRITE_FILE | TRUNCATE
TERMINAL = READ_FILE | WRITE_FILE | READ_DIR | IOCTL_DEVICE

NO_TCP = 0b11  # bind, connect
SCOPED = 0b11  # abstract unix sockets, signals


class _Ruleset(ctypes.Structure):
    _fields_ = [("files", ctypes.c_uint64), ("net", ctypes.c_uint64), ("scoped", ctypes.c_uint64)]


class _PathBeneath(ctypes.Structure):
    _pack_ = 1
    _fields_ = [("access", ctypes.c_uint64), ("parent", ctypes.c_int32)]


def abi() -> int:
    """The kernel's Landlock version, 0 where there is none."""
    version = kernel.syscall(
        kernel.LANDLOCK_CREATE_RULESET, None, ctypes.c_size_t(0), ctypes.c_uint32(1)
    )
    return max(version, 0)


def restrict(allowed: Iterable[tuple[str, int]], *, tcp: bool) -> None:
    """Allows the given accesses beneath the given paths, nothing else; see `rules`."""
    enforce(rules(allowed, tcp=tcp))


def rules(allowed: Iterable[tuple[str, int]], *, tcp: bool) -> int:
    """A descriptor of rules that allow the given accesses beneath the given paths, nothing else;
    absent paths are left out. Nothing is restricted before `enforce`.

    `tcp` keeps TCP usable, which is right only inside a network namespace of our own.
    """
    version = abi()
    handled = ALL_OF_ABI_1
    for since, access in ((2, REFER), (3, TRUNCATE), (5, IOCTL_DEVICE)):
        handled |= access if version >= since else 0
    ruleset = _Ruleset(
        handled, NO_TCP if version >= 4 and not tcp else 0, SCOPED if version >= 6 else 0
    )
    size = 8 if version < 4 else 16 if version < 6 else 24
    made = kernel.checked(
        kernel.syscall(
            kernel.LANDLOCK_CREATE_RULESET,
            ctypes.byref(ruleset),
            ctypes.c_size_t(size),
            ctypes.c_uint32(0),
        ),
        "landlock_create_ruleset",
    )
    for path, access in allowed:
        _allow(made, path, access & handled)
    return made


def enforce(rules: int) -> None:
    """Puts this process and all that it starts under the rules, for good, and closes them."""
    try:
        kernel.forbid_new_privileges()
        kernel.checked(
            kernel.syscall(kernel.LANDLOCK_RESTRICT_SELF, rules, ctypes.c_uint32(0)),
            "landlock_restrict_self",
        )
    finally:
        os.close(rules)


def _allow(rules: int, path: str, access: int) -> None:
    try:
        parent = os.open(path, os.O_PATH | os.O_CLOEXEC)
    except OSError:
        return
    try:
        if not stat.S_ISDIR(os.fstat(parent).st_mode):
            access &= ON_A_FILE
        beneath = _PathBeneath(access, parent)
        kernel.checked(
            kernel.syscall(
                kernel.LANDLOCK_ADD_RULE, rules, 1, ctypes.byref(beneath), ctypes.c_uint32(0)
            ),
            f"landlock_add_rule {path}",
        )
    finally:
        os.close(parent)
