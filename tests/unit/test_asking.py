"""The question to the user: which call it is about, how answers are read, what they lead to."""

from __future__ import annotations

import asyncio
import math
from collections.abc import AsyncGenerator, Callable
from dataclasses import replace

import pytest
import pytest_asyncio

from ml_coach.core.coach import Coach
from ml_coach.core.events import Event, QuestionAnswered, QuestionAsked, SuiteWritten
from ml_coach.core.evidence import Provenance
from ml_coach.core.judging.calibration import Calibration
from ml_coach.core.judging.probes import calls_of, probes
from ml_coach.core.judging.questions import next_question, ranked_calls
from ml_coach.core.judging.suite_extension import doubt, with_answer
from ml_coach.core.judging.voting import Candidate
from ml_coach.core.ports import Decision, Profile
from ml_coach.core.question import Answer, Choice, Question
from ml_coach.core.request import Request
from ml_coach.core.results import Case, Evaluation, TestReport
from ml_coach.core.types import Program, RunReport, Spec, Suite
from ml_coach.execution.executor import SandboxedExecutor
from unit.parts import MemoryWorkspace, ScriptedModel, ScriptedReviewer

SPEC = Spec("", names=("f",))
SUITE = Suite("from m import f\n\n\ndef test_guessed_1():\n    assert f(2) == 2\n")
QUESTION = Question("f(1)", (Choice("1", 2), Choice("ValueError", 1, raises=True)))


def candidates(*answers: dict[str, str]) -> list[Candidate]:
    """One program for each mapping of a call to its value; `!X` stands for an error."""
    report = TestReport("passed", (Case("test_guessed_1", "passed"),))
    return [
        Candidate(
            Program(f"# {number}"),
            report,
            tuple(
                Evaluation(error=f"{v[1:]}: no") if v.startswith("!") else Evaluation(v)
                for v in row.values()
            ),
            len(row),
            tuple(row),
        )
        for number, row in enumerate(answers)
    ]


def asked(programs: list[Candidate], suite: Suite = SUITE, *answered: str) -> Question | None:
    return next_question(ranked_calls(programs, suite, SPEC), answered, is_confirmed=False)


def test_the_call_that_divides_the_programs_most_evenly_is_asked() -> None:
    rows = [{"f(1)": "1", "f(22)": "2"}] * 2 + [
        {"f(1)": "1", "f(22)": "3"},
        {"f(1)": "9", "f(22)": "3"},
    ]
    question = asked(candidates(*rows))
    assert question == Question("f(22)", (Choice("2", 2), Choice("3", 2)))


def test_of_equally_telling_calls_the_shortest_is_asked() -> None:
    rows = [{"f('abcdef')": "1", "f('a')": "1"}, {"f('abcdef')": "2", "f('a')": "2"}]
    question = asked(candidates(*rows))
    assert question
    assert question.call == "f('a')"


def test_where_all_agree_the_call_is_asked_at_which_the_test_writer_differs() -> None:
    rows = [{"f(1)": "1", "f(2)": "7"}] * 3
    question = asked(candidates(*rows))
    assert question
    assert question == Question("f(2)", (Choice("7", 3),))
    assert question.text == "f(2) gives 7: is that right?"


@pytest.mark.parametrize(
    ("test", "differs"),
    [
        ("f(2) == pytest.approx(0.3)", False),
        ("f(n=2) == 0.3", False),
        ("f(2) == pytest.approx(0.4)", True),
        ("f(2) == approx(x)", False),
    ],
)
def test_the_test_writer_differs_by_value(test: str, differs: bool) -> None:
    suite = Suite(f"from m import f\n\n\ndef test_guessed_1():\n    assert {test}\n")
    spec = replace(SPEC, signatures=("f(n)",))
    rows = candidates(*[{"f(2)": "0.30000000000000004"}] * 3)
    (ranked,) = ranked_calls(rows, suite, spec)
    assert ranked.is_disputed is differs


