"""A model's reply → its answer → segments. The ONE reader, for programs, suites and patches.

    reply = replies.read(text)
    reply.answer                         # the text without reasoning and wrappers
    for segment in reply.segments: ...   # in the reply's order

What callers can rely on:

- Reasoning is gone from `answer` and `segments`, in every form: channels (`analysis`), `<think>`
  tags early, late, or with only the closing one, "Thought: ... Answer:", and blocks introduced as
  what not to do. An answer that never came is the empty string, with no segments.
- Transport damage is undone: terminal colours, `> ` quotes, HTML escapes, line numbers, `In [1]:`
  and `>>>` sessions, JSON strings, tool calls, XML elements, notebooks, heredocs.
- Each block has one `role`, and the `file` that the reply names for it:
    program  Python that defines something, or may be code (`closed` says whether its end arrived)
    tests    Python that tests: `test_x.py`, or test functions and nothing of the program's own
    usage    Python that imports what another block defines, and defines nothing itself
    patch    an edit; its `language` is the format: "diff", "search", "envelope", or "edit", which
             is one old text (`replaces`) and the new one (`text`)
    shell, output, prose   what is no Python; text without any fence is `prose` unless it parses
- `text` has line feeds only (a patch keeps carriage returns), no fence lines, and ends in "\\n".
- Nothing is merged and no text is mended: what a block lacks is for the sanitizer to say.

Blocks introduced as what not to do are in `rejected`, for a caller who finds no other. `parsed` is
the tree of a segment's text.

`read` gives the likeliest reading. `readings` gives each in turn, the least changed first, for a
caller who can tell whether one fits (a patch that places exactly). Nothing here raises; time is
linear. Imports only `core.python`.
"""

from ml_coach.core.replies.fences import fenced_blocks
from ml_coach.core.replies.reading import read, readings
from ml_coach.core.replies.segments import Reply, Role, Segment, parsed

__all__ = ["Reply", "Role", "Segment", "fenced_blocks", "parsed", "read", "readings"]
