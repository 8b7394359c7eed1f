"""What watches that pytest's hooks call no code that came with the program."""

from __future__ import annotations

import gc
from collections.abc import Iterator
from typing import Any
from unittest import mock

import pytest

from ml_coach.execution.inside.collected import hook_watcher
from ml_coach.execution.inside.signing import known_code


class Known:
    def pytest_runtest_logstart(self) -> None: ...


@pytest.fixture
def watcher(pytestconfig: pytest.Config) -> Iterator[Any]:
    pytestconfig.pluginmanager.register(Known(), "known")
    watching = hook_watcher(known_code(gc.get_objects()))
    next(watching)
    assert watching.send(pytestconfig) == ""
    yield watching
    pytestconfig.pluginmanager.unregister(name="known")


def test_unchanged_hooks_are_ours(watcher: Any, pytestconfig: pytest.Config) -> None:
    assert watcher.send(pytestconfig) == ""


def test_a_new_plugin_is_named_by_its_hook(watcher: Any, pytestconfig: pytest.Config) -> None:
    later = {}
    exec("class Later:\n def pytest_runtest_logstart(self): ...\n", later)
    pytestconfig.pluginmanager.register(later["Later"](), "later")
    try:
        assert watcher.send(pytestconfig) == "pytest_runtest_logstart"
    finally:
        pytestconfig.pluginmanager.unregister(name="later")
    assert watcher.send(pytestconfig) == ""


def test_a_function_with_other_code_is_named(watcher: Any, pytestconfig: pytest.Config) -> None:
    later: dict[str, Any] = {}
    exec("def other(self): ...", later)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Known.pytest_runtest_logstart, "__code__", later["other"].__code__)
        assert watcher.send(pytestconfig) == "pytest_runtest_logstart"
    assert watcher.send(pytestconfig) == ""


def test_another_function_in_a_plugins_place_is_named(
    watcher: Any, pytestconfig: pytest.Config
) -> None:
    later: dict[str, Any] = {}
    exec("def other(): ...", later)
    caller = pytestconfig.hook.pytest_runtest_logstart
    plugin = next(each for each in caller.get_hookimpls() if each.plugin_name == "known")
    with mock.patch.object(plugin, "function", later["other"]):
        assert watcher.send(pytestconfig) == "pytest_runtest_logstart"


def test_what_is_no_configuration_is_named(watcher: Any) -> None:
    assert watcher.send(object()) == "the configuration"
