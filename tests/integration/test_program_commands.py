"""`ml-coach implement`, `debug`, `write-tests` and `refine`, as real processes."""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path

from test_terminal import Terminal, terminal

from ml_coach.core.events import RunStarted
from ml_coach.core.request import Request
from ml_coach.run_log import RunLog
from scripted_model import JOINS, PROMPT, RIGHT, TESTS, WRONG

__all__ = ["terminal"]  # the fixture

STUBS = '''"""Zählt."""

class Account:
\trate = 2

\t@property
\tdef name(self): ...

\tasync def interest(self, months: int) -> int:
\t\t"""Interest of so many months."""
\t\traise NotImplementedError


def add(a, b):
    """Adds two numbers.

    >>> add(1, 2)
    3
    """
    ...


def done():
    return 1
'''
NONE = "def add(a, b):\n    return (a or 0) + (b or 0)\n"
MORE = "Also take None for 0: add(None, 2) == 2"


def put(terminal: Terminal, file: str, text: str) -> Path:
    path = terminal.folder / file
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(text.encode())
    return path


def last_request(terminal: Terminal) -> Request:
    log = RunLog(terminal.home / "state" / "ml-coach")
    start = log.start(log.ids()[0])
    assert isinstance(start, RunStarted)
    return start.request


def replies_with(terminal: Terminal, program: str, tests: str = TESTS) -> None:
    terminal.model.replies |= {
        "coder": f"```python\n{program}```\n", "test_writer": f"```python\n{tests}```\n",
    }  # fmt: skip


async def test_a_stub_gets_its_body_and_no_own_test_is_touched(terminal: Terminal) -> None:
    stubs = STUBS.replace("\n", "\r\n")
    put(terminal, "müll/sümme.py", stubs)
    own = put(terminal, "müll/test_sümme.py", "def test_mine():\n    assert True\n")
    replies_with(terminal, RIGHT, TESTS.replace("generated_code", "müll.sümme"))
    ended = await terminal.run("implement", "müll/sümme.py::add")
    assert ended.code == 0, ended.err + ended.out
    text = (terminal.folder / "müll/sümme.py").read_bytes().decode()
    assert text == stubs.replace(
        "    ...\r\n\r\n\r\ndef done", "    return a + b\r\n\r\n\r\ndef done"
    )
    assert own.read_text() == "def test_mine():\n    assert True\n"
    assert "test_given_1" in terminal.text("müll/test_sümme_generated.py")
    assert (await terminal.run("undo")).code == 0
    assert (terminal.folder / "müll/sümme.py").read_bytes().decode() == stubs
    assert not (terminal.folder / "müll/test_sümme_generated.py").exists()


async def test_a_coroutine_of_a_class_is_implemented(terminal: Terminal) -> None:
    put(terminal, "bank.py", STUBS)
    replies_with(
        terminal,
        "class Account:\n\tasync def interest(self, months: int) -> int:\n"
        "\t\treturn self.rate * months\n",
        "import asyncio\nfrom bank import Account\n\n\ndef test_a():\n"
        "    assert asyncio.run(Account().interest(3)) == 6\n",
    )
    ended = await terminal.run("implement", "bank.py::Account::interest", "--max-questions", "0")
    assert ended.code in (0, 3), ended.err + ended.out
    assert "\t\treturn self.rate * months\n" in terminal.text("bank.py")
    assert last_request(terminal).function == "Account.interest"


async def test_debug_finds_the_tests_and_the_file_stays_the_users(terminal: Terminal) -> None:
    put(terminal, "shop/pyproject.toml", "[tool.ml-coach]\nmax-iters = 2\n")
    put(terminal, "shop/src/sums.py", WRONG)
    put(terminal, "shop/tests/test_sums.py", TESTS.replace("generated_code", "sums"))
    ended = await terminal.run("debug", "shop/src/sums.py")
    assert (ended.code, "a patch waits" in ended.out) == (1, True), ended.err + ended.out
    request = last_request(terminal)
    assert (request.program_file, request.tests_file) == ("src/sums.py", "tests/test_sums.py")
    assert (request.module, request.max_iters) == ("sums", 2)
    assert (await terminal.run("apply")).code == 0
    assert terminal.text("shop/src/sums.py") == RIGHT
    passes = await terminal.run("debug", "shop/src/sums.py")
    assert (passes.code, "2 own tests" in passes.out) == (0, True), passes.out
    # That a patch of ours is in it makes no file ours to overwrite.
    taken = await terminal.run("generate", PROMPT, "-o", "shop", "--program-file", "src/sums.py")
    assert (taken.code, "not written by ML Coach" in taken.err) == (2, True)
    assert "src/sums.py and tests/test_sums.py" in taken.err


