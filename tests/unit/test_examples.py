"""What a prompt says outright is read; what could be read in two ways is not."""

from __future__ import annotations

import ast
import textwrap

import pytest

from ml_coach.core.examples import extract_examples, names_of, signatures_of, stub_of

ASK = "Write f(x). "


@pytest.mark.parametrize(
    ("prompt", "examples"),
    [
        ("f(1) returns 2", ["assert f(1) == 2"]),
        ("f(1) should return 2.", ["assert f(1) == 2"]),
        (
            "f(1) must return [1, 2], f(2) must return [].",
            ["assert f(1) == [1, 2]", "assert f(2) == []"],
        ),
        ("f(1) == 2", ["assert f(1) == 2"]),
        ("f(1) = 2", ["assert f(1) == 2"]),
        ("f(1) -> 2", ["assert f(1) == 2"]),
        ("f(1) => 2", ["assert f(1) == 2"]),
        ("f(1) ==> 2", ["assert f(1) == 2"]),
        ("f(1) → 2", ["assert f(1) == 2"]),
        ("f(1) ➞ 2", ["assert f(1) == 2"]),
        ("`f('IV')` is 4", ["assert f('IV') == 4"]),
        ("`f('IV')` → `4`", ["assert f('IV') == 4"]),
        (
            "f('a, b') gives 'b) c'; f(\"it's\") gives \"x\"",
            ["assert f('a, b') == 'b) c'", 'assert f("it\'s") == "x"'],
        ),
        (
            "f(1) returns true and f(0) returns False",
            ["assert f(1) == True", "assert f(0) == False"],
        ),
        ("f([]) returns None", ["assert f([]) is None"]),
        (
            "f(1) returns 2, but f('') raises ValueError",
            ["assert f(1) == 2", "with pytest.raises(ValueError):\n    f('')"],
        ),
        ("f(1) returns 2. It should return 0 if x is 0.", ["assert f(1) == 2"]),
        ("f(1) should return 2. Expected: 2.", ["assert f(1) == 2"]),
        ("f(1) returns 2, expected 2", ["assert f(1) == 2"]),
        ("f(1) returns 2, not 23.", ["assert f(1) == 2"]),
        ("f([1, 2]) is 2 (not 1)", ["assert f([1, 2]) == 2"]),
        ("f(1) returns 2 and raises ValueError for negative x.", ["assert f(1) == 2"]),
        ("f(1) returns 2, but raises ValueError for negative x.", ["assert f(1) == 2"]),
        ("f(1) returns 2, but it should be fast.", ["assert f(1) == 2"]),
        ("f(1) returns True, False otherwise", ["assert f(1) == True"]),
        ("Wrong input: f(1) raises KeyError", ["with pytest.raises(KeyError):\n    f(1)"]),
        ("f(1) returns 2 # small, but not the smallest", ["assert f(1) == 2"]),
        ("f(-1.5, k=2) returns -3.0", ["assert f(-1.5, k=2) == pytest.approx(-3.0)"]),
        ("f(3) returns 10**9 + 7", ["assert f(3) == 10**9 + 7"]),
        ("f({'a': 1}) equals {'b': (1, 2)} (a dict)", ["assert f({'a': 1}) == {'b': (1, 2)}"]),
        ("f(2) is approximately 1.41", ["assert abs(f(2) - 1.41) <= 0.01"]),
        ("len(f(3)) == 4", ["assert len(f(3)) == 4"]),
        ("round(f(3), 2) == 4.25 # rounded", ["assert round(f(3), 2) == pytest.approx(4.25)"]),
        (
            "f([1])[0] == 1 and f(2).strip() == 'a'",
            ["assert f([1])[0] == 1", "assert f(2).strip() == 'a'"],
        ),
        ("f('x') raises ValueError", ["with pytest.raises(ValueError):\n    f('x')"]),
        ("f('x') should raise a `TypeError`.", ["with pytest.raises(TypeError):\n    f('x')"]),
        ("f('x') -> ValueError", ["with pytest.raises(ValueError):\n    f('x')"]),
        (
            "- f(1) returns 2\n- f(1) returns 2\n* f(2) returns 3",
            ["assert f(1) == 2", "assert f(2) == 3"],
        ),
    ],
)
def test_sentences(prompt: str, examples: list[str]) -> None:
    assert list(extract_examples(ASK + prompt)) == examples
    assert list(extract_examples(f"{ASK}For example:\n\n    {prompt}\n")) == examples


