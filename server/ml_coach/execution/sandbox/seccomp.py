"""A seccomp filter as classic BPF, assembled here: which system calls a contained run may make.

It denies what no ordinary Python program needs and what has led out of sandboxes before. Source
of the traps: bubblewrap's and flatpak's filters, CVE-2019-10063 (compare only the low 32 bits of
an ioctl), seccomp(2). Numbers: (x86_64, aarch64), None where a call does not exist there.
"""

from __future__ import annotations

import ctypes
import errno
import struct
from collections.abc import Iterator

from ml_coach.execution.sandbox import kernel

Instruction = tuple[int, int, int, int]

DENIED: dict[str, tuple[int | None, int | None]] = {
    # other processes' memory
    "ptrace": (101, 117), "process_vm_readv": (310, 270), "process_vm_writev": (311, 271),
    "kcmp": (312, 272), "pidfd_getfd": (438, 438), "process_madvise": (440, 440),
    # mounts, namespaces, other roots
    "mount": (165, 40), "umount2": (166, 39), "pivot_root": (155, 41), "chroot": (161, 51),
    "move_mount": (429, 429), "open_tree": (428, 428), "fsopen": (430, 430),
    "fsconfig": (431, 431), "fsmount": (432, 432), "fspick": (433, 433),
    "mount_setattr": (442, 442), "open_tree_attr": (467, 467), "statmount": (457, 457),
    "listmount": (458, 458), "unshare": (272, 97), "setns": (308, 268),
    "open_by_handle_at": (304, 265), "name_to_handle_at": (303, 264),
    # large kernel surface
    "bpf": (321, 280), "perf_event_open": (298, 241), "userfaultfd": (323, 282),
    "io_uring_setup": (425, 425), "io_uring_enter": (426, 426), "io_uring_register": (427, 427),
    "keyctl": (250, 219), "add_key": (248, 217), "request_key": (249, 218),
    "fanotify_init": (300, 262), "memfd_secret": (447, 447), "vmsplice": (278, 75),
    "migrate_pages": (256, 238), "move_pages": (279, 239), "set_mempolicy_home_node": (450, 450),
    "modify_ldt": (154, None), "lookup_dcookie": (212, 18), "quotactl": (179, 60),
    "quotactl_fd": (443, 443),
    # what the whole machine shares: requests under way are counted for all its users together, and
    # watches on the system's files tell which programs others start
    "io_setup": (206, 0), "inotify_init": (253, None), "inotify_init1": (294, 26),
    "inotify_add_watch": (254, 27),
    # the machine itself
    "init_module": (175, 105), "finit_module": (313, 273), "delete_module": (176, 106),
    "kexec_load": (246, 104), "kexec_file_load": (320, 294), "reboot": (169, 142),
    "swapon": (167, 224), "swapoff": (168, 225), "sethostname": (170, 161),
    "setdomainname": (171, 162), "iopl": (172, None), "ioperm": (173, None), "acct": (163, 89),
    "syslog": (103, 116), "settimeofday": (164, 170), "clock_settime": (227, 112),
    "adjtimex": (159, 171), "clock_adjtime": (305, 266), "vhangup": (153, 58),
    "uselib": (134, None), "ustat": (136, None), "sysfs": (139, None), "_sysctl": (156, None),
    "nfsservctl": (180, 42),
}  # fmt: skip

# Memory that belongs to no process, so no watch on processes sees it.
UNSEEN_MEMORY: dict[str, tuple[int | None, int | None]] = {
    "shmget": (29, 194), "shmat": (30, 196), "semget": (64, 190), "msgget": (68, 186),
    "mq_open": (240, 180),
}  # fmt: skip
MEMORY_FILE: dict[str, tuple[int | None, int | None]] = {"memfd_create": (319, 279)}

# Landlock does not cover these: without a mount namespace they succeed and do nothing.
METADATA: dict[str, tuple[int | None, int | None]] = {
    "chmod": (90, None), "fchmod": (91, 52), "fchmodat": (268, 53), "fchmodat2": (452, 452),
    "chown": (92, None), "fchown": (93, 55), "lchown": (94, None), "fchownat": (260, 54),
    "utime": (132, None), "utimes": (235, None), "futimesat": (261, None), "utimensat": (280, 88),
}  # fmt: skip