@pytest.mark.parametrize(
    ("test", "call", "answer", "is_doubted"),
    [
        ("f(1) == 2", "f(1.0)", "3", True),
        ("f(1) == 2", "f(1)", "raises ValueError", True),
        ("f(n=1) == 2", "f(True)", "3", True),
        ("f([1, 2]) == 0.3", "f((1, 2))", "3", False),
        ("f({1, 2}) == 0.3", "f({2, 1})", "3", True),
        ("f(1) == 2", "f(1.0)", "2.0", False),
        ("f(1) == 0.3", "f(1.0)", "0.30000000000000004", False),
        ("f(1) == pytest.approx(0.3)", "f(1.0)", "0.4", True),
        ("f(1) == 2", "f(2)", "3", False),
        ("f(1) == 2", "f(1.0)", "not defined", False),
        ("sorted(f(1)) == [1, 2]", "f(1.0)", "[2, 1]", False),
        ("f(date(2024, 1, 5)) == 2", "f(date(2024, 1, 5))", "3", True),
    ],
)
@pytest.mark.parametrize(
    ("kind", "who"),
    [
        ("given", "The prompt says"),
        ("confirmed", "You said"),
        ("own", "test_1 in test_generated.py demands"),
        ("guessed", ""),
    ],
)
def test_an_answer_is_doubted_where_it_contradicts_what_was_said(
    test: str, call: str, answer: str, is_doubted: bool, kind: Provenance, who: str
) -> None:
    suite = Suite(f"def test_1():\n    assert {test}\n", provenance={"test_1": kind})
    said = Question(call, ()).read(answer)
    assert isinstance(said, Answer)
    doubted = doubt(suite, said, replace(SPEC, signatures=("f(n)",)))
    expected = f"{who} `{test}`, but now that {said.shown}." if who and is_doubted else ""
    assert doubted == expected


@pytest.mark.parametrize(
    ("error", "prompt", "is_doubted"),
    [
        ("ValueErorr", "", True),
        ("ValueErorr", "It raises ValueErorr.", False),
        ("Overdrawn", "", False),
        ("KeyError", "", False),
    ],
)
def test_a_misspelled_error_is_doubted(error: str, prompt: str, is_doubted: bool) -> None:
    said = QUESTION.read(f"raises {error}")
    assert isinstance(said, Answer)
    doubted = doubt(SUITE, said, replace(SPEC, prompt=prompt))
    assert doubted == ("Python knows no ValueErorr, but ValueError." if is_doubted else "")


def test_a_fraction_is_judged_up_to_rounding_wherever_it_stands() -> None:
    answer = QUESTION.read("[['x', 0.3], {'k': (0.3, {0.5})}]")
    assert isinstance(answer, Answer)
    given = [["x", 0.1 + 0.2], {"k": (0.1 + 0.2, {0.5})}]
    exec(answer.statement, {"f": lambda _: given, "pytest": pytest})
    given[0][1] = 0.31
    with pytest.raises(AssertionError):
        exec(answer.statement, {"f": lambda _: given, "pytest": pytest})


@pytest.mark.parametrize("signature", ["f(n, *, base=2)", "def f(n: int, *, base: int = 2) -> int"])
def test_a_call_is_known_again_however_its_arguments_are_written(signature: str) -> None:
    spec = replace(SPEC, signatures=(signature,))
    source = "assert f(n=1) == 2\nassert f(base=8, n=1) == 3\nassert f(1, base=8) == 4"
    assert calls_of(source, spec) == ("f(1)", "f(1, base=8)")
    given = Suite(
        "from m import f\n\n\ndef test_given_1():\n    assert f(n=2) == 2\n",
        provenance={"test_given_1": "given"},
    )
    rows = candidates({"f(2)": "7", "f(1)": "1"}, {"f(2)": "8", "f(1)": "1"})
    question = next_question(ranked_calls(rows, given, spec), (), is_confirmed=False)
    assert question
    assert question.call == "f(1)"


@pytest.mark.parametrize("provenance", ["given", "stated", "confirmed"])
def test_what_is_stated_is_never_asked(provenance: str) -> None:
    suite = replace(SUITE, provenance={"test_guessed_1": provenance})
    rows = [{"f(1)": "1", "f(2)": "7"}, {"f(1)": "1", "f(2)": "8"}]
    question = asked(candidates(*rows), suite)
    assert question
    assert question.call == "f(1)"


