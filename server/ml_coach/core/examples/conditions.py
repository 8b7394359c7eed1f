"""Inputs that a prompt only describes ("below 0", "longer than 20 characters", "not a string"), and
instances of them.

A described input is a condition on one argument. An instance is the value nearest to the bound,
because no other description of the prompt can lie between.
"""

from __future__ import annotations

import ast
import re
from dataclasses import dataclass, replace
from decimal import Decimal

_NUMBERS = {
    "zero": "0", "one": "1", "two": "2", "three": "3", "four": "4", "five": "5", "ten": "10",
    "null": "0", "eins": "1", "zwei": "2", "drei": "3", "vier": "4", "fünf": "5", "zehn": "10",
    "un": "1", "une": "1", "deux": "2", "trois": "3", "quatre": "4", "cinq": "5", "dix": "10",
    "uno": "1", "una": "1", "dos": "2", "tres": "3", "cuatro": "4", "cinco": "5", "diez": "10",
}  # fmt: skip
_COMPARATORS = {
    "<": "less than|lower than|smaller than|fewer than|shorter than|below|under|kleiner als|"
    "weniger als|kürzer als|unter|unterhalb von|moins de|inférieure? à|plus petite? que|"
    "plus courte? que|en dessous de|menos de|menor(?:es)? (?:que|a|de)|por debajo de|más corto que|"
    "meno di|minore di|inferiore a|menos que|abaixo de|<(?![=/A-Za-z_])",
    "<=": "at most|up to|no more than|not more than|not longer than|no longer than|höchstens|"
    "bis zu|maximal|au plus|jusqu['’]à|como máximo|hasta|al massimo|fino a|até|<=|≤",
    ">": "greater than|larger than|bigger than|higher than|more than|longer than|older than|above|"
    "over|exceeds|exceeding|beyond|past|größer als|mehr als|länger als|höher als|über|oberhalb von|"
    "plus de|supérieure? à|plus grande? que|plus longue? que|plus long que|au-dessus de|"
    "mayor(?:es)? (?:que|a|de)|más de|más larg[oa] que|por encima de|più di|maggiore di|"
    "superiore a|mais de|maior que|acima de|>(?![=A-Za-z_])",
    ">=": "at least|no less than|not less than|no fewer than|mindestens|ab|au moins|à partir de|"
    "al menos|por lo menos|a partir de|almeno|pelo menos|>=|≥",
    "=": "exactly|equal to|equals|the same as|gleich|égale? à|igual a|uguale a",
}
_UNITS = (
    "characters?|chars?|letters?|digits?|items?|elements?|entries|entry|values?|words?|numbers?|"
    "points?|symbols?|zeichen|buchstaben|ziffern?|elemente?n?|einträgen?|werten?|wörtern?|zahlen|"
    "caractères?|lettres?|chiffres?|éléments?|valeurs?|mots?|nombres?|caracteres?|letras?|"
    "d[ií]gitos?|elementos?|valores?|palabras?|números?|caratteri|elementi|valori|numeri"
)
_ABOUT_LENGTH = re.compile(r"(?i)short|long|kürz|läng|fewer|court|cort|larg")
_TO = r"(?:\s*(?:-|–|—|\.{2,3}|…)\s*|\s+(?:to|through|thru|bis|à|a|hasta|até)\s+)"
_DIGITS = r"[-−]?\d[\d_]*(?:\.\d+)?"
_END = r"(?![\w%°€$/@=*+-]|[.:]\w)"
_RANGE = re.compile(
    rf"(?:(?:(?P<both>(?:strictly )?between|entre|zwischen)|from|von|de)\s+)?(?P<low>{_DIGITS})"
    rf"(?:{_TO}|(?(both)\s+(?:and|und|et|y|e)\s+|(?!)))(?P<high>{_DIGITS})(?!\s*(?:{_TO})\d){_END}"
    rf"(?:\s+(?P<unit>{_UNITS})(?!\w))?",
    re.IGNORECASE,
)
_OUTSIDE = re.compile(
    r"(?:outside(?: of)?|not (?:in|between|within)|außerhalb(?: von)?|hors de|fuera de(?:l)?)\s+"
    r"(?:the |le |el )?(?:range |bereich |rango )?(?:of |from |between |von |de )?[\[(]?"
    rf"(?P<low>{_DIGITS})(?:{_TO}|\s*(?:,|and|und|et|y)\s*)(?P<high>{_DIGITS})[\])]?",
    re.IGNORECASE,
)
# Beyond a range that the prompt has named before.
_BEYOND = re.compile(
    r"(?:outside(?: of)?|out of|außerhalb|hors de|en dehors de|fuera de|fuori da)\s+(?:this|that"
    r"|the|these|those|dieses|dieser|des|cet(?:te)?|l|ese|este|questo)['’]?\s*"
    r"(?:ranges?|bereichs?|intervall\w*|rango|limits?|bounds|interval|bornes)(?!\w)"
    r"(?!\s+(?:of|from|\d))",
    re.IGNORECASE,
)
# A file that has a content, or is not there: it is written for the test.
_FILE = re.compile(
    r"(?P<empty>(?:empty|blank) file)|(?P<none>"
    r"(?:the |a )?(?:file|path) (?:does not|doesn['’]t) exist"
    r"|(?:missing|non-?existent|unknown) (?:file|path)|(?:the )?file is missing|file not found"
    r"|(?:datei|fichier|archivo) (?:nicht existiert|n['’]existe pas|no existe))(?!\w)"
    r"|file (?:with|containing|that contains)(?: the)?(?: contents?| text| lines?)?:? "
    r"(?:(?P<text>'(?:[^'\n\\]|\\.)*'(?!,)|\"(?:[^\"\n\\]|\\.)*\"(?!,))"
    r"|(?<=lines )(?P<lines>['\"]?\w+['\"]?(?:, ['\"]?\w+['\"]?)*"
    r"(?: and (?P<last>['\"]?\w+['\"]?)(?! ?=))?))",
    re.IGNORECASE,
)
_OPEN = re.compile(
    rf"(?P<low>{_DIGITS})(?:\+(?!\w)|\s+(?:(?P<unit>{_UNITS})\s+)?(?:and|or|und|oder|et|ou|y|o|e)\s+"
    r"(?:(?P<up>more|above|older|higher|greater|up|over|larger|longer|later|mehr|älter|höher|größer|"
    r"darüber|plus|supérieur|más|mayor|più)|(?P<down>less|fewer|below|under|younger|lower|smaller|"
    r"shorter|weniger|jünger|kleiner|darunter|moins|menos|menor|meno))(?!\w))",
    re.IGNORECASE,
)
_COMPARED = {
    op: re.compile(
        rf"(?:{said})\s*(?:(?P<n>{_DIGITS}){_END}|(?<=\s)(?P<word>{'|'.join(_NUMBERS)})(?!\w))"
        rf"(?:\s*-?\s*(?P<unit>{_UNITS})(?!\w))?",
        re.IGNORECASE,
    )
    for op, said in _COMPARATORS.items()
}
_COMPARATOR = {op: re.compile(rf"(?:{said})(?!\w)", re.I) for op, said in _COMPARATORS.items()}
_NOT = (
    r"(?:not|isn['’]t|aren['’]t|(?:any|some)thing (?:but|other than)|other than|keine?n?r?|nicht|"
    r"ist keine?|n['’]est pas|pas|no es|no sea|non è|não é)\s+"
    r"(?:an?\s+|a valid\s+|valid\s+|ein(?:e|en)?\s+|une?\s+|una?\s+|um(?:a)?\s+)?"
)
_TYPES = {
    "int": "ints?|integers?|whole numbers?|ganzzahl(?:en)?|ganze zahl|entiers?|"
    "(?:número )?enteros?|inteiros?|(?:numero )?interi?o?",
    "num": "numbers?|numeric|floats?|zahl(?:en)?|numerisch|nombres?|números?|numeri?o?",
    "str": "strings?|text|str|zeichenkette|chaînes?|cadenas?|stringhe|stringa|texto",
    "list": "lists?|arrays?|sequences?|liste|lista",
    "dict": "dict(?:ionary)?|mapping|wörterbuch|dictionnaire|diccionario",
    "func": "callables?|aufrufbar|appelable|invocable|llamable",
}
_TYPE = re.compile(
    rf"(?:{_NOT}|non-)(?:"
    + "|".join(f"(?P<{name}>{said})" for name, said in _TYPES.items())
    + r")(?![\w-])",
    re.IGNORECASE,
)
# What is demanded of an argument ("n must be an integer"): only behind a "must" does it count.
_IS_TYPE = re.compile(
    r"(?:an?|une?|eine?|una?|of type)\s+(?:(?:positive|non-empty)\s+(?=\w))?(?:"
    + "|".join(f"(?P<{name}>{said})" for name, said in _TYPES.items())
    + r")(?![\w-])",
    re.IGNORECASE,
)
_STATES = (
    ("<=0", r"(?:non-?|not )positive"),
    (">=0", r"(?:non-?|not )negative|nicht negativ"),
    ("<0", r"(?:a )?negative?[nr]?(?!\w)"
           r"(?: (?:numbers?|integers?|values?|amounts?|inputs?|zahl(?:en)?|werte?))?"
           r"|(?:nombres? |valeurs? )?négati(?:f|ve)s?|(?:números? |valores? )?negativ[oaie]s?"),
    (">0", r"(?:strictly )?positive?[nr]?(?!\w)|positi(?:f|ve)s?|positiv[oaie]s?"),
    ("=0", r"zeros?|zéro|cero"),
    ("last=0", r"divi\w+ (?:by|durch|par|por|per|entre) (?:zero|0|null|zéro|cero)"
               r"|by (?:zero|0)(?![\w.])"),
    ("empty", r"(?:empty|leere?[rsnm]?|vides?|vac[ií][oa]s?|vuot[oa]|vazi[oa])(?!\w)"),
    ("mismatch", r"(?:doesn['’]?t|does not|don['’]?t|do not) (?:match|fit|parse)(?: the format)?"
                 r"|(?:nicht passt|passt nicht)|ne correspond pas|no coincide|non corrisponde"),
    ("full", r"non-?empty|not empty|nicht leer"),
)  # fmt: skip
_STATE = tuple((code, re.compile(rf"(?:{said})(?!\w)", re.I)) for code, said in _STATES)
_OPPOSITE = {"<": ">=", ">=": "<", ">": "<=", "<=": ">", "empty": "full", "full": "empty",
             "range": "outside"}  # fmt: skip
