"""What the tools answer other agents, through the SDK's own client."""

from __future__ import annotations

import asyncio
import json
import os
import time
from collections.abc import AsyncGenerator
from dataclasses import replace
from typing import Any

import psutil
import pytest
from agent_place import KEY, Place
from mcp.types import ElicitResult
from tool_client import ToolClient, connected

from ml_coach.app import App
from ml_coach.disk import FolderWorkspace
from ml_coach.file_orders import FileOrders
from ml_coach.folder_files import FolderFiles
from ml_coach.folder_runs import DeferringReviewer, run_workspace
from ml_coach.json_lines import JsonLines
from ml_coach.mcp_server.tools import create_server
from ml_coach.run_order import RunOrder
from ml_coach.settings import Settings
from scripted_model import DIVIDED_PROMPT, JOINS, PROMPT, RIGHT, TESTS, WRONG

LONGEST_SECONDS = 1.0
STUB = 'def slugify(text):\n    """Lower case, words joined by hyphens."""\n'


@pytest.fixture(params=["legacy", "auto"])
async def each_client(
    place: Place, app: App, request: pytest.FixtureRequest
) -> AsyncGenerator[ToolClient]:
    """A client of the handshake's time, which the server asks for its roots, and one of today's,
    which answers a call's own question."""
    async with connected(create_server(app), place.folder, request.param) as client:
        yield client


@pytest.fixture
async def client(place: Place, app: App) -> AsyncGenerator[ToolClient]:
    async with connected(create_server(app), place.folder) as client:
        yield client


async def test_every_tool_says_what_it_answers_and_what_it_may_do(client: ToolClient) -> None:
    tools = {tool.name: tool for tool in (await client.client.list_tools()).tools}
    names = ("verify", "filter_tests", "generate", "write_tests", "fix", "answer", "runs")
    assert tuple(tools) == names
    looks = {"verify", "filter_tests", "runs"}
    replaces = {"generate", "fix", "answer"}
    for name, tool in tools.items():
        assert tool.output_schema is not None, name
        assert tool.description
        assert tool.annotations is not None
        assert tool.annotations.read_only_hint is (name in looks)
        assert tool.annotations.destructive_hint is (name in replaces)
        assert "context" not in tool.input_schema["properties"]


async def test_texts_are_judged(each_client: ToolClient) -> None:
    files = {"generated_code.py": RIGHT, "test_generated.py": TESTS}
    right = await each_client.result("verify", files=files)
    assert (right["verdict"], right["passed"], right["total"]) == ("passed", 2, 2)
    assert right["level"] not in ("", "not started")
    wrong = await each_client.call("verify", files=files | {"generated_code.py": WRONG})
    assert wrong.structured_content is not None
    assert wrong.structured_content["verdict"] == "failed"
    outcomes = {t["name"]: t["outcome"] for t in wrong.structured_content["tests"]}
    assert outcomes == {"test_small": "failed", "test_zero": "passed"}
    assert "1 of 2 tests pass" in wrong.content[0].text  # type: ignore[union-attr]


async def test_a_project_is_run_with_texts_in_the_place_of_its_own(
    client: ToolClient, place: Place
) -> None:
    place.write("pyproject.toml", "[tool.pytest.ini_options]\ntestpaths = ['tests']\n")
    place.write("generated_code.py", WRONG)
    place.write("tests/test_add.py", TESTS)
    # What happens in a tenth of a second is not told.
    place.write("tests/test_slow.py", "import time\n\n\ndef test_slow():\n    time.sleep(0.5)\n")
    as_it_is = await client.result("verify", path=".")
    assert (as_it_is["verdict"], as_it_is["passed"]) == ("failed", 2)
    edited = await client.result("verify", path="tests", files={"generated_code.py": RIGHT})
    assert (edited["verdict"], edited["replaced"]) == ("passed", ["generated_code.py"])
    assert place.text("generated_code.py") == WRONG
    assert any("running the tests" in line for line in client.progress)


