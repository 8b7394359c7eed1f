"""Spec → Suite. It never sees the code: a test writer that does repeats the code's mistakes.

A small model is asked for single asserts, which it gets right more often than whole test files;
a large one writes a pytest file. What single asserts cannot test has a form of its own
(test_forms.py).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

from ml_coach.core.agents.coder import details_text, task_text
from ml_coach.core.agents.guessed_tests import read_guessed, stated
from ml_coach.core.agents.model_client import ModelClient
from ml_coach.core.agents.suite_assembly import assemble, import_line, imported
from ml_coach.core.agents.templates import render
from ml_coach.core.agents.test_forms import MOST_TOKENS as MOST_FORM_TOKENS
from ml_coach.core.agents.test_forms import form_of
from ml_coach.core.examples import Shape, shape_of
from ml_coach.core.ports import Call, Message, Profile
from ml_coach.core.sanitizer import Refused
from ml_coach.core.types import Spec, Suite

TRIES = 2
# A small model goes on behind the four asserts that it was asked for, and only repeats itself: half
# of its replies would end at the limit alone.
MOST_TOKENS = 180
ASSERTS = r"""
root ::= "```python\n"? line{1,4} "```"?
line ::= "assert " [^\n]+ "\n"
"""


@dataclass(frozen=True, slots=True)
class TestWriterResult:
    """A suite and what was done to the reply to get it."""

    __test__ = False  # pytest collects classes named Test*

    suite: Suite
    done: tuple[str, ...]


async def write_tests(
    model_client: ModelClient,
    spec: Spec,
    profile: Profile,
    module: str,
    tests_file: str,
    refused: Callable[[str], None],
) -> TestWriterResult:
    """The given examples as tests, and the model's own behind them. They import the program as
    `module`.

    Where the model writes nothing usable the suite holds the given tests alone; it is empty
    (no test function) only where there is neither. `refused` is called with the reason of each
    reply that could not be used. Raises `BudgetSpent` and `ModelError`.
    """
    shape = shape_of(spec)
    call, single = _first_call(spec, shape, profile, module)
    for _ in range(TRIES):
        reply = await model_client.ask(call)
        spec = replace(spec, stated=spec.stated + stated(reply.text, spec))
        guessed = read_guessed(reply.text, spec, shape, single=single)
        if not isinstance(guessed, Refused):
            source, done = guessed
            suite = assemble(spec, module, tests_file, source)
            return TestWriterResult(suite, done)
        refused(guessed.reason)
        again = Message("user", f"{guessed.reason} Reply with the tests only.")
        call = replace(call, messages=(*call.messages[:2], Message("assistant", reply.text), again))
    return TestWriterResult(assemble(spec, module, tests_file, ""), ())


def _first_call(spec: Spec, shape: Shape, profile: Profile, module: str) -> tuple[Call, bool]:
    """What the test writer is asked, and whether it is asked for single asserts."""
    is_small = profile.edit_format == "function"
    fields = {"task": task_text(spec), "details": details_text(spec)}
    # Tests that are whole can be used also where the reply was cut behind them.
    if form := form_of(spec, shape):
        number = "4 tests" if is_small else "6 to 8 tests"
        messages = render("forms", **fields, number=number, form=form.form, notes=form.notes)
        most = MOST_FORM_TOKENS if is_small else profile.max_tokens
        grammar = form.grammar if is_small else ""
        call = Call("test_writer", messages, max_tokens=most, grammar=grammar, may_be_cut=True)
        return call, form.single
    messages = render(
        "asserts" if is_small else "tests",
        **fields,
        module=module,
        importing=import_line(module, imported(spec)),
        name=spec.names[0] if spec.names else "function",
    )
    return Call(
        "test_writer",
        messages,
        max_tokens=MOST_TOKENS if is_small else profile.max_tokens,
        grammar=ASSERTS if is_small else "",
        may_be_cut=True,
    ), is_small
