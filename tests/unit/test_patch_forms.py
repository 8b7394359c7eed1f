"""Replies in the forms that models send, against one file: applied right, or refused."""

from __future__ import annotations

import json

import pytest

from ml_coach.core.changes import PatchRefused
from ml_coach.core.patches import apply, read_patch

FILE = '''\
"""Inventory."""

import json
from pathlib import Path

TAX_RATE = 0.2
DEFAULT = {"limit": 10, "sort": True}


class Inventory:
    """Items by name."""

    def __init__(self, items=None):
        self.items = items or {}

    def add(self, name, count):
        if count <= 0:
            raise ValueError("count")
        self.items[name] = self.items.get(name, 0) + count

    def remove(self, name, count):
        # never below zero
        have = self.items[name]
        self.items[name] = have - count
        return self.items[name]


def load(path):
    return json.loads(Path(path).read_text())


def total_price(prices, rate=TAX_RATE):
    subtotal = 0
    for price in prices:
        subtotal += price
    return subtotal * rate


def main():
    inventory = Inventory()
    inventory.add("pen", 3)
    print(inventory.items)


if __name__ == "__main__":
    main()
'''
OLD, NEW = "    return subtotal * rate\n", "    return subtotal * (1 + rate)\n"
FIXED = FILE.replace(OLD, NEW)
TOTAL = """\
def total_price(prices, rate=TAX_RATE):
    subtotal = 0
    for price in prices:
        subtotal += price
    return subtotal * (1 + rate)
"""
WRONG = TOTAL.replace("(1 + rate)", "rate + 1")
REMOVE = """\
    def remove(self, name, count):
        # never below zero
        have = self.items[name]
        self.items[name] = max(0, have - count)
        return self.items[name]
"""
REMOVED = FILE.replace("= have - count", "= max(0, have - count)")
LOSSY = FIXED.replace('DEFAULT = {"limit": 10, "sort": True}\n', "")
DIFF = f"""\
--- a/inventory.py
+++ b/inventory.py
@@ -33,5 +33,5 @@ def total_price(prices, rate=TAX_RATE):
     subtotal = 0
     for price in prices:
         subtotal += price
-{OLD}+{NEW}"""
SEARCH = f"<<<<<<< SEARCH\n{OLD}=======\n{NEW}>>>>>>> REPLACE\n"
REFUSED = "refused"


def py(text: str, tag: str = "python") -> str:
    return f"```{tag}\n{text.rstrip()}\n```\n"


def method(text: str) -> str:
    return "class Inventory:\n" + text


def as_json(**fields: object) -> str:
    return json.dumps(fields, indent=2)


def result(reply: str, before: str = FILE) -> str:
    files = {"inventory.py": before}
    patch = read_patch(reply, files, default_file="inventory.py")
    after = patch if isinstance(patch, PatchRefused) else apply(patch, files)
    return REFUSED if isinstance(after, PatchRefused) else after["inventory.py"]


