"""What a client that draws runs is sent: the run's state, and what the agents write."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from raw import RawPeer, framed, raw_peer

from scripted_model import PROMPT, TESTS, WRONG, ScriptedModel

LONG = f"```python\n{WRONG}```\n" + "".join(f"# Remark {n} of many.\n" for n in range(4000))
PATIENCE = 60.0  # seconds, on a machine that does much else
OPTIONS = {"drawsRuns": True, "maxIters": 1}


def execute(peer: RawPeer, number: int, command: str, **argument: Any) -> None:
    params = {"command": f"mlCoach.{command}", "arguments": [argument]}
    peer.send(framed(id=number, method="workspace/executeCommand", params=params))


async def finished_run(peer: RawPeer, **options: Any) -> list[Any]:
    """Every message of a run from its start to its end."""
    await peer.initialize(initializationOptions={**OPTIONS, "events": True, **options})
    peer.send(framed(method="initialized", params={}))
    execute(peer, 1, "generate", prompt=PROMPT)
    await peer.until(lambda m: is_event(m, "RunFinished"), PATIENCE)
    assert await peer.answers()  # All that belongs to the run has arrived before this answer.
    return peer.messages


def is_event(message: Any, kind: str) -> bool:
    return message.get("method") == "mlCoach/event" and message["params"]["event"]["event"] == kind


def sent(messages: list[Any], method: str) -> list[Any]:
    return [message["params"] for message in messages if message.get("method") == method]


async def test_a_client_that_did_not_ask_is_sent_neither_states_nor_texts(
    tmp_path: Path, model: ScriptedModel
):
    async with raw_peer(tmp_path, ML_COACH_MODEL=model.model) as peer:
        messages = await finished_run(peer, drawsRuns=False)
    assert sent(messages, "mlCoach/event")
    assert not sent(messages, "mlCoach/run")
    assert not sent(messages, "mlCoach/writing")


async def test_the_state_of_a_run_is_sent_until_it_is_over(tmp_path: Path, model: ScriptedModel):
    async with raw_peer(tmp_path, ML_COACH_MODEL=model.model) as peer:
        messages = await finished_run(peer)
        states = sent(messages, "mlCoach/run")
        execute(peer, 2, "run", runId=states[-1]["runId"])
        logged = (await peer.reply(2))["result"]
        execute(peer, 3, "runs")
        (row,) = (await peer.reply(3))["result"]["runs"]
    assert [state["active"] for state in states] == [True] * (len(states) - 1) + [False]
    assert states[-1]["outcome"] == "gave_up"
    assert logged == states[-1]
    assert (row["task"], row["can"]) == ("generate", ["undo", "resume"])
    assert row["runId"].startswith(row["startedAt"].translate(str.maketrans("T", "-", "-:")))


async def test_both_are_at_work_while_coder_and_test_writer_are_asked(
    tmp_path: Path, model: ScriptedModel
):
    model.held |= {"coder", "test_writer"}

    def writes(message: Any) -> bool:
        agents = message["params"]["agents"] if message.get("method") == "mlCoach/writing" else []
        return {agent["agent"] for agent in agents} == {"coder", "test_writer"}

    async with raw_peer(tmp_path, ML_COACH_MODEL=model.model) as peer:
        await peer.initialize(initializationOptions=OPTIONS)
        execute(peer, 1, "generate", prompt=PROMPT)
        await peer.until(writes, PATIENCE)
        state = sent(peer.messages, "mlCoach/run")[-1]
    at_work = [s["title"] for s in state["iterations"][0]["stages"] if s["state"] == "running"]
    assert at_work == ["Code", "Test writing"]


async def test_what_agents_write_arrives_whole_and_in_few_messages(
    tmp_path: Path, model: ScriptedModel
):
    model.replies["coder"] = LONG
    async with raw_peer(tmp_path, ML_COACH_MODEL=model.model) as peer:
        messages = await finished_run(peer)
    messages_about_text = sent(messages, "mlCoach/writing")
    pieces = len(LONG) // 16
    assert messages_about_text[-1]["agents"] == []
    assert len(messages_about_text) < pieces / 20
    texts: dict[int, str] = {}
    for agent in (agent for message in messages_about_text for agent in message["agents"]):
        texts[agent["callId"]] = texts.get(agent["callId"], "") + agent["text"]
    # The researcher wrote first, then coder and test writer at once.
    assert texts[1] == model.replies["researcher"]
    assert {LONG, model.replies["test_writer"]} <= set(texts.values())


async def test_a_run_that_was_stopped_for_a_reason_names_it(tmp_path: Path, model: ScriptedModel):
    model.held.add("coder")
    reason = "The setting mlCoach.server.command was changed."
    async with raw_peer(tmp_path, ML_COACH_MODEL=model.model) as peer:
        await peer.initialize(initializationOptions=OPTIONS)
        execute(peer, 1, "generate", prompt=PROMPT)
        await model.was_asked("coder")
        execute(peer, 2, "stop", reason=reason)
        await peer.reply(2)
        state = sent(peer.messages, "mlCoach/run")[-1]
        assert (state["outcome"], state["reason"]) == ("stopped", reason)
        execute(peer, 3, "runs")
        (row,) = (await peer.reply(3))["result"]["runs"]
    assert (row["reason"], row["can"]) == (reason, ["resume"])


async def test_a_run_of_tests_only_offers_neither_undo_nor_resume(
    tmp_path: Path, model: ScriptedModel
):
    async with raw_peer(tmp_path, ML_COACH_MODEL=model.model) as peer:
        (peer.root / "generated_code.py").write_text(WRONG)
        (peer.root / "test_generated.py").write_text(TESTS)
        await peer.initialize(initializationOptions={"drawsRuns": True, "events": True})
        execute(peer, 1, "runTests", uri=(peer.root / "generated_code.py").as_uri())
        await peer.until(lambda m: is_event(m, "RunFinished"), PATIENCE)
        execute(peer, 2, "runs")
        (row,) = (await peer.reply(2))["result"]["runs"]
    assert (row["task"], row["can"]) == ("test", [])


async def test_the_files_of_a_patch_are_fetched_by_its_id(tmp_path: Path, model: ScriptedModel):
    async with raw_peer(tmp_path, ML_COACH_MODEL=model.model) as peer:
        await peer.initialize(initializationOptions={"drawsRuns": True, "asksForPatches": True})
        execute(peer, 1, "generate", prompt=PROMPT)

        def waiting(message: Any) -> list[Any]:
            drawn = message["params"] if message.get("method") == "mlCoach/run" else {}
            patches = [p for one in drawn.get("iterations", []) for p in one["patches"]]
            return [patch for patch in patches if patch["state"] == "waiting"]

        (patch,) = waiting(await peer.until(waiting, PATIENCE))
        execute(peer, 2, "patch", patchId=patch["patchId"])
        (change,) = (await peer.reply(2))["result"]["changes"]
        assert change["file"] == "generated_code.py"
        assert ("a - b" in change["before"], "a + b" in change["after"]) == (True, True)
        execute(peer, 3, "patch", patchId=f"{patch['patchId']}0")
        assert "not known" in (await peer.reply(3))["error"]["message"]
