"""Linux namespaces without a helper program: a root of our own, made of what a run may read.

Two steps. `build_root` makes the worker's root once: almost empty, read-only, with the system's
libraries and Python in it. `mount_run_folders` then gives each run its own, inside that root:
private processes, loopback, ipc, and the one folder that it may write to.
"""

from __future__ import annotations

import ctypes
import importlib
import os
import socket
import stat
import struct
from collections.abc import Iterable, Sequence
from pathlib import Path

from ml_coach.execution.sandbox import kernel

NEW_MOUNT, NEW_CGROUP, NEW_UTS = 0x0002_0000, 0x0200_0000, 0x0400_0000
NEW_IPC, NEW_USER, NEW_PID, NEW_NET = 0x0800_0000, 0x1000_0000, 0x2000_0000, 0x4000_0000
ALL_BUT_USER = NEW_MOUNT | NEW_CGROUP | NEW_UTS | NEW_IPC | NEW_PID | NEW_NET

READ_ONLY, NO_SUID, NO_DEVICES, NO_EXEC = 1, 2, 4, 8
REMOUNT, BIND, RECURSIVE, PRIVATE, SLAVE = 32, 4096, 16384, 1 << 18, 1 << 19
DETACH = 2
AT_RECURSIVE = 0x8000

BOX = "/box"  # the only place a run writes to; its limit is the disk limit
WORK = "/box/work"
TEMPORARY = "/box/tmp"
INNER_ID = 1000
# What a run finds in /etc: its own user, of INNER_ID and at home in TEMPORARY, and this machine.
ETC = Path(__file__).with_name("etc")
DEVICES = ("null", "zero", "full", "random", "urandom")
SYSTEM = ("/usr", "/bin", "/sbin", "/lib", "/lib64", "/lib32")
SYSTEM_FILES = (
    "/etc/ld.so.cache",
    "/etc/localtime",
    "/etc/ssl",
    "/etc/alternatives",
    "/etc/mime.types",
)


class _MountAttributes(ctypes.Structure):
    _fields_ = [(name, ctypes.c_uint64) for name in ("set", "clear", "propagation", "userns")]


def unshare(flags: int) -> None:
    """Puts this process, or its children, into new namespaces (`NEW_*`). Raises `OSError`."""
    kernel.checked(kernel.libc().unshare(ctypes.c_int(flags)), "unshare")


def map_ids(outer_uid: int, outer_gid: int) -> None:
    """Inside the new user namespace we are INNER_ID. Needs a dumpable process."""
    Path("/proc/self/setgroups").write_text("deny")
    Path("/proc/self/uid_map").write_text(f"{INNER_ID} {outer_uid} 1")
    Path("/proc/self/gid_map").write_text(f"{INNER_ID} {outer_gid} 1")


def build_root(readable: Iterable[str]) -> None:
    """Changes this process's root to a read-only one that holds the system, Python and `readable`.

    Called as the first process of a new pid namespace, for /proc. Symbolic links are resolved
    before the old root goes: every path stays valid under the name that was asked for.
    """
    sources = {path: os.path.realpath(path) for path in (*SYSTEM_FILES, *readable)}
    names = {file.name: file.read_bytes() for file in ETC.iterdir()}
    _mount(None, "/", None, RECURSIVE | SLAVE)
    stage = "/tmp"
    _mount("root", stage, "tmpfs", NO_SUID | NO_DEVICES, "mode=0755,size=4m")
    os.mkdir("/tmp/new")
    os.mkdir("/tmp/old")
    _pivot_root("/tmp", "/tmp/old")
    os.chdir("/")
    _mount("/new", "/new", None, BIND | RECURSIVE)

    _system_folders()
    for path, source in sources.items():
        _bind_readable(source, path)
    for folder in (WORK, "/proc", "/dev", "/etc"):
        os.makedirs(f"/new{folder}", exist_ok=True)
    if not os.path.lexists("/new/tmp"):
        os.symlink(TEMPORARY, "/new/tmp")
    for name, text in names.items():
        Path(f"/new/etc/{name}").write_bytes(text)
    _devices()
    _mount("proc", "/new/proc", "proc", NO_SUID | NO_DEVICES | NO_EXEC)

    kernel.checked(kernel.libc().umount2(b"/old", DETACH), "umount old root")
    os.chdir("/new")
    _pivot_root(".", ".")
    kernel.checked(kernel.libc().umount2(b".", DETACH), "umount stage")
    os.chdir("/")
    _mount(None, "/", None, REMOUNT | BIND | READ_ONLY | NO_SUID | NO_DEVICES)


