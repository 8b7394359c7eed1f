"""Test suites out of replies."""

from __future__ import annotations

import ast

import pytest

from ml_coach.core.sanitizer import Refused, Sanitized, sanitize


def suite(reply: str, names: tuple[str, ...] = ("f",)) -> str:
    result = sanitize(reply, names=names, kind="suite")
    assert isinstance(result, Sanitized), result
    return result.source


def definitions(source: str) -> list[str]:
    return [s.name for s in ast.parse(source).body if isinstance(s, ast.FunctionDef | ast.ClassDef)]


def test_a_pytest_file_stays_as_it_is() -> None:
    source = (
        '"""Tests."""\nimport pytest\n\nCASES = [(1, 2)]\n\n\n'
        "@pytest.fixture\ndef one():\n    return 1\n\n\ndef helper(x):\n    return x\n\n\n"
        "@pytest.mark.parametrize('x, y', CASES)\ndef test_f(x, y):\n    assert f(x) == y\n\n\n"
        "class TestF:\n    def test_one(self, one):\n        assert f(one) == 2\n"
    )
    assert suite(source) == source


def test_a_copy_of_the_program_and_the_runner_go() -> None:
    source = suite(
        "```python\nimport pytest\n\ndef f(x):\n    return x + 1\n\ndef test_f():\n"
        "    assert f(1) == 2\n\nif __name__ == '__main__':\n    pytest.main()\n```"
    )
    assert definitions(source) == ["test_f"]
    assert "pytest.main" not in source


def test_asserts_at_module_level_become_tests() -> None:
    source = suite("assert f(1) == 2\nassert f(2) == 3, 'two'\nfor x in (1, 2):\n    assert f(x)\n")
    assert len(definitions(source)) == 3
    assert ast.unparse(ast.parse(source)).count("assert f") == 3


def test_prints_and_calls_go() -> None:
    source = suite("def test_f():\n    assert f(1)\n\ntest_f()\nprint('All tests passed')\n")
    assert source == "def test_f():\n    assert f(1)\n"


def test_a_second_test_of_one_name_is_renamed_not_lost() -> None:
    source = suite("def test_f():\n    assert f(1)\n\n\ndef test_f():\n    assert f(2)\n")
    assert definitions(source) == ["test_f", "test_f_2"]


@pytest.mark.parametrize(
    "hidden",
    [
        "if True:\n    def test_b():\n        assert f(2)\n",
        "try:\n    import x\nexcept ImportError:\n    def test_b():\n        assert f(2)\n",
        "if True:\n    class TestB:\n        def test_b(self):\n            assert f(2)\n",
        "test_b = test_f\n",
        "test_b = lambda: f(2)\n",
        "class TestB:\n    if True:\n        def test_b(self):\n            assert f(2)\n",
        "class TestB(TestF):\n    pass\n",
        "class TestB(TestF):\n    pass\n\n\nclass TestC(TestB):\n    x = 1\n",
    ],
)
def test_a_test_that_could_not_be_dropped_or_known_again_goes(hidden: str) -> None:
    plain = (
        "def test_f():\n    assert f(1)\n\n\n"
        "class TestF:\n    def test_a(self):\n        assert f(1)\n"
    )
    assert suite(f"{plain}\n\n{hidden}").strip() == plain.strip()


def test_data_that_is_called_like_a_test_stays() -> None:
    source = "test_cases = [(1, 2)]\n\n\ndef test_f():\n    assert [f(x) for x, _ in test_cases]\n"
    assert suite(source) == source


def test_the_block_with_the_tests_is_taken() -> None:
    reply = (
        "The code:\n```python\ndef f(x):\n    return x\n```\nThe tests:\n"
        "```python\ndef test_a():\n    assert f(1) == 1\n```\nRun `pytest`:\n```bash\npytest\n```"
    )
    assert definitions(suite(reply)) == ["test_a"]


def test_tests_in_several_blocks_are_all_kept() -> None:
    reply = (
        "```python\nimport pytest\n\ndef test_a():\n    assert f(1) == 1\n```\nErrors:\n"
        "```python\ndef test_b():\n    with pytest.raises(ValueError):\n        f(-1)\n```"
    )
    source = suite(reply)
    assert definitions(source) == ["test_a", "test_b"]
    assert source.index("import pytest") < source.index("test_b")


def test_a_cut_suite_keeps_its_whole_tests() -> None:
    source = suite("```python\ndef test_a():\n    assert f(1)\n\ndef test_b():\n    assert f(")
    assert definitions(source) == ["test_a"]


def block(source: str) -> str:
    return f"```python\n{source}```\n"


def test_a_test_that_a_later_block_corrects_is_left_out() -> None:
    wrong, right = "def test_f():\n    assert f(1) == 5\n", "def test_f():\n    assert f(1) == 2\n"
    result = sanitize(block(wrong) + "Wait:\n" + block(right), names=("f",), kind="suite")
    assert isinstance(result, Sanitized)
    assert result.source == right
    other = "def test_f():\n    assert f(2) == 3\n"
    assert definitions(suite(block(right) + block(other))) == ["test_f", "test_f_2"]


def test_fixtures_and_helpers_of_other_blocks_come_along() -> None:
    fixture = "import pytest\n\n\n@pytest.fixture\ndef one():\n    return 1\n"
    helper = "def twice(x):\n    return 2 * x\n"
    test = "def test_f(one):\n    assert f(one) == twice(1)\n"
    source = suite(block(fixture) + block(helper) + block(test))
    assert definitions(source) == ["one", "twice", "test_f"]


def test_a_string_in_an_assert_at_module_level_keeps_its_lines() -> None:
    source = suite("assert f(\n    '''a\nb'''\n) == 1\n")
    assert "'''a\nb'''" in source
    compile(source, "<test>", "exec")


def test_unittest_classes_count() -> None:
    source = suite(
        "import unittest\n\nclass FTest(unittest.TestCase):\n    def test_f(self):\n"
        "        self.assertEqual(f(1), 2)\n\nunittest.main()\n"
    )
    assert definitions(source) == ["FTest"]
    assert "main" not in source


@pytest.mark.parametrize(
    ("reply", "says"),
    [
        ("def f(x):\n    return x\n", "no test"),
        ("def test_a():\n    pass\n\n\ndef test_b():\n    ...\n", "no test"),
        ("No.", "no Python code"),
        ("", "empty"),
    ],
)
def test_a_reply_without_tests_is_refused(reply: str, says: str) -> None:
    result = sanitize(reply, names=("f",), kind="suite")
    assert isinstance(result, Refused)
    assert says in result.reason
