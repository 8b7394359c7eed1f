"""The one reader: what of a reply is its answer, and which segments the answer has."""

from __future__ import annotations

import json
import time

import pytest

from ml_coach.core import replies
from ml_coach.core.replies import Segment

CODE = "def total(items):\n    return sum(items)\n"
DRAFT = "def total(items):\n    return 0\n"
DIFF = "--- a/x.py\n+++ b/x.py\n@@ -1,2 +1,2 @@\n def total(items):\n-    return 0\n+    return 1\n"


def fenced(text: str, tag: str = "python") -> str:
    return f"```{tag}\n{text}```\n"


def only(text: str) -> Segment:
    """The one segment of a reply that is not prose."""
    found = [s for s in replies.read(text).segments if s.role != "prose"]
    assert len(found) == 1, found
    return found[0]


@pytest.mark.parametrize(
    "reply",
    [
        f"<think>\n{fenced(DRAFT)}</think>\n{fenced(CODE)}",
        f"Let me look.\n<thinking>\n{fenced(DRAFT)}</thinking>\n{fenced(CODE)}",
        f"Maybe\n{fenced(DRAFT)}No.\n</think>\n{fenced(CODE)}",
        f"<think>```python\n{DRAFT}```\n</think>\n{fenced(CODE)}",
        f"[THINK]{fenced(DRAFT)}[/THINK]{fenced(CODE)}",
        f"◁think▷\n{fenced(DRAFT)}◁/think▷\n{fenced(CODE)}",
        f"<reasoning>{fenced(DRAFT)}</reasoning>\n<answer>\n{fenced(CODE)}</answer>",
        f"Thought: try\n{fenced(DRAFT)}no.\n\nAnswer:\n{fenced(CODE)}",
        # What follows a turn that the model made up for the user is no answer to the user.
        f"{fenced(CODE)}<|im_end|>\n<|im_start|>user\nNo.<|im_end|>\n{fenced(DRAFT)}",
        f"{fenced(CODE)}<|eot_id|><|start_header_id|>user<|end_header_id|>\nNo.\n{fenced(DRAFT)}",
        f"{fenced(CODE)}<end_of_turn>\n<start_of_turn>user\nNo.\n{fenced(DRAFT)}",
        f"{fenced(CODE)}<｜end▁of▁sentence｜><｜User｜>No.\n{fenced(DRAFT)}",
        f"**Thought:** try\n{fenced(DRAFT)}no.\n\n**Final Answer:**\n{fenced(CODE)}",
        f"<|channel|>analysis<|message|>{fenced(DRAFT)}<|end|><|start|>assistant"
        f"<|channel|>final<|message|>{fenced(CODE)}<|return|>",
        f"analysisWe try {fenced(DRAFT)} no.assistantfinal{fenced(CODE)}",
        f"Do not do this:\n{fenced(DRAFT)}Do this:\n{fenced(CODE)}",
        f"### Bad\n{fenced(DRAFT)}### Good\n{fenced(CODE)}",
        f"{fenced(CODE)}For comparison, the naive version:\n{fenced(DRAFT)}",
        f"Before:\n{fenced(DRAFT)}After:\n{fenced(CODE)}",
    ],
)
def test_reasoning_is_removed_before_anything_is_read(reply: str) -> None:
    assert only(reply).text == CODE


@pytest.mark.parametrize(
    "reply",
    [f"<think>\n{fenced(DRAFT)}", f"<|channel|>analysis<|message|>{fenced(DRAFT)}", "", " \n"],
)
def test_a_reply_that_ends_within_its_reasoning_has_no_answer(reply: str) -> None:
    assert replies.read(reply).segments == ()


@pytest.mark.parametrize(
    "code",
    [
        'TAG = "</think>"\n',
        'TEXT = """\n<think>\nabc\n</think>\n"""\n',
        'TEXT = """\n</think>\n"""\n\n\ndef f():\n    return TEXT\n',
        'def f():\n    """Doc.\n\n    ```python\n    f()\n    ```\n    """\n    return 1\n',
        'A = """\n```\ncode\n```\n"""\n',
    ],
)
def test_tags_and_fences_in_strings_of_a_program_are_its_own(code: str) -> None:
    assert only(fenced(code)).text == code