def test_nothing_is_asked_twice_and_nothing_that_cannot_be_read() -> None:
    rows = [{"f(1)": "1", "f(3)": "<object>"}, {"f(1)": "2", "f(3)": "3"}]
    assert asked(candidates(*rows), SUITE, "f(1)") is None


def test_who_confirmed_what_most_programs_answer_is_asked_only_what_is_disputed() -> None:
    alike = ranked_calls(candidates(*[{"f(1)": "1", "f(2)": "7"}] * 3), SUITE, SPEC)
    question = next_question(alike, (), is_confirmed=False)
    assert question
    assert question.is_confirmed_by(question.pick(0))
    for other in ("8", "not defined", "skip", "raises ValueError"):
        answer = question.read(other)
        assert isinstance(answer, Answer)
        assert not question.is_confirmed_by(answer)
    assert next_question(alike, (question.call,), is_confirmed=False)
    assert next_question(alike, (question.call,), is_confirmed=True) is None
    differing = ranked_calls(candidates({"f(1)": "1"}, {"f(1)": "2"}), SUITE, SPEC)
    between = next_question(differing, (), is_confirmed=True)
    assert between
    assert not between.is_confirmed_by(between.pick(1))


@pytest.mark.parametrize("how", ["Timeout", "Stopped", "SandboxError"])
def test_no_program_is_meant_to_be_stopped(how: str) -> None:
    question = asked(candidates({"f(1)": "2"}, {"f(1)": f"!{how}"}))
    assert question == Question("f(1)", (Choice("2", 1),))


def test_an_error_that_a_program_gives_is_known_by_its_name() -> None:
    question = Question("f(1)", (Choice("error", 1, raises=True), Choice("1", 1)))
    answer = question.read("Error")
    assert isinstance(answer, Answer)
    assert answer.statement == question.pick(0).statement


def test_calls_that_only_fail_are_not_asked() -> None:
    assert asked(candidates({"f(1)": "!TypeError"}, {"f(1)": "!KeyError"})) is None


def test_where_no_program_does_what_is_given_nothing_is_asked() -> None:
    suite = replace(SUITE, provenance={"test_guessed_1": "given"})
    bad = TestReport("failed", (Case("test_guessed_1", "failed"),))
    programs = [replace(c, report=bad) for c in candidates({"f(1)": "1"}, {"f(1)": "2"})]
    assert asked(programs, suite) is None


@pytest.mark.parametrize(
    ("typed", "statement"),
    [
        ("3", "assert f(1) == 3"),
        ("gives 3", "assert f(1) == 3"),
        ("It returns 'gives 3'", "assert f(1) == 'gives 3'"),
        (" [1, 'a'] ", "assert f(1) == [1, 'a']"),
        ("0.1", "assert f(1) == pytest.approx(0.1)"),
        ("[0.5, 1]", "assert f(1) == pytest.approx([0.5, 1])"),
        ("raises ValueError", "with pytest.raises(ValueError):\n    f(1)"),
        ("It raises a KeyError.", "with pytest.raises(KeyError):\n    f(1)"),
        ("ValueError", "with pytest.raises(ValueError):\n    f(1)"),
        ("raises valueerror", "with pytest.raises(ValueError):\n    f(1)"),
        ('throws a json.KeyError("no")!', "with pytest.raises(KeyError):\n    f(1)"),
        ("1e999", "assert f(1) == float('inf')"),
        ("[-inf, 'inf']", "assert f(1) == [-float('inf'), 'inf']"),
        ("float('NaN')", "assert f(1) == pytest.approx(float('nan'), nan_ok=True)"),
        ("[0.5, inf]", "assert f(1) == pytest.approx([0.5, float('inf')])"),
        ("{'a': 0.5}", "assert f(1) == pytest.approx({'a': 0.5})"),
        (
            "[['a', -0.5], (0.5,)]",
            "assert f(1) == [['a', pytest.approx(-0.5)], (pytest.approx(0.5),)]",
        ),
        (
            "{'a': {'b': [0.5, inf]}}",
            "assert f(1) == {'a': {'b': [pytest.approx(0.5), float('inf')]}}",
        ),
        ("0.1+0.2j", "assert f(1) == pytest.approx((0.1+0.2j))"),
        ("[1,\n 2]", "assert f(1) == [1, 2]"),
        ("{1.5, 2}", "assert f(1) == {1.5, 2}"),
        ("ValueError: no such digit", "with pytest.raises(ValueError):\n    f(1)"),
        ("raises ValueError: 2 > 1", "with pytest.raises(ValueError):\n    f(1)"),
        ("ValueError('no')", "with pytest.raises(ValueError):\n    f(1)"),
        ("not defined", ""),
        ("Not defined!", ""),
        ("skip", ""),
    ],
)
def test_what_a_person_types_becomes_a_test(typed: str, statement: str) -> None:
    answer = QUESTION.read(typed)
    assert isinstance(answer, Answer)
    assert answer.statement == statement