async def test_tests_that_say_nothing_and_mistakes_that_survive_are_named(
    client: ToolClient,
) -> None:
    code = "def sign(x):\n    if x > 0:\n        return 1\n    return 0 if x == 0 else -1\n"
    tests = (
        "from signs import sign\n\n\n"
        "def test_one():\n    assert sign(5) == 1\n\n\n"
        "def test_same():\n    assert sign(7) == 1\n\n\n"
        "def test_idle():\n    assert sign(0) is not None or True\n"
    )
    found = await client.result(
        "filter_tests", files={"signs.py": code, "test_signs.py": tests}
    )  # fmt: skip
    verdicts = {test["test"].rpartition("::")[2]: test for test in found["tests"]}
    assert verdicts["test_idle"]["verdict"] == "cannot_fail"
    assert verdicts["test_one"]["verdict"] == "notices"
    assert any({name.rpartition("::")[2] for name in g} >= {"test_one", "test_same"}
               for g in found["repeated"])  # fmt: skip
    assert found["survived"]
    assert all("\n+" in m["diff"] for m in found["survived"])
    new = [m["new_test"] for m in found["survived"] if m["what"] == "`>` becomes `>=`"]
    assert ["assert sign(0) == 0" in text for text in new] == [True]
    assert 0 < found["score"] < 1
    assert found["modules"] == ["signs.py"]


async def test_a_program_is_written_and_its_report_can_be_read(
    each_client: ToolClient, place: Place
) -> None:
    answered = await each_client.call("generate", prompt=PROMPT)
    result = answered.structured_content
    assert result is not None
    assert (result["outcome"], result["patch"]) == ("passed", "")
    assert place.text("generated_code.py") == RIGHT == result["files"]["generated_code.py"]
    assert {"writing the program", "running the tests"} <= set(each_client.progress)
    text = answered.content[0].text  # type: ignore[union-attr]
    assert text.startswith("passed (")
    read = await each_client.client.read_resource(result["report"])
    assert json.loads(read.contents[0].text) == result  # type: ignore[union-attr]
    rows = (await each_client.result("runs"))["runs"]
    assert [(row["run_id"], row["outcome"]) for row in rows] == [(result["run_id"], "passed")]
    noted = list(JsonLines(place.state / "tool_calls.jsonl"))
    ended = [(n["tool"], n["ended"], n["run_id"]) for n in noted if n["ended"] != "asked"]
    assert ended == [("generate", "passed", result["run_id"]), ("runs", "answered", "")]


async def test_a_file_of_the_users_is_replaced_only_where_that_is_said(
    client: ToolClient, place: Place
) -> None:
    place.write("generated_code.py", "mine = 1\n")
    why = await client.refusal("generate", prompt=PROMPT)
    assert "was not written by ML Coach" in why
    assert place.text("generated_code.py") == "mine = 1\n"
    assert place.model.asked == []
    done = await client.result("generate", prompt=PROMPT, overwrite=True)
    assert done["outcome"] == "passed"


async def test_a_question_waits_for_the_user_and_the_run_goes_on(
    client: ToolClient, place: Place
) -> None:
    place.divide()
    unsure = await client.result("generate", prompt=DIVIDED_PROMPT)
    assert unsure["outcome"] == "unsure"
    assert set(unsure["question"]["choices"]) == {"'a-b-c'", "'a-b_c'"}
    assert "Ask the user" in unsure["next"]
    why = await client.refusal("answer", run_id=unsure["run_id"], answer="a b")
    assert "is no Python value" in why
    sure = await client.result("answer", run_id=unsure["run_id"], answer="'a-b_c'")
    assert sure["question"] is None
    assert "'a-b_c'" in json.dumps(sure["files"]).replace("\\", "") or sure["tests"]
    assert "No such" not in sure["reason"]


