"""What a prompt says outright: examples, signatures, names and code, read without any model.

An example that is wrongly taken from a prompt would outrank everything a model says, so whatever
could be read in two ways is left out: a missed example costs little.
"""

from __future__ import annotations

import ast
import builtins
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from ml_coach.core import syntax

_LIMIT = 200_000  # characters of a prompt that are looked at

_DOCTEST = re.compile(r"^[ \t]*>>>[ \t]?(.*)$")
_MORE = re.compile(r"^[ \t]*\.\.\.(?:[ \t](.*))?$")
_FENCE = re.compile(r"^[ \t]*(?:`{3,}|~{3,})")
_CALL = re.compile(r"(?<![\w.])([A-Za-z_]\w*)\(")
_ASSERT = re.compile(r"^[ \t]*(?:[-*•]|\d+[.)])?[ \t]*`*(?=assert\b)")
_RETURNS = re.compile(
    r"""[`"']?[ \t]*(?:
        (?P<arrow>={1,2}>|-{1,2}>|→|➞|⇒|⟶|➜)
      | (?P<equal>={2,3}|=)
      | (?:(?:should|must|will|would|shall)\ )?(?P<about>(?:be\ |is\ )?(?:about|approximately|roughly)|≈)
      | (?:(?:should|must|will|would|shall)\ )?
        (?:returns?|equals?|gives?|yields?|outputs?|produces?|evaluates?\ to|be\ equal\ to|be)\b
      | is\b(?:\ equal\ to\b)?
    )[ \t]*`?""",
    re.VERBOSE,
)
_RAISES = re.compile(
    r"""[`"']?[ \t]*(?:(?:={1,2}>|-{1,2}>|→|➞|⇒)[ \t]*)?
        (?:(?:(?:should|must|will|would|shall)\ )?(?:raises?|throws?)\ (?:an?\ |the\ )?)?
        `?(?P<error>[A-Z]\w*(?:Error|Exception|Iteration|Interrupt))`?""",
    re.VERBOSE,
)
# After a value only these may follow on the line: the sentence or the clause ends there.
_ENDS = re.compile(r"""[`"']?[ \t]*(?:$|\#|//|;|[.!](?:\s|$)|\)|\(|—|–|and\b|because\b|since\b|,[ \t]*(?![\d\[('"{-]))""")
# Before a call in its sentence, these turn a fact into something else.
_DOUBT = re.compile(
    r"\b(?:not|never|currently|instead|wrong\w*|incorrect\w*|bugs?|buggy|broken|actually|if|unless"
    r"|suppose|assum\w+|whether|except|avoid|shouldn|don|doesn|isn|when)\b|n't\b",
    re.IGNORECASE,
)
_WORDS = {"true": "True", "false": "False", "null": "None", "none": "None", "nil": "None"}
_ERRORS = frozenset(
    name
    for name, value in vars(builtins).items()
    if isinstance(value, type) and issubclass(value, BaseException)
)
_ASKS = re.compile(
    r"\b(?:write|implement|create|define|build|make|code|develop|provide|design|add|function"
    r"|method|class|named|called|signature|def|program)\b",
    re.IGNORECASE,
)
_USES = re.compile(
    r"\b(?:use|uses|using|call|calls|calling|like|via|with|import|from|by|than|where)\b[^.,;:]*$",
    re.IGNORECASE,
)


@dataclass(frozen=True, slots=True)
class _Example:
    """One example as a statement, with what decides between two that contradict each other."""

    statement: str
    call: str
    value: str
    exact: bool  # from a doctest or an assert, not from prose


def extract_examples(prompt: str) -> tuple[str, ...]:
    """The prompt's own examples as single Python statements, in order, without repetitions.

    `assert f(1) == 2`, or `with pytest.raises(ValueError): f(-1)` on two lines. Only literals and
    call-free expressions stand for values; contradicting examples are left out, both of them.
    """
    prompt = prompt[:_LIMIT]
    found = sorted(
        [*_doctests(prompt), *_asserts(prompt), *_sentences(prompt, _callable_names(prompt))],
        key=lambda pair: pair[0],
    )
    examples = _without_contradictions([example for _, example in found])
    unique: dict[str, str] = {}
    for example in examples:
        tree = syntax.parse(example.statement)
        if tree is not None and len(tree.body) == 1:
            unique.setdefault(ast.unparse(tree), example.statement)
    return tuple(unique.values())