@pytest.mark.parametrize(
    "typed",
    [
        "",
        "maybe",
        "f(1)",
        "x = 3",
        "__import__('os')",
        "((((",
        "9" * 6000,
        "...",
        "1e999j",
        "float('x')",
        "raises nothing",
        "raises None",
        "raises print",
        "print: 3",
        "Overdrawn: no",
        "\udce9",
        "a\n" * 6000,
    ],
)
def test_nonsense_is_told(typed: str) -> None:
    complaint = QUESTION.read(typed)
    assert isinstance(complaint, str)
    assert "raises ValueError" in complaint
    assert len(complaint) < 200
    assert "\n" not in complaint


@pytest.mark.parametrize(
    "value",
    [
        math.inf,
        math.nan,
        [0.5, -math.inf],
        {"a": math.nan},
        [[0.5, math.nan], "a", {1.5}, {0.25: (-math.inf, complex(0.1, 0.2))}],
    ],
)
def test_what_has_no_literal_can_be_asked_and_its_test_holds(value: object) -> None:
    question = asked(candidates({"f(1)": repr(value)}, {"f(1)": "1"}))
    assert question
    tested = {"f": lambda _: value, "pytest": pytest, "float": float}  # pyright: ignore
    exec(question.pick(0).statement, tested)


def test_an_error_class_of_the_program_needs_no_import() -> None:
    answer = Answer("f(1)", "raises", "Overdrawn")
    source = "class Overdrawn(Exception): pass\ndef f(n):\n    raise Overdrawn\nimport pytest\n"
    exec(compile(source + answer.statement, "t", "exec"), {})


IMPORTS = "import pytest\nfrom m import f"
RAISES = "with pytest.raises(ValueError):\n        f(3)\n"


@pytest.mark.parametrize(
    ("tests", "head"),
    [
        ("import m\n\n\ndef test_a():\n    assert m.f(1)\n", f"{IMPORTS}\nimport m\n"),
        (
            "from m import f\n\n\ndef test_a():\n    assert f(1)\n",
            f"import pytest\n{IMPORTS[14:]}\n",
        ),
        (f"{IMPORTS}\n\n\ndef test_a():\n    assert f(1)\n", f"{IMPORTS}\n\n\ndef"),
        ("import pytest\nfrom m import f\n", f"{IMPORTS}\n\n\n# ml-coach: confirmed\n"),
        ("", f"{IMPORTS}\n"),
    ],
)
@pytest.mark.parametrize("end", ["\n", "\r\n"])
def test_an_answer_joins_tests_that_were_written_by_hand(tests: str, head: str, end: str) -> None:
    answer = Question("f(3)", ()).read("raises ValueError")
    assert isinstance(answer, Answer)
    old = Suite(tests.replace("\n", end), own=True, kept=frozenset({"test_a"}))
    told = with_answer(old, answer, IMPORTS).suite
    is_dos = end != "\n" and bool(tests)
    assert told.source.count("\r\n") == is_dos * told.source.count("\n")
    source = told.source.replace("\r\n", "\n")
    assert source.lstrip().startswith(head)
    assert source.endswith(RAISES)
    assert (told.provenance_of("test_confirmed_1"), told.kept) == ("confirmed", old.kept)


