"""Settings come from four places; a bad value is reported in a line and changes nothing."""

from __future__ import annotations

from pathlib import Path

import pytest

from ml_coach.project_settings import project_settings
from ml_coach.settings import Settings, from_environment, key_host, with_editor, with_flags


def test_flags_win_over_the_editor_and_the_editor_over_the_environment() -> None:
    settings, problems = from_environment({"MAX_ITERS": "5", "RUN_TIMEOUT": "2.5"})
    assert (settings.max_iters, settings.run_timeout_seconds) == (5, 2.5)
    settings, more = with_editor(settings, {"maxIters": 6, "autoPatch": True, "model": None})
    assert (settings.max_iters, settings.auto_patch) == (6, True)
    settings, rest = with_flags(settings, {"max_iters": "7", "auto_patch": None})
    assert (settings.max_iters, settings.auto_patch) == (7, True)
    assert problems + more + rest == []


@pytest.mark.parametrize(
    ("variable", "value", "default"),
    [
        ("MAX_ITERS", "many", "3"),
        ("MAX_ITERS", "0", "3"),
        ("MAX_ITERS", "-1", "3"),
        ("MAX_ITERS", "2.5", "3"),
        ("RUN_TIMEOUT", "soon", "8"),
        ("RUN_TIMEOUT", "inf", "8"),
        ("RUN_TIMEOUT", "nan", "8"),
        ("AUTO_PATCH", "perhaps", "0"),
        ("ML_COACH_PROGRAM_FILE", "../x.py", "generated_code.py"),
        ("ML_COACH_PROGRAM_FILE", "my-mod.py", "generated_code.py"),
        ("ML_COACH_PROGRAM_FILE", "my-app/mod.py", "generated_code.py"),
        ("ML_COACH_PROGRAM_FILE", "class.py", "generated_code.py"),
        ("ML_COACH_PROGRAM_FILE", "a.b.py", "generated_code.py"),
        ("ML_COACH_PROGRAM_FILE", ".py", "generated_code.py"),
        ("ML_COACH_TESTS_FILE", "/etc/x.py", "test_generated.py"),
    ],
)
def test_a_bad_value_names_the_variable_and_the_default(
    variable: str, value: str, default: str
) -> None:
    settings, (problem,) = from_environment({variable: value})
    assert settings == Settings()
    assert problem.startswith(f"{variable}={value} is not ")
    assert f"using {default}" in problem


@pytest.mark.parametrize("spelling", ["./app/mod.py", "app//mod.py", " app/./mod.py"])
def test_a_file_has_one_spelling(spelling: str) -> None:
    settings, problems = with_editor(Settings(), {"programFile": spelling, "testFile": spelling})
    assert (settings.program_file, settings.tests_file) == ("app/mod.py", "app/mod.py")
    assert problems == []


def test_an_unknown_editor_setting_is_reported() -> None:
    _, (problem,) = with_editor(Settings(), {"maxiters": 3})
    assert "mlCoach.maxiters" in problem


def test_half_a_character_is_no_text() -> None:
    settings, (problem,) = with_editor(Settings(), {"model": "openai:\ud83d"})
    assert settings.model == Settings().model
    assert "mlCoach.model" in problem


@pytest.mark.parametrize("word", ["1", "true", "Yes", "on"])
def test_switches_take_the_usual_words(word: str) -> None:
    assert from_environment({"AUTO_PATCH": word})[0].auto_patch


def test_settings_never_show_a_key() -> None:
    settings, _ = from_environment({"GOOGLE_API_KEY": "secret-1", "OPENAI_API_KEY": "secret-2"})
    assert settings.google_api_key == "secret-1"
    assert "secret" not in repr(settings)


def test_only_the_environment_and_a_flag_name_a_host_for_the_key() -> None:
    model = "openai:m@https://Models.example:8443/v1"
    host = {"https://models.example:8443"}
    assert from_environment({"ML_COACH_MODEL": model})[0].key_hosts == host
    assert with_flags(Settings(), {"model": model})[0].key_hosts == host
    assert with_editor(Settings(), {"model": model})[0].key_hosts == frozenset()
    with_both, _ = with_editor(
        from_environment({"ML_COACH_MODEL": model})[0], {"model": "openai:x"}
    )
    assert with_both.key_hosts == host


@pytest.mark.parametrize(
    ("model", "host"),
    [
        ("openai:gpt", ""),
        ("local:x", ""),
        ("openai:m@http://h/v1", "http://h"),
        ("openai:m@https://h/v1", "https://h"),
        ("openai:m@http://[::1]:8/v1", "http://[::1]:8"),
        ("openai:m@http://[", ""),
        ("openai:m@http://good@evil/v1", "http://good@evil"),
    ],
)
def test_another_scheme_or_port_is_another_host(model: str, host: str) -> None:
    assert key_host(model) == host


