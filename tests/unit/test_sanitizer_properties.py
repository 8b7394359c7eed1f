"""What holds for every text: nothing raises, what comes out compiles, valid Python stays."""

from __future__ import annotations

import ast
import heapq
import json
import textwrap
from pathlib import Path

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from ml_coach.core.examples import (
    extract_examples,
    extract_stated,
    names_of,
    signatures_of,
    stub_of,
)
from ml_coach.core.python import syntax
from ml_coach.core.python.repairs import repair
from ml_coach.core.sanitizer import Refused, Sanitized, sanitize

_FRAGMENTS = st.sampled_from([
    "```", "```python\n", "~~~\n", "def f(x):\n", "    return x\n", "class A:\n", "\n", "\t",
    "    ",
    "'''", '"""', "'", '"', "(", ")", "[", "]", "{", "}", "\\", "\\n", "# ...\n", "if x:\n", "@d\n",
    "import os\n", "print(f(1))\n", "assert f(1) == 2\n", ">>> f(1)\n2\n", "f(1) returns 2. ",
    "<think>", "</think>", "[BEGIN]", "[DONE]", "\x1b[31m", "\x00", "\ufeff", "\ud800", "\u201c",
    "\u00a0", '{"code": "', "x = 1; y = 2\n", "async ", "await x\n", "f'{x", "\r\n", "\r", "1: ",
    "lambda", "else:\n", "except:\n", "match x:\n", "\f", "\u2028", "return\n", "Here it is:\n",
])  # fmt: skip
_TEXTS = st.one_of(
    st.text(st.characters(codec=None), max_size=300),
    st.lists(_FRAGMENTS, max_size=60).map("".join),
)
_NAMES = st.from_regex(r"[a-z]{3,8}_[a-z]{2,5}", fullmatch=True)
_STRINGS = st.text(st.characters(codec="utf-8", exclude_categories=["Cc", "Cs"]), max_size=20)


@st.composite
def _modules(draw: st.DrawFn) -> tuple[str, tuple[str, ...]]:
    """A formatted module of imports, constants and definitions, with the names it defines."""
    names = draw(st.lists(_NAMES, min_size=1, max_size=4, unique=True))
    parts = ["import math"] if draw(st.booleans()) else []
    parts += [f"LIMIT = {draw(st.integers())!r}", f"TEXT = {draw(_STRINGS)!r}"]
    for name in names:
        kind = draw(st.sampled_from(["def", "async def", "class", "deco"]))
        doc = draw(_STRINGS).replace("\\", "").replace('"', "")
        body = f'    """{doc}."""\n    # {draw(_STRINGS)!a}\n    return {draw(_STRINGS)!r}, LIMIT'
        if kind == "class":
            method = textwrap.indent(f"def go(self):\n{body}", "    ")
            parts.append(f"class {name}:\n    size = 1\n\n{method}")
        elif kind == "deco":
            parts.append(f"@staticmethod\ndef {name}(x, *y, z=1, **w):\n{body}")
        else:
            parts.append(f"{kind} {name}(x: int = 0) -> None:\n{body}")
    return "\n\n\n".join(parts) + "\n", tuple(names)


@settings(deadline=None)
@given(_modules())
def test_valid_python_stays(module: tuple[str, tuple[str, ...]]) -> None:
    source, names = module
    assert sanitize(source, names=names) == Sanitized(source)


@settings(deadline=None)
@given(_modules(), st.sampled_from(["```", "````", "~~~"]), st.sampled_from(["", "python", "py"]))
def test_a_fence_takes_nothing_away(
    module: tuple[str, tuple[str, ...]], bar: str, tag: str
) -> None:
    source, names = module
    reply = f"Here is the code you want:\n\n{bar}{tag}\n{source}{bar}\n\nIt's done, isn't it?"
    result = sanitize(reply, names=names)
    assert isinstance(result, Sanitized)
    assert result.source == source


@settings(deadline=None)
@given(_modules())
@example(("TEXT = '\\\\begin{code}'\n\n\ndef go(x):\n    return x\n", ("go",)))
def test_json_takes_nothing_away(module: tuple[str, tuple[str, ...]]) -> None:
    source, names = module
    result = sanitize(json.dumps({"code": source}), names=names)
    assert isinstance(result, Sanitized)
    assert result.source == source