def test_an_answer_takes_the_name_of_no_other_test() -> None:
    # The user removed the first answer's test by hand; another of that name is their own.
    tests = [f"def test_confirmed_{n}():\n    assert f({n}) == {n}\n" for n in (1, 2)]
    for left in (tests[1:], tests):
        old = Suite("\n\n".join(["from m import f\n", *left]), own=True)
        old = replace(old, provenance={"test_confirmed_2": "confirmed"})
        answer = Question("f(3)", ()).read("3")
        assert isinstance(answer, Answer)
        told = with_answer(old, answer, IMPORTS).suite
        assert len(set(told.functions)) == len(left) + 1
        assert all(test.rstrip() in told.source for test in left)
        assert [*told.provenance.values()] == ["confirmed"] * 2


# Through the loop

PROMPT = "Write a function f(n) that rounds n."
ONE = "```python\ndef f(n):\n    return n + 1\n```"
TWO = "```python\ndef f(n):\n    return n + 2\n```"
THREE = "```python\ndef f(n):\n    return n + 3\n```"
TESTS = "assert f(1) == 2\nassert f(4) == 5"
NEVER_SURE = Calibration(-4.0, {})
SAMPLED = Profile(edit_format="function", plans=False, candidates=4)


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def executor() -> AsyncGenerator[SandboxedExecutor]:
    executor = SandboxedExecutor()
    yield executor
    await executor.aclose()


class Story:
    """A run that is never sure by itself, with what the user replies."""

    def __init__(
        self,
        executor: SandboxedExecutor,
        coder: list[str],
        replies: list[Callable[[Question], Answer | None]],
    ) -> None:
        self.model = ScriptedModel(
            {"coder": coder, "test_writer": [TESTS], "debugger": [ONE]}, SAMPLED
        )
        self.reviewer = ScriptedReviewer([], replies=replies)
        self.workspace = MemoryWorkspace({})
        self.executor = executor
        self.events: list[Event] = []

    async def run(self, **request: object) -> RunReport:
        coach = Coach(
            self.model, self.executor, self.workspace, self.reviewer, calibration=NEVER_SURE
        )
        wanted = replace(Request(PROMPT, auto_patch=True, max_iters=2), **request)
        return await coach.run(wanted, self.events.append)

    @property
    def program(self) -> str:
        return self.workspace.files["generated_code.py"]


def says(text: str) -> Callable[[Question], Answer | None]:
    def reply(question: Question) -> Answer:
        answer = question.read(text, "2026-01-02")
        assert isinstance(answer, Answer)
        return answer

    return reply


DIVIDED = [ONE, TWO, TWO, ONE]


@pytest.mark.asyncio(loop_scope="module")
async def test_an_answer_is_kept_as_a_test_and_chooses_the_program(
    executor: SandboxedExecutor,
) -> None:
    story = Story(executor, [ONE, TWO, TWO, THREE], [])

    def right(question: Question) -> Answer | None:
        given = eval(question.call, {"f": lambda n: n + 2})
        return question.read(repr(given), "2026-01-02")  # pyright: ignore[reportReturnType]

    story.reviewer.replies = [right, right, right]
    report = await story.run()
    assert "n + 2" in story.program
    assert report.suite is not None
    assert "confirmed" in report.suite.provenance.values()
    # Whoever shows the tests, or remembers them, hears of it at once.
    *_, told = [e.suite for e in story.events if isinstance(e, SuiteWritten)]
    assert told.provenance == report.suite.provenance
    tests = story.workspace.files["test_generated.py"]
    assert (
        "# ml-coach: confirmed\ndef test_confirmed_1():\n    # The user's answer of 2026-01-02."
        in tests
    )
    assert report.answers[0].kind == "value"


@pytest.mark.asyncio(loop_scope="module")
async def test_a_question_without_an_answer_ends_the_run_and_stays_in_the_report(
    executor: SandboxedExecutor,
) -> None:
    story = Story(executor, [TWO, TWO, THREE, THREE], [])
    report = await story.run()
    assert report.outcome in ("unsure", "gave_up")
    assert report.question == story.reviewer.questions[0]
    assert [type(e) for e in story.events if isinstance(e, QuestionAsked)] == [QuestionAsked]


