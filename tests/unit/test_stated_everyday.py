"""What prompts state in the short style in which people type them becomes tests."""

from __future__ import annotations

import pytest

from unit.stated_statements import raising, statements


def _raising_on(made: str, call: str, error: str = "ValueError") -> str:
    return f"obj = {made}\n{raising(f'obj.{call}', error)}"


@pytest.mark.parametrize(
    ("prompt", "tests"),
    [
        (
            "pages(items, size, start=0): lazily yields lists. size<1 or start<0 -> ValueError",
            [raising("list(pages([1, 2, 3], 0))"), raising("list(pages([1, 2, 3], 2, start=-1))")],
        ),
        (
            "split(total, parts): cents. parts < 1 -> ValueError, negative total -> ValueError",
            [raising("split(2, 0)"), raising("split(-1, 2)")],
        ),
        (
            "parse_size('10KB') -> bytes as int. Empty or unknown input -> ValueError",
            [raising("parse_size('')")],
        ),
        (
            "head(path, n=5) -> the first n lines of a text file. negative n -> ValueError",
            ["import os, tempfile\npath = os.path.join(tempfile.mkdtemp(), 'data.txt')\n"
             "with open(path, 'w') as fh:\n    fh.write('a\\nb\\nc\\n')\n"
             + raising("head(path, n=-1)")],
        ),
        ("column(path, n) of a csv file. n < 0 -> ValueError", []),
        (
            "async def gather(coros, limit): runs them. limit < 1 -> ValueError. empty list -> []",
            [raising("asyncio.run(gather([asyncio.sleep(0)], 0))"),
             "assert asyncio.run(gather([], 2)) == []"],
        ),
        ("abatch(source, n): async generators, lists of n items. n<1 ValueError", []),
        ("flip(fn) swaps the arguments. flip(something not callable) -> TypeError",
         [raising("flip(5)", "TypeError")]),
        (
            "letter(n) for n from 1 to 26. outside this range -> ValueError",
            [raising("letter(0)"), raising("letter(27)")],
        ),
        ("f(n): 1 to 5 low, 6 to 9 high. outside this range -> ValueError", []),
        (
            "join(parts, sep='.') like ['a', 'b'] -> 'a.b'",
            ["assert join(['a', 'b']) == 'a.b'"],
        ),
        (
            "split_at(data, ratio): ratio must be between 0 and 1, else ValueError",
            [raising("split_at([1, 2, 3], -1)"), raising("split_at([1, 2, 3], 2)")],
        ),
        ("run(check, key, n) n<1 -> ValueError", []),  # what `key` may be is not said
    ],
)  # fmt: skip
def test_a_condition_on_an_argument_with_others_beside_it(prompt: str, tests: list[str]) -> None:
    assert statements(prompt) == tests


@pytest.mark.parametrize(
    ("prompt", "tests"),
    [
        ("class Ring(size): append(x). size < 1 -> ValueError", [raising("Ring(0)")]),
        ("Cache class with capacity, get(key). capacity < 1 -> ValueError", [raising("Cache(0)")]),
        (
            "Account class with deposit(amount), withdraw(amount). zero amounts -> ValueError",
            [_raising_on("Account()", "deposit(0)"), _raising_on("Account()", "withdraw(0)")],
        ),
        (
            "class Shop: add(qty), sell(qty). sell(qty) with qty < 1 -> ValueError",
            [_raising_on("Shop()", "sell(0)")],
        ),
        (
            "Tree with insert(word), has(word). empty word -> ValueError",
            [_raising_on("Tree()", "insert('')"), _raising_on("Tree()", "has('')")],
        ),
        # Whose method it is, is not known; nor is what another function would be called on.
        ("class A with f(n) and class B with g(n). n < 0 -> ValueError", []),
        ("class Net(): add(a). use it in span(n, edges): the cost. n < 1 -> ValueError", []),
        # What the constructor takes is not known.
        ("Box class with width and height, scale(factor). factor <= 0 -> ValueError", []),
        # Whether a method has to be awaited is not known.
        ("asyncio class Gate(): enter(n), n < 1 -> ValueError", []),
        (
            "class Index(dim): add(key), search(k). k < 1 -> ValueError. And a function norm(a).",
            [_raising_on("Index(2)", "search(0)")],
        ),
    ],
)
def test_a_condition_on_an_argument_of_a_class(prompt: str, tests: list[str]) -> None:
    assert statements(prompt) == tests


