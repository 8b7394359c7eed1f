"""Pyodide and all else that Deno reads: fetched, compared with its sums, laid out in one folder.

wasm/pyodide-VERSION/      Pyodide's own files, each compared with its sum when it was put there
wasm/for-DIGEST/           what Deno may read: those files, ours and pytest, and the snapshot of
                           an interpreter that has loaded them; DIGEST is that of all of them
"""

from __future__ import annotations

import asyncio
import hashlib
import importlib.util
import io
import os
import shutil
import sys
import tempfile
import time
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path

import ml_coach
from ml_coach.execution.inside.fallback_pytest import PYTEST_AND_ITS_NEEDS

VERSION = "314.0.7"
PYTHON = "3.14"
# SHA-256 of the published files. What is not named here is not used.
FILES = {
    "pyodide.asm.mjs": "f7cdc8ece80678ceb712f8e65ebe6d3a83203a180c399865f49612a051693635",
    "pyodide.asm.wasm": "cc36e3cab04fdfc9a63ff13eb52eae2b911bf46c025cc7b281f394bd3de1d5e6",
    "pyodide.mjs": "6f1d60f7bf529beb300f0f47983c921d3982363640ba20af0e38efdddbc66109",
    "python_stdlib.zip": "fa1957e5777068fc4f7437f96d860ae2fbe9c19732ba06c84e004ec16dd7dd7a",
    "pyodide-lock.json": "5dc2fc119108bc148c7457dc86e7675b5c87e1cafd420b9c34c1eaef7b36c010",
}
BYTES = 13_600_000  # of all these files together, for the progress that is shown
SITE = "site.zip"
SNAPSHOT = "snapshot"
OURS = ("host.mjs", "program.mjs")
FETCH_SECONDS = 600.0
LOOK_SECONDS = 0.2
LAID_OUT = "for-"
UNUSED_SECONDS = 14 * 24 * 3600.0

# Called with the bytes that are there and the bytes in all.
Progress = Callable[[int, int], None]