@pytest.mark.asyncio(loop_scope="module")
async def test_who_stops_a_run_at_its_question_can_come_back_to_it(
    executor: SandboxedExecutor,
) -> None:
    def stop(question: Question) -> Answer | None:
        raise asyncio.CancelledError

    story = Story(executor, [TWO, TWO, THREE, THREE], [stop])
    report = await story.run()
    assert report.outcome == "stopped"
    assert report.question == story.reviewer.questions[0]


@pytest.mark.asyncio(loop_scope="module")
async def test_a_run_goes_on_from_an_answer_that_was_given_later(
    executor: SandboxedExecutor,
) -> None:
    coder = [TWO, TWO, THREE, THREE]
    first = await Story(executor, coder, []).run()
    assert first.question
    wanted = eval(first.question.call, {"f": lambda n: n + 3})
    known = first.question.read(repr(wanted))
    assert isinstance(known, Answer)
    story = Story(executor, coder, [])
    report = await story.run(answers=(known,), max_questions=1)
    assert "n + 3" in story.program
    assert report.answers == (known,)
    assert story.reviewer.questions == []


@pytest.mark.asyncio(loop_scope="module")
async def test_an_answer_given_later_counts_although_a_patch_waits_by_then(
    executor: SandboxedExecutor,
) -> None:
    # Whoever answers on a pipe is not asked about the patch that they took at the terminal.
    known = QUESTION.read("2")
    assert isinstance(known, Answer)
    story = Story(executor, [TWO, TWO, THREE, THREE], [])
    story.reviewer.answers = [Decision("later")] * 3
    report = await story.run(prompt=f"{PROMPT} f(9) == 10", answers=(known,), auto_patch=False)
    assert len(story.reviewer.asked) == 2
    assert report.answers == (known,)
    assert "def test_confirmed_1" in story.workspace.files["test_generated.py"]


@pytest.mark.asyncio(loop_scope="module")
async def test_an_answer_given_later_counts_although_the_run_is_sure_by_then(
    executor: SandboxedExecutor,
) -> None:
    known = QUESTION.read("4")
    assert isinstance(known, Answer)
    story = Story(executor, [ONE, ONE, ONE, THREE], [])
    report = await story.run(answers=(known,), max_questions=1, min_confidence=0.0)
    assert report.answers == (known,)
    assert "n + 3" in story.program


GIVEN = f"{PROMPT} f(1) == 2"


@pytest.mark.asyncio(loop_scope="module")
async def test_an_answer_that_contradicts_the_prompt_is_asked_about_again(
    executor: SandboxedExecutor,
) -> None:
    known = Question("f(1.0)", ()).read("3.0")
    assert isinstance(known, Answer)
    story = Story(executor, [ONE], [])
    report = await story.run(prompt=GIVEN, answers=(known,), min_confidence=0.0)
    assert report.question
    assert report.question.text == (
        "The prompt says `f(1) == 2`, but now that f(1.0) gives 3.0. f(1.0): which is right?"
    )
    assert (report.outcome, report.answers) == ("unsure", ())
    assert report.question.doubt in report.reason
    # Who says so nevertheless is heard: both tests judge.
    insisting = report.question.read("3.0")
    assert isinstance(insisting, Answer)
    again = await story.run(prompt=GIVEN, answers=(insisting,), max_questions=1)
    assert again.question is None
    tests = story.workspace.files["test_generated.py"]
    assert "f(1) == 2" in tests
    assert "f(1.0) == pytest.approx(3.0)" in tests


@pytest.mark.asyncio(loop_scope="module")
async def test_who_is_told_of_a_contradiction_may_answer_otherwise(
    executor: SandboxedExecutor,
) -> None:
    known = Question("f(1.0)", ()).read("3.0")
    assert isinstance(known, Answer)
    story = Story(executor, [ONE], [says("2")])
    report = await story.run(prompt=GIVEN, answers=(known,), max_questions=1)
    assert [a.text for a in report.answers] == ["2"]


@pytest.mark.asyncio(loop_scope="module")
async def test_an_answer_to_a_run_that_gets_no_program_breaks_nothing(
    executor: SandboxedExecutor,
) -> None:
    known = QUESTION.read("4")
    assert isinstance(known, Answer)
    report = await Story(executor, ["I cannot."], []).run(answers=(known,))
    assert report.outcome == "gave_up"


