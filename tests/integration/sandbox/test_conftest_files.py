"""Which conftest.py files a run has, and that no program can change them."""

from __future__ import annotations

from pathlib import Path

import pytest

from ml_coach.core.types import Program, Suite

from .workspaces import ADD, SUITE, verdicts, written

OWN = Suite(
    "from calc import add\n\n\ndef test_add(three):\n    assert add(1, 2) == three\n",
    "tests/test_calc.py",
    own=True,
)
THREE = "import pytest\n\n\n@pytest.fixture\ndef three():\n    return {}\n"


@pytest.mark.parametrize(
    "files",
    [
        {"conftest.py": THREE.format(3)},
        {"tests/conftest.py": THREE.format(3), "conftest.py": THREE.format(4)},
        {
            "tests/conftest.py": f"from kept import THREE\n{THREE.format('THREE')}",
            "tests/kept.py": "THREE = 3\n",
        },
        {"tests/conftest.py": f"from calc import add\n{THREE.format(3)}"},
    ],
    ids=["above", "both", "imports", "imports_the_program"],
)
async def test_the_users_own_tests_have_the_fixtures_of_their_conftest(
    tmp_path: Path, files: dict[str, str]
) -> None:
    programs = [Program(text, "calc.py") for text in (ADD, ADD.replace("+", "-"))]
    right, wrong = await verdicts(written(tmp_path, files), programs, OWN)
    assert right == ("passed", "")
    assert wrong == ("failed", "1 of 1 tests did not pass: test_add failed")


async def test_the_report_says_what_is_wrong_with_a_conftest(tmp_path: Path) -> None:
    executor = written(tmp_path, {"conftest.py": f"import nothing_like_it\n{THREE.format(3)}"})
    ((verdict, why),) = await verdicts(executor, [Program(ADD, "calc.py")], OWN)
    assert verdict == "error"
    assert why.startswith("conftest.py could not be collected: the package nothing_like_it is not")


async def test_a_program_is_not_blamed_for_a_conftest_that_was_left_out(
    tmp_path: Path,
) -> None:
    """Hooks could change what a verdict is made of. Tests that need nothing of it are judged."""
    hook = "def pytest_configure(config):\n    pass\n"
    programs = [Program(ADD, "calc.py")]
    executor = written(tmp_path, {"tests/conftest.py": THREE.format(3) + hook})
    ((verdict, why),) = await verdicts(executor, programs, OWN)
    assert verdict == "error"
    assert why == (
        "The fixture 'three' is not there: tests/conftest.py does more than define fixtures, "
        "and ML Coach runs tests without such a file."
    )
    needs_none = Suite(
        OWN.source.replace("(three)", "()").replace("== three", "== 3"), OWN.file, own=True
    )
    assert await verdicts(written(tmp_path, {}), programs, needs_none) == [("passed", "")]


PLANTED = """
import importlib.util, marshal, pathlib, sys
folder = pathlib.Path(__file__).parent / "tests"
lower, other = folder / "conftest.py", folder / "other.txt"
text = "import pytest\\n@pytest.fixture\\ndef three(): return -1\\n"
"""


@pytest.mark.parametrize("lower", [{"tests/conftest.py": THREE.format(3)}, {}], ids=["two", "one"])
@pytest.mark.parametrize(
    "attack",
    [
        "lower.write_text(text)\n",
        "other.write_text(text)\nother.replace(lower)\n",
        "(folder / '__pycache__').mkdir()\n"
        f"digest = importlib.util.source_hash({THREE.format(3).encode()!r})\n"
        "code = marshal.dumps(compile(text, str(lower), 'exec'))\n"
        "planted = importlib.util.MAGIC_NUMBER + bytes([3, 0, 0, 0]) + digest + code\n"
        "name = 'conftest' + sys.modules['_pytest.assertion.rewrite'].PYC_TAIL\n"
        "(folder / '__pycache__' / name).write_bytes(planted)\n",
        "raise SystemExit\n",
    ],
    ids=["writes", "moves", "plants_compiled_code", "leaves"],
)
async def test_no_program_can_change_a_conftest(
    tmp_path: Path, attack: str, lower: dict[str, str]
) -> None:
    """The upper one imports the program, and only then a lower one is loaded."""
    upper = {"conftest.py": f"import calc\n{THREE.format(3)}"}
    program = Program(ADD.replace("+", "-") + PLANTED + attack, "calc.py")
    ((verdict, why),) = await verdicts(written(tmp_path, {**upper, **lower}), [program], OWN)
    assert verdict in ("failed", "tampered", "error"), why
    assert why


async def test_the_tests_of_a_model_run_without_conftest(tmp_path: Path) -> None:
    """It has never seen it, and what it imports may not be there."""
    executor = written(tmp_path, {"conftest.py": "import nothing_like_it\n"})
    assert await verdicts(executor, [Program(ADD)], SUITE) == [("passed", "")]
