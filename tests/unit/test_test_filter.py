"""Which tests may judge, and which of several programs the run goes on with."""

from __future__ import annotations

import ast
from dataclasses import replace
from itertools import islice

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ml_coach.core.evidence import Provenance
from ml_coach.core.judging.agreement import agreement
from ml_coach.core.judging.inputs import typed_calls
from ml_coach.core.judging.kinds import familiar
from ml_coach.core.judging.mutants import MOST_MUTANTS, mutants
from ml_coach.core.judging.probes import MOST_PROBES, calls_of, probes, variants_of
from ml_coach.core.judging.test_filter import filter_tests, without
from ml_coach.core.judging.values import neighbours
from ml_coach.core.judging.voting import Candidate, choose, clusters
from ml_coach.core.results import Case, CaseOutcome, Evaluation, TestReport
from ml_coach.core.types import Program, Spec, Suite

SPEC = Spec("", names=("f",))
TESTS = ("test_given_1", "test_a", "test_b")
SUITE = Suite(
    "from m import f\n\n\n" + "\n\n".join(f"def {t}():\n    assert f()\n" for t in TESTS),
    provenance={"test_given_1": "given"},
)
OUTCOMES: dict[str, CaseOutcome] = {"+": "passed", "-": "failed", "!": "error", "?": "not_run"}


def report(marks: str, tests: tuple[str, ...] = TESTS) -> TestReport:
    """A report on `tests`: + passed, - failed, ! error, ? not run."""
    cases = tuple(Case(t, OUTCOMES[m]) for t, m in zip(tests, marks, strict=True))
    return TestReport("passed" if set(marks) == {"+"} else "failed", cases)


def reasons(chosen: str, *, again: str = "", votes: str = "", planted: str = "") -> dict[str, str]:
    filtered = filter_tests(
        SUITE,
        report(chosen),
        report(again or chosen),
        [report(v) for v in votes.split()],
        [report(p) for p in planted.split()],
    )
    return {d.test: d.reason for d in filtered.dropped}


def test_a_lone_program_is_judged_by_every_test() -> None:
    assert reasons("+--") == {}


def test_a_rejecting_test_is_kept_if_most_other_programs_pass_it() -> None:
    assert reasons("+-+", votes="+++ +-+ +-+") == {"test_a": "1 of 3 other programs pass it"}
    assert reasons("+-+", votes="+++ +++ +-+") == {}


def test_one_other_program_suffices_where_there_is_no_second() -> None:
    assert reasons("+-+", votes="+++") == {}
    assert reasons("+-+", votes="+-+") == {"test_a": "no program passes it"}
    assert reasons("+-+", votes="+++ +-+") == {"test_a": "1 of 2 other programs pass it"}


def test_a_program_that_fails_a_given_test_has_no_vote_on_guessed_ones() -> None:
    assert reasons("+-+", votes="+-+ -++ -++") == {"test_a": "no program passes it"}


def _crash(error: str) -> TestReport:
    cases = (Case("test_given_1", "passed"), Case("test_a", "failed", error))
    return TestReport("failed", (*cases, Case("test_b", "passed")))


@pytest.mark.parametrize(
    ("error", "kept"),
    [("TypeError: 'tuple' object does not", True), ("ValueError: no", False), ("assert 1", False)],
)
def test_a_crash_that_all_programs_share_does_not_drop_a_test_like_the_others(
    error: str, *, kept: bool
) -> None:
    crash = _crash(error)
    filtered = filter_tests(SUITE, crash, crash, [crash, crash], [], familiar=TESTS)
    assert ("test_a" in filtered.kept) is kept
    filtered = filter_tests(SUITE, crash, crash, [crash, crash], [], familiar=())
    assert "test_a" not in filtered.kept, (
        "on arguments that no other test uses a crash may be right"
    )


def test_what_a_dropped_test_checks_and_what_the_program_did_is_kept() -> None:
    crash = _crash("assert 1 == 2")
    (dropped,) = filter_tests(SUITE, crash, crash, [crash], []).dropped
    assert (dropped.source, dropped.answer) == ("assert f()", "assert 1 == 2")


def test_arguments_are_of_a_familiar_kind_where_another_test_uses_the_same() -> None:
    asserts = {
        "test_a": "f([(1, 2)], 'x')", "test_b": "f([(0, 9), (3, 4)], '')", "test_c": "f([], 'x')",
        "test_d": "f(None, 'x')", "test_e": "f([(1, 2, 3)], 'x')",
    }  # fmt: skip
    tests = "".join(f"def {name}():\n    assert {call}\n\n" for name, call in asserts.items())
    suite = Suite(f"from m import f\n\n{tests}")
    assert familiar(suite, SPEC, ["test_a"]) == {"test_a", "test_b"}
    assert familiar(suite, SPEC, []) == frozenset()


