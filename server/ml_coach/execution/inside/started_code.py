"""Which functions of a project were called while it was imported."""

from __future__ import annotations

import sys
import threading
import types
from collections.abc import Iterable
from typing import Any

from ml_coach.execution.inside.line_coverage import TOOL

Place = tuple[str, str, int]  # the file of a code, its name, and its first line


class StartedCode:
    """Notes in `found` each code of the files, by absolute paths, that starts until `stop`."""

    def __init__(self, files: Iterable[str]) -> None:
        self.found: set[Place] = set()
        self._files = frozenset(files)
        self._monitoring: Any = getattr(sys, "monitoring", None)
        if self._monitoring:
            start = self._monitoring.events.PY_START
            self._monitoring.use_tool_id(TOOL, "ml-coach")
            self._monitoring.register_callback(TOOL, start, self._on_start)
            self._monitoring.set_events(TOOL, start)
        else:
            threading.setprofile(self._on_event)
            sys.setprofile(self._on_event)

    def stop(self) -> None:
        """The import is over."""
        if self._monitoring:
            self._monitoring.set_events(TOOL, 0)
            self._monitoring.free_tool_id(TOOL)
        else:
            sys.setprofile(None)
            threading.setprofile(None)  # type: ignore[arg-type]

    def _on_start(self, code: types.CodeType, offset: int) -> Any:
        self._note(code)
        return self._monitoring.DISABLE

    def _on_event(self, frame: types.FrameType, event: str, argument: object) -> None:
        if event == "call":
            self._note(frame.f_code)

    def _note(self, code: types.CodeType) -> None:
        if code.co_filename in self._files:
            self.found.add((code.co_filename, code.co_name, code.co_firstlineno))