async def test_an_answer_builds_on_the_program_that_the_question_was_about(
    client: ToolClient, place: Place, app: App
) -> None:
    place.divide()
    place.write("slug.py", STUB)
    settings = replace(Settings(), model=place.model.model)
    orders = FileOrders(FolderFiles(place.folder, app), settings)
    order = await orders.implement("slug.py", "slugify")
    assert isinstance(order, RunOrder)
    folder = run_workspace(app, order, FolderWorkspace(place.folder, app.written_files))
    unsure = await app.run(order, folder, DeferringReviewer(), lambda event: None)
    assert unsure.question is not None
    written, asked = place.text("slug.py"), len(place.model.asked)
    # What cannot begin leaves all as it was.
    (place.folder / "slug.py").chmod(0o444)
    assert "read-only" in await client.refusal("answer", run_id=order.run_id, answer="'a-b-c'")
    (place.folder / "slug.py").chmod(0o644)
    assert place.text("slug.py") == written
    done = await client.result("answer", run_id=order.run_id, answer="'a-b-c'")
    assert JOINS.splitlines()[1] in place.text("slug.py")
    assert place.text("slug.py").count("return") == 1
    assert len(place.model.asked) == asked
    # The same question is answered in another way only once this answer is taken back.
    text = place.text("slug.py")
    why = await client.refusal("answer", run_id=order.run_id, answer="'a-b_c'")
    assert f"ml-coach undo {done['run_id']}" in why
    assert place.text("slug.py") == text


async def test_a_client_that_lets_servers_ask_asks_the_user(place: Place, app: App) -> None:
    place.divide()
    said = ["a b", "'a-b_c'"]
    asked: list[str] = []

    async def elicit(context: Any, params: Any) -> ElicitResult:
        asked.append(params.message)
        return ElicitResult(action="accept", content={"answer": said.pop(0)})

    async with connected(
        create_server(app), place.folder, "legacy", elicitation_callback=elicit
    ) as client:
        await client.result("generate", prompt=DIVIDED_PROMPT)
    assert "which is right? Answers of the programs: " in asked[0]
    assert "is no Python value" in asked[1]
    report = app.run_log.report(app.run_log.ids()[0])
    assert report is not None
    assert [answer.text for answer in report.answers] == ["'a-b_c'"]


async def test_a_projects_patch_waits_or_is_applied(client: ToolClient, place: Place) -> None:
    place.write("pyproject.toml", "[tool.pytest.ini_options]\ntestpaths = ['tests']\n")
    place.write("generated_code.py", WRONG)
    place.write("tests/test_add.py", TESTS)
    place.model.replies["debugger"] = (
        "generated_code.py\n<<<<<<< SEARCH\n    return a - b\n=======\n"
        "    return a + b\n>>>>>>> REPLACE\n"
    )
    waits = await client.result("fix", path="tests")
    assert waits["outcome"] == "gave_up"
    assert "+    return a + b" in waits["patch"]
    assert place.text("generated_code.py") == WRONG
    done = await client.result("fix", path="tests", apply_patches=True)
    assert (done["outcome"], place.text("generated_code.py")) == ("passed", RIGHT)


async def test_tests_are_written_beside_the_users_own(client: ToolClient, place: Place) -> None:
    place.write("shop.py", RIGHT)
    mine = place.write("test_shop.py", "def test_mine():\n    assert True\n")
    place.model.replies["test_writer"] = f"```python\n{TESTS}```\n"
    done = await client.result("write_tests", program_file="shop.py")
    assert done["outcome"] == "passed"
    assert done["tests_file"] != "test_shop.py"
    assert mine.read_text() == "def test_mine():\n    assert True\n"
    assert place.text("shop.py") == RIGHT


