"""What a prompt states of a new object: how its attributes start, what its methods answer while it
holds nothing, and the states that a method leads it through.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from ml_coach.core.examples import expressions, layout
from ml_coach.core.examples.blocks import Found
from ml_coach.core.examples.call_arguments import with_others
from ml_coach.core.examples.members import Members, with_setup

_LITERAL = r"(?P<value>'[^'\n]*'|\"[^\"\n]*\"|-?\d+(?:\.\d+)?|True|False|None)(?=[\s,.;:)]|$)"
_STARTS = re.compile(
    r"\b(?:starts?(?: out)?|begins?|(?:is )?initially(?: is)?|beginnt|startet|commence|démarre"
    r"|empieza|comienza|inizia|parte)\s+"
    rf"(?:(?:at|in|as|with|on|from|by|off|bei|mit|als|à|avec|dans|en|con|da)\s+)?{_LITERAL}"
)
# The attribute that starts so: right before, or the one that the sentence has declared.
_OF_WORD = re.compile(r"\b([a-z_]\w*)`?,?\s+(?:(?:that|which|die|der|das|qui|que)\s+)?\Z")
# Between the name of a class and its verb: "class Lamp(x): it starts ...".
_SUBJECT = r"(?:\([^()]*\))?`?(?: class)?[,:]?(?: (?:that|which|it))?\s+"
_DECLARED = re.compile(
    r"\b(?:attribute|property|attribut|eigenschaft)\s+`?(\w+)`?[^.;,]*\(\Z", re.IGNORECASE
)
_ARROW = re.compile(r"\s*(?:->|=>|→)\s*")
_TURNS = re.compile(
    r"\b(?P<method>[a-z_]\w*)\(\)\s+(?:[a-zà-ÿ]+\s+){0,3}?"
    r"(?P<chain>['\"]?\w+['\"]?(?:\s*(?:->|=>|→)\s*['\"]?\w+['\"]?){1,8})"
)
_RETURNS_IT = re.compile(
    r"[^.;\n]{0,15}\b(?:returns?|gives?|gibt|liefert|renvoie|retourne|devuelve|restituisce)\s+"
    r"(?:the|den|die|das|le|la|el)\s+(?:new|neuen?|nouvel(?:le)?|nouveau|nuev[oa]|nuov[oa])\b"
)
_ERROR = r"(?P<error>[A-Z]\w*(?:Error|Exception))"
_UNKNOWN = (
    r"(?:unknown|missing|absent|not (?:found|there|present|known)|never (?:added|seen|set|inserted)"
    r"|empty|leer|vide|vac[ií][oa]|vuot[oa]|unbekannt|nicht (?:vorhanden|gefunden)|inconnue?"
    r"|absente?|desconocid[oa]|sconosciut[oa])"
)
_IF = r"(?:if|when|wenn|falls|si|se|cuando|for|für|pour|para|per)"
_OF = r"\b(?P<method>\w+)\([^()]*\)[^.)\n]{0,120}?[\s(]"
_ANSWERS = tuple(
    re.compile(form)
    for form in (
        # get(key) -> value or -1
        r"\b(?P<method>(?:get|find|look_?up|fetch|pop|peek|top|front|first|last|search)\w*)"
        r"\([^()]*\)\s*(?:->|→|:|returns?)\s*(?:the\s+)?(?:[a-z]+\s){1,3}"
        rf"(?:or|oder|ou|o)\s+{_LITERAL}",
        # find(x) -> its group (KeyError if unknown); remove(key): KeyError if unknown
        rf"{_OF}{_ERROR} {_IF}(?: \w+){{0,3}}? {_UNKNOWN}\b",
        # count(tag) -> int (0 if never added); count(item) -> 0 for unknown items
        rf"{_OF}{_LITERAL} {_IF}(?: \w+){{0,2}}? {_UNKNOWN}\b",
        # unknown item in remove -> KeyError
        rf"\b{_UNKNOWN} \w+ (?:in|for|bei|dans|en) `?(?P<method>\w+)`?(?:\([^()]*\))?"
        rf"\s*(?:->|→|:)\s*{_ERROR}",
    )
)


def of_new_objects(prompt: str, known: Members) -> Iterator[Found]:
    """The tests of what is stated of new objects of one class."""
    started = dict[str, str]()
    for place, made, attribute, value in _starts(prompt, known):
        if made == known.fresh:
            started[attribute] = value
        example = expressions.compared(f"{made}.{attribute}", value, any_order=False, exact=False)
        if example:
            yield place, example
    if known.fresh:
        yield from _turns(prompt, known, started)
        yield from _answers(prompt, known)


def _starts(prompt: str, known: Members) -> Iterator[tuple[layout.Piece, str, str, str]]:
    """Each start that is stated: its place, the making of the object, the attribute, the value."""
    made = re.compile(rf"\b{known.name}\([^()\n]*\)")
    open_starts: list[re.Match[str]] = []
    taken: set[str] = set()
    for match in _STARTS.finditer(prompt):
        place = layout.Piece(*match.span())
        sentence = re.split(r"[.;!?]\s|\n", prompt[: match.start()])[-1]
        attribute = _attribute_of(sentence, known)
        if shown := re.search(rf"({made.pattern})`?\s+\Z", sentence):
            declared = [a for a, at in known.attributes.items() if at < match.start()]
            declared = declared or list(known.attributes)
            if len(declared) == 1 and expressions.is_example_call(shown[1]):
                yield place, shown[1], declared[0], match["value"]
                yield from _likewise(prompt, match.end(), made, declared[0])
        elif attribute and known.fresh:
            taken.add(attribute)
            yield place, known.fresh, attribute, match["value"]
        elif re.search(rf"\b{known.name}{_SUBJECT}\Z", sentence):
            open_starts.append(match)
    left = [attribute for attribute in known.attributes if attribute not in taken]
    for match in open_starts if len(left) == 1 and known.fresh else ():
        yield layout.Piece(*match.span()), known.fresh, left[0], match["value"]


def _attribute_of(sentence: str, known: Members) -> str:
    """The attribute at the end of a sentence's part, or that is declared before a bracket there."""
    word = _OF_WORD.search(sentence)
    if word and word[1] in known.attributes:
        return word[1]
    declared = _DECLARED.search(sentence)
    return declared[1] if declared and declared[1] in known.attributes else ""


