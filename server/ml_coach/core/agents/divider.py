"""A prompt that asks for several files → a task for each of them.

What the prompt gives and states becomes tests, so no model may put it in other words. It only says
which of the prompt's own pieces belong to which file, and in which order the files can be written.
"""

from __future__ import annotations

import asyncio
import re
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise

from ml_coach.core.agents import researcher
from ml_coach.core.agents.model_client import ModelClient
from ml_coach.core.agents.templates import bullets, render
from ml_coach.core.ports import Call

_ATTEMPTS = 2
_MOST_TOKENS = 400
# Code in fences, sessions, tables and indented blocks are one piece each, and so is a line of prose
# with those that go on behind it.
_BLOCK = re.compile(
    r"(?:(?P<fence>[ \t]*(?:```|~~~))[^\n]*\n(?:(?![ \t]*(?:```|~~~))[^\n]*\n)*[^\n]*(?:\n|\Z)"
    r"|[ \t]*>>>[^\n]*(?:\n(?![ \t]*(?:\n|\Z))[^\n]*)*(?:\n|\Z)"
    r"|(?:[ \t]*\|[^\n]*(?:\n|\Z))+"
    r"|(?:(?: {4}|\t)[^\n]*(?:\n|\Z))+"
    r"|[^\n]+(?:\n(?![ \t]*(?:\n|\Z|[-*•#|>]|\d+[.)]|```|~~~))(?! {4}|\t)[^\n]+)*(?:\n|\Z))\n*"
)
_QUOTED = re.compile(r"'[^'\n]*'|\"[^\"\n]*\"|`[^`\n]*`|\([^()\n]*\)|\[[^\[\]\n]*\]|\{[^{}\n]*\}")
_SENTENCE = re.compile(r"[.!?][)\"'*`]*\s+(?=\S)")
_CLAUSE = re.compile(r"(?:[,;]\s+)?\b(?:and|und|et|y|e|then|dann)\b\s|[,;]\s")


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
    pieces, fault = pieces_of(prompt, files), ""
    listed = "\n".join(f"[{number}] {text.strip()}" for number, text in enumerate(pieces, 1))
    for _ in range(_ATTEMPTS):
        lessons = bullets("Your last reply could not be used:", (fault,) if fault else ())
        messages = render("divide", files=", ".join(files), pieces=listed, lessons=lessons)
        reply = await model_client.ask(Call("researcher", messages, _MOST_TOKENS))
        chosen = read_choice(reply.text, files)
        fault = _unfit(chosen, files, len(pieces))
        if not fault:
            parts = _parts(chosen, pieces)
            # A long prompt takes seconds to be read.
            fault = await asyncio.to_thread(_misplaced, prompt, parts)
            if not fault:
                return parts
    return fault


def pieces_of(prompt: str, files: Sequence[str]) -> tuple[str, ...]:
    """The prompt in pieces, one behind the other: blocks that are no prose, sentences, and those
    clauses of a sentence that name different files."""
    found: list[str] = []
    for block in _BLOCK.finditer(prompt.replace("\r\n", "\n").strip() + "\n"):
        text = block[0]
        is_prose = block["fence"] is None and not re.match(r"[ \t]*(?:>>>|\|)| {4}|\t", text)
        found += _cut(text, files) if is_prose else [text]
    return tuple(found)


def read_choice(reply: str, files: Sequence[str]) -> dict[str, tuple[int, ...]]:
    """The numbers behind each file's name, in the order of the reply."""
    names = "|".join(re.escape(file) for file in sorted(files, key=len, reverse=True))
    found: dict[str, tuple[int, ...]] = {}
    unnumbered = re.sub(r"(?m)^[ \t]*\d+[.)][ \t]", "", reply)
    _, *rest = re.split(rf"(?<![\w/])({names})(?!\w)", unnumbered)
    for file, text in zip(rest[::2], rest[1::2], strict=True):
        numbers = [
            number
            for first, last in re.findall(r"(\d{1,4})(?:\s*[-–]\s*(\d{1,4}))?", text)
            for number in range(int(first), int(last or first) + 1)
        ]
        found[file] = tuple(dict.fromkeys((*found.get(file, ()), *numbers)))
    return found


def _cut(text: str, files: Sequence[str]) -> Iterator[str]:
    """Prose, cut behind its sentences and ahead of the clauses that name a further file."""
    plain = _QUOTED.sub(lambda match: "_" * len(match[0]), text)
    cuts = {match.end() for match in _SENTENCE.finditer(plain)}
    named = sorted(
        (match.start(), file) for file in files
        for match in re.finditer(rf"(?<![\w/]){re.escape(file)}(?!\w)", text)
    )  # fmt: skip
    for (before, one), (here, other) in pairwise(named):
        if one != other and not any(before < cut <= here for cut in cuts):
            cuts |= {match.start() for match in [*_CLAUSE.finditer(plain, before, here)][-1:]}
    ends = [*sorted(cut for cut in cuts if 0 < cut < len(text)), len(text)]
    for start, end in zip([0, *ends], ends, strict=False):
        yield text[start:end]


def _unfit(chosen: dict[str, tuple[int, ...]], files: Sequence[str], count: int) -> str:
    """Why the choice does not place every piece; empty where it does."""
    if missing := [file for file in files if not chosen.get(file)]:
        return f"no piece belongs to {' and '.join(missing)}"
    numbers = {number for each in chosen.values() for number in each}
    if strange := sorted(numbers - {*range(1, count + 1)}):
        return f"there is no piece {strange[0]}"
    left = sorted({*range(1, count + 1)} - numbers)
    return f"piece {left[0]} belongs to no file" if left else ""


def _parts(chosen: dict[str, tuple[int, ...]], pieces: Sequence[str]) -> tuple[Part, ...]:
    parts: list[Part] = []
    for file, numbers in chosen.items():
        text = "".join(pieces[number - 1] for number in sorted(numbers)).strip()
        earlier = " and ".join(part.file for part in parts)
        imports = f"; it can import from {earlier}" if earlier else ""
        parts.append(Part(file, f"{text}\n\nWrite this into {file}{imports}."))
    return tuple(parts)


def _misplaced(prompt: str, parts: Sequence[Part]) -> str:
    """Which example or statement would be no test of its file, or one of two; empty for none."""
    read = [researcher.read(part.prompt) for part in parts]
    facts = [{*spec.examples, *(stated.statement for stated in spec.stated)} for spec in read]
    whole = researcher.read(prompt)
    for fact in (*whole.examples, *(stated.statement for stated in whole.stated)):
        if not any(fact in each for each in facts):
            return f"“{fact}” stands apart from the function that it calls"
    counts = Counter(fact for each in facts for fact in each)
    both = next((fact for fact, count in counts.items() if count > 1), "")
    return f"“{both}” belongs to one file, not to several" if both else ""
