"""Pages of runs and batches: what they show, and that nothing foreign gets out of its place."""

from __future__ import annotations

import base64
import re
from hashlib import sha256
from html.parser import HTMLParser
from itertools import pairwise

import pytest

from ml_coach.core.changes import FileChange, Patch
from ml_coach.core.events import (
    CallFinished,
    Event,
    PatchApplied,
    PatchOffered,
    ProgramWritten,
    RunFinished,
    RunStarted,
    SpecWritten,
    SuiteFiltered,
)
from ml_coach.core.evidence import Division, Evidence
from ml_coach.core.request import Request
from ml_coach.core.results import Case, TestReport
from ml_coach.core.types import (
    Dropped,
    Program,
    Requirement,
    RunReport,
    Spec,
    StatedTest,
    Suite,
)
from ml_coach.core.usage import Usage
from ml_coach.pages.charts import outcome_by_time, risk_over_coverage
from ml_coach.pages.page import OutFacts, OutRow, out_page, run_page
from ml_coach.pages.run_facts import RunFacts, run_facts

HOSTILE = (
    "</script><script>alert(1)</script><img src=x onerror=alert(1)>\"'><b>&amp;{{ 7*7 }}"
    "</pre></code></style></details><!-- \u202eevil\u202c \u2066x\u2069 \x1b[31m \x00 ]]>"
)
# What may stand in a page; everything else came out of a text.
TAGS = frozenset(
    [
        "html", "head", "meta", "title", "style", "body", "a", "main", "h1", "h2", "h3", "p",
        "span", "pre", "code", "ins", "del", "details", "summary", "dl", "dt", "dd", "ul", "li",
        "table", "caption", "thead", "tbody", "tr", "th", "td", "div", "q", "svg", "path", "text",
        "circle", "polyline", "figure", "figcaption",
    ]
)  # fmt: skip
VOID = frozenset(("meta", "path"))


class Outline(HTMLParser):
    """The tags and attributes of a page, its text, and whether tags close in order."""

    def __init__(self, page: str) -> None:
        super().__init__(convert_charrefs=True)
        self.found: list[tuple[str, dict[str, str | None]]] = []
        self.text = ""
        self._open: list[str] = []
        self.feed(page)
        self.close()
        assert self._open == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.found.append((tag, dict(attrs)))
        if tag not in VOID:
            self._open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.found.append((tag, dict(attrs)))

    def handle_endtag(self, tag: str) -> None:
        assert self._open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.text += data


def _events(text: str) -> list[tuple[float, Event]]:
    """A run in which every text that a user, a model or a program can choose is `text`."""
    quoted = text.replace("\n", " ")
    source = f"# {quoted}\ndef f(x):\n    return x\n".replace("\x00", "")
    better = source.replace("return x", "return x + 1")
    suite = Suite(f"def test_one():\n    assert f(1) == 2  # {quoted}\n".replace("\x00", ""))
    patch = Patch(
        (FileChange("generated_code.py", source, better),), f"@@ -1 +1 @@\n-{text}\n+{text}"
    )
    report = RunReport(
        outcome="unsure", reason=text, program=Program(better), suite=suite,
        tests=TestReport("failed", (Case("test_one", "failed", text, 2, 0.5),), why=text),
        iterations=2, usage=Usage(2, 100, 50, cost=0.5), seconds=3.5, model=text, sandbox=text,
        dropped=(Dropped("test_two", text, text, text),), confidence=0.8,
        evidence=Evidence(
            {"given": 1}, programs=4, agreeing=3, probes=7, mutation_score=0.5,
            division=Division(text, ((text, 3), ("2", 1))), untested=(text,),
        ),
    )  # fmt: skip
    spec = Spec(
        text, requirements=(Requirement(text), Requirement("f(1) gives 2")),
        stated=(StatedTest("assert f(1) == 2", "f(1) gives 2"),),
    )  # fmt: skip
    return [
        (0.0, RunStarted("r1", Request(text), text)),
        (0.1, SpecWritten(spec)),
        (0.2, CallFinished(1, text, Usage(1, 60, 20), "stop")),
        (0.5, ProgramWritten(Program(source), (text,))),
        (0.9, SuiteFiltered(("test_one",), report.dropped, 0.5)),
        (1.5, PatchOffered(patch, text, 1, 1)),
        (2.0, PatchApplied(patch, text)),
        (3.5, RunFinished(report)),
    ]


def _page(text: str) -> str:
    return run_page(run_facts("r1", _events(text)))


def test_a_page_shows_the_whole_run() -> None:
    outline = Outline(_page("Write f(x). It adds one."))
    for words in (
        "Requirements and their tests", "test_one", "given", "What the test filter dropped",
        "-    return x", "+    return x + 1", "first program", "patched program",
        "3 of 4 answer alike, on 7 calls", "50 % are noticed", "80 %", "$0.5000", "3.5 s",
    ):  # fmt: skip
        assert words in outline.text


