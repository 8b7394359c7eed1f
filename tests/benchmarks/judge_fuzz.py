"""Hands the judge what a hostile sandbox could send; ends at the first exception.

    PYTHONPATH=tests python tests/benchmarks/judge_fuzz.py [--records 1000000] [--seed 0]

The continuous integration runs the same attempts on about 100,000 records.
"""

from __future__ import annotations

import argparse
import random

from unit.test_execution_records import (
    honest_records,
    judge_mutated_answer,
    judge_mutated_records,
    read_mutated_script,
)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--records", type=int, default=1_000_000)
    parser.add_argument("--seed", type=int, default=0)
    chosen = parser.parse_args()
    read, seed = 0, chosen.seed
    while read < chosen.records:
        chance = random.Random(seed)
        judge_mutated_records(chance)
        judge_mutated_answer(chance)
        read_mutated_script(chance)
        read += 2 * len(honest_records())
        seed += 1
    print(f"{read} records in {3 * (seed - chosen.seed)} runs, no exception")


if __name__ == "__main__":
    main()
