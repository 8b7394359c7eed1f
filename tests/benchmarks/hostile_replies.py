"""The slowest and the crashing inputs among random, mutated and absurd replies.

    python tests/benchmarks/hostile_replies.py [--number 3000] [--seed 0] [--data FILE]

Prints how many ended as a program, as a patch, as a refusal, as an exception, and the worst
seconds of processor time. A program must also compile. Ends with status 1 where there was an
exception or where one call took longer than `--limit` seconds.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import sys
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

from ml_coach.core import examples
from ml_coach.core.changes import Patch
from ml_coach.core.patches import read_patch
from ml_coach.core.python import repairs, syntax
from ml_coach.core.sanitizer import LONGEST_REPLY, Sanitized, sanitize

_FILE = "import os\n\n\ndef f(x):\n    return x\n\n\nclass A:\n    def f(self):\n        return 1\n"
_BITS = [
    "```",
    "```python\n",
    "~~~",
    "def f(x):\n",
    "    return x\n",
    "class A:\n",
    "\n",
    "\n\n",
    "\t",
    "    ",
    "'''",
    '"""',
    "'",
    '"',
    "(",
    "[",
    "{",
    ")",
    "]",
    "}",
    "\\",
    "\\n",
    "#",
    "# ...\n",
    "if x:\n",
    "import os\n",
    "print(f(1))\n",
    "assert f(1) == 2\n",
    ">>> f(1)\n2\n",
    "f(1) returns 2. ",
    "lambda",
    "<think>",
    "</think>",
    "[BEGIN]",
    "[DONE]",
    "\x1b[31m",
    "\x00",
    "\ufeff",
    "\ud800",
    "\u201c",
    "\u00a0",
    "\u200b",
    '{"code": "',
    "x = 1; y = 2\n",
    "async ",
    "await x\n",
    "@d\n",
    "f'{x",
    "é",
    "\r\n",
    "\r",
    "1: ",
    "-",
    "**",
    ":=",
    "else:\n",
    "except:\n",
    "match x:\n",
    "case _:\n",
    "\f",
    "\u2028",
    "return\n",
]


def replies(number: int, seed: int, rows: list[str]) -> Iterator[str]:
    yield from absurd()
    chance = random.Random(seed)
    for index in range(number):
        if index % 3 == 0:
            yield "".join(chance.choices(_BITS, k=chance.randrange(1, 80)))
        elif index % 3 == 1:
            yield "".join(chr(chance.randrange(0x3000)) for _ in range(chance.randrange(400)))
        else:
            yield mutated(chance.choice(rows), chance)


def mutated(text: str, chance: random.Random) -> str:
    for _ in range(chance.randrange(1, 8)):
        at = chance.randrange(len(text) + 1)
        to = min(len(text), at + chance.randrange(40))
        kind = chance.randrange(4)
        if kind == 0:
            text = text[:at] + text[to:]
        elif kind == 1:
            text = text[:at] + chance.choice(_BITS) + text[at:]
        elif kind == 2:
            text = text[:at]
        else:
            text = text[:at] + text[at:to] * 3 + text[to:]
    return text


def absurd() -> Iterator[str]:
    """Inputs that are quadratic, recursive or huge for a naive reader."""
    pieces = (*_BITS, "('", "def f(\n", "f(", "f(1) == ", "```\n", "a,", "not ", "1+", "x[", "x.")
    for size in (LONGEST_REPLY, 1_000_000):
        yield "x" * size
        yield "x = 1\n" * (size // 6)
        yield "word and word.\n" * (size // 15)
        for piece in pieces:
            yield f"```python\n{piece * (size // len(piece))}\n```\n"
            if size == LONGEST_REPLY:  # What is longer is refused, or read as a patch alone.
                yield piece * (size // len(piece))
                yield "def f(x):\n    return " + piece * (size // len(piece))
                yield (piece + "\n") * (size // (len(piece) + 1))
    for depth in (50, 90, 150, 500, 3000, 50_000):
        yield "(" * depth + ")" * depth
        yield "x = " + "[" * depth + "]" * depth
        yield "-" * depth + "1"
        yield "".join("  " * min(i, 100) + "if x:\n" for i in range(depth)) + "  " * depth + "pass"
        yield "x = " + " + ".join(["1"] * depth)
        yield "f" + "(f" * depth + ")" * depth
        yield "f" + ".a()" * depth
        yield '{"a":' * depth + "1" + "}" * depth
        yield "lambda: " * depth + "1"


def main() -> None:
    folder = Path(os.environ.get("ML_COACH_DATA", Path(__file__).parents[2].parent / "shared/data"))
    options = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    options.add_argument("--data", type=Path, default=folder / "raw_responses.jsonl")
    options.add_argument("--number", type=int, default=3_000)
    options.add_argument("--seed", type=int, default=0)
    options.add_argument("--limit", type=float, default=4.0, metavar="SECONDS")
    chosen = options.parse_args()
    rows = [json.loads(line)["raw"] for line in chosen.data.open()]
    stub = "from typing import List\n\ndef f(x: List[int]):\n    '''Doc.'''\n"
    ends: Counter[str] = Counter()
    slow: list[tuple[float, str, str]] = []

    def timed(what: str, text: str, call: object) -> object:
        begin = time.process_time()
        try:
            return call()  # type: ignore[operator]
        except Exception as error:  # noqa: BLE001 - what is counted here
            ends["exception"] += 1
            print(f"{what}: {type(error).__name__}: {error}: {text[:80]!r}")
            return None
        finally:
            slow.append((time.process_time() - begin, what, text[:60]))

    for index, text in enumerate(replies(chosen.number, chosen.seed, rows)):
        kind = "suite" if index % 4 == 0 else "program"
        found = timed(
            kind, text, lambda t=text, k=kind: sanitize(t, names=("f",), stub=stub, kind=k)
        )
        if isinstance(found, Sanitized):
            ends["program" if syntax.compiles(found.source) else "does not compile"] += 1
            timed("repair", found.source, lambda s=found.source: repairs.repair(s))
        elif found is not None:
            ends["refused"] += 1
        patch = timed(
            "patch", text, lambda t=text: read_patch(t, {"m.py": _FILE}, default_file="m.py")
        )
        ends["patch" if isinstance(patch, Patch) else "no patch"] += patch is not None
        # What is repaired or read as a prompt is not longer than a reply may be.
        text = text[:LONGEST_REPLY]
        timed("repair", text, lambda t=text: repairs.repair(t))
        timed("examples", text, lambda t=text: examples.extract_examples(t))
        timed("stated", text, lambda t=text: examples.extract_stated(f"Write f(x). {t}"))
        timed("names", text, lambda t=text: (examples.signatures_of(t), examples.names_of(t)))
    slow.sort(reverse=True)
    print(f"{sum(ends.values())} replies: {dict(ends)}")
    print("slowest (seconds):")
    for seconds, what, text in slow[:8]:
        print(f"  {seconds:7.3f}  {what:9} {text!r}")
    if ends["exception"] or slow[0][0] > chosen.limit:
        sys.exit(1)


if __name__ == "__main__":
    main()
