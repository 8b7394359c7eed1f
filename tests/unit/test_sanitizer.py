"""Every kind of reply in, a program that compiles out, or a refusal that says why."""

from __future__ import annotations

import json
import textwrap

import pytest

from ml_coach.core.sanitizer import Refused, Sanitized, sanitize

F = "def f(x):\n    return x + 1\n"
G = "def g(x):\n    return f(x) * 2\n"
STUB = 'def f(x):\n    """Adds one."""\n'


def program(reply: str, *, names: tuple[str, ...] = ("f",), stub: str = "") -> str:
    result = sanitize(reply, names=names, stub=stub)
    assert isinstance(result, Sanitized), result
    compile(result.source, "<test>", "exec")
    return result.source


def refusal(reply: str, *, names: tuple[str, ...] = ("f",), stub: str = "") -> str:
    result = sanitize(reply, names=names, stub=stub)
    assert isinstance(result, Refused), result
    return result.reason


def defined(source: str) -> dict[str, object]:
    namespace: dict[str, object] = {"__name__": "generated_code"}
    exec(source, namespace)
    return namespace


@pytest.mark.parametrize(
    "reply",
    [
        F,
        f"```python\n{F}```",
        f"```\n{F}```",
        f"```py\n{F}```\n",
        f"```Python3\n{F}\n```",
        f"```python title=f.py\n{F}```",
        f"``` python\n{F}```",
        f"~~~python\n{F}~~~",
        f"````python\n{F}````",
        f"```markdown\n# Answer\n```python\n{F}```\n```",
        f"```python\n{F}",
        f"{F}```",
        f"Sure, here it is:\n\n```python\n{F}```\n\nThis adds one. It's simple!",
        f"Sure, here it is:\n\n{F}\nThis adds one. It's simple!",
        f"Sure, here it is:\n{F}This function adds one to x.",
        "1. First:\n\n" + textwrap.indent(f"```python\n{F}```", "   "),
        f"- code: \n  ```python\n{textwrap.indent(F, '  ')}  ```",
        f"> ```python\n{F}> ```",
        f"[BEGIN]\n{F}[DONE]",
        f"# [BEGIN]\n{F}# [CODE]\n# [DONE]\n",
        f"[PYTHON]\n{F}[/PYTHON]",
        f"<code>\n{F}</code>",
        f"<think>Maybe:\n```python\ndef f(x): return 0\n```</think>\n```python\n{F}```",
        f"def f(x): return 0\n</think>\n{F}",
        f"<|im_start|>{F}<|im_end|>",
        f"{F}<|endoftext|>",
        json.dumps(F),
        json.dumps({"code": F, "explanation": "Adds one to x."}),
        json.dumps({"answer": {"files": [{"name": "a.py", "content": F}]}}),
        f"```json\n{json.dumps({'code': F})}\n```",
        json.dumps({"code": f"```python\n{F}```"}),
        repr(F),
        F.replace("\n", "\\n"),
        F.replace("\n", "\r\n"),
        F.replace("\n", "\r"),
        "\ufeff" + F,
        F.replace("return", "re\x00turn"),
        f"\x1b[32m{F}\x1b[0m",
        F.replace(" ", "\u00a0"),
        F.replace("return x", "return\u200b x"),
        "def f(x):\n\tif x:\n\t\treturn x + 1\n        return 1\n",
        textwrap.indent(F, "    "),
        ">>> def f(x):\n...     return x + 1\n...\n>>> f(1)\n2\n",
        "1: def f(x):\n2:     return x + 1",
        "1 | def f(x):\n2 |     return x + 1",
        f"{F}]\n",
        f"python\n{F}",
    ],
)
def test_finds_the_function_in_every_wrapping(reply: str) -> None:
    assert defined(program(reply))["f"](1) == 2  # type: ignore[operator]


def test_valid_python_stays_as_it_is() -> None:
    source = (
        '"""Doc with “quotes”, a ```fence``` and <think>tags</think>."""\n'
        "from __future__ import annotations\n\nimport sys\nfrom typing import TYPE_CHECKING\n\n"
        "if TYPE_CHECKING:\n    from collections.abc import Callable\n\n"
        "try:\n    import numpy\nexcept ImportError:\n    numpy = None\n\n"
        "sys.setrecursionlimit(10_000)\nLIMIT = 3  # a constant\nTABLE = {}\n"
        "for i in range(LIMIT):\n    TABLE[i] = i * i\n\n\n"
        "def traced(f: Callable) -> Callable:\n    return f\n\n\n"
        "@traced\nasync def f(x: int) -> int:\n    return TABLE[x]\n\n\n"
        "class Stack:\n    size = 0\n\n    @property\n    def top(self):\n        return None\n\n\n"
        'if __name__ == "__main__":\n    print(f(3))\n'
    )
    result = sanitize(source, names=("f",))
    assert result == Sanitized(source)


