"""How many rows a second `ml-coach batch` runs by `--jobs`, and on Ray with as many cores.

    python tests/benchmarks/batch.py [--rows 40] [--cores 2]

The rows are recorded, so that what is measured is the sandbox and the way to it. Both are started
in each of `--rounds`, and include starting the workers but not Ray itself.
"""

from __future__ import annotations

import argparse
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))

from ray_cluster import ray_cluster
from recorded_rows import write_rows


def seconds(rows: Path, out: Path, *options: str) -> float:
    """How long one batch takes."""
    command = [sys.executable, "-m", "ml_coach", "batch", str(rows), "-o", str(out), *options]
    begun = time.monotonic()
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
    return time.monotonic() - begun


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--rows", type=int, default=40)
    parser.add_argument("--cores", type=int, default=2)
    parser.add_argument("--rounds", type=int, default=3)
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory() as top, ray_cluster(asked.cores) as cluster:
        folder = Path(top)
        rows = write_rows(folder, asked.rows)
        kinds = {"jobs": ("--jobs", str(asked.cores)), "ray": ("--ray", cluster.address)}
        ratios: list[float] = []
        for n in range(asked.rounds):
            # Each begins every other round, so that what else the machine does hits both.
            order = list(kinds) if n % 2 == 0 else list(kinds)[::-1]
            took = {kind: seconds(rows, folder / f"{kind}{n}", *kinds[kind]) for kind in order}
            ratios.append(took["jobs"] / took["ray"])
            shown = ", ".join(f"{kind} {asked.rows / took[kind]:.2f} rows/s" for kind in kinds)
            print(f"{shown}; ratio {ratios[-1]:.2f}", flush=True)
        print(f"median ratio {statistics.median(ratios):.2f}")


if __name__ == "__main__":
    main()