@pytest.mark.parametrize("mode", ["legacy", "auto"])
async def test_a_cancelled_call_ends_its_run_and_leaves_no_process(
    place: Place, app: App, mode: str
) -> None:
    place.model.held = {"debugger"}
    before = set(psutil.Process().children(recursive=True))
    async with connected(create_server(app), place.folder, mode) as client:
        call = asyncio.ensure_future(client.call("generate", prompt=PROMPT))
        await place.model.was_asked("debugger")
        began = time.monotonic()
        call.cancel()
        await asyncio.wait([call])
        (run,) = app.run_log.ids()
        while app.claims.holder(run) is not None:  # noqa: ASYNC110 - the lock tells its end
            await asyncio.sleep(0.02)
        assert time.monotonic() - began < LONGEST_SECONDS
        report = app.run_log.report(run)
        assert report is not None
        assert (report.outcome, report.reason) == ("stopped", "The client cancelled the call.")
        place.model.held.clear()
        place.model.forget()
        assert (await client.result("generate", prompt=PROMPT))["outcome"] == "passed"
    await app.aclose()
    assert set(psutil.Process().children(recursive=True)) <= before
    assert [n["ended"] for n in JsonLines(place.state / "tool_calls.jsonl")].count("cut off") == 1


# Attacks


async def test_nothing_outside_the_roots_is_read_or_written(
    client: ToolClient, place: Place, app: App
) -> None:
    secret = place.elsewhere / "test_secret.py"
    secret.write_text("def test_secret():\n    assert True\n")
    (place.folder / "link").symlink_to(place.elsewhere)
    (place.folder / "test_link.py").symlink_to(secret)
    outside = (
        "..", "../elsewhere", str(place.elsewhere), "link", "link/test_secret.py",
        "test_link.py", "./a/../../elsewhere", "/", "nul\0byte",
    )  # fmt: skip
    for path in outside:
        for tool in ("verify", "filter_tests", "fix"):
            why = await client.refusal(tool, path=path)
            assert "outside your roots" in why or "cannot be found" in why, (tool, path, why)
    for folder in outside[:4]:
        assert "outside your roots" in await client.refusal("generate", prompt="p", folder=folder)
    for name in ("../elsewhere/a.py", str(place.elsewhere / "a.py"), "link/a.py"):
        for field in ("program_file", "tests_file"):
            answered = await client.call("generate", prompt=PROMPT, **{field: name})
            told = json.dumps(answered.structured_content or answered.content[0].text)  # type: ignore[union-attr]
            assert "passed" not in told, told
            assert any(w in told for w in ("outside", "cannot import")), told
    for name in ("../a_test.py", "/tmp/a_test.py", "a/../../a_test.py", "c:\\a_test.py"):
        assert "no path inside" in await client.refusal("verify", files={name: TESTS})
    assert [path.name for path in place.elsewhere.iterdir()] == [secret.name]
    assert place.model.asked == []


async def test_arguments_that_name_nothing_are_refused_with_a_reason(
    client: ToolClient, place: Place
) -> None:
    place.write("pytest.ini", "[pytest]\n")
    place.write("test_calc.py", "def test_add():\n    assert True\n")
    (place.folder / "latin.py").write_bytes(b"X = '\xe9'\n")
    (place.folder / "a").mkdir()
    os.mkfifo(place.folder / "pipe.py")
    for name, why in (
        ("../elsewhere/a.py", "lies outside"), ("a", "is a folder"), ("pipe.py", "is a pipe"),
        ("latin.py", "is not UTF-8"), ("nul\0.py", "cannot be found"),
    ):  # fmt: skip
        assert why in await client.refusal("write_tests", program_file=name)
    for module in ("missing.py", "../elsewhere/a.py", "test_calc.py"):
        assert "is no module" in await client.refusal("filter_tests", path=".", modules=[module])
    texts = {"test_a.py": TESTS, "test_a.py/test_b.py": TESTS}
    assert "cannot be a file and the folder" in await client.refusal("verify", files=texts)
    files = {"test_a.py": TESTS}
    assert "give its `path`" in await client.refusal("verify", files=files, keyword="add")


@pytest.mark.parametrize("mode", ["legacy", "auto"])
async def test_roots_that_change_hold_from_the_next_call_on(
    place: Place, app: App, mode: str
) -> None:
    for folder in (place.folder, place.elsewhere):
        (folder / "test_here.py").write_text("def test_here():\n    assert True\n")
    roots = [place.folder]
    async with connected(create_server(app), roots, mode) as client:
        assert (await client.result("verify", path="."))["verdict"] == "passed"
        roots[:] = [place.elsewhere]
        assert (await client.result("verify", path=str(place.elsewhere)))["verdict"] == "passed"
        for tool in ("verify", "filter_tests", "fix"):
            assert "outside your roots" in await client.refusal(tool, path=str(place.folder))


