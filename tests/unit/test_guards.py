"""Edits for what is empty, None or false: what they are, and that the rest of the text stays."""

from __future__ import annotations

from ml_coach.core.judging.guards import guards, ignored, refusals, truths
from ml_coach.core.types import Program

SOURCE = """class Table:
    def size(self, unit=1):  # größer
        rows = self.read()
        return len(rows[self.name]) // unit

    def heads(self):
        for row in self.rows:
            head = row[0]
            yield head

    def known(self, key):
        if self.cache.get(key) and not self.off:
            return -key
        if key: return self.cache[key]


LAST = [][0]
"""
PROGRAM = Program(SOURCE, "table.py")


def guarded(line: int, message: str = "IndexError: list index out of range") -> dict[str, str]:
    edits = guards(PROGRAM, line, message)
    return {edit.what.partition(": ")[2]: edit.program.source for edit in edits}


def test_what_raises_is_left_out_where_what_it_works_on_is_empty() -> None:
    found = guarded(4)
    assert found["`if not rows: return 0` comes first"] == SOURCE.replace(
        "        return len(", "        if not rows:\n            return 0\n        return len("
    )
    assert "`if not self.name: return` comes first" in found
    assert not any("len:" in what or "not self:" in what for what in found)


def test_where_none_is_the_cause_only_none_is_looked_for() -> None:
    found = guarded(4, "TypeError: 'NoneType' object is not subscriptable")
    assert "`if rows is None: return 0` comes first" in found
    assert not any(" not rows" in what for what in found)


def test_in_a_loop_of_a_generator_the_item_is_passed_over() -> None:
    found = guarded(8)
    assert [*found][:2] == [
        "`if not row: continue` comes first",
        "`if not row: return` comes first",
    ]
    assert not any("return 0" in what for what in found)
    assert "head = row[0] if row else 0" in found["`row[0]` becomes `row[0] if row else 0`"]


def test_nothing_is_put_behind_a_colon_or_outside_of_a_function() -> None:
    assert guarded(14) == {}
    assert guarded(17) == {}
    assert guarded(99) == {}
    assert [*guards(Program("def f(:", "a.py"), 1, "")] == []


def test_where_truth_is_asked_for_a_key_or_none_may_be_meant() -> None:
    found = [edit.what.partition(": ")[2] for edit in truths(PROGRAM, range(11, 14))]
    assert found == [
        "`self.cache.get(key)` becomes `key in self.cache`",
        "`self.cache.get(key)` becomes `self.cache.get(key) is not None`",
        "`self.off` becomes `self.off is not None`",
    ]
    assert not [*truths(PROGRAM, range(1, 10))]


def test_a_parameter_that_is_not_read_may_be_meant_where_a_value_stands() -> None:
    source = 'def join(parts, sep):\n    """Of parts."""\n    return " ".join(parts[1:])\n'
    found = [*ignored(Program(source, "a.py"), range(1, 4))]
    assert {edit.program.source for edit in found} == {
        source.replace('" "', "sep"),
        source.replace("[1:]", "[sep:]"),
    }
    assert not [*ignored(Program(source.replace('" "', "sep"), "a.py"), range(1, 4))]
    assert not [*ignored(Program(source, "a.py"), range(2, 4))]


def test_an_argument_is_refused_where_a_test_misses_an_error() -> None:
    source = 'def take(n, items=()):\n    """Some."""\n    return items[:n]\n'
    program = Program(source, "a.py")
    missed = "Failed: DID NOT RAISE <class 'ValueError'>"
    for message in (missed, "AssertionError: ValueError not raised"):
        first, second, *rest = refusals(program, range(1, 4), message, "")
        assert first.program.source == source.replace(
            "    return", "    if n < 0:\n        raise ValueError('n is wrong')\n    return"
        )
        assert "`if n is not None and n < 0: raise ValueError('n is wrong')`" in second.what
        assert any("not items" in edit.what for edit in rest)
    assert not [*refusals(program, range(1, 4), "assert 1 == 2", "")]
    assert not [*refusals(program, range(2, 4), missed, "")]
    for test in (
        "with raises(ValueError, match='0 at least'):",
        'assertRaisesRegex(E, r"0 at least")',
    ):
        (first, *_) = refusals(program, range(1, 4), missed, test)
        assert "raise ValueError('0 at least')" in first.program.source


def test_what_is_nested_too_deeply_is_left_alone() -> None:
    chain = " + ".join("a" for _ in range(1500))
    deep = Program(f"def f(a, b):\n    x = {chain}\n    if a: return 7\n    return x\n", "a.py")
    assert not [*truths(deep, range(1, 5)), *ignored(deep, range(1, 5))]
    assert all("becomes" not in edit.what for edit in guards(deep, 2, "IndexError"))


CHAIN = """def kinds(a, b):
    if a:
        return 1
    elif b.wanted:
        return 2
    return 3
"""


def test_a_chain_of_conditions_is_not_cut_in_two() -> None:
    message = "AttributeError: 'NoneType' object has no attribute 'wanted'"
    assert list(guards(Program(CHAIN, "k.py"), 4, message)) == []
    assert list(guards(Program(CHAIN.replace("elif", "if"), "k.py"), 4, message))


def test_what_comes_first_has_the_line_ends_of_the_file_and_form_feeds_stay() -> None:
    source = "A = '\u2028'\n\x0c\ndef first(rows):\n    return rows[0]\n".replace("\n", "\r\n")
    edit = next(guards(Program(source, "f.py"), 4, "IndexError: list index out of range"))
    guard = "    if not rows:\r\n        return\r\n"
    assert edit.program.source == source.replace("    return rows", guard + "    return rows")
