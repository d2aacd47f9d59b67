"""What every entry in `jobs/` does around its stage: check, configure, log, run, exit code."""

from __future__ import annotations

import logging
import sys
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING

from recspark.config import Config
from recspark.environment import check_environment
from recspark.errors import RecsparkError
from recspark.logs import configure_logging

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

logger = logging.getLogger(__name__)

# What a job does: the run's own config, each model's config (its preset layered in) by name, and
# the Spark session.
Body = Callable[[Config, Mapping[str, Config], "SparkSession"], None]


def run_job(name: str, body: Body, argv: Sequence[str] | None = None) -> int:
    """Run one job and return its exit code: 0, or that of the RecsparkError that ended it.

    Args:
        name: The job, as in `jobs/<name>.py`.
        body: The job itself. It imports its stages when it is called, because in a broken
            environment it is those imports that fail, and the check should speak first.
        argv: Command-line words without the program's name; None takes the process's own.
    """
    configure_logging()
    try:
        check_environment()
        _run(name, body, list(sys.argv[1:] if argv is None else argv))
    except RecsparkError as error:
        logger.error("%s failed: %s", name, error)
        return error.exit_code
    return 0


def _run(name: str, body: Body, argv: Sequence[str]) -> None:
    from recspark.configure import load_config, load_model_configs
    from recspark.session import create_session

    config = load_config(argv, prog=f"{name}.py")
    models = load_model_configs(argv, prog=f"{name}.py")
    spark = create_session(config.spark, app_name=f"{name} {config.name}")
    try:
        body(config, models, spark)
    finally:
        spark.stop()