_TURNED = "obj = Lamp()\nobj.press()\nassert obj.press() == 'off'"


@pytest.mark.parametrize(
    ("prompt", "tests"),
    [
        (
            "Purse class with a coins property. Purse() starts at 0, Purse(7) starts at 7",
            ["assert Purse().coins == 0", "assert Purse(7).coins == 7"],
        ),
        (
            "class Lamp, starts in 'off', press() goes off -> on -> off and returns the new state;"
            " attribute state",
            ["assert Lamp().state == 'off'", "obj = Lamp()\nassert obj.press() == 'on'", _TURNED],
        ),
        (
            "class Door: attribute state starts as 'shut', open() goes shut -> open",
            ["assert Door().state == 'shut'",
             "obj = Door()\nobj.open()\nassert obj.state == 'open'"],
        ),
        # Which of the two starts at 0 is not said.
        ("Purse class with a coins property and a notes property. Purse() starts at 0", []),
        (
            "Heap class: push(x), pop(), top(), pop/top on empty -> IndexError",
            [raising("Heap().pop()", "IndexError"), raising("Heap().top()", "IndexError")],
        ),
        (
            "Store class with capacity, get(key) -> value or -1 and put(key, value)",
            ["obj = Store(2)\nassert obj.get('a') == -1"],
        ),
        ("class Gate: allow(now) -> seconds or 0", []),  # A gate is open before the first call.
        (
            "class Bag: count(tag) -> int (0 if never added), remove(tag): KeyError if unknown",
            ["obj = Bag()\nassert obj.count('a') == 0",
             "obj = Bag()\n" + raising("obj.remove('a')", "KeyError")],
        ),
        ("Bag class with items. count(tag) -> int (0 if never added)", []),
    ],
)  # fmt: skip
def test_what_is_said_of_new_objects(prompt: str, tests: list[str]) -> None:
    assert statements(prompt) == tests


def _exit(arguments: str, code: int) -> str:
    return f"r = run({arguments})\nassert r.code == {code}"


@pytest.mark.parametrize(
    ("prompt", "tests"),
    [
        (
            "A script that takes a file path and an optional --top N. --top below 1 is a usage"
            " error (exit code 2). If the file doesn't exist exit with code 1.",
            [_exit("['--top', '0', __file__]", 2), _exit("['no_such_file.txt']", 1)],
        ),
        (
            "cli, usage `PATTERN [FILE ...]`. -v and -c together are an error (exit code 2),"
            " a missing file -> exit code 3",
            [_exit("['-v', '-c']", 2), _exit("['a', 'no_such_file.txt']", 3)],
        ),
        # Which arguments it takes besides the file is not said.
        ("script, counts rows of a csv file. missing file -> exit code 3", []),
    ],
)
def test_exit_codes_of_scripts(prompt: str, tests: list[str]) -> None:
    assert statements(prompt) == tests


def test_a_path_that_is_missing_has_an_extension_that_is_asked_for() -> None:
    prompt = "load(path): reads a .json file, other extension -> ValueError, "
    prompt += "missing file -> FileNotFoundError"
    assert statements(prompt) == [raising("load('/no/such/file.json')", "FileNotFoundError")]


@pytest.mark.parametrize(
    ("prompt", "tests"),
    [
        ("parse_row(line) -> dict. return None if the line doesn't match",
         ["assert parse_row('') is None"]),
        ("validate(pw) -> list of problems. [] means ok", []),
        ("load(path): missing file -> ignore FileNotFoundError and return []", []),
        ("is_code(text): False if the text doesn't match [a-z]*", []),
        ("first(items, n): without copies, n=0 -> []", ["assert first([1, 2, 3], 0) == []"]),
        ("first(items, n). Without caching, n=0 -> []", []),
        ("is_even(n) is_even(2) true, is_even(3) false",
         ["assert is_even(2) == True", "assert is_even(3) == False"]),
        ("clean(s): currently clean('') crashes, it should give 'x'", ["assert clean('') == 'x'"]),
    ],
)  # fmt: skip
def test_short_clauses(prompt: str, tests: list[str]) -> None:
    assert statements(prompt) == tests
