"""Runs a command on a kernel that lacks something: `old_kernel.py WHAT COMMAND ...`.

`n` denies namespaces, as containers do; `l` has no Landlock, as kernels before 5.13 and WSL 1.
Both are simulated by a seccomp filter, which cannot be taken off again.
"""

import ctypes
import os
import struct
import sys

LOAD, EQUAL, ANY_BIT, RETURN = 0x20, 0x15, 0x45, 0x06
ALLOW, NOT_ALLOWED, NOT_THERE = 0x7FFF0000, 0x50001, 0x50026
NAMESPACES = 0x7E020000

program = [(LOAD, 0, 0, 0)]
if "n" in sys.argv[1]:
    program += [(EQUAL, 0, 1, 272), (RETURN, 0, 0, NOT_ALLOWED)]  # unshare
    program += [(EQUAL, 0, 1, 435), (RETURN, 0, 0, NOT_THERE)]  # clone3
    program += [(EQUAL, 0, 4, 56), (LOAD, 0, 0, 16), (ANY_BIT, 0, 1, NAMESPACES)]
    program += [(RETURN, 0, 0, NOT_ALLOWED), (RETURN, 0, 0, ALLOW)]
if "l" in sys.argv[1]:
    for number in (444, 445, 446):
        program += [(EQUAL, 0, 1, number), (RETURN, 0, 0, NOT_THERE)]
program.append((RETURN, 0, 0, ALLOW))
raw = b"".join(struct.pack("<HBBI", *each) for each in program)
buffer = ctypes.create_string_buffer(raw, len(raw))


class Program(ctypes.Structure):
    _fields_ = [("length", ctypes.c_ushort), ("filter", ctypes.c_void_p)]


libc = ctypes.CDLL(None, use_errno=True)
libc.prctl(38, 1, 0, 0, 0)
described = Program(len(program), ctypes.cast(buffer, ctypes.c_void_p))
if libc.prctl(22, 2, ctypes.byref(described)) != 0:
    raise OSError(ctypes.get_errno(), "no seccomp here")
os.execv(sys.argv[2], sys.argv[2:])
