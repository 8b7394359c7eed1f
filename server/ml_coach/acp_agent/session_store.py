"""The sessions of a client: their folder and their turns, kept so that one can be loaded again.

    <state folder>/acp_sessions/<id>.jsonl    the folder, then a line for each turn

What happened in a turn is in the log of its run.
"""

from __future__ import annotations

import re
import secrets
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ml_coach.json_lines import JsonLines, append

_ID = re.compile(r"[0-9a-f]{24}")


@dataclass(frozen=True, slots=True)
class Turn:
    """What the user wrote, and the run that came of it; empty where `said` was all."""

    prompt: str
    run_id: str = ""
    said: str = ""


@dataclass(slots=True)
class StoredSession:
    """A talk in one folder."""

    session_id: str
    folder: Path
    turns: list[Turn] = field(default_factory=list[Turn])

    @property
    def last_run(self) -> str:
        """The id of the newest run, empty for none."""
        return next((turn.run_id for turn in reversed(self.turns) if turn.run_id), "")


@dataclass(frozen=True, slots=True)
class SessionStore:
    """All sessions of this user, below the state folder."""

    state: Path

    def begin(self, folder: Path) -> StoredSession:
        """A new session. Raises `OSError`."""
        session = StoredSession(secrets.token_hex(12), folder)
        append(self._file(session.session_id), {"folder": str(folder)})
        return session

    def note(self, session: StoredSession, turn: Turn) -> None:
        """Adds a turn. Raises `OSError`."""
        line = {"prompt": turn.prompt, "run_id": turn.run_id, "said": turn.said}
        append(self._file(session.session_id), line)
        session.turns.append(turn)

    def load(self, session_id: str) -> StoredSession | None:
        """The session as it was left; None where there is none of that id."""
        if not _ID.fullmatch(session_id):
            return None
        lines = iter(JsonLines(self._file(session_id)))
        folder = next(lines, dict[str, Any]()).get("folder")
        if not isinstance(folder, str):
            return None
        return StoredSession(session_id, Path(folder), [_turn(line) for line in lines])

    def _file(self, session_id: str) -> Path:
        return self.state / "acp_sessions" / f"{session_id}.jsonl"


def _turn(line: Mapping[str, Any]) -> Turn:
    return Turn(*(str(line.get(key, "")) for key in ("prompt", "run_id", "said")))