_WRONG = {"int": "'abc'", "num": "'abc'", "str": "5", "list": "5", "dict": "5", "func": "5"}
_LONGEST = 400


@dataclass(frozen=True, slots=True)
class Condition:
    """What is said of one argument: `op` with `bound` (`<`, `range` with `top`, …), `empty`, or
    `type` for anything that is not a `bound`. `of_length` where the bound is one of its length.

    `subject` is the parameter or the noun that it is said of, empty where nothing is; `last` where
    it can only be the last argument. With `than` the bound is another parameter.
    """

    op: str
    bound: str = ""
    top: str = ""
    unit: str = ""
    of_length: bool = False
    subject: str = ""
    last: bool = False
    than: str = ""

    @property
    def is_of_number(self) -> bool:
        """Whether only a number can fulfil it."""
        is_compared = self.op in ("<", "<=", ">", ">=", "range", "outside")
        return is_compared and bool(self.bound) and not self.of_length

    def denied(self) -> Condition | None:
        """The condition that holds where this one does not, None where it is not one condition."""
        if self.op == "is":
            return replace(self, op="type")
        return replace(self, op=_OPPOSITE[self.op]) if self.op in _OPPOSITE else None


def condition_at(text: str, at: int, end: int) -> tuple[Condition, int] | None:
    """The condition that is said at `at`, and where its words end."""
    if found := _FILE.match(text, at, end):
        return _file(found), found.end()
    if found := _RANGE.match(text, at, end):
        low, high = _plain(found["low"]), _plain(found["high"])
        if Decimal(low) < Decimal(high):
            return Condition("range", low, high, of_length=bool(found["unit"])), found.end()
    if found := _OPEN.match(text, at, end):
        op = "<=" if found["down"] else ">="
        return Condition(op, _plain(found["low"]), of_length=bool(found["unit"])), found.end()
    if found := _OUTSIDE.match(text, at, end):
        return Condition("outside", _plain(found["low"]), _plain(found["high"])), found.end()
    if found := _BEYOND.match(text, at, end):
        return Condition("outside"), found.end()
    for op in ("<=", ">=", "<", ">"):
        if found := _COMPARED[op].match(text, at, end):
            number = _plain(found["n"] or _NUMBERS[found["word"].lower()])
            of_length = bool(found["unit"] or _ABOUT_LENGTH.match(found[0]))
            unit = (found["unit"] or "").lower()
            return Condition(op, number, of_length=of_length, unit=unit), found.end()
    return _kind_or_state(text, at, end)


