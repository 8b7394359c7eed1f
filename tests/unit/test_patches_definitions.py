"""What the functions and classes of a reply may take the place of, and what is refused."""

from __future__ import annotations

import pytest

from ml_coach.core.changes import Patch
from ml_coach.core.patches import apply, read_patch


def merged(before: str, reply: str) -> str:
    """The file as the reply makes it, or why it does not."""
    files = {"m.py": before}
    patch = read_patch(f"```python\n{reply}```", files)
    if not isinstance(patch, Patch):
        return f"refused: {patch.reason}"
    result = apply(patch, files)
    assert isinstance(result, dict)
    return result["m.py"]


SUM = """\
def f(xs):
    total = 0
    for x in xs:
        total += x
    return total


def g():
    return 1
"""
GAPS = (
    "# ... (same as before)", "# as before", "# same as original", "# rest of the loop", "# … rest",
    "# ... keep the rest", "# loop body unchanged...", "# Existing loop...",
    "# existing implementation", "# Remaining implementation", "# Existing code for the sum",
    "# The rest of the function stays as it is", "# remaining lines are the same", "# unchanged",
    "# same as above", "# the loop is the same",
)  # fmt: skip


@pytest.mark.parametrize("comment", GAPS)
@pytest.mark.parametrize(
    "reply",
    [
        "def f(xs):\n    total = 0\n    if not xs:\n        return 0\n    {}\n    return total\n",
        "def f(xs):\n    total = 0  {}\n    return total\n",
        "def f(xs):\n    total = 0\n    return total\n    {}\n",
    ],
)
@pytest.mark.parametrize("rest", ["", "\n\ndef g():\n    return 2\n"])
def test_a_function_whose_loop_is_left_out_is_refused(comment: str, reply: str, rest: str) -> None:
    assert "leaves out" in merged(SUM, reply.format(comment) + rest)


@pytest.mark.parametrize("before", ["class A:\n    {}\n\n    x = 1\n", "{}\n", "def f(:\n{}\n"])
def test_a_method_or_a_broken_function_with_a_gap_is_refused(before: str) -> None:
    inner = "def f(self):\n        for x in self:\n            print(x)"
    reply = "def f(self):\n    # existing implementation\n    print(1)\n"
    assert "leaves out" in merged(before.format(inner), reply)


@pytest.mark.parametrize(
    "remark", ["# unchanged", "# same as above", "# Existing totals", "# 1, 3, ... 9"]
)
def test_a_remark_in_a_function_that_has_all_statements_is_taken(remark: str) -> None:
    reply = SUM.partition("\n\n\n")[0].replace("total = 0", f"{remark}\n    total = 1") + "\n"
    assert f"{remark}\n    total = 1" in merged(SUM, reply)


@pytest.mark.parametrize(
    "body",
    [
        "# Remaining elements\n    return sum(xs)",
        "# 1 + 3 + 5 + ... + n\n    return sum(xs)",
        'return "#" + str(xs)[:3] + "..."',
    ],
)
def test_a_shorter_function_with_a_remark_on_its_data_is_taken(body: str) -> None:
    assert body in merged(SUM, f"def f(xs):\n    {body}\n")


def test_the_users_own_comment_is_no_gap() -> None:
    before = SUM.replace("    for", "    # the rest of it comes later...\n    for")
    reply = "def f(xs):\n    # the rest of it comes later...\n    return sum(xs)\n"
    assert "return sum(xs)" in merged(before, reply)


HELPER = "\n\ndef helper():\n    return 1\n"
KEPT = {
    "a field of a dataclass": (
        "from dataclasses import dataclass\n\n\n@dataclass\nclass P:\n"
        "    size: str\n    n: int = 1\n",
        ("    n: int = 1\n", ""),
    ),
    "__eq__": (
        "class P:\n    def __init__(self):\n        self.x = 1\n\n"
        "    def __eq__(self, other):\n        return True\n",
        ("\n    def __eq__(self, other):\n        return True\n", ""),
    ),
    "__slots__": (
        "class P:\n    __slots__ = ()\n\n    def __init__(self):\n        self.x = 1\n",
        ("    __slots__ = ()\n\n", ""),
    ),
}  # fmt: skip


@pytest.mark.parametrize("rest", ["", HELPER, "\n\nprint(1)\n"])
@pytest.mark.parametrize(("before", "change"), KEPT.values(), ids=KEPT.keys())
def test_a_whole_file_removes_no_member_that_it_only_leaves_out(
    before: str, change: tuple[str, str], rest: str
) -> None:
    """A reply cannot say by silence that something goes: a diff can, by its minus signs."""
    after = before.replace(*change).replace("x = 1", "x = 2").replace("size: str", "size: int")
    expected = before.replace("x = 1", "x = 2").replace("size: str", "size: int")
    assert merged(before + rest, after + rest) == expected + rest


@pytest.mark.parametrize(
    ("names", "shown", "rest"),
    [
        (("__init__", "push", "to_json"), ("push",), ""),
        (("__init__", "push", "to_json"), ("push",), HELPER),
        (("__init__", "pop"), ("pop",), ""),
        (("__init__", "pop"), ("pop",), HELPER),
        (("__init__", "pop"), ("__init__",), ""),
        (("__init__", "pop"), ("__init__", "push"), ""),
        (("push", "pop"), ("pop",), ""),
        (("push", "pop"), ("pop", "push_all"), ""),
        (("__init__", "pop", "push", "peek"), ("__init__", "pop"), ""),
        (("__init__", "pop", "push", "peek"), ("__init__",), HELPER),
    ],
)
def test_a_part_of_a_class_loses_no_method(
    names: tuple[str, ...], shown: tuple[str, ...], rest: str
) -> None:
    before = "class A:\n" + "\n".join(f"    def {n}(self):\n        pass\n" for n in names)
    part = "class A:\n" + "\n".join(f"    def {n}(self):\n        self.x = 1\n" for n in shown)
    text = merged(before + rest, part + rest)
    assert [n for n in names if f"def {n}(" not in text] == []
    assert text.count("self.x = 1") == len(shown)


