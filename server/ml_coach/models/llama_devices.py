"""Which devices the installed build of llama.cpp can use, asked in a child process.

The library is not loaded into our own process, and a broken driver may end whoever asks it.
"""

from __future__ import annotations

import subprocess
import sys

_SECONDS = 20
_PROGRAM = """
import xllamacpp as x
kinds = x.ggml_backend_dev_type
cards = (kinds.GGML_BACKEND_DEVICE_TYPE_GPU, kinds.GGML_BACKEND_DEVICE_TYPE_IGPU)
print(max((d["memory_total"] for d in x.get_device_info() if d["type"] in cards), default=0))
"""


def graphics_memory() -> int:
    """The memory of the largest graphics card that llama.cpp can use here, in bytes; else 0."""
    try:
        asked = subprocess.run(
            [sys.executable, "-I", "-c", _PROGRAM],
            capture_output=True, stdin=subprocess.DEVNULL, timeout=_SECONDS, check=True, text=True,
        )  # fmt: skip
        return int(asked.stdout.split()[-1])
    except (OSError, subprocess.SubprocessError, ValueError, IndexError):
        return 0
