"""What a prompt states of the objects of a class → tests of several steps.

Read as sequences: code in sentences ("s = Stack(); s.push(1); s.pop() returns 1"), calls of methods
("After push(1), push(2), pop() returns 2"), methods as words ("When I push 1, then pop gives 1"),
and doctests whose lines use one another. A word that could change the meaning ends a sequence.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator, Sequence, Set
from dataclasses import replace

from ml_coach.core.examples import expressions, layout
from ml_coach.core.examples.blocks import Found
from ml_coach.core.examples.expressions import Example
from ml_coach.core.examples.members import members_of
from ml_coach.core.examples.tokens import Token, tokens
from ml_coach.core.examples.written import sessions
from ml_coach.core.python import syntax

_TEXT = r"'[^'\n]*'|\"[^\"\n]*\""
_INNER = rf"(?:[^()'\"\n]|{_TEXT})"
_ARGUMENTS = rf"\((?:{_INNER}|\((?:{_INNER}|\({_INNER}{{0,99}}\)){{0,99}}\)){{0,200}}\)"
_OPERAND = rf"(?:[A-Za-z_]\w*(?:{_ARGUMENTS}|\.[A-Za-z_]\w*)+|{_TEXT}|-?\d+(?:\.\d+)?|True|False)"
_CODE = re.compile(
    rf"(?<![\w.'\"])(?=[A-Za-z_'\"])(?:(?P<variable>[a-z_]\w*)\s*=\s*(?=[A-Z]))?"
    rf"(?P<code>{_OPERAND}(?:\s*(?:==|!=|[+*-]|<=|>=|<|>|\bin\b)\s*{_OPERAND}){{0,3}})"
)
_TIMES = re.compile(
    r"\s*(?:(?P<two>twice|(?:two|2) times|zweimal|deux fois|dos veces|due volte)"
    r"|(?:three|3) times|dreimal|trois fois|tres veces|tre volte)\b",
    re.IGNORECASE,
)
_FRESH = re.compile(
    r"(?:empty|new|fresh|brand-new|leere[rnm]?|neue[rnm]?|vide|nouvelle|nouveau|vací[oa]|nuev[oa])",
    re.IGNORECASE,
)
# "pop on empty -> IndexError", "pop from empty raises IndexError"
_IS_ALONE = re.compile(
    r"\s*(?:->|=>|→|:|,|;|\)|\.(?:\s|$)|$|(?:raises?|throws?|must|should|is|lève|lanza|löst|wirft)\b)"
)
# "Undo: do(x), undo(), value."
_LISTED = re.compile(r"\)`?,?(?: (?:and|und|et|y|e))? `?([a-z_]\w*)`?(?=[ \t]*(?:[.;\n]|$))")
_GIVEN = re.compile(r"(?i)\b(?:given|starting (?:with|from)|angenommen|soit|dado|dada)\b")
_PERSONS = {"I", "i", "ich", "je", "you", "we", "Calling", "calling", "from", "of", "once"}
_GOES_ON = re.compile(r"(?:when|then|and|but)\b", re.IGNORECASE)


def objects(prompt: str, names: Sequence[str]) -> Iterator[Found]:
    """The tests of objects, where the prompt asks for one class; `names` has its errors too."""
    classes = classes_of(prompt, names)
    if len(classes) == 1:
        yield from _doctests(prompt)
        errors = {name for name in names if _is_error(name, prompt)}
        yield from _Reader(prompt, classes[0], errors).found()


def classes_of(prompt: str, names: Sequence[str]) -> list[str]:
    """The classes among `names` that are no errors."""
    classes = [name for name in names if name[:1].isupper() and not name.isupper()]
    return [name for name in classes if not _is_error(name, prompt)]


def _is_error(name: str, prompt: str) -> bool:
    said = (
        rf"(?i)\b{name}`? (?:is|as) an? (?:exception|error)|\braises? (?:an? |the )?`?{name}\b"
        rf"|\b{name}`? (?:error|exception)\b|\b(?:exception|error)(?: class)? `?{name}\b"
    )
    return re.search(said, prompt) is not None


def _doctests(prompt: str) -> Iterator[Found]:
    starts = [0]
    for line in prompt.splitlines(keepends=True):
        starts.append(starts[-1] + len(line))
    for first, after, example in sessions(prompt):
        yield layout.Piece(starts[first], starts[min(after, len(starts) - 1)]), example


class _Reader:
    """Reads what `prompt` states of objects of `name`; `errors` are the errors that it defines.

    It follows one sequence at a time: its `steps`, the `variable` of its object (`obj` where the
    prompt has none), and `last`, the expression that was read and not used yet.
    """

    def __init__(self, prompt: str, name: str, errors: Set[str]) -> None:
        self._prompt, self._name = prompt, name
        self._errors = errors | expressions.ERRORS
        self._members = members_of(prompt, name)
        head = self._members.constructor
        # What the constructor must be given, where the prompt writes it out.
        self._parameters = list(head.parameters[: head.least]) if head else []
        self._methods = self._members.method_names
        self._attributes = set(self._members.attributes)
        self._attributes |= set(re.findall(r"\b[a-z_]\w*\.([a-z_]\w*)\b(?!\()", prompt))
        self._attributes |= set(_LISTED.findall(prompt))
        self._attributes |= set(self._parameters) - self._methods
        self._takes = {name for name, method in self._members.methods.items() if method.least}
        self._variables = set(re.findall(rf"(?<![\w.])([a-z_]\w*)\s*=\s*{name}\(", prompt))
        self._before = ""
        self._begin()

    def _begin(self, step: str = "", variable: str = "", start: int = -1) -> None:
        self._steps = [step] if step else list[str]()
        self._variable, self._start = variable, start
        self._last, self._is_alone = "", False

    def found(self) -> Iterator[Found]:
        """Each test with its place in the prompt."""
        for piece in layout.pieces(self._prompt):
            text = self._prompt[piece.start : piece.end]
            if self._variable in ("", "obj") and not _GOES_ON.match(text):
                self._begin()
            for sentence in _sentences(self._tokens(piece)):
                yield from self._sentence(sentence)

    def _sentence(self, items: list[Token]) -> Iterator[Found]:
        """Follows one sentence; the sequence ends where it cannot be followed."""
        kinds = "".join(item.kind for item in items)
        is_own = self._variable not in ("", "obj") or "n" in kinds
        acts = "[enmkt]" if self._variable else "[enmk]"
        is_about = re.search(acts, kinds) and not re.search("[DNQ]", kinds)
        if not is_about or (self._variable == "obj" and not re.match("[Ija]", kinds)):
            self._begin()
        if not is_about:
            return
        items, methods, start = _methods_first(items)
        for method in methods or [""]:
            self._before = method
            yield from self._steps_of(items, start, is_own=is_own)

    def _steps_of(self, items: Sequence[Token], start: int, *, is_own: bool) -> Iterator[Found]:
        at = 0
        while at < len(items):
            item, at = items[at], at + 1
            if item.kind in "enmkt":
                at = self._act(item, items, at, start)
            elif self._last and item.kind in "lLAK":
                example, at = self._result(items, at)
                yield from [(self._place(items[at - 1].end), example)] if example else []
            elif self._last and item.kind in "RE":
                for error in [i for i in items[at - 1 : at + 2] if i.kind == "E"][:1]:
                    yield self._place(error.end), self._raising(error.code)
                return
            elif item.kind in ",;:()aj–FIK":
                yield from self._comparison(item.start)
            elif item.kind != "W" or not self._skips(item.code.strip("'"), is_own):
                self._begin()
                return
        yield from self._comparison(items[-1].end if items else 0)

    def _skips(self, word: str, is_own: bool) -> bool:
        """Whether an unknown word changes nothing: before the first step, or beside code."""
        return word in _PERSONS or (not self._last and (is_own or not self._steps))

    def _act(self, item: Token, items: Sequence[Token], at: int, start: int) -> int:
        """Follows code, a method or an attribute, or the making of an object, for which a method
        may be named before it."""
        match item.kind:
            case "n":
                self._begin(item.code, item.code.partition(" =")[0], item.start)
            case "k":
                at = self._new_object(item, items, at)
                if self._before and self._variable and self._before not in self._takes:
                    self._last, self._start = f"{self._variable}.{self._before}()", start
            case "e":
                self._expression(item)
            case "m" if self._variable:
                return self._method(item.code, items, at)
            case "t" if self._variable:
                self._use_last()
                self._last = f"{self._variable}.{item.code}"
            case _:
                pass
        return at

    def _use_last(self) -> None:
        """What is said after the call of a method presupposes the call."""
        node = syntax.expression(self._last) if self._last and not self._is_alone else None
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute):
            self._steps.append(self._last)
        self._last, self._is_alone = "", False

    def _expression(self, item: Token) -> None:
        self._use_last()
        used = syntax.loads(syntax.expression(item.code)) - {self._name} - syntax.BUILTINS
        if used <= self._methods - self._variables and used and not self._parameters:
            if not self._variable:
                self._begin(f"obj = {self._name}()", "obj", item.start)
            self._last = f"{self._variable}.{item.code}"
        elif not used or used <= {step.partition(" =")[0] for step in self._steps}:
            self._last, self._is_alone = item.code, not used
        else:
            self._begin()
        self._start = item.start if self._start < 0 else self._start

    def _method(self, name: str, items: Sequence[Token], at: int) -> int:
        """A method as a word, with the values behind it: "push 1 then 2"."""
        self._use_last()
        self._last = f"{self._variable}.{name}()"
        kinds = "".join(item.kind for item in items[at:])
        values = re.match(r"V(?:[,aj]{1,2}V(?![lLA]))*", kinds)
        for token in items[at : at + values.end()] if values else ():
            if token.kind == "V":
                if not self._last.endswith("()"):
                    self._use_last()
                self._last = f"{self._variable}.{name}({token.code})"
        if values is None and name in self._takes:
            self._begin()
        return at + values.end() if values else at

    def _new_object(self, item: Token, items: Sequence[Token], at: int) -> int:
        """An object that is only named: "Given a BankAccount with balance 100"."""
        kinds = "".join(token.kind for token in items[at:])
        said = re.match(r"F(?:[tmWP]l?V[a,]?)+", kinds)
        part = items[at : at + said.end()] if said else ()
        names = [token.code.strip("'") for token in part if token.kind in "tmWP"]
        given = dict(zip(names, (t.code for t in part if t.kind == "V"), strict=False))
        arguments = [given[name] for name in self._parameters if name in given]
        self._begin()
        if len(arguments) == len(given) and (arguments or not self._parameters):
            made = f"{self._name}({', '.join(arguments)})"
            if not arguments and self._members.fresh:
                made = self._members.fresh
            self._begin(f"obj = {made}", "obj", item.start)
        return at + len(part)

    def _result(self, items: Sequence[Token], at: int) -> tuple[Example | None, int]:
        """The value behind a link, as a test of what was read last."""
        while at < len(items) and items[at].kind in "lLAKj":
            at += 1
        kinds = "".join(item.kind for item in items[at:])
        is_end = re.match(r"[Ve](?:$|[.;:)aj–]|,(?![VB](?:$|[.;,])))(?![VB])", kinds)
        item = items[at] if is_end else None
        if item is None or (item.kind == "e" and not item.code.startswith(f"{self._name}(")):
            return None, at
        if isinstance(syntax.expression(self._last), ast.Compare):
            is_truth = item.code in ("True", "False")
            made = expressions.answers(self._last, item.code == "True") if is_truth else None
        elif item.kind == "e":
            made = expressions.equal(self._last, item.code, False)
        else:
            made = expressions.compared(self._last, item.code, any_order=False, exact=False)
        example = self._with_steps(made) if made else None
        self._use_last()
        return example, at + 1

    def _comparison(self, end: int) -> Iterator[Found]:
        """A comparison that stands alone is stated itself: "Point() == Point(0, 0)"."""
        if self._last and isinstance(syntax.expression(self._last), ast.Compare):
            made = Example(f"assert {self._last}", self._last, "True", False)
            yield self._place(end), self._with_steps(made)
            self._last = ""

    def _raising(self, error: str) -> Example:
        made = self._with_steps(expressions.raises(self._last, error, False))
        if not self._is_alone:
            self._steps.append(f"try:\n    {self._last}\nexcept {error}:\n    pass")
        self._last = ""
        return made

    def _with_steps(self, made: Example) -> Example:
        if self._is_alone:
            return made
        # An object of which nothing is done before the check needs no name.
        if self._steps == [f"obj = {self._name}()"]:
            inline = [t.replace("obj.", f"{self._name}().", 1) for t in (made.statement, made.call)]
            return replace(made, statement=inline[0], call=inline[1])
        steps = "\n".join(self._steps)
        statement, call = f"{steps}\n{made.statement}", f"{steps}\n{made.call}"
        return replace(made, statement=statement, call=call)

    def _place(self, end: int) -> layout.Piece:
        return layout.Piece(max(self._start, 0), end)

    def _tokens(self, piece: layout.Piece) -> Iterator[Token]:
        """The piece as tokens, with code as `e` or `n` where it makes an object, methods and
        attributes as words `m` and `t`, and the class that is named with an object `k`."""
        at = piece.start
        for match in _CODE.finditer(self._prompt, piece.start, piece.end):
            if kind := self._kind_of(match["code"], match["variable"] or ""):
                yield from self._words(at, match.start())
                code = f"{match['variable']} = {match['code']}" if kind == "n" else match["code"]
                at = match.end()
                if times := _TIMES.match(self._prompt, at):
                    at = times.end()
                    yield from [Token(kind, match.start(), at, code)] * (1 if times["two"] else 2)
                yield Token(kind, match.start(), at, code)
        yield from self._words(at, piece.end)

    def _kind_of(self, code: str, variable: str) -> str:
        """Whether code makes (`n`) or uses (`e`) an object, or calls a method; empty for others."""
        tree = syntax.parse(code)
        if tree is None or len(tree.body) != 1 or not isinstance(tree.body[0], ast.Expr):
            return ""
        node, read = tree.body[0].value, syntax.loads(tree) - syntax.BUILTINS
        used = read - {self._name}
        if any(isinstance(n, ast.Constant) and n.value is Ellipsis for n in ast.walk(node)):
            return ""
        if variable:
            is_made = isinstance(node, ast.Call) and code.startswith(f"{self._name}(")
            return "n" if is_made and not used else ""
        is_method = isinstance(node, ast.Call) and isinstance(node.func, ast.Name)
        if is_method and read <= self._methods and len(read) == 1:
            return "e"
        return "e" if read and used <= self._variables else ""

    def _words(self, start: int, end: int) -> Iterator[Token]:
        own = {self._name.lower(), re.findall("[A-Z]?[a-z0-9]*", self._name)[-2].lower(), "one"}
        # An attribute may have a name that says nothing elsewhere, such as `value`.
        for token in tokens(self._prompt, start, end, {self._name}, self._attributes):
            said = self._prompt[token.start : token.end]
            bare = said.strip("`*_.,").lower()
            before = self._prompt[max(0, token.start - 40) : token.start]
            is_new = _GIVEN.search(before) or _FRESH.fullmatch((before.split() or [""])[-1])
            if token.kind == "B" and "/" in said and set(said.split("/")) <= self._methods:
                for number, name in enumerate(said.split("/")):
                    yield from [replace(token, kind="/")] if number else []
                    yield replace(token, kind="m", code=name)
            elif said.strip("`") in self._errors:
                yield replace(token, kind="E", code=said.strip("`"))
            elif (bare in own and is_new) or (
                _FRESH.fullmatch(said) and _IS_ALONE.match(self._prompt, token.end)
            ):
                yield replace(token, kind="k")
            elif bare in self._attributes - self._methods:
                yield replace(token, kind="t", code=bare)
            elif token.kind in "WLMRUT" and (name := self._method_of(bare)):
                yield replace(token, kind="m", code=name)
            elif not (_FRESH.fullmatch(said) or said.lower() in ("error", "exception")):
                yield token

    def _method_of(self, word: str) -> str:
        """The method that a word names: "push", "popping", "dequeuing"; empty where none."""
        for name in sorted(self._methods):
            if word in (name, f"{name}ing", f"{name}{name[-1]}ing", f"{name[:-1]}ing"):
                return name
        return ""


def _methods_first(items: list[Token]) -> tuple[list[Token], list[str], int]:
    """The methods that are named before the object ("pop and peek on an empty stack raise ..."),
    what follows them, and where the statement begins."""
    kinds = "".join(item.kind for item in items)
    said = re.search(r"(?:^W?|(?<=[,;]))[me](?:[,aO/]{1,2}[me])*(?=[FWi]{0,2}k)", kinds)
    if said is None:
        return items, [], items[0].start
    named = [item.code for item in items[said.start() : said.end()] if item.kind in "me"]
    methods = [name.removesuffix("()") for name in named]
    if not all(map(str.isidentifier, methods)):
        return items, [], items[0].start
    return items[said.end() :], methods, items[said.start()].start


def _sentences(items: Iterator[Token]) -> Iterator[list[Token]]:
    sentence: list[Token] = []
    for item in items:
        if item.kind != ".":
            sentence.append(item)
        elif sentence:
            yield sentence
            sentence = []
    if sentence:
        yield sentence