@pytest.mark.parametrize(
    ("reply", "role", "file"),
    [
        (json.dumps({"code": CODE}), "program", ""),
        (json.dumps({"name": "write_file", "arguments": {"path": "a.py", "content": CODE}}),
         "program", "a.py"),
        (json.dumps({"function": {"arguments": json.dumps({"path": "a.py", "content": CODE})}}),
         "program", "a.py"),
        ("I will write it.\n" + fenced(json.dumps({"tool": "create", "content": CODE}), "json"),
         "program", ""),
        ('Now.\n<tool_call>\n{"name": "w", "arguments": {"file_path": "a.py", "content": '
         f"{json.dumps(CODE)}}}}}\n</tool_call>", "program", "a.py"),
        (json.dumps("Here:\n" + fenced(CODE)), "program", ""),
        (json.dumps({"cells": [{"cell_type": "markdown", "source": ["# T"]},
                               {"cell_type": "code", "source": CODE.splitlines(True)}]}),
         "program", ""),
        (f"<write_to_file>\n<path>a.py</path>\n<content>\n{CODE}</content>\n</write_to_file>",
         "program", "a.py"),
        ('<function_calls><invoke name="create"><parameter name="path">a.py</parameter>'
         f'<parameter name="file_text">{CODE}</parameter></invoke></function_calls>',
         "program", "a.py"),
        (f"<pre><code class=\"language-python\">\n{CODE}</code></pre>", "program", ""),
        (f"[PYTHON]\n{CODE}[/PYTHON]\n", "program", ""),
        (fenced(f"cat > a.py << 'EOF'\n{CODE}EOF\n", "bash"), "program", "a.py"),
        (f"cat <<EOF > a.py\n{CODE}EOF\n", "program", "a.py"),
        (fenced(f"git apply <<'EOF'\n{DIFF}EOF\n", "bash"), "patch", ""),
        ("apply_patch <<'PATCH'\n*** Begin Patch\n*** Update File: x.py\n@@\n-a\n+b\n"
         "*** End Patch\nPATCH\n", "patch", ""),
        (fenced(DIFF, "diff"), "patch", ""),
        ("\n".join(f"> {line}" for line in fenced(DIFF, "diff").split("\n")), "patch", ""),
        (DIFF, "patch", ""),
        (fenced(CODE, "python:a.py"), "program", "a.py"),
        (fenced(CODE, 'python title="src/a.py"'), "program", "src/a.py"),
        (f"**a.py**\n{fenced(CODE)}", "program", "a.py"),
        (f"### `a.py`\n\n{fenced(CODE)}", "program", "a.py"),
        (f"This goes to `a.py`:\n{fenced(CODE)}", "program", "a.py"),
        ("\x1b[32m" + fenced(CODE) + "\x1b[0m", "program", ""),
        (CODE, "program", ""),
        ("python\n" + CODE, "program", ""),
        ("1. Here:\n\n   " + fenced(CODE).replace("\n", "\n   "), "program", ""),
    ],
)  # fmt: skip
def test_wrapped_text_is_unwrapped(reply: str, role: str, file: str) -> None:
    segment = only(reply)
    assert (segment.role, segment.file) == (role, file)
    if role == "program":
        assert segment.text.strip("\n") == CODE.strip("\n")


def test_sessions_and_listings_are_read_as_files() -> None:
    cells = (
        "In [1]: import math\n\nIn [2]: def f(x):\n   ...:     return x\n   ...: \n\nOut[2]: 1\n"
    )
    assert only(cells).text.strip() == "import math\ndef f(x):\n    return x"
    doctest = ">>> def f(x):\n...     return x\n...\n>>> f(1)\n1\n"
    assert only(doctest).text == "def f(x):\n    return x\n\nf(1)\n"
    numbered = "".join(f"{n:3} | {line}\n" for n, line in enumerate(CODE.splitlines(), 1))
    assert only(fenced(numbered)).text == CODE
    html = "def f(a, b):\n    return a &lt; b and &quot;x&quot;\n"
    assert only(fenced(html)).text == 'def f(a, b):\n    return a < b and "x"\n'


@pytest.mark.parametrize(
    "reply",
    [
        json.dumps({"edits": [{"file": "a.py", "old_string": "x = 1", "new_string": "x = 2"}]}),
        json.dumps({"name": "str_replace", "input": {"path": "a.py", "old_str": "x = 1",
                                                     "new_str": "x = 2"}}),
        '<edit file="a.py">\n<search>\nx = 1</search>\n<replace>\nx = 2</replace>\n</edit>',
        "<function=edit>\n<parameter=path>\na.py\n</parameter>\n<parameter=old_str>\nx = 1"
        "</parameter>\n<parameter=new_str>\nx = 2</parameter>\n</function>",
    ],
)  # fmt: skip
def test_edits_of_tools_are_one_old_and_one_new_text(reply: str) -> None:
    segment = only(reply)
    assert (segment.role, segment.language, segment.file) == ("patch", "edit", "a.py")
    assert (segment.replaces, segment.text) == ("x = 1", "x = 2")


def test_each_block_has_a_role_and_its_file() -> None:
    use = "from generated_code import total\nprint(total([]))\n"
    tests = "import pytest\nfrom generated_code import total\n\n\ndef test_a():\n    assert 1\n"
    reply = (
        f"**generated_code.py**\n{fenced(CODE)}Tests:\n{fenced(tests)}"
        f"Use:\n{fenced(use)}"
        f"{fenced('pytest -q' + chr(10), 'bash')}{fenced('1 passed' + chr(10), 'text')}"
    )
    found = [(s.role, s.file) for s in replies.read(reply).segments if s.role != "prose"]
    roles = ["program", "tests", "usage", "shell", "output"]
    assert [role for role, _ in found] == roles
    assert found[0][1] == "generated_code.py"


def test_a_block_whose_end_is_missing_says_so() -> None:
    first, second = replies.read(f"```python\n{CODE}\nthen\n{fenced(DRAFT)}").segments
    assert (first.closed, second.closed) == (False, True)
    assert replies.read(f"```python\n{CODE}").segments[0].closed is False


def test_two_possible_ends_of_a_block_are_two_readings() -> None:
    diff = DIFF + "@@ -9,3 +9,3 @@\n T = '''\n```\n-a\n+b\n```\n"
    texts = [reply.segments[0].text for reply in replies.readings(fenced(diff, "diff"))]
    assert diff in texts


@pytest.mark.parametrize(
    "piece",
    [
        "```", "```python\n", "<think>\n", "</think>\n", "<code>", "<path>a", "cat <<EOF > a\n",
        '{"a":', "[", '"""', "In [1]: a\n", "> ", "&lt;", "<<<<<<< SEARCH\n", "Answer:\n",
        "Thought: a\n", "1 | a\n",
    ],
)  # fmt: skip
def test_no_reply_takes_long_or_raises(piece: str) -> None:
    start = time.process_time()
    replies.read(piece * (200_000 // len(piece)))
    # Reading is linear: a quarter of this is the slowest measured.
    assert time.process_time() - start < 4