async def test_a_new_program_goes_where_the_project_keeps_such_files(terminal: Terminal) -> None:
    put(terminal, "pyproject.toml", "")
    put(terminal, "src/pkg/__init__.py", "")
    put(terminal, "src/pkg/signs.py", "def sign():\n    'Which one.'\n    return 1\n")
    put(terminal, "tests/test_signs.py", "")
    program = "from pkg.signs import sign\n\n\ndef add(a, b):\n    return a + sign() * b\n"
    replies_with(terminal, program, TESTS.replace("generated_code", "pkg.generated_code"))
    ended = await terminal.run("generate", f"{PROMPT} Use pkg.signs.")
    assert ended.code == 0, ended.err + ended.out
    assert "from pkg.signs import sign" in terminal.text("src/pkg/generated_code.py")
    assert "from pkg.generated_code import add" in terminal.text("tests/test_generated_code.py")
    calls = (terminal.run_folders()[-1] / "calls.jsonl").read_text()
    assert "def sign(): ...  # Which one." in calls
    # What names a place counts more.
    named = await terminal.run("generate", PROMPT, "-o", ".")
    assert "test_generated.py" in named.out, named.err
    assert "add" in terminal.text("generated_code.py")


async def test_what_does_not_compile_is_said_before_a_model_is_asked(terminal: Terminal) -> None:
    put(terminal, "sums.py", "def add(a, b)\n    return a + b\n")
    for command in (("write-tests", "sums.py"), ("refine", "sums.py", "Also add three.")):
        ended = await terminal.run(*command)
        assert (ended.code, "does not compile" in ended.err, "Debug it first" in ended.err) == (
            2, True, True,
        )  # fmt: skip
    assert not terminal.model.asked


async def test_tests_are_written_where_the_project_keeps_them(terminal: Terminal) -> None:
    put(terminal, "pyproject.toml", "")
    put(terminal, "src/pkg/__init__.py", "")
    put(terminal, "src/pkg/sums.py", RIGHT)
    put(terminal, "tests/test_other.py", "")
    replies_with(terminal, RIGHT, TESTS.replace("generated_code", "pkg.sums"))
    ended = await terminal.run("write-tests", "src/pkg/sums.py")
    assert ended.code == 0, ended.err + ended.out
    assert "from pkg.sums import add" in terminal.text("tests/test_sums.py")
    assert terminal.text("src/pkg/sums.py") == RIGHT
    replies_with(terminal, RIGHT, TESTS.replace("generated_code", "pkg.more"))
    made = await terminal.run("generate", PROMPT, "--program-file", "src/pkg/more.py")
    assert made.code == 0, made.err + made.out
    assert "from pkg.more import add" in terminal.text("tests/test_more.py")


async def test_a_follow_up_keeps_the_old_tests_and_adds_its_own(terminal: Terminal) -> None:
    replies_with(terminal, RIGHT)
    assert (await terminal.run("generate", PROMPT)).code == 0
    old = terminal.text("test_generated.py")
    mine = "\n\ndef test_mine():\n    assert add(20, 3) == 23\n"
    put(terminal, "test_generated.py", old + mine)
    replies_with(terminal, NONE, "assert add(4, None) == 4\n")
    ended = await terminal.run("refine", MORE)
    assert ended.code == 0, ended.err + ended.out
    assert terminal.text("generated_code.py") == NONE
    tests = terminal.text("test_generated.py")
    assert tests.startswith(old + mine)
    assert "def test_given_1():\n    assert add(None, 2) == 2" in tests[len(old + mine) :]
    assert "1 own, 1 given and" in ended.out
    request = last_request(terminal)
    assert (request.prompt, request.follow_up) == (f"{PROMPT}\n\n{MORE}", MORE)
    assert f"refine generated_code.py: {MORE}" in (await terminal.run("runs")).out
    # The next one builds on both sentences.
    again = "Texts are added as numbers: add('1', 2) == 3"
    replies_with(terminal, NONE.replace("(a or 0)", "int(a or 0)"), "assert add('4', 1) == 5\n")
    ended = await terminal.run("refine", "generated_code.py", again)
    assert ended.code == 0, ended.err + ended.out
    assert last_request(terminal).prompt == f"{PROMPT}\n\n{MORE}\n\n{again}"
    assert "def test_given_2():" in terminal.text("test_generated.py")
    # What was undone is no part of what the program is for.
    assert (await terminal.run("undo")).code == 0
    assert terminal.text("test_generated.py") == tests
    await terminal.run("refine", "generated_code.py", again, "--max-questions", "0")
    assert last_request(terminal).prompt == f"{PROMPT}\n\n{MORE}\n\n{again}"


