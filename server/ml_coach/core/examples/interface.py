"""What a prompt asks for: its code, its signatures, the names it gives."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator

from ml_coach.core import syntax
from ml_coach.core.examples import expressions
from ml_coach.core.examples.sentences import CALL
from ml_coach.core.sanitizer.readings import fenced_blocks

_ASKS = re.compile(
    r"\b(?:write|implement|create|define|build|make|code|develop|provide|design|add|function"
    r"|method|class|named|called|signature|def|program)\b",
    re.IGNORECASE,
)
_USES = re.compile(
    r"\b(?:use|uses|using|call|calls|calling|like|via|with|import|from|by|than|where)\b[^.,;:]*$",
    re.IGNORECASE,
)


def stub_of(prompt: str) -> str:
    """The Python code in a prompt (imports, signatures, docstrings); empty where it is prose.

    A signature without a body gets `pass`, so that the result always parses.
    """
    for text in (prompt, *(block.text for block in fenced_blocks(prompt)), *_code_tails(prompt)):
        text = text.strip("\n")
        for stub in (text, text.rstrip() + _body_for(text)):
            tree = syntax.parse(stub)
            if tree is not None and any(isinstance(s, syntax.Definition) for s in tree.body):
                return stub.rstrip() + "\n"
    return ""


def signature(definition: syntax.Definition) -> str:
    if isinstance(definition, ast.ClassDef):
        return f"class {definition.name}"
    returns = f" -> {ast.unparse(definition.returns)}" if definition.returns else ""
    prefix = "async " if isinstance(definition, ast.AsyncFunctionDef) else ""
    return f"{prefix}{definition.name}({ast.unparse(definition.args)}){returns}"


def prose_signatures(prompt: str) -> Iterator[tuple[str, str]]:
    for match in CALL.finditer(prompt):
        name = match[1]
        end = expressions.bracket_end(prompt, match.end() - 1)
        if end is None or name in syntax.BUILTINS or re.fullmatch("[A-Z]", name):
            continue
        before = re.split(r"[.;!?](?:\s|$)|\n", prompt[: match.start()][-300:])[-1]
        if not _ASKS.search(before) or _USES.search(before):
            continue
        head = prompt[match.start() : end]
        returns = re.compile(r"[ \t]*->[ \t]*[A-Za-z_][\w.]*(?:\[[^\n]*?\])*").match(prompt, end)
        for text in ([head + returns[0]] if returns else []) + [head]:
            tree = syntax.parse(f"def {text}: pass")
            if tree is not None and isinstance(tree.body[0], ast.FunctionDef):
                yield name, signature(tree.body[0])
                break


def prose_names(prompt: str) -> Iterator[str]:
    """Names said in words: "a function called `foo`", "the class Stack"."""
    pattern = re.compile(
        r"\b(?:function|method|class|named|called|def)[ \t]+(?:(?:named|called)[ \t]+)?"
        r"(?:`([A-Za-z_]\w*)\b[^`\n]*`|['\"]([A-Za-z_]\w*)['\"]|([a-z]+_\w+|[A-Z]\w*[a-z]\w*)\b(?!['’]))"
    )
    for match in pattern.finditer(prompt):
        name = match[1] or match[2] or match[3]
        if name not in syntax.BUILTINS and not re.fullmatch(r"[A-Z][a-z]*s", name):
            yield name


def _code_tails(prompt: str) -> Iterator[str]:
    """From each line that looks like code to the end, and to the line where the code ends."""
    lines = prompt.splitlines()
    starts = [
        at
        for at, line in enumerate(lines)
        if re.match(
            r"(?:def [A-Za-z_]\w*\(|class [A-Za-z_]\w*[(:]|import \w|from [\w.]+ import |@\w|async def )",
            line,
        )
    ][:5]
    for at in starts:
        yield "\n".join(lines[at:])
        for end in range(at + 1, len(lines)):
            if lines[end].strip() and not lines[end].startswith(
                (" ", "\t", "def ", "class ", "@", ")", "import ", "from ")
            ):
                yield "\n".join(lines[at:end])
                break


def _body_for(text: str) -> str:
    """What a signature without a body lacks."""
    last = text.rstrip().rsplit("\n", 1)[-1]
    indent = last[: len(last) - len(last.lstrip())]
    if last.rstrip().endswith(":"):
        return f"\n{indent}    pass\n"
    if re.match(r"\s*(?:async )?def \w+\(.*\)\s*(?:->.*)?$", last):
        return f":\n{indent}    pass\n"
    return "\n    pass\n"
