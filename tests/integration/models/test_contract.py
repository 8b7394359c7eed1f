"""What `core.ports.Model` promises, tested for every provider over a real connection."""

from __future__ import annotations

import asyncio
import time
from contextlib import aclosing
from dataclasses import replace
from pathlib import Path

import pytest
from fake_provider import HELLO, FakeProvider, Script

from conftest import KEY, PROVIDERS, open_model
from ml_coach.core.errors import (
    AuthError,
    BadAnswerError,
    BadRequestError,
    BlockedError,
    DeadlineError,
    ModelError,
    QuotaError,
    UnavailableError,
)
from ml_coach.core.ports import Call, Ended, Message, Model
from ml_coach.core.usage import Usage
from ml_coach.models.ollama import OllamaModel

CALL = Call(
    "coder",
    (
        Message("system", "You write Python."),
        Message("user", "Say hello."),
        Message("assistant", "Hello."),
        Message("user", "Again."),
    ),
    max_tokens=64,
    temperature=0.5,
    seed=11,
    stop=("###",),
    timeout_seconds=20,
)


async def ask(model: Model, call: Call = CALL) -> tuple[str, Ended]:
    text, ended = "", None
    async with aclosing(model.stream(call)) as stream:
        async for piece in stream:
            assert ended is None, "nothing may follow the end"
            if isinstance(piece, Ended):
                ended = piece
            else:
                assert piece, "a piece is never empty"
                text += piece
    assert ended is not None
    return text, ended


async def refusal(model: Model, server: FakeProvider, script: Script) -> ModelError:
    server.script = script
    with pytest.raises(ModelError) as caught:
        await ask(model)
    text = str(caught.value)
    assert KEY not in text
    assert "\n" not in text
    assert text.endswith(".")
    return caught.value


async def test_text_comes_in_pieces_and_ends_with_usage(model: Model, server: FakeProvider) -> None:
    pieces = [piece async for piece in model.stream(CALL)]
    assert pieces[:-1] == list(HELLO)
    ended = pieces[-1]
    assert isinstance(ended, Ended)
    assert ended.finish == "stop"
    assert ended.usage.seconds > 0
    cached = 0 if isinstance(model, OllamaModel) else 3  # Ollama does not report it.
    assert replace(ended.usage, seconds=0.0) == Usage(
        calls=1, prompt_tokens=7, completion_tokens=5, cached_tokens=cached
    )


async def test_the_first_piece_does_not_wait_for_the_last(
    model: Model, server: FakeProvider
) -> None:
    server.script = Script(end="hang")
    async with aclosing(model.stream(CALL)) as stream:
        assert await anext(stream) == HELLO[0]


async def test_the_request_holds_the_whole_call(model: Model, server: FakeProvider) -> None:
    await ask(model)
    (body,) = server.requests
    assert server.keys == [KEY]
    if "seed" not in str(body):  # The strict server, which takes nothing else.
        first, *others = CALL.messages[1:]
        turns = [
            ("user", f"You write Python.\n\n{first.text}"),
            *((m.role, m.text) for m in others),
        ]
        assert [(m["role"], m["content"]) for m in body["messages"]] == turns
        assert body["max_tokens"] == 64
        return
    if "messages" in body:
        roles = [(m["role"], m["content"]) for m in body["messages"]]
        assert roles == [(m.role, m.text) for m in CALL.messages]
    if "options" in body:
        options = body["options"]
        assert options["num_ctx"] == model.profile.context
        asked = tuple(options[name] for name in ("num_predict", "temperature", "seed", "stop"))
    elif "messages" in body:
        asked = (body["max_tokens"], body["temperature"], body["seed"], body["stop"])
    else:
        assert body["systemInstruction"]["parts"] == [{"text": "You write Python."}]
        turns = [(c["role"], c["parts"][0]["text"]) for c in body["contents"]]
        assert turns == [("user", "Say hello."), ("model", "Hello."), ("user", "Again.")]
        config = body["generationConfig"]
        asked = (
            config["maxOutputTokens"],
            config["temperature"],
            config["seed"],
            config["stopSequences"],
        )
    assert asked == (64, 0.5, 11, ["###"])


async def test_calls_run_in_parallel(model: Model) -> None:
    replies = await asyncio.gather(*(ask(model, replace(CALL, seed=n)) for n in range(4)))
    assert {text for text, _ in replies} == {"".join(HELLO)}


async def test_usage_may_be_missing(model: Model, server: FakeProvider) -> None:
    server.script = Script(counted=False)
    _, ended = await ask(model)
    assert (ended.usage.calls, ended.usage.tokens) == (1, 0)


async def test_cancelling_the_task_reaches_the_server(model: Model, server: FakeProvider) -> None:
    server.script = Script(end="drip")
    task = asyncio.create_task(ask(model))
    await server.answering.wait()
    task.cancel()
    async with asyncio.timeout(1):
        await server.left.wait()
    with pytest.raises(asyncio.CancelledError):
        await task


async def test_closing_the_stream_reaches_the_server(model: Model, server: FakeProvider) -> None:
    server.script = Script(end="drip")
    async with aclosing(model.stream(CALL)) as stream:
        await anext(stream)
    async with asyncio.timeout(1):
        await server.left.wait()


