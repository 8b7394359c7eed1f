"""What a program, a model or a server wrote is shown as text: it asks no other machine for
anything, and it controls neither a terminal nor the direction of text."""

from __future__ import annotations

import re
from dataclasses import dataclass

import httpx
import pytest
from lsprotocol import types as lsp
from markdown_it import MarkdownIt
from pygls.workspace import PositionCodec

from ml_coach.core.finding import Finding
from ml_coach.lsp.protocol import shown
from ml_coach.lsp.runs.finding_store import FindingStore
from ml_coach.lsp.runs.presentation import hover
from ml_coach.models.http import Endpoint, Refusal

URI = "file:///p.py"
HOSTILE = (
    "![x](http://evil.test/a.png)",
    "[x](command:workbench.action.quit)",
    "<img src=http://evil.test/b>",
    "<http://evil.test>",
    "```\n![x](http://evil.test)\n```",
    "`` ![x](http://evil.test) ``",
    "~~~\n\n![x](http://evil.test)",
    "[x][y]\n\n[y]: http://evil.test",
    "\r![x](http://evil.test)",
    "`",
)
HARMFUL = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069\ud800-\udfff]")


@dataclass
class Declares:
    """An editor that reads Markdown in hovers, or does not."""

    reads_markdown: bool
    codec: PositionCodec


def shown_by_hover(text: str, *, markdown: bool = True) -> str:
    finding = Finding("test", text, "p.py", 1, test=f"test_a[{text}]", detail=text)
    store = FindingStore(lambda uris: None)
    store.show("run", (finding,), lambda f: URI, lambda f: "x = 1\n", lambda other: False)
    client = Declares(markdown, PositionCodec())
    found = hover(URI, "x = 1\n", lsp.Position(0, 0), store, client, text)
    return found.contents.value


@pytest.mark.parametrize("text", HOSTILE)
def test_a_hover_has_no_link_image_or_tag_of_a_programs(text: str) -> None:
    page = MarkdownIt("commonmark", {"html": True}).render(shown_by_hover(text))
    allowed = r'</?(?:p|strong|code|pre)>|<code class="language-text">'
    assert re.sub(allowed, "", page).count("<") == 0, page


@pytest.mark.parametrize("markdown", [True, False])
def test_a_hover_holds_no_control_or_direction_mark(markdown: bool) -> None:
    text = shown_by_hover("a\x1b[2Jb\u202ec\ud800\x07", markdown=markdown)
    assert not HARMFUL.search(text)
    assert "\\x1b[2J" in text


def test_a_message_has_no_link_and_no_control_or_direction_mark() -> None:
    text = shown("[x](command:quit) \x1b[2J\u202e\ud800")
    assert "](" not in text
    assert not HARMFUL.search(text)


def test_the_error_text_of_a_models_server_is_cleaned() -> None:
    endpoint = Endpoint(httpx.AsyncClient(), "the server", {})
    error = endpoint.error(Refusal(500, {"error": {"message": "no\x1b[2J \u202eroom"}}))
    assert not HARMFUL.search(str(error))
    assert "room" in str(error)
