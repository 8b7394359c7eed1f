"""Windows: a process that ends when ours does, however ours ends. Not tested: we have no Windows.

Elsewhere Deno sees its standard input close, which it does on Windows as well; this is for the case
that Deno itself hangs.
"""

# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false, reportAttributeAccessIssue=false
from __future__ import annotations

import ctypes
import sys
from typing import Any

KILL_ON_CLOSE = 0x2000
EXTENDED_LIMITS = 9
FLAGS_AT = 16  # bytes: the place of LimitFlags in JOBOBJECT_EXTENDED_LIMIT_INFORMATION
LIMITS_SIZE = 144  # bytes of that structure in a 64 bit process
SET_QUOTA_AND_TERMINATE = 0x0101


def holding(process: int) -> Any:
    """A handle that the process ends with, closed by the system when ours ends; None elsewhere."""
    if sys.platform != "win32":
        return None
    kernel = ctypes.WinDLL("kernel32", use_last_error=True)
    kernel.CreateJobObjectW.restype = kernel.OpenProcess.restype = ctypes.c_void_p
    job = ctypes.c_void_p(kernel.CreateJobObjectW(None, None))
    limits = ctypes.create_string_buffer(LIMITS_SIZE)
    ctypes.c_uint32.from_buffer(limits, FLAGS_AT).value = KILL_ON_CLOSE
    kernel.SetInformationJobObject(job, EXTENDED_LIMITS, limits, LIMITS_SIZE)
    handle = ctypes.c_void_p(kernel.OpenProcess(SET_QUOTA_AND_TERMINATE, False, process))
    kernel.AssignProcessToJobObject(job, handle)
    kernel.CloseHandle(handle)
    return job