@pytest.mark.parametrize("kind", ["own", "confirmed", "given", "stated"])
def test_what_the_user_or_the_prompt_demands_is_never_dropped(kind: Provenance) -> None:
    suite = replace(SUITE, provenance={"test_given_1": kind})
    filtered = filter_tests(
        suite, report("-++"), report("+++"), [report("-++"), report("-++")], [report("-++")]
    )
    assert "test_given_1" in filtered.kept


def test_a_flaky_test_is_dropped() -> None:
    assert reasons("+++", again="++-") == {"test_b": "its outcome changes from run to run"}


def test_a_test_that_cannot_run_is_dropped() -> None:
    assert reasons("+!+") == {"test_a": "it cannot be run"}


def test_a_test_that_the_program_keeps_from_running_is_not_dropped_for_that() -> None:
    ran = [Case("test_given_1", "passed"), Case("test_a", "failed"), Case("test_b", "not_run")]
    hung = TestReport("error", tuple(ran), limit="time")
    filtered = filter_tests(SUITE, hung, hung, [], [])
    assert filtered.kept == TESTS
    filtered = filter_tests(SUITE, hung, hung, [report("+-+"), report("+-+")], [])
    assert [d.test for d in filtered.dropped] == ["test_a"], "the others do not pass it"
    assert reasons("+?+") == {"test_a": "it cannot be run"}


def test_a_test_that_notices_no_mistake_is_dropped() -> None:
    assert reasons("+++", planted="+-+ +-+") == {"test_b": "it notices no planted mistake"}


def test_the_mutation_score_counts_the_kept_tests_only() -> None:
    planted = [report("+-+"), report("+++"), report("+-+"), report("+++")]
    filtered = filter_tests(SUITE, report("+++"), report("+++"), [], planted)
    assert filtered.kept == ("test_given_1", "test_a")
    assert filtered.mutation_score == 0.5
    assert "test_b" not in filtered.suite.source


def test_a_program_that_cannot_be_imported_drops_no_test() -> None:
    broken = TestReport("error")
    filtered = filter_tests(SUITE, broken, broken, [], [])
    assert filtered.suite == SUITE
    assert filtered.kept == TESTS


def test_dropping_a_test_leaves_the_other_text_unchanged() -> None:
    source = (
        "import pytest  # why\n\n\n@pytest.mark.parametrize('x', [1])\ndef test_a(x):\n"
        "    assert x\n\n\nclass TestB:\n    def test_c(self):\n        assert 1\n\n\n"
        "def test_d():\n    assert 2  # yes\n"
    )
    left = without(Suite(source), {"test_a", "TestB::test_c"}).source
    assert left == "import pytest  # why\n\n\ndef test_d():\n    assert 2  # yes\n"


def _values(answers: str, number: int) -> tuple[Evaluation, ...]:
    return tuple(
        Evaluation(error=f"ValueError: {number}") if a == "E" else Evaluation(a) for a in answers
    )


def candidate(number: int, answers: str, marks: str = "+++", variants: str = "") -> Candidate:
    values = _values(answers + variants, number)
    return Candidate(Program(f"# {number}\n"), report(marks), values, len(answers))


def test_candidates_with_equal_answers_are_one_cluster() -> None:
    a, b, c = candidate(1, "12E"), candidate(2, "12E"), candidate(3, "13E")
    assert clusters([c, a, b]) == [[a, b], [c]]
    assert agreement(a, [a, b, c], 3).agreeing == 2


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        ("57.29577951308232", "57.295779513082315", True),
        ("[(0.1, 'a'), {'x': 0.30000000000000004}]", "[(0.1, 'a'), {'x': 0.3}]", True),
        ("{1: 'a', 2: 'b'}", "{2: 'b', 1: 'a'}", True),
        ("4", "4.0", True),
        ("[1.2246467991473532e-16]", "[0.0]", True),
        ("inf", "inf", True),
        ("57.3", "57.295779513082315", False),
        ("[1, 2]", "(1, 2)", False),
        ("[1, 2]", "[1, 2, 3]", False),
        ("{1: 0.5}", "{2: 0.5}", False),
        ("'0.1'", "'0.10000000000000001'", False),
        ("<Node 1>", "<Node 2>", False),
        ("<Node 1>", "'<Node 1>'", False),
    ],
)
def test_answers_are_compared_like_python_values_and_up_to_rounding(
    one: str, other: str, *, same: bool
) -> None:
    pair = [
        Candidate(Program(f"# {n}\n"), report("+++"), (Evaluation(value),))
        for n, value in enumerate((one, other))
    ]
    assert len(clusters(pair)) == (1 if same else 2)


