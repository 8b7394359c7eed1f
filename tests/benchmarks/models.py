"""Tokens per second of the local model, with and without what is meant to make it fast.

    python tests/benchmarks/models.py [--model 0.5b|1.5b] [--tokens 64]

Everything is measured in one run, so that the ratios hold whatever the machine does besides.
Tokens per second of CPU time say the same on a busy machine as on a quiet one; on one that is
quiet, multiply by the cores for the tokens per second that a user sees.
"""

import argparse
import asyncio
import os
import sys
import tempfile
import time
from asyncio.subprocess import PIPE
from collections.abc import AsyncGenerator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from pathlib import Path

import psutil

from ml_coach.core.ports import Call, Ended, Message
from ml_coach.core.usage import Usage
from ml_coach.models.known_weights import KNOWN
from ml_coach.models.local import LocalModel, LocalModels
from ml_coach.models.profiles import profile_of

SYSTEM = Message("system", "You are a Python programmer. Answer with one fenced block of code.")
TASK = (
    "Write roman_to_int(s), which reads a Roman numeral from 1 to 3999 and returns an int. It"
    " raises ValueError on invalid numerals such as IIII, VX, IC, lower case letters, blanks or"
    " the empty string. Also write int_to_roman(n), its inverse, with ValueError outside of that"
    " range, and parse_all(text), which finds every valid numeral in a text, as whole words only,"
    " and returns a list of pairs of the numeral and its value in the order of the text.\n"
)
EDIT = '''This program has a bug: bisect_right returns a wrong position when x is in the list.
Reply with the whole corrected program.
```python
def bisect_right(items, x, low=0, high=None):
    """Return the index where to insert x in items, assuming items is sorted.

    All e in items[:i] have e <= x, and all e in items[i:] have e > x.
    """
    if low < 0:
        raise ValueError("low must be non-negative")
    if high is None:
        high = len(items)
    while low < high:
        middle = (low + high) // 2
        if x <= items[middle]:
            high = middle
        else:
            low = middle + 1
    return low


def insort_right(items, x, low=0, high=None):
    """Insert x into items and keep items sorted."""
    position = bisect_right(items, x, low, high)
    items.insert(position, x)
```'''


@dataclass(frozen=True, slots=True)
class Took:
    """What some calls together cost."""

    usage: Usage
    seconds: float
    cpu_seconds: float
    texts: tuple[str, ...]

    def line(self, name: str) -> str:
        tokens = self.usage.completion_tokens
        return (
            f"{name:44}{tokens:5} tokens {self.seconds:6.1f} s {tokens / self.seconds:6.1f} /s"
            f" {tokens / self.cpu_seconds:6.1f} /CPU-s, of {self.usage.prompt_tokens} prompt tokens"
            f" {self.usage.cached_tokens} cached"
        )


def call(text: str, tokens: int) -> Call:
    return Call("benchmark", (SYSTEM, Message("user", text)), max_tokens=tokens)


def candidates(text: str, tokens: int, seeds: Sequence[int]) -> list[Call]:
    return [replace(call(text, tokens), temperature=0.8, seed=seed) for seed in seeds]


async def one(model: LocalModel, call: Call) -> tuple[str, Usage]:
    text = ""
    async for item in model.stream(call):
        if isinstance(item, Ended):
            return text, item.usage
        text += item
    raise AssertionError


async def measure(model: LocalModel, calls: Sequence[Call], *, together: bool = False) -> Took:
    child = psutil.Process(model.process_id)
    cpu, started = child.cpu_times(), time.perf_counter()
    if together:
        replies = await asyncio.gather(*(one(model, call) for call in calls))
    else:
        replies = [await one(model, call) for call in calls]
    seconds, now = time.perf_counter() - started, child.cpu_times()
    usage = sum((usage for _, usage in replies), Usage())
    spent = now.user + now.system - cpu.user - cpu.system
    return Took(usage, seconds, spent, tuple(text for text, _ in replies))


@asynccontextmanager
async def loaded(name: str, *, speculate: bool) -> AsyncGenerator[LocalModel]:
    models = LocalModels(source=os.environ.get("ML_COACH_WEIGHTS", ""), speculate=speculate)
    model = models.model(name, profile_of(f"local:{name}"))
    started = time.perf_counter()
    await model.warm()
    memory = psutil.Process(model.process_id).memory_info().rss
    print(f"loaded in {time.perf_counter() - started:.1f} s, {memory / 1e9:.2f} GB")
    try:
        yield model
    finally:
        await model.aclose()


def compare(what: str, slow: Took, fast: Took) -> None:
    by_cpu = slow.cpu_seconds / fast.cpu_seconds
    print(f"  → {what}: x{slow.seconds / fast.seconds:.2f} (x{by_cpu:.2f} by CPU time)\n")


async def parallel(model: LocalModel, tokens: int) -> None:
    # Another first word for each case: nothing of one is in the cache of the next.
    singly = await measure(model, candidates("A. " + TASK, tokens, range(4)))
    print(singly.line("4 candidates, one after another"))
    at_once = await measure(model, candidates("B. " + TASK, tokens, range(4)), together=True)
    print(at_once.line("4 candidates at once, prompt read once"))
    compare("4 at once over one after another", singly, at_once)
    apart = candidates("C. " + TASK, tokens, range(0, 8, 2))  # No two seeds follow one another.
    fourfold = await measure(model, apart, together=True)
    print(fourfold.line("4 candidates at once, prompt read 4 times"))
    compare("reading the prompt once", fourfold, at_once)


