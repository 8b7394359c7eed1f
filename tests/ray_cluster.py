"""A real Ray cluster on this machine: a head without a CPU, and nodes of one CPU each, as processes
that are started here and ended by their ids."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Generator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path

import psutil

_TRIES = 3
_SECONDS = 300.0


@dataclass
class Cluster:
    """`address` is what `--ray` takes, `folder` where Ray writes its logs."""

    address: str
    folder: Path
    processes: list[subprocess.Popen[bytes]] = field(default_factory=list)

    def start_node(self, **environment: str) -> subprocess.Popen[bytes]:
        """One more node; it has joined when this returns."""
        before = self.alive()
        arguments = (f"--address={self.address}", "--num-cpus=1")
        for _ in range(_TRIES):
            node = self._start(*arguments, **environment)
            if self._joined(node, before + 1):
                return node
            end(node)
        raise RuntimeError(self._log.read_text(encoding="utf-8"))

    def start_head(self) -> None:
        port = self.address.rpartition(":")[2]
        arguments = (
            "--head", f"--port={port}", "--num-cpus=0", "--include-dashboard=false",
            f"--temp-dir={self.folder}", f"--ray-client-server-port={_free_port()}",
        )  # fmt: skip
        for _ in range(_TRIES):
            head = self._start(*arguments)
            if self._joined(head, 1):
                return
            end(head)
        raise RuntimeError(self._log.read_text(encoding="utf-8"))

    def _joined(self, node: subprocess.Popen[bytes], count: int) -> bool:
        """Waits until so many nodes are there, or this one has given up."""
        ends = time.monotonic() + _SECONDS
        while time.monotonic() < ends and node.poll() is None:
            if self.alive() >= count:
                return True
            time.sleep(0.2)
        return False

    def alive(self) -> int:
        """How many nodes have joined and are not known to be gone."""
        from ray._raylet import GcsClient  # What `ray status` asks, without starting a driver.

        try:
            with socket.create_connection(("127.0.0.1", int(self.address.split(":")[1])), 1):
                pass
            found = GcsClient(address=self.address).get_all_node_info(timeout=10)
        except Exception:  # noqa: BLE001 - whatever it is, it is not there yet
            return 0
        return sum(info.state == 0 for info in found.values())

    @property
    def _log(self) -> Path:
        return self.folder.with_suffix(".log")

    def _start(self, *arguments: str, **environment: str) -> subprocess.Popen[bytes]:
        # With ports that are named Ray does not wait for files in which its agents say theirs.
        ports = [
            f"--{name}={_free_port()}"
            for name in ("dashboard-agent-grpc-port", "dashboard-agent-listen-port",
                         "metrics-export-port", "runtime-env-agent-port")
        ]  # fmt: skip
        with self._log.open("ab") as log:
            process = subprocess.Popen(
                [
                    sys.executable, "-m", "ray.scripts.scripts", "start", "--block",
                    "--disable-usage-stats", "--node-ip-address=127.0.0.1",
                    "--object-store-memory=100000000", *ports, *arguments,
                ],
                stdout=log, stderr=log, stdin=subprocess.DEVNULL, start_new_session=True,
                env={**_environment(), **environment},
            )  # fmt: skip
        self.processes.append(process)
        return process


def _environment() -> dict[str, str]:
    # Ray's processes import a lot and give up where that takes long, so they may keep bytecode.
    kept = {k: v for k, v in os.environ.items() if k != "PYTHONDONTWRITEBYTECODE"}
    # A slow node is not a lost one: only twenty failures in a row count, and a reply may take long.
    health = {
        "RAY_health_check_period_ms": "500",
        "RAY_health_check_timeout_ms": "30000",
        "RAY_health_check_failure_threshold": "20",
        "RAY_raylet_start_wait_time_s": "120",
    }
    # By default Ray's workers yield to whatever else the machine does, which other tests are.
    return kept | health | {"RAY_USAGE_STATS_ENABLED": "0", "RAY_worker_niceness": "0"}


def end(node: subprocess.Popen[bytes]) -> None:
    """Kills a node with all its processes, as a machine that loses its power does."""
    family: list[psutil.Process] = []
    with suppress(psutil.NoSuchProcess):
        top = psutil.Process(node.pid)
        family = [top, *top.children(recursive=True)]
    for process in family:
        with suppress(psutil.NoSuchProcess):
            process.kill()
    node.wait()


@contextmanager
def ray_cluster(nodes: int) -> Generator[Cluster]:
    """A head and so many nodes. The folder's name is short, because Ray puts sockets into it."""
    folder = Path(tempfile.mkdtemp(prefix="mlc", dir="/tmp"))
    cluster = Cluster(f"127.0.0.1:{_free_port()}", folder)
    try:
        cluster.start_head()
        for _ in range(nodes):
            cluster.start_node()
        yield cluster
    finally:
        for process in cluster.processes:
            end(process)
        shutil.rmtree(folder, ignore_errors=True)
        folder.with_suffix(".log").unlink(missing_ok=True)


def _free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return listener.getsockname()[1]