def test_programs_that_differ_in_few_variants_agree() -> None:
    a, b, c = (candidate(n, "12", variants=v) for n, v in enumerate(("34567", "34999", "39999")))
    assert agreement(a, [a, b], 2).agreeing == 2
    assert agreement(a, [a, c], 2).agreeing == 1


def test_programs_that_only_fail_do_not_agree() -> None:
    a, b = candidate(1, "EE"), candidate(2, "EE")
    assert [len(group) for group in clusters([a, b])] == [1, 1]


def test_given_tests_outrank_the_majority() -> None:
    majority = [candidate(n, "11", "-++") for n in range(3)]
    right = candidate(9, "12", "+--")
    assert choose([*majority, right], SUITE) is right


def test_of_equal_programs_the_one_that_most_others_agree_with_is_chosen() -> None:
    a, b, c = candidate(1, "11", "+++"), candidate(2, "12", "+++"), candidate(3, "12", "+++")
    assert choose([a, b, c], SUITE) is b


def test_a_program_that_fails_a_given_test_has_no_vote_on_other_programs() -> None:
    right, wrong = candidate(1, "12", "++-"), candidate(2, "34", "+--")
    failing = [candidate(n, "34", "-++") for n in range(3, 6)]
    assert choose([right, *failing, wrong], SUITE) is right


def test_a_vote_counts_the_share_of_equal_answers() -> None:
    """No two agree in everything; the second is closest to all others."""
    apart = [candidate(n, answers) for n, answers in enumerate(("1234", "1256", "1257", "8956"))]
    assert [len(group) for group in clusters(apart)] == [1, 1, 1, 1]
    assert choose(apart, SUITE) is apart[1]


def test_the_guessed_tests_count_as_much_as_two_programs() -> None:
    guessed = replace(SUITE, provenance={})
    alone, a, b = candidate(1, "13", "+++"), candidate(2, "24", "---"), candidate(3, "24", "---")
    assert choose([a, alone], guessed) is alone
    assert choose([a, b, alone], guessed) is alone
    c = candidate(4, "24", "+--")
    assert choose([a, b, c, alone], guessed) is c


def test_a_program_that_raises_at_every_call_is_not_chosen_over_one_that_answers() -> None:
    majority = [Candidate(Program("# same\n"), report("++-"), _values("EE", 1)) for _ in range(3)]
    answers = candidate(9, "12", "-+-")
    assert choose([*majority, answers], SUITE) is majority[0], "it passes the given test"
    guessed = replace(SUITE, provenance={})
    assert choose([*majority, answers], guessed) is answers


def test_one_answer_to_everything_is_not_informative_unless_it_is_a_truth_value() -> None:
    """Three programs that lack a `return` or never find anything, against one that answers."""
    guessed = replace(SUITE, provenance={})
    answers = candidate(9, "12", "--+")
    for value, informative in (("None", False), ("[]", False), ("E", False), ("True", True)):
        same = Evaluation(error="ValueError") if value == "E" else Evaluation(value)
        majority = [Candidate(Program(f"# {n}\n"), report("---"), (same, same)) for n in range(3)]
        assert choose([*majority, answers], guessed) is (majority[0] if informative else answers), (
            value
        )


def test_equal_answers_of_none_are_no_votes() -> None:
    guessed = replace(SUITE, provenance={})
    majority = [
        Candidate(Program(f"# {n}\n"), report("---"), (Evaluation("None"), Evaluation("4")))
        for n in range(3)
    ]
    first, second = candidate(8, "34", "---"), candidate(9, "34", "---")
    assert choose([*majority, first, second], guessed) is first


def test_a_mutant_is_one_mistake_away_and_compiles() -> None:
    source = (
        "def f(x: int = 2) -> int:\n    '''Doc.'''\n    while x < 10 and not x == 3:\n"
        "        x += 1\n    return x if x else -1\n\n\n"
        "if __name__ == '__main__':\n    print(f(1))\n"
    )
    found = mutants(Program(source))
    assert len(found) > 8
    assert len({m.source for m in found}) == len(found)
    for mutant in found:
        compile(mutant.source, "m", "exec")
        assert "'Doc.'" in mutant.source.replace('"', "'")
        assert "print(f(1))" in mutant.source


def test_mutants_are_bounded_and_spread() -> None:
    source = "\n".join(f"def f{n}(x):\n    return x + {n}" for n in range(200))
    found = mutants(Program(source))
    assert len(found) == MOST_MUTANTS
    assert any("return x - 19" in m.source or "return None" in m.source for m in found)


def test_a_program_that_does_not_parse_has_no_mutants() -> None:
    assert mutants(Program("def f(:")) == ()


