"""Replies that say more, or less, than their code: each kind in several forms, right or refused."""

from __future__ import annotations

from textwrap import dedent

import pytest

from ml_coach.core.changes import PatchRefused
from ml_coach.core.patches import apply, read_patch
from ml_coach.core.sanitizer import Sanitized, sanitize

REFUSED = "refused"
FILE = '''\
import math
from typing import Protocol


class Sink(Protocol):
    def write(self, text: str) -> None: ...

    def flush(self) -> None: ...  # may be slow


class Circle:
    def __init__(self, r):
        self.r = r

    def area(self):
        return math.pi * self.r


class Square:
    def __init__(self, a):
        self.a = a

    def area(self):
        return self.a + self.a


def wrap(text, width=20):
    """Wrap text.

    >>> wrap("a b")
    ['a', 'b']
    """
    lines = []
    for word in text.split():
        lines.append(word)
    return lines


def main():
    print(wrap("a b"))
'''
AREA = "def area(self):\n    return self.a * self.a\n"
FIXED = FILE.replace("self.a + self.a", "self.a * self.a")
RENAMED = FILE.replace("wrap(", "wrap_text(")
WRAP_TEXT = RENAMED[RENAMED.index("def wrap") : RENAMED.index("\n\n\ndef main")]
SINK = "class Sink(Protocol):\n    def write(self, text: str) -> int: ...\n"
COUNTS = FILE.replace("text: str) -> None", "text: str) -> int")
BLOCK = "<<<<<<< SEARCH\n        return self.a + self.a\n=======\n        return self.a * self.a\n"
BLOCK += ">>>>>>> REPLACE\n"
CUT = "<<<<<<< SEARCH\n    lines = []\n=======\n    lines: list[st"
ENVELOPE = "*** Begin Patch\n*** Update File: m.py\n@@\n-        return self.a + self.a\n"
ENVELOPE += "+        return self.a * self.a\n"
HUNK = "--- a/m.py\n+++ b/m.py\n@@ -22,2 +22,3 @@\n     def area(self):\n"
HUNK += "-        return self.a + self.a\n+        return self.a * self.a"
SQUARE = "class Square:\n    def area(self):\n        return self.a * self.a\n"


def py(text: str, tag: str = "python") -> str:
    return f"```{tag}\n{text.rstrip()}\n```\n"


def patched(reply: str, before: str = FILE) -> str:
    patch = read_patch(reply, {"m.py": before}, default_file="m.py")
    after = patch if isinstance(patch, PatchRefused) else apply(patch, {"m.py": before})
    return REFUSED if isinstance(after, PatchRefused) else str(list(after.values()))


PATCHES = {
    "a method whose class is named": ("The bug is in `Square.area`:\n" + py(AREA), REFUSED),
    "a method without a word": (py(AREA), REFUSED),
    "a method with fields of another class": ("Unlike `Circle.area`:\n" + py(AREA), REFUSED),
    "a body below a name with a dot": ("In `Square.area`:\n" + py(AREA[20:], ""), REFUSED),
    "a field above a class": ("Instead of `self.a`:\n" + py(SQUARE), FIXED),
    "a class, then another method": (py(SQUARE) + "Or:\n" + py(AREA.replace("*", "**")), REFUSED),
    "a name that is said to be new": ("Renamed `wrap` to `wrap_text`:\n" + py(RENAMED), REFUSED),
    "a class that is said to be renamed": (
        "`Square` is now `Quad`.\n" + py(FILE.replace("Square", "Quad")), REFUSED,
    ),
    "a new name without a word": (py(RENAMED), REFUSED),
    "a new name that only its docstring uses": (py(WRAP_TEXT), REFUSED),
    "an example in a docstring": (
        "The whole file:\n" + py(FILE.replace("['a', 'b']", '["a", "b"]')),
        FILE.replace("['a', 'b']", '["a", "b"]'),
    ),
    "a protocol": (py(SINK + "\n    def flush(self) -> None: ...\n"), COUNTS),
    "a protocol over more lines": (
        py((SINK + "\n    def flush(self) -> None: ...\n").replace(": ...", ":\n        ...")),
        COUNTS,
    ),
    "a new method of a protocol": (
        py("class Sink(Protocol):\n    def close(self) -> None: ...\n"),
        FILE.replace("be slow\n", "be slow\n\n    def close(self) -> None: ...\n"),
    ),
    "a block, then one that is cut": (py(BLOCK) + "\nm.py\n```python\n" + CUT, REFUSED),
    "the same in fences without a tag": (py(BLOCK, "") + "\n```\n" + CUT, REFUSED),
    "a block that ends in a blank line": (BLOCK + CUT + "r]\n\n", REFUSED),
    "an envelope without its end": (ENVELOPE, REFUSED),
    "an envelope": (ENVELOPE + "*** End Patch\n", FIXED),
    "a diff that is shorter than it says": ("```diff\n" + HUNK, REFUSED),
    "a diff whose fence has no end": ("```diff\n" + HUNK.replace("2,3", "2,2"), FIXED),
    "what is left alone": (py(SQUARE) + "\nKeep the rest of `Square` as it is.\n", FIXED),
    "a remark on the function": (py(SQUARE) + "\n`area` does not fail any more.\n", FIXED),
    "what cannot be done": (
        "You can't write\n" + py("def area(s):\n    return 0\n") + "but:\n" + py(SQUARE),
        FIXED,
    ),
}  # fmt: skip


