"""The hunks of a patch apart, and what a model writes from one line of a function on."""

from __future__ import annotations

from ml_coach.core.finding import Finding, Location
from ml_coach.core.fixing.lines import Place, joined, parts, places
from ml_coach.core.fixing.suspicion import Sources, Suspect
from ml_coach.core.fixing.units import units_of
from ml_coach.core.patches import make_patch
from ml_coach.core.project import Coverage, Project

SHOP = '''class Cart:
    def mean(self, prices):
        """The mean price."""
        total = 0
        for price in prices:
            total += price
        return total / len(
            prices
        )

    def count(self):
        return 2
'''
MEAN = units_of("shop.py", SHOP).functions[0]
HEAD = 'def mean(self, prices):\n    """The mean price."""\n    total = 0\n'
LOOP = "    for price in prices:\n        total += price\n"
RETURN = Place(MEAN, 7, 9, HEAD + LOOP, "", "    ")


def test_each_hunk_of_a_patch_is_tried_apart_but_those_that_change_no_code() -> None:
    text = SHOP.replace("total = 0", "total = 0.0  # Euro").replace(
        "count(self):", "count(self): #"
    )
    whole = text.replace("return 2", "return 3")
    found = {
        part.changes[0].after for part in parts(make_patch({"shop.py": SHOP}, {"shop.py": whole}))
    }
    assert found == {
        SHOP.replace("total = 0", "total = 0.0  # Euro"),
        SHOP.replace("count(self):", "count(self): #").replace("return 2", "return 3"),
    }
    one = SHOP.replace("return 2", "return 3")
    assert parts(make_patch({"shop.py": SHOP}, {"shop.py": one})) == []


def test_of_three_hunks_each_is_also_left_out() -> None:
    before = {"a.py": "a = 1\n\nb = 1\n\nc = 1\n", "b.py": "d = 1\n"}
    after = {"a.py": "a = 2\n\nb = 1\n\nc = 2\n", "b.py": "d = 2\n"}
    sizes = [len(part.changes) for part in parts(make_patch(before, after))]
    assert sizes == [1, 1, 1, 2, 2, 1]


def test_a_hunk_that_does_not_compile_alone_is_left_out() -> None:
    before = "try:\n    a()\n\n    b()\n    c()\nfinally:\n    d()\n"
    after = "if a:\n    a()\n\n    b()\n    c()\nelse:\n    d()\n"
    assert parts(make_patch({"a.py": before}, {"a.py": after})) == []


def test_the_lines_that_only_failing_tests_ran_come_first_and_the_next_ones_last() -> None:
    finding = Finding("test", "", "t.py", 1, test="t.py::test_a")
    ran = {"t.py::test_a": {"shop.py": frozenset({4, 5, 6, 7})}}
    coverage = Coverage(failed=ran, passed={"shop.py": {4: 2, 5: 2, 6: 1, 7: 2}})
    found = places(
        Sources(Project({"shop.py": SHOP.encode()})), coverage, [finding], [Suspect(MEAN, 1.0)], 9
    )
    assert [place.first for place in found] == [6, 4, 5, 7]
    head = 'def mean(self, prices):\n    """The mean price."""\n'
    rest = LOOP + "    return total / len(\n        prices\n    )"
    assert found[1] == Place(MEAN, 4, 4, head, rest, "    ")
    assert found[3] == RETURN
    raised = Finding("test", "", "t.py", 1, test="t.py::test_a", related=(Location("shop.py", 8),))
    found = places(
        Sources(Project({"shop.py": SHOP.encode()})), coverage, [raised], [Suspect(MEAN, 1.0)], 1
    )
    assert [place.first for place in found] == [7]


def test_what_is_written_from_a_line_on_comes_ahead_of_the_statement_or_in_its_stead() -> None:
    found = joined(
        SHOP, RETURN, "    if not prices:\n        return 0\n    return tot", is_whole=False
    )
    statement = "        return total / len(\n            prices\n        )\n"
    guard = "        if not prices:\n            return 0\n"
    assert SHOP.replace(statement, guard + statement) in found
    assert SHOP.replace(statement, guard) in found
    assert all("return tot\n" not in text for text in found)


def test_the_rest_of_a_whole_reply_is_taken_as_one_change_and_the_talk_is_not() -> None:
    reply = (
        "    if not prices:\n        return 0\n    return total / len(prices)\n```\nNow it works."
    )
    found = joined(SHOP, RETURN, reply, is_whole=True)
    new = "        if not prices:\n            return 0\n        return total / len(prices)\n"
    assert found[0] == SHOP.replace(
        "        return total / len(\n            prices\n        )\n", new
    )
    assert all("works" not in text for text in found)


def test_what_changes_nothing_or_does_not_compile_is_no_proposal() -> None:
    same = "    return total / len(\n        prices\n    )\n"
    for reply in ("", "```", same, "    return (\n"):
        assert joined(SHOP, RETURN, reply, is_whole=True) == []
    assert joined(SHOP, RETURN, "    return 7", is_whole=False) == []


def _change(source: str, line: int, reply: str) -> list[str]:
    (unit,) = [u for u in units_of("a.py", source).functions if u.first <= line <= u.last]
    ran = Coverage(failed={"t": {"a.py": frozenset({line})}})
    project = Project({"a.py": source.encode()})
    finding = Finding("test", "", "t.py", 1, test="t")
    (place,) = places(Sources(project), ran, [finding], [Suspect(unit, 1.0)], 1)
    return joined(source, place, reply, is_whole=True)


def test_the_rest_of_the_file_keeps_its_line_ends_and_odd_characters() -> None:
    source = "A = '\u2028'\n\x0c\n\n\ndef f(x):\n    y = 1\n    return y\n\x0c\nB = 2".replace(
        "\n", "\r\n"
    )
    (found, *_) = _change(source, 6, "    y = 2\n    return y\n```")
    assert found == source.replace("y = 1", "y = 2")


def test_what_is_the_same_keeps_the_text_of_its_strings() -> None:
    source = '''class A:
    def f(self, rows):
        n = rows[0]
        return """Report
of the year
""" + n
'''
    # Such a function is shown as it stands in its class, because its string cannot be dedented.
    reply = '        n = rows[1]\n        return """Report\nof the year\n""" + n\n```'
    (found, *_) = _change(source, 3, reply)
    assert found == source.replace("rows[0]", "rows[1]")


def test_a_head_that_is_repeated_is_left_out() -> None:
    source = "def f(x):\n    y = 1\n    return y\n"
    reply = "```python\ndef f(x):\n    y = 2\n    return y\n```"
    assert source.replace("1", "2") in _change(source, 2, reply)


def test_a_new_file_is_one_hunk_and_stays_new() -> None:
    before = {"a.py": "a = 1\n\nb = 1\n", "new.py": None}
    after = {"a.py": "a = 2\n\nb = 2\n", "new.py": "c = 1\n\nd = 2\n"}
    found = parts(make_patch(before, after))
    assert len(found) == 6
    created = [c for part in found for c in part.changes if c.file == "new.py"]
    assert [(c.before, c.after) for c in created] == [(None, after["new.py"])] * 3
    assert "new file mode" in found[2].text
