"""Repairs that need no model."""

from __future__ import annotations

import ast

import pytest

from ml_coach.core.python.repairs import add_missing_imports, repair, undefined_names


def test_undefined_names_have_their_first_line() -> None:
    assert undefined_names("x = y\ndef f():\n    return z + y\n") == (("y", 1), ("z", 3))
    assert undefined_names("def f(:") == ()


@pytest.mark.parametrize(
    ("code", "line"),
    [
        ("math.sqrt(2)", "import math"),
        ("re.findall('a', 'b')", "import re"),
        ("heapq.heappop([1])", "import heapq"),
        ("collections.Counter()", "import collections"),
        ("Counter('a')", "from collections import Counter"),
        ("defaultdict(list)", "from collections import defaultdict"),
        ("permutations([1])", "from itertools import permutations"),
        ("product([1], [2])", "from itertools import product"),
        ("reduce(max, [1])", "from functools import reduce"),
        ("sqrt(2)", "from math import sqrt"),
        ("Path('a')", "from pathlib import Path"),
        ("Decimal('1')", "from decimal import Decimal"),
        ("Fraction(1, 2)", "from fractions import Fraction"),
        ("datetime.now()", "from datetime import datetime"),
        ("datetime.datetime.now()", "import datetime"),
        ("date(2024, 1, 1)", "from datetime import date"),
        ("np.zeros(3)", "import numpy as np"),
        ("pd.DataFrame()", "import pandas as pd"),
        ("deepcopy([])", "from copy import deepcopy"),
        ("copy.copy([])", "import copy"),
        ("time.time()", "import time"),
        ("string.ascii_lowercase", "import string"),
    ],
)
def test_adds_what_is_missing(code: str, line: str) -> None:
    source = f"def f():\n    return {code}\n"
    new, added = add_missing_imports(source)
    assert added == (line,)
    assert new == f"{line}\n\n\n{source}"


@pytest.mark.parametrize(
    ("top", "rest"),
    [
        ("#!/usr/bin/env python3\n# -*- coding: utf-8 -*-\n", ""),
        ("#!/usr/bin/env python3\n\n# Copyright me\n", ""),
        ("# Licensed to all.\n# Or to none.\n\n", "# What f is for.\n"),
        ("# MIT\n\n'''Doc.'''\nfrom __future__ import annotations\n", "\nimport os\n\n"),
        ("# What all this is for.\n\n", "import os\n\n"),
        ("", "\n# What f is for.\n"),
    ],
)
def test_an_import_goes_below_what_is_on_the_whole_file(top: str, rest: str) -> None:
    body = f"{rest}def f():\n    return math.pi\n"
    new, _ = add_missing_imports(top + body)
    gap = "" if "import" in body else "\n\n"
    assert new == f"{top}import math\n{gap}{body}"


@pytest.mark.parametrize(
    "source",
    [
        "import math\nmath.sqrt(2)\n",
        "x = unknown\n",
        "def f(math):\n    return math.sqrt(2)\n",
        "def f():\n    return string.split()\n",
        "def f():\n    return product\n",
        "def f():\n    return count\n",
        "def f():\n    return queue\n",
        "def f():\n    return numbers.sort()\n",
        "def f(:\n",
        "from math import *\nsqrt(2)\n",
    ],
)
def test_leaves_alone_what_is_defined_or_ambiguous(source: str) -> None:
    assert add_missing_imports(source) == (source, ())


def test_annotations_and_decorators() -> None:
    new, added = add_missing_imports(
        "@dataclass\nclass A:\n    x: List[int] = field()\n    y: Any = 0\n"
    )
    assert set(added) == {
        "from dataclasses import dataclass", "from dataclasses import field",
        "from typing import List", "from typing import Any",
    }  # fmt: skip
    assert undefined_names(new) == ()


def test_imports_go_after_the_docstring_and_future() -> None:
    source = '"""Doc."""\n\nfrom __future__ import annotations\n\nx = math.pi\n'
    new, _ = add_missing_imports(source)
    assert new.startswith('"""Doc."""\n\nfrom __future__ import annotations\nimport math\n')
    ast.parse(new)


@pytest.mark.parametrize(
    "source",
    [
        "    def f(x):\n        return x\n",
        "def f(x):\n\tif x:\n        return 1\n\treturn 2\n",
        "import os\n    def f(x):\n        return x\n",
        "def f(x):\n    y = x\n     return y\n",
    ],
)
def test_mends_indentation(source: str) -> None:
    new, done = repair(source)
    compile(new, "<test>", "exec")
    assert len(done) == 1


def test_reports_everything_that_it_did_and_nothing_else() -> None:
    new, done = repair("  def f(x):\n      return math.sqrt(x)\n")
    assert len(done) == 2
    assert repair(new) == (new, ())


def test_leaves_real_syntax_errors_alone() -> None:
    source = "def f(x)\n    return x\n"
    assert repair(source) == (source, ())
