"""Replies in the forms that models send for a program: the right one is taken, or none."""

from __future__ import annotations

import json

import pytest

from ml_coach.core.sanitizer import Sanitized, sanitize

GOOD = '''\
def dedupe(items):
    """The items, each once."""
    seen = set()
    result = []
    for item in items:
        if item not in seen:
            seen.add(item)
            result.append(item)
    return result
'''
BAD = "def dedupe(items):\n    return list(set(items))\n"
SHORT = "def dedupe(items):\n    return list(dict.fromkeys(items))\n"
STUB = "def dedupe(items):\n    ...\n"
CHECK = "assert dedupe([3, 1, 3, 2, 1]) == [3, 1, 2]"
BODY = GOOD.partition('"""\n')[2]


def py(text: str, tag: str = "python") -> str:
    return f"```{tag}\n{text.rstrip()}\n```\n"


def taken(reply: str, stub: str = STUB) -> str:
    """The program that is read, empty where the reply is refused."""
    found = sanitize(reply, names=("dedupe",), stub=stub)
    return found.source if isinstance(found, Sanitized) else ""


def works(source: str, check: str = CHECK) -> bool:
    space: dict[str, object] = {"__name__": "program"}
    exec(source, space)
    exec(check, space)
    return True


def as_json(**fields: object) -> str:
    return json.dumps(fields, indent=2)