async def test_a_link_in_a_project_does_not_carry_a_file_from_outside(
    client: ToolClient, place: Place
) -> None:
    (place.elsewhere / "secret.txt").write_text("a secret of another folder")
    (place.folder / "secret.txt").symlink_to(place.elsewhere / "secret.txt")
    (place.folder / "data").symlink_to(place.elsewhere)
    paths = ["secret.txt", "data/secret.txt", str(place.elsewhere / "secret.txt")]
    place.write(
        "test_read.py",
        f"import pathlib\nimport pytest\n\n\n@pytest.mark.parametrize('path', {paths!r})\n"
        "def test_read(path):\n    assert pathlib.Path(path).read_text() == ''\n",
    )
    found = await client.result("verify", path=".")
    assert (found["verdict"], found["passed"], found["total"]) == ("failed", 0, len(paths))
    assert "a secret" not in json.dumps(found)


async def test_two_calls_at_once_do_not_mix(client: ToolClient, place: Place) -> None:
    wrong = {"generated_code.py": WRONG, "test_generated.py": TESTS}
    right = {"generated_code.py": RIGHT, "test_generated.py": TESTS}
    found = await asyncio.gather(
        *(client.result("verify", files=files) for files in (right, wrong, right))
    )
    assert [each["verdict"] for each in found] == ["passed", "failed", "passed"]
    # In one folder only one run writes; the other one is told who does.
    both: list[Any] = await asyncio.gather(
        *(client.call("generate", prompt=PROMPT, overwrite=True) for _ in range(2))
    )
    said = [each.content[0].text for each in both if each.is_error]
    assert len(said) == 1
    assert "is working on generated_code.py" in said[0]


async def test_a_cancelled_check_of_tests_leaves_no_process(
    client: ToolClient, place: Place
) -> None:
    mark = "time.sleep(987)"
    place.write(
        "test_long.py",
        "import subprocess\nimport sys\n\n\ndef test_long():\n"
        f"    subprocess.run([sys.executable, '-c', 'import time; {mark}'], check=True)\n",
    )

    def left() -> list[psutil.Process]:
        found = psutil.Process().children(recursive=True)
        return [each for each in found if each.is_running() and mark in " ".join(_command(each))]

    for tool in ("verify", "filter_tests"):
        call = asyncio.ensure_future(client.call(tool, path="."))
        while not left():  # noqa: ASYNC110 - what is waited for is another process
            await asyncio.sleep(0.02)
        call.cancel()
        await asyncio.wait([call])
        began = time.monotonic()
        while left():  # noqa: ASYNC110
            await asyncio.sleep(0.02)
        assert time.monotonic() - began < LONGEST_SECONDS


def _command(process: psutil.Process) -> list[str]:
    try:
        return process.cmdline()
    except psutil.Error:
        return []


async def test_the_project_above_the_root_is_not_taken(place: Place, app: App) -> None:
    place.write("pyproject.toml", "[tool.ml-coach]\nprogram-file = 'above.py'\n")
    place.write("secret.py", "SECRET = 1\n")
    place.write("inner/test_inner.py", "def test_inner():\n    import secret\n")
    async with connected(create_server(app), place.folder / "inner") as client:
        found = await client.result("verify", path=".")
        assert found["verdict"] == "failed"
        assert "No module named 'secret'" in json.dumps(found)
        made = await client.result("generate", prompt=PROMPT)
        assert made["program_file"] == "generated_code.py"


