"""The functions that a prompt asks for: how many arguments they take, and of which types."""

from __future__ import annotations

import ast
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from ml_coach.core.examples import expressions
from ml_coach.core.examples.conditions import Condition
from ml_coach.core.examples.expressions import Example
from ml_coach.core.python import syntax

_ANNOTATED = {"str": "str", "int": "num", "float": "num", "list": "list", "dict": "dict",
              "tuple": "tuple", "bool": "bool", "List": "list", "Dict": "dict"}  # fmt: skip

# What a parameter of this name usually takes. Consulted only where nothing else says it.
_NAMED_LIKE = {
    "func": re.compile(
        r"fn|func|function|pred|predicate|callback|check|key_fn|key_func|handler|funktion|fonction"
    ),
    "coros": re.compile(r"coros|coroutines|awaitables"),
    "str": re.compile(
        r"s|str|text|texts?tring|string|word|name|line|sentence|phrase|title|url|email|password|code"
        r"|prefix|suffix|sep|separator|delimiter|pattern|char|token|username|numeral"
        r"|texto?|texte|wort|satz|cadena|palabra|mot|chaine|clave|\w+_(?:str|text|name)"
        r"|fmt|format|template|source|markdown|html|date|time|timestamp|query|message|msg|expr|expression|roman|hex|version|label"
    ),
    "list": re.compile(
        r"xs|ys|y_\w+|items|iterable|iter|it|iterator|numbers|nums|values|vals|list|lst|arr|array|words|seq|sequence|elements|data"
        r"|rows|urls|labels|targets|predictions|names|lists|scores|prices|grades|weights|liste|lista|zahlen|nombres|numeros|números"
        r"|notes|tasks|intervals|nested|points|strings|lines|records|dice|rolls|valeurs|valores"
    ),
    "num": re.compile(
        r"n|num|number|count|k|i|j|idx|index|size|width|height|length|limit|age|year|month|day|amount"
        r"|price|page|per_page|lo|hi|low|high|start|stop|step|radius|minutes|seconds|hours|km|value"
        r"|min_\w+|max_\w+|\w+_(?:count|size|len|length|limit|index|price)|zahl|jahr|alter|anzahl"
        r"|annee|année|año|edad|precio|prix|betrag|celsius|fahrenheit|temp|temperature|rate|percent"
        r"|discount|weight|score|w|h|r|c|balance|paid|total|principal|quantity|qty|depth|share|denominator"
        r"|capacity|dims?|period|timeout|interval|attempts|retries|ttl|delay|cols"
    ),
    "path": re.compile(
        r"(?:\w+_)?(?:path|paths|file|files|filename|filepath|folder|directory|dirname|root|pfad|datei"
        r"|ordner|chemin|fichier|dossier|ruta|archivo|carpeta|percorso|cartella|fh|fp)"
    ),
    "dict": re.compile(r"d|mapping|table|dict|graph|config|settings|counts|inventory|deps"),
}


@dataclass(slots=True)
class Function:
    """A function that is asked for. `least` and `most` arguments are None where nothing says how
    many; `kinds` holds the types seen of each argument, and under -1 those of results. `shown` are
    the arguments of given examples that return a value. `is_boolean` where it answers yes or no.
    `refused` are the conditions on an argument for which the prompt states an error. A method is
    `obj.name`, with the making of `obj` as its `setup`."""

    name: str
    parameters: tuple[str, ...] = ()
    least: int | None = None
    most: int | None = None
    kinds: dict[int, set[str]] = field(default_factory=dict[int, set[str]])
    shown: list[list[str]] = field(default_factory=list[list[str]])
    is_boolean: bool = False
    refused: dict[int, list[Condition]] = field(default_factory=dict[int, list[Condition]])
    setup: str = ""

    def is_named_in(self, text: str) -> bool:
        """Whether a text names the function, or says what it does: "withdrawing"."""
        name = self.name.removeprefix("obj.")
        stem = re.escape(name.removesuffix("e"))
        said = rf"\b(?:{re.escape(name)}\b|{stem}{name[-1]}?ing\b)"
        return re.search(said, text, re.IGNORECASE) is not None

    def is_of_items(self, condition: Condition, place: int) -> bool:
        """Whether a range is rather one of the items: "ratings outside 1..5"."""
        is_open = not self.kind(place) and condition.op in ("range", "outside")
        return is_open and _PLURAL.fullmatch(self.parameters[place]) is not None

    def kind(self, place: int) -> str:
        """The kind of an argument's type, by its annotation, the examples, what the prompt says of
        it, or else its name; empty where nothing says it."""
        known = self.kinds.get(place, set[str]())
        if len(known) == 1:
            return next(iter(known))
        name = self.parameters[place] if 0 <= place < len(self.parameters) else ""
        found = (kind for kind, names in _NAMED_LIKE.items() if names.fullmatch(name))
        return next(found, "") if not known else ""