def test_a_requirement_is_shown_with_its_tests() -> None:
    facts = run_facts("r1", _events("Write f(x)."))
    assert facts.requirements == [("Write f(x).", []), ("f(1) gives 2", ["test_one"])]


def test_the_change_goes_from_the_first_program_to_the_last() -> None:
    lines = run_facts("r1", _events("x")).change
    assert [(line.kind, line.text) for line in lines if line.kind in ("add", "remove")] == [
        ("remove", "-    return x"), ("add", "+    return x + 1"),
    ]  # fmt: skip


def _out_page(text: str) -> str:
    runs = [run_facts("r1", _events(text))]
    rows = [OutRow(text, "unsure", (text, text), 2.0, "r1"), OutRow(text, "error", (text, "1"))]
    return out_page(
        OutFacts(
            text, ((text, text),), ("tests", "reason"), ("reason",), rows, runs,
            ((0.5, 0.0), (1.0, 0.25)), 3, text, (text,),
        )
    )  # fmt: skip


@pytest.mark.parametrize("page_of", [_page, _out_page])
def test_foreign_text_stays_text(page_of: object) -> None:
    assert callable(page_of)
    page: str = page_of(HOSTILE)
    outline, plain = Outline(page), Outline(page_of("harmless"))
    assert {tag for tag, _ in outline.found} <= TAGS
    for tag in ("style", "pre", "details", "a", "title", "tr"):
        count = [[name for name, _ in each.found].count(tag) for each in (outline, plain)]
        assert count[0] == count[1], tag
    shown = HOSTILE.replace("\u202e", "\\x202e").replace("\u202c", "\\x202c")
    shown = shown.replace("\u2066", "\\x2066").replace("\u2069", "\\x2069")
    shown = shown.replace("\x1b", "\\x1b").replace("\x00", "\\x00")
    assert shown in outline.text
    assert not set(page) & set("\u202e\u202c\u2066\u2069\x1b\x00")
    for _, attributes in outline.found:
        assert not any(name.startswith("on") or name == "style" for name in attributes)
        assert not {"src", "srcset", "action"} & set(attributes)
        assert (attributes.get("href") or "#").startswith("#")


@pytest.mark.parametrize("page", [_page("x"), _out_page("x")])
def test_nothing_is_fetched_or_run(page: str) -> None:
    policy = re.search(r'Content-Security-Policy" content="([^"]*)"', page)
    style = re.search(r"<style>(.*?)</style>", page, re.DOTALL)
    assert policy
    assert style
    digest = base64.b64encode(sha256(style[1].encode()).digest()).decode()
    assert (
        policy[1]
        .replace("&#39;", "'")
        .startswith(f"default-src 'none'; style-src 'sha256-{digest}';")
    )
    assert "://" not in style[1]
    assert "url(" not in style[1]


@pytest.mark.parametrize("page", [_page("x"), _out_page("x")])
def test_a_page_can_be_read_without_seeing_it(page: str) -> None:
    outline = Outline(page)
    tags = [tag for tag, _ in outline.found]
    assert ("html", {"lang": "en"}) in outline.found
    assert tags.count("h1") == tags.count("main") == 1
    assert tags.count("table") == tags.count("caption")
    assert all(at.get("scope") in ("col", "row") for tag, at in outline.found if tag == "th")
    assert all(at.get("aria-label") for tag, at in outline.found if tag == "svg")
    levels = [int(tag[1]) for tag in tags if re.fullmatch(r"h\d", tag)]
    assert all(after <= before + 1 for before, after in pairwise(levels))


def _luminance(colour: str) -> float:
    parts = [int(colour[at : at + 2], 16) / 255 for at in (1, 3, 5)]
    linear = [p / 12.92 if p <= 0.04045 else ((p + 0.055) / 1.055) ** 2.4 for p in parts]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


@pytest.mark.parametrize("theme", [0, 1])
def test_text_has_the_contrast_that_wcag_wants(theme: int) -> None:
    style = re.findall(r":root \{([^}]*)\}", _page("x"))[theme]
    colours = dict(re.findall(r"--([\w-]+): (#\w{6})", style))
    pairs = [(ink, on) for ink in ("ink", "soft", "accent") for on in ("paper", "card")]
    pairs += [(kind, f"{kind}-paper") for kind in ("good", "bad", "warn")]
    for ink, on in pairs:
        light, dark = sorted((_luminance(colours[ink]), _luminance(colours[on])), reverse=True)
        assert (light + 0.05) / (dark + 0.05) >= 4.5, (ink, on)


def test_a_log_that_ends_early_has_a_page() -> None:
    page = run_page(run_facts("r1", _events("x")[:3]))
    assert "unfinished" in Outline(page).text
    assert "r1" in Outline(run_page(RunFacts("r1"))).text


def test_charts_are_empty_where_there_is_nothing_to_draw() -> None:
    assert outcome_by_time([]) == ""
    assert risk_over_coverage([(1.0, 0.1)]) == ""
    drawn = outcome_by_time([("a", "passed", 0.4), ("b", "gave_up", 90.0)])
    assert drawn.count("<circle") == 2
    assert "gave up" in drawn