def test_tags_inside_code_are_code() -> None:
    source = "def f(x):\n    return x.replace('<think>', '').strip('</think>') + '<|end|></s>'\n"
    assert program(f"Here:\n```python\n{source}```\nDone.") == source


def test_the_last_of_several_answers_wins_and_usage_is_no_answer() -> None:
    reply = (
        "First try:\n```python\ndef f(x):\n    return 0\n```\nBetter:\n"
        f"```python\n{F}```\nUse it:\n```python\nfrom solution import f\nprint(f(1))\n```"
        "\nOutput:\n```\n2\n```\nRun with:\n```bash\npython f.py\n```"
    )
    assert program(reply) == F


def test_an_empty_sketch_after_the_answer_does_not_win() -> None:
    assert program(f"```python\n{F}```\nSignature:\n```python\ndef f(x):\n    ...\n```") == F


def test_helpers_come_from_the_other_blocks() -> None:
    source = program(f"Helper:\n```python\n{F}```\nMain:\n```python\n{G}```", names=("g",))
    assert defined(source)["g"](1) == 4  # type: ignore[operator]


def test_without_names_all_blocks_that_define_something_count() -> None:
    source = program(f"```python\n{F}```\nand\n```python\n{G}```\n```\n4\n```", names=())
    assert defined(source)["g"](1) == 4  # type: ignore[operator]


def test_the_prompt_lends_imports_and_finished_functions() -> None:
    stub = f"import math\nfrom typing import List\n\n{F}\n\ndef g(x: List[int]):\n    '''Doc.'''\n"
    result = sanitize("def g(x: List[int]):\n    return math.pi", names=("g",), stub=stub)
    assert isinstance(result, Sanitized)
    assert {"f", "g", "List", "math"} <= defined(result.source).keys()


@pytest.mark.parametrize(
    "body",
    [
        "    return x + 1",
        "return x + 1",
        "y = x\n    return y + 1",
        "    y = x\n    for i in range(1):\n        y += 1\n    return y",
        "y = x\nfor i in range(1):\n    y += 1\nreturn y",
        "```python\n    return x + 1\n```",
        "Here is the body:\n```python\nreturn x + 1\n```",
        "    return x + 1\n\nprint(f(1))",
        "    return x + 1\n\n\nThis adds one.",
    ],
)
def test_a_body_goes_under_the_signature(body: str) -> None:
    source = program(body, stub=STUB)
    assert defined(source)["f"](1) == 2  # type: ignore[operator]
    assert "Adds one." in source


def test_examples_at_module_level_never_run_on_import() -> None:
    source = program(
        f"import sys\n{F}\n# Examples\nassert f(1) == 2\nvalue = f(1)\nprint(value)\n"
        "n = int(input('n? '))\nfor i in range(n):\n    print(f(i))\nf(3)\nf(1) == 2\nx\n"
        "text = '''a\nb'''\nprint(text)\nsys.setrecursionlimit(5000)\n"
    )
    defined(source)
    head, _, main = source.partition('if __name__ == "__main__":\n')
    assert "setrecursionlimit" in head
    assert "assert" not in source
    assert "input" in main
    assert "    text = '''a\nb'''\n" in main


def test_what_functions_need_stays_at_module_level() -> None:
    source = program(
        "def build():\n    return {1: 2}\n\ntable = build()\n\n"
        "def f(x):\n    return table[x]\n\nprint(table)\n"
    )
    assert defined(source)["f"](1) == 2  # type: ignore[operator]


@pytest.mark.parametrize(
    "filling",
    [
        "for i in range(3):\n    TABLE[i] = i\n    print(i)\n",
        "for i in range(3):\n    TABLE.setdefault(i, i)\n    assert TABLE\n",
        "for i in [{i: i for i in range(3)}]:\n    TABLE = i\n    print(TABLE)\n",
    ],
)
def test_what_fills_a_table_stays_with_the_function_that_reads_it(filling: str) -> None:
    source = f"TABLE = {{}}\n{filling}\n\ndef f(x):\n    i = x\n    return TABLE[i]\n"
    assert program(source) == source
    assert defined(source)["f"](1) == 1  # type: ignore[operator]