HEADED = """\
class A(Base):
    def f(self):
        return 1

    def g(self):
        return 2
"""


@pytest.mark.parametrize("head", ["class A(Base, Mixin):", "@final\nclass A(Base):"])
def test_a_part_of_a_class_brings_its_head(head: str) -> None:
    base = "from typing import final\n\nclass Base:\n    pass\n\n\nclass Mixin:\n    pass\n\n\n"
    reply = f"{head}\n    def g(self):\n        return 3\n"
    after = HEADED.replace("class A(Base):", head).replace("return 2", "return 3")
    assert merged(base + HEADED, reply) == base + after


def test_a_part_of_a_class_keeps_the_base_that_the_reply_lacks() -> None:
    reply = "class A:\n    def g(self):\n        return 3\n"
    before = "from b import Base\n\n" + HEADED
    assert merged(before, reply) == before.replace("return 2", "return 3")
    other = reply.replace("class A:", "class A(Other):")
    assert "whole head of class A" in merged(before, other)


TWICE = {
    "overloads": (
        "from typing import overload\n\n\n@overload\ndef f(x: int) -> int: ...\n@overload\n"
        "def f(x: str) -> str: ...\ndef f(x):\n    return 1\n"
    ),
    "a registered function": (
        "from functools import singledispatch\n\n\n@singledispatch\ndef show(x):\n    return 1\n\n"
        "\n@show.register\ndef _(x: int):\n    return 2\n\n\n@show.register\n"
        "def _(x: str):\n    return 3\n"
    ),
    "a constant": "T = 1\nT = T + 1\n\n\ndef f():\n    return 1\n",
}


@pytest.mark.parametrize("before", TWICE.values(), ids=TWICE.keys())
def test_a_whole_file_may_bind_a_name_twice(before: str) -> None:
    after = before.replace("return 1", "return 7")
    for comment in ("# A remark.\n", ""):
        assert merged(
            before + "\n\n# A remark.\nB = 1\n", f"{after}\n\n{comment}B = 1\n"
        ).rstrip() == (f"{after}\n\n# A remark.\nB = 1")


DECORATED = (
    "import functools\n\nHANDLERS = {}\n\n\n@functools.cache\ndef size(x):\n    return x\n\n\n"
    "@functools.lru_cache\n@functools.wraps(size)\ndef show(x):\n    return 1\n"
)


@pytest.mark.parametrize("gone", ["@functools.cache\n", "@functools.lru_cache\n"])
def test_a_whole_file_that_lacks_a_decorator_keeps_it(gone: str) -> None:
    after = DECORATED.replace("return 1", "return 7")
    assert merged(DECORATED, after.replace(gone, "")) == after


PROPERTY = """\
class A:
    @property
    def x(self):
        return self._x

    @x.setter
    def x(self, value):
        self._x = value
"""


@pytest.mark.parametrize("head", ["class A:\n    ", ""])
def test_an_accessor_without_its_decorator_is_known_by_its_parameters(head: str) -> None:
    inset = "    " if head else ""
    setter = f"{head}def x(self, value):\n{inset}    self._x = abs(value)\n"
    assert merged(PROPERTY, setter) == PROPERTY.replace("= value", "= abs(value)")
    getter = f"{head}def x(self):\n{inset}    return abs(self._x)\n"
    assert merged(PROPERTY, getter) == PROPERTY.replace("return self._x", "return abs(self._x)")
    strange = f"{head}def x(self, a, b):\n{inset}    return a\n"
    assert "without its" in merged(PROPERTY, strange)


def test_a_script_that_edits_the_file_is_no_part_of_it() -> None:
    script = 'from pathlib import Path\n\np = Path("m.py")\np.write_text(p.read_text())\n'
    assert "nothing but its imports" in merged(SUM, script)
    assert merged(SUM, "import os\n").startswith("import os\n")


TABLE = 'T = {"a": 1}\n\nT["g"] = T["a"]\nT["h"] = 2\n'


@pytest.mark.parametrize(
    ("reply", "after"),
    [
        ('T = {"a": 3}\n', TABLE.replace("1}", "3}")),
        ('T["g"] = 5\n', TABLE.replace('T["a"]', "5")),
        ("T['h'] = 7\n", TABLE.replace('T["h"] = 2', "T['h'] = 7")),
    ],
)
def test_an_item_and_what_it_is_of_are_two_things(reply: str, after: str) -> None:
    assert merged(TABLE, reply) == after


def test_what_looks_like_a_sign_in_a_key_is_part_of_the_key() -> None:
    table = 'T = {}\nT["a=b"] = 1\nT["]"] = 2\nT[T["a=b"]] = 3\n'
    for old, new in (('T["a=b"] = 1', 'T["a=b"] = 9'), ('T["]"] = 2', 'T["]"] = 8')):
        assert merged(table, f"{new}\n") == table.replace(old, new)
    assert merged(table, 'T[T["a=b"]] = 7\n') == table.replace("= 3", "= 7")
    assert merged(table, "T = {1: 1}\n") == table.replace("{}", "{1: 1}")


def test_a_new_item_takes_no_other_ones_place() -> None:
    after = merged(TABLE, 'T["n"] = 9\n')
    assert 'T["n"] = 9' in after
    assert set(TABLE.splitlines()) <= set(after.splitlines())
