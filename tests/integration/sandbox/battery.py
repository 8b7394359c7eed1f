"""Runs every case as the user it is started as, and prints what came of each as JSON.

It plays the server: it holds secrets in its environment, its arguments, its memory, an open file
and its standard input, listens on sockets that nobody may connect to, and runs the cases through
one executor, as the server does. Only what can be observed outside of the sandbox counts.

    python battery.py --secret TOKEN --level namespaces [--only NAME ...]
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import ctypes
import importlib.util
import json
import os
import resource
import secrets
import socket
import sys
import sysconfig
import tempfile
import threading
import time
from dataclasses import dataclass, field
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))

import attacks
import forgeries
import kinds
import ordinary
import reaches

from ml_coach.execution.executor import SandboxedExecutor
from ml_coach.execution.sandbox.limits import ResourceLimits

TIMEOUT_SECONDS = 15.0
# The prelude of the attacks imports it, and where there is none no attack would begin.
STAND_INS = {"wasm": {"resource.py": ""}}


@dataclass
class Host:
    """What an attack is after: a home, a workspace and a file outside, with secrets in them, and
    sockets that count who connects."""

    folder: Path
    token: str
    connections: list[str] = field(default_factory=list)
    sockets: list[socket.socket] = field(default_factory=list)

    def prepare(self) -> None:
        for name, text in {
            "home/.ssh/id_ed25519": self.token,
            "workspace/.env": self.token,
            "workspace/module.py": f"# {self.token}",
            "victim.txt": "original",
            "open.txt": self.token,
        }.items():
            (self.folder / name).parent.mkdir(parents=True, exist_ok=True)
            (self.folder / name).write_text(text)
        inet = socket.AF_INET
        for family, kind, address in (
            (inet, socket.SOCK_STREAM, ("127.0.0.1", 0)),
            (inet, socket.SOCK_DGRAM, ("127.0.0.1", 0)),
            (socket.AF_UNIX, socket.SOCK_STREAM, str(self.folder / "socket")),
            (socket.AF_UNIX, socket.SOCK_STREAM, f"\0ml-coach-{self.token}"),
        ):
            listening = socket.socket(family, kind)
            listening.bind(address)
            if kind == socket.SOCK_STREAM:
                listening.listen(16)
            self.sockets.append(listening)
            threading.Thread(target=self._watch, args=(listening, kind), daemon=True).start()

    def _watch(self, listening: socket.socket, kind: int) -> None:
        with contextlib.suppress(OSError):
            while True:
                if kind == socket.SOCK_STREAM:
                    listening.accept()[0].close()
                else:
                    listening.recv(100)
                self.connections.append(str(listening.getsockname()))

    def facts(self, marker: str) -> dict[str, object]:
        return {
            "marker": marker,
            "home": str(self.folder / "home"),
            "workspace": str(self.folder / "workspace"),
            "victim": str(self.folder / "victim.txt"),
            "server_pid": os.getpid(),
            "server_source": str(Path(__file__)),
            "secret_address": ctypes.addressof(SECRET_IN_MEMORY),
            "site": sysconfig.get_path("purelib"),
            "tcp": self.sockets[0].getsockname()[1],
            "udp": self.sockets[1].getsockname()[1],
            "unix": str(self.folder / "socket"),
            "abstract": f"ml-coach-{self.token}",
            "shm_key": 0x5B00_0000 | secrets.randbelow(1 << 23),
            "kind": "script",
        }

    def state(self) -> dict[str, tuple[object, ...]]:
        found: dict[str, tuple[object, ...]] = {}
        for path in sorted(self.folder.rglob("*")):
            status = path.lstat()
            attributes = tuple(os.listxattr(path, follow_symlinks=False))
            text = path.read_bytes() if path.is_file() else b""
            found[str(path)] = (
                status.st_mode,
                status.st_mtime_ns,
                status.st_nlink,
                text,
                attributes,
            )
        return found


SECRET_IN_MEMORY = ctypes.create_string_buffer(64)


def processes_named(marker: str) -> list[int]:
    found: list[int] = []
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            with contextlib.suppress(OSError):
                if (entry / "comm").read_text().strip() == marker:
                    found.append(int(entry.name))
    return found


async def attacked(attack: attacks.Attack, executor: SandboxedExecutor, host: Host) -> str:
    """What the attack achieved, or nothing."""
    marker = f"e{secrets.token_hex(5)}"
    facts = host.facts(marker)
    files = {"attack.py": attacks.PRELUDE + attack.code, "facts.json": json.dumps(facts)}
    files |= STAND_INS.get(await executor.prepare(), {})
    before, limits = host.state(), resource.getrlimit(resource.RLIMIT_NOFILE)
    started = time.monotonic()
    ran = await executor.run("attack.py", files, timeout_seconds=attack.timeout_seconds)
    seconds = time.monotonic() - started
    printed = ran.stdout + ran.stderr
    message = ran.findings[0].message if ran.findings else ""
    if "began" not in ran.stdout:
        return f"it did not run: {message} {ran.stderr[-300:]}"
    if host.token in printed:
        return "it read a secret"
    if "ESCAPED" in printed:
        return printed[printed.index("ESCAPED") :][:200]
    if host.state() != before:
        return "it changed something outside"
    if resource.getrlimit(resource.RLIMIT_NOFILE) != limits:
        return "it changed the server's limits"
    if left := processes_named(marker):
        return f"processes are left: {left}"
    if seconds > attack.timeout_seconds + 2:
        return f"it took {seconds:.1f} s of {attack.timeout_seconds}"
    if attack.limit != ran.limit:
        return f"the limit was {ran.limit or 'none'}, not {attack.limit}: {message}"
    if attack.limit and not message.startswith("stopped:"):
        return f"the finding does not name the limit: {message}"
    return ""


async def forged(files: dict[str, str], executor: SandboxedExecutor) -> str:
    report = await executor.test_files(files, timeout_seconds=TIMEOUT_SECONDS)
    if report.verdict == "passed":
        return "it passed"
    if any("ESCAPED" in finding.detail for finding in report.findings):
        return "it reached the signer"
    return "" if report.why else "there is no reason given"


async def worked(code: str, executor: SandboxedExecutor) -> str:
    files = {"program.py": f"{code}\nprint('COMPLETE')\n", "beside.py": "VALUE = 7\n"}
    files["table.csv"] = "a,b\n1,2\n"
    ran = await executor.run("program.py", files, timeout_seconds=TIMEOUT_SECONDS)
    return "" if ran.clean and "COMPLETE" in ran.stdout else f"{ran.findings} {ran.stderr[-500:]}"


async def passed(files: dict[str, str], executor: SandboxedExecutor) -> str:
    report = await executor.test_files(files, timeout_seconds=TIMEOUT_SECONDS)
    return "" if report.verdict == "passed" else f"{report.verdict}: {report.why}"


async def judged(files: dict[str, str], executor: SandboxedExecutor) -> str:
    report = await executor.test_files(files, timeout_seconds=TIMEOUT_SECONDS)
    return "" if report.verdict == "passed" or report.why else "there is no reason given"


async def run_all(host: Host, level: str, only: list[str]) -> dict[str, str]:
    """What went wrong, by case; an empty text where nothing did."""
    executor = SandboxedExecutor(only_level=level, allow_weak=level == "weak")
    quick = SandboxedExecutor(only_level=level, limits=ResourceLimits())
    installed = {n: c for n, c in ordinary.WITH_PACKAGES.items() if importlib.util.find_spec(n)}
    jobs = {
        **{f"attack/{a.name}": (attacked, a, executor, host) for a in attacks.ATTACKS},
        **{f"forgery/{n}": (forged, f, quick) for n, f in forgeries.all_forgeries().items()},
        **{
            f"program/{n}": (worked, c, quick)
            for n, c in {**ordinary.PROGRAMS, **installed}.items()
        },
        **{f"kind/{n}": (forged, f, quick) for n, f in kinds.FORGERIES.items()},
        **{f"reach/{n}": (forged, f, quick) for n, f in reaches.all_forgeries().items()},
        **{
            f"honest/{n}": (passed, f, quick) for n, f in {**kinds.HONEST, **reaches.HONEST}.items()
        },
        **{f"either/{n}": (judged, f, quick) for n, f in kinds.EITHER.items()},
        **{f"suite/{n}": (passed, f, quick) for n, f in ordinary.all_suites().items()},
    }
    chosen = {n: job for n, job in jobs.items() if not only or any(word in n for word in only)}

    async def in_turn(names: list[str]) -> dict[str, str]:
        found: dict[str, str] = {}
        for name in names:
            what, *arguments = chosen[name]
            found[name] = await what(*arguments)
        return found

    # What an attack changes on the host is looked at after it, so attacks run one at a time; the
    # rest runs beside them.
    own = [name for name in chosen if name.startswith("attack/")]
    rest = [name for name in chosen if not name.startswith("attack/")]
    try:
        parts = await asyncio.gather(in_turn(own), in_turn(rest))
        found = {name: wrong for part in parts for name, wrong in part.items()}
        # Beside the rest, an attack may come to its limit before its first word.
        cut_short = [name for name in own if found[name].startswith("it did not run: stopped")]
        found |= await in_turn(cut_short)
    finally:
        await executor.aclose()
        await quick.aclose()
    if host.connections:
        found["attack/connected"] = f"something connected to {host.connections}"
    return found


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--secret", required=True)
    parser.add_argument("--level", default="namespaces")
    parser.add_argument("--only", nargs="*", default=[])
    chosen = parser.parse_args()
    os.environ["GOOGLE_API_KEY"] = chosen.secret
    SECRET_IN_MEMORY.value = chosen.secret.encode()
    with tempfile.TemporaryDirectory() as folder:
        host = Host(Path(folder), chosen.secret)
        host.prepare()
        with (host.folder / "open.txt").open() as kept_open:
            found = asyncio.run(run_all(host, chosen.level, chosen.only))
            kept_open.close()
        for listening in host.sockets:
            listening.close()
    print(json.dumps(found))


if __name__ == "__main__":
    main()