def _kind_or_state(text: str, at: int, end: int) -> tuple[Condition, int] | None:
    if found := _TYPE.match(text, at, end):
        return Condition("type", found.lastgroup or ""), found.end()
    for code, said in _STATE:
        if found := said.match(text, at, end):
            return _state(code), found.end()
    return None


def demanded_at(text: str, at: int, end: int) -> tuple[Condition, int] | None:
    """The type that is demanded at `at`, as in "must be an integer"."""
    found = _IS_TYPE.match(text, at, end)
    return (Condition("is", found.lastgroup or ""), found.end()) if found else None


def comparator_at(text: str, at: int, end: int) -> tuple[str, int] | None:
    """The comparison without a number at `at`, as in "lo > hi"."""
    for op in ("<=", ">=", "<", ">", "="):
        if found := _COMPARATOR[op].match(text, at, end):
            return op, found.end()
    return None


def instances(condition: Condition, kind: str) -> list[str]:
    """The Python of arguments of a kind of type that fulfil the condition; none where unknown."""
    match condition.op:
        case "mismatch":
            return ["''"] if kind == "str" else []
        case "empty":
            return {"str": ["''"], "list": ["[]"], "dict": ["{}"], "tuple": ["()"]}.get(kind, [])
        case "type":
            return [_WRONG[condition.bound]]
        case "outside":
            ends = [str(Decimal(condition.bound) - 1), str(Decimal(condition.top) + 1)]
        case "range":
            ends = [condition.bound, condition.top]
        case "full" | "is" | "file" | "no file":
            return []
        case _:
            number = Decimal(condition.bound)
            step = Decimal(1).scaleb(int(number.as_tuple().exponent))
            ends = [str(number + {"<": -step, ">": step}.get(condition.op, Decimal(0)))]
    if condition.of_length or (kind in ("str", "list") and condition.of_length):
        return [code for number in ends if (code := _of_length(number, kind, condition.unit))]
    if kind == "list":
        return [f"[{number}]" for number in ends]
    return ends if kind in ("num", "") else []