# What Deno needs to reach the registry that the user has configured for npm.
VARIABLES = frozenset({
    *("PATH", "HOME", "USERPROFILE", "APPDATA", "LOCALAPPDATA", "SYSTEMROOT"),
    *("NPM_CONFIG_REGISTRY", "DENO_TLS_CA_STORE", "DENO_CERT", "NODE_EXTRA_CA_CERTS"),
    *("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "NO_PROXY"),
})  # fmt: skip


class RuntimeMissing(Exception):
    """Pyodide is not here and cannot be fetched; the text says why and what to do."""


def default_folder() -> Path:
    """The folder in the user's cache where all of it is kept."""
    import platformdirs  # Only this level needs it.

    return platformdirs.user_cache_path("ml-coach") / "wasm"


def is_fetched(folder: Path | None = None) -> bool:
    """Whether Pyodide is here already, without reading it."""
    return (_pyodide(folder or default_folder()) / "complete").exists()


async def ensure(
    deno: str, *, progress: Progress | None = None, folder: Path | None = None
) -> Path:
    """The folder that Deno may read, complete but for its snapshot.

    Pyodide is fetched where it is missing, by Deno: it asks the registry that the user's npm is
    configured for. Raises `RuntimeMissing`.
    """
    base = folder or default_folder()
    try:
        if not is_fetched(base):
            await _fetch(deno, base, progress or (lambda done, total: None))
        return await asyncio.to_thread(_laid_out, base)
    except OSError as error:
        raise RuntimeMissing(f"{base} cannot be used: {error.strerror or error}") from None


def _pyodide(base: Path) -> Path:
    return base / f"pyodide-{VERSION}"


async def _fetch(deno: str, base: Path, progress: Progress) -> None:
    arriving = await asyncio.to_thread(_new_folder, base)
    try:
        said = await _run_deno(deno, arriving, progress)
        found = await asyncio.to_thread(_arrived, arriving)
        if found is None:
            why = said.splitlines()[-1][:200] if said.strip() else "no reason was given"
            raise RuntimeMissing(
                f"Pyodide cannot be fetched from the npm registry: {why}. Check the network, or "
                "npm's setting `registry`, and run again"
            )
        await asyncio.to_thread(keep, found.parent, _pyodide(base))
        progress(BYTES, BYTES)
    finally:
        await asyncio.to_thread(shutil.rmtree, arriving, ignore_errors=True)


async def _run_deno(deno: str, arriving: Path, progress: Progress) -> str:
    """What Deno said while it fetched the package into the folder."""
    # Variables of npm's have two spellings; Deno knows one.
    given = {name.upper(): value for name, value in os.environ.items()}
    environment = {name: value for name, value in given.items() if name in VARIABLES}
    process = await asyncio.create_subprocess_exec(
        *(deno, "cache", "--no-config", "--no-lock", f"npm:pyodide@{VERSION}"),
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.DEVNULL,
        stderr=asyncio.subprocess.PIPE,
        cwd=arriving,
        env=environment | {"DENO_DIR": str(arriving), "NO_COLOR": "1"},
    )

    async def watch() -> None:
        while True:
            progress(min(await asyncio.to_thread(_size, arriving), BYTES), BYTES)
            await asyncio.sleep(LOOK_SECONDS)

    watching = asyncio.create_task(watch())
    try:
        async with asyncio.timeout(FETCH_SECONDS):
            _, said = await process.communicate()
    except TimeoutError:
        raise RuntimeMissing("Pyodide did not arrive in time; run again") from None
    finally:
        watching.cancel()
        if process.returncode is None:
            process.kill()
            await process.wait()
    return said.decode("utf-8", "replace")


def _new_folder(base: Path) -> Path:
    base.mkdir(parents=True, exist_ok=True)
    return Path(tempfile.mkdtemp(prefix="arriving-", dir=base))


def _arrived(folder: Path) -> Path | None:
    return next(folder.glob(f"npm/*/pyodide/{VERSION}/pyodide.asm.wasm"), None)


def keep(arrived: Path, kept: Path) -> None:
    """Moves the files to where they are kept, once they have the published sums."""
    kept.mkdir(exist_ok=True)
    for name, expected in FILES.items():
        if _sum(arrived / name) != expected:
            raise RuntimeMissing(
                f"{name} of Pyodide {VERSION} does not have its published SHA-256 sum and was "
                "deleted; run again to fetch it anew"
            )
        (arrived / name).replace(kept / name)
    (kept / "complete").touch()


def _laid_out(base: Path) -> Path:
    """A folder with the files that one version of ML Coach and of pytest needs."""
    site = _site()
    here = Path(__file__).parent
    own = {name: (here / name).read_bytes() for name in OURS}
    digest = hashlib.sha256(site)
    for part in (*own.values(), *(text.encode() for text in FILES.values())):
        digest.update(part)
    folder = base / f"{LAID_OUT}{digest.hexdigest()[:20]}"
    if not (folder / SITE).exists():
        _remove_old(base)
        making = Path(tempfile.mkdtemp(prefix="making-", dir=base))
        for name in FILES:
            shutil.copyfile(_pyodide(base) / name, making / name)
        for name, content in {**own, SITE: site}.items():
            (making / name).write_bytes(content)
        try:
            making.replace(folder)
        except OSError:  # Another process was faster.
            shutil.rmtree(making, ignore_errors=True)
    os.utime(folder)
    return folder


def _remove_old(base: Path) -> None:
    """Each version of ML Coach or pytest leaves a folder of 50 MB; no other is used for long."""
    for old in base.glob(f"{LAID_OUT}*"):
        if time.time() - old.stat().st_mtime > UNUSED_SECONDS:
            shutil.rmtree(old, ignore_errors=True)


def keep_snapshot(folder: Path, memory: bytes) -> None:
    """Puts the snapshot into its folder at once, whoever else does the same."""
    descriptor, made = tempfile.mkstemp(dir=folder)
    with os.fdopen(descriptor, "wb") as file:
        file.write(memory)
    Path(made).replace(folder / SNAPSHOT)


def _site() -> bytes:
    """A zip of pytest, what it needs, and our own code that runs inside. Equal for equal files."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED, compresslevel=6) as site:
        for name, path in sorted(_sources()):
            site.writestr(zipfile.ZipInfo(name), path.read_bytes(), zipfile.ZIP_DEFLATED)
    return buffer.getvalue()


def _sources() -> Iterator[tuple[str, Path]]:
    for module in sorted(PYTEST_AND_ITS_NEEDS):
        spec = importlib.util.find_spec(module)
        if spec is None or spec.origin is None:
            continue
        origin = Path(spec.origin)
        if spec.submodule_search_locations is None:
            yield origin.name, origin
            continue
        for path in origin.parent.rglob("*.py"):
            yield path.relative_to(origin.parent.parent).as_posix(), path
    ours = Path(ml_coach.__file__).parent
    yield from ((f"ml_coach/{p}", ours / p) for p in ("__init__.py", "execution/__init__.py"))
    for part, names in (("inside", "*.py"), ("sandbox", "*.py"), ("wasm", "[_e]*.py")):
        for path in (ours / "execution" / part).glob(names):
            yield f"ml_coach/execution/{part}/{path.name}", path


def _sum(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _size(folder: Path) -> int:
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())


def our_deno() -> str:
    """The Deno that the extra `wasm` installs, or one on the path; empty where there is none."""
    beside = Path(sys.executable).parent / ("deno.exe" if sys.platform == "win32" else "deno")
    return str(beside) if beside.exists() else shutil.which("deno") or ""
