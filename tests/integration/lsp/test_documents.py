"""Nothing of the user's is lost: stale documents, odd texts, own files, wrong answers."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from editor import Editor
from lsprotocol import types as lsp
from pygls.exceptions import JsonRpcException

from conftest import StartEditor
from scripted_model import PROMPT, RIGHT, WRONG, ScriptedModel


def _read(path: str) -> str:
    return Path(path).read_text()


def _names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


async def offered(editor: Editor, **more: Any) -> str:
    run_id = await editor.generate(PROMPT, **more)
    await editor.until(lambda: editor.event("PatchOffered"))
    return run_id


async def test_a_patch_is_moved_onto_what_the_user_typed_meanwhile(start: StartEditor):
    editor = await start()
    await offered(editor)
    editor.type("generated_code.py", f"# é🎉 my note\n\n\n{WRONG}")
    fix = await editor.action("generated_code.py", "Apply")
    assert (await editor.choose(fix))["applied"]
    report = await editor.until(editor.finished)
    assert report["outcome"] == "passed"
    assert editor.text("generated_code.py") == f"# é🎉 my note\n\n\n{RIGHT}"
    assert report["program"]["source"] == editor.text("generated_code.py")


async def test_a_patch_on_changed_lines_is_refused_and_waits_on(start: StartEditor):
    editor = await start()
    await offered(editor)
    mine = "def add(a, b):\n    return sum([a, -b])\n"
    editor.type("generated_code.py", mine)
    fix = await editor.action("generated_code.py", "Apply")
    answer = await editor.choose(fix)
    assert not answer["applied"]
    assert "changed since" in answer["reason"]
    assert any("changed since" in message for message in editor.messages)
    assert editor.text("generated_code.py") == mine
    editor.type("generated_code.py", WRONG)
    fix = await editor.action("generated_code.py", "Apply")
    assert (await editor.choose(fix))["applied"]
    assert (await editor.until(editor.finished))["outcome"] == "passed"


async def test_a_run_goes_on_without_a_discarded_patch(start: StartEditor, model: ScriptedModel):
    editor = await start()
    await offered(editor)
    discard = await editor.action("generated_code.py", "Discard")
    assert await editor.choose(discard) == {"discarded": True, "reason": ""}
    report = await editor.until(editor.finished)
    assert report["outcome"] == "gave_up"
    assert editor.text("generated_code.py") == WRONG


async def test_a_patch_is_asked_about_in_a_dialogue_where_the_user_chose_that(start: StartEditor):
    editor = await start(
        options={"patchQuestions": True},
        prepare=lambda e: setattr(e, "answer", lambda question: "Apply"),
    )
    await editor.generate(PROMPT)
    report = await editor.until(editor.finished)
    assert report["outcome"] == "passed"
    assert editor.text("generated_code.py") == RIGHT
    assert editor.questions == ["ML Coach: The sign is wrong. (the patch for generated_code.py)"]


@pytest.mark.parametrize("profile", ["neovim-0.11", "emacs28-eglot-1.9", "vim9-ale-3.3"])
async def test_a_patch_that_waits_is_told_of_without_a_question(start: StartEditor, profile: str):
    editor = await start(profile, prepare=lambda e: setattr(e, "answer", lambda question: "Apply"))
    await offered(editor)
    told = await editor.until(lambda: [m for m in editor.messages if "waits for you" in m])
    assert '"Apply ML Coach patch" or "Discard ML Coach patch"' in told[0]
    assert not editor.questions


async def test_generating_again_replaces_the_whole_text(start: StartEditor):
    editor = await start()
    await editor.generate(PROMPT, autoPatch=True)
    await editor.until(editor.finished)
    editor.events.clear()
    await editor.generate(PROMPT, autoPatch=True)
    report = await editor.until(editor.finished)
    assert report["outcome"] == "passed"
    assert editor.text("generated_code.py") == RIGHT
    assert not editor.questions
    creations = [c for e in editor.edits for c in e.document_changes if c is not None]
    kinds = [type(c).__name__ for c in creations]
    assert kinds.count("CreateFile") == 2


async def test_a_users_own_file_is_overwritten_only_after_asking(start: StartEditor, root: Path):
    own = "print('mine')\n"
    (root / "generated_code.py").write_text(own)
    editor = await start()
    await editor.generate(PROMPT)
    assert (await editor.until(editor.finished))["outcome"] == "stopped"
    assert "generated_code.py was not written by ML Coach" in editor.questions[0]
    assert editor.text("generated_code.py") == own

    editor.events.clear()
    editor.answer = lambda question: "Use another file" if "not written" in question else None
    await editor.generate(PROMPT, autoPatch=True)
    await editor.until(editor.finished)
    assert editor.text("generated_code.py") == own
    assert editor.text("generated_code_2.py") == RIGHT

    editor.events.clear()
    await editor.generate(PROMPT, autoPatch=True, overwrite=True)
    await editor.until(editor.finished)
    assert editor.text("generated_code.py") == RIGHT


async def asked_for_code(start: StartEditor, model: ScriptedModel, **more: Any) -> Editor:
    """An editor whose run waits for the coder's reply."""
    editor = await start()
    if more.pop("again", False):
        await editor.generate(PROMPT, autoPatch=True)
        await editor.until(editor.finished)
        editor.events.clear()
        editor.messages.clear()
        model.forget()
    model.held.add("coder")
    await editor.generate(PROMPT, **more)
    await model.was_asked("coder")
    return editor


