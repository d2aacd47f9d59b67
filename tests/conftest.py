"""One small Spark session for all tests."""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Iterator
from typing import TYPE_CHECKING

import hypothesis
import pytest

from recspark.cluster.environment import check_environment

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

check_environment()


# The time of an example depends more on the machine than on the code.
hypothesis.settings.register_profile("recspark", deadline=None)
hypothesis.settings.load_profile("recspark")


def pytest_unconfigure(config: pytest.Config) -> None:
    """Say in the last line what was skipped, and why."""
    reporter = config.pluginmanager.get_plugin("terminalreporter")
    if reporter is None:
        return
    reasons = Counter(
        str(report.longrepr[2]).removeprefix("Skipped: ")
        for report in reporter.stats.get("skipped", [])
    )
    said = "; ".join(f"{count} x {reason}" for reason, count in reasons.most_common())
    print(f"Skipped: {said or 'nothing'}.")


@pytest.fixture(autouse=True)
def _logging_as_before() -> Iterator[None]:
    """Undo what a job in this process did to the log: its handler holds a closed stream."""
    log = logging.getLogger("recspark")
    handlers, level, propagate = log.handlers, log.level, log.propagate
    yield
    log.handlers, log.propagate = handlers, propagate
    log.setLevel(level)


@pytest.fixture(scope="session")
def spark(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SparkSession]:
    """A local Spark session on two cores, tuned for many small jobs."""
    from recspark.cluster.session import create_session
    from recspark.config import SparkConfig

    scratch = tmp_path_factory.mktemp("spark")
    session = create_session(
        SparkConfig(
            master="local[2]",
            driver_memory="2g",
            shuffle_partitions=2,
            properties={
                "spark.driver.extraJavaOptions": "-XX:TieredStopAtLevel=1",
                "spark.sql.warehouse.dir": str(scratch / "warehouse"),
                "spark.local.dir": str(scratch / "local"),
            },
        ),
        app_name="tests",
    )
    yield session
    session.stop()
