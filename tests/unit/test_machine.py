"""Which weights a machine gets, on simulated ones."""

import re
from pathlib import Path

import pytest

from ml_coach.models.known_weights import DEFAULT, KNOWN, known_model
from ml_coach.models.local_choice import choose, fit
from ml_coach.models.machine import Graphics, Machine, needed_bytes, this_machine
from ml_coach.models.weights import fault

GIB = 2**30


def machine(memory: int, cores: int, card: int = 0, *, shared: bool = False) -> Machine:
    """With `memory` and the card's own `card` in GiB; 0 is none."""
    graphics = Graphics("A card", card * GIB, usable=True, shared=shared) if card else None
    return Machine(memory * GIB, cores, graphics)


DOCUMENT = Path(__file__).parents[2] / "docs" / "models.md"
# Memory, cores, the card's memory, and the best weights that are fast enough, as the page says.
ROW = re.compile(r"^\| (\d+) GB \| (\d+) \| (?:(\d+) GB|–) \| (\S+) \|$", re.MULTILINE)
TABLE = [
    (int(memory), int(cores), int(card or 0), best)
    for memory, cores, card, best in ROW.findall(DOCUMENT.read_text("utf-8"))
]


def test_the_page_has_the_usual_machines() -> None:
    for card in (True, False):
        assert {4, 8, 16, 32, 64} <= {row[0] for row in TABLE if bool(row[2]) == card}


@pytest.mark.parametrize(("memory", "cores", "card", "best"), TABLE)
def test_the_best_weights_of_a_machine(memory: int, cores: int, card: int, best: str) -> None:
    assert machine(memory, cores, card).best().name == best


@pytest.mark.parametrize(("memory", "best"), [(8, "1.5b"), (16, "7b"), (36, "30b-a3b")])
def test_the_best_weights_of_a_machine_with_shared_memory(memory: int, best: str) -> None:
    apple = machine(memory, 8, int(memory * 0.67), shared=True)
    assert apple.best().name.endswith(best)


@pytest.mark.parametrize(("memory", "cores", "card", "best"), TABLE)
def test_nothing_large_is_downloaded_unasked(memory: int, cores: int, card: int, best: str) -> None:
    box = machine(memory, cores, card)
    choice = choose(box, lambda name: False)
    assert choice.known.size <= DEFAULT.size
    if best not in choice.name:
        assert f"`ml-coach model pull {best}`" in choice.reason
    assert choose(box, lambda name: True).known.name == best


def test_weights_that_are_here_are_used_though_better_ones_are_not() -> None:
    choice = choose(machine(32, 8, 24), lambda name: name == "qwen2.5-coder-7b")
    assert choice.name == "local:qwen2.5-coder-7b"
    assert "qwen3-coder-30b-a3b would be better" in choice.reason


def test_a_card_that_llama_cpp_cannot_use_changes_nothing() -> None:
    unused = Graphics("A card", 24 * GIB, usable=False, mend="Install the build for it.")
    assert Machine(16 * GIB, 8, unused).best() == machine(16, 8).best()


def test_the_measured_speed_is_the_estimate() -> None:
    """21 tokens/s with the 1.5B model on two cores, as measured here."""
    assert machine(24, 2).tokens_per_second(DEFAULT) == pytest.approx(21, abs=0.5)


def test_what_does_not_fit_says_how_much_is_needed() -> None:
    large = known_model("qwen2.5-coder-32b")
    assert large
    assert (
        fit(machine(16, 8), large)
        == "needs 29 GB, more than three quarters of this machine's 16 GB"
    )
    assert machine(16, 8).tokens_per_second(large) == 0


@pytest.mark.parametrize("known", KNOWN, ids=lambda known: known.name)
def test_every_known_model_is_whole(known: object) -> None:
    (row,) = [k for k in KNOWN if k is known]
    assert not fault(row.name, "")
    assert row.size < needed_bytes(row)
    assert row.active <= row.parameters
    assert row.licence == "Apache-2.0"
    if row.file:
        assert row.file.size == row.size


def test_this_machine_is_known() -> None:
    here = this_machine()
    assert here.cores >= 1
    assert here.memory_bytes > 1e9