@pytest.mark.parametrize(
    "example",
    [
        "for i in TABLE:\n    print(i, TABLE[i], TABLE.get(i), f(i))\n",
        "for i in range(int(input())):\n    TABLE[i] = i\n",
        "for i in range(3):\n    math.floor(i)\n    print(f(i))\n",
    ],
)
def test_an_example_that_only_reads_a_table_moves(example: str) -> None:
    source = program(
        "import math\n\nTABLE = {}\n\n\ndef f(x):\n    i = math.floor(x)\n"
        f"    return TABLE.get(i)\n\n\n{example}"
    )
    assert "TABLE = {}" in source.partition('if __name__ == "__main__":\n')[0]
    assert "for i in" in source.partition('if __name__ == "__main__":\n')[2]


@pytest.mark.parametrize(
    "example",
    [
        "try:\n    f(0)\nexcept ValueError:\n    pass\n",
        "while True:\n    text = input()\n    if not text:\n        break\n",
        "import asyncio\nasyncio.run(f(1))\n",
        "if f(1) == 2:\n    print('ok')\n",
        "with open('x') as file:\n    print(file.read())\n",
        "raise SystemExit(f(1))\n",
    ],
)
def test_compound_examples_move_too(example: str) -> None:
    source = program(f"def f(x):\n    raise ValueError(x)\n\n\n{example}")
    defined(source)
    assert 'if __name__ == "__main__":' in source


def test_a_registry_is_filled_on_import() -> None:
    source = (
        "TABLE = {}\n\n\ndef register(name, value):\n    TABLE[name] = value\n\n\n"
        "register('a', 1)\n\n\ndef f(x):\n    return TABLE[x]\n"
    )
    assert program(source) == source


def test_a_script_without_functions_becomes_importable() -> None:
    source = program("import math\nname = input()\nprint(name, math.pi)\n", names=())
    assert source.startswith("import math\n")
    defined(source)


def test_two_statements_on_one_line_are_told_apart() -> None:
    defined(program(f"{F}x = f(1); print(x); input()\n"))


def test_of_two_definitions_the_last_real_one_stays() -> None:
    assert defined(program(f"def f(x):\n    return 0\n\n\n{F}"))["f"](1) == 2  # type: ignore[operator]
    assert program(f"{F}\n\ndef f(x):\n    pass\n") == F


def test_overloads_are_no_duplicates() -> None:
    source = (
        "from typing import overload\n\n\n@overload\ndef f(x: int) -> int: ...\n\n\n"
        "@overload\ndef f(x: str) -> str: ...\n\n\ndef f(x):\n    return x\n"
    )
    assert program(source) == source


H = "def h(x):\n    return x\n"
TESTS = "from solution import f\n\n\ndef test_f():\n    assert f(1) == 2\n"
CART = (
    "class Cart:\n    def __init__(self):\n        self.items = []\n\n"
    "    def add(self, item):\n        self.items.append(item)\n"
)


def blocks(*sources: str) -> str:
    return "Then:\n".join(f"```python\n{source}```\n" for source in sources)


@pytest.mark.parametrize(
    "reply",
    [
        blocks(F, TESTS),
        blocks(TESTS, F),
        blocks(F, "from my_code import f\n\nassert f(1) == 2\nprint('ok')\n"),
        f"generated_code.py\n{blocks(F)}test_generated.py\n{blocks(TESTS)}",
        blocks(F, "def test_f():\n    assert f(1) == 2\n"),
    ],
)
@pytest.mark.parametrize("names", [("f",), ()])
def test_tests_are_never_the_program(reply: str, names: tuple[str, ...]) -> None:
    assert program(reply, names=names) == F


def test_tests_alone_are_no_program() -> None:
    assert "only tests" in refusal(blocks(TESTS))


def test_blocks_with_an_asked_function_each_are_joined() -> None:
    result = sanitize(blocks(F, H), names=("f", "h"))
    assert isinstance(result, Sanitized)
    assert {"f", "h"} <= defined(result.source).keys()
    assert {"f", "h"} <= defined(program(f"```python\n{F}\n{blocks(H)}", names=("f", "h"))).keys()


def test_what_is_missing_of_several_functions_is_named() -> None:
    assert "does not define `h`" in refusal(blocks(F), names=("f", "h"))
    cut = "```python\ndef h(x):\n    return (x +\n\n" + blocks(F)
    assert "`h`" in refusal(cut, names=("f", "h"))


