"""What the patch engine makes of replies in every format, and what it refuses."""

from __future__ import annotations

import io
import shutil
import subprocess

import pytest
from unidiff import PatchSet

from ml_coach.core.changes import Patch, PatchRefused
from ml_coach.core.patches import apply, make_patch, path_problem, read_patch, rebase, reverse

BEFORE = '''\
import math


def area(radius):
    """The area of a circle."""
    # Squares the radius.
    return 3 * radius ** 2


def circumference(radius):
    """The length around a circle."""
    return 2 * math.pi * radius


class Circle:
    def __init__(self, radius):
        self.radius = radius

    def diameter(self):
        return self.radius
'''
AFTER = BEFORE.replace("3 * radius", "math.pi * radius")
FILES = {"shapes.py": BEFORE}
HUNK = '''\
     """The area of a circle."""
     # Squares the radius.
-    return 3 * radius ** 2
+    return math.pi * radius ** 2
'''


def taken(reply: str, files: dict[str, str] | None = None, **options: str) -> dict[str, str]:
    files = FILES if files is None else files
    patch = read_patch(reply, files, **options)
    assert isinstance(patch, Patch), patch
    result = apply(patch, files)
    assert isinstance(result, dict)
    assert apply(reverse(patch), result) == files
    return result


def refused(reply: str, files: dict[str, str] | None = None, **options: str) -> PatchRefused:
    patch = read_patch(reply, FILES if files is None else files, **options)
    assert isinstance(patch, PatchRefused), patch.text
    assert patch.reason.endswith(".")
    return patch


REPLIES = {
    "unified": f"--- a/shapes.py\n+++ b/shapes.py\n@@ -5,3 +5,3 @@\n{HUNK}",
    "bare hunk header": f"--- a/shapes.py\n+++ b/shapes.py\n@@\n{HUNK}",
    "no header at all": HUNK,
    "prose and fence": "The fix:\n\n```diff\n--- shapes.py\n+++ shapes.py\n@@ @@\n"
    f"{HUNK}```\nDone.",
    "absolute line numbers": f"@@ -905,3 +905,3 @@\n{HUNK}",
    "elided": "@@\n def area(radius):\n...\n-    return 3 * radius ** 2\n"
    "+    return math.pi * radius ** 2\n",
    "envelope": f"*** Begin Patch\n*** Update File: shapes.py\n@@ def area(radius):\n{HUNK}"
    "*** End Patch",
    "search block": "shapes.py\n<<<<<<< SEARCH\n    return 3 * radius ** 2\n=======\n"
    "    return math.pi * radius ** 2\n>>>>>>> REPLACE\n",
    "search block without words": "<<<<<<<\n    return 3 * radius ** 2\n=======\n"
    "    return math.pi * radius ** 2\n>>>>>>>\n",
    "diff-fenced": "```diff\nshapes.py\n<<<<<<< SEARCH\n    return 3 * radius ** 2\n=======\n"
    "    return math.pi * radius ** 2\n>>>>>>> REPLACE\n```",
    "search block outdented": "<<<<<<< SEARCH\nreturn 3 * radius ** 2\n=======\n"
    "return math.pi * radius ** 2\n>>>>>>> REPLACE\n",
    "whole file": f"```python\n{AFTER}```",
    "whole function": 'Use pi:\n```python\ndef area(radius):\n    """The area of a circle."""\n'
    "    # Squares the radius.\n    return math.pi * radius ** 2\n\n\nprint(area(2))\n```\n",
    "diff of another file name": f"--- a/solution.py\n+++ b/solution.py\n@@ -5,3 +5,3 @@\n{HUNK}",
}


@pytest.mark.parametrize("reply", REPLIES.values(), ids=REPLIES.keys())
def test_a_change_is_understood_in_every_format(reply: str) -> None:
    assert taken(reply) == {"shapes.py": AFTER}


def test_a_method_is_found_in_its_class() -> None:
    reply = "```python\ndef diameter(self):\n    return 2 * self.radius\n```"
    after = BEFORE.replace("return self.radius", "return 2 * self.radius")
    assert taken(reply) == {"shapes.py": after}


def test_new_imports_and_functions_go_beside_the_function_that_needs_them() -> None:
    reply = (
        "```python\nfrom fractions import Fraction\n\nTHREE = Fraction(3)\n\n"
        "def area(radius):\n    return THREE * radius ** 2\n```"
    )
    text = taken(reply)["shapes.py"]
    assert text.startswith("import math\nfrom fractions import Fraction\n")
    assert text.index("THREE = Fraction(3)") < text.index("def area")
    assert "def circumference" in text


