"""The answer in a reply: what remains when everything that the model only thought is removed."""

from __future__ import annotations

import re

from ml_coach.core.replies.roles import code_marks

# One table of tags; the pairs that are not of the form <name>...</name> stand apart.
TAGS = ("think", "thinking", "thought", "thoughts", "reasoning", "reflection", "scratchpad",
        "analysis", "seed:think", "internal_monologue")  # fmt: skip
_NAMES = "|".join(TAGS)
_OPEN = rf"<(?:{_NAMES})>|\[THINK\]|◁think▷|<\|begin_of_thought\|>|<\|START_THINKING\|>"
_CLOSE = rf"</(?:{_NAMES})>|\[/THINK\]|◁/think▷|<\|end_of_thought\|>|<\|END_THINKING\|>"
_TAG = re.compile(
    rf"^[ \t>]*(?:(?P<open>{_OPEN})|(?P<close>{_CLOSE}))|(?P<end>{_CLOSE})[ \t]*$",
    re.IGNORECASE | re.MULTILINE,
)
_ANSWER_TAG = re.compile(
    r"^[ \t]*(?:<(answer|final_answer|final|response|solution)>|<\|begin_of_solution\|>)[ \t]*",
    re.IGNORECASE | re.MULTILINE,
)
_ANSWER_END = re.compile(
    r"</(?:answer|final_answer|final|response|solution)>|<\|end_of_solution\|>", re.IGNORECASE
)
_CHANNEL = re.compile(r"<\|channel\|>\s*(\w+)[^<]*(?:<\|[a-z]+\|>[^<]*)?<\|message\|>")
_CHANNEL_END = re.compile(r"<\|(?:end|return|call|start|channel)\|>")
# The same channels after a decoder has dropped the special tokens.
_STRIPPED_CHANNELS = re.compile(r"\Aanalysis(?=\S).*?assistant\s?final", re.DOTALL)
_LABEL = r"[ \t]*(?:#{1,6}[ \t]+)?[*_]{0,2}(?:here(?: is|['’]s| are) (?:my|the) )?"
_THOUGHT_LABEL = re.compile(
    rf"^{_LABEL}(?:thoughts?|thinking|reasoning|scratchpad|observation|analysis|plan)"
    r"(?: process)?[*_]{0,2}:",
    re.IGNORECASE | re.MULTILINE,
)
_ANSWER_LABEL = re.compile(
    rf"^{_LABEL}(?:final[ \t]+)?(?:answer|response|solution|final|result|output)"
    r"(?:[ \t]+(?:code|patch|diff|version))?[*_]{0,2}:[*_]{0,2}",
    re.IGNORECASE | re.MULTILINE,
)
_SPECIAL = r"(?:<\|[a-z_]{2,30}\|>|</?s>|<｜[^｜\n]{2,40}｜>)"
_SPECIAL_TOKEN = re.compile(rf"\A\s*{_SPECIAL}|{_SPECIAL}\s*\Z|^{_SPECIAL}$", re.MULTILINE)
# Where a model goes on behind its own end, or as the user, whom it made up: in the tokens of chat
# templates, and in the words of those that have none (Llama 2, Alpaca).
_END = (
    r"(?:</s>|<\|(?:endoftext|end_of_text|eot_id|im_end)\|>|<end_of_turn>)"
    r"(?!\s*<\|im_start\|>assistant)"
)
_WORDED_TURN = r"^(?:\[INST\]|#{2,3} (?:Instruction|Human):)"
_USER_TURN = re.compile(
    rf"(?:^|{_SPECIAL})[ \t]*(?:(?:<\|im_start\|>|<\|start_header_id\|>|<start_of_turn>)\s*user\b"
    rf"|<[|｜]user[|｜]>)|(?P<end>{_END}|{_WORDED_TURN})[ \t]*(?:$|(?=[A-Z\[<#]))",
    re.IGNORECASE | re.MULTILINE,
)
_FENCE = re.compile(r"^ {0,3}(`{3,}|~{3,})(.*)$", re.MULTILINE)


def answer_of(reply: str) -> str:
    """`reply` without its reasoning; empty where the reply ends before its answer begins."""
    text = _final_channel(_own_turn(reply))
    text = _without_blocks(text)
    text = _labelled(text)
    return _SPECIAL_TOKEN.sub("", text) if "<" in text else text


def _own_turn(text: str) -> str:
    """The reply up to a turn of the user, in which the model talks to itself."""
    if not any(mark in text for mark in ("<", "[INST]", "## ")):
        return text
    first = min(code_marks(text), default=len(text))
    for turn in _USER_TURN.finditer(text):
        own = text[: turn.start()]
        is_said = turn.start() > first if turn["end"] else bool(own.strip())
        if is_said and not (_in_code(text, 0, turn.start()) or own.count('"""') % 2):
            return own
    return text


def _final_channel(text: str) -> str:
    channels = list(_CHANNEL.finditer(text))
    if not channels:
        return _STRIPPED_CHANNELS.sub("", text, count=1)
    said = [match for match in channels if match[1] != "analysis"]
    answers = [match for match in said if match[1] == "final"] or said
    if not answers:
        return ""
    rest = text[answers[-1].end() :]
    end = _CHANNEL_END.search(rest)
    return rest[: end.start()] if end else rest


def _without_blocks(text: str) -> str:
    """The text outside of reasoning elements; a lone closing tag ends what stands before it.

    A tag counts where it begins a line, or ends one where it closes, and not inside a block of
    code that is closed after it: there it is part of somebody's program.
    """
    if not _TAG.search(text):
        return text
    kept: list[str] = []
    at, opened = 0, False
    for match in _TAG.finditer(text):
        if opened:
            if not match["open"]:
                at, opened = match.end(), False
        elif _in_code(text, at, match.start()):
            continue
        elif match["open"]:
            kept.append(text[at : match.start()])
            opened = True
        else:
            kept, at = [], match.end()
    if not opened:
        kept.append(text[at:])
    answer = "".join(kept)
    begin = list(_ANSWER_TAG.finditer(answer))
    if not begin:
        return answer
    end = _ANSWER_END.search(answer, begin[-1].end())
    return answer[begin[-1].end() : end.start() if end else len(answer)]


def _in_code(text: str, start: int, at: int) -> bool:
    opened = ""
    for fence in _FENCE.finditer(text, start, at):
        if not opened:
            opened = fence[1]
        elif fence[1].startswith(opened) and not fence[2].strip():
            opened = ""
    if not opened:
        return False
    after = _FENCE.search(text, at)
    return after is not None and not after[2].strip()


def _labelled(text: str) -> str:
    """What follows the last "Answer:" of a reply that has a "Thought:" before it. Below the code,
    "Output:" begins what the code prints."""
    thought = _THOUGHT_LABEL.search(text)
    if not thought:
        return text
    last = max(code_marks(text), default=len(text.rstrip()) - 1)
    ends = [m.end() for m in _ANSWER_LABEL.finditer(text, thought.end()) if m.end() <= last]
    return text[ends[-1] :] if ends else text