class TestEditsBeforeTheFirstWrite:
    @pytest.mark.parametrize("where", ["in a new buffer", "on disk", "in an earlier program"])
    async def test_the_users_text_stays_and_the_runs_texts_are_saved_elsewhere(
        self, start: StartEditor, model: ScriptedModel, root: Path, where: str
    ):
        editor = await asked_for_code(start, model, again="earlier" in where)
        mine = f"{RIGHT}\n\ndef my_helper():\n    return 1\n"
        match where:
            case "in a new buffer":
                editor.open("generated_code.py", mine)
            case "on disk":
                (root / "generated_code.py").write_text(mine)
            case _:
                editor.type("generated_code.py", mine)
        model.release.set()
        report = await editor.until(editor.finished)
        assert report["outcome"] == "failed"
        assert editor.text("generated_code.py") == mine
        (told,) = await editor.until(lambda: [m for m in editor.messages if "kept in" in m])
        kept = [_read(path) for path in told.split("kept in ")[1].rstrip(".").split(" and ")]
        assert kept[0] == WRONG
        tests = kept[1] if "earlier" not in where else editor.text("test_generated.py")
        assert "def test_small" in tests

    async def test_an_edit_that_merges_is_in_the_file_after_every_step(
        self, start: StartEditor, model: ScriptedModel
    ):
        editor = await asked_for_code(start, model, again=True, autoPatch=True)
        editor.type("generated_code.py", f"# my note\n\n\n{RIGHT}")
        model.release.set()
        assert (await editor.until(editor.finished))["outcome"] == "passed"
        assert editor.text("generated_code.py") == f"# my note\n\n\n{RIGHT}"

    async def test_a_buffer_that_is_still_empty_is_filled(
        self, start: StartEditor, model: ScriptedModel
    ):
        editor = await asked_for_code(start, model, autoPatch=True)
        editor.open("generated_code.py", "")
        model.release.set()
        assert (await editor.until(editor.finished))["outcome"] == "passed"
        assert editor.text("generated_code.py") == RIGHT

    async def test_overwriting_is_allowed_only_for_the_files_in_the_question(
        self, start: StartEditor, root: Path
    ):
        (root / "generated_code.py").write_text("print('mine')\n")

        def answer(question: str) -> str:
            (root / "test_generated.py").write_text("mine = 1\n")
            return "Overwrite"

        editor = await start(prepare=lambda e: setattr(e, "answer", answer))
        await editor.generate(PROMPT)
        assert (await editor.until(editor.finished))["outcome"] == "failed"
        assert editor.text("test_generated.py") == "mine = 1\n"