@pytest.mark.parametrize(
    "sentence",
    [
        "f(n) returns n + 1",
        "f(1) returns the next number",
        "f(1) returns 2 or 3",
        "f(1) returns 2 if the cache is warm",
        "f(1) returns 2 elements",
        "f(1) returns 2 + n",
        "f(1) returns [1, 2, ...]",
        "f(1) returns 1, 2, 3",
        "f(1) = g(0) = 2",
        "f(1) = 1 + 1 = 2",
        "f(1) is not 2",
        "f(1) is an error",
        "f(1) currently returns 2",
        "currently f(1) returns 2",
        "f(1) returns 2 instead of 3",
        "f(1) returns 2 but should return 3",
        "if f(1) returns 2, stop",
        "It is wrong that f(1) returns 2",
        "it should not be that f(1) returns 2",
        'f("a") == ""b"',
        "f(1) raises ValueError or TypeError",
        "f(1) raises ValueError if strict",
        "f(1) raises an error",
        "f(1) and f(2) are equal",
        "f(1) returns 3 and 5",
        "f(1) returns `3` and `5`",
        "f(1) returns 'Ada' and 'Lovelace'",
        "f(1) returns True and None",
        "f(1) returns 3 and the empty list",
        "f(1) returns `3`, `5`",
        "f(1) returns True, False",
        "f(5) = 5! = 120",
        "Fix this bug: f(1) returns 6",
        "The actual result: f(1) returns 6",
        "f(1) returns 6, but it should return 5",
        "f(1) returns 6, which is wrong",
        "f(1) returns 6 (not right)",
        "f(1) returns 6, not what I want",
        "f(1) returns 6, which is not 5",
        "f(1) returns 6, but I expected 5",
        "f(1) returns 6, but it should be 5",
        "f(1) returns 6, but only if strict",
        "f(1) returns 6 and then 5",
        "This is wrong: f(1) returns 6",
        "f(1) returns 6. It should return 5",
        "f(1) returns 6 (should be [1, 5])",
        "f(1) returns 6; expected: 5",
        "numerals such as IIII, VX or the empty string",
        "e.g. IIII is wrong",
        "O(1) is 1",
        "g(1) returns 2",
        "print(1) returns None",
        "obj.f(1) returns 2",
        "f(1) returns 2. f(1) returns 3.",
        "f(0) = 1, f(n) = n * f(n-1)",
        "f(...) returns 2",
        "f(1) == x",
        "f(1",
        "f(1) returns",
        "f(1) returns [1, 2",
        "f(1) returns 'abc",
    ],
)
def test_what_is_unclear_is_left_out(sentence: str) -> None:
    assert extract_examples(ASK + sentence) == ()


def test_doctests() -> None:
    prompt = '''
def f(x):
    """Adds one.

    >>> f(1)
    2
    >>> f([1,
    ...    2])
    [2, 3]
    >>> f(2) == 3
    >>> f(3) == 4
    True
    >>> xs = [8]
    >>> f(xs)
    [9]
    >>> print(f(1))
    2
    >>> f(-1)
    Traceback (most recent call last):
        ...
    ValueError: negative
    >>> f(None)

    >>> f(5)
    {'a': 1,
     'b': 2}
    """
'''
    assert extract_examples(prompt) == (
        "assert f(1) == 2",
        "assert f([1,\n   2]) == [2, 3]",
        "assert f(2) == 3",
        "assert f(3) == 4",
        "assert f([8]) == [9]",
        "assert str(f(1)) == '2'",
        "with pytest.raises(ValueError):\n    f(-1)",
        "assert f(None) is None",
        "assert f(5) == {'a': 1,\n'b': 2}",
    )


@pytest.mark.parametrize(
    ("shown", "example"),
    [
        (">>> f(1) is None\nFalse", "assert (f(1) is None) == False"),
        (">>> 3 in f(1)\nFalse", "assert (3 in f(1)) == False"),
        (">>> f(1) == f(2)\nFalse", "assert (f(1) == f(2)) == False"),
        (">>> f(1) and f(2)\nFalse", "assert (f(1) and f(2)) == False"),
        (">>> not f(1)\nFalse", "assert (not f(1)) == False"),
        (">>> f(1)\n1, 2", "assert f(1) == (1, 2)"),
        (">>> f(1)\n2  # two", "assert f(1) == 2  # two"),
    ],
)
def test_what_a_doctest_shows_is_compared_as_a_whole(shown: str, example: str) -> None:
    assert extract_examples(f"{ASK}\n\n{shown}\n") == (example,)


