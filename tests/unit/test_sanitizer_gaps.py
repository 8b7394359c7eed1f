"""Replies that leave something out are refused, and what only looks like that is not."""

from __future__ import annotations

import pytest

from ml_coach.core.sanitizer import Refused, Sanitized, sanitize

FIB = (
    "def fib(n):\n    a, b = 0, 1\n    for _ in range(n):\n        a, b = b, a + b\n    return a\n"
)
CLEAN = "`helpers.py`\n```python\ndef clean(t):\n    return t.lower()\n```\n`main.py`\n"
STACK = "class Stack:\n    def __init__(self):\n        self.items = []\n"


def fenced(*sources: str) -> str:
    return "\nand\n".join(f"```python\n{source.rstrip()}\n```\n" for source in sources)


@pytest.mark.parametrize(
    ("name", "reply", "named"),
    [
        ("up", CLEAN + fenced("import helpers as h\ndef up(t):\n    return h.clean(t)"), "helpers"),
        ("up", CLEAN + fenced("from . import helpers\nup = helpers.clean"), "helpers"),
        ("up", CLEAN + fenced("from tools import helpers\nup = helpers.clean"), "helpers"),
        (
            "up",
            CLEAN + fenced("def up(t):\n    from helpers import clean\n    return clean(t)"),
            "helpers",
        ),
        (
            "up",
            CLEAN
            + fenced(
                "try:\n    from .helpers import clean\nexcept ImportError:\n"
                "    from helpers import clean\n\n\ndef up(t):\n    return clean(t)"
            ),
            "helpers",
        ),
        ("fib", fenced("def fib(n):\n    a = 0\n    ...\n    return a"), "fib"),
        (
            "fib",
            fenced("def fib(n):\n    if n < 2:\n        return n\n    else:\n        ..."),
            "fib",
        ),
        ("fib", fenced("def fib(n):\n    a = 0\n    # loop stays unchanged\n    return a"), "fib"),
        ("fib", fenced("def fib(n):\n    a = 0\n    # bleibt wie es ist\n    return a"), "fib"),
        ("fib", fenced("def fib(n):\n    # Code hier\n    return None"), "fib"),
        ("fib", "```python\n" + FIB.removesuffix("    return a\n"), "fib"),
        ("fib", fenced("def fib(n):\n    a = 0\n    # 循环不变\n    return a"), "fib"),
        (
            "fib",
            fenced("def go(n):\n    raise NotImplementedError\n\ndef fib(n):\n    return go(n)"),
            "go",
        ),
        ("fib", fenced("def go(n):\n    # 同上\n    pass\n\ndef fib(n):\n    return go(n)"), "go"),
        (
            "Stack",
            fenced(STACK + "\n    def push(self, x):\n        # wie oben\n        pass"),
            "push",
        ),
        ("Stack", fenced(STACK, "def pop(self):\n    return self.items.pop()"), "pop"),
    ],
)
def test_a_part_that_is_left_out_is_named(name: str, reply: str, named: str) -> None:
    result = sanitize(reply, names=(name,))
    assert isinstance(result, Refused), result
    assert named in result.reason


