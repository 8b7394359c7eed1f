"""The form in which tests are asked for: it fits the shape of what is tested.

A plain function is asked about with single asserts (see test_writer.py). Everything else takes
several statements, files, a fixture, or a call around the call.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from ml_coach.core.examples.shape import Shape
from ml_coach.core.types import Spec

MOST_TOKENS = 400  # of the small tests below; a few words more than four of them take
# A small model copies placeholders, so the form shows contents that mean something.
_CONTENTS = '"first line\\nsecond line\\n"'
_BODY = r"""
rest ::= [^\n]+ "\n"
name ::= [a-z_] [a-z0-9_]*
step ::= "    " ("(tmp_path" | "with open(" | name (" = " | "." | "(")) rest
raises ::= "    with pytest.raises(" [A-Z] [A-Za-z]+ "):\n        " [a-z_] rest
assert ::= "    " ("assert " | "np.testing.assert_" | "pd.testing.assert_") rest
"""
_HELPER = r"""
helper ::= "    async def " name "(" [^\n)]* "):\n" ("        " rest){1,3}
"""


@dataclass(frozen=True, slots=True)
class Form:
    """What the test writer is shown: the `form` with `notes` below it, and the grammar of a small
    model's reply. A `single` form has one statement for each test."""

    form: str
    notes: str
    grammar: str
    single: bool = False


def form_of(spec: Spec, shape: Shape) -> Form | None:
    """The form for tests of `spec`; None where single asserts about one function are enough."""
    needs_steps = shape.is_async or shape.uses_files or shape.prints or shape.packages
    if shape.kind == "function" and not needs_steps:
        return None if _is_one(spec, shape) else _asserts(spec, shape)
    fixtures = _fixtures(shape)
    steps = [*_files(shape), *_objects(spec, shape)]
    lines = [
        f"def test_1({fixtures}):",
        *(f"    {line}" for line in (*steps, *_check(spec, shape))),
    ]
    helper = "helper? " if shape.is_async else ""
    grammar = (
        'root ::= "```python\\n"? test{3,4} "```"?\n'
        f'test ::= "def test_" [1-9] "({fixtures}):\\n" {helper}(step | raises | assert){{0,7}} '
        '(assert | raises) "\\n"\n'
    )
    grammar += _BODY + (_HELPER if helper else "")
    return Form("\n".join(lines), " ".join(_notes(shape)), grammar)


def _is_one(spec: Spec, shape: Shape) -> bool:
    return shape.is_plain and (len(spec.names) < 2 or bool(spec.stub))


def _asserts(spec: Spec, shape: Shape) -> Form:
    """Single asserts about several functions, or about what gives its items one by one."""
    names = spec.names or ("function",)
    call = "list({}(...))" if shape.is_lazy else "{}(...)"
    lines = [f"assert {call.format(name)} == ..." for name in names]
    lead = '"assert "'
    notes = ""
    if shape.is_lazy:
        lead = '"assert " ("list(" | "next(")'
        lines.append(f"assert list(islice({names[0]}(count()), 3)) == ...")
        notes = "Of an endless iterator take the first items with `islice`."
    most = 4 if len(names) < 2 else 6
    grammar = (
        f'root ::= "```python\\n"? line{{3,{most}}} "```"?\n'
        f"line ::= {lead} rest | raises\n"
        'rest ::= [^\\n]+ "\\n"\n'
        'raises ::= "with pytest.raises(" [A-Z] [A-Za-z]+ "):\\n    " [a-z_] rest\n'
    )
    return Form("\n".join(lines), notes, grammar, single=True)


def _fixtures(shape: Shape) -> str:
    if shape.kind == "script":
        return "run, tmp_path" if shape.uses_files else "run"
    wanted = (("tmp_path", shape.uses_files), ("capsys", shape.prints))
    return ", ".join(name for name, is_wanted in wanted if is_wanted)


def _files(shape: Shape) -> list[str]:
    if not shape.uses_files:
        return []
    if shape.kind == "script":
        return [f'(tmp_path / "input.txt").write_text({_CONTENTS})']
    return ['path = tmp_path / "input.txt"', f"path.write_text({_CONTENTS})"]


def _objects(spec: Spec, shape: Shape) -> list[str]:
    if shape.kind == "script":
        given = '["input.txt"]' if shape.uses_files else f"[], stdin={_CONTENTS}"
        return [f"result = run({given})"]
    if shape.kind == "class":
        made = f"thing = {_constructed(spec)}"
        act = "run_async(thing.method(...))" if shape.is_async else "thing.method(...)"
        return [made, act]
    return []


def _check(spec: Spec, shape: Shape) -> list[str]:
    if shape.kind == "script":
        return ['assert result.stdout == "2\\n"', "assert result.code == 0"]
    call = (
        "thing.method(...)"
        if shape.kind == "class"
        else f"{_first(spec)}({_arguments(spec, shape)})"
    )
    if shape.is_async:
        call = f"run_async({call})"
    if shape.prints:
        return [call, 'assert capsys.readouterr().out == "...\\n"']
    if "numpy" in shape.packages:
        return [f"np.testing.assert_allclose({call}, ...)"]
    if "pandas" in shape.packages:
        return [f"pd.testing.assert_frame_equal({call}, ...)"]
    return [f"assert {call} == ..."]


def _notes(shape: Shape) -> list[str]:
    notes: list[str] = []
    if shape.kind == "script":
        notes.append(
            '`run(arguments, stdin="")` runs the script in the folder `tmp_path` with a list of '
            "arguments and options; it gives `result.stdout`, `result.stderr` and `result.code`. "
            "The test above is for a script that counts lines; write yours for this task."
        )
    if shape.kind == "class":
        notes.append(
            "Each test makes its own object, calls methods and checks what they give. The "
            "constructor takes what the description names for it, and nothing else."
        )
    if shape.uses_files:
        notes.append("Each test writes the files that it needs, with contents of its own.")
    if shape.prints:
        notes.append("`capsys.readouterr().out` is what was printed since it was last read.")
    if shape.is_async:
        notes.append(
            "`run_async(c)` runs a coroutine and gives its result; `job(value)` is a coroutine "
            "that gives `value`, or raises it where it is an error."
        )
    return notes


def _first(spec: Spec) -> str:
    return spec.names[0] if spec.names else "function"


def _class_name(spec: Spec) -> str:
    return next((name for name in spec.names if name[:1].isupper()), _first(spec))


def _constructed(spec: Spec) -> str:
    """How the prompt makes an object, or a call without arguments where it does not say."""
    name = _class_name(spec)
    written = re.search(rf"\b{re.escape(name)}\([^()\n]*\)", spec.prompt)
    return written[0] if written else f"{name}()"


def _arguments(spec: Spec, shape: Shape) -> str:
    if not shape.uses_files:
        return "..."
    has_more = any(text.startswith(f"{_first(spec)}(") and "," in text for text in spec.signatures)
    return "path, ..." if has_more else "path"