INLINE = "The bug is in `total_price`: it should be `1 + rate`.\n\n"
APPLIED = {
    "one function": (INLINE + py(TOTAL) + "\n**Key changes**\n- adds the tax\n", FIXED),
    "one function, no fence": (TOTAL, FIXED),
    "one function between sentences": (f"Here is the fix:\n\n{TOTAL}\nHope this helps!\n", FIXED),
    "the whole file": ("Here's the full corrected file:\n\n" + py(FIXED), FIXED),
    "the whole file with a path": (py("# inventory.py\n" + FIXED), FIXED),
    "the whole file under its name": ("**inventory.py**\n" + py(FIXED), FIXED),
    "the whole file, then usage": (
        py(FIXED) + "Run it:\n```bash\npython inventory.py\n```\nOutput:\n```\n{'pen': 3}\n```\n",
        FIXED,
    ),
    "a file without a constant": (py(LOSSY), FIXED),
    "a file without a function": (
        py(FIXED.replace(FIXED[FIXED.index("def load") : FIXED.index("def total")], "")),
        FIXED,
    ),
    "a file without docstring and comments": (
        py(FIXED.replace('"""Inventory."""\n\n', "").replace("        # never below zero\n", "")),
        FIXED,
    ),
    "a file with its rest left out": (
        py(
            "# ... existing imports ...\n\n# ... Inventory unchanged ...\n\n"
            + TOTAL
            + "\n\n# ... rest of the file ...\n"
        ),
        FIXED,
    ),
    "before, after": ("Before:\n" + py(TOTAL.replace(NEW, OLD)) + "After:\n" + py(TOTAL), FIXED),
    "original, fixed": (
        "### Original\n" + py(TOTAL.replace(NEW, OLD)) + "### Fixed\n" + py(TOTAL),
        FIXED,
    ),
    "thoughts with a draft": (f"<think>\nMaybe\n{py(WRONG)}no.\n</think>\n\n{py(TOTAL)}", FIXED),
    "a common mistake below": (py(TOTAL) + "\nA common mistake is:\n\n" + py(WRONG), FIXED),
    "do not, below": (py(TOTAL) + "\nDo not write it like this:\n\n" + py(WRONG), FIXED),
    "do not, above": ("Don't do this:\n" + py(WRONG) + "\nDo this instead:\n" + py(TOTAL), FIXED),
    "only a method": (py(REMOVE), REMOVED),
    "only a method at column 0": (py("\n".join(x[4:] for x in REMOVE.split("\n"))), REMOVED),
    "a class with one method": (py(method(REMOVE)), REMOVED),
    "a class with marks": (
        py(method("    # ... other methods ...\n\n" + REMOVE + "\n    # ... rest ...\n")),
        REMOVED,
    ),
    "a function and a method": (
        py(method(REMOVE)) + "and\n" + py(TOTAL),
        REMOVED.replace(OLD, NEW),
    ),
    "an import beside": (
        py("import math\n\n\n" + TOTAL.replace("(1 + rate)", "math.fsum([1, rate])")),
        FIXED.replace("(1 + rate)", "math.fsum([1, rate])").replace(
            "from pathlib import Path\n", "from pathlib import Path\nimport math\n"
        ),
    ),
    "a helper above": (
        py(
            "def factor(rate):\n    return 1 + rate\n\n\n"
            + TOTAL.replace("(1 + rate)", "factor(rate)")
        ),
        FILE.replace(
            "def total_price", "def factor(rate):\n    return 1 + rate\n\n\ndef total_price"
        ).replace("* rate\n", "* factor(rate)\n"),
    ),
    "types added": (
        py(
            TOTAL.replace(
                "(prices, rate=TAX_RATE)", "(prices: list[float], rate: float = TAX_RATE) -> float"
            )
        ),
        FIXED.replace(
            "(prices, rate=TAX_RATE)", "(prices: list[float], rate: float = TAX_RATE) -> float"
        ),
    ),
    "a changed constant": (
        py("TAX_RATE = 1.2\n"),
        FILE.replace("TAX_RATE = 0.2", "TAX_RATE = 1.2"),
    ),
    "tests below": (
        py(TOTAL)
        + "Tests:\n"
        + py(
            "from inventory import total_price\n\n\n"
            "def test_total():\n    assert total_price([1]) == 1.2\n"
        ),
        FIXED,
    ),
    "asserts below": (
        py(TOTAL + "\n\nassert total_price([1]) == 1.2\nprint(total_price([2]))\n"),
        FIXED,
    ),
    "a function said twice": (py(TOTAL) + "In full:\n" + py(FIXED), FIXED),
    "a diff": (py(DIFF, "diff"), FIXED),
    "a diff, bare": (DIFF, FIXED),
    "a diff with wrong numbers": (py(DIFF.replace("-33,5 +33,5", "-12,7 +12,9"), "diff"), FIXED),
    "a diff without headers": (py(f"         subtotal += price\n-{OLD}+{NEW}", "diff"), FIXED),
    "a diff of two lines": (py(f"-{OLD}+{NEW}", "diff"), FIXED),
    "a diff with only its marks": (py(f"@@ ... @@\n-{OLD}+{NEW}", "diff"), FIXED),
    "a diff with git's lines": (
        py(
            "diff --git a/inventory.py b/inventory.py\nindex 1234567..89abcde 100644\n" + DIFF,
            "diff",
        ),
        FIXED,
    ),
    "a diff of another folder": (
        py(DIFF.replace("inventory.py", "src/inventory.py"), "diff"),
        FIXED,
    ),
    "a diff without indentation of its context": (
        py(DIFF.replace("     subtotal = 0", "subtotal = 0"), "diff"),
        FIXED,
    ),
    "a diff, then the function": (py(DIFF, "diff") + "So that it reads:\n" + py(TOTAL), FIXED),
    "a diff that removes a function": (
        py(
            (
                "@@\n-def load(path):\n-    return json.loads(Path(path).read_text())\n"
                "-\n-\n def total_price(prices, rate=TAX_RATE):\n"
            ),
            "diff",
        ),
        FILE.replace("def load(path):\n    return json.loads(Path(path).read_text())\n\n\n", ""),
    ),
    "a search block": ("inventory.py\n" + SEARCH, FIXED),
    "a search block in a fence": ("inventory.py\n" + py(SEARCH), FIXED),
    "a search block of less indentation": (
        "inventory.py\n" + SEARCH.replace("    return", "return"),
        FIXED,
    ),
    "an envelope": (
        "*** Begin Patch\n*** Update File: inventory.py\n"
        "@@ def total_price(prices, rate=TAX_RATE):\n"
        f"         subtotal += price\n-{OLD}+{NEW}*** End Patch\n",
        FIXED,
    ),
    "old and new strings": (
        as_json(command="str_replace", path="inventory.py", old_str=OLD, new_str=NEW),
        FIXED,
    ),
    "old and new strings of an absolute path": (
        as_json(command="str_replace", path="/repo/inventory.py", old_str=OLD, new_str=NEW),
        FIXED,
    ),
    "a tool call in prose": (
        "I will fix it.\n<tool_call>\n"
        + as_json(
            name="edit",
            arguments={
                "file_path": "inventory.py",
                "old_string": OLD.strip(),
                "new_string": NEW.strip(),
            },
        )
        + "\n</tool_call>\n",
        FIXED,
    ),
    "an element": (
        (
            f"<edit>\n<path>inventory.py</path>\n<search>\n"
            f"{OLD}</search>\n<replace>\n{NEW}</replace>\n</edit>\n"
        ),
        FIXED,
    ),
    "code in JSON": (as_json(explanation="adds the tax", code=TOTAL), FIXED),
    "files in JSON": (as_json(files={"inventory.py": FIXED}), FIXED),
    "a list of files in JSON": (as_json(files=[{"path": "inventory.py", "content": FIXED}]), FIXED),
    "a heredoc": ("```bash\ncat > inventory.py <<'EOF'\n" + FIXED + "EOF\n```\n", FIXED),
    "a patch in a heredoc": ("```bash\npatch -p1 <<'EOF'\n" + DIFF + "EOF\n```\n", FIXED),
    "quoted": ("".join(f"> {x}\n" for x in py(TOTAL).split("\n")), FIXED),
    "numbered lines": (
        py("".join(f"{n:3} | {x}\n" for n, x in enumerate(TOTAL.split("\n")[:-1], 32))),
        FIXED,
    ),
    "a page's code": (
        '<p>Fixed:</p>\n<pre><code class="language-python">'
        + TOTAL.replace("<", "&lt;")
        + "</code></pre>\n<p>Done</p>\n",
        FIXED,
    ),
    "cells": (
        "In [1]: import json\n\nIn [2]: def total_price(prices, rate=TAX_RATE):\n"
        + "".join(f"   ...: {x}\n" for x in TOTAL.split("\n")[1:-1]),
        FIXED,
    ),
    "unclosed": ("```python\n" + TOTAL, FIXED),
    "unclosed without its last line end": ("```python\n" + TOTAL.rstrip(), FIXED),
    "windows line ends": (py(TOTAL).replace("\n", "\r\n"), FIXED),
    "a docstring added": (
        py(TOTAL.replace("    subtotal = 0", '    """With tax."""\n    subtotal = 0')),
        FIXED.replace("    subtotal = 0", '    """With tax."""\n    subtotal = 0'),
    ),
    "a guard added": (
        py(
            TOTAL.replace(
                "    subtotal = 0", "    if not prices:\n        return 0\n    subtotal = 0"
            )
        ),
        FIXED.replace("    subtotal = 0", "    if not prices:\n        return 0\n    subtotal = 0"),
    ),
    "another way to write it": (
        py("def total_price(prices, rate=TAX_RATE):\n    return sum(prices) * (1 + rate)\n"),
        FILE.replace(
            FILE[FILE.index("    subtotal = 0") : FILE.index("\n\ndef main")],
            "    return sum(prices) * (1 + rate)\n",
        ),
    ),
    "a new method": (
        py(method("    def count(self):\n        return len(self.items)\n")),
        FILE.replace(
            "        return self.items[name]\n",
            (
                "        return self.items[name]\n\n"
                "    def count(self):\n        return len(self.items)\n"
            ),
        ),
    ),
    "an example under the guard": (
        py(TOTAL + '\n\nif __name__ == "__main__":\n    print(total_price([1, 2]))\n'),
        FIXED,
    ),
    "do not forget the import": (
        py(TOTAL.replace("(1 + rate)", "math.fsum([1, rate])"))
        + "\nDon't forget to import it:\n\n"
        + py("import math\n"),
        FIXED.replace("(1 + rate)", "math.fsum([1, rate])").replace(
            "from pathlib import Path\n", "from pathlib import Path\nimport math\n"
        ),
    ),
    "do not forget the import, above": (
        "Don't forget:\n\n"
        + py("import math\n")
        + "\nThen:\n"
        + py(TOTAL.replace("(1 + rate)", "math.fsum([1, rate])")),
        FIXED.replace("(1 + rate)", "math.fsum([1, rate])").replace(
            "from pathlib import Path\n", "from pathlib import Path\nimport math\n"
        ),
    ),
}


