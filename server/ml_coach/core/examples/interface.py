"""What a prompt asks for: its code, its signatures, the names it gives."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterable, Iterator
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
    r"\b(?:use|uses|using|call|calls|calling|like|via|with|import|from|by|than|where)\b[^.,;:]*$"
    # "q(x) that does f(x)^2"
    r"|\)`?\s+(?:that|which)\s+\w+s\b(?:(?!\b(?:and|plus)\b)[^.,;:])*$",
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
_CLASS = re.compile(
    r"\b(?:data)?class[es]?\s+(?:(?:named|called)\s+)?[`'\"]?[A-Z]|\b[A-Z]\w*[a-z]\w*[`'\"]?\s+class\b"
)
_OF_A_CLASS = re.compile(r"\b(?:class|methods?|has|have|supports?)\b", re.IGNORECASE)
_WRITES = re.compile(
    r"\b(?:write|implement|create|define|build|make|code|develop|provide|design|functions?|def)\b",
    re.IGNORECASE,
)
_FUNCTION = re.compile(r"\bfunctions?\s+(?:(?:named|called)\s+)?`?$", re.IGNORECASE)
_CLASS_NAME = re.compile(
    r"\b(?:[Cc]lass|[Cc]lasse|[Cc]lase|[Kk]lasse|dataclass)\s+[`'\"]?([A-Z]\w*)|\b(?!(?:Write|Create|Implement|Define|Build|Make|Add|Design|Data|Python|The|This|That|An?|One|New"
    r"|Abstract|Base|Simple|Single|Undo)\b)([A-Z]\w*[a-z]\w*)[`'\"]?\s+"
    r"(?:data)?class\b",
)
# "Write ShoppingCart with add(item)"
_ASKED_CLASS = re.compile(
    r"\A(?:[Aa]n? )?(?!Functions?\b|Script\b|Module\b|Program\b|Tool\b|Class\b|Code\b|Python\b)"
    r"([A-Z][a-z]\w*) (?:with|supporting) [a-z_]\w*\((?=[^)]*\))"
    r"|\b(?:[Ww]rite|[Ii]mplement|[Cc]reate|[Bb]uild|[Mm]ake|[Dd]efine)\s+(?:an?\s+|the\s+)?"
    r"`?([A-Z][a-z]\w*)`?(?:\([^()\n]*\))?"
    r"(?:\s+(?:with|that has|which has|having)\b|:\s+[a-z_]\w*\()"
)
# A line that begins with the class and what it is made of: "Scaler(low=0, high=1): ..."
_CLASS_LINE = re.compile(
    r"^[ \t]*(?:[-*•][ \t]*)?`?([A-Z]\w*[a-z]\w*)\([^()\n]*\)`?[ \t]*(?::|->)", re.MULTILINE
)
_OWN_ERROR = re.compile(
    r"\b([A-Z]\w*[a-z]\w*)`? (?:is|as|be) an? (?:custom |new |own )?(?:exception|error)\b"
)
_CALLED_CLASS = re.compile(r"\b(?:name|call) it [`'\"]?([A-Z]\w*[a-z]\w*)")
# Before a signature that begins a line: a bullet, and other signatures.
_LINE_BEGINS = re.compile(r"[ \t]*(?:[-*•]|\d+[.)])?[ \t]*`?(?:\w+\([^()\n]*\)`?,?[ \t]*`?)*\Z")
_SIGNATURE_ENDS = re.compile(r"`?[ \t]*(?:[:,]|->|-[ \t]|–|=>)")
_DECORATOR = re.compile(
    r"(?<![\w.])@(?!property\b|staticmethod\b|classmethod\b|dataclass\b)([a-z_]\w*)\b(?!\.)"
)
_NOT_ASKED = re.compile(
    r"\b(?:old|existing|replaces?|instead of|built-?in|unlike|numpy|calls?|same as|verwendet"
    r"|ruft)\b[^,;:]*$",
    re.IGNORECASE,
)
_SAID_NAME = re.compile(
    r"\b(?:called|named|caled|namens|heißt|heißen|genannt|appelée?|nommée?|llamad[ao]|chiamat[ao]"
    r"|chamad[ao])[ \t]+(?:[`'\"]([a-z_]\w+)[`'\"]|([a-z]+_\w+)\b(?!['’.]\w))"
    r"|\b(?:(?:name|call) it|(?:function|func|helper|funktion|fonction|función|funzione|função)\s+"
    r"(?:called|named|namens|appelée|nommée|llamada|chiamata|chamada))[ \t]+[`'\"]?([a-z_]\w+)\b",
    re.IGNORECASE,
)
# "an infinite generator evens()"
_KIND_SAID = re.compile(
    r"\b(?:function|generator|iterator|coroutine|decorator|funktion|fonction|función)\s+`?\Z"
)
_SCRIPT = re.compile(
    r"\b(?:script|command[- ]line|cli|argparse|línea de comandos|ligne de commande)\b",
    re.IGNORECASE,
)
# "so `acronym` should take ...", "Rewrite `version_key(v)`", "fix parse_dates"
_FIRST_NAME = re.compile(r"`([a-z_]\w*)(?:\([^`]*\))?`|\b(?<!\.)([a-z]+(?:_[a-z0-9]+)+)\b(?!\.\w)")
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


def signatures_of_names(prompt: str, names: Iterable[str]) -> Iterator[tuple[str, str]]:
    """The signature of each of `names` that the prompt writes out somewhere."""
    wanted = set(names)
    for name, _, _, text in _written_out(prompt):
        if name in wanted:
            wanted.discard(name)
            yield name, text


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


def asks_for_script(prompt: str) -> bool:
    """Whether a program for the command line is asked for, which has no name to import."""
    return bool(_SCRIPT.search(prompt)) and not re.search(
        r"\b(?:function|funktion|fonction|función|funzione)\b", prompt, re.IGNORECASE
    )


def class_names(prompt: str) -> tuple[str, ...]:
    """The classes that a prompt asks for: their methods are no names of their own."""
    found = [m[1] or m[2] for m in _CLASS_NAME.finditer(prompt)]
    head = prompt.partition("\n")[0]
    calls = (m for m in CALL.finditer(head) if not _is_foreign(head[: m.start()]))
    found += [m[1] for m in calls if re.fullmatch("[A-Z]\\w*[a-z]\\w*", m[1])][:1]
    found += _CLASS_LINE.findall(prompt)
    found += [one or two for one, two in _ASKED_CLASS.findall(prompt)]
    found += _OWN_ERROR.findall(prompt)
    found += _CALLED_CLASS.findall(prompt) if re.search(r"\bclass\b", prompt) else []
    return tuple(dict.fromkeys(name for name in found if name not in expressions.ERRORS))


def _is_foreign(before: str) -> bool:
    """Whether what follows is made as other languages do it: "new Set([1, 2])"."""
    return before.endswith("new ")


def described_names(prompt: str) -> Iterator[str]:
    """Names of what a prompt describes without asking for it in so many words: those whose
    parameters it writes out ("clip(x, low): ..."), and those said to be its name."""
    found = list(_written_out(prompt))
    parameters = {name for *_, text in found for name in re.findall(r"\w+", text.partition("(")[2])}
    used: list[str] = []
    named = False
    for name, begin, _, _ in found:
        before = re.split(r"[.;!?](?:\s|$)|\n", prompt[max(0, begin - 300) : begin])[-1]
        if name in parameters:
            continue
        if _USES.search(before) or _NOT_ASKED.search(before):
            used.append(name)
        else:
            named = True
            yield name
    for match in _SAID_NAME.finditer(prompt):
        name = next(group for group in match.groups() if group)
        if name not in syntax.BUILTINS:
            named = True
            yield name
    if not named:
        yield from used[:1]
    if not found and not named and (first := _FIRST_NAME.search(prompt.partition("\n\n")[0])):
        yield first[1] or first[2]


def headed_names(prompt: str) -> Iterator[str]:
    """The functions whose signature begins a line, as a list of what to write does it, and what is
    written as a decorator. Below the name of a class such lines are its methods."""
    classes = class_names(prompt)
    begun = min((prompt.find(name) for name in classes), default=len(prompt))
    for name, begin, end, _ in _written_out(prompt):
        before = prompt[prompt.rfind("\n", 0, begin) + 1 : begin]
        heads = _LINE_BEGINS.match(before) and _SIGNATURE_ENDS.match(prompt, end)
        if begin < begun and (heads or _KIND_SAID.search(before)):
            yield name
    if re.search(r"\bd[eé]co?rat|\bdekorat", prompt, re.IGNORECASE):
        yield from (m[1] for m in _DECORATOR.finditer(prompt))


def _written_out(prompt: str) -> Iterator[tuple[str, int, int, str]]:
    """Each call whose arguments are parameters: its name, its place and its signature."""
    for match in islice(CALL.finditer(prompt), MOST_CALLS):
        end = expressions.bracket_end(prompt, match.end() - 1)
        if end is None or match[1] in syntax.BUILTINS or match[1][:1].isupper():
            continue
        head = prompt[match.start() : end]
        tree = syntax.parse(f"def {head}: pass")
        if tree is None or not isinstance(tree.body[0], ast.FunctionDef):
            continue
        arguments = tree.body[0].args
        has_any = arguments.args or arguments.vararg or arguments.kwarg or arguments.kwonlyargs
        if has_any or _KIND_SAID.search(prompt, 0, match.start()):
            returns = _RETURN_TYPE.match(prompt, end)
            typed = syntax.parse(f"def {head}{returns[0]}: pass") if returns else None
            whole = typed.body[0] if typed else tree.body[0]
            if isinstance(whole, ast.FunctionDef):
                yield match[1], match.start(), end, signature(whole)


def _asked_calls(prompt: str) -> Iterator[tuple[str, int, int]]:
    """The name and the place of each `name(...)` that a sentence asks for."""
    classes = class_names(prompt)
    begun = _CLASS.search(prompt) or (re.search(r"\bclass\b", prompt) if classes else None)
    for match in islice(CALL.finditer(prompt), MOST_CALLS):
        name = match[1]
        end = expressions.bracket_end(prompt, match.end() - 1)
        if end is None or name in syntax.BUILTINS or re.fullmatch("[A-Z]", name):
            continue
        before = re.split(r"[.;!?](?:\s|$)|\n", prompt[max(0, match.start() - 300) : match.start()])
        # In a sentence about a class, what is not said to be a function is a method of it.
        is_method = begun and begun.end() <= match.start() and not name[0].isupper()
        is_beside = any(f"{known}(" in before[-1] for known in classes if known != name)
        of_class = is_method and (_OF_A_CLASS.search(before[-1]) or not _WRITES.search(before[-1]))
        if (is_beside or of_class) and not _FUNCTION.search(before[-1]):
            continue
        is_foreign = name[0].isupper() and _is_foreign(before[-1])
        if _ASKS.search(before[-1]) and not is_foreign and not _USES.search(before[-1]):
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
