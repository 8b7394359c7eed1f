"""All processes of a user ask one process for local weights, and what ends when one of them does.
The weights are a tiny model of random numbers."""

from __future__ import annotations

import asyncio
import json
import os
import shutil
import signal
import socket
import sys
import tempfile
import threading
from asyncio.subprocess import PIPE
from collections.abc import AsyncGenerator, Callable
from contextlib import aclosing, asynccontextmanager, suppress
from pathlib import Path

import psutil
import pytest

from ml_coach.core.errors import UnavailableError
from ml_coach.core.ports import Call, Ended, Message
from ml_coach.models.local import LocalModel, LocalModels
from ml_coach.models.model_daemon import Turns
from ml_coach.models.profiles import profile_of
from ml_coach.models.shared_llama import WAITS
from tiny_gguf import tiny_model

# A reply that never comes must not hold up all other tests.
pytestmark = pytest.mark.timeout(90)

IDLE_SECONDS = 0.5
# No text is whole by this grammar, so a reply ends at its limit only.
ENDLESS = "root ::= [a-z] root"
LONG = Call("coder", (Message("user", "Go on."),), max_tokens=1500, grammar=ENDLESS)
SHORT = Call("coder", (Message("user", "Hello."),), max_tokens=8, temperature=1.0, seed=1)
# Another client: loads, says which process has the weights, asks for so many tokens, waits for the
# end of its standard input.
OTHER = f"""
import asyncio, sys
from pathlib import Path
from ml_coach.core.ports import Call, Message
from ml_coach.models.local import LocalModels
from ml_coach.models.profiles import profile_of

async def main():
    weights, daemons, tokens = sys.argv[1:]
    models = LocalModels(daemons=Path(daemons), idle_seconds=0.5)
    model = models.model(weights, profile_of("local:" + weights))
    await model.warm()
    print(model.process_id, flush=True)
    if int(tokens):
        call = Call("coder", (Message("user", "Go."),), int(tokens), grammar={ENDLESS!r})
        async for _ in model.stream(call):
            print("text", flush=True)
    await asyncio.to_thread(sys.stdin.read)
    await model.aclose()

asyncio.run(main())
"""


@pytest.fixture(scope="module")
def weights(tmp_path_factory: pytest.TempPathFactory) -> Path:
    file = tmp_path_factory.mktemp("weights") / "tiny.gguf"
    file.write_bytes(tiny_model())
    return file


@pytest.fixture
def opened(
    weights: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Callable[..., LocalModel]:
    """Opens a model as another process would: with a lease of its own."""
    # The sockets' folders are removed where a test can look.
    (tmp_path / "tmp").mkdir()
    monkeypatch.setenv("TMPDIR", str(tmp_path / "tmp"))
    monkeypatch.setattr(tempfile, "tempdir", None)

    def model(file: Path = weights, **settings: object) -> LocalModel:
        settings = {"daemons": tmp_path, "idle_seconds": IDLE_SECONDS} | settings
        models = LocalModels(**settings)  # type: ignore[arg-type]
        return models.model(str(file), profile_of(f"local:{file}"))

    return model


async def tokens(model: LocalModel, call: Call) -> int:
    items = [item async for item in model.stream(call)]
    ended = items[-1]
    assert isinstance(ended, Ended)
    return ended.usage.completion_tokens


def processes(model: LocalModel) -> tuple[psutil.Process, psutil.Process]:
    """That with the weights, and the daemon that started it."""
    child = psutil.Process(model.process_id)
    daemon = child.parent()
    assert daemon
    assert "ml_coach.models.model_daemon" in daemon.cmdline()
    return child, daemon


async def gone(*ended: psutil.Process) -> None:
    """Waits until they have ended, which daemons whose starter lives on may do as a zombie."""
    await asyncio.to_thread(psutil.wait_procs, ended, timeout=10)
    assert [process for process in ended if process.is_running()] == []


@asynccontextmanager
async def unfinished_reply(
    model: LocalModel,
) -> AsyncGenerator[AsyncGenerator[str | Ended, None]]:
    """A reply that has begun and goes on only when the process with the weights is resumed: on a
    busy machine it would be at its end before anything else has happened."""
    async with aclosing(model.stream(LONG)) as reply:
        await anext(reply)
        processes(model)[0].suspend()
        yield reply


def sockets_in(folder: Path) -> list[str]:
    return [path.name for path in folder.rglob("*.sock")]


@asynccontextmanager
async def another_process(
    weights: Path, daemons: Path, *, asks_for: int = 0
) -> AsyncGenerator[tuple[asyncio.subprocess.Process, int]]:
    """Another process that has loaded them, and the process that holds them for it."""
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-c", OTHER, str(weights), str(daemons), str(asks_for)),
        stdin=PIPE, stdout=PIPE,
    )  # fmt: skip
    assert process.stdout
    try:
        yield process, int(await process.stdout.readline())
    finally:
        if process.returncode is None:
            process.kill()
        await process.communicate()


