"""A reply's text → its readings: the answer, cut into segments."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from dataclasses import replace

from ml_coach.core.python import syntax
from ml_coach.core.replies import damage, fences, wrapped
from ml_coach.core.replies.fences import Block
from ml_coach.core.replies.reasoning import answer_of
from ml_coach.core.replies.roles import DEFINES, patch_format, role_of, with_usage
from ml_coach.core.replies.segments import Reply, Segment, parsed

# What a line above a block says of it. The last clause counts: "instead of the old code, use".
_NEGATED = re.compile(
    r"\b(?:(?:do|does|will|can|could|must|should) ?not|not to|never"
    r"|(?:do|does|wo|ca|could|must|should)n['’]t)(?: \w+)?\b",
    re.IGNORECASE,
)
_REJECTS = re.compile(
    r"\b(?:avoid|bad|wrong|incorrect|naive|na[iï]ve|buggy|broken|original|before|old|previous"
    r"|current|existing|draft|rejected|anti-?pattern|instead of|compar\w+|reference"
    r"|mistakes?|pitfalls?|tempted|first (?:try|attempt|idea)|at first)\b",
    re.IGNORECASE,
)
_OFFERS = re.compile(
    r"\b(?:fix\w*|correct(?:ed|ly)?|final|improved|updated?|new|use|better|good|right|now|result"
    r"|instead(?! of)|replace\w*|after|solution|answer|becomes?|change\w*|should)\b",
    re.IGNORECASE,
)
_DIFF_BEGINS = re.compile(r"\s*(?:diff --git |--- \S[^\n]*\n\+\+\+ |@@ |\*\*\* (?:Begin|Update) )")
_MOST_DEPTH = 3  # A JSON string in a tool call in a fence is the deepest seen.


def read(text: str) -> Reply:
    """The likeliest reading of a reply: the first one whose Python parses."""
    first: Reply | None = None
    for reply in readings(text):
        first = first or reply
        programs = reply.of("program")
        useful = programs or reply.of("patch", "tests")
        if useful and all(parsed(s.text) is not None for s in programs):
            return reply
    return first or Reply("")


def readings(text: str) -> Iterator[Reply]:
    """Every reading of a reply that differs, the one that changes it least first."""
    text = text.removeprefix("\ufeff")
    if "\r" in text and text.count("\r\n") == text.count("\n"):
        text = text.replace("\r\n", "\n")  # All line ends alike are the transport's.
    seen: set[str] = set()
    plain = damage.unquoted(damage.without_colours(text))
    versions = (make(plain) for make in (str, damage.unescaped, damage.as_typed))
    for version in versions:
        if version in seen:
            continue
        seen.add(version)
        answer = answer_of(version)
        if answer not in seen or answer == version:
            seen.add(answer)
            if _DIFF_BEGINS.match(answer):
                # The fences in a diff that stands without one are its content, or none at all.
                yield Reply(answer, (Segment(answer, "patch", patch_format(answer), fenced=False),))
            yield _reply(answer)
        # The fences of code that has fences itself can be read as one block.
        wide = fences.widest(answer)
        if wide and wide not in seen:
            seen.add(wide)
            opening, *body = wide.split("\n")
            block = Block("".join(f"{line}\n" for line in body[:-1]), opening.strip("`~ ").lower())
            yield Reply(answer, tuple(_segments(block, 0)))


def _reply(answer: str) -> Reply:
    if not answer.strip():
        return Reply("")
    return _wanted(answer, with_usage(_cut(answer, 0)))


def _cut(text: str, depth: int) -> list[Segment]:
    """The segments of a text that may be wrapped as a whole."""
    found = wrapped.from_json(text) if depth < _MOST_DEPTH else None
    if isinstance(found, str):
        return _cut(found, depth + 1)
    if found:
        return _of_items(found, depth)
    # The fences inside a tool call's texts are of the file that it edits.
    items = wrapped.from_xml(text) if text.lstrip().startswith("<") else []
    if any(item.old is not None for item in items):
        return _of_items(items, depth)
    blocks = fences.split(damage.with_fences(text))
    # A program may have fences in its strings.
    if all(block.tag is None for block in blocks) or _is_program(text):
        return _unfenced(text, depth)
    segments: list[Segment] = []
    for block in blocks:
        if block.tag is None:
            segments.append(_prose(block))
        else:
            segments += _segments(block, depth)
    if any(s.role == "program" and DEFINES.search(s.text) for s in segments):
        # Beside code, what has no tag and is no Python is what a program printed.
        segments = [replace(s, role="output") if _is_output(s) else s for s in segments]
    if not any(s.role in ("program", "patch", "tests") for s in segments):
        return _of_items(wrapped.from_xml(text), depth) or segments
    loose = patch_format("\n".join(s.text for s in segments if s.role == "prose"))
    if loose == "search" and all(patch_format(s.text) != "search" for s in segments if s.fenced):
        return [Segment(text, "patch", "search", fenced=False)]
    return segments


def _is_output(segment: Segment) -> bool:
    is_code = segment.role != "program" or segment.language or DEFINES.search(segment.text)
    return not is_code and parsed(segment.text) is None


def _prose(block: Block) -> Segment:
    return Segment(block.text.rstrip("\n") + "\n", "prose", "", line=block.line, fenced=False)


def _unfenced(text: str, depth: int) -> list[Segment]:
    """A reply without any fence: an edit, code as a whole, a tool call, or prose."""
    known = patch_format(text)
    code = damage.without_controls(_lines(re.sub(r"\A\s*python\d?\s*\n", "", text)))
    if known and parsed(code) is None:
        inner = wrapped.from_shell(text)
        if any(item.language == "patch" for item in inner):
            return _of_items(inner, depth)
        if known != "diff" and (items := wrapped.from_xml(text)):
            return _of_items(items, depth)
        return [Segment(text, "patch", known, fenced=False)]
    # A shell's `cat <<EOF > x.py` is a comparison to Python, so that it may parse.
    shell = wrapped.from_shell(text)
    if shell and "<<" in text.lstrip().partition("\n")[0]:
        return _of_items(shell, depth)
    items = wrapped.from_xml(text) or wrapped.json_within(text) or shell
    if items and parsed(code) is None:
        return _of_items(items, depth)
    plain = damage.without_prompts(code)
    if plain == code:
        plain = damage.without_numbers(code)
    if plain != code or parsed(code) is not None:
        role, language = role_of(plain, "", "")
        return [Segment(plain, role, language, fenced=False)]
    return [Segment(code, "prose", fenced=False)]


def _segments(block: Block, depth: int) -> list[Segment]:
    """What one fenced block holds: itself, or what is wrapped in it."""
    text = block.text
    if block.tag in ("md", "markdown") and depth < _MOST_DEPTH:
        return _cut(text, depth + 1)
    if depth < _MOST_DEPTH:
        found = wrapped.from_json(text)
        items = found if isinstance(found, list) else wrapped.from_shell(text)
        if not items and block.tag in ("xml", "html", ""):
            items = wrapped.from_xml(text)
        # A shell's `cat > x.py << 'EOF'` compares, to Python: only what is not a heredoc asks.
        if items and (not isinstance(found, list) or block.tag != "python"):
            named = [replace(s, file=s.file or block.file) for s in _of_items(items, depth + 1)]
            return [replace(s, line=block.line, intro=block.intro) for s in named]
    tag, file = block.tag or "", block.file
    plain = text.replace("\r\n", "\n").replace("\r", "\n")
    if patch_format(text) != "diff" or parsed(plain) is not None:
        plain = damage.without_prompts(plain)
        plain = damage.without_numbers(plain)
    named = fences.file_in_comment(plain)
    file = file or named
    if named and named == file:
        plain = plain.lstrip("\n").partition("\n")[2]
    role, language = role_of(plain, tag, file)
    if role != "patch":
        plain = damage.without_controls(plain)
    elif "\r" in text and plain.count("\n") == text.count("\n"):
        plain = text  # A patch keeps its carriage returns.
    return [Segment(plain, role, language, file, block.closed, block.line, block.intro)]


def _of_items(items: list[wrapped.Item], depth: int) -> list[Segment]:
    segments: list[Segment] = []
    for item in items:
        if item.old is not None:
            edit = Segment(item.text, "patch", "edit", item.file, closed=item.closed)
            segments.append(replace(edit, replaces=item.old))
        elif item.language or "```" not in item.text:
            segments += _segments(Block(_lines(item.text), item.language, item.file), depth + 1)
        else:
            inner = _cut(item.text, depth + 1)
            segments += [replace(s, file=s.file or item.file) for s in inner]
    return segments


def _lines(text: str) -> str:
    text = text.replace("\r\n", "\n").replace("\r", "\n")
    return text if text.endswith("\n") or not text else text + "\n"


def _is_program(text: str) -> bool:
    """Whether a text with fences, or marks in comments, is one program that has them in strings."""
    may_be = "```" not in text or '"""' in text or "'''" in text
    tree = parsed(text) if may_be else None
    return tree is not None and any(isinstance(s, syntax.Definition) for s in tree.body)


def _wanted(answer: str, segments: list[Segment]) -> Reply:
    """The reply with the blocks apart that it rejects itself, if any other is left."""
    rejected = [s for s in segments if s.fenced and _is_rejected(s.intro) and not _imports(s)]
    wanted = [s for s in segments if s not in rejected]
    if not any(s.fenced and s.role in ("program", "patch") for s in wanted):
        return Reply(answer, tuple(segments))
    return Reply(answer, tuple(wanted), tuple(rejected))


def _imports(segment: Segment) -> bool:
    """Whether a block has imports alone: "Don't forget:" can only stand above them."""
    tree = parsed(segment.text)
    return tree is not None and all(isinstance(s, ast.Import | ast.ImportFrom) for s in tree.body)


def _is_rejected(intro: str) -> bool:
    clause = re.split(r"[.;!?]\s", intro.rstrip(" :*_"))[-1]
    rest = _NEGATED.sub("", clause)
    return (rest != clause or bool(_REJECTS.search(clause))) and not _OFFERS.search(rest)