# Landlock does not cover these either, and in memory that no limit of a run counts they hold what a
# program likes. They fail as on a file system that has none.
ATTRIBUTES: dict[str, tuple[int | None, int | None]] = {
    "setxattr": (188, 5), "lsetxattr": (189, 6), "fsetxattr": (190, 7), "removexattr": (197, 14),
    "lremovexattr": (198, 15), "fremovexattr": (199, 16), "setxattrat": (463, 463),
    "removexattrat": (466, 466),
}  # fmt: skip

EXAMINED: dict[str, tuple[int | None, int | None]] = {
    "clone": (56, 220), "clone3": (435, 435), "ioctl": (16, 29), "socket": (41, 198),
    "socketpair": (53, 199), "mknod": (133, None), "mknodat": (259, 33), "prlimit64": (302, 261),
    "personality": (135, 92), "prctl": (157, 167), "setsockopt": (54, 208),
}  # fmt: skip

# Anything newer is "not implemented", and libc falls back. The next two read and change a file's
# flags by its path, which Landlock does not cover.
NEWEST_KNOWN = 467
AUDIT_ARCHITECTURE = {"x86_64": 0xC000_003E, "aarch64": 0xC000_00B7}
X32_BIT = 0x4000_0000

LOAD, JUMP_EQUAL, JUMP_AT_LEAST, JUMP_ANY_BIT, AND, RETURN = 0x20, 0x15, 0x35, 0x45, 0x54, 0x06
ALLOW, KILL = 0x7FFF_0000, 0x8000_0000
NAMESPACE_FLAGS = 0x7E02_0080  # every CLONE_NEW*, time included
FORBIDDEN_IOCTLS = (0x5412, 0x541C, 0x5423, 0x540E)  # TIOCSTI TIOCLINUX TIOCSETD TIOCSCTTY
AF_UNIX, AF_INET, AF_INET6 = 1, 2, 10
STREAM, DATAGRAM, SEQPACKET = 1, 2, 5
PROTOCOLS = (0, 6, 17)  # the usual one of the kind, TCP, UDP
SOL_SOCKET, BUFFER_SIZES = 1, (7, 8, 32, 33)
SET_PTRACER, SET_DUMPABLE = 0x59616D61, kernel.PR_SET_DUMPABLE


def _fails(code: int) -> int:
    return 0x0005_0000 | code


def _low_word(argument: int) -> Instruction:
    return (LOAD, 0, 0, 16 + 8 * argument)


def _one_of(values: tuple[int, ...], hit: int, miss: int) -> list[Instruction]:
    """Ends the filter with `hit` when the accumulator is one of `values`, else with `miss`."""
    tests = [(JUMP_EQUAL, len(values) - i, 0, value) for i, value in enumerate(values)]
    return [*tests, (RETURN, 0, 0, miss), (RETURN, 0, 0, hit)]


def build(*, apart: bool, worker: bool = False, machine: str = "") -> bytes:
    """The filter's program. `apart` says that namespaces are around the run, so loopback and unix
    sockets reach nothing of the user's; without them they are denied as well. `worker` leaves what
    runs may not do and what starts them has to."""
    machine = machine or kernel.machine()
    column = 0 if machine == "x86_64" else 1
    program: list[Instruction] = [
        (LOAD, 0, 0, 4),
        (JUMP_EQUAL, 1, 0, AUDIT_ARCHITECTURE[machine]),
        (RETURN, 0, 0, KILL),
        (LOAD, 0, 0, 0),
    ]
    if machine == "x86_64":
        program += [(JUMP_AT_LEAST, 0, 1, X32_BIT), (RETURN, 0, 0, _fails(errno.EPERM))]
    program += [(JUMP_AT_LEAST, 0, 1, NEWEST_KNOWN + 1), (RETURN, 0, 0, _fails(errno.ENOSYS))]

    def answer(table: dict[str, tuple[int | None, int | None]], result: int) -> None:
        for numbers in table.values():
            if (number := numbers[column]) is not None:
                program.extend([(JUMP_EQUAL, 0, 1, number), (RETURN, 0, 0, result)])

    denied = _fails(errno.EPERM)
    answer(DENIED, denied)
    answer(UNSEEN_MEMORY, denied)
    answer(ATTRIBUTES, _fails(errno.ENOTSUP))
    if not worker:
        answer(MEMORY_FILE, _fails(errno.ENOSYS))  # Libraries take a temporary file then.
    if not apart:
        answer(METADATA, _fails(0))

    for name, body in _argument_checks(apart=apart):
        if worker and name == "prctl":
            continue
        if (number := EXAMINED[name][column]) is not None:
            program += [(JUMP_EQUAL, 0, len(body), number), *body]
    program.append((RETURN, 0, 0, ALLOW))
    return b"".join(struct.pack("<HBBI", *instruction) for instruction in program)