@pytest.mark.parametrize(
    ("name", "reply", "check"),
    [
        (
            "join",
            fenced("def join(a, sep=...):\n    return ',' if sep is ... else sep"),
            "join(1) == ','",
        ),
        (
            "safe",
            fenced(
                "def safe(x):\n    try:\n        return int(x)\n    except TypeError:\n        ..."
            ),
            "safe(None) is None",
        ),
        (
            "Shape",
            fenced(
                "class Shape:\n    def area(self):\n        raise NotImplementedError\n\n\n"
                "class Dot(Shape):\n    def area(self):\n        return 0"
            ),
            "Dot().area() == 0",
        ),
        (
            "work",
            fenced(
                "import threading\n\n\ndef work():\n    return 1\n\n\n"
                "t = threading.Thread(target=lambda: 1 / 0)\nt.start()\nt.join()"
            ),
            "work() == 1 and 't' not in dir()",
        ),
        ("yes", fenced("def yes(x):\n    # Every value is fine.\n    return True"), "yes(1)"),
        (
            "fib",
            fenced("# the existing pair\n" + FIB.replace("    for", "    # n times\n    for")),
            "fib(5) == 5",
        ),
        (
            "Shape",
            fenced(
                "from abc import ABC, abstractmethod\n\n\nclass Shape(ABC):\n    @abstractmethod\n"
                "    def area(self):\n        ..."
            ),
            "Shape",
        ),
        (
            "Stack",
            fenced(STACK + "\n    def push(self, x):\n        pass"),
            "Stack().push(1) is None",
        ),
        (
            "Stack",
            fenced(STACK) + "Add the method:\n" + fenced("    def size(self):\n        return 0"),
            "Stack().size() == 0",
        ),
        (
            "fib",
            fenced("import sys\n" + FIB + "\nn = int(sys.argv[1])\nprint(fib(n))"),
            "fib(5) == 5",
        ),
        (
            "fib",
            fenced("import sys\n" + FIB + "\ntext = sys.stdin.read()\nprint(text)"),
            "fib(5) == 5",
        ),
        (
            "loud",
            fenced("import sys\nLOUD = '-v' in sys.argv\n\n\ndef loud():\n    return LOUD"),
            "loud() is False",
        ),
        (
            "two_sum",
            fenced("class Solution:\n    def twoSum(self, xs):\n        return xs"),
            "two_sum(1) == 1",
        ),
        ("double", "Use `double = lambda x: 2 * x`.", "double(2) == 4"),
        ("double", "It is `def double(x): return 2 * x`, as `x` doubles.", "double(2) == 4"),
        ("fib", fenced(FIB, "def fib(n):\n    # Schleife wie oben\n    ..."), "fib(5) == 5"),
        ("fib", fenced(FIB) + "Or:\n```python\ndef fib(n):\n    return n if n <", "fib(5) == 5"),
        (
            "fib",
            "`test_fib.py`\n" + fenced("from fib import fib\nassert fib(1) == 1", FIB),
            "fib(5) == 5",
        ),
    ],
)
def test_a_whole_program_is_not_refused(name: str, reply: str, check: str) -> None:
    result = sanitize(reply, names=(name,))
    assert isinstance(result, Sanitized), result
    namespace: dict[str, object] = {"__name__": "generated_code"}
    exec(result.source, namespace)
    assert eval(check, namespace)


@pytest.mark.parametrize(
    ("source", "kept", "gone"),
    [
        ("fib = lambda n: n\n", "test_a", "lambda"),
        ("import program\nfib = program.fib\n", "import program", "fib = "),
        (
            "try:\n    from fib import fib\nexcept ImportError:\n    def fib(n): ...\n",
            "test_a",
            "def fib",
        ),
        ("CASES = []\nCASES.append((1, 1))\n", "CASES.append((1, 1))", "nothing"),
        ("import sys\nsys.path.insert(0, '.')\n", "import sys", "sys.path"),
    ],
)
def test_a_suite_keeps_its_data_and_no_copy_of_the_program(
    source: str, kept: str, gone: str
) -> None:
    test = "def test_a():\n    assert fib(1) == 1\n"
    result = sanitize(fenced(f"{source}\n\n{test}"), names=("fib",), kind="suite")
    assert isinstance(result, Sanitized), result
    assert kept in result.source
    assert gone not in result.source


@pytest.mark.parametrize(
    "body",
    [
        "    # the same for all\n    return 1\n",
        "    now = time.time()\n    # the same for all\n    return now\n",
    ],
)
def test_a_function_may_ignore_its_parameters_and_say_so(body: str) -> None:
    reply = f"```python\nimport time\n\n\ndef f(text):\n{body}```\n"
    assert isinstance(sanitize(reply, names=("f",)), Sanitized)
