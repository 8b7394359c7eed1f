"""A folder, a home and a scripted model, for the faces that serve other agents and editors."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

from scripted_model import ScriptedModel

KEY = "sk-a-key-that-nobody-may-see"


@dataclass
class Place:
    """`folder` is the client's root, beside `elsewhere`, which is not."""

    folder: Path
    elsewhere: Path
    state: Path
    model: ScriptedModel

    def write(self, name: str, text: str) -> Path:
        path = self.folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
        return path

    def text(self, name: str) -> str:
        return (self.folder / name).read_text(encoding="utf-8")

    def divide(self) -> None:
        """See `ScriptedModel.divide`; the model's new name is that of the environment."""
        self.model.divide()
        os.environ["ML_COACH_MODEL"] = self.model.model

    def environment(self) -> dict[str, str]:
        """That of a server process, with a key in it."""
        keep = {name: os.environ[name] for name in ("PATH", "LANG") if name in os.environ}
        home = {"HOME": str(self.state.parent), "XDG_STATE_HOME": str(self.state.parent)}
        return keep | home | {"ML_COACH_MODEL": self.model.model, "OPENAI_API_KEY": KEY}