def _likewise(
    prompt: str, at: int, made: re.Pattern[str], attribute: str
) -> Iterator[tuple[layout.Piece, str, str, str]]:
    """The starts that go on a first one without its verb: ", Account(100) with 100"."""
    further = re.compile(
        rf"(?:,|,? (?:and|und|et|y|e)) ?(?P<made>{made.pattern}) (?:at|with|mit|bei|à|avec|con)? ?"
        rf"{_LITERAL}"
    )
    while match := further.match(prompt, at):
        at = match.end()
        if expressions.is_example_call(match["made"]):
            yield layout.Piece(*match.span()), match["made"], attribute, match["value"]


def _turns(prompt: str, known: Members, started: dict[str, str]) -> Iterator[Found]:
    """The states that calls of one method lead through, from the one that a new object has."""
    for match in _TURNS.finditer(prompt):
        first, *others = (word.strip("'\"") for word in _ARROW.split(match["chain"]))
        attributes = [
            name for name, value in started.items() if value[0] + first + value[0] == value
        ]
        if match["method"] not in known.methods or len(attributes) != 1:
            continue
        call = f"obj.{match['method']}()"
        returns = _RETURNS_IT.match(prompt, match.end()) is not None
        for count, state in enumerate(others, 1):
            done = [call] * (count - 1 if returns else count)
            asked = call if returns else f"obj.{attributes[0]}"
            setup = "\n".join([f"obj = {known.fresh}", *done])
            place = layout.Piece(*match.span())
            yield place, with_setup(expressions.equal(asked, repr(state), False), setup)


def _answers(prompt: str, known: Members) -> Iterator[Found]:
    """What methods answer for something that a new object cannot hold."""
    for form in _ANSWERS:
        for match in form.finditer(prompt):
            method, groups = known.methods.get(match["method"]), match.groupdict()
            if method is None:
                continue
            asked = {name: "1" if len(name) == 1 else "'a'"
                     for at, name in enumerate(method.parameters[: method.least])
                     if not method.kind(at)}  # fmt: skip
            arguments = with_others(method, asked)
            if arguments is None:
                continue
            call = f"{method.name}({', '.join(arguments)})"
            error = groups.get("error")
            if error and error in expressions.ERRORS:
                made = expressions.raises(call, error, False)
            elif not error:
                made = expressions.equal(call, match["value"], False)
            else:
                continue
            yield layout.Piece(*match.span()), with_setup(made, method.setup)
