"""Replies that can be misread, against one file: each is refused, whatever its form."""

from __future__ import annotations

import pytest
from test_patch_forms import (
    DIFF,
    FIXED,
    NEW,
    OLD,
    REFUSED,
    REMOVE,
    SEARCH,
    TOTAL,
    WRONG,
    method,
    py,
    result,
)

DOUBTFUL = {
    "a reversed diff": py(
        DIFF.replace(
            "-    return subtotal * rate\n+    return subtotal * (1 + rate)",
            "-    return subtotal * (1 + rate)\n+    return subtotal * rate",
        ),
        "diff",
    ),
    "a reversed diff, in full": py(
        "\n".join(
            {"-": "+", "+": "-"}.get(x[:1], x[:1]) + x[1:] if x[:3] not in ("---", "+++") else x
            for x in DIFF.split("\n")
        ),
        "diff",
    ),
    "a renamed function": py(TOTAL.replace("total_price", "compute_total_price")),
    "dots for a value": py(TOTAL.replace("subtotal = 0", "subtotal = ...")),
    "a renamed method": py(method(REMOVE.replace("def remove", "def take_out"))),
    "a renamed method that binds nothing": py(
        "class Inventory:\n    def put(self, name, count):\n        if count < 0:\n"
        '            raise ValueError("count")\n'
        "        self.items[name] = self.items.get(name, 0) + count\n"
    ),
    "a renamed function and its call": py(
        TOTAL.replace("total_price", "total") + "\n\nprint(total([1]))\n"
    ),
    "an example main": py(TOTAL + "\n\ndef main():\n    print(total_price([1, 2]))\n\n\nmain()\n"),
    "an example main with a guard": py(
        TOTAL
        + (
            "\n\ndef main():\n    assert total_price([1]) == 1.2\n"
            '    print("ok")\n\n\nif __name__ == "__main__":\n    main()\n'
        )
    ),
    "cut within the last line": "```python\n" + TOTAL[: TOTAL.index(" * (1")],
    "cut after the loop": "```python\n" + TOTAL[: TOTAL.index("    return")],
    "cut within the loop": "```python\n" + TOTAL[: TOTAL.index("    return")].rstrip(),
    "a body alone with strange names": py(
        "    amount = 0\n    for item in items:\n        amount += item.price\n    return amount\n"
    ),
    "a name that nothing defines": py(TOTAL.replace("(1 + rate)", "math.fsum([1, rate])")),
    "a type that nothing imports": py(TOTAL.replace("prices, rate", "prices: List[float], rate")),
    "a helper that nothing defines": py(TOTAL.replace("(1 + rate)", "tax_factor(rate)")),
    "an undefined name in a diff": py(DIFF.replace("(1 + rate)", "math.fsum([1, rate])"), "diff"),
    "an undefined name in a search block": "inventory.py\n"
    + SEARCH.replace("(1 + rate)", "tax_factor(rate)"),
    "a second return": py(
        f"@@\n         subtotal += price\n+{NEW}     return subtotal * rate\n", "diff"
    ),
    "a return above": py(
        "@@\n     subtotal = 0\n+    return sum(prices) * (1 + rate)\n     for price in prices:\n",
        "diff",
    ),
    "two options": "**Option 1**\n" + py(TOTAL) + "**Option 2**\n" + py(WRONG),
    "two versions in a row": py(WRONG) + "\n" + py(TOTAL),
    "a method as a function": py(
        REMOVE.replace("self, ", "")
        .replace("    def", "def")
        .replace("        ", "    ")
        .replace("self.", "")
    ),
    "a function in a class": py(
        "class Solution:\n"
        + "".join(f"    {x}\n" for x in TOTAL.replace("(prices", "(self, prices").split("\n")[:-1])
    ),
    "a line alone": "Change the last line to\n" + py(NEW),
    "only tests": py(
        "from inventory import total_price\n\n\n"
        "def test_total():\n    assert total_price([1]) == 1.2\n"
    ),
    "an emptied function": py(
        TOTAL + "\n\ndef load(path):\n    ...\n\n\ndef main():\n    pass\n"
    ).replace(TOTAL, ""),
    "a body left out": py(
        "def total_price(prices, rate=TAX_RATE):\n"
        "    # same as before\n    return subtotal * (1 + rate)\n"
    ),
    "a diff that fits nowhere": py(
        "@@ -1,3 +1,3 @@\n def price(x):\n-    return x\n+    return 2 * x\n", "diff"
    ),
    "only a shell command": "```bash\nsed -i 's/\\* rate/* (1 + rate)/' inventory.py\n```\n",
    "prose": "You should multiply by (1 + rate) in `total_price`.",
    "an inserted def within another": py(
        (
            "@@\n     subtotal = 0\n+def total_price(prices, rate=TAX_RATE):\n"
            "+    subtotal = 0\n     for price in prices:\n"
        ),
        "diff",
    ),
    "a class for a function": py("class total_price:\n    pass\n"),
    "a whole file with an example below": py(FIXED + "\n\nprint(total_price([1, 2]))\n"),
    "a search block without its end": f"inventory.py\n<<<<<<< SEARCH\n{OLD}=======\n    return sub",
    "a field that nothing sets any more": (
        "inventory.py\n<<<<<<< SEARCH\n        self.items =\n=======\n        self.stock =\n"
        ">>>>>>> REPLACE\n"
    ),
    "a loop twice": py(
        (
            "@@\n     subtotal = 0\n+    for price in prices:\n+        subtotal += price\n"
            "     for price in prices:\n         subtotal += price\n"
        ),
        "diff",
    ),
}


@pytest.mark.parametrize("reply", DOUBTFUL.values(), ids=DOUBTFUL.keys())
def test_a_reply_in_doubt_is_refused(reply: str) -> None:
    assert result(reply) == REFUSED