async def test_a_follow_up_that_contradicts_a_test_is_told_before_a_model_is_asked(
    terminal: Terminal,
) -> None:
    put(terminal, "sums.py", RIGHT)
    tests = put(terminal, "test_sums.py", TESTS.replace("generated_code", "sums"))
    before = tests.read_bytes()
    ended = await terminal.run("refine", "sums.py", "add(1, 2) should be 4")
    assert ended.code == 1
    said = "The new sentence says `add(1, 2) == 4`, but test_small in test_sums.py demands"
    assert said in ended.out
    assert terminal.model.asked == []
    assert (tests.read_bytes(), terminal.text("sums.py")) == (before, RIGHT)


async def test_a_follow_up_that_breaks_an_old_test_leaves_all_as_it_was(terminal: Terminal) -> None:
    put(terminal, "sums.py", RIGHT)
    tests = put(terminal, "test_sums.py", TESTS.replace("generated_code", "sums"))
    before = tests.read_bytes()
    terminal.model.replies["debugger"] = "I cannot."
    replies_with(terminal, "def add(a, b):\n    return 7\n", "assert add(3, 4) == 7\n")
    ended = await terminal.run("refine", "sums.py", "Also add(5, 5) == 7", "--max-questions", "0")
    assert ended.code == 1, ended.out
    assert "test_small, test_zero stood there before and would fail" in " ".join(ended.out.split())
    assert (tests.read_bytes(), terminal.text("sums.py")) == (before, RIGHT)
    assert "Replaced" not in ended.out


async def test_the_question_about_a_users_function_is_answered_in_the_terminal(
    terminal: Terminal,
) -> None:
    terminal.model.divide()
    put(terminal, "slug.py", 'def slugify(text):\n    """Lower case, words joined by hyphens."""\n')
    asked = await terminal.run("implement", "slug.py::slugify")
    assert (asked.code, "which is right?" in asked.out) == (3, True), asked.err + asked.out
    calls, run = len(terminal.model.asked), terminal.run_folders()[-1].name
    # What cannot begin changes nothing.
    before = terminal.text("slug.py"), terminal.text("test_slug.py")
    lost = await terminal.run("answer", run, "1", "--model", "nothing:x")
    assert (lost.code, "is not a model" in lost.err) == (4, True), lost.err
    assert (terminal.text("slug.py"), terminal.text("test_slug.py")) == before
    ended = await terminal.run("answer", run, "'a-b-c'")
    assert "1 confirmed" in ended.out, ended.err + ended.out
    assert len(terminal.model.asked) == calls
    assert JOINS.splitlines()[1] in terminal.text("slug.py")
    assert terminal.text("slug.py").count("return") == 1
    # The same question is answered in another way only once this answer is taken back.
    answered, text = terminal.run_folders()[-1].name, terminal.text("slug.py")
    again = await terminal.run("answer", run, "1")
    assert (again.code, f"ml-coach undo {answered}" in again.err) == (2, True), again.err
    assert terminal.text("slug.py") == text


async def test_a_shell_completes_files_and_the_functions_that_are_empty(terminal: Terminal) -> None:
    put(terminal, "bank.py", STUBS)
    put(terminal, "notes.txt", "")
    for words, expected in (
        ("ml-coach implement ba", ["bank.py"]),
        ("ml-coach implement bank.py::A", ["bank.py::Account.name", "bank.py::Account.interest"]),
        ("ml-coach debug n", []),
    ):
        process = await asyncio.create_subprocess_exec(
            Path(sys.executable).with_name("ml-coach"), cwd=terminal.folder,
            env=terminal.environment(
                _ML_COACH_COMPLETE="complete_bash", COMP_WORDS=words, COMP_CWORD="2"
            ), stdout=asyncio.subprocess.PIPE,
        )  # fmt: skip
        out, _ = await process.communicate()
        assert out.decode().split() == expected
