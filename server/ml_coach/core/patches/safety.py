"""Which file names a patch may touch. Links are for the caller to check: this is text alone."""

from __future__ import annotations

import re

_KEPT_FOLDERS = frozenset({".git", ".hg", ".svn", ".bzr", ".jj"})
_DEVICES = re.compile(r"(?i)(con|prn|aux|nul|conin\$|conout\$|com[0-9]|lpt[0-9])(\.|$)")


def path_problem(file: str) -> str:
    """One sentence saying why a patch may not touch `file`, empty where it may.

    `file` is relative to the workspace, with forward slashes. Whatever some system could read
    as a way out of the workspace, or into version control's own files, is a problem on all.
    """
    shown = ascii(file[:80])
    if not file.strip():
        return "The patch names no file."
    if any(ord(c) < 32 or 0x7F <= ord(c) < 0xA0 or 0xD800 <= ord(c) < 0xE000 for c in file):
        return f"The file name {shown} holds control characters."
    if len(file) > 1000:
        return f"The file name {shown}... is too long."
    if "\\" in file:
        return f"The file name {shown} holds a backslash; folders are separated by '/'."
    if file.startswith(("/", "~")):
        return f"The file {shown} lies outside the workspace: its path is absolute."
    if ":" in file:
        return f"The file name {shown} holds a colon, which means a drive or a stream."
    for part in file.split("/"):
        problem = _part_problem(part)
        if problem:
            return f"The file {shown} {problem}"
    return ""


def _part_problem(part: str) -> str:
    if part == "..":
        return "lies outside the workspace: its path climbs with '..'."
    if part in ("", "."):
        return "has an empty step in its path."
    # Windows drops trailing dots and spaces, and some systems ignore invisible characters.
    plain = "".join(c for c in part if c.isprintable()).rstrip(". ").casefold()
    if plain in _KEPT_FOLDERS or re.fullmatch(r"git~\d", plain):
        return "belongs to version control, which a patch may not touch."
    if part != part.rstrip(". "):
        return "has a step that ends with a dot or a space."
    if _DEVICES.match(part):
        return "is named like a device."
    return ""
