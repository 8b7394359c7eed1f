"""ML Coach as the agent of an editor, through the SDK's own client."""

from __future__ import annotations

import asyncio
import time
from typing import Any

import psutil
import pytest
from acp import RequestError
from agent_place import Place
from editor_client import EditorClient, editor_of

from ml_coach.app import App
from scripted_model import DIVIDED_PROMPT, FILES_PROMPT, PROMPT, RIGHT, TESTS, WRONG

LONGEST_SECONDS = 1.0


async def test_a_prompt_becomes_a_run_with_a_plan_tests_and_permitted_edits(
    place: Place, app: App
) -> None:
    async with editor_of(app, EditorClient()) as editor:
        session = await editor.open(place.folder)
        assert await editor.say(session, PROMPT) == "end_turn"
    assert place.text("generated_code.py") == RIGHT
    assert editor.plan()["Running the tests"] == "completed"
    assert "in_progress" not in editor.plan().values()
    starts = {u.tool_call_id: u for u in editor.of_kind("tool_call")}
    ends = {u.tool_call_id: u for u in editor.of_kind("tool_call_update")}
    tests = [id_ for id_, start in starts.items() if start.kind == "execute"]
    assert [ends[each].status for each in tests] == ["failed", "completed"]
    assert "1 of 2 tests pass" in ends[tests[0]].content[0].content.text
    # The first files, then the patch: nothing is written before each is permitted.
    assert [title for title, _, _ in editor.asked] == [
        "Write generated_code.py, test_generated.py, here and later in this run",
        "The sign is wrong.",
    ]
    (change,) = editor.asked[1][2]
    assert (change.old_text, change.new_text) == (WRONG, RIGHT)
    assert change.path == str(place.folder / "generated_code.py")
    assert all(end.status in ("completed", "failed") for end in ends.values())
    assert set(starts) == set(ends)
    assert "**Passed.**" in editor.said()
    commands = editor.of_kind("available_commands_update")[0].available_commands
    assert [c.name for c in commands] == ["generate", "refine", "fix", "tests", "debug"]


async def test_what_is_not_permitted_is_not_written(place: Place, app: App) -> None:
    place.write("generated_code.py", "mine = 1\n")
    refuses = EditorClient(choose=lambda title, options: options[-1].option_id)
    async with editor_of(app, refuses) as editor:
        session = await editor.open(place.folder)
        assert await editor.say(session, PROMPT) == "end_turn"
        assert "You did not allow that generated_code.py" in editor.said()
        assert editor.asked[0][0].startswith("Overwrite generated_code.py, which ML Coach did not")
        assert [p.name for p in place.folder.iterdir()] == ["generated_code.py"]
        assert place.text("generated_code.py") == "mine = 1\n"
        # A patch that is discarded is in no file either.
        editor.choose = lambda title, options: options[0 if "Overwrite" in title else -1].option_id
        assert await editor.say(session, f"/generate {PROMPT}") == "end_turn"
        assert place.text("generated_code.py") == WRONG


async def test_a_second_prompt_is_a_follow_up_and_the_talk_can_be_loaded(
    place: Place, app: App
) -> None:
    more = f"{RIGHT}\n\ndef double(a):\n    return 2 * a\n"
    async with editor_of(app, EditorClient()) as editor:
        session = await editor.open(place.folder)
        await editor.say(session, PROMPT)
        place.model.replies["coder"] = f"```python\n{more}```\n"
        place.model.replies["test_writer"] = "assert double(2) == 4\n"
        await editor.say(session, "also write double(a): double(4) == 8")
        assert app.run_log.start(app.run_log.ids()[0]).request.task == "refine"
        assert "def double" in place.text("generated_code.py")
        assert await editor.say(session, "/dance") == "end_turn"
        said = editor.said()
    async with editor_of(App(state=place.state), EditorClient()) as later:
        await later.open(place.folder)
        later.updates.clear()
        await later.agent.load_session(cwd=str(place.folder), session_id=session, mcp_servers=[])
        prompts = [u.content.text for u in later.of_kind("user_message_chunk")]
        assert prompts == [PROMPT, "also write double(a): double(4) == 8", "/dance"]
        assert later.said() == said
        assert any(u.kind == "edit" for u in later.of_kind("tool_call"))
        assert later.asked == []
        with pytest.raises(RequestError):
            await later.agent.load_session(
                cwd=str(place.elsewhere), session_id=session, mcp_servers=[]
            )
        with pytest.raises(RequestError):
            await later.agent.load_session(cwd=str(place.folder), session_id="../x", mcp_servers=[])


async def test_a_prompt_for_several_files_becomes_a_run_for_each(place: Place, app: App) -> None:
    async with editor_of(app, EditorClient()) as editor:
        session = await editor.open(place.folder)
        assert await editor.say(session, FILES_PROMPT) == "end_turn"
        assert editor.said().count("**Passed.**") == 2
        assert "return side**2" in place.text("shapes.py")
        assert "from shapes import area" in place.text("report.py")
        assert [title for title, _, _ in editor.asked] == [
            f"Write {name}.py, test_{name}.py, here and later in this run"
            for name in ("shapes", "report")
        ]


