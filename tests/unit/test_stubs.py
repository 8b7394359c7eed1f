"""Which functions of a file the editor offers to implement."""

from __future__ import annotations

from ml_coach.core.python.stubs import stub_around, stubs_in
from ml_coach.lsp.documents.positions import split


def test_a_name_that_also_has_a_body_in_its_scope_is_no_stub() -> None:
    source = (
        "from typing import overload\n\n\n@overload\ndef add(a: int) -> int: ...\n@overload\n"
        "def add(a: str) -> str: ...\ndef add(a):\n    return a\n\n\n"
        "@overload\ndef sub(a: int) -> int: ...\ndef sub(a):\n    ...\n\n\n"
        "class Box:\n    @property\n    def size(self):\n        return 1\n\n"
        "    @size.setter\n    def size(self, value): ...\n\n    def fill(self): ...\n"
    )
    assert [stub.name for stub in stubs_in(source)] == ["sub", "sub", "Box.fill"]


LONG = (
    '"""A module."""\n\n\ndef a(x):\n    """Say it."""\n\n\n'
    "@cache\nasync def b(\n    x,\n):\n    ...\n"
    "# a remark\n    # another\n\nclass Box:\n    def size(self):\n        return 1\n\n"
    "    def fill(self):\n        pass\n\n\nLIMIT = 1\n\ndef done():\n    return 2\n"
)


def test_of_a_long_text_the_definition_around_a_line_gives_the_same_stub_as_the_whole() -> None:
    # Filled up, so that what stands far away is seen to make no difference.
    filled = LONG + "".join(f"def far_{n}():\n    return {n}\n" for n in range(2000))
    lines, stubs = split(filled), stubs_in(filled)
    for line in range(1, LONG.count("\n") + 5):
        whole = next((stub for stub in stubs if stub.first <= line <= stub.last), None)
        assert stub_around(lines, line) == whole, (line, lines[line - 1])
    assert [stub.name for stub in stubs] == ["a", "b", "Box.fill"]


def test_of_a_long_text_a_name_that_is_defined_twice_is_no_stub() -> None:
    lines = split("@overload\ndef add(a): ...\n\n\ndef add(a):\n    return a\n")
    assert stub_around(lines, 2) is None