@pytest.mark.parametrize(
    ("docstring", "examples"),
    [
        ('"""Return 2x. >>> f(2)  4"""', ["assert f(2) == 4"]),
        ('"""Return 2x. >>> f(2) 4"""', ["assert f(2) == 4"]),
        ('"""Return 2x, as in >>> f(2) -> 4."""', ["assert f(2) == 4"]),
        ('"""Return 2x. >>> f(2) == 4"""', ["assert f(2) == 4"]),
        ("'''Return 2x. >>> f(2) # 4'''", ["assert f(2) == 4"]),
        ('""">>> f(2) 4"""', ["assert f(2) == 4"]),
        ('""">>> f(2)\n    4"""', ["assert f(2) == 4"]),
        ('"""Return 2x. >>> f(2)\n    4\n    """', ["assert f(2) == 4"]),
        ('"""Return 2x.\n\n    >>> f(2)  4\n    """', ["assert f(2) == 4"]),
        (
            '"""Twice. >>> f([1, 2])  [2, 4] >>> f("a")  "aa"."""',
            ["assert f([1, 2]) == [2, 4]", 'assert f("a") == "aa"'],
        ),
        ('"""Return 2x. >>> f(2) 4 and so on"""', []),
        ('"""Return 2x. >>> f(2) f(4)"""', []),
    ],
)
def test_an_example_in_one_line_of_a_docstring_is_read(docstring: str, examples: list[str]) -> None:
    assert list(extract_examples(f"def f(x):\n    {docstring}\n    ...\n")) == examples


def test_doctests_with_state_are_left_out() -> None:
    shown = ">>> s = Stack()\n>>> s.push(1)\n>>> s.pop()\n1\n"
    prompt = f"class Stack:\n    '''\n{textwrap.indent(shown, '    ')}    '''\n"
    assert extract_examples(prompt) == ()


@pytest.mark.parametrize(
    ("prompt", "examples"),
    [
        ("Write an async function f(x). f(1) returns 2", ["assert asyncio.run(f(1)) == 2"]),
        ("Write f(x). await f(1) returns 2", ["assert asyncio.run(f(1)) == 2"]),
        ("Write f(x).\nassert await f(1) == 2", ["assert asyncio.run(f(1)) == 2"]),
        (
            "Write an async function f(x). f(1) raises KeyError",
            ["with pytest.raises(KeyError):\n    asyncio.run(f(1))"],
        ),
        (
            "Write an async function f(x).\nassert asyncio.run(f(1)) == 2",
            ["assert asyncio.run(f(1)) == 2"],
        ),
        ("Write f(x), which is a coroutine. f(1) returns 2", []),
        ("Write a coroutine f(x). f(1) returns 2", ["assert asyncio.run(f(1)) == 2"]),
        ("Write an async function that doubles. f(1) returns 2", []),
        ("Write f(x) as an async function. f(1) returns 2", []),
        ("Write an async function that doubles.\nassert f(1) == 2", ["assert f(1) == 2"]),
        ("Write f(x).\nassert [y async for y in f(1)] == [2]", []),
        ("Write f(s), for a keyword as `await`.\nassert f('if') == 1", ["assert f('if') == 1"]),
        ("Write f(x). Do not make it async. f(1) returns 2", ["assert f(1) == 2"]),
        ("Write f(x) for an asynchronous client: f(1) returns 2", ["assert f(1) == 2"]),
        ("Is g an async function? Write f(x). f(1) returns 2", ["assert f(1) == 2"]),
        ("def f(x):\n    'Not async.'\n\nassert g(f(1)) == 2", ["assert g(f(1)) == 2"]),
        ("async def f(x):\n    'Doc.'\n\nassert f(1) == 2", ["assert asyncio.run(f(1)) == 2"]),
        ("async def f(x):\n    pass\n\nassert [y async for y in f(1)] == [2]", []),
        ("def f(x):\n    'Awaits a coroutine.'\n\nassert f(1) == 2", ["assert f(1) == 2"]),
        ("class A:\n    async def f(self):\n        pass\n\nassert A().f() == 2", []),
    ],
)
def test_what_must_be_awaited_is_run_or_left_out(prompt: str, examples: list[str]) -> None:
    assert list(extract_examples(prompt)) == examples


