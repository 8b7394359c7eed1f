"""A text that repeats itself up to its limit is read at once: reading it took minutes, in which
the server answered nobody and did not notice that its editor had gone."""

from __future__ import annotations

import subprocess
import sys

import pytest

# A reply that is cut off at its limit is continued twice.
LONGEST = 150_000
_RESEARCHER = "from ml_coach.core.agents.researcher import read, with_interface, with_plan"
_REPLIES = "from ml_coach.core import replies"
_EXAMPLES = "from ml_coach.core.examples import extract_examples, extract_stated"
_PATCHES = "from ml_coach.core.patches import read_patch"
_FILES = "{'m.py': 'def f(x):' + chr(10) + '    return x' + chr(10)}, default_file='m.py'"


@pytest.mark.parametrize(
    "program",
    [
        f"{_RESEARCHER}; with_plan(read('Add.'), ' ' * {LONGEST})",
        f"{_RESEARCHER}; with_plan(read('Add.'), '- ' + ' ' * {LONGEST})",
        f"{_RESEARCHER}; with_interface(read('Add.'), chr(10) * {LONGEST})",
        f"{_REPLIES}; replies.read('```python' + chr(10) * {LONGEST})",
        f"{_EXAMPLES}; extract_examples('Write f(x).' + chr(9) * {LONGEST} + 'a')",
        f"{_EXAMPLES}; extract_stated('Write f(x).' + chr(10) + chr(9) * {LONGEST} + 'a')",
        f"{_PATCHES}; read_patch(('x = 1' + chr(10)) * {LONGEST // 6}, {_FILES})",
    ],
)
def test_what_repeats_itself_is_read_at_once(program: str) -> None:
    # In a process of its own, because nothing can interrupt a regular expression.
    subprocess.run([sys.executable, "-c", program], check=True, timeout=30)
