"""What a prompt asks for: its code, its signatures, the names it gives."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from itertools import islice

from ml_coach.core.examples import expressions
from ml_coach.core.examples.sentences import CALL, MOST_CALLS
from ml_coach.core.python import syntax
from ml_coach.core.replies import fenced_blocks

_ASKS = re.compile(
    r"\b(?:write|implement|create|define|build|make|code|develop|provide|design|add|function"
    r"|method|class|named|called|signature|def|program)\b",
    re.IGNORECASE,
)
_USES = re.compile(
    r"\b(?:use|uses|using|call|calls|calling|like|via|with|import|from|by|than|where)\b[^.,;:]*$",
    re.IGNORECASE,
)
# A clause that speaks of what is there already ("do not use the method `split`", "like the function
# `chain`"), and not of what it asks for ("I'd like a function called `f`").
_KNOWS = re.compile(
    r"(?:\b(?:avoid|without)|(?:\b(?:not|never)|n['’]t)\s+(?:use|using|call|calling))\b"
    r"(?!.*\b(?:write|implement|create|define|build|make|develop|provide|design|need|want|and|but"
    r"|then|(?<!-)in|inside|within|for(?!\s+loop)|with|to|by)\b)"
    r"|(?:\b(?:use|uses|using|than)|(?<![’']d )(?<!\bwould )\blike)\s+(?:the|this|that)\s+"
    r"(?:[\w-]+\s+)?$",
    re.IGNORECASE | re.DOTALL,
)
_CLAUSE_ENDS = re.compile(r"[,:](?!\s*n?or\b)|\bso\b", re.IGNORECASE)
_SENTENCE_ENDS = re.compile(r"[.;!?](?:\s|$)|\n\s*(?:\n|[-*•#\d])")
_NAMED = re.compile(
    r"\b(?:function|method|class|named|called|def)[ \t]+(?:(?:named|called)[ \t]+)?"
    r"(?:`([A-Za-z_]\w*)\b(?!\.\w)[^`\n]*`|['\"]([A-Za-z_]\w*)['\"]"
    r"|([a-z]+_\w+|[A-Z]\w*[a-z]\w*)\b(?!['’]|\.\w))"
)
_CLASS = re.compile(r"\bclass\s+(?:(?:named|called)\s+)?[`'\"]?[A-Z]")
_OF_A_CLASS = re.compile(r"\b(?:class|methods?|has|have|supports?)\b", re.IGNORECASE)
_FUNCTION = re.compile(r"\bfunctions?\s+(?:(?:named|called)\s+)?`?$", re.IGNORECASE)
_RETURN_TYPE = re.compile(r"[ \t]*->[ \t]*[A-Za-z_]\w*(?:\.\w+)*(?:\[[^\n]*?\])*")
_CODE_BEGINS = re.compile(
    r"def [A-Za-z_]\w*\(|class [A-Za-z_]\w*[(:]|import \w|from [\w.]+ import |@\w|async def "
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
    """Each name with its signature, as in "Write roman_to_int(s) -> int"."""
    for name, begin, end in _asked_calls(prompt):
        head = prompt[begin:end]
        returns = _RETURN_TYPE.match(prompt, end)
        for text in ([head + returns[0]] if returns else []) + [head]:
            tree = syntax.parse(f"def {text}: pass")
            if tree is not None and isinstance(tree.body[0], ast.FunctionDef):
                yield name, signature(tree.body[0])
                break


def prose_names(prompt: str) -> Iterator[str]:
    """Names said in words or by a call: "a function called `foo`", "Write add(2, 3)"."""
    for match in _NAMED.finditer(prompt):
        name = match[1] or match[2] or match[3]
        if name in syntax.BUILTINS or re.fullmatch(r"[A-Z][a-z]*s", name):
            continue
        if match[0].startswith("method") and _CLASS.search(prompt):
            continue
        before = _SENTENCE_ENDS.split(prompt[max(0, match.start() - 300) : match.start()])[-1]
        if not _KNOWS.search(_CLAUSE_ENDS.split(before)[-1]):
            yield name
    for name, begin, end in _asked_calls(prompt):
        if expressions.is_example_call(prompt[begin:end]):
            yield name


def _asked_calls(prompt: str) -> Iterator[tuple[str, int, int]]:
    """The name and the place of each `name(...)` that a sentence asks for."""
    for match in islice(CALL.finditer(prompt), MOST_CALLS):
        name = match[1]
        end = expressions.bracket_end(prompt, match.end() - 1)
        if end is None or name in syntax.BUILTINS or re.fullmatch("[A-Z]", name):
            continue
        before = re.split(r"[.;!?](?:\s|$)|\n", prompt[max(0, match.start() - 300) : match.start()])
        # In a sentence about a class, what is not said to be a function is a method of it.
        is_method = _CLASS.search(prompt, 0, match.start()) and not name[0].isupper()
        if is_method and _OF_A_CLASS.search(before[-1]) and not _FUNCTION.search(before[-1]):
            continue
        if _ASKS.search(before[-1]) and not _USES.search(before[-1]):
            yield name, match.start(), end


def _code_tails(prompt: str) -> Iterator[str]:
    """From each line that looks like code to the end, and to the line where the code ends."""
    lines = prompt.splitlines()
    starts = [at for at, line in enumerate(lines) if _CODE_BEGINS.match(line)][:5]
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