def holds(condition: Condition, code: str) -> bool:
    """Whether a literal fulfils a condition on its number, its length or its emptiness."""
    value = ast.literal_eval(code)
    if condition.op == "empty":
        return value in ("", [], {})
    try:
        size = float(len(value) if condition.of_length else value)
        low, high = (float(bound or "nan") for bound in (condition.bound, condition.top))
    except (TypeError, ValueError):
        return False
    compared = {"<": size < low, "<=": size <= low, ">": size > low, ">=": size >= low}
    compared |= {"=": size == low, "range": low <= size <= high, "outside": not low <= size <= high}
    return compared.get(condition.op, False)


def _file(found: re.Match[str]) -> Condition:
    if found["none"]:
        return Condition("no file")
    if found["lines"]:
        words = re.findall(r"\w+", found["lines"])
        lines = [word for word in words[:-2] if word] + words[-1:] if found["last"] else words
        return Condition("file", "".join(f"{line}\n" for line in lines))
    return Condition("file", ast.literal_eval(found["text"]) if found["text"] else "")


def _of_length(number: str, kind: str, unit: str) -> str:
    if not number.isdigit() or int(number) > _LONGEST:
        return ""
    length = int(number)
    if kind == "str":
        letter = "1" if unit.startswith(("digit", "ziffer", "chiffre")) else "a"
        return repr(letter * length) if length <= 40 else f"{letter!r} * {length}"
    if kind == "list":
        return repr(list(range(1, length + 1))) if length <= 12 else f"list(range({length}))"
    return ""


def _state(code: str) -> Condition:
    if code.startswith("last"):
        return Condition("=", "0", last=True)
    found = re.match(r"([<>=]=?)(0)", code)
    return Condition(found[1], found[2]) if found else Condition(code)


def _plain(number: str) -> str:
    return number.replace("−", "-").replace("_", "")