def test_a_program_that_is_nested_too_deeply_has_no_mutants() -> None:
    chain = " + ".join("x" for _ in range(900))
    assert mutants(Program(f"def f(x):\n    return {chain}\n")) == ()


def test_probes_are_the_tests_calls_and_their_neighbours() -> None:
    source = "def test():\n    assert f([1, 2], 'ab') == 3\n    assert g(f(x)) and f(1, y)\n"
    calls = calls_of(source, SPEC)
    assert calls == ("f([1, 2], 'ab')",)
    found = variants_of(calls)
    assert "f([2, 1], 'ab')" in found
    assert "f([1, 2], 'ba')" in found
    assert calls[0] not in found


def test_the_given_calls_and_half_of_the_guessed_ones_are_ordinary() -> None:
    source = (
        "def test_given_1():\n    assert f('given') == 0\n\n\n"
        "def test_a():\n    assert f('one')\n\n\n"
        "def test_b():\n    assert (f('two') + 1) * 2 == f('three')\n\n\n"
        "def test_c():\n    assert f('') == 0\n"
    )
    suite, spec = Suite(source, provenance={"test_given_1": "given"}), Spec("", names=("f",))
    asked = probes(suite, spec)
    assert [p.code for p in asked.ordinary] == ["f('given')", "f('one')", "f('two')"]
    others = [p.code for p in asked.others]
    assert others[:2] == ["f('three')", "f('')"]
    assert "f('nevig')" in others
    assert probes(Suite(""), Spec("", names=("f",))).ordinary == ()


@given(
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.text(max_size=5),
        lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=2), inner),
        max_leaves=6,
    )
)
def test_every_probe_can_be_parsed(value: object) -> None:
    calls = calls_of(f"f({value!r})", SPEC)
    found = (*calls, *variants_of(calls))
    assert 0 < len(found) <= MOST_PROBES
    for probe in found:
        ast.parse(probe, mode="eval")


def test_values_that_the_standard_library_builds_of_literals_are_probed() -> None:
    suite = Suite(
        "import decimal\nimport random\nfrom datetime import date\n"
        "from generated_code import f, g\n\n\n"
        "def test_1():\n    assert f(date(2024, 1, 5), n=[decimal.Decimal('1.5')]) == 1\n"
        "    assert f(date.today()) == f(g(1)) == f(random.choice([1])) == 2\n"
    )
    asked = probes(suite, Spec("", names=("f",)))
    (first,) = asked.ordinary
    assert first.shown == "f(date(2024, 1, 5), n=[decimal.Decimal('1.5')])"
    assert first.code == f"from datetime import date\nimport decimal\n{first.shown}"
    # One number is changed at a time, the day first.
    assert asked.others[0].shown == first.shown.replace("5)", "6)", 1)
    assert all(probe.code.startswith("from datetime import date\n") for probe in asked.others)


@pytest.mark.parametrize("source", ["def f(:", "", "f(1"])
def test_a_suite_that_does_not_parse_has_no_probes(source: str) -> None:
    assert calls_of(source, SPEC) == ()


def test_calls_that_are_nested_too_deeply_are_no_probes() -> None:
    deep = "[" * 190 + "]" * 190
    chain = "-" * 400 + "1"
    assert calls_of(f"f(2)\nf({chain})\n", SPEC) == ("f(2)",)
    assert all(variant.startswith("f(") for variant in variants_of([f"f({deep}, 1)"]))


def test_calls_are_made_from_type_hints() -> None:
    calls = typed_calls(["f(xs: List[float], n: int, deep: bool = False) -> bool"])
    assert calls[0] == "f([2.5, 0.0, 10.0], 3)"
    assert any(call.startswith("f([], ") for call in calls)
    assert len(set(calls)) == len(calls) > 4
    for hint in ("dict[str, list[int]]", "'tuple[int, ...]'", "str | None", "Optional[set[str]]"):
        for call in typed_calls([f"f(x: {hint})"]):
            ast.parse(call, mode="eval")
        assert typed_calls([f"f(x: {hint})"])


@pytest.mark.parametrize("signature", ["f(x)", "f()", "f(x: Shop)", "f(x: int, *, y: int)", "f("])
def test_no_call_is_made_from_unknown_types(signature: str) -> None:
    assert typed_calls([signature]) == ()


def test_of_a_text_of_lines_the_last_one_is_varied_first() -> None:
    others = list(islice(neighbours("day,amount\n1,food,10.5\n"), 3))
    assert others == [
        "day,amount\n1,food,x\n", "day,amount\n1,food,\n", "day,amount\n1,food,10.5\n1,food,10.5\n",
    ]  # fmt: skip