def stub_of(prompt: str) -> str:
    """The Python code in a prompt (imports, signatures, docstrings); empty where it is prose.

    A signature without a body gets `pass`, so that the result always parses.
    """
    prompt = prompt[:_LIMIT]
    for text in (prompt, *_fenced(prompt), *_code_tails(prompt)):
        text = text.strip("\n")
        for stub in (text, text.rstrip() + _body_for(text)):
            tree = syntax.parse(stub)
            if tree is not None and any(isinstance(s, syntax.Definition) for s in tree.body):
                return stub.rstrip() + "\n"
    return ""


def signatures_of(prompt: str) -> tuple[str, ...]:
    """The signatures that a prompt asks for: `roman_to_int(s: str) -> int`, `class Stack`."""
    tree = syntax.parse(stub_of(prompt))
    if tree is not None and tree.body:
        return tuple(_signature(definition) for definition in syntax.asked(tree))
    return tuple(dict.fromkeys(text for _, text in _prose_signatures(prompt[:_LIMIT])))


def names_of(prompt: str) -> tuple[str, ...]:
    """The functions and classes that a prompt asks for, as far as it names them."""
    tree = syntax.parse(stub_of(prompt))
    if tree is not None and tree.body:
        return tuple(dict.fromkeys(definition.name for definition in syntax.asked(tree)))
    prompt = prompt[:_LIMIT]
    said = [name for name, _ in _prose_signatures(prompt)] + list(_prose_names(prompt))
    if not said:
        said = [_callee(example.call) for example in _prose_examples(prompt)]
    return tuple(dict.fromkeys(name for name in said if name))


# Doctests and asserts


def _doctests(prompt: str) -> Iterator[tuple[int, _Example]]:
    lines = prompt.splitlines()
    known: dict[str, str] = {}
    unclear: set[str] = set()
    shown: set[str] = set()
    silent: list[tuple[int, str]] = []
    at = 0
    while at < len(lines):
        begin = _DOCTEST.match(lines[at])
        if not begin:
            at += 1
            continue
        start, source = at, [begin[1]]
        at += 1
        while at < len(lines) and (more := _MORE.match(lines[at])):
            source.append(more[1] or "")
            at += 1
        wanted: list[str] = []
        while at < len(lines) and lines[at].strip() and not _stops_doctest(lines[at]):
            wanted.append(lines[at].strip())
            at += 1
        code = "\n".join(source).strip()
        tree = syntax.parse(code)
        if tree is None or len(tree.body) != 1:
            continue
        statement = tree.body[0]
        if not isinstance(statement, ast.Expr):
            _remember(statement, known, unclear)
            continue
        if syntax.loads(statement) & unclear:
            continue
        if syntax.loads(statement) & known.keys():
            code = ast.unparse(_Put(known).visit(statement))
        else:
            code = ast.get_source_segment(code, statement.value) or code
        if example := _doctest(code, wanted):
            shown.add(_callee(example.call))
            yield start, example
        elif not wanted:
            silent.append((start, code))
    for start, code in silent:
        # No output means None, if the prompt shows by another example that it writes outputs.
        if _is_plain_call(code) and _callee(code) in shown:
            yield start, _Example(f"assert {code} is None", code, "None", True)


def _stops_doctest(line: str) -> bool:
    text = line.strip()
    return bool(_DOCTEST.match(line) or _FENCE.match(line)) or text.startswith(('"""', "'''"))