async def test_a_client_without_dialogues_gets_a_refusal(start: StartEditor, root: Path):
    (root / "generated_code.py").write_text("print('mine')\n")
    editor = await start("emacs28-eglot-1.9")
    with pytest.raises(JsonRpcException, match=r"generated_code\.py was not written by ML Coach"):
        await editor.generate(PROMPT)


async def test_unsaved_text_counts_not_the_text_on_disk(start: StartEditor, root: Path):
    (root / "sums.py").write_text("def add(a, b):\n    return 0\n")
    (root / "test_sums.py").write_text(
        "from sums import add\n\n\ndef test_add():\n    assert add(1, 2) == 3\n"
    )
    editor = await start()
    editor.open("sums.py", RIGHT)
    await editor.command("debug", uri=editor.uri("sums.py"))
    report = await editor.until(editor.finished)
    assert report["outcome"] == "passed"
    assert (root / "sums.py").read_text() == "def add(a, b):\n    return 0\n"


async def test_a_document_with_half_a_character_is_left_alone(start: StartEditor, root: Path):
    (root / "sums.py").write_text(WRONG)
    (root / "test_sums.py").write_text(
        "from sums import add\n\n\ndef test_add():\n    assert add(1, 2) == 3\n"
    )
    editor = await start()
    odd = f"# \ud83d\n{WRONG}"
    editor.open("sums.py", odd)
    await editor.command("debug", uri=editor.uri("sums.py"), autoPatch=True)
    report = await editor.until(editor.finished)
    assert report["outcome"] == "failed"
    assert "sums.py holds half a character" in report["reason"]
    assert editor.text("sums.py") == odd


@pytest.mark.parametrize("profile", ["neovim-0.11", "emacs28-eglot-1.24", "neovim-0.7"])
async def test_columns_are_counted_in_the_clients_encoding(start: StartEditor, profile: str):
    editor = await start(profile)
    # A form feed is no line end in the protocol, though it is one for str.splitlines.
    strange = f'"""🎉 é\f page two"""\r\nNAME = "𝔘𝔫𝔦"; \r\n\r\n\r\n{WRONG}'.replace("\n", "\r\n")
    strange = strange.replace("\r\r\n", "\r\n")
    editor.open("sums.py", strange)
    (editor.root / "test_sums.py").write_text(
        "from sums import add\n\n\ndef test_add():\n    assert add(1, 2) == 3\n"
    )
    await editor.command("debug", uri=editor.uri("sums.py"))
    await editor.until(lambda: editor.event("PatchOffered") or editor.finished())
    fix = await editor.action("sums.py", "Apply")
    await editor.choose(fix)
    assert (await editor.until(editor.finished))["outcome"] == "passed"
    assert editor.text("sums.py") == strange.replace("a - b", "a + b")


async def test_undo_keeps_edits_made_after_the_run(start: StartEditor, root: Path):
    (root / "sums.py").write_text(f"{WRONG}\n\ndef twice(a):\n    return 2 * a\n")
    (root / "test_sums.py").write_text(
        "from sums import add\n\n\ndef test_add():\n    assert add(1, 2) == 3\n"
    )
    editor = await start()
    editor.open("sums.py")
    answer = await editor.command("debug", uri=editor.uri("sums.py"), autoPatch=True)
    await editor.until(editor.finished)
    assert "a + b" in editor.text("sums.py")
    editor.type("sums.py", editor.text("sums.py") + "\n\nLAST = 1\n")
    undo = await editor.action("sums.py", "Undo ML Coach run")
    assert (await editor.choose(undo))["action"] == "undone"
    assert editor.text("sums.py") == f"{WRONG}\n\ndef twice(a):\n    return 2 * a\n\n\nLAST = 1\n"
    redo = await editor.action("sums.py", "Redo ML Coach run")
    assert (await editor.choose(redo))["action"] == "redone"
    assert "a + b" in editor.text("sums.py")
    assert editor.text("sums.py").endswith("LAST = 1\n")
    editor.type("sums.py", "def add(a, b):\n    return b + a\n")
    refused = await editor.command("undoRun", runId=answer["runId"])
    assert refused["action"] == "refused"
    assert "Nothing was changed" in refused["reason"]


