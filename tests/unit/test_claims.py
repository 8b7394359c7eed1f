"""Two processes never work on one file or one run; a claim ends with its process."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Generator
from pathlib import Path

import pytest

from ml_coach.claims import Claim, Claims, Taken
from ml_coach.core.events import Event, RunFinished, StageStarted
from ml_coach.core.types import RunReport
from ml_coach.core.usage import Usage

HOLD = """
import sys
from pathlib import Path
from ml_coach.claims import Claims
claim = Claims(Path(sys.argv[1])).claim("other", [Path(sys.argv[2])])
print(type(claim).__name__, flush=True)
sys.stdin.read()
"""


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "a.py"


@pytest.fixture
def holder(tmp_path: Path, file: Path) -> Generator[subprocess.Popen[str]]:
    """Another process that claims `file` for the run `other`."""
    command = [sys.executable, "-c", HOLD, str(tmp_path), str(file)]
    with subprocess.Popen(command, stdin=-1, stdout=-1, text=True) as process:
        assert process.stdout.readline() == "Claim\n"
        yield process
        process.kill()


def test_a_file_is_claimed_once(tmp_path: Path, file: Path, holder: subprocess.Popen[str]) -> None:
    claims = Claims(tmp_path)
    taken = claims.claim("mine", [tmp_path / "b.py", tmp_path / "." / "a.py"])
    assert taken == Taken("other", holder.pid, "a.py")
    assert f"process {holder.pid}" in taken.sentence
    # What was free is free again.
    claim = claims.claim("mine", [tmp_path / "b.py"])
    assert isinstance(claim, Claim)
    claim.release()
    claim.release()


def test_who_hears_of_the_end_finds_the_run_and_its_files_free(tmp_path: Path, file: Path) -> None:
    claims = Claims(tmp_path)
    claim = claims.claim("mine", [file])
    assert isinstance(claim, Claim)
    free: list[bool] = []

    def hear(event: Event) -> None:
        free.append(claims.holder("mine") is None)
        if isinstance(event, RunFinished):
            other = Claims(tmp_path).claim("mine", [file])
            assert isinstance(other, Claim)
            other.release()

    emit = claim.released_at_end(hear)
    emit(StageStarted("code", 1, 1))
    report = RunReport("passed", "", None, None, None, 1, Usage(), 0.0, "", "")
    emit(RunFinished(report))
    claim.release()
    assert free == [False, True]


def test_a_claim_that_cannot_be_noted_holds_nothing(tmp_path: Path, file: Path) -> None:
    claims = Claims(tmp_path)
    (tmp_path / "claims").write_text("in the way")
    with pytest.raises(OSError, match=r"claims is a file, .*: move it away or delete it\.$"):
        claims.claim("mine", [file])
    assert claims.holder("mine") is None
    (tmp_path / "claims").unlink()
    claim = claims.claim("mine", [file])
    assert isinstance(claim, Claim)
    claim.release()


def test_a_holder_that_does_not_say_who_it_is_has_a_sentence(
    tmp_path: Path, file: Path, holder: subprocess.Popen[str]
) -> None:
    for note in tmp_path.rglob("*.json"):
        note.write_bytes(b"\xff{")
    taken = Claims(tmp_path).claim("mine", [file])
    assert isinstance(taken, Taken)
    assert taken.sentence.startswith("A run of another window is working on a.py;")


@pytest.mark.parametrize(
    "text", ["", "\xff{", "[]", '{"run_id": 1}', '{"run_id": "other", "pid": 0}']
)
def test_a_run_whose_holder_does_not_say_who_it_is_is_active_until_that_ends(
    tmp_path: Path, text: str, holder: subprocess.Popen[str]
) -> None:
    claims = Claims(tmp_path)
    (tmp_path / "runs" / "other" / "claim.json").write_text(text, encoding="latin-1")
    assert claims.holder("other") == Taken("other", 0)
    assert claims.claim("other", []) == Taken("other", 0)
    holder.kill()
    holder.wait()
    assert claims.holder("other") is None
    claim = claims.claim("other", [])
    assert isinstance(claim, Claim)
    # In the same process, too, the lock is seen.
    (tmp_path / "runs" / "other" / "claim.json").write_text(text, encoding="latin-1")
    assert claims.holder("other") == Taken("other", 0)
    claim.release()
    assert claims.holder("other") is None


def test_a_run_is_claimed_once(tmp_path: Path, holder: subprocess.Popen[str]) -> None:
    claims = Claims(tmp_path)
    assert claims.claim("other", []) == Taken("other", holder.pid)
    assert claims.holder("other") == Taken("other", holder.pid)
    assert claims.holder("mine") is None


def test_a_claim_ends_with_its_process(
    tmp_path: Path, file: Path, holder: subprocess.Popen[str]
) -> None:
    claims = Claims(tmp_path)
    holder.kill()
    holder.wait()
    assert claims.holder("other") is None
    assert isinstance(claims.claim("other", [file]), Claim)


async def test_a_claim_tells_when_its_run_must_stop(tmp_path: Path) -> None:
    claims = Claims(tmp_path)
    claim = claims.claim("mine", [])
    assert isinstance(claim, Claim)
    assert not claims.must_stop("mine")
    assert not await claims.stop("mine", 0.05)
    assert claims.must_stop("mine")
    claim.release()
    again = claims.claim("mine", [])
    assert isinstance(again, Claim)
    assert not claims.must_stop("mine")


@pytest.mark.parametrize("text", [b"", b"\xff", b"[]", b'{"run_id": 5, "pid": -1}',
    b'{"run_id": "x", "pid": 99999999999999999999, "started": 1}'])  # fmt: skip
def test_a_damaged_note_of_a_holder_holds_nothing(tmp_path: Path, text: bytes) -> None:
    claims = Claims(tmp_path)
    (tmp_path / "runs" / "mine").mkdir(parents=True)
    (tmp_path / "runs" / "mine" / "claim.json").write_bytes(text)
    assert claims.holder("mine") is None
    assert isinstance(claims.claim("mine", []), Claim)