TESTS = "from solution import dedupe\n\n\ndef test_dedupe():\n    assert dedupe([1, 1]) == [1]\n"
READ = {
    "a fence": "Sure! Here is the code:\n\n" + py(GOOD),
    "no fence": GOOD,
    "between sentences": f"Here is the function:\n\n{GOOD}\nIt runs in O(n).\n",
    "a tilde fence": f"~~~python\n{GOOD}~~~\n",
    "a fence without a tag": py(GOOD, ""),
    "unclosed": "```python\n" + GOOD,
    "unclosed, without its last line end": "```python\n" + GOOD.rstrip(),
    "with a file name": py("# dedupe.py\n" + GOOD),
    "thoughts, then code": f"<think>\n{py(BAD)}\nBut order...\n</think>\n{py(GOOD)}",
    "a lone closing tag": f"Let me think.\n{py(BAD)}\n</think>\n{py(GOOD)}",
    "a common mistake below": py(GOOD) + "A common mistake is:\n" + py(BAD),
    "a pitfall below": py(GOOD) + "\n### Pitfalls\n\nThis loses the order:\n\n" + py(BAD),
    "do not, below": py(GOOD) + "\nDon't use this, which loses the order:\n" + py(BAD),
    "what does not work, below": py(GOOD) + "\nThis does not work:\n" + py(BAD),
    "what not to do, below": py(GOOD) + "\nWhat not to do:\n" + py(BAD),
    "a temptation below": py(GOOD) + "\nYou may be tempted to write\n" + py(BAD) + "but no.\n",
    "wrong, then right": "❌ Wrong:\n" + py(BAD) + "✅ Right:\n" + py(GOOD),
    "right, then wrong": "✅ Right:\n" + py(GOOD) + "❌ Wrong:\n" + py(BAD),
    "good, then bad": "Good:\n" + py(GOOD) + "Bad:\n" + py(BAD),
    "naive, then better": "A naive version:\n" + py(BAD) + "Better:\n" + py(GOOD),
    "your code first": "Your code:\n" + py(BAD) + "loses the order. Use this:\n" + py(GOOD),
    "two good ones": py(GOOD) + "\nOr shorter:\n" + py(SHORT),
    "tests below": py(GOOD) + "\nTests:\n" + py(TESTS),
    "tests in it": py(GOOD + "\n\n" + TESTS.replace("from solution import dedupe\n\n\n", "")),
    "asserts in it": py(GOOD + "\n\nassert dedupe([]) == [1]\n"),
    "prints in it": py(GOOD + "\n\nprint(dedupe([1, 1]))\n"),
    "an example below": py(GOOD) + "Usage:\n" + py("print(dedupe([1, 1]))\n# [1]\n"),
    "output below": py(GOOD) + "Output:\n```\n[3, 1, 2]\n```\n",
    "an install line above": "```bash\npip install nothing\n```\n" + py(GOOD),
    "a main that asks": py(
        GOOD + '\n\nif __name__ == "__main__":\n    print(dedupe(input().split()))\n'
    ),
    "a main at the top level": py(GOOD + "\n\nitems = input().split()\nprint(dedupe(items))\n"),
    "JSON with code": as_json(language="python", code=GOOD, explanation="x"),
    "JSON in a fence": py(as_json(code=GOOD), "json"),
    "JSON with files": as_json(files={"dedupe.py": GOOD}),
    "JSON with a fence in it": as_json(answer="Here:\n" + py(GOOD)),
    "a tool call": as_json(name="write_file", arguments={"path": "dedupe.py", "content": GOOD}),
    "an element": f'<file path="dedupe.py">\n{GOOD}</file>\n',
    "a heredoc": py(f"cat > dedupe.py <<'EOF'\n{GOOD}EOF\npython dedupe.py", "bash"),
    "python from a heredoc": py(f"python - <<'PY'\n{GOOD}print(dedupe([1]))\nPY", "bash"),
    "python3 from a heredoc": f"python3 <<'PY'\n{GOOD}PY\n",
    "a page": f'<p>Code:</p>\n<pre><code class="language-python">{GOOD}</code></pre>\n<p>.</p>',
    "cells": "In [1]: def dedupe(items):\n"
    + "".join(f"   ...: {line}\n" for line in SHORT.split("\n")[1:-1])
    + "\nIn [2]: dedupe([1, 1])\nOut[2]: [1]\n",
    "plain cells": "In [1]: import math\n\nIn [2]: def dedupe(items):\n"
    + "".join(f"   ...: {line}\n" for line in SHORT.split("\n")[1:-1]),
    "a session": ">>> def dedupe(items):\n"
    + "".join(f"... {line}\n" for line in SHORT.split("\n")[1:-1])
    + "...\n>>> dedupe([1, 1])\n[1]\n",
    "a body": py(BODY),
    "a body without its indentation": py("\n".join(x[4:] for x in BODY.split("\n"))),
    "a method of Solution": py(
        "class Solution:\n"
        + "".join(f"    {x}\n" for x in SHORT.replace("(", "(self, ", 1).split("\n"))
    ),
    "another spelling": py(SHORT.replace("dedupe", "deDupe")),
    "an import apart": py("from collections import OrderedDict\n")
    + "Then:\n"
    + py(SHORT.replace("dict.", "OrderedDict.")),
    "do not forget the import": py(SHORT.replace("dict.", "OrderedDict."))
    + "Don't forget:\n"
    + py("from collections import OrderedDict\n"),
    "a helper apart": py("def once(items):\n    return dict.fromkeys(items)\n")
    + "and\n"
    + py(SHORT.replace("dict.fromkeys", "once")),
    "a stub, then code": "Signature:\n" + py(STUB) + "Implementation:\n" + py(GOOD),
    "numbered lines": py("".join(f"{n}: {x}\n" for n, x in enumerate(GOOD.split("\n")[:-1], 1))),
    "a diff of a new file": py(
        "--- /dev/null\n+++ b/dedupe.py\n@@ -0,0 +1,2 @@\n"
        + "".join(f"+{x}\n" for x in SHORT.split("\n")[:-1]),
        "diff",
    ),
    "typed quotes": py(GOOD.replace('"""', "“““").replace("“““", '"""')),
    "hard spaces": py(GOOD.replace("    ", "\u00a0\u00a0\u00a0\u00a0")),
    "tabs": py(GOOD.replace("    ", "\t")),
    "windows line ends": py(GOOD).replace("\n", "\r\n"),
    "in a list": "1. The code:\n\n   " + py(GOOD).replace("\n", "\n   ") + "\n2. Done.\n",
    "quoted": "".join(f"> {line}\n" for line in py(GOOD).split("\n")),
    "an inner fence": py(
        GOOD.replace("each once.", "each once.\n\n    ```\n    dedupe([1])\n    ```\n    ")
    ),
    "a final channel": f"<|channel|>analysis<|message|>{BAD}<|end|>"
    f"<|channel|>final<|message|>{py(GOOD)}",
    "ignores its parameter for now": py(GOOD + "\n\ndef version(_):\n    # fixed\n    return 1\n"),
}
UNSURE = {
    "a body with strange names": py(
        "    out = []\n    for x in values:\n        out.append(x)\n    return out\n"
    ),
    "only tests": py(TESTS),
    "only usage": py("from solution import dedupe\n\nprint(dedupe([1, 1]))\n"),
    "a stub": py(STUB),
    "a comment for a body": py("def dedupe(items):\n    # your code here\n    pass\n"),
    "a rest left out": py(
        "def dedupe(items):\n    seen = set()\n    # ... rest of the code ...\n    return seen\n"
    ),
    "another function": py(
        "def unique(items):\n    return items\n\n\ndef other():\n    return 1\n"
    ),
    "prose": "You can keep a set of what was seen and append what is new.",
    "thoughts alone": f"<think>\n{py(BAD)}\n",
    "a question": "Should the order be kept?",
    "another language": "```js\nfunction dedupe(items) { return [...new Set(items)] }\n```\n",
    "cut within a line": "```python\n" + GOOD[: GOOD.index(" not in")],
    "cut after the head": "```python\ndef dedupe(items):\n",
    "not implemented": py("def dedupe(items):\n    raise NotImplementedError\n"),
    "a broken line": py(GOOD.replace("result = []", "result = [")),
    "dots for a value": py("def dedupe(items):\n    seen = ...\n    return list(seen)\n"),
    "a call of itself alone": py("def dedupe(items):\n    ...\n\n\nprint(dedupe([1]))\n"),
}


@pytest.mark.parametrize("reply", READ.values(), ids=READ.keys())
def test_a_form_that_models_send_is_read(reply: str) -> None:
    assert works(taken(reply))


@pytest.mark.parametrize("reply", UNSURE.values(), ids=UNSURE.keys())
def test_a_reply_that_holds_no_whole_program_is_refused(reply: str) -> None:
    assert taken(reply) == ""