async def test_undo_is_refused_where_the_user_typed_into_a_file_that_it_would_delete(
    start: StartEditor,
):
    editor = await start()
    run_id = await offered(editor)
    helper = "def my_helper():\n    return 1\n\n\n"
    editor.type("generated_code.py", helper + WRONG)
    await editor.choose(await editor.action("generated_code.py", "Apply"))
    await editor.until(editor.finished)
    undone = await editor.command("undoRun", runId=run_id)
    assert undone["action"] == "refused"
    assert "Nothing was changed" in undone["reason"]
    assert editor.text("generated_code.py") == helper + RIGHT
    assert "def test_small" in editor.text("test_generated.py")


async def test_undo_keeps_edits_made_between_two_patches(
    start: StartEditor, model: ScriptedModel, root: Path
):
    wrong = f"{WRONG}\n\ndef twice(a):\n    return a\n"
    (root / "sums.py").write_text(wrong)
    (root / "test_sums.py").write_text(
        "from sums import add, twice\n\n\ndef test_add():\n    assert add(1, 2) == 3\n\n\n"
        "def test_twice():\n    assert twice(2) == 4\n"
    )
    editor = await start()
    editor.open("sums.py")
    run_id = (await editor.command("debug", uri=editor.uri("sums.py")))["runId"]
    await editor.until(lambda: editor.event("PatchOffered"))
    model.replies["debugger"] = "```python\ndef twice(a):\n    return 2 * a\n```\n"
    model.held.add("debugger")
    model.forget()
    await editor.choose(await editor.action("sums.py", "Apply"))
    await model.was_asked("debugger")
    editor.type("sums.py", f"# my note\n\n\n{editor.text('sums.py')}")
    model.release.set()
    await editor.until(lambda: editor.kinds().count("PatchOffered") == 2)
    await editor.choose(await editor.action("sums.py", "Apply"))
    assert (await editor.until(editor.finished))["outcome"] == "passed"
    right = f"# my note\n\n\n{RIGHT}\n\ndef twice(a):\n    return 2 * a\n"
    assert editor.text("sums.py") == right
    assert (await editor.command("undoRun", runId=run_id))["action"] == "undone"
    assert editor.text("sums.py") == f"# my note\n\n\n{wrong}"
    assert (await editor.command("undoRun", runId=run_id))["action"] == "redone"
    assert editor.text("sums.py") == right


