"""Spec → Suite. It never sees the code: a test writer that does repeats the code's mistakes.

A small model is asked for single asserts, which it gets right more often than whole test files;
a large one writes a pytest file. What single asserts cannot test has a form of its own
(test_forms.py).
"""

from __future__ import annotations

from dataclasses import replace

from ml_coach.core.agents.coder import details_text, task_text
from ml_coach.core.agents.guessed_tests import read_guessed, stated
from ml_coach.core.agents.suite_assembly import assemble, import_line, imported
from ml_coach.core.agents.team import Team
from ml_coach.core.agents.templates import bullets, render
from ml_coach.core.agents.test_forms import MOST_TOKENS as MOST_FORM_TOKENS
from ml_coach.core.agents.test_forms import form_of
from ml_coach.core.events import SuiteWritten
from ml_coach.core.examples import Shape, shape_of
from ml_coach.core.ports import Call, Message, Profile
from ml_coach.core.request import Request
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


async def write_tests(team: Team) -> Suite:
    """The given examples as tests, and the model's own behind them. They import the program.

    Where the model writes nothing usable the suite holds the given tests alone; it is empty
    (no test function) only where there is neither. Raises `BudgetSpent` and `ModelError`.
    """
    spec, request = team.spec, team.request
    source, done = "", ()
    shape = shape_of(spec)
    call, single = _first_call(spec, shape, team.profile, request)
    for _ in range(TRIES):
        reply = await team.model_client.ask(call)
        spec = replace(spec, stated=spec.stated + stated(reply.text, spec))
        guessed = read_guessed(reply.text, spec, shape, single=single)
        if not isinstance(guessed, Refused):
            source, done = guessed
            break
        team.refuse("test_writer", guessed.reason)
        again = Message("user", f"{guessed.reason} Reply with the tests only.")
        call = replace(call, messages=(*call.messages[:2], Message("assistant", reply.text), again))
    suite = assemble(spec, request.module, request.tests_file, source)
    team.emit(SuiteWritten(suite, done))
    return suite


def _first_call(spec: Spec, shape: Shape, profile: Profile, request: Request) -> tuple[Call, bool]:
    """What the test writer is asked, and whether it is asked for single asserts."""
    is_small = profile.edit_format == "function"
    new = bullets("Test this above all, which is new:", (request.follow_up,))
    details = details_text(spec) + (new if request.follow_up else "")
    fields = {"task": task_text(spec), "details": details}
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
        module=request.module,
        importing=import_line(request.module, imported(spec)),
        name=spec.names[0] if spec.names else "function",
    )
    return Call(
        "test_writer",
        messages,
        max_tokens=MOST_TOKENS if is_small else profile.max_tokens,
        grammar=ASSERTS if is_small else "",
        may_be_cut=True,
    ), is_small