async def test_the_question_is_asked_with_an_option_for_each_answer(place: Place, app: App) -> None:
    place.divide()

    def choose(title: str, options: list[Any]) -> str:
        wanted = [o.option_id for o in options if o.name == "'a-b_c'"]
        return wanted[0] if wanted else options[0].option_id

    async with editor_of(app, EditorClient(choose=choose)) as editor:
        session = await editor.open(place.folder)
        assert await editor.say(session, DIVIDED_PROMPT) == "end_turn"
    (question,) = [asked for asked in editor.asked if "which is right?" in asked[0]]
    assert set(question[1]) == {"'a-b-c'", "'a-b_c'", "Not defined", "Skip the question"}
    report = app.run_log.report(app.run_log.ids()[0])
    assert report is not None
    assert [answer.text for answer in report.answers] == ["'a-b_c'"]


async def test_where_options_have_no_names_each_answer_is_asked_for(place: Place, app: App) -> None:
    place.divide()

    def choose(title: str, options: list[Any]) -> str:
        is_wrong = "which is right?" in title and not title.endswith("Is it 'a-b_c'?")
        return options[1 if is_wrong else 0].option_id

    async with editor_of(app, EditorClient(choose=choose)) as editor:
        session = await editor.open(place.folder, name="CodeCompanion.nvim")
        assert await editor.say(session, DIVIDED_PROMPT) == "end_turn"
    asked = [asked for asked in editor.asked if "which is right?" in asked[0]]
    assert [names for _, names, _ in asked] == [["Yes", "No"]] * len(asked)
    assert asked[-1][0].endswith("Is it 'a-b_c'?")
    report = app.run_log.report(app.run_log.ids()[0])
    assert report is not None
    assert [answer.text for answer in report.answers] == ["'a-b_c'"]


@pytest.mark.parametrize("waiting", ["for the model", "for the user"])
async def test_cancel_ends_the_turn_within_a_second_and_the_next_one_works(
    place: Place, app: App, waiting: str
) -> None:
    before = set(psutil.Process().children(recursive=True))
    async with editor_of(app, EditorClient()) as editor:
        session = await editor.open(place.folder)
        if waiting == "for the model":
            place.model.held = {"coder"}
        else:
            editor.holds = True
        turn = asyncio.ensure_future(editor.say(session, PROMPT))
        await (place.model.was_asked("coder") if place.model.held else editor.was_asked.wait())
        with pytest.raises(RequestError):
            await editor.say(session, PROMPT)
        began = time.monotonic()
        await editor.agent.cancel(session_id=session)
        assert await turn == "cancelled"
        assert time.monotonic() - began < LONGEST_SECONDS
        assert "**Stopped.**" in editor.said()
        editor.holds = False
        editor.free.set()
        place.model.held.clear()
        place.model.forget()
        assert await editor.say(session, f"/generate {PROMPT}") == "end_turn"
        assert place.text("generated_code.py") == RIGHT
    assert set(psutil.Process().children(recursive=True)) <= before


async def test_unsaved_text_counts_and_the_editor_writes(place: Place, app: App) -> None:
    program = place.write("shop.py", "x = (\n")
    place.write("test_shop.py", TESTS.replace("generated_code", "shop"))
    async with editor_of(app, EditorClient()) as editor:
        editor.buffers[str(program)] = WRONG  # What stands on disk does not compile.
        session = await editor.open(place.folder, files=True)
        assert await editor.say(session, "/debug shop.py") == "end_turn"
    assert editor.written == {str(program): RIGHT}
    (change,) = editor.asked[0][2]
    assert (change.old_text, change.new_text) == (WRONG, RIGHT)
    assert "**Passed.**" in editor.said()


async def test_a_projects_tests_are_fixed_and_the_folder_is_not_left(
    place: Place, app: App
) -> None:
    place.write("pyproject.toml", "[tool.pytest.ini_options]\ntestpaths = ['tests']\n")
    place.write("generated_code.py", WRONG)
    place.write("tests/test_add.py", TESTS)
    place.model.replies["debugger"] = (
        "generated_code.py\n<<<<<<< SEARCH\n    return a - b\n=======\n"
        "    return a + b\n>>>>>>> REPLACE\n"
    )
    (place.elsewhere / "test_x.py").write_text("def test_x():\n    assert False\n")
    async with editor_of(app, EditorClient()) as editor:
        session = await editor.open(place.folder)
        for text in ("/fix ../elsewhere", "/tests ../elsewhere/test_x.py", "/debug ../x.py"):
            await editor.say(session, text)
        assert editor.said().count("outside") + editor.said().count("Name a Python file") == 3
        assert app.run_log.ids() == []
        await editor.say(session, "/fix tests")
    assert place.text("generated_code.py") == RIGHT
    assert len(editor.asked) == 1
    with pytest.raises(RequestError):
        async with editor_of(App(state=place.state), EditorClient()) as other:
            await other.open(place.folder / "nowhere")