class TestClientsWithBadAnswers:
    async def test_null_answers_are_no_answers(self, start: StartEditor):
        def prepare(editor: Editor) -> None:
            editor.null |= {
                lsp.WINDOW_SHOW_DOCUMENT,
                lsp.WINDOW_SHOW_MESSAGE_REQUEST,
                lsp.WORKSPACE_CONFIGURATION,
            }

        editor = await start(prepare=prepare)
        await offered(editor)
        assert (await editor.choose(await editor.action("generated_code.py", "Apply")))["applied"]
        assert (await editor.until(editor.finished))["outcome"] == "passed"
        assert not [m for m in editor.messages if "rror" in m]

    async def test_requests_that_are_never_answered_do_not_block_a_run(self, start: StartEditor):
        def prepare(editor: Editor) -> None:
            editor.mute |= {
                lsp.WINDOW_SHOW_DOCUMENT,
                lsp.WINDOW_SHOW_MESSAGE_REQUEST,
                lsp.WORKSPACE_CONFIGURATION,
                lsp.WINDOW_WORK_DONE_PROGRESS_CREATE,
                lsp.WORKSPACE_CODE_LENS_REFRESH,
            }

        editor = await start(prepare=prepare)
        await editor.generate(PROMPT, autoPatch=True)
        report = await editor.until(editor.finished, 40)
        assert report["outcome"] == "passed"
        assert editor.text("generated_code.py") == RIGHT
        assert not any(editor.progress.values())
        assert await editor.quit() == 0

    async def test_late_answers_disturb_nothing(self, start: StartEditor):
        def prepare(editor: Editor) -> None:
            editor.held |= {lsp.WORKSPACE_CONFIGURATION, lsp.WINDOW_SHOW_DOCUMENT}

        editor = await start(prepare=prepare)
        await editor.generate(PROMPT, autoPatch=True)
        await editor.until(editor.finished, 40)
        editor.release.set()
        # The late replies disturb nothing: the next run is as good as the first.
        editor.events.clear()
        editor.held.clear()
        await editor.generate(PROMPT, autoPatch=True)
        assert (await editor.until(editor.finished))["outcome"] == "passed"
        assert not [m for m in editor.messages if "rror" in m]

    async def test_a_text_that_never_reaches_the_buffer_is_saved(self, start: StartEditor):
        editor = await start()
        await offered(editor)
        editor.apply = lambda edit: True  # Says yes, does nothing.
        answer = await editor.command(
            "applyPatch", patchId=editor.event("PatchOffered")["patch_id"]
        )
        assert not answer["applied"]
        assert "shows the old text" in answer["reason"]
        assert _read(answer["reason"].split("kept in ")[1].rstrip(".")) == RIGHT

    async def test_a_run_whose_edit_is_ignored_fails_and_keeps_its_text(self, start: StartEditor):
        editor = await start()
        apply = editor.apply
        # From the second edit on, the repair, the editor says yes and does nothing.
        editor.apply = lambda edit: True if editor.event("PatchOffered") else apply(edit)
        await editor.generate(PROMPT, autoPatch=True)
        report = await editor.until(editor.finished)
        assert report["outcome"] == "failed"
        assert _read(report["reason"].split("kept in ")[1].rstrip(".")) == RIGHT
        assert editor.text("generated_code.py") == WRONG

    @pytest.mark.parametrize("done", ["both files", "one file"])
    async def test_an_edit_that_is_made_and_called_refused_can_be_undone(
        self, start: StartEditor, done: str
    ):
        editor = await start()
        apply = editor.apply

        def deny(edit: lsp.WorkspaceEdit) -> bool:
            if done == "one file" and not editor.edits:
                first = edit.document_changes[0].uri
                edit.document_changes = [
                    change
                    for change in edit.document_changes
                    if first == getattr(change, "uri", None)
                    or first == getattr(getattr(change, "text_document", None), "uri", None)
                ]
                apply(edit)
                return False
            applied = apply(edit)
            return applied and done == "one file"

        editor.apply = deny
        run_id = await editor.generate(PROMPT, autoPatch=True)
        assert (await editor.until(editor.finished))["outcome"] == "passed"
        assert editor.text("generated_code.py") == RIGHT
        assert (await editor.command("undoRun", runId=run_id))["action"] == "undone"
        assert editor.text("generated_code.py") is None
        assert editor.text("test_generated.py") is None

    async def test_an_editors_error_text_is_shown_without_control_marks(self, start: StartEditor):
        editor = await start()

        def fail(edit: lsp.WorkspaceEdit) -> bool:
            raise RuntimeError("\u202eno\x1b[31m ![x](http://x)")

        editor.apply = fail
        await editor.generate(PROMPT, autoPatch=True)
        reason = (await editor.until(editor.finished))["reason"]
        assert r"\x202eno\x1b[31m ![x] (http://x)" in reason


