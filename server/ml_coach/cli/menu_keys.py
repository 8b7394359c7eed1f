"""A list to pick from by keys, and a line to edit, drawn by prompt_toolkit.

It gives the terminal back as it was, follows changes of its size and honours `NO_COLOR`.
"""

from __future__ import annotations

import signal
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, TextIO, cast

from prompt_toolkit.application import Application, get_app
from prompt_toolkit.filters import Condition, is_done
from prompt_toolkit.formatted_text import StyleAndTextTuples
from prompt_toolkit.input import Input, create_input
from prompt_toolkit.input.typeahead import clear_typeahead
from prompt_toolkit.key_binding import KeyBindings, KeyPressEvent
from prompt_toolkit.keys import Keys
from prompt_toolkit.layout import ConditionalContainer, HSplit, Layout, Window
from prompt_toolkit.layout.controls import FormattedTextControl
from prompt_toolkit.output import Output, create_output
from prompt_toolkit.output.vt100 import Vt100_Output
from prompt_toolkit.shortcuts import PromptSession
from prompt_toolkit.utils import suspend_to_background_supported

from ml_coach.cli.menus import Leaving, Option, Typed, option_at
from ml_coach.core.python.syntax import is_unfinished

_BOLD = "bold"


@dataclass(frozen=True, slots=True)
class Screen:
    """Where keys come from, and where is drawn."""

    input: Input
    output: Output


def screen(keyboard: TextIO, shown: Any) -> Screen:
    """The terminal that these streams belong to."""
    keys, output = create_input(keyboard), create_output(stdout=cast("TextIO", shown))
    if isinstance(output, Vt100_Output):
        # Some terminals never say where their cursor is, and a late reply would be read as keys.
        output.enable_cpr = False
    # Keys that were typed before the question was seen answer nothing.
    clear_typeahead(keys)
    return Screen(keys, output)


_STEPS = {Keys.Up: -1, Keys.Down: 1, Keys.Home: -999, Keys.End: 999}
_ENTER = (Keys.ControlM, Keys.ControlJ)


@dataclass(slots=True)
class _List:
    """The options, the one `at` which Enter picks, and the digits typed to get there."""

    options: Sequence[Option]
    at: int
    digits: str = ""

    @property
    def text_at(self) -> int | None:
        """The option that takes a text."""
        return next((at for at, option in enumerate(self.options) if option.takes_text), None)

    def press(self, key: str, text: str) -> int | Typed | Leaving | None:
        """What the user picks by this key, which stands for `text`; None where nothing yet."""
        if key in _ENTER:
            return self.at
        if key == Keys.ControlD:
            return "end"
        if key == "q":
            return "quit"
        letters = [option.key for option in self.options]
        if key in letters:
            self.at = letters.index(key)
            return self.at
        if key in _STEPS:
            self.at = min(max(0, self.at + _STEPS[Keys(key)]), len(self.options) - 1)
            self.digits = ""
        elif key in set("0123456789"):
            self.digits += key
            # `1` and `2` are the twelfth option where there is one, else the second.
            found = (option_at(number, self.options) for number in (self.digits, key))
            self.at = next((at for at in found if at is not None), self.at)
        elif self.text_at is not None and text.strip() and text[0] >= " ":
            self.at = self.text_at
            return Typed(self.digits + text)  # Who types a value right away has begun it.
        return None

    def drawn(self) -> StyleAndTextTuples:
        """The lines of the list, with the cursor in the one that Enter picks."""
        lines: StyleAndTextTuples = []
        for at, option in enumerate(self.options):
            is_here = at == self.at
            if is_here:
                lines.append(("[SetCursorPosition]", ""))
            end = "\n" if at + 1 < len(self.options) else ""
            text = f"{'>' if is_here else ' '}{at + 1:3}. {option.shown}{end}"
            lines.append((_BOLD if is_here else "", text))
        return lines


async def picked(screen: Screen, options: Sequence[Option], first: int) -> int | Typed | Leaving:
    """The option that the user picks, from 0; where one takes a text, what they began to type."""
    shown, keys = _List(options, first), _leaving_keys()

    @keys.add(Keys.Any)
    def _(event: KeyPressEvent) -> None:
        found = shown.press(event.key_sequence[-1].key, event.data)
        if found is not None:
            event.app.exit(result=found)

    asked = "Arrow keys or a number, then Enter; q ends."
    if shown.text_at is not None:
        asked = "Arrow keys or a number, then Enter; or type what it should give; q ends."
    control = FormattedTextControl(shown.drawn, focusable=True, key_bindings=keys)
    options_shown = Window(control, wrap_lines=True, always_hide_cursor=True)
    help_shown = Window(
        FormattedTextControl(asked), wrap_lines=True, dont_extend_height=True, style="dim"
    )
    body = HSplit([options_shown, ConditionalContainer(help_shown, ~is_done)])
    app: Application[int | Typed | Leaving] = Application(
        Layout(body), input=screen.input, output=screen.output
    )
    try:
        # Ctrl-C is what it is everywhere in the command: a signal, which ends the run.
        return await app.run_async(set_exception_handler=False, handle_sigint=False)
    except EOFError:  # The terminal was closed.
        return "end"


async def edited(screen: Screen, begun: str) -> str | None:
    """What the user makes of the text that they began; None at the end of the input.

    Enter ends the text, except within a bracket that is open; there an empty line does.
    """
    is_open = Condition(lambda: _goes_on(get_app().current_buffer.text))
    session: PromptSession[str] = PromptSession(
        [(_BOLD, "It should give: ")],
        multiline=is_open,
        key_bindings=_leaving_keys(),
        input=screen.input,
        output=screen.output,
    )
    try:
        return await session.prompt_async(
            default=begun, set_exception_handler=False, handle_sigint=False
        )
    except EOFError:
        return None


def _goes_on(text: str) -> bool:
    return bool(text.strip()) and is_unfinished(text) and not text.endswith("\n")


def _leaving_keys() -> KeyBindings:
    """Ctrl-C and Ctrl-Z do what they do where nobody reads keys."""
    keys = KeyBindings()

    @keys.add("c-c", eager=True)
    def _(_: KeyPressEvent) -> None:
        signal.raise_signal(signal.SIGINT)

    @keys.add("c-z", eager=True, filter=Condition(suspend_to_background_supported))
    def _(event: KeyPressEvent) -> None:
        event.app.suspend_to_background()

    return keys