# ── one process for all ─────────────────────────────────────────────────────────────────────


async def test_two_processes_have_the_weights_in_memory_once(
    opened: Callable[..., LocalModel], weights: Path, tmp_path: Path
) -> None:
    async with another_process(weights, tmp_path) as (_, holder):
        model = opened()
        await model.warm()
        assert model.process_id == holder
        child, daemon = processes(model)
        assert await tokens(model, SHORT) == 8
        await model.aclose()
        assert child.is_running()
    await gone(child, daemon)
    assert sockets_in(tmp_path) == []


async def test_other_settings_or_another_file_are_other_weights(
    opened: Callable[..., LocalModel], weights: Path, tmp_path: Path
) -> None:
    copy = Path(shutil.copy(weights, tmp_path / "copy.gguf"))
    models = [opened(), opened(speculate=False), opened(copy)]
    for model in models:
        await model.warm()
    with copy.open("ab") as file:  # noqa: ASYNC230
        file.write(b"\n")
    models.append(opened(copy))
    await models[-1].warm()
    children, daemons = zip(*(processes(model) for model in models), strict=True)
    assert len(set(children)) == 4
    assert len(set(daemons)) == 1
    for model in models:
        await model.aclose()
    await gone(*children, daemons[0])


async def test_weights_stay_for_a_moment_and_make_room_for_others(
    opened: Callable[..., LocalModel], weights: Path, tmp_path: Path
) -> None:
    first = opened(idle_seconds=30)
    await first.warm()
    child, daemon = processes(first)
    await first.aclose()
    second = opened()
    await second.warm()
    assert processes(second) == (child, daemon)
    await second.aclose()
    other = opened(speculate=False)
    await other.warm()
    await gone(child)
    assert processes(other)[1] == daemon
    daemon.terminate()  # It would stay for 30 s.
    await gone(daemon)
    await other.aclose()


@pytest.mark.parametrize("times", [20])
async def test_many_that_begin_at_once_share_one(
    times: int, opened: Callable[..., LocalModel]
) -> None:
    models = [opened() for _ in range(times)]
    await asyncio.gather(*(model.warm() for model in models))
    assert len({model.process_id for model in models}) == 1
    assert await asyncio.gather(*(tokens(model, SHORT) for model in models)) == [8] * times
    child, daemon = processes(models[0])
    await asyncio.gather(*(model.aclose() for model in models))
    await gone(child, daemon)


# ── turns ───────────────────────────────────────────────────────────────────────────────────


