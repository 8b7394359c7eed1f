"""What text that does not compile defines, by the first lines of its definitions."""

from __future__ import annotations

import ast
import re
from collections.abc import Set

from ml_coach.core.patches.classes import keeps_methods
from ml_coach.core.python import syntax
from ml_coach.core.python.bindings import bound_names

HEAD = re.compile(r"^([ \t]*)(?:async[ \t]+)?(def|class)[ \t]+(\w+)", re.MULTILINE)


def bound_by_heads(text: str) -> Set[str]:
    """What text without a tree binds, members too, by the first lines of its definitions."""
    bound: dict[str, None] = {}
    owner = inset = ""
    for indentation, kind, name in HEAD.findall(text):
        if not indentation:
            bound[name] = None
            owner, inset = (f"{name}." if kind == "class" else ""), ""
        elif owner and indentation == (inset or indentation):
            bound[f"{owner}{name}"] = None
            inset = indentation
    return bound.keys()


def kept_of_heads(before: str, tree: ast.Module) -> set[str]:
    """What such text binds, without what the code as a whole file removes from its classes."""
    bound = list(bound_by_heads(before))
    names = {name for name in bound if "." not in name}
    if not names <= bound_names(tree):
        return set(bound)
    whole: set[str] = set()
    for cls in (s for s in tree.body if isinstance(s, ast.ClassDef)):
        old = [name.partition(".")[2] for name in bound if name.startswith(f"{cls.name}.")]
        members = (s for s in cls.body if isinstance(s, syntax.Definition))
        if keeps_methods(old, list(dict.fromkeys(member.name for member in members))):
            whole.add(cls.name)
    return {name for name in bound if "." not in name or name.partition(".")[0] not in whole}
