"""What weights say of themselves, and that a broken file says nothing."""

from pathlib import Path

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from ml_coach.models.gguf_header import GgufHeader, parts_of, read_header
from ml_coach.models.profiles import profile_of
from tiny_gguf import qwen, tiny_gguf


def written(folder: Path, content: bytes, name: str = "w.gguf") -> Path:
    file = folder / name
    file.write_bytes(content)
    return file


def test_the_tensors_are_counted(tmp_path: Path) -> None:
    file = written(tmp_path, qwen("9B", [(1536, 8960), (28,), (4, 5, 6)]))
    parameters = 1536 * 8960 + 28 + 120
    assert read_header(file) == GgufHeader("qwen2", parameters, 32768, 28_672)


@pytest.mark.parametrize(
    ("label", "parameters"),
    [("7B", 7e9), ("1.5B", 1.5e9), ("30B-A3B", 30e9), ("8x7B", 56e9), ("360M", 360e6), ("big", 0)],
)
def test_the_label_counts_where_nothing_else_does(
    label: str, parameters: float, tmp_path: Path
) -> None:
    found = read_header(written(tmp_path, qwen(label)))
    assert found
    assert found.parameters == parameters


def test_a_stated_count_comes_first(tmp_path: Path) -> None:
    values = {"general.architecture": "x", "general.parameter_count": 77}
    found = read_header(written(tmp_path, tiny_gguf(values, [(5,)])))
    assert found
    assert found.parameters == 77


def test_the_first_of_several_files_counts_by_its_label(tmp_path: Path) -> None:
    values = {"general.architecture": "x", "general.size_label": "32B", "split.count": 2}
    found = read_header(written(tmp_path, tiny_gguf(values, [(5,)])))
    assert found
    assert found.parameters == 32e9


def test_a_changed_file_is_read_again(tmp_path: Path) -> None:
    read_header(written(tmp_path, qwen("7B")))
    found = read_header(written(tmp_path, qwen("14B") + b"more"))
    assert found
    assert found.parameters == 14e9


@given(st.integers(0, 400), st.binary(max_size=60))
@example(354, b"\x00\x80")  # A text that is too long for any index.
def test_a_broken_file_raises_nothing(cut: int, noise: bytes) -> None:
    import tempfile

    with tempfile.TemporaryDirectory() as folder:
        content = qwen("7B", [(3, 4)])
        read_header(written(Path(folder), content[:cut] + noise + content[cut + len(noise) :]))
        assert read_header(written(Path(folder), content[: min(cut, 24)])) is None


@pytest.mark.parametrize("number", [float("inf"), float("nan")])
def test_a_number_that_is_none_gives_no_header(number: float, tmp_path: Path) -> None:
    values = {"general.architecture": "qwen2", "general.parameter_count": number}
    assert read_header(written(tmp_path, tiny_gguf(values))) is None


def test_no_file_has_no_header(tmp_path: Path) -> None:
    assert read_header(tmp_path / "absent.gguf") is None
    assert read_header(written(tmp_path, b"")) is None
    assert read_header(written(tmp_path, b"GGUF" + bytes(1000))) is None


def test_all_parts_of_weights_are_found(tmp_path: Path) -> None:
    parts = [written(tmp_path, b"", f"a[1]-0000{n}-of-00003.gguf") for n in (1, 2, 3)]
    alone = written(tmp_path, b"", "a[1].gguf")
    assert parts_of(parts[0]) == parts
    assert parts_of(alone) == [alone]


@pytest.mark.parametrize(
    ("label", "candidates", "edit_format", "context"),
    [("0.5B", 4, "function", 8192), ("3B", 4, "function", 8192), ("7B", 2, "function", 16_384),
     ("14B", 2, "function", 16_384), ("32B", 1, "diff", 16_384)],
)  # fmt: skip
def test_the_profile_of_a_file_follows_its_size(
    label: str, candidates: int, edit_format: str, context: int, tmp_path: Path
) -> None:
    """The name of the file says nothing."""
    file = written(tmp_path, qwen(label))
    profile = profile_of(f"local:{file}")
    assert (profile.candidates, profile.edit_format) == (candidates, edit_format)
    assert profile.context == context


def test_a_context_is_no_longer_than_the_weights_have(tmp_path: Path) -> None:
    values = {"general.architecture": "x", "general.size_label": "1B", "x.context_length": 2048}
    assert profile_of(f"local:{written(tmp_path, tiny_gguf(values))}").context == 2048


def test_weights_that_say_nothing_are_taken_to_be_small(tmp_path: Path) -> None:
    file = written(tmp_path, tiny_gguf({"general.architecture": "x"}))
    assert profile_of(f"local:{file}").candidates == 4
    assert profile_of(f"local:{tmp_path / 'absent.gguf'}").candidates == 4
    assert profile_of("local:bartowski/Some-7B-GGUF:Q4_K_M").candidates == 2
    assert profile_of("local:qwen2.5-coder-32b").edit_format == "diff"