async def decoding(model: LocalModel, tokens: int) -> None:
    await measure(model, candidates("D. " + TASK, 1, range(4)), together=True)
    single = await measure(model, candidates("D. " + TASK, tokens, [0]))
    print(single.line("1 candidate, prompt cached"))
    four = await measure(model, candidates("D. " + TASK, tokens, range(4)), together=True)
    print(four.line("4 candidates at once, prompt cached"))
    print(
        "  → decoding 4 at once: "
        f"x{rate(four.usage, four.seconds) / rate(single.usage, single.seconds):.2f} "
        f"(x{rate(four.usage, four.cpu_seconds) / rate(single.usage, single.cpu_seconds):.2f}"
        " by CPU time)\n"
    )


def rate(usage: Usage, seconds: float) -> float:
    return usage.completion_tokens / seconds


async def prefix(model: LocalModel) -> None:
    cold = await measure(model, [call("E. " + TASK * 4, 8)])
    print(cold.line("a prompt for the first time"))
    warm = await measure(model, [call("E. " + TASK * 4 + "Explain.", 8)])
    print(warm.line("the same prompt with another end"))
    compare("prefix cache", cold, warm)


async def two_processes(name: str, tokens: int) -> None:
    """Two processes that answer one call each, with a model process each and with one for both."""
    took: list[tuple[float, float]] = []
    with tempfile.TemporaryDirectory() as folder:
        for places, what in (("ab", "two model processes"), ("cc", "one model process")):
            children, starts = list[asyncio.subprocess.Process](), list[float]()
            for place in places:
                started = time.perf_counter()
                child = await asyncio.create_subprocess_exec(
                    *(sys.executable, __file__, "--model", name, "--tokens", str(tokens)),
                    *("--child", str(Path(folder, place))),
                    stdin=PIPE, stdout=PIPE,
                )  # fmt: skip
                assert child.stdout
                assert await child.stdout.readline() == b"loaded\n"
                children.append(child)
                starts.append(time.perf_counter() - started)
            models = {
                process
                for child in children
                for process in psutil.Process(child.pid).children(recursive=True)
            }
            memory = sum(process.memory_info().rss for process in models)
            started = time.perf_counter()
            for child in children:
                assert child.stdin
                child.stdin.write(b"go\n")
            for child in children:
                assert child.stdout
                assert await child.stdout.readline() == b"answered\n"
            seconds = time.perf_counter() - started
            spent = [process.cpu_times() for process in models if process.is_running()]
            cpu = sum(times.user + times.system for times in spent)
            await asyncio.gather(*(child.communicate(b"end\n") for child in children))
            took.append((seconds, cpu))
            print(
                f"two faces at once, {what}: {seconds:.1f} s, {cpu:.1f} CPU-s in all,"
                f" {memory / 1e9:.2f} GB, ready after {starts[0]:.1f} and {starts[1]:.1f} s"
            )
    (apart, apart_cpu), (shared, shared_cpu) = took
    print(f"  → one for both: x{apart / shared:.2f} (x{apart_cpu / shared_cpu:.2f} by CPU time)\n")


async def answer_once(name: str, tokens: int, daemons: Path) -> None:
    """One of the two processes: loads, waits for a line, answers a call, waits for another."""
    models = LocalModels(source=os.environ.get("ML_COACH_WEIGHTS", ""), daemons=daemons)
    model = models.model(name, profile_of(f"local:{name}"))
    await model.warm()
    print("loaded", flush=True)
    await asyncio.to_thread(sys.stdin.readline)
    await one(model, call(TASK, tokens))
    print("answered", flush=True)
    await asyncio.to_thread(sys.stdin.readline)
    await model.aclose()


async def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--model", choices=["0.5b", "1.5b"], default="0.5b")
    parser.add_argument("--tokens", type=int, default=64)
    parser.add_argument("--child", type=Path, help=argparse.SUPPRESS)
    options = parser.parse_args()
    name = f"qwen2.5-coder-{options.model}"
    assert name in {known.name for known in KNOWN}
    if options.child:
        return await answer_once(name, options.tokens, options.child)
    print(f"{name}, {psutil.cpu_count(logical=False)} cores, load {os.getloadavg()[0]:.1f}")
    edit = call(EDIT, 260)
    async with loaded(name, speculate=False) as model:
        await decoding(model, options.tokens)
        await parallel(model, options.tokens)
        await prefix(model)
        await one(model, replace(edit, max_tokens=1))
        plain = await measure(model, [edit])
        print(plain.line("an edit, plain"))
    async with loaded(name, speculate=True) as model:
        await one(model, replace(edit, max_tokens=1))
        guessed = await measure(model, [edit])
        print(guessed.line("an edit, with speculation"))
        compare("speculation", plain, guessed)
        print(f"  the replies are {'the same' if plain.texts == guessed.texts else 'DIFFERENT'}")
    await two_processes(options.model, options.tokens)


if __name__ == "__main__":
    asyncio.run(main())