@pytest.mark.parametrize(("reply", "right"), APPLIED.values(), ids=APPLIED.keys())
def test_a_form_that_models_send_is_applied(reply: str, right: str) -> None:
    assert result(reply) == right


def test_comments_and_docstrings_that_a_whole_file_lacks_stay() -> None:
    bare = REMOVED.replace('    """Items by name."""\n\n', "")
    assert result(py(bare)) == REMOVED
    before = FILE.replace('DEFAULT = {"', 'DEFAULT = {\n    # so far\n    "')
    after = before.replace('"limit": 10', '"limit": 20')
    assert result(py(after.replace("    # so far\n", "")), before) == after
    other = FILE.replace("Items by name", "Items")
    assert result(py(other)) == other


def test_a_function_may_end_in_a_bare_if() -> None:
    ends = TOTAL.replace("    return subtotal", "    if prices:\n        return subtotal")
    assert "    if prices:\n        return subtotal * (1 + rate)\n" in result(py(ends))


@pytest.mark.parametrize(
    "reply",
    [
        "<edit><file>a.py</file><old_str>a = 1</old_str><new_str>a = 2</new_str></edit>\n"
        "<edit><file>a.py</file><old_str>b = 1</old_str><new_str>b = 2",
        "<function=edit><parameter=path>a.py</parameter><parameter=old_str>a = 1</parameter>"
        "<parameter=new_str>a = 2</parameter></function><function=edit>"
        "<parameter=path>a.py</parameter><parameter=old_str>b =",
    ],
    ids=["elements", "parameters"],
)
def test_no_edit_is_applied_where_the_reply_ends_inside_the_next_one(reply: str) -> None:
    found = read_patch(reply, {"a.py": "a = 1\nb = 1\n"}, default_file="a.py")
    assert isinstance(found, PatchRefused)
    assert "no end" in found.reason
