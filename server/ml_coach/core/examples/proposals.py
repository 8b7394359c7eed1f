"""Whether the prompt states a test that somebody, such as a model, proposes.

It does where each literal of the test stands in one sentence, list item or row, in the order that
the words between them give: input, "becomes", output; or output, "for", input.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Sequence

from ml_coach.core.examples import expressions, layout, words
from ml_coach.core.examples.extract import LONGEST_PROMPT
from ml_coach.core.examples.tokens import Token, tokens
from ml_coach.core.python import syntax
from ml_coach.core.types import Spec, StatedTest

_VALUES = "VBE"
_LISTED = re.compile(r"^[,aO]{0,2}[VB](?:$|[.;:),])")  # a second value: "returns 3 and 5"


def as_stated(statement: str, spec: Spec) -> StatedTest | None:
    """`statement`, an assert or an expected error, as a stated test; None where no sentence has it.

    Its fractions are compared up to rounding, and its items sorted where the prompt leaves their
    order open.
    """
    tree = syntax.parse(statement)
    if tree is None or len(tree.body) != 1 or not spec.names:
        return None
    read = _read(tree.body[0], spec)
    if read is None:
        return None
    call, arguments, result = read
    prompt = spec.prompt[:LONGEST_PROMPT]
    parameters = set(re.findall(r"\w+", " ".join(s.partition("(")[2] for s in spec.signatures)))
    places = [*layout.pieces(prompt), *(p for t in layout.tables(prompt) for p in t.places[1:])]
    for place in places:
        found = tokens(prompt, place.start, place.end, set(spec.names), parameters)
        for sentence in _sentences(found):
            asked = words.ASKS.match(prompt, sentence[-1].end)
            if not asked and _has(sentence, arguments, result):
                quote = prompt[sentence[0].start : sentence[-1].end]
                return _made(call, result, quote, prompt)
    return None


def _read(node: ast.stmt, spec: Spec) -> tuple[str, list[ast.expr], ast.expr | str] | None:
    """The call, its arguments, and the expected value or the name of the expected error."""
    match node:
        case ast.With(
            items=[ast.withitem(context_expr=ast.Call(args=[ast.Name(id=error), *_]))],
            body=[ast.Expr(value=call)],
        ):
            result: ast.expr | str = error
        case ast.Assert(
            test=ast.Compare(left=call, ops=[ast.Eq() | ast.Is()], comparators=[expected])
        ):
            if isinstance(expected, ast.Call) and ast.unparse(expected.func).endswith("approx"):
                expected = expected.args[0]
            result = expected
        case _:
            return None
    if not (isinstance(call, ast.Call) and isinstance(call.func, ast.Name) and call.args):
        return None
    arguments = [*call.args, *(keyword.value for keyword in call.keywords)]
    parts = arguments if isinstance(result, str) else [*arguments, result]
    if call.func.id not in spec.names or not all(expressions.is_closed(part) for part in parts):
        return None
    return ast.unparse(call), arguments, result


def _made(call: str, result: ast.expr | str, quote: str, prompt: str) -> StatedTest | None:
    if isinstance(result, str):
        return StatedTest(expressions.raises(call, result, False).statement, quote)
    any_order = words.ANY_ORDER.search(prompt) is not None
    value = ast.unparse(result)
    example = expressions.compared(call, value, any_order=any_order, exact=False)
    return StatedTest(example.statement, quote) if example else None


def _sentences(found: Sequence[Token]) -> list[list[Token]]:
    sentences: list[list[Token]] = [[]]
    for token in found:
        if token.kind in ".;":
            sentences.append([])
        else:
            sentences[-1].append(token)
    return [s for s in sentences if any(t.kind in _VALUES for t in s)]


def _has(sentence: Sequence[Token], arguments: Sequence[ast.expr], result: ast.expr | str) -> bool:
    kinds = "".join(token.kind for token in sentence)
    if re.search("[DN]", kinds):
        return False
    outputs = [n for n, token in enumerate(sentence) if _is_result(token, result)]
    for output in outputs:
        for inputs in _places(sentence, arguments, output):
            first, last = inputs[0], inputs[-1]
            is_error = isinstance(result, str)
            if last < output and _links(kinds[last + 1 : output], kinds[output + 1 :], is_error):
                return True
            if output < first and _follows(kinds[:output], kinds[output + 1 : first], is_error):
                return True
    return False


def _places(
    sentence: Sequence[Token], arguments: Sequence[ast.expr], output: int
) -> list[list[int]]:
    """Where the arguments stand, in their order: each run of tokens that fits."""
    found: list[list[int]] = []
    for start in range(len(sentence)):
        at, places = start, list[int]()
        for argument in arguments:
            if at < len(sentence) and at != output and _is_value(sentence[at], argument):
                places.append(at)
                at += 1
                while at < len(sentence) and sentence[at].kind in ",aPAl":
                    at += 1
        if len(places) == len(arguments):
            found.append(places)
    return found


def _links(between: str, after: str, is_error: bool) -> bool:
    """Whether inputs, `between` and the result read as "'a' or 'b' becomes 1"."""
    if is_error:
        return not re.search("[EAL].", between) and not re.search("X[KR]*$", between)
    own = re.sub("^(?:[,aO]{1,2}P?[VB])+", "", between)
    has_link = re.search("[LAli]", own) is not None
    return has_link and not re.search("[VBEX]", own) and not _LISTED.match(after)


def _follows(before: str, between: str, is_error: bool) -> bool:
    """Whether the result, `between` and the inputs read as "gives 1 for 'a' or 'b'"."""
    if re.search("X[KLR]*$", before):
        return False
    if is_error:
        return re.search("[FIG(]", between) is not None and not re.search("[EAL]", between)
    own = re.sub("(?:P?[VB][,aO]{1,2})+$", "", between)
    return re.search("[FG]", own) is not None and not re.search("[VBEXAL]", own)


def _is_result(token: Token, result: ast.expr | str) -> bool:
    if isinstance(result, str):
        return token.kind == "E" and token.code == result
    return _is_value(token, result)


def _is_value(token: Token, value: ast.expr) -> bool:
    """Whether a token is this literal; a text may stand without its quotes."""
    if token.kind not in "VBW":
        return False
    said = expressions.closed_value(token.code)
    try:
        wanted = ast.literal_eval(value)
        if said is None:
            return False
        have = ast.literal_eval(said)
    except (ValueError, TypeError, SyntaxError, MemoryError):
        return False
    if token.kind == "W" and (not isinstance(wanted, str) or len(wanted) < 2):
        return False
    if isinstance(wanted, str) and not isinstance(have, str):
        return token.code == wanted
    return type(have) is type(wanted) and have == wanted