def test_a_second_file_becomes_a_part_of_the_program() -> None:
    using = "from helpers import f as one\n\n\ndef h(x):\n    return one(x)\n"
    source = program(f"`helpers.py`\n{blocks(F)}`main.py`\n{blocks(using)}", names=("h",))
    assert "import" not in source
    assert defined(source)["h"](1) == 2  # type: ignore[operator]
    using = "import helpers\n\n\ndef h(x):\n    return helpers.f(x)\n"
    reply = f"`helpers.py`\n{blocks(F)}`main.py`\n{blocks(using)}"
    assert "`helpers.py`" in refusal(reply, names=("h",))


@pytest.mark.parametrize(
    "piece",
    [
        "class Cart:\n    def size(self):\n        return len(self.items)\n",
        "class Cart:\n    def __init__(self): ...\n\n    def size(self):\n        return 1\n",
        "class Cart:\n    # ... le reste ...\n    def size(self):\n        return 1\n",
    ],
)
def test_a_piece_of_a_class_does_not_replace_it(piece: str) -> None:
    assert "more than once" in refusal(blocks(CART, piece), names=("Cart",))


@pytest.mark.parametrize(
    ("source", "says"),
    [
        ("def g(x):\n    ...\n\n\ndef f(x):\n    return g(x)\n", "`g` has no body"),
        ("class f:\n    def a(self):\n        ...\n\n    b = 1\n", "`f.a` has no body"),
        ("class f:\n    def a(self):\n        pass\n", "`f` has no body"),
        ("LIMITS = [1, 2\n\n\ndef f(x):\n    return LIMITS[x]\n", "`LIMITS`"),
    ],
)
def test_what_the_program_needs_has_a_body(source: str, says: str) -> None:
    assert says in refusal(blocks(source))


def test_a_definition_that_is_read_before_the_next_one_stays() -> None:
    source = (
        "TABLE = {}\n\n\ndef register(name, f):\n    TABLE[name] = f\n\n\n"
        "def handler(x):\n    return 1\n\n\nregister('a', handler)\n\n\n"
        "def handler(x):\n    return 2\n\n\nregister('b', handler)\n\n\n"
        "def f(name):\n    return TABLE[name](0)\n"
    )
    assert program(source) == source


def test_a_diff_of_a_new_file_is_that_file() -> None:
    added = "".join(f"+{line}\n" for line in F.splitlines())
    head = "--- /dev/null\n+++ b/f.py\n@@ -0,0 +1,2 @@\n"
    assert defined(program(f"```diff\n{head}{added}```\n"))["f"](1) == 2  # type: ignore[operator]
    changed = f"```diff\n--- a/f.py\n+++ b/f.py\n@@ -1,2 +1,3 @@\n-x = 1\n{added}```\n"
    assert "no Python code" in refusal(changed)


def test_what_a_reply_speaks_against_is_taken_only_where_nothing_else_is() -> None:
    wrong = "For comparison, the wrong way:\n" + blocks("def f(x):\n    return x\n")
    assert program(blocks(F) + wrong) == F
    heading = "## Code for the original problem\n"
    assert program(blocks(H) + heading + blocks(F)) == F


@pytest.mark.parametrize(
    "reply",
    [
        blocks(F) + "Output:\n```\nf = 2\n```\n",
        blocks(F) + blocks("f = f(1)\nprint(f)\n"),
        blocks(f"{F}\n\nf = f(1)\nprint(f)\n"),
        blocks(f"{F}\n\nwhile True:\n    pass\n"),
        blocks("def f(x):\n    y = x\n") + blocks("    y += 1\n    return y\n"),
        blocks("def f(x):\n    y = x\n    y += 1\n    return y\n") + blocks("    y += 1\n"),
    ],
)
def test_the_function_stays_a_whole_function(reply: str) -> None:
    assert defined(program(reply))["f"](1) == 2  # type: ignore[operator]


def test_a_cut_reply_keeps_its_whole_statements() -> None:
    result = sanitize(f"```python\n{F}\n\ndef g(x):\n    return (x +", names=("f",))
    assert isinstance(result, Sanitized)
    assert result.source == F


def test_a_method_or_another_spelling_takes_the_asked_name() -> None:
    source = program("class Solution:\n    def f(self, x):\n        return x + 1\n")
    assert defined(source)["f"](1) == 2  # type: ignore[operator]
    source = program("def addOne(x):\n    return x + 1\n", names=("add_one",))
    assert defined(source)["add_one"](1) == 2  # type: ignore[operator]


