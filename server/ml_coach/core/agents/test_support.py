"""What tests of scripts and of async code need, as text that stands in the suite itself.

So the suite runs with plain pytest wherever the program stands beside it.
"""

from __future__ import annotations

import re

# Runs inside of the test's own process, because a sandbox may permit no other one.
RUN_SCRIPT = '''\
def run_script(script, folder, args, stdin):
    """Runs a Python file as a command in `folder`: what it wrote, and its exit code."""
    out, err = (io.TextIOWrapper(io.BytesIO(), "utf-8", write_through=True) for _ in range(2))
    argv, streams, place = sys.argv, (sys.stdin, sys.stdout, sys.stderr), os.getcwd()
    code = 0
    try:
        os.chdir(folder)
        sys.argv = [str(script), *map(str, args)]
        sys.stdin = io.TextIOWrapper(io.BytesIO(stdin.encode()), "utf-8")
        sys.stdout, sys.stderr = out, err
        runpy.run_path(str(script), run_name="__main__")
    except SystemExit as leaving:
        code = leaving.code if isinstance(leaving.code, int) else int(leaving.code is not None)
        if isinstance(leaving.code, str):
            print(leaving.code, file=err)
    except Exception as error:
        print(f"{type(error).__name__}: {error}", file=err)
        code = 1
    finally:
        os.chdir(place)
        sys.argv, (sys.stdin, sys.stdout, sys.stderr) = argv, streams
    written = (stream.buffer.getvalue().decode() for stream in (out, err))
    return SimpleNamespace(**dict(zip(("stdout", "stderr"), written)), code=code)
'''
_RUN = '''\
@pytest.fixture
def run(tmp_path):
    """run(["a.txt"], stdin="") runs the script in tmp_path: stdout, stderr and code."""
    script = importlib.util.find_spec("{module}").origin
    return lambda args=(), stdin="": run_script(script, tmp_path, args, stdin)
'''
RUN_ASYNC = '''\
def run_async(coroutine):
    """The result of a coroutine, which has five seconds."""
    return asyncio.run(asyncio.wait_for(coroutine, 5))
'''
JOB = '''\
async def job(value, seconds=0.01):
    """A coroutine that takes some time and gives `value`, or raises it."""
    await asyncio.sleep(seconds)
    if isinstance(value, Exception):
        raise value
    return value
'''
SCRIPT_IMPORTS = ("import importlib.util", "import io", "import os", "import runpy", "import sys",
                  "from types import SimpleNamespace")  # fmt: skip
_ASYNC = {"run_async": RUN_ASYNC, "job": JOB}


def support(body: str, module: str, *, of_script: bool) -> tuple[tuple[str, ...], str]:
    """The imports and the definitions that the tests in `body` need beside the program."""
    if of_script:
        return SCRIPT_IMPORTS, "\n\n".join((RUN_SCRIPT, _RUN.replace("{module}", module)))
    used = async_support(body)
    return (("import asyncio",) if used else ()), used


def async_support(body: str) -> str:
    """The definitions for async code that `body` uses."""
    used = [text for name, text in _ASYNC.items() if re.search(rf"\b{name}\(", body)]
    return "\n\n".join(used)