class TestTypingWhileAnEditArrives:
    @pytest.mark.parametrize("where", ["above", "below", "in the changed line"])
    async def test_what_is_typed_right_after_an_edit_stays(self, start: StartEditor, where: str):
        editor = await start()
        apply = editor.apply

        def apply_and_type(edit: lsp.WorkspaceEdit) -> bool:
            applied = apply(edit)
            text = editor.text("generated_code.py")
            if text == RIGHT:
                match where:
                    case "above":
                        editor.type("generated_code.py", f"# mine\n{text}")
                    case "below":
                        editor.type("generated_code.py", f"{text}# mine\n")
                    case _:
                        editor.type("generated_code.py", text.replace("a + b", "a + b  # mine"))
            return applied

        editor.apply = apply_and_type
        await editor.generate(PROMPT, autoPatch=True)
        report = await editor.until(editor.finished)
        assert report["outcome"] == "passed"
        shown = editor.text("generated_code.py")
        assert "# mine" in shown
        assert "a + b" in shown
        assert editor.messages.count("ML Coach: All tests pass.") <= 1

    async def test_an_edit_for_an_old_version_is_made_anew(self, start: StartEditor):
        """As Neovim does: typed text makes the edit void, and the reply says "applied"."""
        editor = await start()
        apply, typed = editor.apply, list[str]()

        def type_before_applying(edit: lsp.WorkspaceEdit) -> bool:
            if editor.event("PatchOffered") and not typed:
                typed.append("# mine\n")
                editor.type("generated_code.py", f"# mine\n{WRONG}")
                assert not apply(edit)
                return True
            return apply(edit)

        editor.apply = type_before_applying
        await editor.generate(PROMPT, autoPatch=True)
        report = await editor.until(editor.finished)
        assert report["outcome"] == "passed"
        assert editor.text("generated_code.py") == f"# mine\n{RIGHT}"


class TestAnEditThatTheEditorConfirmsLate:
    """As in editors that ask the user first, or far away ones: silence is no refusal."""

    async def begun(self, start: StartEditor) -> tuple[Editor, str]:
        """An editor that was told that its answer is awaited."""
        editor = await start(prepare=lambda e: e.late.add(lsp.WORKSPACE_APPLY_EDIT))
        run_id = await editor.generate(PROMPT, autoPatch=True)
        await editor.until(lambda: [m for m in editor.messages if "has not said yet" in m])
        return editor, run_id

    async def test_nothing_is_written_before_and_the_run_goes_on_after(
        self, start: StartEditor, root: Path
    ):
        editor, _ = await self.begun(start)
        assert _names(root) == []
        editor.release.set()
        assert (await editor.until(editor.finished))["outcome"] == "passed"
        assert editor.text("generated_code.py") == RIGHT
        assert editor.text("test_generated.py").count("def test_small") == 1

    async def test_after_a_stop_the_late_edit_is_the_only_one_and_can_be_undone(
        self, start: StartEditor, root: Path
    ):
        editor, run_id = await self.begun(start)
        await editor.command("stop")
        assert (await editor.until(editor.finished))["outcome"] == "stopped"
        editor.events.clear()
        await editor.generate(PROMPT, autoPatch=True)
        second = await editor.until(editor.finished)
        assert second["outcome"] == "failed"
        assert "neither applied nor refused" in second["reason"]
        assert _names(root) == []
        editor.release.set()
        await editor.until(lambda: [m for m in editor.logs if "test_generated.py late" in m])
        assert editor.text("generated_code.py") == WRONG
        assert (await editor.command("undoRun", runId=run_id))["action"] == "undone"
        assert editor.text("generated_code.py") is None

    async def test_a_late_edit_of_a_text_that_was_changed_meanwhile_is_made_anew(
        self, start: StartEditor, root: Path
    ):
        (root / "sums.py").write_text(WRONG)
        (root / "test_sums.py").write_text(
            "from sums import add\n\n\ndef test_add():\n    assert add(1, 2) == 3\n"
        )
        editor = await start(prepare=lambda e: e.late.add(lsp.WORKSPACE_APPLY_EDIT))
        editor.open("sums.py")
        await editor.command("debug", uri=editor.uri("sums.py"), autoPatch=True)
        await editor.until(lambda: [m for m in editor.messages if "has not said yet" in m])
        editor.type("sums.py", f"# mine\n{WRONG}")
        editor.release.set()
        assert (await editor.until(editor.finished))["outcome"] == "passed"
        assert editor.text("sums.py") == f"# mine\n{RIGHT}"
        assert (root / "sums.py").read_text() == WRONG
