"""Measures what a worker's containment holds back, so that no level is named that was not seen.

A probe is run in the new worker as any program is. It tries what a program must not be able to:
read a file of the user's, write outside of its folder, connect to this machine, signal the server
and look at its processes. What got through is observed from outside where that is possible.
"""

from __future__ import annotations

import contextlib
import json
import os
import secrets
import socket
import tempfile
from collections.abc import Generator
from pathlib import Path
from typing import TYPE_CHECKING

from ml_coach.execution.inside.messages import JsonObject
from ml_coach.execution.warm_worker import WarmWorker

if TYPE_CHECKING:
    from ml_coach.execution.wasm.wasm_worker import WasmWorker

PROBE_SECONDS = 30.0  # A busy machine is not a leak.
PROBE = """\
import json, os, socket
facts = json.load(open("facts.json"))
got = []
def attempt(what, action):
    try:
        if action() is not False:
            got.append(what)
    except Exception:
        pass
def connect(family, address):
    with socket.socket(family, socket.SOCK_STREAM) as ours:
        ours.settimeout(1)
        ours.connect(address)
def started(process):
    try:
        return open("/proc/%d/stat" % process).read().rsplit(")", 1)[1].split()[19]
    except OSError:
        return ""
attempt("read a file", lambda: open(facts["canary"]).read() == facts["token"])
attempt("write a file", lambda: open(facts["victim"], "w").close())
attempt("connect to this machine", lambda: connect(socket.AF_INET, ("127.0.0.1", facts["port"])))
attempt("connect to a local socket", lambda: connect(socket.AF_UNIX, "\\0" + facts["abstract"]))
if not facts["is_hidden"] or started(facts["server"]) == facts["started"]:
    attempt("signal the server", lambda: os.kill(facts["server"], 0))
attempt("see other processes", lambda: started(facts["server"]) == facts["started"])
print(json.dumps(got))
"""


async def what_gets_through(worker: WarmWorker | WasmWorker, level: str) -> str:
    """What a program in this worker can do that it must not, empty where nothing was found."""
    with _canaries() as (facts, connections, victim):
        # In a process namespace of its own, the server's number may be that of another process.
        facts["is_hidden"] = level in ("namespaces", "bubblewrap", "wasm")
        files = {"probe.py": PROBE, "facts.json": json.dumps(facts)}
        request: JsonObject = {
            "kind": "script",
            "file": "probe.py",
            "package": "",
            "files": files,
            "timeout_seconds": PROBE_SECONDS,
            "parts": [{}],
        }
        (answer,) = await worker.run(request)
        if answer.error:
            return f"nothing runs: {answer.error}"
        if victim.exists():
            return "a program can write a file"
        if _has_connected(connections):
            return "a program can connect to this machine"
    try:
        got = json.loads(answer.stdout)
    except ValueError:
        return f"the probe did not end: {answer.stderr[-200:]}"
    return f"a program can {', '.join(got)}" if got else ""


@contextlib.contextmanager
def _canaries() -> Generator[tuple[dict[str, object], list[socket.socket], Path]]:
    """(what the probe is told, sockets that nobody may connect to, a file that nobody may make)."""
    token = secrets.token_hex(12)
    with tempfile.TemporaryDirectory() as folder, contextlib.ExitStack() as stack:
        canary, victim = Path(folder, "canary.txt"), Path(folder, "victim.txt")
        canary.write_text(token)
        inet = stack.enter_context(socket.socket(socket.AF_INET))
        inet.bind(("127.0.0.1", 0))
        abstract = stack.enter_context(socket.socket(socket.AF_UNIX))
        abstract.bind(f"\0ml-coach-{token}")
        for each in (inet, abstract):
            each.listen(4)
            each.setblocking(False)
        facts: dict[str, object] = {
            "token": token,
            "canary": str(canary),
            "victim": str(victim),
            "port": inet.getsockname()[1],
            "abstract": f"ml-coach-{token}",
            "server": os.getpid(),
            "started": Path("/proc/self/stat").read_text().rsplit(")", 1)[1].split()[19],
        }
        yield facts, [inet, abstract], victim


def _has_connected(sockets: list[socket.socket]) -> bool:
    for each in sockets:
        with contextlib.suppress(BlockingIOError):
            each.accept()[0].close()
            return True
    return False
