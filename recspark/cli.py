"""What every entry in `jobs/` does around its stage: check, configure, log, run, exit code."""

from __future__ import annotations

import logging
import os
import sys
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from recspark.cluster.environment import check_environment, prefer_installed_pyspark
from recspark.config import Config
from recspark.errors import RecsparkError, from_task
from recspark.logs import configure_logging

logger = logging.getLogger(__name__)

# Jobs whose work is done by Python workers alone.
LIGHT_JOBS = ("ingest", "prepare")

# What a job does: the run's own config, each model's config (its preset layered in) by name, and
# the Spark session (None where the job runs without one).
Body = Callable[[Config, Mapping[str, Config], Any], None]


def run_job(
    name: str, body: Body, argv: Sequence[str] | None = None, *, with_spark: bool = True
) -> int:
    """Run one job and return its exit code: 0, that of the RecsparkError that ended it, or 1.

    Args:
        name: The job, as in `jobs/<name>.py`.
        body: The job itself. It imports its stages when it is called, because in a broken
            environment it is those imports that fail, and the check should speak first.
        argv: Command-line words without the program's name; None takes the process's own.
        with_spark: Whether the body gets a session; torchrun's processes need none.
    """
    configure_logging()
    prefer_installed_pyspark()
    try:
        check_environment(with_spark=with_spark)
        _run(name, body, list(sys.argv[1:] if argv is None else argv), with_spark)
    except RecsparkError as error:
        return _fail(name, error)
    except Exception as error:
        raised = from_task(error)
        if raised is None:
            # Not raised on: Python would print it without taking credentials out.
            logger.exception("%s failed", name)
            return 1
        return _fail(name, raised)
    return 0


def _fail(name: str, error: RecsparkError) -> int:
    logger.error("%s failed: %s", name, error)
    return error.exit_code


def is_torchrun() -> bool:
    """Return whether torchrun started this process."""
    return "TORCHELASTIC_RUN_ID" in os.environ


def _run(name: str, body: Body, argv: Sequence[str], with_spark: bool) -> None:
    from recspark.config.load import load_config, load_model_configs

    config = load_config(argv, prog=f"{name}.py")
    models = load_model_configs(argv, prog=f"{name}.py")
    if not with_spark:
        body(config, models, None)
        return
    from recspark.cluster.session import create_session

    last = config.until if name == "pipeline" else name
    spark = create_session(
        config.spark, app_name=f"{name} {config.name}", is_light=last in LIGHT_JOBS
    )
    try:
        body(config, models, spark)
    finally:
        spark.stop()
