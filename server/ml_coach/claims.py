"""Who works on which run and which file, among all processes of this user.

    <state folder>/runs/<run id>/claim.lock      held while the run is active
                                 claim.json      by whom
                                 stop            somebody asks the run to end
    <state folder>/claims/<file>.lock, .json     the same for each file that a run works on

The lock is the operating system's: it ends with the process, however that ends. The JSON beside it
says who holds the lock; it counts only as long as that process lives. Where it says nothing that
can be read, the lock itself is asked.
"""

from __future__ import annotations

import asyncio
import json
import os
from collections.abc import AsyncGenerator, Iterable
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from hashlib import sha256
from pathlib import Path

import psutil
from filelock import BaseFileLock, FileLock, Timeout

from ml_coach.core.events import Emit, Event, RunFinished
from ml_coach.json_lines import parsed

# Two clocks tell when a process began, and they differ by less than this.
_SAME_START_SECONDS = 2.0
_LOOK_SECONDS = 0.2
# Whoever only asks whether a lock is held holds it for a moment, which is no claim.
_ASKING_SECONDS = 0.05


@dataclass(frozen=True, slots=True)
class Taken:
    """Somebody else works on it: the run `run_id` of the process `pid`. `file` is empty where the
    run itself is active. `run_id` is empty and `pid` 0 where they did not say who they are."""

    run_id: str
    pid: int
    file: str = ""

    @property
    def sentence(self) -> str:
        """What the user is told."""
        run = f"The run {self.run_id}" if self.run_id else "A run"
        if self.pid != os.getpid():
            run += " of another window" + (f" (process {self.pid})" if self.pid else "")
        if not self.file:
            return f"{run} is still going on; stop it first."
        return f"{run} is working on {self.file}; stop it first or let it finish."


@dataclass(slots=True)
class Claim:
    """What this process holds for one run. Call `release` at its end."""

    run_id: str
    root: Path
    _locks: dict[Path, BaseFileLock] = field(default_factory=dict[Path, BaseFileLock])

    def add(self, files: Iterable[Path]) -> Taken | None:
        """Claims further files. All that it newly claimed is given back where one is taken."""
        added: list[Path] = []
        for file in files:
            place = _place(self.root, file)
            if place in self._locks:
                continue
            if not self._lock(place):
                for other in added:
                    self._unlock(other)
                holder = _holder(place) or Taken("", 0)
                return Taken(holder.run_id, holder.pid, file.name)
            added.append(place)
        return None

    def take(self, files: Iterable[Path]) -> None:
        """As `add`; raises `OSError` with a sentence for the user where one is taken."""
        if taken := self.add(files):
            raise OSError(taken.sentence)

    def claim_run(self) -> Taken | None:
        """Claims the run itself."""
        place = _run_place(self.root, self.run_id)
        if not self._lock(place):
            return _holder(place) or Taken(self.run_id, 0)
        stop_file(self.root, self.run_id).unlink(missing_ok=True)
        return None

    def released_at_end(self, emit: Emit) -> Emit:
        """`emit`, which hears of the run's end only when everything is given back: whoever is told
        of the end may undo the run or start another one at once, in any window."""

        def told(event: Event) -> None:
            if isinstance(event, RunFinished):
                self.release()
            emit(event)

        return told

    def release(self) -> None:
        """Gives everything back; may be called twice."""
        for place in list(self._locks):
            self._unlock(place)
        stop = stop_file(self.root, self.run_id)
        stop.unlink(missing_ok=True)
        with suppress(OSError):  # A run that never began leaves nothing.
            if [path.name for path in stop.parent.iterdir()] == ["claim.lock"]:
                (stop.parent / "claim.lock").unlink()
            stop.parent.rmdir()

    def _lock(self, place: Path) -> bool:
        place.parent.mkdir(parents=True, exist_ok=True)
        lock = FileLock(
            place.with_suffix(".lock"), timeout=_ASKING_SECONDS,
            poll_interval=_ASKING_SECONDS / 5, thread_local=False,
        )  # fmt: skip
        try:
            lock.acquire()
        except Timeout:
            return False
        self._locks[place] = lock
        process = psutil.Process()
        holder = {"run_id": self.run_id, "pid": process.pid, "started": process.create_time()}
        place.with_suffix(".json").write_text(json.dumps(holder), encoding="ascii")
        return True

    def _unlock(self, place: Path) -> None:
        with suppress(OSError):
            place.with_suffix(".json").unlink(missing_ok=True)
        self._locks.pop(place).release()


