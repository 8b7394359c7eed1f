"""Edits for what was forgotten: what they are, and what is left alone."""

from __future__ import annotations

from ml_coach.core.judging.guards import guards, truths
from ml_coach.core.judging.omissions import caught, omissions, signatures
from ml_coach.core.types import Program

SOURCE = """class Shop:
    def __init__(self, rate, encoding="utf-8"):
        self.encoding = encoding
        self.rate = rate

    def load(self, path, strict=False):
        if isinstance(path, list) and path:
            path = path[0]
        try:
            text = read(path)  # größer
        except OSError:
            return self.kept[path]
        return parse(text, *path)

    def copy(self):
        for name in self.kept:
            self.kept.pop(name)
        return Shop(next(self.rates), self.names.first)


def read(path, encoding="utf-8", strict=False):
    return path


def parse(text, strict=True):
    return max(text)
"""
PROGRAM = Program(SOURCE, "shop.py")
LOAD, COPY = range(6, 14), range(15, 19)


def found(lines: range) -> dict[str, str]:
    edits = omissions(PROGRAM, lines, signatures([SOURCE]))
    return {edit.what.partition(": ")[2]: edit.program.source for edit in edits}


def around(line: int, message: str) -> list[str]:
    return [edit.what.partition(": ")[2] for edit in caught(PROGRAM, line, message)]


def test_an_argument_is_passed_on_by_the_name_of_the_parameter() -> None:
    assert signatures([SOURCE, "def broken(:"]) == {
        "Shop": ("rate", "encoding"), "__init__": ("rate", "encoding"), "load": ("path", "strict"),
        "copy": (), "read": ("path", "encoding", "strict"), "parse": ("text", "strict"),
    }  # fmt: skip
    strict = "`read(path)` becomes `read(path, strict=strict)`"
    assert found(LOAD)[strict] == SOURCE.replace("read(path) ", "read(path, strict=strict) ")
    assert "`read(path)` becomes `read(path, encoding=self.encoding)`" in found(LOAD)
    assert not any("parse(text, *path," in what for what in found(LOAD))
    shop = "Shop(next(self.rates), self.names.first"
    assert f"`{shop})` becomes `{shop}, encoding=self.encoding)`" not in found(COPY)


def test_types_are_widened_and_variables_renamed_but_nothing_is_deleted() -> None:
    edits = found(LOAD)
    assert "`isinstance(path, list)` becomes `isinstance(path, (list, tuple))`" in edits
    assert "`text` becomes `strict`" in edits
    assert not any("left out" in what for what in edits)
    assert all(len(text.splitlines()) == len(SOURCE.splitlines()) for text in edits.values())


def test_a_handler_catches_the_error_that_left_its_body() -> None:
    assert around(10, "ValueError: no number") == ["`OSError` becomes `(OSError, ValueError)`"]
    assert around(13, "ValueError: no number") == []
    assert around(10, "shop.Missing: x") == []


def test_a_lookup_has_a_default_and_a_loop_goes_over_a_copy() -> None:
    assert around(12, "KeyError: 'a'") == ["`self.kept[path]` becomes `self.kept.get(path)`"]
    assert around(17, "KeyError: 'a'") == [
        "`self.kept.pop(name)` becomes `self.kept.pop(name, None)`"
    ]
    changed = "RuntimeError: dictionary changed size during iteration"
    assert around(16, changed) == ["`self.kept` becomes `list(self.kept)`"]
    assert around(18, "StopIteration") == ["`next(self.rates)` becomes `next(self.rates, None)`"]
    assert around(26, "ValueError: max() arg is an empty sequence") == [
        "`max(text)` becomes `max(text, default=0)`",
        "`max(text)` becomes `max(text, default=None)`",
    ]
    missing = "AttributeError: 'list' object has no attribute 'first'"
    assert around(18, missing) == [
        "`self.names.first` becomes `getattr(self.names, 'first', None)`"
    ]


def test_an_iterator_is_made_a_list_and_a_number_a_text() -> None:
    program = Program("def f(it):\n    return len(it)\n", "f.py")
    edits = guards(program, 2, "TypeError: object of type 'generator' has no len()")
    sources = [edit.program.source for edit in edits]
    assert "def f(it):\n    it = list(it)\n    return len(it)\n" in sources


def test_a_default_for_none_is_none_for_zero() -> None:
    program = Program("def f(n):\n    return n or 3\n", "f.py")
    (edit,) = [e for e in truths(program, range(1, 3)) if "else" in e.what]
    assert edit.program.source == "def f(n):\n    return n if n is not None else 3\n"


LAID_OUT = """def g(a, b=0, flag=None):
    return a


def f(a, flag):
    return g(
        a,  # the first
        # NOTE: 0xff is the mask
        0xFF + 1_000,
    )
"""


def test_an_argument_is_added_to_the_text_which_stays_as_it_was_laid_out() -> None:
    program = Program(LAID_OUT.replace("\n", "\r\n"), "g.py")
    edits = omissions(program, range(5, 11), signatures([LAID_OUT]))
    (flag,) = [edit.program.source for edit in edits if "flag=flag" in edit.what]
    assert flag == program.source.replace("1_000,", "1_000, flag=flag,")
    assert flag.count("\r\n") == flag.count("\n")


def test_no_edit_loses_a_comment_that_stands_inside() -> None:
    source = """def f(rows):
    for row in (
        rows.first,  # the oldest
        rows.last,
    ):
        yield row
"""
    program = Program(source, "f.py")
    assert list(caught(program, 2, "RuntimeError: set changed size during iteration")) == []
    kept = list(caught(program, 3, "AttributeError: 'R' object has no attribute 'first'"))
    assert [edit.program.source.count("# the oldest") for edit in kept] == [1]