async def test_a_reply_without_end_is_stopped_at_the_deadline(
    model: Model, server: FakeProvider
) -> None:
    await ask(model)  # Imports the SDK, which is not part of the time measured here.
    server.script = Script(end="drip")
    started = time.monotonic()
    with pytest.raises(DeadlineError, match=r"longer than 0\.3 s"):
        await ask(model, replace(CALL, timeout_seconds=0.3))
    assert time.monotonic() - started < 1.3
    async with asyncio.timeout(1):
        await server.left.wait()


async def test_a_silent_server_is_left_at_the_deadline(model: Model, server: FakeProvider) -> None:
    await ask(model)
    server.script = Script(pieces=(), end="hang")
    with pytest.raises(DeadlineError):
        await ask(model, replace(CALL, timeout_seconds=0.2))


async def test_reasoning_is_not_part_of_the_text(model: Model, server: FakeProvider) -> None:
    server.script = Script(thoughts=("Let me see.", " Hm."))
    assert (await ask(model))[0] == "".join(HELLO)


async def test_reasoning_in_tags_is_not_part_of_the_text(
    model: Model, server: FakeProvider
) -> None:
    server.script = Script(pieces=("<th", "ink>Let me", " see.</thi", "nk>\n\n", "Yes: <think>"))
    assert (await ask(model))[0] == "Yes: <think>"


async def test_a_cut_reply_says_so(model: Model, server: FakeProvider) -> None:
    server.script = Script(finish="length")
    text, ended = await ask(model)
    assert (text, ended.finish) == ("".join(HELLO), "length")


async def test_a_limit_spent_on_reasoning_is_a_cut_reply(
    model: Model, server: FakeProvider
) -> None:
    server.script = Script(pieces=(), thoughts=("Hm.",), finish="length")
    text, ended = await ask(model)
    assert (text, ended.finish) == ("", "length")


@pytest.mark.parametrize(
    ("script", "kind"),
    [
        pytest.param(Script(end="cut"), UnavailableError, id="cut connection"),
        pytest.param(Script(pieces=(), end="cut"), UnavailableError, id="cut before any text"),
        pytest.param(Script(finish=""), BadAnswerError, id="no finish reason"),
        pytest.param(Script(finish="strange"), BadAnswerError, id="unknown finish reason"),
        pytest.param(Script(end="error"), UnavailableError, id="error in the middle"),
        pytest.param(Script(end="no json"), BadAnswerError, id="no json"),
        pytest.param(Script(end="odd json"), BadAnswerError, id="odd json"),
        pytest.param(Script(pieces=()), BadAnswerError, id="no text"),
        pytest.param(Script(pieces=(), finish=""), BadAnswerError, id="nothing at all"),
        pytest.param(Script(html=True), BadAnswerError, id="html"),
        pytest.param(Script(html=True, status=502), UnavailableError, id="html 502"),
        pytest.param(Script(status=400), BadRequestError, id="400"),
        pytest.param(Script(status=401), AuthError, id="401"),
        pytest.param(Script(status=403), AuthError, id="403"),
        pytest.param(Script(status=404), BadRequestError, id="404"),
        pytest.param(Script(status=429), QuotaError, id="429"),
        pytest.param(Script(status=500), UnavailableError, id="500"),
        pytest.param(Script(status=503), UnavailableError, id="503"),
    ],
)
async def test_every_fault_has_its_type(
    model: Model, server: FakeProvider, script: Script, kind: type[ModelError]
) -> None:
    error = await refusal(model, server, script)
    assert type(error) is kind, str(error)
    if script.status != 200 and not script.html:
        assert script.message in str(error)


async def test_a_blocked_reply_names_the_category(model: Model, server: FakeProvider) -> None:
    if isinstance(model, OllamaModel):
        return  # Ollama filters nothing.
    for script in (Script(finish="blocked"), Script(prompt_blocked=True)):
        error = await refusal(model, server, script)
        assert isinstance(error, BlockedError)
        assert error.category in ("content_filter", "HARM_CATEGORY_DANGEROUS_CONTENT")


async def test_the_delay_that_the_server_names_is_kept(model: Model, server: FakeProvider) -> None:
    script = Script(status=429, headers={"Retry-After": "12"})
    for status, kind in ((429, QuotaError), (503, UnavailableError)):
        error = await refusal(model, server, replace(script, status=status))
        assert isinstance(error, kind)
        assert error.retry_after_seconds == 12


async def test_a_key_that_the_server_repeats_is_not_shown(
    model: Model, server: FakeProvider
) -> None:
    error = await refusal(model, server, Script(status=401, message=f"bad key {KEY} given"))
    assert "bad key *** given" in str(error)


async def test_a_long_page_of_many_lines_becomes_one_sentence(
    model: Model, server: FakeProvider
) -> None:
    error = await refusal(model, server, Script(status=500, message="line\n" * 5000))
    assert len(str(error)) < 500


@pytest.mark.parametrize("provider", PROVIDERS)
async def test_a_refused_connection_is_unavailable(provider: str, tmp_path: Path) -> None:
    unused = await asyncio.start_server(lambda *_: None, "127.0.0.1", 0)
    port = unused.sockets[0].getsockname()[1]
    unused.close()
    await unused.wait_closed()
    model = open_model(provider, f"http://127.0.0.1:{port}", tmp_path)
    with pytest.raises(UnavailableError):
        await ask(model)
    await model.aclose()
    await model.aclose()


async def test_it_works_again_after_every_fault(model: Model, server: FakeProvider) -> None:
    for script in (Script(end="cut"), Script(status=503), Script(html=True), Script(finish="")):
        await refusal(model, server, script)
    server.script = Script()
    assert (await ask(model))[0] == "".join(HELLO)