def _doctest(code: str, wanted: Sequence[str]) -> _Example | None:
    tree = syntax.parse(code)
    if tree is None:
        return None
    value = tree.body[0].value if isinstance(tree.body[0], ast.Expr) else None
    text = "\n".join(wanted)
    if isinstance(value, ast.Compare) and text in ("", "True"):
        return _from_comparison(code, value)
    if not wanted or value is None:
        return None
    if wanted[0].startswith("Traceback"):
        error = re.match(r"(?:\w+\.)*(\w+)", wanted[-1])
        return _raises(code, error[1], True) if error and error[1] in _ERRORS else None
    if isinstance(value, ast.Call) and isinstance(value.func, ast.Name) and value.func.id == "print":
        if len(wanted) != 1 or len(value.args) != 1 or value.keywords:
            return None
        inner = f"str({ast.unparse(value.args[0])})"
        return _Example(f"assert {inner} == {text!r}", inner, repr(text), True)
    if _value(text) is not None:
        return _equal(code, text, True)
    wanted_tree = syntax.parse(text)
    if wanted_tree is not None and len(wanted_tree.body) == 1 and _is_plain_call(text):
        # A doctest compares what is shown, so an object is compared by its repr.
        return _Example(f"assert repr({code}) == {text!r}", f"repr({code})", repr(text), True)
    return None


def _remember(statement: ast.stmt, known: dict[str, str], unclear: set[str]) -> None:
    """Follows `>>> xs = [1, 2]`; anything else that binds makes its names unclear."""
    match statement:
        case ast.Assign(targets=[ast.Name(id=name)], value=value) if _is_closed(value):
            known[name] = ast.unparse(value)
            unclear.discard(name)
        case ast.Import() | ast.ImportFrom():
            pass
        case _:
            for name in syntax.bindings(statement):
                unclear.add(name)
                known.pop(name, None)


class _Put(ast.NodeTransformer):
    """Writes remembered literals where their names stand."""

    def __init__(self, known: dict[str, str]) -> None:
        self._known = known

    def visit_Name(self, node: ast.Name) -> ast.AST:  # noqa: N802 - ast names it
        text = self._known.get(node.id)
        return ast.parse(text, mode="eval").body if text is not None else node


def _asserts(prompt: str) -> Iterator[tuple[int, _Example]]:
    lines = prompt.splitlines()
    for at, line in enumerate(lines):
        begin = _ASSERT.match(line)
        if not begin:
            continue
        text = ""
        for more in range(at, min(at + 30, len(lines))):
            piece = lines[more][begin.end() :] if more == at else lines[more]
            text += ("\n" if text else "") + piece
            tree = syntax.parse(text.strip().rstrip("`").rstrip())
            if tree is not None and len(tree.body) == 1 and isinstance(tree.body[0], ast.Assert):
                if _is_self_contained(tree.body[0].test):
                    test = tree.body[0].test
                    code = ast.get_source_segment(text.strip(), test) or ast.unparse(test)
                    yield at, _Example(f"assert {_one_line(code, test)}", *_sides(test), True)
                break


def _one_line(code: str, test: ast.expr) -> str:
    return code if "\n" not in code else ast.unparse(test)


def _sides(test: ast.expr) -> tuple[str, str]:
    match test:
        case ast.Compare(left=left, ops=[ast.Eq() | ast.Is()], comparators=[right]):
            return ast.unparse(left), ast.unparse(right)
        case _:
            return ast.unparse(test), ""


def _is_self_contained(test: ast.expr) -> bool:
    """Whether it calls something and reads no variable that only the prompt's author has."""
    calls = [node for node in ast.walk(test) if isinstance(node, ast.Call)]
    if not calls:
        return False
    called = {node.func.id for node in calls if isinstance(node.func, ast.Name)}
    bound = set(syntax.target_names(test))
    free = syntax.loads(test) - called - bound - syntax.BUILTINS - {"math"}
    return not free and bool(called - syntax.BUILTINS)


# Sentences: "f(1) returns 2", "f(1) -> 2", "f(-1) raises ValueError"


def _sentences(prompt: str, names: frozenset[str]) -> Iterator[tuple[int, _Example]]:
    skipped = _doctest_lines(prompt)
    for line, example in _calls_with_values(prompt):
        if line in skipped or not names & {_callee(example.call), *_called(example.call)}:
            continue
        yield line, example


