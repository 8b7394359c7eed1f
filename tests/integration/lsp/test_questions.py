"""A run's question in the editor: where it is shown, the ways to answer it, what an answer does."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import pytest
from editor import Editor
from lsprotocol import types as lsp
from pygls.exceptions import JsonRpcException

from conftest import StartEditor
from scripted_model import DIVIDED_PROMPT, JOINS, ScriptedModel

# A run takes several steps in the sandbox, on a machine that may be busy.
SECONDS = 120.0
ASKED = "slugify('A B_c'): which is right?"
CONFIRMED = "assert slugify('A B_c') == 'a-b-c'"
PROGRAM, TESTS = "generated_code.py", "test_generated.py"


@pytest.fixture(autouse=True)
def divided(model: ScriptedModel) -> None:
    model.divide()


async def ended(editor: Editor, runs: int = 1) -> dict[str, Any]:
    """The report of the last of so many runs."""
    await editor.until(lambda: editor.kinds().count("RunFinished") == runs, SECONDS)
    return [e["report"] for e in editor.events if e["event"] == "RunFinished"][-1]


async def asked_in(editor: Editor, file: str = PROGRAM) -> list[lsp.Diagnostic]:
    return [d for d in await editor.findings(file) if d.code == "question"]


async def lenses(editor: Editor, file: str) -> dict[str, lsp.Command]:
    item = lsp.TextDocumentIdentifier(editor.uri(file))
    found = await editor.client.text_document_code_lens_async(lsp.CodeLensParams(item))
    return {lens.command.title: lens.command for lens in found}


async def test_a_question_stays_at_its_function_and_a_quick_fix_goes_on_with_the_answer(
    start: StartEditor, model: ScriptedModel
):
    options = {"maxQuestions": 1}
    editor = await start("neovim-0.11", options=options)
    first = await editor.generate(DIVIDED_PROMPT)
    assert (await ended(editor))["outcome"] == "unsure"
    calls, tests = list(model.asked), editor.text(TESTS)
    # Nothing comes up unasked; a message says where the answers are.
    assert editor.questions == []
    await editor.until(lambda: any(ASKED in m and PROGRAM in m for m in editor.messages))
    (hint,) = await asked_in(editor)
    assert (hint.message, hint.severity) == (ASKED, lsp.DiagnosticSeverity.Hint)
    assert editor.text(PROGRAM).splitlines()[hint.range.start.line].startswith("def slugify")
    offered = [a.title for a in await editor.actions(PROGRAM, 1) if "Answer" in a.title]
    assert offered == [
        "Answer ML Coach: slugify('A B_c') gives 'a-b_c'",
        "Answer ML Coach: slugify('A B_c') gives 'a-b-c'",
        "Answer ML Coach: slugify('A B_c') is not defined",
    ]

    # It moves with the function, and is gone while the function is.
    editor.type(PROGRAM, "# mine\n" + editor.text(PROGRAM))
    assert [d.range.start.line for d in await moved(editor, hint, 1)] == [1]
    editor.type(PROGRAM, editor.text(PROGRAM).replace("def slugify", "def other"))
    await editor.until(lambda: not pushed(editor))
    editor.type(
        PROGRAM, editor.text(PROGRAM).replace("def other", "def slugify")[len("# mine\n") :]
    )
    await editor.until(lambda: pushed(editor))

    nonsense = await editor.command("answer", runId=first, text="a b")
    assert nonsense["runId"] == ""
    assert "is no Python value" in nonsense["reason"]
    with pytest.raises(JsonRpcException, match="2 choices"):
        await editor.command("answer", runId=first, choice=7)

    await editor.choose(await editor.action(PROGRAM, offered[1]))
    report = await ended(editor, 2)
    assert [answer["text"] for answer in report["answers"]] == ["'a-b-c'"]
    assert editor.text(PROGRAM) == JOINS
    assert CONFIRMED in editor.text(TESTS)
    assert model.asked == calls
    assert await asked_in(editor) == []

    # Undo takes the answer back; the lens asks in a window, because the user wants to be asked.
    undone = await editor.command("undoRun", runId=await latest(editor))
    assert undone["action"] == "undone"
    assert editor.text(TESTS) == tests
    await editor.until(lambda: pushed(editor))
    editor.answer = lambda question: "slugify('A B_c') gives 'a-b-c'" if ASKED in question else None
    lens = (await lenses(editor, PROGRAM))[f"Answer: {ASKED}"]
    params = lsp.ExecuteCommandParams(lens.command, lens.arguments)
    await editor.client.workspace_execute_command_async(params)
    await ended(editor, 3)
    assert CONFIRMED in editor.text(TESTS)


def pushed(editor: Editor) -> list[lsp.Diagnostic]:
    found = editor.diagnostics.get(editor.uri(PROGRAM), [])
    return [d for d in found if d.code == "question"]


async def moved(editor: Editor, hint: lsp.Diagnostic, lines: int) -> list[lsp.Diagnostic]:
    await editor.until(
        lambda: [d.range.start.line - hint.range.start.line for d in pushed(editor)] == [lines]
    )
    return pushed(editor)


async def latest(editor: Editor) -> str:
    return (await editor.command("runs", limit=1))["runs"][0]["runId"]


async def test_a_question_is_still_open_after_a_restart_of_the_server(start: StartEditor):
    first = await start("kate-22.12", options={"maxQuestions": 1})
    await first.generate(DIVIDED_PROMPT)
    await ended(first)
    await first.quit()
    second = await start("kate-22.12")
    second.open(PROGRAM)
    await second.until(lambda: pushed(second))
    await second.choose(
        await second.action(PROGRAM, "Answer ML Coach: slugify('A B_c') gives 'a-b-")
    )
    await ended(second)
    assert CONFIRMED in second.text(TESTS)
    # A third server knows the test of the answer again.
    third = await start("kate-22.12")
    await third.command("runTests", uri=third.uri(TESTS))
    suite = (await ended(third))["suite"]
    assert suite["provenance"]["test_confirmed_1"] == "confirmed"


async def test_a_client_that_asks_by_itself_is_asked_until_it_says_what_can_be_read(
    start: StartEditor, model: ScriptedModel
):
    shown: list[dict[str, Any]] = []
    cancelled = asyncio.Event()
    replies: list[Any] = [None, {"text": "a b"}, {"choice": 1}]

    def prepare(editor: Editor) -> None:
        async def ask(params: Any) -> Any:
            shown.append(params)
            editor._changed.set()
            if len(shown) > 1:
                return replies.pop(0)
            try:
                await asyncio.Event().wait()
            finally:
                cancelled.set()

        editor.client.feature("mlCoach/question")(ask)

    options = {"maxQuestions": 1, "asksQuestions": True}
    editor = await start(prepare=prepare, options=options)
    await editor.generate(DIVIDED_PROMPT)
    await editor.until(lambda: shown, SECONDS)
    assert shown[0]["question"] == ASKED
    assert shown[0]["choices"] == [
        {"title": "'a-b_c'", "programs": 2}, {"title": "'a-b-c'", "programs": 2},
    ]  # fmt: skip

    # A run that waits for an answer keeps no file from another run: it ends without one.
    model.divide()
    await editor.generate(DIVIDED_PROMPT)
    report = await ended(editor)
    assert report["question"]["call"] == "slugify('A B_c')"
    async with asyncio.timeout(SECONDS):
        await cancelled.wait()
    assert (await ended(editor, 2))["question"] is not None  # The second asking gave null.
    # The message with which it ends has the button, which asks again.
    assert any("is unsure" in question for question in editor.questions)

    await editor.command("answer", runId=await latest(editor))
    report = await ended(editor, 3)
    assert "is no Python value" in shown[-1]["complaint"]
    assert shown[-1]["typed"] == "a b"
    assert [answer["text"] for answer in report["answers"]] == ["'a-b-c'"]
    assert CONFIRMED in editor.text(TESTS)


async def test_an_answer_gives_a_stub_another_body(
    start: StartEditor, model: ScriptedModel, root: Path
):
    doc = '    """Puts text into lower case, its words joined by hyphens."""\n'
    (root / "slugs.py").write_text(f"def slugify(text):\n{doc}    ...\n")
    editor = await start("neovim-0.11", options={"maxQuestions": 1})
    editor.open("slugs.py")
    await editor.command("implement", uri=editor.uri("slugs.py"), function="slugify")
    assert (await ended(editor))["outcome"] == "unsure"
    asked, first = list(model.asked), await latest(editor)
    await editor.choose(
        await editor.action("slugs.py", "Answer ML Coach: slugify('A B_c') gives 'a-b-c'")
    )
    assert (await ended(editor, 2))["answers"]
    body = JOINS.partition("\n")[2]
    assert editor.text("slugs.py") == f"def slugify(text):\n{doc}{body}"
    assert CONFIRMED in editor.text("test_slugs.py")
    assert model.asked == asked
    with pytest.raises(JsonRpcException, match="undo it first"):
        await editor.command("answer", runId=first, choice=0)
    assert CONFIRMED in editor.text("test_slugs.py")


async def test_a_run_that_cannot_go_on_leaves_a_function_the_body_it_has(
    start: StartEditor, root: Path
):
    (root / "slugs.py").write_text("def slugify(text):\n    ...\n")
    first = await start("neovim-0.11", options={"maxQuestions": 1})
    first.open("slugs.py")
    await first.command("implement", uri=first.uri("slugs.py"), function="slugify")
    await ended(first)
    asked = await latest(first)
    await first.quit()
    files = "slugs.py", "test_slugs.py"
    for file in files:
        (root / file).write_text(first.text(file))
    second = await start("neovim-0.11", options={"python": "/no/such/python"})
    second.open("slugs.py")
    before = [second.text(file) for file in files]
    await second.command("answer", runId=asked, choice=0)
    assert (await ended(second))["outcome"] == "failed"
    await second.until(lambda: [second.text(file) for file in files] == before)


async def test_of_two_answers_at_once_one_starts_a_run(
    start: StartEditor, model: ScriptedModel, root: Path
):
    (root / "slugs.py").write_text("def slugify(text):\n    ...\n")
    editor = await start("neovim-0.11", options={"maxQuestions": 1})
    editor.open("slugs.py")
    await editor.command("implement", uri=editor.uri("slugs.py"), function="slugify")
    await ended(editor)
    asked = await latest(editor)
    told = await asyncio.gather(
        *(editor.command("answer", runId=asked, choice=choice) for choice in (1, 1, 1)),
        return_exceptions=True,
    )
    assert sum(isinstance(one, JsonRpcException) for one in told) == 2, told
    assert (await ended(editor, 2))["answers"]
    assert editor.text("slugs.py").count("return") == 1
    assert CONFIRMED in editor.text("test_slugs.py")


async def test_questions_of_two_files_are_answered_each_on_its_own(
    start: StartEditor, model: ScriptedModel, root: Path
):
    editor = await start("neovim-0.11", options={"maxQuestions": 1})
    runs: list[str] = []
    for number, file in enumerate(("one.py", "two.py"), 1):
        model.divide()
        (root / file).write_text("def slugify(text):\n    ...\n")
        editor.open(file)
        await editor.command("implement", uri=editor.uri(file), function="slugify")
        assert (await ended(editor, number))["question"]
        runs.append(await latest(editor))
    assert [len(await asked_in(editor, file)) for file in ("one.py", "two.py")] == [1, 1]
    await editor.choose(
        await editor.action("one.py", "Answer ML Coach: slugify('A B_c') gives 'a-b-c'")
    )
    assert (await ended(editor, 3))["answers"]
    assert [len(await asked_in(editor, file)) for file in ("one.py", "two.py")] == [0, 1]
    # A file that the user closed and saved is answered, too.
    for file in ("two.py", "test_two.py"):
        (root / file).write_text(editor.text(file))
        editor.close(file)
    await editor.command("answer", runId=runs[1], choice=1)
    assert (await ended(editor, 4))["answers"]
    await editor.until(lambda: CONFIRMED in editor.text("test_two.py"))