def test_a_function_with_lines_left_out_is_refused() -> None:
    reply = "```python\ndef area(radius):\n    # ... rest of the code ...\n    return 1\n```"
    assert "leaves out" in refused(reply).reason


@pytest.mark.parametrize(
    "body",
    [
        "# Remaining elements\n    return 3",
        "# 1, 3, 5, ... up to n\n    return 3",
        'return "#" + self.name[:3] + "..."',
        'return """\n# ...\n"""',
    ],
)
def test_a_function_that_only_reads_as_if_lines_were_left_out_is_taken(body: str) -> None:
    reply = f"```python\ndef diameter(self):\n    {body}\n```"
    assert body.splitlines()[0] in taken(reply)["shapes.py"]


@pytest.mark.parametrize(
    "body",
    [
        "# same as before\n    return 1",
        "# your code here\n    pass",
        "return 1\n    # unchanged",
        "# ... keep the existing checks ...\n    return 1",
    ],
)
def test_a_comment_in_the_place_of_code_is_refused(body: str) -> None:
    reply = f"```python\ndef area(radius):\n    {body}\n```"
    assert "leaves out" in refused(reply).reason


def test_a_program_that_does_not_compile_is_repaired_by_a_function() -> None:
    broken = BEFORE.replace("def area(radius):", "def area(radius:")
    reply = "```python\ndef area(radius):\n    return math.pi * radius ** 2\n```"
    text = taken(reply, {"shapes.py": broken})["shapes.py"]
    compile(text, "shapes.py", "exec")
    assert "def circumference" in text


STACK = '''\
class Stack:
    """A stack."""

    def __init__(self):
        self.items = []

    def pop(self):
        raise NotImplementedError

    @property
    def limit(self):
        return 10

    @limit.setter
    def limit(self, value):
        raise NotImplementedError

    class Full(Exception):
        code = 1
        text = "full"
'''
IN_STACK = {
    "a method": (
        "    def pop(self):\n        return self.items.pop()\n",
        ("        raise NotImplementedError", "        return self.items.pop()"),
    ),
    "a method in other indentation": (
        '  def pop(self):\n    return """\n  {}\n"""\n',
        ("        raise NotImplementedError", '        return """\n  {}\n"""'),
    ),
    "a setter": (
        "    @limit.setter\n    def limit(self, value):\n        pass\n",
        ("value):\n        raise NotImplementedError", "value):\n        pass"),
    ),
    "a member of a class in it": (
        "    class Full(Exception):\n        code = 2\n",
        ("code = 1", "code = 2"),
    ),
    "a new method beside another": (
        "    SIZE = 1\n\n    def __init__(self):\n        self.items = [0]\n\n"
        "    def push(self, item):\n        pass\n",
        ("    def __init__(self):\n        self.items = []\n",
         "    SIZE = 1\n\n    def __init__(self):\n        self.items = [0]\n\n"
         "    def push(self, item):\n        pass\n"),
    ),
}  # fmt: skip


@pytest.mark.parametrize("rest", ["", "\n\ndef helper():\n    return Stack()\n"])
@pytest.mark.parametrize(("members", "change"), IN_STACK.values(), ids=IN_STACK.keys())
def test_a_class_with_some_members_changes_these_alone(
    members: str, change: tuple[str, str], rest: str
) -> None:
    before = STACK + rest
    after = before.replace(*change, 1)
    assert taken(f"```python\nclass Stack:\n{members}```", {"m.py": before}) == {"m.py": after}


def test_new_functions_stay_around_a_class_with_some_members() -> None:
    reply = (
        "```python\ndef above():\n    return 1\n\n\nclass Stack:\n    def push(self, item):\n"
        "        pass\n\n\ndef below():\n    return 2\n```"
    )
    above, below = "def above():\n    return 1\n\n\n", "\n\ndef below():\n    return 2\n"
    after = f"{above}{STACK}\n    def push(self, item):\n        pass\n{below}"
    assert taken(reply, {"m.py": STACK}) == {"m.py": after}


def test_new_functions_stay_around_the_class_of_a_bare_method() -> None:
    reply = "```python\nABOVE = 1\n\ndef pop(self):\n    pass\n\ndef below():\n    return 2\n```"
    after = "ABOVE = 1\n\n\n" + STACK.replace("raise NotImplementedError", "pass", 1)
    after += "\n\ndef below():\n    return 2\n"
    assert taken(reply, {"m.py": STACK}) == {"m.py": after}