async def test_turns_go_round() -> None:
    """Requests of one lease run at the same time, and none is starved by one that goes on."""
    turns = Turns()
    first, beside = turns.ask("a"), turns.ask("a")
    assert first.done()
    assert beside.done()
    waits, after = turns.ask("b"), turns.ask("a")
    cancelled = turns.ask("c")
    last = turns.ask("d")
    turns.give_back(first)
    assert not waits.done()
    turns.give_back(cancelled)
    turns.give_back(beside)
    assert waits.done()
    assert not after.done()
    turns.give_back(waits)
    assert after.done()
    assert not last.done()
    turns.take_back()
    assert last.done()
    waits_again = turns.ask("a")
    turns.give_back(after)
    assert not waits_again.done()
    turns.give_back(last)
    assert waits_again.done()
    assert not cancelled.done()


async def test_a_call_waits_for_that_of_another_process_and_says_so_once(
    opened: Callable[..., LocalModel], weights: Path, tmp_path: Path
) -> None:
    notes = asyncio.Queue[str]()
    model = opened(note=notes.put_nowait)
    await model.warm()
    async with another_process(weights, tmp_path, asks_for=1500) as (other, _):
        assert other.stdout
        await other.stdout.readline()  # It is being answered.
        processes(model)[0].suspend()
        calls = [asyncio.create_task(tokens(model, SHORT)) for _ in range(2)]
        assert await notes.get() == WAITS
        other.kill()  # With it ends its turn.
        processes(model)[0].resume()
        assert await asyncio.gather(*calls) == [8, 8]
    assert notes.empty()
    await model.aclose()


async def test_a_cancelled_call_disturbs_nobody(opened: Callable[..., LocalModel]) -> None:
    notes = asyncio.Queue[str]()
    stays, leaves, waits = opened(), opened(note=notes.put_nowait), opened(note=notes.put_nowait)
    async with unfinished_reply(stays) as reply:
        waiting = [asyncio.create_task(tokens(model, SHORT)) for model in (leaves, waits)]
        assert [await notes.get() for _ in waiting] == [WAITS] * 2
        waiting[0].cancel()
        async with asyncio.timeout(1):
            await asyncio.wait(waiting[:1])
        processes(stays)[0].resume()
        items = [item async for item in reply]
        assert isinstance(items[-1], Ended)
    assert await waiting[1] == 8
    assert waiting[0].cancelled()
    assert await tokens(leaves, SHORT) == 8
    for model in (stays, leaves, waits):
        await model.aclose()


# ── what breaks ─────────────────────────────────────────────────────────────────────────────


async def test_the_first_client_may_be_killed(
    opened: Callable[..., LocalModel], weights: Path, tmp_path: Path
) -> None:
    async with another_process(weights, tmp_path) as (first, holder):
        model = opened()
        async with aclosing(model.stream(LONG)) as reply:
            await anext(reply)
            first.kill()
            await first.wait()
            items = [item async for item in reply]
    assert isinstance(items[-1], Ended)
    assert model.process_id == holder
    child, daemon = processes(model)
    await model.aclose()
    await gone(child, daemon)


async def test_a_crash_is_told_to_all_and_the_next_call_loads_again(
    opened: Callable[..., LocalModel],
) -> None:
    notes = asyncio.Queue[str]()
    models = [opened(), opened(note=notes.put_nowait)]
    async with unfinished_reply(models[0]) as reply:
        waiting = asyncio.create_task(tokens(models[1], SHORT))
        assert await notes.get() == WAITS
        child, daemon = processes(models[0])
        child.send_signal(signal.SIGSEGV)
        child.resume()
        with pytest.raises(UnavailableError, match=r"signal 11\. It needs about .* GB are free"):
            _ = [item async for item in reply]
        with pytest.raises(UnavailableError, match=r"signal 11\. It needs about .* GB are free"):
            await waiting
    assert [await tokens(model, SHORT) for model in models] == [8, 8]
    assert processes(models[0]) == processes(models[1])
    assert processes(models[0])[0] != child
    assert processes(models[0])[1] == daemon
    for model in models:
        await model.aclose()