@pytest.mark.asyncio(loop_scope="module")
async def test_where_no_program_gives_the_answer_new_ones_are_told_of_it(
    executor: SandboxedExecutor,
) -> None:
    story = Story(executor, [TWO, TWO, TWO, THREE, ONE], [says("5")])
    story.reviewer.replies = [lambda q: q.read(repr(int(q.call[2:-1]) + 1))]  # pyright: ignore
    await story.run(max_questions=1)
    told = [c for c in story.model.calls if "The user was asked, and says:" in str(c.messages)]
    assert told
    assert "n + 1" in story.program


@pytest.mark.asyncio(loop_scope="module")
@pytest.mark.parametrize("word", ["not defined", "skip"])
async def test_a_call_that_is_left_open_is_not_asked_again(
    executor: SandboxedExecutor, word: str
) -> None:
    story = Story(executor, [TWO, TWO, THREE, THREE], [says(word)] * 3)
    report = await story.run()
    calls = [q.call for q in story.reviewer.questions]
    assert len(calls) == len(set(calls)) == 3
    assert [e.answer.kind for e in story.events if isinstance(e, QuestionAnswered)] == [
        "open" if word == "not defined" else "skip"
    ] * 3
    assert report.suite is not None
    assert "confirmed" not in report.suite.provenance.values()
    # Nor does a guessed test judge what the user left open.
    set_aside = [d for d in report.dropped if "left open" in d.reason]
    assert bool(set_aside) == (word == "not defined")
    assert all(any(call in d.source for call in calls) for d in set_aside)


@pytest.mark.asyncio(loop_scope="module")
async def test_no_question_is_asked_where_none_may_be(executor: SandboxedExecutor) -> None:
    story = Story(executor, [TWO, TWO, THREE, THREE], [says("1")])
    report = await story.run(max_questions=0)
    assert story.reviewer.questions == []
    assert report.question is None


@pytest.mark.asyncio(loop_scope="module")
async def test_a_guess_that_the_user_contradicts_speaks_against_no_program(
    executor: SandboxedExecutor,
) -> None:
    story = Story(executor, [THREE, THREE, THREE, THREE], [])
    story.reviewer.replies = [
        lambda q: q.read(repr(int(q.call[2:-1]) + 3))  # pyright: ignore[reportReturnType]
    ] * 3
    report = await story.run()
    assert [a.call for a in report.answers][:2] == ["f(1)", "f(4)"]
    assert report.evidence is not None
    assert report.evidence.refuting == 0


@pytest.mark.asyncio(loop_scope="module")
async def test_a_patch_that_does_what_the_user_says_may_lose_a_guess_at_that_call(
    executor: SandboxedExecutor,
) -> None:
    story = Story(executor, [TWO], [says("2")])
    guess = ["assert f(1) == 3"]
    story.model.replies = {"coder": [TWO], "test_writer": guess, "debugger": [ONE]}
    report = await story.run(max_questions=1)
    assert "n + 1" in story.program
    assert [(d.test, d.reason) for d in report.dropped] == [
        ("test_guessed_1", "the user says what its call gives")
    ]


def test_a_probe_that_is_a_whole_program_is_not_asked() -> None:
    rows = [{"x = f(1)\nx": "1"}, {"x = f(1)\nx": "2"}]
    assert asked(candidates(*rows)) is None


def test_the_steps_of_a_test_are_not_asked_although_they_are_one_call() -> None:
    # What is seen at each step is a list, which is not what the call gives.
    suite = Suite("from m import Stack\n\n\ndef test_guessed_1():\n    Stack().push(1)\n")
    spec = Spec("Write a class Stack with push(item) and pop().", names=("Stack",))
    (probe,) = probes(suite, spec, "m").ordinary
    assert probe.shown == "Stack().push(1)"
    rows = candidates({probe.shown: "[None]"}, {probe.shown: "['TypeError']"})
    (ranked,) = ranked_calls(rows, suite, spec)
    assert (ranked.is_disputed, ranked.is_askable) == (True, False)
