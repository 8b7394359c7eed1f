"""Whole replies as models write them, with the only results that lose and invent nothing."""

from __future__ import annotations

import json

import pytest

from ml_coach.core.changes import PatchRefused
from ml_coach.core.patches import apply, read_patch

FILE = '''\
"""Stock."""

import json

MAXIMUM = {"items": 50, "shops": 2}


class Store:
    limit = 3

    class Meta:
        def key(self):
            return 0

    async def fetch(self, source):
        async with source as s:
            return await s.read()

    @staticmethod
    def parse(line):
        name, price = line.split(",")
        return name, price


def register(cls):
    def wrap(name):
        return name, cls

    return wrap


def cheapest(items, *, limit=3):
    # all of them
    ranked = sorted(items, reverse=True)
    return ranked[:limit]
'''
CHEAPEST = """\
def cheapest(items, *, limit=3):
    ranked = sorted(items)
    return ranked[:limit]
"""
PARSE = """\
    @staticmethod
    def parse(line):
        name, price = line.split(",")
        return name.strip(), price
"""
SORTED = FILE.replace("sorted(items, reverse=True)", "sorted(items)")
BOTH = SORTED.replace("return name, price", "return name.strip(), price")
OLD, NEW = "    ranked = sorted(items, reverse=True)\n", "    ranked = sorted(items)\n"
DIFF = (
    "--- a/m.py\n+++ b/m.py\n@@ -32,3 +32,3 @@\n     # all of them\n"
    f"-{OLD}+{NEW}     return ranked[:limit]\n"
)
REFUSED = ""


def code(text: str) -> str:
    return f"```python\n{text}```\n"


def search(old: str, new: str) -> str:
    return f"m.py\n<<<<<<< SEARCH\n{old}=======\n{new}>>>>>>> REPLACE\n"


def after(reply: str, before: str = FILE) -> str:
    """The file after the reply, empty where it is refused."""
    files = {"m.py": before}
    patch = read_patch(reply, files, default_file="m.py")
    result = patch if isinstance(patch, PatchRefused) else apply(patch, files)
    return REFUSED if isinstance(result, PatchRefused) else result["m.py"]


HEADINGS = (
    "Instead of a list, use a set:", "Never sort in reverse:", "Avoid `reverse=True`:",
    "The reference implementation:", "**Broken sort:**", "Statt absteigend aufsteigend:",
    "### Before you run it, copy this", "Compared with yours, only the order differs:",
)  # fmt: skip


@pytest.mark.parametrize("heading", HEADINGS)
def test_an_innocent_heading_does_not_reject_the_code_below_it(heading: str) -> None:
    usage = code("from m import cheapest\n\nprint(cheapest([]))\n")
    assert after(f"{heading}\n\n{code(CHEAPEST)}\nUsage:\n{usage}") == SORTED
    assert after(f"{heading}\n\n```diff\n{DIFF}```\n") == SORTED
    # Beside another change its words are in doubt: half of the reply is never applied.
    assert after(f"{heading}\n\n{code(CHEAPEST)}\nand\n{code(PARSE)}") in (BOTH, REFUSED)


