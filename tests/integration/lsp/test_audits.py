"""Which tests of a file cannot fail, in the editor: the action, the lens, the diagnostics."""

from __future__ import annotations

import time
from pathlib import Path

import pytest
from editor import Editor
from lsprotocol import types as lsp

from conftest import StartEditor

QUESTION = "Which of these tests cannot fail?"
CART = """def total(items):
    return sum(items) + 0


def is_full(count):
    return count >= 3
"""
TESTS = """from cart import is_full, total


def test_total():
    assert total([1, 2]) == 3


def test_full():
    assert (is_full(1), "a tuple")
"""
SLEEPS = TESTS + "\n\ndef test_sleeps():\n    import time\n\n    time.sleep(15)\n"


async def _lens(editor: Editor) -> lsp.CodeLens:
    item = lsp.TextDocumentIdentifier(editor.uri("test_cart.py"))
    found = await editor.client.text_document_code_lens_async(lsp.CodeLensParams(item))
    (lens,) = [lens for lens in found if lens.command.command == "mlCoach.auditTests"]
    return lens


async def _is_audited(editor: Editor) -> bool:
    return "cannot fail;" in (await _lens(editor)).command.title


def _ended(editor: Editor) -> bool:
    kinds = [[value["kind"] for value in values] for values in editor.progress.values()]
    return bool(kinds) and kinds[-1][-1:] == ["end"]


@pytest.mark.parametrize("profile", ["neovim-0.11", "vscode-1.139-languageclient-11"])
async def test_the_tests_that_cannot_fail_are_marked(
    start: StartEditor, root: Path, profile: str
) -> None:
    (root / "cart.py").write_text(CART)
    (root / "test_cart.py").write_text("")
    editor = await start(profile)
    editor.open("cart.py")
    assert QUESTION not in {a.title for a in await editor.actions("cart.py", 0)}
    editor.open("test_cart.py", TESTS)  # not saved yet
    assert (await _lens(editor)).command.title == f"ML Coach: w{QUESTION[1:]}"
    await editor.choose(await editor.action("test_cart.py", QUESTION))
    await editor.until(lambda: _ended(editor))
    assert await _is_audited(editor)
    assert "1 of 2 tests cannot fail; " in (await _lens(editor)).command.title

    found = [d for d in await editor.findings("test_cart.py") if d.code == "cannot_fail"]
    assert [d.range.start.line for d in found] == [7, 8]
    assert {d.severity for d in found} == {lsp.DiagnosticSeverity.Information}
    weak, tuple_ = found
    assert weak.message.startswith("This test cannot fail: it notices none of ")
    assert "a tuple is true" in tuple_.message.lower()
    places = {
        (Path(r.location.uri).name, r.location.range.start.line)
        for r in weak.related_information or ()
    }
    assert places == {("cart.py", 5)}
    assert all(r.message.startswith("not noticed: ") for r in weak.related_information or ())

    editor.type("test_cart.py", f"# A comment.\n{TESTS}")
    await _lens(editor)  # What is published after a change comes before this answer.
    found = [d for d in await editor.findings("test_cart.py") if d.code == "cannot_fail"]
    assert [d.range.start.line for d in found] == [8, 9]


async def test_an_audit_is_cancelled_within_a_second(start: StartEditor, root: Path) -> None:
    (root / "cart.py").write_text(CART)
    (root / "test_cart.py").write_text(SLEEPS)
    editor = await start("neovim-0.11")
    editor.open("test_cart.py", SLEEPS)
    assert await editor.command("auditTests", uri=editor.uri("test_cart.py")) == {"started": True}
    await editor.until(
        lambda: any("runs the tests: " in str(v) for vs in editor.progress.values() for v in vs)
    )
    (token,) = editor.progress
    began = time.monotonic()
    editor.client.window_work_done_progress_cancel(lsp.WorkDoneProgressCancelParams(token))
    await editor.until(lambda: _ended(editor))
    assert time.monotonic() - began < 1
    assert not await _is_audited(editor)


@pytest.mark.parametrize("profile", ["neovim-0.11", "vscode-1.139-languageclient-11"])
async def test_a_test_is_written_for_a_mistake_that_none_notices(
    start: StartEditor, root: Path, profile: str
) -> None:
    (root / "cart.py").write_text(CART)
    (root / "test_cart.py").write_text(TESTS)
    editor = await start(profile)
    editor.open("test_cart.py", TESTS)
    assert not [a for a in await editor.actions("test_cart.py", 8) if "no test notices" in a.title]
    await editor.choose(await editor.action("test_cart.py", QUESTION))
    await editor.until(lambda: _ended(editor))
    assert await _is_audited(editor)
    found = [a for a in await editor.actions("test_cart.py", 7) if "no test notices" in a.title]
    fix, every = found
    assert (fix.kind, [d.range.start.line for d in fix.diagnostics or ()]) == ("quickfix", [7])
    assert every.kind == "source.mlCoach.writeNewTests"
    await editor.choose(fix)
    text = editor.text("test_cart.py")
    assert text.startswith(TESTS)
    assert "# ml-coach: guessed" in text
    assert "cart.py:6: `>=` becomes `>`" in text
    assert "    assert is_full(3) is True" in text
    # What is there is not offered again, and nothing is where the tests are others.
    left = [a for a in await editor.actions("test_cart.py", 7) if "no test notices" in a.title]
    assert "quickfix" not in {a.kind for a in left}
    editor.type("test_cart.py", f"# Other tests.\n{TESTS}")
    assert not [a for a in await editor.actions("test_cart.py", 8) if "no test notices" in a.title]