def _facts(source: str) -> set[str]:
    """What a module may not lose: its imports, assignments, decorators, and functions with body."""
    facts: set[str] = set()
    for statement in ast.parse(source).body:
        if isinstance(statement, ast.Import | ast.ImportFrom):
            facts |= {f"import {ast.dump(alias)}" for alias in statement.names}
        elif isinstance(statement, ast.Assign | syntax.Definition):
            facts.add(ast.dump(statement))
    return facts


_SPOKEN = st.sampled_from([
    "Here it is:", "Und noch:", "And the rest:", "1. Then this:", "Next, the helper:", "",
    "**The second part**",
])  # fmt: skip
_EMPTIED = st.sampled_from([
    "    ...", "    pass", "    # bleibt, wie es ist\n    pass", "    # 変更なし",
    '    """See above."""',
    "    raise NotImplementedError", "    # ... sin cambios ...\n    ...",
])  # fmt: skip
_USES = st.sampled_from([
    "from solution import {0}\n\n\ndef test_{0}():\n    assert {0}(1)\n",
    "import pytest\nfrom generated_code import {0}\n\n\n"
    "@pytest.fixture\ndef one():\n    return 1\n\n\n"
    "def test_{0}(one):\n    assert {0}(one)\n",
    "from my_module import {0}\n\nprint({0}(1))\n",
    "from my_module import {0}\n\nassert {0}(1) == 1\nassert {0}(2) == 2\n",
    "import unittest\nfrom your_module import {0}\n\n\nclass TestIt(unittest.TestCase):\n"
    "    def test_a(self):\n        self.assertTrue({0}(1))\n",
])  # fmt: skip


def _fenced(source: str) -> str:
    return f"```python\n{source}```\n"


@settings(deadline=None)
@given(_modules(), st.lists(_SPOKEN, min_size=9, max_size=9), st.data())
def test_a_module_in_several_blocks_loses_nothing(
    module: tuple[str, tuple[str, ...]], spoken: list[str], data: st.DataObject
) -> None:
    source, names = module
    pieces = source.rstrip().split("\n\n\n")
    cuts = data.draw(st.lists(st.booleans(), min_size=len(pieces), max_size=len(pieces)))
    blocks = [pieces[0]]
    for piece, is_cut in zip(pieces[1:], cuts, strict=False):
        if is_cut:
            blocks.append(piece)
        else:
            blocks[-1] += f"\n\n\n{piece}"
    reply = "".join(
        f"{words}\n\n{_fenced(block + chr(10))}\n"
        for words, block in zip(spoken, blocks, strict=False)
    )
    result = sanitize(reply, names=names)
    assert isinstance(result, Sanitized), result
    assert {fact for fact in _facts(source) if "Def(" in fact} <= _facts(result.source)
    assert not syntax.free_names(ast.parse(result.source)) & syntax.top_level(ast.parse(source))


@settings(deadline=None)
@given(_modules(), _EMPTIED, st.booleans())
def test_an_empty_body_never_replaces_a_real_one(
    module: tuple[str, tuple[str, ...]], emptied: str, first: bool
) -> None:
    source, names = module
    hollow = f"def {names[0]}(x):\n{emptied}\n"
    blocks = (_fenced(hollow), _fenced(source)) if first else (_fenced(source), _fenced(hollow))
    result = sanitize("Look:\n\n".join(("", *blocks)), names=names)
    assert isinstance(result, Sanitized), result
    assert _facts(source) <= _facts(result.source)


@settings(deadline=None)
@given(_modules(), _USES, st.booleans())
def test_what_imports_the_program_is_never_the_program(
    module: tuple[str, tuple[str, ...]], uses: str, first: bool
) -> None:
    source, names = module
    used = _fenced(uses.format(names[0]))
    blocks = (used, _fenced(source)) if first else (_fenced(source), used)
    result = sanitize("Look:\n\n".join(("", *blocks)), names=names)
    assert isinstance(result, Sanitized), result
    assert result.source == source