async def test_runs_of_other_folders_are_not_told(place: Place, app: App) -> None:
    server = create_server(app)
    async with connected(server, place.folder) as client:
        run_id = (await client.result("generate", prompt=PROMPT))["run_id"]
    async with connected(server, place.elsewhere) as client:
        assert (await client.result("runs"))["runs"] == []
        assert "There is no run" in await client.refusal("answer", run_id=run_id, answer="1")
        with pytest.raises(Exception, match="There is no run"):
            await client.client.read_resource(f"ml-coach://runs/{run_id}/report")
        with pytest.raises(Exception, match=r"There is no run|Unknown resource"):
            await client.client.read_resource("ml-coach://runs/../report")


FORGERIES = {
    "leaves": "import os\nos._exit(0)\n",
    "prints": "print('2 passed in 0.01s')\n\n\ndef add(a, b):\n    return 0\n",
    "patches pytest": (
        "import _pytest.runner as r\n"
        "r.call_and_report = lambda *a, **k: None\n\n\ndef add(a, b):\n    return 0\n"
    ),
    "equals all": (
        "class Any(int):\n    def __eq__(self, other):\n        return True\n"
        "    __hash__ = int.__hash__\n\n\ndef add(a, b):\n    return Any()\n"
    ),
}  # fmt: skip


@pytest.mark.parametrize("forgery", list(FORGERIES))
async def test_a_forged_verdict_is_not_passed_on(client: ToolClient, forgery: str) -> None:
    files = {"generated_code.py": FORGERIES[forgery], "test_generated.py": TESTS}
    found = await client.result("verify", files=files)
    assert found["verdict"] != "passed", found
    assert found["why"]


WRITES = """
import os

for descriptor in range(3, 4100):
    for line in (LINES):
        try:
            os.write(descriptor, line)
        except OSError:
            break
"""
RECORDS = [b'{"index": 0, "value": "done"}\n', b'["passed", "test_generated.py::test_small"]\n']
FOLDERS = {
    "writes to our channel": {"conftest.py": WRITES.replace("LINES", repr(RECORDS))},
    "leaves as if all passed": {"conftest.py": "import os\nos._exit(0)\n"},
    "reports for pytest": {
        "conftest.py": "import pytest\n\n\n@pytest.hookimpl(hookwrapper=True)\n"
        "def pytest_runtest_makereport(item, call):\n    found = yield\n"
        "    found.get_result().outcome = 'passed'\n"
    },
    "runs no test": {
        "conftest.py": "def pytest_runtest_protocol(item, nextitem):\n    return True\n"
    },
}


@pytest.mark.parametrize("forgery", list(FOLDERS))
async def test_a_folder_with_a_forged_verdict_is_not_passed_on(
    client: ToolClient, place: Place, forgery: str
) -> None:
    for name, text in {
        "generated_code.py": WRONG, "test_generated.py": TESTS, **FOLDERS[forgery]
    }.items():  # fmt: skip
        place.write(name, text)
    found = await client.result("verify", path=".")
    assert found["verdict"] != "passed", found
    assert found["why"]


async def test_code_sees_no_key_and_no_answer_holds_one(
    client: ToolClient, place: Place, app: App
) -> None:
    looks = (
        "import os\nimport pathlib\n\n\ndef test_look():\n"
        "    seen = dict(os.environ)\n"
        "    for file in pathlib.Path('/proc').glob('*/environ'):\n"
        "        try:\n            seen[str(file)] = file.read_text()\n"
        "        except OSError:\n            pass\n"
        "    assert False, repr(seen)\n"
    )
    found: Any = await client.call("verify", files={"test_look.py": looks})
    assert found.structured_content["verdict"] == "failed"
    place.write("keys/test_look.py", looks)
    project: Any = await client.call("verify", path="keys")
    assert project.structured_content["verdict"] == "failed"
    await client.result("generate", prompt=PROMPT)
    assert place.model.authorizations  # The model's own endpoint was asked.
    answers = [each.model_dump(mode="json") for each in (found, project)]
    said = json.dumps([answers, client.progress])
    kept = "".join(p.read_text("utf-8", "replace") for p in place.state.rglob("*") if p.is_file())
    assert KEY not in said
    assert KEY not in kept
