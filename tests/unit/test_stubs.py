"""Which functions of a file the editor offers to implement."""

from __future__ import annotations

from ml_coach.lsp.documents.stubs import stubs_in


def test_a_name_that_also_has_a_body_in_its_scope_is_no_stub() -> None:
    source = (
        "from typing import overload\n\n\n@overload\ndef add(a: int) -> int: ...\n@overload\n"
        "def add(a: str) -> str: ...\ndef add(a):\n    return a\n\n\n"
        "@overload\ndef sub(a: int) -> int: ...\ndef sub(a):\n    ...\n\n\n"
        "class Box:\n    @property\n    def size(self):\n        return 1\n\n"
        "    @size.setter\n    def size(self, value): ...\n\n    def fill(self): ...\n"
    )
    assert [stub.name for stub in stubs_in(source)] == ["sub", "sub", "Box.fill"]