@pytest.mark.parametrize(("reply", "right"), PATCHES.values(), ids=PATCHES.keys())
def test_a_patch_is_what_the_whole_reply_says(reply: str, right: str) -> None:
    assert patched(reply) == (right if right == REFUSED else str([right]))


STACK = """\
class Stack:
    def __init__(self):
        self.items = []

    def pop(self):
        return self.items.pop(0)

    def __len__(self):
        return len(self.items)
"""
POP = "    def pop(self):\n        return self.items.pop()\n"
PEEK = "    def peek(self):\n        return self.items[-1]\n"
POPPED = STACK.replace("pop(0)", "pop()")
GOOD, BAD = "def f(x):\n    return x + 1\n", "def f(x):\n    return x - 1\n"
HEADED = f"# Sum\n## Instruction: add\n{GOOD}"
PROGRAMS = {
    "a later method": ("Stack", py(STACK) + "No:\n" + py(POP), POPPED),
    "a later method at the margin": ("Stack", py(STACK) + "No:\n" + py(dedent(POP)), POPPED),
    "a method more": ("Stack", py(STACK) + "And:\n" + py(PEEK), f"{STACK}\n{PEEK}"),
    "a method more, by way of comparison": (
        "Stack",
        py(STACK) + "For comparison, also inside:\n" + py(PEEK),
        f"{STACK}\n{PEEK}",
    ),
    "a method that two classes have": (
        "Stack",
        py(STACK + "\n\n" + STACK.replace("Stack", "Queue")) + "No:\n" + py(POP),
        REFUSED,
    ),
    "a method for one of two classes": (
        "Stack",
        py(STACK + "\n\nclass A:\n    x = 1\n") + "And:\n" + py(PEEK),
        REFUSED,
    ),
    "a function as a diff": (
        "f",
        py(" def f(x):\n-    return x\n+    return x + 1\n", "diff"),
        GOOD,
    ),
    "a part of a function as a diff": (
        "f",
        py("@@ -1,2 +1,2 @@\n def f(x):\n-    y = x\n+    return x + 1\n", "diff"),
        REFUSED,
    ),
    "a thought process": (
        "f",
        f"Here is my thought process:\n{py(BAD)}\nHere is my response:\n{py(GOOD)}",
        GOOD,
    ),
    "a plan, and what the code prints": ("f", f"Plan: add\n{py(GOOD)}Output:\n{py('2', '')}", GOOD),
    "a reply behind its end": ("f", f"{GOOD.rstrip()}</s>\n[INST] Minus [/INST]\n{py(BAD)}", GOOD),
    "another end": ("f", f"{py(GOOD)}<|endoftext|>Human: Minus\n\nAssistant:\n{py(BAD)}", GOOD),
    "an invented task": ("f", f"{GOOD}\n### Instruction:\nMinus.\n\n### Response:\n{BAD}", GOOD),
    "a heading in the code": ("f", HEADED, HEADED),
    "an end in a string": ("f", f'END = "</s>"\n\n\n{GOOD}', f'END = "</s>"\n\n\n{GOOD}'),
}  # fmt: skip


@pytest.mark.parametrize(("name", "reply", "right"), PROGRAMS.values(), ids=PROGRAMS.keys())
def test_a_program_is_what_the_whole_reply_says(name: str, reply: str, right: str) -> None:
    found = sanitize(reply, names=(name,))
    assert (found.source if isinstance(found, Sanitized) else REFUSED) == right


@pytest.mark.parametrize(
    ("line", "rest"),
    [
        ("from your_module import f\n\n\n", ""),
        ("from my.package import (\n    f,\n)\n\n\n", ""),
        ("import os\n\n\n", "import os\n\n\n"),
        ("from os import path\n\n\n", "from os import path\n\n\n"),
    ],
)
def test_a_suite_leaves_importing_the_program_to_its_caller(line: str, rest: str) -> None:
    test = "def test_f():\n    assert f(1) == 2\n"
    found = sanitize(py(line + test), names=("f",), kind="suite")
    assert isinstance(found, Sanitized)
    assert found.source == rest + test