REPLIES = {
    "two fences, one with a method": (code(CHEAPEST) + code(PARSE), BOTH),
    "cut within a line": ("```python\n" + CHEAPEST[:-8], REFUSED),
    "cut after a test": (
        "```python\ndef cheapest(items, *, limit=3):\n    if not items:\n        return []\n",
        REFUSED,
    ),
    "a bare method of a nested class": (
        code("def key(self):\n    return 1\n"), FILE.replace("return 0", "return 1"),
    ),
    "an inner function": (
        code("def wrap(name):\n    return cls, name\n"),
        FILE.replace("return name, cls", "return cls, name"),
    ),
    "a method without its async": (
        code("class Store:\n    def fetch(self, source):\n        with source as s:\n"
             "            return s.read()\n"),
        REFUSED,
    ),
    "only an example": (code("items = [1]\nprint(cheapest(items))\n"), REFUSED),
    "an example below": (code(CHEAPEST + "\n\nstock = [1]\nprint(cheapest(stock))\n"), SORTED),
    "a quoted line first": (
        "The line\n" + code("rows[0] = sorted(items)\n") + "fails:\n" + code(CHEAPEST),
        SORTED,
    ),
    "a traceback first": (
        "```\nTraceback (most recent call last):\nTypeError: x\n```\n" + code(CHEAPEST), SORTED,
    ),
    "a dict with a mark": (code('MAXIMUM = {\n    "items": 60,\n    # wie bisher\n}\n'), REFUSED),
    "a diff and other code": (
        f"```diff\n{DIFF}```\nAlso:\n" + code("class Store:\n" + PARSE), REFUSED,
    ),
    "a diff and the same code": (f"```diff\n{DIFF}```\nThat is:\n" + code(CHEAPEST), SORTED),
    "a mark in the new text": (
        search("    # all of them\n" + OLD, "    # ... existing code ...\n" + NEW), REFUSED,
    ),
    "no divider": (f"m.py\n```python\n<<<<<<< SEARCH\n{OLD}```\n" + search(OLD, NEW), REFUSED),
}  # fmt: skip
GAPS = (
    "# übrige Zeilen unverändert",
    "# 其他代码不变",
    "# (le reste est identique)",
    "# ...",
    "...",
)


@pytest.mark.parametrize(("reply", "right"), REPLIES.values(), ids=REPLIES.keys())
def test_a_reply_is_applied_as_a_whole_or_refused(reply: str, right: str) -> None:
    assert after(reply) == right


@pytest.mark.parametrize("gap", GAPS)
def test_a_body_that_reads_a_name_of_lines_it_leaves_out_is_refused(gap: str) -> None:
    body = f"def cheapest(items, *, limit=3):\n    {gap}\n    return ranked[: limit + 1]\n"
    assert after(code(body)) == REFUSED


FENCES = (
    'HELP = """\nUse:\n```\nrun()\n```\n=======\n<<<<<<< a mark\n"""\n\n\n'
    "def run():\n    return 1\n"
)
OF_FENCES = (
    '--- a/m.py\n+++ b/m.py\n@@ -1,5 +1,5 @@\n HELP = """\n Use:\n ```\n-run()\n+run(1)\n ```\n'
    " =======\n <<<<<<< a mark\n"
)


@pytest.mark.parametrize(
    "reply",
    [
        f"Fix:\n\n```diff\n{OF_FENCES.replace('1,5 +1,5', '1,7 +1,7')}```\n\nDone.",
        OF_FENCES.replace("1,5 +1,5", "1,7 +1,7"),
        "<edit>\n<file>m.py</file>\n<old_text>\n```\nrun()\n</old_text>\n<new_text>\n```\nrun(1)\n"
        "</new_text>\n</edit>\n",
        json.dumps({"path": "m.py", "old_string": "```\nrun()", "new_string": "```\nrun(1)"}),
    ],
)
def test_marks_in_the_code_are_content(reply: str) -> None:
    assert after(reply, FENCES) == FENCES.replace("run()\n```", "run(1)\n```")


def test_a_text_that_can_be_divided_in_two_ways_is_refused() -> None:
    old = "Use:\n```\nrun()\n```\n=======\n"
    assert after(search(old, old.replace("()", "(1)")), FENCES) in (
        REFUSED,
        FENCES.replace("run()\n```", "run(1)\n```"),
    )


def test_code_without_a_name_is_for_the_file_that_defines_it() -> None:
    files = {"a.py": "def a():\n    return 1\n", "b.py": "def c():\n    return 1\n"}
    patch = read_patch(code("def c():\n    return 2\n"), files, default_file="a.py")
    assert not isinstance(patch, PatchRefused)
    assert [change.file for change in patch.changes] == ["b.py"]