@dataclass(frozen=True, slots=True)
class Claims:
    """All claims of this user's processes, below the state folder `root`."""

    root: Path

    def claim(self, run_id: str, files: Iterable[Path]) -> Claim | Taken:
        """Claims a run and the files that it works on: all of them or none.

        Raises `OSError`, with a sentence where the state folder cannot be written into.
        """
        for folder in ("runs", "claims"):
            if fault := unusable(self.root / folder):
                raise OSError(fault)
        claim = Claim(run_id, self.root)
        try:
            taken = claim.claim_run() or claim.add(files)
        except BaseException:
            claim.release()
            raise
        if taken is None:
            return claim
        claim.release()
        return taken

    def holder(self, run_id: str) -> Taken | None:
        """Who works on the run now, in this process or in another; None where nobody does."""
        place = _run_place(self.root, run_id)
        if _noted(place) is None and _is_locked(place):
            return Taken(run_id, 0)
        return _holder(place)

    def must_stop(self, run_id: str) -> bool:
        """Whether somebody asked the run to end."""
        return stop_file(self.root, run_id).exists()

    async def stop(self, run_id: str, seconds: float) -> bool:
        """Asks the process that works on the run to end it. Whether it did so in time."""
        stop_file(self.root, run_id).touch()
        with suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                while self.holder(run_id) is not None:  # noqa: ASYNC110 - another process ends it
                    await asyncio.sleep(_LOOK_SECONDS / 4)
                return True
        return False


@asynccontextmanager
async def stopped_from_outside(claims: Claims, run_id: str) -> AsyncGenerator[None]:
    """Cancels the present task, within the block, when another process asks the run to end."""
    task = asyncio.current_task()

    async def look() -> None:
        while not claims.must_stop(run_id):  # noqa: ASYNC110 - another process asks
            # A look at one file costs microseconds, and works on every system.
            await asyncio.sleep(_LOOK_SECONDS)
        if task is not None:
            task.cancel()

    looking = asyncio.ensure_future(look())
    try:
        yield
    finally:
        looking.cancel()


def unusable(folder: Path) -> str:
    """What the user has to do before anything can be kept in this folder or in one to be made
    there, as a sentence; empty where that is nothing."""
    there = next(path for path in (folder, *folder.parents) if path.exists())
    if not there.is_dir():
        return f"{there} is a file, but ML Coach needs a folder there: move it away or delete it."
    if not os.access(there, os.W_OK | os.X_OK):
        return f"Make {there} writable: ML Coach keeps its runs there."
    return ""


def stop_file(root: Path, run_id: str) -> Path:
    """The file whose presence asks a run to end."""
    return root / "runs" / run_id / "stop"


def _run_place(root: Path, run_id: str) -> Path:
    return root / "runs" / run_id / "claim"


def _place(root: Path, file: Path) -> Path:
    # Two spellings of a path are one file.
    name = os.path.normcase(file.resolve())
    return root / "claims" / sha256(name.encode("utf-8", "surrogatepass")).hexdigest()[:32]


def _holder(place: Path) -> Taken | None:
    match _noted(place):
        case run_id, pid, started if _lives(pid, started):
            return Taken(run_id, pid)
        case _:
            return None


def _noted(place: Path) -> tuple[str, int, float] | None:
    """Which run and process the note names, and when that began; None for one that says nothing."""
    try:
        found = parsed(place.with_suffix(".json").read_bytes())
    except OSError:
        return None
    match found:
        case {"run_id": str(run_id), "pid": int(pid), "started": int() | float() as started}:
            return run_id, pid, started
        case _:
            return None


def _is_locked(place: Path) -> bool:
    """Whether somebody holds the lock. Where there is no note nobody does."""
    if not place.with_suffix(".json").exists():
        return False
    try:
        with FileLock(place.with_suffix(".lock"), timeout=0, thread_local=False):
            return False
    except Timeout:
        return True
    except OSError:
        return False


def _lives(pid: int, started: float) -> bool:
    """Whether the process lives; a later one with the same number does not count."""
    try:
        process = psutil.Process(pid)
        begun = process.create_time()
        is_over = process.status() in (psutil.STATUS_ZOMBIE, psutil.STATUS_DEAD)
    except (psutil.Error, ValueError, OverflowError):
        return False
    return not is_over and abs(begun - started) < _SAME_START_SECONDS
