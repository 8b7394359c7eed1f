"""The class that a prompt asks for: its constructor, its methods and its attributes."""

from __future__ import annotations

import ast
import re
from collections.abc import Collection, Iterator
from dataclasses import dataclass, field, replace

from ml_coach.core.examples import expressions
from ml_coach.core.examples.call_arguments import with_others
from ml_coach.core.examples.functions import Function, learn_signature
from ml_coach.core.python import syntax

_CALLED = re.compile(r"(?<![\w@])([a-z_]\w*)\(")
_LISTED = re.compile(
    r"\b(?:with|methods?|supports?|offers?|has|mit|avec|con|provides?|having|implements?)\s+"
    r"(?:the\s+|an?\s+)?(?:methods?\s+|operations?\s+)?"
    r"((?:`?[a-z_]\w*`?(?:\([^()]*\))?(?:,?\s+(?:and|und|et|y)\s+|,\s*|\b))+)"
)
_ATTRIBUTE = re.compile(
    r"\b(?:attributes?|propert(?:y|ies)|fields?|attribut|eigenschaft|propriété|atributo|propiedad"
    r"|attributo):?\s+`?([a-z_]\w*)"
    r"|`?\b(?!(?:the|an?|with|and|only)\b)([a-z_]\w*)`?\s+(?:attribute|property|field)\b",
    re.IGNORECASE,
)
_NO_METHODS = {"and", "with", "the", "an", "attribute", "method", "methods", "und", "et"}
_USES = re.compile(r"\b(?:use|uses|using|calls?|calling|like|via|import|than)\s+`?\Z")
# What is called without arguments and is no method: "len() works".
_PROTOCOL = {"len", "iter", "str", "repr", "super", "bool", "hash", "list", "print"}
# A size that is set when the object is made: "LRUCache class with capacity, ..."
_SIZED = re.compile(r"\bwith\s+(?:an?\s+|the\s+)?`?(capacity|size|max_?size|limit|maxlen)`?\s*[,.]")
# Words that speak of something that the constructor takes.
_TAKES = re.compile(
    r"\b(?:with|from|mit|avec|con)\s+(?:an?\s+|the\s+|eine[mnr]?\s+|une?\s+|una?\s+)?"
    r"(?!methods?\b|operations?\b|attributes?\b|propert|fields?\b)`?[a-zà-ÿ]\w*\b`?(?!\()"
    r"|\b(?:initial|opening|starting|constructor|initiali[sz]\w+|takes|created? with|given|holds"
    r"|__init__|dataclass)\b",
    re.IGNORECASE,
)


@dataclass(slots=True)
class Members:
    """The members of the class `name` as far as the prompt writes them out.

    `methods` has those with their parameters, `method_names` also those that are only named, and
    `attributes` the places where each is spoken of first. `made` makes an object, `fresh` one that
    holds nothing yet: empty where nothing says for certain what the constructor takes.
    """

    name: str
    constructor: Function | None = None
    methods: dict[str, Function] = field(default_factory=dict[str, Function])
    method_names: set[str] = field(default_factory=set[str])
    attributes: dict[str, int] = field(default_factory=dict[str, int])
    made: str = ""
    fresh: str = ""

    def callables(self) -> Iterator[Function]:
        """What an argument can be given to."""
        if self.constructor:
            yield self.constructor
        if self.made:
            yield from self.methods.values()


def members_of(prompt: str, name: str, others: Collection[str] = ()) -> Members:
    """The members of the class `name`; the prompt asks for `others` beside it."""
    found = Members(name)
    for match in _ATTRIBUTE.finditer(prompt):
        found.attributes.setdefault(match[1] or match[2], match.start())
    listed = re.sub(r"\([^)]*\)", "", " ".join(_LISTED.findall(prompt)))
    called = {m for m in _CALLED.findall(prompt) if m not in syntax.BUILTINS}
    found.method_names = called | (set(re.findall(r"\b[a-z_]\w+", listed)) - set(found.attributes))
    found.method_names -= _NO_METHODS
    heads = list(_heads(prompt))
    for method, definition in heads:
        if method not in (name, "__init__", *others) and method not in found.attributes:
            found.method_names.add(method)
            known = found.methods.get(method)
            function = learn_signature(Function(f"obj.{method}"), definition)
            if known is None or len(known.parameters) < len(function.parameters):
                found.methods[method] = function
    made = [definition for head, definition in heads if head in (name, "__init__")]
    if made:
        definition = max(made, key=lambda d: len(d.args.args))
        found.constructor = learn_signature(Function(name), definition)
    elif sized := _SIZED.search(prompt):
        found.constructor = Function(name, (sized[1],), 1, 1)
    found.fresh = _fresh(prompt, found)
    found.made = found.fresh or _shown(prompt, name)
    if re.search(r"\basync", prompt, re.IGNORECASE):
        found.fresh = found.made = ""  # Which of the methods have to be awaited is not known.
    for function in found.methods.values():
        function.setup = f"obj = {found.made}"
    return found


def _heads(prompt: str) -> Iterator[tuple[str, ast.FunctionDef]]:
    """Each call whose arguments are parameters, as a definition."""
    for match in re.finditer(r"(?<![\w.@])([A-Za-z_]\w*)\(", prompt):
        end = expressions.bracket_end(prompt, match.end() - 1)
        head = re.sub(r"\(\s*self\s*,?\s*", "(", prompt[match.start() : end or 0])
        is_builtin = match[1] in syntax.BUILTINS
        is_used = _USES.search(prompt, max(0, match.start() - 12), match.start()) is not None
        if end is None or match[1] in _PROTOCOL or is_used:
            continue
        if is_builtin and not head.endswith("()"):
            continue
        tree = syntax.parse(f"def {head}: pass")
        if tree and isinstance(tree.body[0], ast.FunctionDef):
            yield match[1], tree.body[0]


def _fresh(prompt: str, found: Members) -> str:
    """The making of an object without content; empty where it is not certain."""
    name = found.name
    is_optional = re.search(rf"\b{name}\([^()]*\)[^.;\n]{{0,10}}\boptional", prompt)
    if is_optional or re.search(rf"\b{name}\(\)", prompt):
        return f"{name}()"
    if found.constructor:
        arguments = with_others(found.constructor, {})
        is_size = arguments is not None and all(re.fullmatch(r"[\d.]+", a) for a in arguments)
        return f"{name}({', '.join(arguments or ())})" if is_size else ""
    first = min((m.start() for m in _CALLED.finditer(prompt)), default=len(prompt))
    is_bare = f"{name}(" not in prompt and not _TAKES.search(prompt[:first])
    return f"{name}()" if is_bare else ""


def _shown(prompt: str, name: str) -> str:
    """The first making of an object that the prompt shows."""
    for match in re.finditer(rf"\b{name}\(", prompt):
        end = expressions.bracket_end(prompt, match.end() - 1)
        if end and expressions.is_example_call(prompt[match.start() : end]):
            return prompt[match.start() : end]
    return ""


def with_setup(example: expressions.Example, setup: str) -> expressions.Example:
    """`example` behind the steps that make its object."""
    if not setup:
        return example
    statement, call = f"{setup}\n{example.statement}", f"{setup}\n{example.call}"
    return replace(example, statement=statement, call=call)