_PLURAL = re.compile(r"\w{3,}(?<![suio])s")
_BOOLEAN_NAME = re.compile(
    r"(?:is|has|can|are|should|check|valid|validate|ist|hat|est|es|esta|tiene|e|verifica?r?)_\w+"
    r"|is[a-z]+|\w*valid\w*"
)
_ASKS = re.compile(
    r"\b(?:checks?|tells?|decides?|determines?|tests?|says?|returns?|detects?|verif(?:y|ies)|prüft?"
    r"|vérifie|verifica|comprueba|dice|indique|indica|sagt)(?:\s+\w+){0,2}?\s+(?:if|whether|ob|si|se)\b"
    r"|\btrue\s+(?:or|and|if|when|for)\b|\bor\s+false\b|\byes\s+or\s+no\b|\bbool(?:ean)?\b"
    r"|かどうか|\bvalidat(?:es?|or|ion)\b",
    re.IGNORECASE,
)
_SAID_TYPE = {
    "str": "strings?|texts?|str|zeichenkette|chaînes?|cadenas?|stringa|文字列",
    "list": "lists?|arrays?|liste|lista",
    "num": "ints?|integers?|numbers?|floats?|ganzzahl|zahl|entiers?|enteros?|número",
    "dict": "dict|dictionary|mapping",
}
_DOCUMENTED = {
    "list": re.compile(r"(?i)sequence|list|array|iterable"),
    "num": re.compile(r"int|float|number"),
    "str": re.compile(r"str"),
    "dict": re.compile(r"dict"),
}


def functions_of(
    names: Sequence[str], signatures: Sequence[str], examples: Sequence[Example], prompt: str = ""
) -> list[Function]:
    """The functions among `names`, with what signatures, given examples and the prompt's words say
    of arguments."""
    found = {name: Function(name) for name in names if not name[:1].isupper() or name.isupper()}
    for text in signatures:
        tree = syntax.parse(f"{text.removeprefix('async ').join(('def ', ''))}: pass")
        if tree and isinstance(tree.body[0], ast.FunctionDef) and tree.body[0].name in found:
            learn_signature(found[tree.body[0].name], tree.body[0])
    for example in examples:
        learn_call(found, example.call, example.value)
    for function in found.values() if not signatures else ():
        _learn_head(function, prompt)
    for function in found.values():
        _learn_words(function, prompt, is_alone=len(found) == 1)
    return list(found.values())


def _learn_words(function: Function, prompt: str, *, is_alone: bool) -> None:
    """Learns what the prompt says: "code is a string", "checks whether ..."."""
    function.is_boolean |= bool(
        _BOOLEAN_NAME.fullmatch(function.name) or (is_alone and _ASKS.search(prompt))
    )
    for place, name in enumerate(function.parameters):
        if re.search(rf"(?<![\w.]){name}\(", prompt):
            function.kinds.setdefault(place, {"func"})
        for kind, said in _SAID_TYPE.items():
            link = r"(?:is|are|ist|sind|est|es|è)\s+(?:always\s+)?(?:an?|eine?|une?|una?)?"
            if re.search(
                rf"(?<!if )(?<!si )(?<!when )(?<!falls )(?<!wenn )\b{name}`?\s+{link}"
                rf"\s*(?:{said})\b",
                prompt,
            ):
                function.kinds.setdefault(place, {kind})
        # The line of a docstring's section of parameters: "x : sequence of float".
        if said := re.search(rf"(?m)^\s*{name}\s*(?:\([^)\n]*\))?\s*: (?:an? )?(\w+)", prompt):
            kinds = [kind for kind, like in _DOCUMENTED.items() if like.match(said[1])]
            function.kinds.setdefault(place, set(kinds[:1])) if kinds else None
    if len(function.parameters) == 1 and re.search(
        r"(?i)\bstrings? (?:shorter|longer|of|with|without|that|like)\b", prompt
    ):
        function.kinds.setdefault(0, {"str"})
    if function.most is None and re.search(r"(?i)\b(?:2|two|zwei|deux|dos|due) \w+s\b", prompt):
        function.least = function.most = 2