@pytest.mark.parametrize(
    ("reply", "says"),
    [
        ("", "empty"),
        ("  \n\t", "empty"),
        ("I cannot help with that.", "no Python code"),
        ("Note: this is hard. The function f returns x.", "no Python code"),
        ("```python\ndef f(x):\n    return (x +\n```", "never closed"),
        (f"{G}\n\ndef f(x):\n    return (x +", "cut off inside `f`"),
        ("def f(x)\n    return x\n\n\ndef g(x):\n    return x\n", "expected ':'"),
        ("def g(x):\n    return x\n", "defines `g`"),
        ("def f(x):\n    pass\n", "no body"),
        ("def f(x):\n    '''Doc.'''\n    raise NotImplementedError\n", "no body"),
        (f"{F}\n# ... rest of the code remains unchanged ...\n", "leaves a part out"),
        ("import re\n# ... existing code ...\n\ndef f(x):\n    return x\n", "leaves a part out"),
        ("def f(x):\n    # same as before\n    return x\n", "leaves a part out"),
        ("def f(x):\n    # (rest of the implementation)\n    return x\n", "leaves a part out"),
        ("def f(x):\n    y = 1\n    # ...\n    return y\n", "leaves a part out"),
        ("x" * 300_000, "300,000 characters"),
    ],
)
def test_refuses_with_a_sentence_for_the_author(reply: str, says: str) -> None:
    assert says in refusal(reply)


@pytest.mark.parametrize(
    "comment",
    ["# the rest of the string", "# Process the remaining items", "# TODO: speed up", "# ... 3, 4"],
)
def test_ordinary_comments_are_no_elisions(comment: str) -> None:
    source = f"def f(x):\n    {comment}\n    return x\n"
    assert program(source) == source


def test_a_complete_block_is_preferred_to_an_elided_one() -> None:
    shorter = "def f(x):\n    # ... existing code ...\n    return x\n"
    reply = f"```python\n{F}```\nshorter:\n```python\n{shorter}```"
    assert program(reply) == F


@pytest.mark.parametrize(
    "code",
    [
        "if x:\n        y = x\n        # Same as above\n        return y\n    return 0",
        "out = []\n    for y in x:\n        # unchanged\n        out.append(y)\n    return out",
        "head = x[0]\n    # the rest of the file\n    return x[1:]",
        'return """\n# ... existing code ...\n"""',
        "# 1, 3, 5, ... up to n\n    return range(1, x, 2)",
    ],
)
def test_a_comment_on_the_code_below_it_is_no_elision(code: str) -> None:
    source = f"def f(x):\n    {code}\n"
    assert program(source) == source


@pytest.mark.parametrize(
    "code",
    [
        "if x:\n        # unchanged\n        pass\n    return x",
        "if x:\n        # Same as above\n        ...\n    return x",
        "y = x\n    # the rest of the file\n\n\ndef g(x):\n    return x",
        "# existing code here\n    return x",
        "# ... keep what was there ...\n    return x",
    ],
)
def test_a_comment_in_the_place_of_code_is_an_elision(code: str) -> None:
    assert "leaves a part out" in refusal(f"def f(x):\n    {code}\n")


ERROR = 'class Broke(Exception):\n    """Too little money."""\n'
ACCOUNT = "class Account:\n    def take(self):\n        raise Broke\n"


@pytest.mark.parametrize("error", [ERROR, "class Broke(Exception):\n    pass\n"])
def test_a_class_with_a_base_needs_no_body(error: str) -> None:
    names = ("Account", "Broke")
    assert program(f"{error}\n\n{ACCOUNT}", names=names) == f"{error}\n\n{ACCOUNT}"
    assert program(error, names=("Broke",)) == error
    apart = program(f"```python\n{error}```\n```python\n{ACCOUNT}```", names=("Account",))
    assert "Broke" in defined(apart)


def test_a_sketch_of_a_class_with_a_base_does_not_win() -> None:
    full = "class Broke(Exception):\n    code = 1\n"
    reply = f"```python\n{full}```\nIn short:\n```python\n{ERROR}```"
    assert program(reply, names=("Broke",)) == full
    assert program(f"{full}\n\n{ERROR}", names=("Broke",)) == full


def test_a_class_without_a_base_needs_a_body() -> None:
    assert "no body" in refusal("class Account:\n    pass\n", names=("Account",))