def _prose_examples(prompt: str) -> list[_Example]:
    pairs = [*_doctests(prompt), *_asserts(prompt), *_calls_with_values(prompt)]
    return [example for _, example in sorted(pairs, key=lambda pair: pair[0])]


def _callable_names(prompt: str) -> frozenset[str]:
    """Whose calls count: the names asked for; in a prompt that names nothing, any that it calls."""
    tree = syntax.parse(stub_of(prompt))
    if tree is not None and tree.body:
        return frozenset(s.name for s in tree.body if isinstance(s, syntax.Definition))
    return frozenset(names_of(prompt))


def _doctest_lines(prompt: str) -> frozenset[int]:
    lines = prompt.splitlines()
    return frozenset(
        at for at, line in enumerate(lines) if _DOCTEST.match(line) or _ASSERT.match(line)
    )


def _calls_with_values(prompt: str) -> Iterator[tuple[int, _Example]]:
    recurrences = _recurrences(prompt)
    for match in _CALL.finditer(prompt):
        end = _call_end(prompt, match.end() - 1)
        if end is None:
            continue
        code = prompt[match.start() : end]
        if "\n" in code or not _is_example_call(code):
            continue
        line_end = prompt.find("\n", end)
        rest = prompt[end : line_end if line_end >= 0 else len(prompt)]
        line_begin = prompt.rfind("\n", 0, match.start()) + 1
        before = re.split(r"[.;!?:](?:\s|$)", prompt[line_begin : match.start()])[-1]
        if _DOUBT.search(before):
            continue
        line = prompt.count("\n", 0, match.start())
        if example := _read_value(code, rest, recurrences):
            yield line, example


def _read_value(code: str, rest: str, recurrences: frozenset[str]) -> _Example | None:
    if (raises := _RAISES.match(rest)) and raises["error"] in _ERRORS:
        starts_with_error = rest.lstrip(" \t`").startswith(raises["error"])
        if not starts_with_error and _ENDS.match(rest[raises.end() :]):
            return _raises(code, raises["error"], False)
        return None
    returns = _RETURNS.match(rest)
    if not returns:
        return None
    if (returns["equal"] == "=" or returns["arrow"]) and _callee(code) in recurrences:
        return None
    text = _value_at(rest[returns.end() :])
    if text is None:
        return None
    if returns["about"] or "≈" in returns[0]:
        return _nearly(code, text)
    return _equal(code, text, False)


def _recurrences(prompt: str) -> frozenset[str]:
    """Names that the prompt defines by a formula, as in `f(n) = f(n-1) + 1`.

    What such a formula says about `f(1)` may be about a sequence and not about the function.
    """
    return frozenset(
        match[1] for match in re.finditer(r"\b([A-Za-z_]\w*)\([^()\n]*[a-z][^()\n]*\)[ \t]*=[^=>\n]*\b\1\(", prompt)
    )


def _call_end(text: str, at: int) -> int | None:
    """Where the call whose parenthesis opens at `at` ends, with `.method()` and `[0]` after it."""
    end = _bracket_end(text, at)
    while end is not None and end < len(text):
        if text[end] == "[":
            end = _bracket_end(text, end)
        elif attribute := re.compile(r"\.[A-Za-z_]\w*").match(text, end):
            end = attribute.end()
            if text[end : end + 1] == "(":
                end = _bracket_end(text, end)
        else:
            break
    return end


def _bracket_end(text: str, at: int) -> int | None:
    """The index after the bracket that closes the one at `at`, None within 2,000 characters."""
    depth, quote, index = 0, "", at
    while index < min(len(text), at + 2000):
        char = text[index]
        if quote:
            if char == "\\":
                index += 1
            elif char == quote or char == "\n":
                quote = ""
        elif char in "\"'":
            quote = char
        elif char in "([{":
            depth += 1
        elif char in ")]}":
            depth -= 1
            if depth == 0:
                return index + 1
        index += 1
    return None