@pytest.mark.parametrize("flag", ["+SKIP", "+ELLIPSIS", "+NORMALIZE_WHITESPACE"])
def test_a_doctest_with_rules_of_its_own_is_left_out(flag: str) -> None:
    shown = f">>> f(1)  # doctest: {flag}\n2\n>>> f(2)\n3\n"
    assert extract_examples(f"{ASK}\n\n{shown}") == ("assert f(2) == 3",)


def test_what_is_printed_begins_with_its_own_blanks() -> None:
    shown = "    >>> print(f(1))\n      2\n    >>> print(f(2))\n    3 \n    >>> f(3)\n      4\n"
    assert extract_examples(f"{ASK}\n\n{shown}") == (
        "assert str(f(1)) == '  2'",
        "assert f(3) == 4",
    )


@pytest.mark.parametrize(
    "shown",
    [
        ">>> f(xs)\n>>> xs\n[1, 2, 3]",
        ">>> f(xs)\n>>> print(xs)\n[1, 2, 3]",
        ">>> f(xs)\n>>> g(xs)\n3",
        ">>> xs.append(2)\n>>> f(xs)\n3",
        ">>> xs.pop()\n2\n>>> f(xs)\n3",
        ">>> xs[0] = 1\n>>> f(xs)\n3",
        ">>> for x in (4, 5):\n...     xs.append(x)\n>>> f(xs)\n3",
        ">>> ys = xs\n>>> ys.clear()\n>>> f(xs)\n3",
    ],
)
def test_a_value_that_may_have_changed_is_left_out(shown: str) -> None:
    assert extract_examples(f"{ASK}\n\n>>> xs = [3, 1, 2]\n{shown}\n") == ()


def test_a_value_stays_known_where_calls_show_what_they_return() -> None:
    shown = ">>> xs = [3]\n>>> f(xs)\n4\n>>> f(xs, 2)\n5\n>>> xs\n[4]\n"
    assert extract_examples(f"{ASK}\n\n{shown}") == ("assert f([3]) == 4", "assert f([3], 2) == 5")


def test_asserts_in_prose_and_fences() -> None:
    prompt = (
        "Write f.\nassert f(1) == 2\n- `assert f(2) == 3`\n"
        "```python\nassert f(\n    3\n) == 4, 'm'\n"
        "result = f(9)\nassert result == 10\n```\nWe assert that f is fast.\n"
        "assert math.isclose(f(0.1), 0.2)\nassert all(f(i) for i in range(3))"
    )
    assert extract_examples(prompt) == (
        "assert f(1) == 2",
        "assert f(2) == 3",
        "assert f(3) == 4",
        "assert math.isclose(f(0.1), 0.2)",
        "assert all(f(i) for i in range(3))",
    )


def test_what_a_function_asserts_of_its_parameter_is_no_example() -> None:
    prompt = "def f(x):\n    pass\n\n\ndef check(candidate):\n    assert candidate(1) == 2\n"
    assert extract_examples(f"{prompt}    assert f(2) == 3\n") == ("assert f(2) == 3",)


@pytest.mark.parametrize("call", ["set([1, 2])", "list(range(5))", "str(12)", "max(1, 2)"])
def test_a_parameter_may_be_called_like_a_builtin(call: str) -> None:
    name = call.partition("(")[0]
    prompt = f'def f({name}):\n    """Doc.\n\n    >>> f({call})\n    3\n    """\n'
    assert extract_examples(prompt) == (f"assert f({call}) == 3",)


def test_named_inputs() -> None:
    prompt = "def f(a, k):\n    '''\n    Input: a = [1, 2], k = 3\n    Output: [3] # why\n    '''\n"
    assert extract_examples(prompt) == ("assert f([1, 2], 3) == [3]",)
    prompt = "Write f(n).\nFor n = 10, the sum will be 1 and the output should be '1'."
    assert extract_examples(prompt) == ("assert f(10) == '1'",)
    assert extract_examples(prompt.replace("n =", "m =")) == ()


def test_a_prompt_that_names_nothing_teaches_names_by_calling() -> None:
    prompt = "A function that doubles: double(2) returns 4."
    assert names_of(prompt) == ("double",)
    assert extract_examples(prompt) == ("assert double(2) == 4",)


def test_every_example_is_one_statement() -> None:
    for statement in extract_examples(ASK + "f(1) returns 2. f('') raises ValueError."):
        assert len(ast.parse(statement).body) == 1