@pytest.mark.parametrize("members", ["    {}\n\n{}", "{1}\n    {0}\n"])
def test_a_class_may_leave_out_its_other_methods(members: str) -> None:
    pop = "    def pop(self):\n        return self.items.pop()\n"
    shown = members.format("# ... other methods ...", pop)
    after = STACK.replace("raise NotImplementedError", "return self.items.pop()", 1)
    assert taken(f"```python\nclass Stack:\n{shown}```", {"m.py": STACK}) == {"m.py": after}


def test_a_class_with_all_members_is_replaced() -> None:
    after = STACK.replace("self.items = []", "self.items = [0]").replace("A stack.", "Any stack.")
    assert taken(f"```python\n{after}```", {"m.py": STACK}) == {"m.py": after}


@pytest.mark.parametrize("reply", ["A = 5\n\n\ndef f():\n    return A\n", "A = 5\n"])
def test_a_name_that_would_be_lost_is_refused(reply: str) -> None:
    before = "A, B = 1, 2\n\n\ndef f():\n    return A + B\n"
    assert "would lose B" in refused(f"```python\n{reply}```", {"m.py": before}).reason


def test_a_class_of_a_program_that_does_not_compile_loses_no_method() -> None:
    broken = STACK.replace("def pop(self):", "def pop(self:")
    some = "class Stack:\n    def pop(self):\n        return self.items.pop()\n"
    after = STACK.replace("raise NotImplementedError", "return self.items.pop()", 1)
    assert taken(f"```python\n{some}```", {"m.py": broken}) == {"m.py": after}
    assert taken(f"```python\n{STACK}```", {"m.py": broken}) == {"m.py": STACK}


TOP = "#!/usr/bin/env python3\n# License: MIT\n\n"
ONE = "# Adds.\ndef f(x):\n    return x\n\n\n# The end.\n"
GUARD = '\n\nif __name__ == "__main__":\n    f(1)\n'


@pytest.mark.parametrize(
    ("before", "reply", "after"),
    [
        (TOP + ONE, "def f(x):\n    return 2\n", TOP + ONE.replace("return x", "return 2")),
        (TOP + ONE + GUARD, f"# F.\ndef f(x):\n    return 2\n{GUARD}",
         f"{TOP}{ONE.replace('return x', 'return 2')}{GUARD}"),
        (TOP + "def f(x:\n", "def f(x):\n    return 2\n", TOP + "def f(x):\n    return 2\n"),
        (TOP.rstrip(), "def f(x):\n    return 2\n", TOP + "\ndef f(x):\n    return 2"),
    ],
)  # fmt: skip
def test_comments_that_a_reply_lacks_are_kept(before: str, reply: str, after: str) -> None:
    assert taken(f"```python\n{reply}```", {"m.py": before}) == {"m.py": after}


def test_an_import_goes_below_the_comments_at_the_top() -> None:
    before = f"{TOP}def g(x):\n    return x\n\n\ndef f(x):\n    return x\n"
    reply = "```python\nimport math\n\ndef f(x):\n    return math.pi\n```"
    text = taken(reply, {"m.py": before})["m.py"]
    assert text.startswith(f"{TOP}import math\n")


@pytest.mark.parametrize(("above", "below"), [('"""Doc."""\n', ""), ("", GUARD)])
def test_an_example_takes_no_place_of_a_docstring_or_main_guard(above: str, below: str) -> None:
    before = f"{above}def f(x):\n    return x\n{below}"
    reply = "```python\ndef f(x):\n    return 2\n\n\nprint(f(1))\n```"
    assert taken(reply, {"m.py": before}) == {"m.py": before.replace("return x", "return 2")}


def test_line_ends_and_a_missing_last_newline_are_kept() -> None:
    before = BEFORE.replace("\n", "\r\n").removesuffix("\r\n")
    after = AFTER.replace("\n", "\r\n").removesuffix("\r\n")
    for name in ("unified", "search block", "whole function"):
        assert taken(REPLIES[name], {"shapes.py": before}) == {"shapes.py": after}, name