def _value_at(text: str) -> str | None:
    """The literal that `text` begins with, if the clause ends after it."""
    if word := re.match(r"[A-Za-z]+\b", text):
        value = _WORDS.get(word[0].lower()) if word[0] not in syntax.BUILTINS else word[0]
        return value if value and _ENDS.match(text[word.end() :]) else None
    for end in _value_ends(text):
        if _value(text[:end]) is not None and _ENDS.match(text[end:]):
            return text[:end].strip()
    return None


def _value_ends(text: str) -> Iterator[int]:
    """Where the value may end, the longest first: an operator joins atoms, as in `10**9 + 7`."""
    ends: list[int] = []
    index = 0
    operator = re.compile(r"[ \t]*(?:\*\*|//(?=[ \t]*\d)|[-+*/%|&])[ \t]*")
    number = re.compile(r"[-+]?(?:\d[\d_]*\.?\d*(?:[eE][-+]?\d+)?|\.\d+)j?")
    while index < len(text) and len(ends) < 20:
        if text[index] in "([{":
            end = _bracket_end(text, index)
        elif string := re.compile(r"[rbuRBU]{0,2}(?=[\"'])").match(text, index):
            end = _string_end(text, string.end())
        else:
            found = number.match(text, index)
            end = found.end() if found else None
            if end is not None and text[end - 1] == "." and not text[end : end + 1].isdigit():
                end -= 1  # the full stop of the sentence
        if end is None:
            break
        ends.append(end)
        joint = operator.match(text, end)
        if not joint:
            break
        index = joint.end()
    return reversed(ends)


def _string_end(text: str, at: int) -> int | None:
    quote = text[at]
    index = at + 1
    while index < len(text):
        if text[index] == "\\":
            index += 1
        elif text[index] == quote:
            return index + 1
        index += 1
    return None


# Pieces of Python


def _value(text: str) -> ast.expr | None:
    """The expression in `text`, if it is closed: literals and operators, no name and no call."""
    tree = syntax.parse(f"({text.strip()}\n)")
    if tree is None or len(tree.body) != 1 or not isinstance(tree.body[0], ast.Expr):
        return None
    value = tree.body[0].value
    return value if _is_closed(value) else None


def _is_closed(value: ast.expr) -> bool:
    allowed = (
        ast.Constant | ast.List | ast.Tuple | ast.Set | ast.Dict | ast.UnaryOp | ast.BinOp
        | ast.operator | ast.unaryop | ast.expr_context
    )
    return all(
        isinstance(node, allowed) and getattr(node, "value", None) is not Ellipsis
        for node in ast.walk(value)
    )


def _expression(code: str) -> ast.expr | None:
    tree = syntax.parse(code)
    if tree is None or len(tree.body) != 1 or not isinstance(tree.body[0], ast.Expr):
        return None
    return tree.body[0].value


def _is_plain_call(code: str) -> bool:
    value = _expression(code)
    return isinstance(value, ast.Call) and isinstance(value.func, ast.Name)


def _is_example_call(code: str) -> bool:
    """Whether every argument is given: no name below but those that are called."""
    value = _expression(code)
    return value is not None and _is_self_contained(value) and not _has_ellipsis(value)


def _has_ellipsis(value: ast.expr) -> bool:
    return any(isinstance(n, ast.Constant) and n.value is Ellipsis for n in ast.walk(value))


def _called(code: str) -> list[str]:
    value = _expression(code)
    nodes = ast.walk(value) if value is not None else ()
    return [n.func.id for n in nodes if isinstance(n, ast.Call) and isinstance(n.func, ast.Name)]


def _callee(code: str) -> str:
    """The function that a call is about: the first that is not a builtin."""
    return next((name for name in _called(code) if name not in syntax.BUILTINS), "")


def _equal(code: str, value: str, exact: bool) -> _Example:
    sign = "is" if value == "None" else "=="
    return _Example(f"assert {code} {sign} {value}", code, value, exact)


