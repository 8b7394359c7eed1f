"""Puts the readings of a prompt together and leaves out what contradicts itself."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator, Sequence
from functools import lru_cache

from ml_coach.core.examples import expressions, interface, layout, unsettled, words
from ml_coach.core.examples.cases import cases
from ml_coach.core.examples.coroutines import awaited
from ml_coach.core.examples.expressions import Example
from ml_coach.core.examples.sentences import calls_with_values, value_at
from ml_coach.core.examples.stated import stated_tests
from ml_coach.core.examples.unchanged import works_in_place
from ml_coach.core.examples.written import ASSERT, DOCTEST, asserts, doctests
from ml_coach.core.python import syntax
from ml_coach.core.types import StatedTest

# Far longer than any model's context leaves room for; keeps a pasted log from costing seconds.
LONGEST_PROMPT = 20_000
MOST_EXAMPLES = 200
_EXPECTED = re.compile(r"[#*\s]*(?:expected|should be|correct|right|wanted)\b[^:]*:", re.IGNORECASE)


def extract_examples(prompt: str) -> tuple[str, ...]:
    """The prompt's own examples as single Python statements, in order, without repetitions.

    `assert f(1) == 2`, or `with pytest.raises(ValueError): f(-1)` on two lines. Only literals and
    call-free expressions stand for values; contradicting examples are left out, both of them.
    Reads the first `LONGEST_PROMPT` characters and gives at most `MOST_EXAMPLES`.
    """
    return tuple(statement for statement, _ in _given(prompt[:LONGEST_PROMPT]))


def extract_stated(
    prompt: str, names: Sequence[str] = (), signatures: Sequence[str] = ()
) -> tuple[StatedTest, ...]:
    """What the prompt states in other words than call and result, as tests; none that calls what an
    example calls. `names` and `signatures` are for a prompt that names nothing itself."""
    prompt = prompt[:LONGEST_PROMPT]
    examples = [example for _, example in _given(prompt)]
    names = names_of(prompt) or names
    signatures = signatures_of(prompt) or signatures
    return stated_tests(prompt, names, signatures, examples, _stub(prompt))


@lru_cache(maxsize=4)
def _given(prompt: str) -> list[tuple[str, Example]]:
    """Each given example as it can stand in a test, and as the prompt has it."""
    tree = _stub(prompt)
    # A traceback in a prompt that reports a fault is the fault.
    is_report = words.REPORT.search(prompt) is not None
    shown = [p for p in doctests(prompt) if not (is_report and p[1].value.startswith("raises"))]
    found = sorted(
        [*shown, *asserts(prompt), *_sentences(prompt, tree), *_cases(prompt, tree)],
        key=lambda pair: pair[0],
    )
    unwanted = layout.unwanted_lines(prompt)
    any_order = words.ANY_ORDER.search(prompt) is not None
    parameters = _parameters(tree)
    found += _expected_instead(prompt, unwanted)
    own = [
        e for at, e in found
        if at not in unwanted and not parameters.intersection(expressions.called(e.call))
    ]  # fmt: skip
    own = [e for e in own if not unsettled.differs_by_call(prompt, e.value)]
    examples = _without_contradictions(own[:MOST_EXAMPLES])
    unique: dict[str, tuple[str, Example]] = {}
    for example in examples:
        statement = syntax.parse(example.statement)
        if statement is None or len(statement.body) != 1:
            continue
        fair = expressions.fairly_compared(example, any_order=any_order)
        if fair and (plain := awaited(fair, prompt, tree)):
            unique.setdefault(expressions.normal(plain.statement), (plain.statement, example))
    return list(unique.values())


def _expected_instead(prompt: str, unwanted: frozenset[int]) -> Iterator[tuple[int, Example]]:
    """What a heading "Expected:" below a wrong example says instead of its value."""
    lines = prompt.splitlines()
    for at, wrong in calls_with_values(prompt, also_wrong=True):
        if at not in unwanted:
            continue
        after = [line.strip() for line in lines[at + 1 : at + 5] if line.strip()]
        for number, line in enumerate(after):
            if _EXPECTED.match(line):
                text = line.partition(":")[2].strip("`* ") or "".join(
                    after[number + 1 : number + 2]
                )
                if value := value_at(text.strip("` ")):
                    yield len(lines), expressions.equal(wrong.call, value, False)
                break


@lru_cache(maxsize=4)
def signatures_of(prompt: str) -> tuple[str, ...]:
    """The signatures that a prompt asks for: `roman_to_int(s: str) -> int`, `class Stack`."""
    prompt = prompt[:LONGEST_PROMPT]
    tree = _stub(prompt)
    if tree is not None:
        return tuple(interface.signature(definition) for definition in syntax.asked(tree))
    names = names_of(prompt)
    asked = [(name, text) for name, text in interface.prose_signatures(prompt) if name in names]
    others = set(names) - {name for name, _ in asked}
    asked += interface.signatures_of_names(prompt, others)
    return tuple(dict.fromkeys(text for _, text in asked))


@lru_cache(maxsize=4)
def names_of(prompt: str) -> tuple[str, ...]:
    """The functions and classes that a prompt asks for, as far as it names them."""
    prompt = prompt[:LONGEST_PROMPT]
    return _names(prompt, _stub(prompt))


@lru_cache(maxsize=4)
def _stub(prompt: str) -> ast.Module | None:
    stub = interface.stub_of(prompt)
    tree = syntax.parse(stub) if stub else None
    # A prompt that shows its tests asks for what they call.
    is_suite = tree is not None and all(d.name.startswith("test_") for d in syntax.asked(tree))
    return None if is_suite else tree


def _parameters(tree: ast.Module | None) -> frozenset[str]:
    """What only a function of the prompt can call: `candidate` in its `def check(candidate)`."""
    if tree is None:
        return frozenset()
    names = frozenset(node.arg for node in syntax.walk(tree) if isinstance(node, ast.arg))
    # A parameter called `set` says nothing about the `set([1, 2])` in an example.
    return names - syntax.top_level(tree) - syntax.BUILTINS


def _names(prompt: str, tree: ast.Module | None) -> tuple[str, ...]:
    if tree is not None:
        return tuple(dict.fromkeys(definition.name for definition in syntax.asked(tree)))
    if interface.asks_for_script(prompt):
        return ()
    said = [name for name, _ in interface.prose_signatures(prompt)]
    said += [*interface.prose_names(prompt), *interface.class_names(prompt)]
    said += interface.headed_names(prompt)
    if not said:
        # A prompt that names nothing still shows what it means by calling it.
        said_of = calls_with_values(prompt, also_wrong=True)
        pairs = [*doctests(prompt), *asserts(prompt), *said_of]
        said = [expressions.callee(e.call) for _, e in sorted(pairs, key=lambda pair: pair[0])]
        described = list(interface.described_names(prompt))
        said = described if described else [name for name in said if name]
    tested = [name for name in said if not name.startswith("test_")]
    return tuple(dict.fromkeys(name for name in tested or said if name))


def _sentences(prompt: str, tree: ast.Module | None) -> Iterator[tuple[int, Example]]:
    """Sentences about what the prompt asks for or defines; others' calls are not ours to test."""
    if tree is not None:
        names = {s.name for s in tree.body if isinstance(s, syntax.Definition)}
    else:
        names = set(names_of(prompt))
    lines = [line.lstrip() for line in prompt.splitlines()]
    code = {at for at, line in enumerate(lines) if DOCTEST.match(line) or ASSERT.match(line)}
    in_place = works_in_place(prompt)
    for at, example in calls_with_values(prompt):
        if at in code or not names.intersection(expressions.called(example.call)):
            continue
        # "sort_down([1, 2]) gives [2, 1]" may be said of the argument.
        if not (in_place and expressions.either(example.call, example.value)):
            yield at, example