def test_a_project_counts_less_than_the_environment_and_names_no_host(tmp_path: Path) -> None:
    file = tmp_path / "pyproject.toml"
    table = '[tool.ml-coach]\nmax-iters = 5\nmax-calls = 7\nrun-timeout = "soon"\n'
    table += 'python = "./evil"\nallow-weak-sandbox = true\n'
    file.write_text(table + 'model = "openai:m@https://elsewhere/v1"\n', encoding="utf-8")
    project, problems = project_settings(tmp_path)
    assert (project.max_iters, project.max_calls, project.model) == (5, 7, "")
    assert (project.python, project.allow_weak_sandbox) == ("", False)
    told = f"[tool.ml-coach] in {file}: "
    assert problems == [
        f"{told}python may not come with a folder; use ML_COACH_PYTHON or --python.",
        f"{told}allow-weak-sandbox may not come with a folder; "
        "use ML_COACH_ALLOW_WEAK_SANDBOX or --allow-weak-sandbox.",
        f"{told}an address or a file may not come with a folder; use ML_COACH_MODEL or --model.",
        f"{told}run-timeout=soon is not a number of seconds above 0; using 8.",
    ]
    settings, _ = from_environment({"MAX_ITERS": "2"}, project)
    assert (settings.max_iters, settings.max_calls) == (2, 7)
    assert settings.key_hosts == frozenset()


@pytest.mark.parametrize(
    ("model", "used"),
    [
        ("local:./weights.gguf", False),
        (" recorded:calls.jsonl", False),
        ("openai:m@http://127.0.0.1:8000/v1", False),
        ("local:qwen2.5-coder-0.5b", True),
        ("openai:gpt-4.1", True),
    ],
)
def test_a_project_names_no_file_that_a_model_is_read_from(
    tmp_path: Path, model: str, used: bool
) -> None:
    table = f'[tool.ml-coach]\nmodel = "{model}"\n'
    (tmp_path / "pyproject.toml").write_text(table, encoding="utf-8")
    settings, problems = project_settings(tmp_path)
    assert (settings.model == model, problems == []) == (used, used)


@pytest.mark.parametrize("text", ["tool = 3", "[tool]\nml-coach = 3"])
def test_a_project_without_a_table_of_ours_sets_nothing(tmp_path: Path, text: str) -> None:
    (tmp_path / "pyproject.toml").write_text(text, encoding="utf-8")
    settings, problems = project_settings(tmp_path)
    assert settings == Settings()
    assert [problem.rpartition(" is ")[2] for problem in problems] == (
        ["not a table."] if "[tool]" in text else []
    )


@pytest.mark.parametrize("text", ["[tool", f"x = {'[' * 5000}"])
def test_a_pyproject_that_is_no_toml_is_told(tmp_path: Path, text: str) -> None:
    (tmp_path / "pyproject.toml").write_text(text, encoding="utf-8")
    settings, (problem,) = project_settings(tmp_path)
    assert settings.max_iters == 3
    assert "pyproject.toml is not used: " in problem


@pytest.mark.parametrize("name", ["a\nb.py", "a\x00b.py", "a\x1b[31m.py", f"{'a' * 253}.py"])
def test_a_file_that_no_system_writes_is_refused(name: str) -> None:
    settings, (problem,) = with_editor(Settings(), {"testFile": name})
    assert settings.tests_file == "test_generated.py"
    assert "is not a relative path that ends in .py" in problem


def test_a_value_of_any_length_is_told_in_a_line(tmp_path: Path) -> None:
    long = "9" * 5000
    table = f'[tool.ml-coach]\nmax-iters = "{long}"\n{"x" * 5000} = 1\n'
    (tmp_path / "pyproject.toml").write_text(table, encoding="utf-8")
    _, problems = project_settings(tmp_path)
    assert len(problems) == 2
    assert all(len(problem) < 200 + len(str(tmp_path)) for problem in problems)
    _, (problem,) = with_editor(Settings(), {"x" * 5000: 1})
    assert len(problem) < 200


def test_a_pyproject_that_cannot_be_read_is_told_in_words(tmp_path: Path) -> None:
    file = tmp_path / "pyproject.toml"
    file.write_bytes(b"[tool.ml-coach]\nmodel = '\xff'\n")
    settings, problems = project_settings(tmp_path)
    assert (settings, problems) == (Settings(), [f"{file} is not used: it is not UTF-8 text."])
    # It stands for every file that the system lets nobody read, whoever runs the tests.
    file.unlink()
    file.symlink_to("/proc/self/mem")
    settings, (problem,) = project_settings(tmp_path)
    assert settings == Settings()
    assert problem == f"{file} cannot be used: input/output error."
