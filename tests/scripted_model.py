"""An OpenAI-compatible endpoint that plays a small story: a program with one mistake, its tests,
the repair. Replies can be held back, to look at a run in its middle."""

from __future__ import annotations

import asyncio
import json
import re
from collections import defaultdict
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field

from aiohttp import web

WRONG = "def add(a, b):\n    return a - b\n"
RIGHT = "def add(a, b):\n    return a + b\n"
PROMPT = "Write a function add(a, b) that adds two numbers."
PLAN = "## Signatures\n- add(a, b)\n\n## Behaviors\n- It adds.\n"
TESTS = """from generated_code import add


def test_small():
    assert add(1, 2) == 3


def test_zero():
    assert add(0, 0) == 0
"""

# A task that programs written apart do in two ways, so that only the user can say what is right.
DIVIDED_PROMPT = (
    "Write slugify(text), which puts text into lower case, its words joined by hyphens."
)
KEEPS = 'def slugify(text):\n    return "-".join(text.lower().split())\n'
JOINS = 'def slugify(text):\n    return "-".join(text.lower().replace("_", " ").split())\n'
ONE_TEST = "assert slugify('A B_c') == 'a-b_c'\n"


# A task of two files, of which the second one imports the first.
FILES_PROMPT = (
    "Write report.py with line(side), which gives a text about a square: line(2) == 'area 4'. "
    "Put area(side), which it uses, into shapes.py: area(3) == 9."
)
DIVISION = "shapes.py: 2\nreport.py: 1\n"  # pieces of the prompt
PARTS = {
    "area(3)": ("def area(side):\n    return side**2\n", "area(1) == 1"),
    "line(2)": (
        "from shapes import area\n\n\ndef line(side):\n    return f'area {area(side)}'\n",
        "line(1) == 'area 1'",
    ),
}


@dataclass
class ScriptedModel:
    """`replies` by who asks: researcher, coder, test_writer, debugger; the coder first gives
    `programs`, one a call. With `spoil` the first file of `FILES_PROMPT` is wrong. `held` asks wait
    until `release` is set; `asked` tells who did. `model` is the name to give to ML Coach."""

    model: str = ""
    replies: dict[str, str] = field(
        default_factory=lambda: {
            "researcher": PLAN,
            "coder": f"```python\n{WRONG}```\n",
            "test_writer": f"```python\n{TESTS}```\n",
            "debugger": f"The sign is wrong.\n\n```python\n{RIGHT}```\n",
            "divider": DIVISION,
        }
    )
    programs: list[str] = field(default_factory=list)
    spoil: bool = False
    held: set[str] = field(default_factory=set)
    asked: list[str] = field(default_factory=list)
    authorizations: set[str] = field(default_factory=set)
    release: asyncio.Event = field(default_factory=asyncio.Event)
    _asked: defaultdict[str, asyncio.Event] = field(
        default_factory=lambda: defaultdict(asyncio.Event)
    )

    def reply_to(self, asked: str) -> str:
        who = _who(asked)
        for said, (program, test) in PARTS.items():
            if said in asked and who in ("coder", "test_writer"):
                name = test.partition("(")[0]
                tests = f"from {{}} import {name}\n\n\ndef test_{name}():\n    assert {test}\n"
                module = re.search(r"module `([\w.]+)`", asked)
                wrong = program.replace("**2", "**3") if self.spoil else program
                text = tests.format(module[1]) if module and who == "test_writer" else wrong
                return f"```python\n{text}```\n"
        taken = who == "coder" and self.programs
        reply = f"```python\n{self.programs.pop(0)}```\n" if taken else self.replies[who]
        module = re.search(r"module `([\w.]+)`", asked)
        return reply.replace("generated_code", module[1]) if module else reply

    def divide(self) -> None:
        """Plays the task of `DIVIDED_PROMPT` instead: two programs keep an underscore, two do not.

        The model's new name is that of a small one, of which four programs are asked.
        """
        self.model = self.model.replace("scripted", "scripted-1.5b")
        self.programs = [KEEPS, JOINS, JOINS, KEEPS]
        self.replies |= {
            "coder": f"```python\n{JOINS}```",
            "test_writer": f"```python\n{ONE_TEST}```",
        }

    def forget(self) -> None:
        """As if nobody had asked."""
        self.asked.clear()
        self._asked.clear()

    async def was_asked(self, who: str) -> None:
        """Waits until `who` has asked."""
        async with asyncio.timeout(30):
            await self._asked[who].wait()

    async def answer(self, request: web.Request) -> web.StreamResponse:
        messages = (await request.json())["messages"]
        asked = " ".join(message["content"] for message in messages)
        who = _who(asked)
        self.asked.append(who)
        self.authorizations.add(request.headers.get("Authorization", ""))
        self._asked[who].set()
        response = web.StreamResponse(headers={"Content-Type": "text/event-stream"})
        with suppress(ConnectionResetError):  # A run that was stopped hangs up.
            await self._play(request, response, who, asked)
        return response

    async def _play(
        self, request: web.Request, response: web.StreamResponse, who: str, asked: str
    ) -> None:
        await response.prepare(request)
        if who in self.held:
            await self.release.wait()
        reply = self.reply_to(asked)
        for start in range(0, len(reply), 16):
            await response.write(_event({"content": reply[start : start + 16]}, None))
        usage = {"prompt_tokens": 50, "completion_tokens": len(reply) // 4}
        await response.write(_event({}, "stop", usage=usage) + b"data: [DONE]\n\n")


def _who(text: str) -> str:
    if "several Python files" in text:
        return "divider"
    if "## Signatures" in text:
        return "researcher"
    if "pytest tests for" in text or "Write 4 asserts" in text:
        return "test_writer"
    is_debugger = "What went wrong" in text or "This test of a project fails" in text
    return "debugger" if is_debugger else "coder"


def _event(delta: dict[str, str], finish: str | None, **more: object) -> bytes:
    choice = {"index": 0, "delta": delta, "finish_reason": finish}
    return b"data: " + json.dumps({"choices": [choice], **more}).encode() + b"\n\n"


@asynccontextmanager
async def scripted_model() -> AsyncGenerator[ScriptedModel]:
    model = ScriptedModel()
    app = web.Application()
    app.router.add_post("/v1/chat/completions", model.answer)
    runner = web.AppRunner(app, shutdown_timeout=0.1)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    port = runner.addresses[0][1]
    model.model = f"openai:scripted@http://127.0.0.1:{port}/v1"
    try:
        yield model
    finally:
        model.release.set()
        await runner.cleanup()