def learn_signature(function: Function, definition: ast.FunctionDef) -> Function:
    """Learns what a definition says of the arguments."""
    arguments = definition.args
    positional = [*arguments.posonlyargs, *arguments.args]
    function.parameters = tuple(a.arg for a in positional)
    if not arguments.vararg and None not in arguments.kw_defaults:
        function.least, function.most = len(positional) - len(arguments.defaults), len(positional)
    for place, default in enumerate(reversed(arguments.defaults), 1):
        if isinstance(default, ast.Constant) and (kind := kind_of(default)) in ("str", "num"):
            function.kinds[len(positional) - place] = {kind}
    for place, said in enumerate([*(a.annotation for a in positional), definition.returns]):
        head = re.match(r"\w+", ast.unparse(said)) if said else None
        if head and head[0] in _ANNOTATED and "|" not in ast.unparse(said or ast.Constant(0)):
            function.is_boolean |= place == len(positional) and head[0] == "bool"
            function.kinds[-1 if place == len(positional) else place] = {_ANNOTATED[head[0]]}
    return function


def learn_call(functions: Mapping[str, Function], code: str, value: str) -> None:
    """Learns what an example shows of the function that it calls."""
    tree = syntax.parse(code)
    for call in ast.walk(tree) if tree else ():
        if not (isinstance(call, ast.Call) and isinstance(call.func, ast.Name)):
            continue
        function = functions.get(call.func.id)
        if function is None or call.keywords or function.parameters:
            continue
        function.least = min(len(call.args), function.least or len(call.args))
        function.most = max(len(call.args), function.most or 0)
    match tree.body if tree else ():
        case [ast.Expr(ast.Call(func=ast.Name(id=name), args=args) as call)] if name in functions:
            if not value.startswith("raises"):
                if not call.keywords:
                    functions[name].shown.append([ast.unparse(argument) for argument in args])
                for place, argument in enumerate(args):
                    functions[name].kinds.setdefault(place, set()).add(kind_of(argument))
                if result := expressions.closed_value(value):
                    functions[name].kinds.setdefault(-1, set()).add(kind_of(result))
        case _:
            pass


def _learn_head(function: Function, prompt: str) -> None:
    """Learns from a signature that is shown as a call: "parse_duration('1h30m') -> seconds"."""
    begin = re.search(rf"\b{function.name}\(", prompt)
    end = expressions.call_end(prompt, begin.end() - 1) if begin else None
    # A prompt's call need not be Python: "link(<name>, <url>)".
    tree = syntax.parse(prompt[begin.start() : end]) if begin and end else None
    match tree.body if tree else ():
        case [ast.Expr(ast.Call(args=args, keywords=[]))] if function.most is None and all(
            map(expressions.is_closed, args)
        ):
            function.least = function.most = len(args)
            for place, argument in enumerate(args):
                function.kinds.setdefault(place, {kind_of(argument)})
        case _:
            pass


def kind_of(value: ast.expr) -> str:
    """The kind of a literal's type."""
    match value:
        case ast.Constant(value=bool()):
            return "bool"
        case ast.Constant(value=str()):
            return "str"
        case ast.Constant(value=None):
            return "none"
        case ast.Constant() | ast.UnaryOp() | ast.BinOp():
            return "num"
        case _:
            return type(value).__name__.lower()
