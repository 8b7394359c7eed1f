"""A prompt that asks for several files → a task for each of them.

What the prompt gives and states becomes tests, so a division has to hold it: nothing of that may
be lost, and nothing may come in that the prompt does not say.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Sequence
from dataclasses import dataclass

from ml_coach.core.agents import researcher
from ml_coach.core.agents.model_client import ModelClient
from ml_coach.core.agents.templates import bullets, render
from ml_coach.core.ports import Call
from ml_coach.core.python import syntax

_ATTEMPTS = 2
_HEADING = re.compile(r"^#{1,6}[ \t]+[`*]*([\w./-]+\.py)[`*:]*[ \t]*$", re.MULTILINE)


@dataclass(frozen=True, slots=True)
class Part:
    """The task of one file, which is part of a prompt's."""

    file: str
    prompt: str


async def divide(
    model_client: ModelClient, prompt: str, files: Sequence[str]
) -> tuple[Part, ...] | str:
    """The parts in the order in which they can be written; a sentence why there are none. Raises
    `BudgetSpent` and `ModelError`."""
    fault = ""
    for _ in range(_ATTEMPTS):
        lessons = bullets("Your last division could not be used:", (fault,) if fault else ())
        messages = render("divide", files=", ".join(files), prompt=prompt, lessons=lessons)
        profile = model_client.model.profile
        reply = await model_client.ask(Call("researcher", messages, profile.max_tokens))
        parts = read_parts(reply.text)
        fault = "it was cut off" if reply.finish == "length" else _fault(prompt, files, parts)
        if not fault:
            return parts
    return fault


def read_parts(reply: str) -> tuple[Part, ...]:
    """What stands below each heading that names a file."""
    _, *rest = _HEADING.split(reply)
    found = zip(rest[::2], rest[1::2], strict=True)
    return tuple(Part(file, text.strip()) for file, text in found)


def _fault(prompt: str, files: Sequence[str], parts: Sequence[Part]) -> str:
    """Why the parts do not stand for the prompt; empty where they do."""
    if sorted(files) != sorted(part.file for part in parts):
        return f"it has to have one heading for each of {', '.join(files)}, and no other"
    if empty := next((part.file for part in parts if not part.prompt), ""):
        return f"the task of {empty} is empty"
    whole, pieces = researcher.read(prompt), [researcher.read(part.prompt) for part in parts]
    examples = {example for piece in pieces for example in piece.examples}
    quotes = {stated.quote for piece in pieces for stated in piece.stated}
    said, taken = _plain(prompt), _plain("\n".join(part.prompt for part in parts))
    new = [example for example in examples - {*whole.examples} if not _shows(said, example)]
    new += [quote for quote in quotes if _plain(quote) not in said]
    if new:
        return f"the task does not say “{min(new)}”"
    lost = [example for example in {*whole.examples} - examples if not _shows(taken, example)]
    lost += [stated.quote for stated in whole.stated if _plain(stated.quote) not in taken]
    return f"“{min(lost)}” is missing" if lost else ""


def _shows(said: str, example: str) -> bool:
    """Whether a plain text has the call of an example and, right behind it, its value. What is an
    example depends on the names around it, so a part may have some that the whole has not."""
    tree = syntax.parse(example)
    match tree.body if tree else []:
        case [ast.Assert(test=ast.Compare(left=call, comparators=[value]))]:
            places = [re.escape(_plain(ast.unparse(each))) for each in (call, value)]
            return re.search(r"\W+(?:\w+ ){0,3}".join(places), said) is not None
        case [ast.With(items=[ast.withitem(ast.Call(args=[error, *_]))], body=[call])]:
            return all(_plain(ast.unparse(each)) in said for each in (call, error))
        case _:
            return _plain(example.removeprefix("assert ")) in said


def _plain(text: str) -> str:
    """The text without what a model may change in taking it over: line breaks, marks, quotes."""
    return " ".join(re.sub("[`*'\"]", "", text).split()).casefold()