def _nearly(code: str, value: str) -> _Example | None:
    """Compares to the precision in which the value is written."""
    if not re.fullmatch(r"[-+]?\d+(?:\.\d+)?", value):
        return None
    digits = len(value.partition(".")[2])
    return _Example(f"assert abs({code} - {value}) <= {0.5 * 10**-digits:g}", code, value, False)


def _raises(code: str, error: str, exact: bool) -> _Example:
    return _Example(f"with pytest.raises({error}):\n    {code}", code, f"raises {error}", exact)


def _from_comparison(code: str, test: ast.Compare) -> _Example | None:
    if not _is_self_contained(test):
        return None
    return _Example(f"assert {code}", *_sides(test), True)


def _without_contradictions(examples: Sequence[_Example]) -> list[_Example]:
    values: dict[str, set[str]] = {}
    for example in examples:
        values.setdefault(_normal(example.call), set()).add(_normal(example.value))
    clear = [e for e in examples if len(values[_normal(e.call)]) == 1]
    return [e for e in clear if e.exact or not _is_bare_string_among_tuples(e, clear)]


def _is_bare_string_among_tuples(example: _Example, examples: Sequence[_Example]) -> bool:
    """`("Venus")` beside `("Saturn", "Uranus")` is meant as a tuple, but does not say so."""
    if not example.value.startswith("(") or isinstance(_value(example.value), ast.Tuple):
        return False
    return any(
        _callee(other.call) == _callee(example.call) and isinstance(_value(other.value), ast.Tuple)
        for other in examples
    )


def _normal(code: str) -> str:
    tree = syntax.parse(code)
    return ast.unparse(tree) if tree is not None else code


# Signatures, names and code


def _signature(definition: syntax.Definition) -> str:
    if isinstance(definition, ast.ClassDef):
        return f"class {definition.name}"
    returns = f" -> {ast.unparse(definition.returns)}" if definition.returns else ""
    prefix = "async " if isinstance(definition, ast.AsyncFunctionDef) else ""
    return f"{prefix}{definition.name}({ast.unparse(definition.args)}){returns}"


def _prose_signatures(prompt: str) -> Iterator[tuple[str, str]]:
    for match in _CALL.finditer(prompt):
        name = match[1]
        end = _bracket_end(prompt, match.end() - 1)
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
                yield name, _signature(tree.body[0])
                break


def _prose_names(prompt: str) -> Iterator[str]:
    """Names said in words: "a function called `foo`", "the class Stack"."""
    pattern = re.compile(
        r"\b(?:function|method|class|named|called|def)[ \t]+(?:(?:named|called)[ \t]+)?"
        r"(?:`([A-Za-z_]\w*)\b[^`\n]*`|['\"]([A-Za-z_]\w*)['\"]|([a-z]+_\w+|[A-Z]\w*[a-z]\w*)\b(?!['’]))"
    )
    for match in pattern.finditer(prompt):
        name = match[1] or match[2] or match[3]
        if name not in syntax.BUILTINS and not re.fullmatch(r"[A-Z][a-z]*s", name):
            yield name


def _fenced(prompt: str) -> Iterator[str]:
    lines = prompt.splitlines()
    block: list[str] | None = None
    for line in lines:
        if _FENCE.match(line):
            if block is not None:
                yield "\n".join(block)
                block = None
            else:
                block = []
        elif block is not None:
            block.append(line)


def _code_tails(prompt: str) -> Iterator[str]:
    """From each line that looks like code to the end, and to the line where the code ends."""
    lines = prompt.splitlines()
    starts = [
        at
        for at, line in enumerate(lines)
        if re.match(r"(?:def [A-Za-z_]\w*\(|class [A-Za-z_]\w*[(:]|import \w|from [\w.]+ import |@\w|async def )", line)
    ][:5]
    for at in starts:
        yield "\n".join(lines[at:])
        for end in range(at + 1, len(lines)):
            if lines[end].strip() and not lines[end].startswith((" ", "\t", "def ", "class ", "@", ")", "import ", "from ")):
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
