"""Prompt templates: Markdown files in `prompts/`, split at `# system` and `# user` lines."""

from __future__ import annotations

from functools import cache
from importlib.resources import files
from string import Template

from ml_coach.core.ports import Message


@cache
def _sections(name: str) -> tuple[str, str]:
    text = (files("ml_coach.core.agents") / "prompts" / f"{name}.md").read_text(encoding="utf-8")
    system, user = text.removeprefix("# system\n").split("\n# user\n", 1)
    return system.strip(), user.strip()


def render(template: str, **fields: str) -> tuple[Message, ...]:
    """The messages of `template`; a missing field is a bug and raises `KeyError`."""
    system, user = _sections(template)
    return (
        Message("system", Template(system).substitute(fields)),
        Message("user", Template(user).substitute(fields)),
    )


def bullets(title: str, lines: tuple[str, ...]) -> str:
    """A titled list for a prompt, or nothing at all when there are no lines."""
    if not lines:
        return ""
    return f"\n\n{title}\n" + "\n".join(f"- {line}" for line in lines)


def fenced(source: str) -> str:
    """`source` in a Markdown fence for Python."""
    return f"```python\n{source.strip()}\n```"