@settings(deadline=None)
@given(_modules(), st.data())
def test_a_function_that_is_missing_is_named(
    module: tuple[str, tuple[str, ...]], data: st.DataObject
) -> None:
    source, names = module
    absent = data.draw(_NAMES.filter(lambda name: name not in source))
    result = sanitize(_fenced(source), names=(*names, absent))
    assert isinstance(result, Refused)
    assert f"`{absent}`" in result.reason


@settings(deadline=None)
@given(_TEXTS, st.sampled_from(["program", "suite"]), st.booleans())
@example("0()<0\n''''''", "program", False)
@example("\r    return", "program", True)
def test_every_text_ends_as_python_or_as_a_sentence(text: str, kind: str, asks: bool) -> None:
    stub = "def f(x):\n    '''Doc.'''\n" if asks else ""
    result = sanitize(text, names=("f",) if asks else (), stub=stub, kind=kind)  # type: ignore[arg-type]
    if isinstance(result, Refused):
        assert result.reason.endswith(".")
    else:
        assert syntax.compiles(result.source)
        again = sanitize(result.source, names=("f",) if asks else (), kind=kind)  # type: ignore[arg-type]
        assert isinstance(again, Sanitized)
        assert again.source == result.source


@settings(deadline=None)
@given(_TEXTS)
def test_prompts_and_repairs_take_every_text(text: str) -> None:
    repair(text)
    signatures_of(text)
    names_of(text)
    if stub := stub_of(text):
        ast.parse(stub)
    for statement in extract_examples(text):
        assert len(ast.parse(statement).body) == 1


# Pieces of what prompts say, so that the readers of statements get far.
_SAYINGS = (
    "Write f(text). ", "Write class Stack with push(x). ", "Write a script a.py. ",
    "'a' becomes 'b'", "0 to 12 is 'x'", "ValueError for ", "an empty string ",
    "if n is negative ", " and ", " or ", "(e.g. ", "12", "not ", "valid: ", ", ", ". ", "\n- ",
    "\n\n", "s = Stack(); ", "s.push(1) ", "`python a.py x` -> `y`", "$ python a.py\n1\n",
    "args: [1, 2]\nresult: 3\n", " should be ", "a file with the lines a, b ", "Given ",
    "When I push 1", "Then ", ">>> f(1)\n2\n", "| a | b |\n", "|---|---|\n", "np.array([1])",
    "...", "f(1) returns 2", " -> ", "'", "(", "[", "zero", "\u2028",
)  # fmt: skip


@settings(deadline=None)
@given(st.lists(st.sampled_from(_SAYINGS) | st.text(max_size=5), max_size=30).map("".join))
def test_what_is_stated_can_stand_in_a_test_whatever_the_prompt(text: str) -> None:
    for test in extract_stated(text):
        ast.parse(test.statement)
        assert test.quote in text


@pytest.mark.parametrize("module", [heapq, textwrap, ast, json])
def test_the_standard_library_stays(module: object) -> None:
    source = Path(str(module.__file__)).read_text("utf-8")  # type: ignore[attr-defined]
    if len(source) > 60_000:
        source = source[: source.rindex("\ndef ", 0, 60_000)]
    result = sanitize(source)
    assert isinstance(result, Sanitized)
    assert result.source.rstrip() == source.rstrip()


@pytest.mark.parametrize(
    "text",
    [
        "(" * 50_000,
        "x = " + "[" * 3000 + "]" * 3000,
        "-" * 60_000 + "1",
        "f" + ".a()" * 10_000,
        "x = " + "+".join(["1"] * 5000),
        '{"a":' * 9000 + "}" * 9000,
        "\ud800" * 1000,
        "def f(\n" * 8000,
        "'''\n" * 15_000,
        "x" * 1_000_000,
    ],
    ids=range(10),
)
def test_absurd_texts_end_too(text: str) -> None:
    assert isinstance(sanitize(text, names=("f",)), Sanitized | Refused)
    assert isinstance(sanitize(f"```python\n{text}\n```"), Sanitized | Refused)
    extract_examples(text)
    extract_stated(text)
    repair(text[:64_000])