def test_hunks_that_fit_two_places_are_refused() -> None:
    twice = "def f(x):\n    y = x\n    return y\n\n\ndef g(x):\n    y = x\n    return y\n"
    reply = "@@\n     y = x\n-    return y\n+    return y + 1\n"
    problem = refused(reply, {"m.py": twice})
    assert "Hunk 1 fits m.py in more than one way" in problem.reason
    placed = taken(reply.replace("@@", "@@ def g(x):"), {"m.py": twice})["m.py"]
    assert placed == "return y + 1".join(twice.rsplit("return y", 1))
    assert taken(reply.replace("@@", "@@ -7,2 +7,2 @@"), {"m.py": twice})["m.py"] == placed


def test_a_refusal_names_the_hunk() -> None:
    reply = (
        f"--- a/shapes.py\n+++ b/shapes.py\n@@\n{HUNK}@@\n def circumference_of(circle):\n"
        "     total = circle.radius * 2\n-    return total * math.pi\n+    return 0\n"
    )
    assert refused(reply).reason.startswith("Hunk 2 ")


def test_a_result_that_does_not_compile_is_refused() -> None:
    reply = "@@\n-    return 3 * radius ** 2\n+    return (3 * radius ** 2\n"
    assert "not compile" in refused(reply).reason


def test_a_function_nobody_removed_is_not_lost() -> None:
    """The elision would swallow a function if it stood for removed lines."""
    reply = "```python\nimport math\n\ndef area(radius):\n    return math.pi * radius ** 2\n```"
    assert "def circumference" in taken(reply)["shapes.py"]


def test_a_file_is_never_emptied() -> None:
    reply = "@@\n" + "".join(f"-{line}\n" for line in BEFORE.splitlines())
    assert "nothing" in refused(reply).reason


def test_files_are_created_deleted_and_renamed() -> None:
    created = "--- /dev/null\n+++ b/lib/new.py\n@@ -0,0 +1,2 @@\n+def one():\n+    return 1\n"
    assert taken(created) == {**FILES, "lib/new.py": "def one():\n    return 1\n"}
    deleted = "--- a/shapes.py\n+++ /dev/null\n@@ -1,{} +0,0 @@\n"
    deleted = deleted.format(BEFORE.count("\n")) + "".join(f"-{x}\n" for x in BEFORE.splitlines())
    assert taken(deleted) == {}
    assert "does not show its text" in refused(deleted.replace("-import math", "-import os")).reason
    renamed = (
        "diff --git a/shapes.py b/round.py\nsimilarity index 90%\n"
        f"rename from shapes.py\nrename to round.py\n--- a/shapes.py\n+++ b/round.py\n@@\n{HUNK}"
    )
    assert taken(renamed) == {"round.py": AFTER}
    head = "*** Begin Patch\n*** Update File: shapes.py\n*** Move to: round.py\n@@\n"
    assert taken(f"{head}{HUNK}*** End Patch") == {"round.py": AFTER}
    added = "*** Begin Patch\n*** Add File: new.py\n+x = 1\n*** End Patch\n"
    assert taken(added) == {**FILES, "new.py": "x = 1\n"}


def test_all_files_change_or_none() -> None:
    files = {"a.py": "x = 1\n", "b.py": "y = 1\n"}
    one = "--- a/a.py\n+++ b/a.py\n@@\n-x = 1\n+x = 2\n"
    both = one + "--- a/b.py\n+++ b/b.py\n@@\n-{} = 1\n+y = 2\n"
    assert taken(both.format("y"), files) == {"a.py": "x = 2\n", "b.py": "y = 2\n"}
    assert refused(both.format("zebra"), files).reason.startswith("Hunk 2 ")


def test_a_diff_without_a_name_goes_to_the_file_that_has_its_lines() -> None:
    files = {"other.py": "z = 0\n", **FILES}
    assert taken(HUNK, files) == {"other.py": "z = 0\n", "shapes.py": AFTER}


@pytest.mark.parametrize(
    "file",
    [
        "../x.py",
        "a/../../x.py",
        "/etc/passwd",
        "C:/x.py",
        "C:x",
        "a\\..\\x.py",
        "\\\\host\\x",
        ".git/config",
        "a/.GIT/hooks/x",
        ".git./config",
        ".gi\u200ct/config",
        "git~1/config",
        ".hg/hgrc",
        "~/.bashrc",
        "a//b.py",
        "./a/./b",
        "x.py:stream",
        "nul",
        "aux.py",
        "a\x00b",
        "",
        " ",
        "a /b",
        "x" * 2000,
        "\ud800.py",
    ],
)
def test_unsafe_names_are_refused_with_a_sentence(file: str) -> None:
    assert path_problem(file).endswith(".")
    created = f"*** Begin Patch\n*** Add File: {file}\n+x = 1\n*** End Patch\n"
    assert isinstance(read_patch(created, FILES), PatchRefused)


