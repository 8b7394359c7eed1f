"""A reply of white space alone is read at once: reading it took minutes, in which the server
answered nobody and did not notice that its editor had gone."""

from __future__ import annotations

import subprocess
import sys

import pytest

# A reply that is cut off at its limit is continued twice.
LONGEST = 150_000
_RESEARCHER = "from ml_coach.core.agents.researcher import read, with_interface, with_plan"
_REPLIES = "from ml_coach.core import replies"


@pytest.mark.parametrize(
    "program",
    [
        f"{_RESEARCHER}; with_plan(read('Add.'), ' ' * {LONGEST})",
        f"{_RESEARCHER}; with_plan(read('Add.'), '- ' + ' ' * {LONGEST})",
        f"{_RESEARCHER}; with_interface(read('Add.'), chr(10) * {LONGEST})",
        f"{_REPLIES}; replies.read('```python' + chr(10) * {LONGEST})",
    ],
)
def test_white_space_is_read_at_once(program: str) -> None:
    # In a process of its own, because nothing can interrupt a regular expression.
    subprocess.run([sys.executable, "-c", program], check=True, timeout=30)