@pytest.mark.parametrize(
    ("prompt", "signatures", "names"),
    [
        (
            "Write roman_to_int(s), ValueError on invalid numerals such as IIII, VX or the empty "
            "string",
            ("roman_to_int(s)",),
            ("roman_to_int",),
        ),
        ("Implement add(a: int, b: int = 0) -> int.", ("add(a: int, b: int=0) -> int",), ("add",)),
        ("Create a class Stack with push and pop", (), ("Stack",)),
        ("Write a function called `parse_csv` that parses", (), ("parse_csv",)),
        ("Write a function named slugify_title.", (), ("slugify_title",)),
        ("Write is_even(n) using divmod(a, b) in O(n)", ("is_even(n)",), ("is_even",)),
        ("Write encode(s) and decode(s)", ("encode(s)", "decode(s)"), ("encode", "decode")),
        ("def f(x: int) -> str:\n    '''Doc.'''\n", ("f(x: int) -> str",), ("f",)),
        ("def f(x):", ("f(x)",), ("f",)),
        (
            "Complete:\n```python\nclass A:\n    def b(self):\n        ...\n```",
            ("class A",),
            ("A",),
        ),
        ("def g(x):\n    return x\n\ndef f(x):\n    '''Uses g.'''\n", ("f(x)",), ("f",)),
        ("Write add(2, 3) which returns 5", (), ("add",)),
        ("Write f(s). Do not use the built-in method `split`.", ("f(s)",), ("f",)),
        ("Write f(s). Don't use a loop or\nthe method `split`.", ("f(s)",), ("f",)),
        ("Write f(s) without the function `re.sub`", ("f(s)",), ("f",)),
        ("Write f(s) that works like the function `itertools.chain`", ("f(s)",), ("f",)),
        ("Write f(s) as the function itertools_more.chain would be", ("f(s)",), ("f",)),
        ("Without using loops, write a function called `f`", (), ("f",)),
        ("Write f(s), not using any built-in function called `x`", ("f(s)",), ("f",)),
        ("Write f(s) without using the function `groupby`", ("f(s)",), ("f",)),
        ("Write f(s). Do not use `a`, or the function `max_of`", ("f(s)",), ("f",)),
        ("Write f(s) that works like the function `chain`", ("f(s)",), ("f",)),
        ("I'd like a function called `is_prime` that tells", (), ("is_prime",)),
        ("I'd like the function `is_prime`", (), ("is_prime",)),
        ("I would like a function named `add_all`", (), ("add_all",)),
        ("Using recursion, I need a function called `fib`", (), ("fib",)),
        ("Without imports: function `rot13`", (), ("rot13",)),
        ("I don't know how to do it: a function called `flatten`", (), ("flatten",)),
        ("Do not use recursion in a function called `f`", (), ("f",)),
        ("We will call the function `solve`", (), ("solve",)),
        ("It should use a class called Calculator", (), ("Calculator",)),
        ("Fix this bug: add(2, 3) returns 6, but it should return 5.", (), ("add",)),
        (
            "Write a class `Stack`. Then write is_balanced(text) that uses it.",
            ("is_balanced(text)",),
            ("is_balanced", "Stack"),
        ),
        ("Write a class Stack. Implement the methods push(x) and pop()", (), ("Stack",)),
        ("Create a class Stack that has push(x) and pop()", (), ("Stack",)),
        ("Create a class Stack with a method called `push`", (), ("Stack",)),
        ("Create a class Stack and a function run(s)", ("run(s)",), ("run", "Stack")),
        ("Write a method called `push`", (), ("push",)),
        ("Explain what a transformer is and write a simple token-counting function", (), ()),
        ("Write a function that sorts a list", (), ()),
        ("", (), ()),
    ],
)
def test_signatures_and_names(
    prompt: str, signatures: tuple[str, ...], names: tuple[str, ...]
) -> None:
    assert signatures_of(prompt) == signatures
    assert names_of(prompt) == names


def test_stub_of_code_and_prose() -> None:
    code = 'import math\n\n\ndef f(x):\n    """Doc."""\n'
    assert stub_of(code) == code
    assert stub_of(f"Complete this function:\n\n{code}\nIt must be fast.") == code
    assert stub_of(f"Complete:\n```python\n{code}```\nThanks") == code
    assert stub_of("def f(x):") == "def f(x):\n    pass\n"
    assert stub_of("Write f(x)") == ""