@pytest.mark.parametrize(
    "file", ["a.py", "src/a b.py", ".gitignore", ".github/x.yml", "ü/é.py", "..a/b"]
)
def test_ordinary_names_are_taken(file: str) -> None:
    assert not path_problem(file)


@pytest.mark.parametrize(
    "reply", ["", "   \n", "I cannot fix this.", "```\n```", "@@\n@@\n", "+++ b/\n"]
)
def test_replies_without_a_change_are_refused(reply: str) -> None:
    refused(reply)


def test_what_already_reads_so_is_not_a_patch() -> None:
    refused(f"```python\n{BEFORE}```")


def test_rebase_keeps_what_changed_meanwhile() -> None:
    patch = make_patch({"shapes.py": BEFORE}, {"shapes.py": AFTER})
    edited = BEFORE.replace("import math", "import math\nimport sys")
    edited = edited.replace("2 * math", "2.0 * math")
    moved = rebase(patch, {"shapes.py": edited})
    assert isinstance(moved, Patch)
    assert apply(moved, {"shapes.py": edited}) == {
        "shapes.py": edited.replace("3 * radius", "math.pi * radius")
    }


def test_rebase_refuses_a_conflict() -> None:
    patch = make_patch({"shapes.py": BEFORE}, {"shapes.py": AFTER})
    edited = BEFORE.replace("3 * radius", "3.14 * radius")
    problem = rebase(patch, {"shapes.py": edited})
    assert isinstance(problem, PatchRefused)
    assert "Change 1 touches lines of shapes.py" in problem.reason
    assert rebase(patch, {"shapes.py": AFTER}) == Patch((), "")
    assert isinstance(rebase(patch, {}), PatchRefused)


def test_apply_takes_only_the_text_it_was_made_for() -> None:
    patch = make_patch({"shapes.py": BEFORE}, {"shapes.py": AFTER})
    assert apply(patch, FILES) == {"shapes.py": AFTER}
    assert isinstance(apply(patch, {"shapes.py": AFTER}), PatchRefused)
    assert isinstance(apply(patch, {}), PatchRefused)
    outside = make_patch({}, {"../x.py": "x = 1\n"})
    assert isinstance(apply(outside, {}), PatchRefused)


TEXTS = {
    "plain": ("a\nb\nc\n", "a\nB\nc\n"),
    "newline lost": ("a\nb\n", "a\nb"),
    "newline won": ("a\nb", "a\nb\n"),
    "CRLF": ("a\r\nb\r\n", "a\r\nc\r\n"),
    "created": (None, "a\n"),
    "created empty": (None, ""),
    "created without newline": (None, "a"),
    "deleted": ("a\nb\n", None),
    "deleted empty": ("", None),
    "filled": ("", "a\n"),
    "emptied": ("a\n", ""),
    "far apart": ("".join(f"{n}\n" for n in range(40)), "".join(f"{n % 37}\n" for n in range(40))),
    "form feed": ("a\x0cb\nc\n", "a\x0cb\nd\n"),
    "separators": ("a\u2028b\nc\n", "a\u2028b\nd\n"),
}


@pytest.mark.parametrize("name", ["one.py", "dir/a b.py", "é.py"])
@pytest.mark.parametrize(("before", "after"), TEXTS.values(), ids=TEXTS.keys())
@pytest.mark.skipif(not shutil.which("git"), reason="git is not installed")
def test_git_and_unidiff_take_the_canonical_text(tmp_path, before, after, name: str) -> None:
    patch = make_patch({name: before}, {name: after})
    parsed = PatchSet(io.StringIO(patch.text, newline="\n"))
    assert len(parsed) == 1
    assert parsed[0].is_added_file or before is not None
    assert parsed[0].is_removed_file or after is not None
    place = tmp_path / name
    place.parent.mkdir(exist_ok=True)
    if before is not None:
        place.write_bytes(before.encode())
    subprocess.run(
        ["git", "apply", "-"],
        cwd=tmp_path,
        input=patch.text.encode(),
        check=True,
        env={"GIT_CEILING_DIRECTORIES": str(tmp_path.parent), "PATH": "/usr/bin:/bin"},
    )
    assert (place.read_bytes().decode() if place.exists() else None) == after
