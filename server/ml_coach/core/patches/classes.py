"""Whether a class in a reply is the whole new class, or only the members that change."""

from __future__ import annotations

import ast
from collections.abc import Collection
from difflib import SequenceMatcher, get_close_matches

from ml_coach.core.python import syntax
from ml_coach.core.python.bindings import Function, keys_of, names_with_members

_ALIKE = 0.75
"""`nme` is `name`, and `push` is not `push_all`; chosen by such pairs."""
_LONGEST = 2000  # characters of two members that are compared


def is_whole_class(old: ast.ClassDef, new: ast.ClassDef, *, alone: bool) -> bool:
    """Whether `new`, in a reply that has all else of the file, renames or removes members.

    What it removes must be less than what it keeps, which a part of a class seldom is; no more
    than that, where other definitions that the reply repeats show that it is the whole file.
    """
    names, others = names_with_members(old), names_with_members(new)
    if names <= others:
        return True
    if ast.get_docstring(old) and not ast.get_docstring(new):
        return False
    kept, added = names & others, others - names
    removed = names - others - _renamed_in_place(old, new, added)
    removed -= {name for name in removed if get_close_matches(name, added, 1, _ALIKE)}
    if not removed:
        return True
    if "__init__" in removed:
        return False
    if not added and _members(new).items() <= _members(old).items():
        return len(kept) >= len(removed)  # all that it does is to remove
    methods = {key for s in old.body if isinstance(s, Function) for key in keys_of(s)}
    if len(kept) > len(removed) == 1:
        return True
    return len(methods & kept) >= len(methods & removed) + alone


def keeps_methods(old: Collection[str], new: Collection[str]) -> bool:
    """As `is_whole_class`, for a class that does not compile, by the names of its methods."""
    kept = [name for name in old if name in new]
    removed = [name for name in old if name not in new]
    added = [name for name in new if name not in old]
    if len(old) == len(new) and kept == [a for a, b in zip(old, new, strict=True) if a == b]:
        removed = removed if not kept else []
    removed = [name for name in removed if not get_close_matches(name, added, 1, _ALIKE)]
    return not removed or ("__init__" not in removed and len(kept) > len(removed))


def _renamed_in_place(old: ast.ClassDef, new: ast.ClassDef, added: set[str]) -> set[str]:
    """Members at whose place in the class there is one that does the same by another name."""
    if len(old.body) != len(new.body):
        return set()
    return {
        key
        for one, other in zip(old.body, new.body, strict=True)
        if type(one) is type(other) and added.issuperset(keys_of(other)) and _are_alike(one, other)
        for key in keys_of(one)
    }


def _are_alike(one: ast.stmt, other: ast.stmt) -> bool:
    texts = [
        "\n".join(map(syntax.unparsed, s.body)) if isinstance(s, Function) else syntax.unparsed(s)
        for s in (one, other)
    ]
    texts = [text[:_LONGEST] for text in texts]
    return SequenceMatcher(None, *texts, autojunk=False).ratio() >= _ALIKE


def _members(cls: ast.ClassDef) -> dict[str, str]:
    return {key: syntax.unparsed(s) for s in cls.body for key in keys_of(s)}


def has_same_head(old: ast.ClassDef, new: ast.ClassDef) -> bool:
    return _head(old) == _head(new)


def drops_of_head(old: ast.ClassDef, new: ast.ClassDef) -> bool:
    """Whether `new` lacks all decorators or all bases that `old` has, perhaps to be short."""
    return any(had and not has for had, has in zip(_head(old), _head(new), strict=True))


def _head(cls: ast.ClassDef) -> tuple[list[str], list[str]]:
    return (
        [ast.dump(node) for node in cls.decorator_list],
        [ast.dump(node) for node in (*cls.bases, *cls.keywords)],
    )