def _cases(prompt: str, tree: ast.Module | None) -> Iterator[tuple[int, Example]]:
    if tree is not None:
        asked = syntax.asked(tree)
    else:
        heads = [f"def {text}: pass" for text in signatures_of(prompt)]
        trees = [syntax.parse(head) for head in dict.fromkeys(heads)]
        asked = [s for t in trees if t for s in t.body if isinstance(s, syntax.Definition)]
    if len(asked) == 1 and not isinstance(asked[0], ast.ClassDef):
        yield from cases(prompt, asked[0])


def _without_contradictions(examples: Sequence[Example]) -> list[Example]:
    values: dict[str, set[str]] = {}
    for example in examples:
        values.setdefault(expressions.normal(example.call), set()).add(
            expressions.normal(example.value)
        )
    clear = [e for e in examples if len(values[expressions.normal(e.call)]) == 1]
    tuples = {
        expressions.callee(e.call)
        for e in clear
        if isinstance(expressions.closed_value(e.value), ast.Tuple)
    }
    return [e for e in clear if e.exact or not _is_meant_as_tuple(e, tuples)]


def _is_meant_as_tuple(example: Example, tuples: set[str]) -> bool:
    """`("Venus")` beside `("Saturn", "Uranus")` is meant as a tuple, but does not say so."""
    return (
        example.value.startswith("(")
        and expressions.callee(example.call) in tuples
        and not isinstance(expressions.closed_value(example.value), ast.Tuple)
    )
