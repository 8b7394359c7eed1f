"""Examples said in a sentence: "f(1) returns 2", "f(1) -> 2", "f(-1) raises ValueError"."""

from __future__ import annotations

import re
from collections.abc import Iterator
from itertools import islice

from ml_coach.core.examples import expressions, layout, unsettled, words
from ml_coach.core.examples.expressions import Example
from ml_coach.core.python import syntax

MOST_CALLS = 300  # that are looked at in one prompt
CALL = re.compile(r"(?<![\w.])([A-Za-z_]\w*)\(")
_RETURNS = re.compile(
    r"""[`"']?[ \t]*(?:
        (?P<arrow>={1,2}>|-{1,2}>|→|➞|⇒|⟶|➜|\#[ \t]*(?:=>|->|→)?)
      | (?P<equal>={2,3}|=)
      | (?:(?:should|must|will|would|shall)\ )?
        (?P<about>(?:be\ |is\ )?(?:about|approximately|roughly)|≈)
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
# After a value only these may follow on the line: the sentence or the clause ends there. A second
# value does not end it ("returns 3 and 5"), nor does a factorial ("= 5! = 120").
_ENDS = re.compile(
    r"""[`"']?[ \t]*(?:$|\#|//|;|\.(?:\s|$)|\)|\(|—|–|because\b|since\b|(?:again|too|as well)\b"""
    r"""|and[ \t]+`?(?:await[ ])?[\w.]+\("""
    r"""|and[ \t]+(?:it|never|not|nothing|no|is|has|does|can|cannot|may|should|must|will|would"""
    r"""|for|if|when|otherwise|(?:rais|throw|print|leav|work|handl|ignor|accept|tak|run|keep|chang"""
    r"""|modifi)e?s)\b"""
    r"""|,(?![ \t]*`?(?:[\d\[('"{-]|(?:[Tt]rue|[Ff]alse|[Nn]one|null)\b"""
    r"""(?!`?[ \t]+(?:otherwise|for|if|when|else)\b))))"""
)
# Before a call in its sentence, these turn a fact into something else; the second kind does so
# before a colon, too ("Fix this bug: ...").
_DOUBT = re.compile(
    r"\b(?:not|never|instead|if|unless|suppose|assum\w+|whether|except|avoid|shouldn|don|doesn|isn"
    r"|when)\b|n't\b",
    re.IGNORECASE,
)
# Behind a value, these take it back; the second kind only with another value behind it. "5, not 23"
# does not: it says once more that 5 is right.
_TAKES_BACK = re.compile(
    r"[^#\n]*[,(]\s*(?:(?:which\s+is\s+)?(?:wrong|incorrect|not\s+(?:as|correct|expected|good|ok"
    r"|right|true|what|the\s+(?:correct|expected|right)))\b|which\s+is\s+not\s+`?[\d\[('\"{-]"
    r"|but\b[^.\n]*\b(?:(?:should|must)\s+(?:\w+\s+)?(?:return|give|yield|equal)|correct|right"
    r"|wrong|incorrect|expect\w*|instead|needs?\s+to|only|ought|supposed|want\w*)\b)",
    re.IGNORECASE,
)
_CORRECTS = re.compile(
    r"[.,;(\n—–-]\s*(?:(?:and|but|it|this|that|which)\s+)*(?:expected(?:\s+\w+)?:?|(?:i|we)\s+(?:would\s+)?expect(?:ed)?"
    r"|(?:should|must)\s+(?:\w+\s+)?(?:return|be|give|yield|equal))\s+`?",
    re.IGNORECASE,
)
# Right behind the value: another one is as good, or the next sentence wants another one.
_OPEN = re.compile(
    r"[^.;\n]*?(?:\(\s*(?:or|e\.g\.|for example|any)\b"
    r"|\(?\b(?:could|might|may) (?:also )?be\b|\b(?:or any|or maybe|perhaps|possibly)\b)",
    re.IGNORECASE,
)
_PUTS_RIGHT = re.compile(
    r"[^.;\n]*[.;,][^.;\n]*\b(?:in (?:that|this|such a) case|instead(?! of)"
    r"|(?:we|i) (?:need|want))\b",
    re.IGNORECASE,
)
# "With debug on, f(1) returns 2"; behind a value: "f(1) returns 2 if it is cached"
_CONDITION = re.compile(
    r"\W*(?:in|on|with|under|after|once|during|before|since|as of)\b"
    r"(?![^,]*\b(?:example|change|fix)\b)[^,:]*,?\s*`?$",
    re.IGNORECASE,
)
_ONLY_IF = re.compile(
    r"[^.;\n]*?[\w)\]}'\"`],?\s+(?:only\s+)?(?:if|when|unless|provided|as long as"
    r"|assuming|in case|wenn|falls|si|cuando|on (?:windows|linux|mondays?))\b",
    re.IGNORECASE,
)
_OTHERWISE = re.compile(
    r"[^.;\n]*\b(?:expect\w*|should|must|want|need|rather than|though|although"
    r"|supposed to)\b[^.;\n]{0,40}?(?P<value>`?(?:['\"\[{(\d-]|True\b|False\b|None\b).*)",
    re.IGNORECASE,
)
_NEXT_EXAMPLE = re.compile(r"\b\w+\((?=[^)\n]*[\d'\"\[{(])")
# Where texts are made, "returns true" may be meant as a text.
_TEXTUAL = re.compile(
    r"json|yaml|javascript|\bjs\b|seriali[sz]|to_?str|\bas (?:a )?(?:text|string)", re.I
)
# Errors that are rather a fault of the program than wanted, where a change is asked for.
_ACCIDENTS = ("IndexError", "AttributeError", "UnboundLocalError", "NameError", "RecursionError")
_CHANGE = re.compile(
    r"\b(?:fix|rewrite|repair|refactor|change|should|instead|expected|want|issue|behaviou?r)\b",
    re.I,
)
# "Python's title('a')", "the built-in round(2.5)"
_OF_OTHERS = re.compile(
    r"(?:\b(?!(?:it|that|let|here|what|there|he|she)['’])\w+['’]s|\bbuilt-?in|\bstandard|\bnumpy"
    r"|\bplain|\bnative|\bstdlib)\s+(?:own\s+|built-?in\s+)?`?$",
    re.IGNORECASE,
)
_OPERATED = re.compile(
    r"[\w)\]'\"]\s*(?:[=!]=|[-+*/%|&<>]=?)\s*$|[\d)\]}'\"]\s+(?:not\s+)?in\s+$|`\s*not\s+$"
)
_BASES = re.compile(r"bin|hex|oct|base")
_WORDS = {"true": "True", "false": "False", "null": "None", "none": "None", "nil": "None"}


def calls_with_values(prompt: str, *, also_wrong: bool = False) -> Iterator[tuple[int, Example]]:
    """What sentences say of calls; `also_wrong` those of a fault, which name the function too."""
    recurrences = _recurrences(prompt)
    is_textual = _TEXTUAL.search(prompt) is not None
    asks_for_change = _CHANGE.search(prompt) is not None
    reports = words.REPORT.search(prompt) is not None
    for match in islice(CALL.finditer(prompt), MOST_CALLS):
        end = expressions.call_end(prompt, match.end() - 1)
        if end is None:
            continue
        code = prompt[match.start() : end]
        if "\n" in code or not expressions.is_example_call(code):
            continue
        line_end = prompt.find("\n", end)
        rest = prompt[end : line_end if line_end >= 0 else len(prompt)]
        line_begin = prompt.rfind("\n", 0, match.start()) + 1
        before = re.split(r"[.;!?](?:\s|$)", prompt[line_begin : match.start()])[-1]
        *above, clause = re.split(r":(?:\s|$)", before)
        if words.PAST.search(clause) or _DOUBT.search(clause):
            continue
        if not also_wrong and unsettled.is_taken_back(prompt, match.start(), end):
            continue
        line = prompt.count("\n", 0, match.start())
        # A part of a longer expression, or said of one situation only.
        is_conditional = _CONDITION.match(before) or _CONDITION.match(clause)
        if _OPERATED.search(before) or is_conditional or _OF_OTHERS.search(before):
            continue
        example = _read_value(code, rest, recurrences, is_textual)
        if example is None:
            continue
        after = _NEXT_EXAMPLE.split(prompt[end : end + 200])[0]
        # "f(1) returns 2, the larger should win" says what is, not what is wanted.
        sentence = before + re.split(r"[.;](?:\s|$)|,\s|\n", _without_strings(rest))[0]
        is_accident = example.value.removeprefix("raises ") in _ACCIDENTS and asks_for_change
        if (
            (reports or is_accident)
            and not also_wrong
            and not words.WANTS.search(_without_strings(sentence))
        ):
            continue
        is_wrong = any(layout.calls_unwanted(text) for text in above) or _is_taken_back(
            example, after
        )
        if also_wrong or not is_wrong:
            yield line, example


def reads(rest: str) -> bool:
    """Whether what follows a call says its value in words that are read here."""
    return (_RETURNS.match(rest) or _RAISES.match(rest)) is not None


def _is_taken_back(example: Example, after: str) -> bool:
    """Whether what follows says that the value is wrong: "f(1) returns 2. It should return 3."."""
    correction = _CORRECTS.search(after)
    value = value_at(after[correction.end() :].partition("\n")[0]) if correction else None
    is_other = value is not None and expressions.normal(value) != expressions.normal(example.value)
    if _PUTS_RIGHT.match(after) or _OPEN.match(after):
        return True
    said = _without_strings(after).partition(example.value)[2] or after
    if re.match(_ONLY_IF, "x" + said):
        return True
    other = _OTHERWISE.match(after)
    wanted = value_at(other["value"].lstrip("`")) if other else None
    if wanted and expressions.normal(wanted) != expressions.normal(example.value):
        return True
    aside = re.split(r"[.;](?:\s|$)|,|\bbut\b|\n", _without_strings(after))[0]
    return is_other or bool(words.PAST.search(aside)) or _TAKES_BACK.match(after) is not None


def _without_strings(text: str) -> str:
    return re.sub(r"'[^'\n]*'|\"[^\"\n]*\"", "''", text)


def _read_value(
    code: str, rest: str, recurrences: frozenset[str], is_textual: bool
) -> Example | None:
    if (raises := _RAISES.match(rest)) and raises["error"] in expressions.ERRORS:
        starts_with_error = rest.lstrip(" \t`").startswith(raises["error"])
        if not starts_with_error and _ENDS.match(rest[raises.end() :]):
            return expressions.raises(code, raises["error"], False)
        return None
    returns = _RETURNS.match(rest)
    if not returns:
        return None
    if (returns["equal"] == "=" or returns["arrow"]) and expressions.callee(code) in recurrences:
        return None
    text = value_at(rest[returns.end() :])
    if text is None or (
        is_textual and re.match(r"`?(?:true|false|null|nil)\b", rest[returns.end() :])
    ):
        return None
    if _BASES.search(expressions.callee(code)) and re.fullmatch(r"\d+", text):
        # "to_binary(5) returns 101" may mean a text.
        return Example(f"assert str({code}) == {text!r}", code, text, False)
    if returns["about"] or "≈" in returns[0]:
        return expressions.nearly(code, text)
    return expressions.equal(code, text, False)


def _recurrences(prompt: str) -> frozenset[str]:
    """Names that the prompt defines by a formula, as in `f(n) = f(n-1) + 1`.

    What such a formula says about `f(1)` may be about a sequence and not about the function.
    """
    return frozenset(
        match[1]
        for match in re.finditer(
            r"\b([A-Za-z_]\w*)\([^()\n]*[a-z][^()\n]*\)[ \t]*=[^=>\n]*\b\1\(", prompt
        )
    )


def value_at(text: str) -> str | None:
    """The literal that `text` begins with, if the clause ends after it."""
    if word := re.match(r"[A-Za-z]+\b", text):
        value = _WORDS.get(word[0].lower()) if word[0] not in syntax.BUILTINS else word[0]
        return value if value and _ENDS.match(text[word.end() :]) else None
    for end in _value_ends(text):
        if re.search(r"\d[-/]\d", _without_strings(text[:end])):
            continue  # a date, a fraction, a score
        if re.match(r"-?0[xbo]|\([^,()]*\)$", text[:end].strip(), re.IGNORECASE):
            continue  # It may be meant as a text, or as a tuple.
        if expressions.closed_value(text[:end]) is not None and _ENDS.match(text[end:]):
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
            end = expressions.bracket_end(text, index)
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