def _argument_checks(*, apart: bool) -> Iterator[tuple[str, list[Instruction]]]:
    """(system call, instructions) for calls that depend on their arguments. The instructions end in
    a return on every way through them."""
    denied = _fails(errno.EPERM)
    # clone3's flags are behind a pointer that no filter can follow; libc falls back to clone.
    yield ("clone3", [(RETURN, 0, 0, _fails(errno.ENOSYS))])
    yield ("clone", [_low_word(0), (JUMP_ANY_BIT, 0, 1, NAMESPACE_FLAGS),
                     (RETURN, 0, 0, denied), (RETURN, 0, 0, ALLOW)])  # fmt: skip
    yield ("ioctl", [_low_word(1), *_one_of(FORBIDDEN_IOCTLS, denied, ALLOW)])
    for name, argument in (("mknod", 1), ("mknodat", 2)):
        device_types = _one_of((0o020000, 0o060000), denied, ALLOW)
        yield (name, [_low_word(argument), (AND, 0, 0, 0o170000), *device_types])
    yield ("prlimit64", [_low_word(0), *_one_of((0,), ALLOW, denied)])
    yield ("personality", [_low_word(0), *_one_of((0, 0xFFFF_FFFF), ALLOW, denied)])
    # A run that could make itself dumpable again would open its memory to its own children.
    yield ("prctl", [_low_word(0), *_one_of((SET_DUMPABLE, SET_PTRACER), denied, ALLOW)])
    families = (AF_UNIX, AF_INET, AF_INET6) if apart else ()
    refused = _fails(errno.EAFNOSUPPORT if apart else errno.EPERM)
    # Other protocols, such as MPTCP and UDP-Lite, are more of the kernel than programs need.
    protocols = [(JUMP_EQUAL, len(PROTOCOLS) - i, 0, p) for i, p in enumerate(PROTOCOLS)]
    usual = [_low_word(2), *protocols, (RETURN, 0, 0, _fails(errno.EPROTONOSUPPORT))]
    kinds = [_low_word(1), (AND, 0, 0, 0xF), *_one_of((STREAM, DATAGRAM, SEQPACKET), ALLOW, denied)]
    check = [(JUMP_EQUAL, len(families) - i, 0, f) for i, f in enumerate(families)]
    yield (
        "socket",
        [_low_word(0), *check, (RETURN, 0, 0, refused), *([*usual, *kinds] if apart else [])],
    )
    yield ("socketpair", [_low_word(0), *_one_of((AF_UNIX,), ALLOW, denied)])
    # What waits in a socket counts as no process's memory, so buffers keep the size they have.
    yield ("setsockopt", [_low_word(1), (JUMP_EQUAL, 1, 0, SOL_SOCKET), (RETURN, 0, 0, ALLOW),
                          _low_word(2), *_one_of(BUFFER_SIZES, _fails(0), ALLOW)])  # fmt: skip


class _Program(ctypes.Structure):
    _fields_ = [("length", ctypes.c_ushort), ("filter", ctypes.c_void_p)]


def install(program: bytes) -> None:
    """Puts the filter on this process and on all that it starts; it cannot be removed."""
    kernel.forbid_new_privileges()
    buffer = ctypes.create_string_buffer(program, len(program))
    described = _Program(len(program) // 8, ctypes.cast(buffer, ctypes.c_void_p))
    for_every_thread = 1
    kernel.checked(
        kernel.syscall(kernel.number("seccomp"), 1, for_every_thread, ctypes.byref(described)),
        "seccomp",
    )