def mount_run_folders(disk_mb: int, readable: Iterable[str], shared_mb: int = 64) -> None:
    """The run's own mounts, in a mount namespace that was just unshared: writable folder, shared
    memory, terminals, and a /proc that shows its own processes only."""
    guarded = NO_SUID | NO_DEVICES
    _mount("box", BOX, "tmpfs", guarded, f"mode=0755,size={disk_mb}m,nr_inodes=20k")
    shared = f"mode=1777,size={shared_mb}m,nr_inodes=20k"
    _mount("shm", "/dev/shm", "tmpfs", guarded | NO_EXEC, shared)
    _mount("devpts", "/dev/pts", "devpts", NO_SUID | NO_EXEC, "newinstance,ptmxmode=0666,mode=0620")
    os.mkdir(WORK)
    os.mkdir(TEMPORARY, 0o777)
    if not os.path.islink("/tmp"):
        _cover_tmp([path for path in readable if path.startswith("/tmp/")])
    _mount("proc", "/proc", "proc", guarded | NO_EXEC)
    for name in ("tcp_rmem", "tcp_wmem"):  # what waits in sockets is not seen as memory
        Path(f"/proc/sys/net/ipv4/{name}").write_text("4096 65536 262144")


def mounted_in_tmp(readable: Iterable[str]) -> list[str]:
    """Where `_cover_tmp` mounts what of `readable` is below /tmp, as a place below TEMPORARY."""
    return [TEMPORARY + path[len("/tmp") :] for path in readable if path.startswith("/tmp/")]


def _cover_tmp(shown: list[str]) -> None:
    """Makes /tmp the run's own, also where Python itself is below it; that is mounted once more."""
    held = {path: os.open(path, os.O_PATH) for path in shown}
    _mount(TEMPORARY, "/tmp", None, BIND)
    for path, descriptor in held.items():
        _mount_point(path, is_folder=stat.S_ISDIR(os.fstat(descriptor).st_mode))
        _mount(f"/proc/self/fd/{descriptor}", path, None, BIND | RECURSIVE)
        os.close(descriptor)


def raise_loopback() -> None:
    """Switches on `lo`, which is down in a new network namespace. Raises `OSError`."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as any_socket:
        up_and_running = struct.pack("16sH14x", b"lo", 0x1 | 0x40)
        fcntl = importlib.import_module("fcntl")  # There is none on Windows.
        fcntl.ioctl(any_socket, 0x8914, up_and_running)


def _system_folders() -> None:
    for path in SYSTEM:
        if os.path.islink(f"/old{path}"):  # merged /usr: /bin -> usr/bin
            os.symlink(os.readlink(f"/old{path}"), f"/new{path}")
        elif os.path.isdir(f"/old{path}"):
            _bind_readable(path, path)


def _bind_readable(source: str, path: str) -> None:
    source, target = f"/old{source}", f"/new{path}"
    if not os.path.lexists(source) or os.path.ismount(target):
        return
    if os.path.exists(target) and os.path.samefile(source, target):
        return  # already there as part of a folder above
    _mount_point(target, is_folder=os.path.isdir(source))
    _mount(source, target, None, BIND | RECURSIVE)
    attributes = _MountAttributes(READ_ONLY | NO_SUID | NO_DEVICES, 0, PRIVATE, 0)
    kernel.checked(
        kernel.syscall(
            kernel.MOUNT_SETATTR,
            ctypes.c_int(-100),
            target.encode(),
            ctypes.c_uint(AT_RECURSIVE),
            ctypes.byref(attributes),
            ctypes.c_size_t(ctypes.sizeof(attributes)),
        ),
        f"mount_setattr {path}",
    )


def _mount_point(path: str, *, is_folder: bool) -> None:
    os.makedirs(path if is_folder else os.path.dirname(path), 0o755, exist_ok=True)
    if not is_folder:
        Path(path).touch(0o644)


def _devices() -> None:
    _mount("dev", "/new/dev", "tmpfs", NO_SUID | NO_EXEC, "mode=0755,size=64k")
    for name in DEVICES:
        Path(f"/new/dev/{name}").touch(0o666)
        _mount(f"/old/dev/{name}", f"/new/dev/{name}", None, BIND)
    links = {"fd": "/proc/self/fd", "ptmx": "pts/ptmx"}
    for number, name in enumerate(("stdin", "stdout", "stderr")):
        links[name] = f"/proc/self/fd/{number}"
    for name, target in links.items():
        os.symlink(target, f"/new/dev/{name}")
    os.mkdir("/new/dev/shm")
    os.mkdir("/new/dev/pts")
    _mount(None, "/new/dev", None, REMOUNT | BIND | READ_ONLY | NO_SUID | NO_EXEC)


def _mount(
    source: str | None, target: str, kind: str | None, flags: int, options: str | None = None
) -> None:
    def text(value: str | None) -> bytes | None:
        return None if value is None else os.fsencode(value)

    result = kernel.libc().mount(
        text(source), text(target), text(kind), ctypes.c_ulong(flags), text(options)
    )
    kernel.checked(result, f"mount {target}")


def _pivot_root(new: str, put_old: str) -> None:
    kernel.checked(
        kernel.syscall(kernel.number("pivot_root"), new.encode(), put_old.encode()), "pivot_root"
    )


def outermost(paths: Sequence[str]) -> list[str]:
    """The paths without those that lie beneath another one, shortest first."""
    kept: list[str] = []
    for path in sorted(set(paths), key=len):
        if not any(path == above or path.startswith(above.rstrip("/") + "/") for above in kept):
            kept.append(path)
    return kept