async def test_a_daemon_that_is_killed_takes_the_weights_along_and_a_new_one_is_started(
    opened: Callable[..., LocalModel], tmp_path: Path
) -> None:
    model = opened()
    async with unfinished_reply(model) as reply:
        child, daemon = processes(model)
        daemon.kill()
        child.resume()
        with pytest.raises(UnavailableError, match=r"ended from outside.* GB are free"):
            _ = [item async for item in reply]
    await gone(child, daemon)
    assert await tokens(model, SHORT) == 8
    assert processes(model)[1] != daemon
    # What the killed one left is gone.
    assert sorted(sockets_in(tmp_path)) == ["daemon.sock", "llama.sock"]
    await model.aclose()


async def test_a_daemon_that_hangs_is_left_alone(
    opened: Callable[..., LocalModel], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("ml_coach.models.shared_llama._GREETING_SECONDS", 2)
    first, second = opened(), opened()
    await first.warm()
    child, daemon = processes(first)
    daemon.suspend()
    try:
        assert await tokens(second, SHORT) == 8
        assert processes(second)[1] != daemon
        cancelled = asyncio.create_task(tokens(first, SHORT))
        await asyncio.wait([cancelled], timeout=0.3)
        cancelled.cancel()
        async with asyncio.timeout(1):
            await asyncio.wait([cancelled])
        assert cancelled.cancelled()
        with pytest.raises(UnavailableError, match=r"cannot be reached \(it does not answer\)"):
            await tokens(first, SHORT)
        assert await tokens(first, SHORT) == 8
        assert processes(first) == processes(second)
    finally:
        daemon.resume()
    await gone(child, daemon)
    for model in (first, second):
        await model.aclose()


async def test_a_daemon_that_does_not_begin_is_given_up(
    opened: Callable[..., LocalModel], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    hangs = tmp_path / "python"
    hangs.write_text("#!/bin/sh\nexec sleep 60\n")
    hangs.chmod(0o700)
    model = opened()
    with monkeypatch.context() as patch:
        patch.setattr(sys, "executable", str(hangs))
        patch.setattr("ml_coach.models.shared_llama._START_SECONDS", 0.5)
        with pytest.raises(UnavailableError, match="cannot be started: it did not begin"):
            await model.warm()
    assert await tokens(model, SHORT) == 8
    await model.aclose()


async def test_a_crash_is_told_where_the_weights_are_gone_too(
    opened: Callable[..., LocalModel], weights: Path, tmp_path: Path
) -> None:
    copy = Path(shutil.copy(weights, tmp_path / "copy.gguf"))
    model = opened(copy)
    async with unfinished_reply(model) as reply:
        child, daemon = processes(model)
        copy.unlink()  # noqa: ASYNC240
        daemon.kill()
        child.resume()
        with pytest.raises(
            UnavailableError, match=r"ended from outside\. Its weights are not there"
        ):
            _ = [item async for item in reply]
    await model.aclose()
    await gone(child, daemon)


async def test_a_client_that_is_stopped_holds_up_nobody(
    opened: Callable[..., LocalModel], weights: Path, tmp_path: Path
) -> None:
    """As by Ctrl-Z, in the middle of a reply."""
    notes = asyncio.Queue[str]()
    model = opened(note=notes.put_nowait)
    await model.warm()
    async with another_process(weights, tmp_path, asks_for=1500) as (other, _):
        assert other.stdout
        await other.stdout.readline()
        other.send_signal(signal.SIGSTOP)
        assert await tokens(model, SHORT) == 8
    assert notes.get_nowait() == WAITS
    await model.aclose()


async def test_a_folder_that_was_swept_away_costs_one_call(
    opened: Callable[..., LocalModel], tmp_path: Path
) -> None:
    model = opened()
    await model.warm()
    found = processes(model)
    shutil.rmtree(tmp_path / "tmp")
    (tmp_path / "tmp").mkdir()
    with pytest.raises(UnavailableError, match=r"cannot be reached .*Try again\."):
        await tokens(model, SHORT)
    assert await tokens(model, SHORT) == 8
    await gone(*found)
    await model.aclose()


def _leases() -> list[threading.Thread]:
    return [thread for thread in threading.enumerate() if thread.name == "llama-lease"]


async def test_leaving_while_it_starts_takes_no_time_and_leaves_nothing(
    opened: Callable[..., LocalModel], tmp_path: Path
) -> None:
    model, before = opened(), threading.enumerate()  # Other tests' weights may stay loaded.
    waiting = asyncio.create_task(model.warm())
    while not (starting := [t for t in _leases() if t not in before]):  # noqa: ASYNC110
        await asyncio.sleep(0)
    waiting.cancel()
    async with asyncio.timeout(1):
        await model.aclose()
    for thread in starting:
        await asyncio.to_thread(thread.join)
    await gone(*processes_of_folder(tmp_path))
    assert sockets_in(tmp_path) == []


async def test_closing_leaves_a_reply_that_is_being_written(
    opened: Callable[..., LocalModel],
) -> None:
    model = opened()
    async with aclosing(model.stream(LONG)) as reply:
        await anext(reply)
        child, daemon = processes(model)
        await model.aclose()
        items = [item async for item in reply]
    assert isinstance(items[-1], Ended)
    with pytest.raises(UnavailableError, match="closed"):
        await tokens(model, SHORT)
    await gone(child, daemon)


# ── where the daemon is found ───────────────────────────────────────────────────────────────


def record_in(folder: Path) -> Path:
    (record,) = (folder / "daemons").glob("*.json")
    return record


async def test_only_the_user_can_read_the_record_and_reach_the_socket(
    opened: Callable[..., LocalModel], tmp_path: Path
) -> None:
    model = opened()
    await model.warm()
    record = record_in(tmp_path)
    address = json.loads(record.read_text())["address"]
    for path in (record, Path(address.removeprefix("unix://"))):
        assert path.stat().st_mode & 0o077 == 0
    assert Path(address.removeprefix("unix://")).parent.stat().st_mode & 0o777 == 0o700
    _, daemon = processes(model)
    token = json.loads(record.read_text())["token"]
    assert token not in " ".join(daemon.cmdline()) + str(daemon.environ())
    await model.aclose()


async def test_without_the_token_nothing_is_told(
    opened: Callable[..., LocalModel], tmp_path: Path
) -> None:
    model = opened()
    await model.warm()
    record = json.loads(record_in(tmp_path).read_text())
    for line in (
        {"token": "wrong", "lease": "x", "options": {}},
        {"token": 1, "lease": []},
        {"token": record["token"], "lease": "nobody's"},
        {"token": record["token"], "lease": "x", "options": {"file": "x", "colour": "red"}},
        ["token"],
        "{" * 70_000,
    ):
        path = record["address"].removeprefix("unix://")
        reader, writer = await asyncio.open_unix_connection(path)
        writer.write(json.dumps(line).encode() + b"\n")
        said = await asyncio.wait_for(reader.read(), 10)
        assert b"key" not in said
        writer.close()
    assert await tokens(model, SHORT) == 8
    await model.aclose()


@pytest.mark.parametrize(
    "kind",
    [
        "garbage",
        "other JSON",
        "a folder",
        "a pipe",
        "of a dead daemon",
        "of somebody who knows no proof",
    ],
)
async def test_a_record_that_leads_nowhere_is_replaced(
    kind: str, opened: Callable[..., LocalModel], tmp_path: Path
) -> None:
    model = opened()
    await model.warm()
    record, found = record_in(tmp_path), processes(model)
    held = json.loads(record.read_text())
    await model.aclose()
    await gone(*found)
    stranger = socket.socket(socket.AF_UNIX)
    match kind:
        case "garbage":
            record.write_text('{"address": ["x"], "token')
        case "other JSON":
            record.write_text('{"address": ["x"], "token": 1}')
        case "a folder":
            record.unlink()
            record.mkdir()
        case "a pipe":
            record.unlink()
            os.mkfifo(record)
        case "of a dead daemon":
            assert held["address"].endswith("daemon.sock")
        case _:
            (tmp_path / "s").mkdir()
            stranger.bind(str(tmp_path / "s" / "daemon.sock"))
            stranger.listen()
            record.write_text(json.dumps(held | {"address": f"unix://{tmp_path}/s/daemon.sock"}))
            threading.Thread(target=answer_once, args=(stranger,), daemon=True).start()
    again = opened()
    assert await tokens(again, SHORT) == 8
    stranger.close()
    await again.aclose()
    await gone(*processes_of_folder(tmp_path))


async def test_nobody_is_asked_whom_another_user_names(
    opened: Callable[..., LocalModel], tmp_path: Path
) -> None:
    if os.getuid() != 0:
        pytest.skip("only root can make a file another user's")
    model = opened()
    await model.warm()
    record, found = record_in(tmp_path), processes(model)
    await model.aclose()
    await gone(*found)
    named = socket.create_server(("127.0.0.1", 0))
    port = named.getsockname()[1]
    told = {"address": f"tcp://127.0.0.1:{port}", "token": "known", "proof": "known"}
    record.write_text(json.dumps(told))
    os.chown(record, 65_534, 65_534)
    again = opened()
    assert await tokens(again, SHORT) == 8
    named.setblocking(False)
    with pytest.raises(BlockingIOError):
        named.accept()
    named.close()
    await again.aclose()


def answer_once(listener: socket.socket) -> None:
    with suppress(OSError):
        connection, _ = listener.accept()
        connection.recv(65_536)
        connection.sendall(b'{"proof": "a guess", "pid": 1}\n')
        connection.close()


def processes_of_folder(folder: Path) -> list[psutil.Process]:
    """Daemons whose sockets are below a folder."""
    found = list[psutil.Process]()
    for process in psutil.process_iter():
        with suppress(psutil.Error):
            if "ml_coach.models.model_daemon" in process.cmdline() and any(
                str(folder) in c.laddr for c in process.net_connections("unix")
            ):
                found.append(process)
    return found


@pytest.mark.parametrize("kind", ["no folder can be made", "no lock", "no record"])
async def test_where_no_record_can_be_kept_each_has_a_daemon_of_its_own(
    kind: str, opened: Callable[..., LocalModel], weights: Path, tmp_path: Path
) -> None:
    folder = tmp_path / "cache"
    if kind == "no folder can be made":
        folder.write_text("a file")
    else:
        first = opened(daemons=folder)
        await first.warm()
        for file in (folder / "daemons").iterdir():
            if file.suffix == (".lock" if kind == "no lock" else ".json"):
                file.unlink()
                file.mkdir()
                (file / "in the way").touch()
        await first.aclose()
    models = [opened(daemons=folder), opened(daemons=folder)]
    assert [await tokens(model, SHORT) for model in models] == [8, 8]
    found = [process for model in models for process in processes(model)]
    assert len(set(found)) == 4
    for model in models:
        await model.aclose()
    await gone(*found)


async def test_where_no_socket_can_be_it_is_loopback(
    opened: Callable[..., LocalModel], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A path of more than 107 bytes, as on a disk that knows no sockets."""
    deep = tmp_path / ("d" * 100)
    deep.mkdir()
    monkeypatch.setenv("TMPDIR", str(deep))
    monkeypatch.setattr(tempfile, "tempdir", None)
    models = [opened(), opened()]
    assert [await tokens(model, SHORT) for model in models] == [8, 8]
    child, daemon = processes(models[0])
    assert (child, daemon) == processes(models[1])
    assert json.loads(record_in(tmp_path).read_text())["address"].startswith("tcp://127.0.0.1:")
    assert {c.laddr.ip for c in daemon.net_connections("inet")} == {"127.0.0.1"}
    for model in models:
        await model.aclose()
    await gone(child, daemon)
    assert list(deep.iterdir()) == []
