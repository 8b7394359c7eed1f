"""The folders that a client lets its servers work in. No file outside of them is read or written.

A client that names none is answered for the folder that the server was started in.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated
from urllib.parse import urlsplit
from urllib.request import url2pathname

from mcp.server.mcpserver import Context, ListRoots, Resolve
from mcp.server.mcpserver.exceptions import ToolError
from mcp.types import ListRootsResult, Root
from pydantic import FileUrl


@dataclass(frozen=True, slots=True)
class Roots:
    """The client's folders, without symbolic links in their paths; at least one."""

    folders: tuple[Path, ...]

    def place(self, named: str) -> Path:
        """The file or folder that a client names, links followed: a path relative to the first
        root, or an absolute one. Raises `ToolError` for one outside of all roots."""
        try:
            path = (self.folders[0] / named).resolve()
            path.exists()  # It raises for a name that is too long.
        except (OSError, RuntimeError, ValueError) as error:  # Links that lead to each other.
            raise ToolError(f"{named[:200]} cannot be found: {str(error)[:200]}") from error
        if not self.holds(path):
            listed = ", ".join(map(str, self.folders))
            raise ToolError(f"{named} lies outside your roots ({listed}), so it is refused.")
        return path

    def folder(self, named: str) -> Path:
        """As `place`; raises `ToolError` also where there is no such folder."""
        path = self.place(named)
        if not path.is_dir():
            raise ToolError(f"There is no folder {path}.")
        return path

    def holds(self, path: Path) -> bool:
        """Whether a path without links lies in one of the roots."""
        return any(path.is_relative_to(folder) for folder in self.folders)

    def hold_folder(self, named: str) -> bool:
        """As `holds`, of a path that may have links; an empty one is in none."""
        return bool(named) and self.holds(Path(named).resolve())

    def highest(self, path: Path) -> Path:
        """The root that a path in one of them lies in, the outermost one where they are nested."""
        return min((f for f in self.folders if path.is_relative_to(f)), key=lambda f: len(f.parts))


async def listed_roots(context: Context) -> ListRoots | ListRootsResult:
    """Asks the client, where it says that it has roots."""
    capabilities = context.client_capabilities
    if capabilities is not None and capabilities.roots is not None:
        return ListRoots()
    return ListRootsResult(roots=[])


async def roots_of(listed: Annotated[ListRootsResult, Resolve(listed_roots)]) -> Roots:
    """The client's roots as folders; the current folder where it named none."""
    return roots_in(listed)


def roots_in(listed: ListRootsResult) -> Roots:
    """See `roots_of`. Raises `ToolError` where all that the client named are no folders here."""
    if not listed.roots:
        return Roots((Path.cwd().resolve(),))
    found = [_folder(root) for root in listed.roots]
    folders = tuple(dict.fromkeys(path for path in found if path is not None))
    if not folders:
        raise ToolError("None of the client's roots is a folder of this machine.")
    return Roots(folders)


def _folder(root: Root) -> Path | None:
    parts = urlsplit(str(root.uri))
    if parts.scheme != "file" or parts.netloc not in ("", "localhost"):
        return None
    path = Path(url2pathname(parts.path)).resolve()
    return path if path.is_dir() else None


def as_root(folder: Path) -> Root:
    """A folder as the protocol writes it."""
    return Root(uri=FileUrl(folder.resolve().as_uri()), name=folder.name)


RootsOfClient = Annotated[Roots, Resolve(roots_of)]
