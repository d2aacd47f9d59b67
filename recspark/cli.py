"""The command `recspark <job>`: checks, settings, logging, the job itself and its exit code."""

from __future__ import annotations

import difflib
import logging
import os
import sys
from collections.abc import Sequence

from recspark import __version__
from recspark.cluster.environment import check_environment, prefer_installed_pyspark
from recspark.errors import ConfigError, RecsparkError, describe, from_task
from recspark.jobs import inspect
from recspark.jobs.job import Job, Request
from recspark.jobs.registry import JOBS
from recspark.logs import configure_logging

logger = logging.getLogger(__name__)

PROG = "recspark"
# Jobs whose work is done by Python workers alone.
LIGHT_JOBS = ("ingest", "prepare")
_HELP = ("--help", "-h")


def main(argv: Sequence[str] | None = None) -> int:
    """Run the job that the first word names, and return its exit code.

    Args:
        argv: Command-line words without the program's name; None takes the process's own.
    """
    words = list(sys.argv[1:] if argv is None else argv)
    if not words or words[0] in _HELP:
        _print(_list_jobs())
        return 0 if words else ConfigError.exit_code
    if words[0] == "--version":
        print(f"{PROG} {__version__}")
        return 0
    name, *rest = words
    if name == inspect.NAME:
        return inspect.main(rest, f"{PROG} {name}")
    if name not in JOBS:
        print(_explain_unknown(name), file=sys.stderr)
        return ConfigError.exit_code
    return run_job(JOBS[name], rest)


def run_job(job: Job, words: Sequence[str]) -> int:
    """Run one job and return its exit code: 0, that of the RecsparkError that ended it, or 1.

    Args:
        job: The job.
        words: Its settings, as on the command line.
    """
    if "--version" in words:
        print(f"{PROG} {__version__}")
        return 0
    configure_logging()
    prefer_installed_pyspark()
    asks_help = any(word in _HELP or word.startswith("--help=") for word in words)
    # Under torchrun each process is a rank and needs no session.
    with_spark = job.uses_spark and not (job.name == "train" and is_torchrun())
    try:
        check_environment(with_spark=with_spark and not asks_help)
        if asks_help:
            _show_help(job, words)
        else:
            _run(job, words, with_spark)
    except RecsparkError as error:
        return _fail(job.name, error)
    except Exception as error:
        raised = from_task(error)
        if raised is None:
            # Not raised again: Python would print it without hiding credentials.
            logger.exception("%s failed", job.name)
            return 1
        return _fail(job.name, raised)
    return 0


def is_torchrun() -> bool:
    """Return whether torchrun started this process."""
    return "TORCHELASTIC_RUN_ID" in os.environ


def _fail(name: str, error: RecsparkError) -> int:
    logger.error("%s failed: %s", name, error)
    return error.exit_code


def _run(job: Job, words: Sequence[str], with_spark: bool) -> None:
    from recspark.config.load import load_config, load_model_configs
    from recspark.config.words import has_option

    prog = f"{PROG} {job.name}"
    config = load_config(words, prog)
    models = load_model_configs(words, prog, takes_blend=job.takes_blend)
    request = Request(config, models, has_option(words, "--models"), words)
    job.check(request)
    if not with_spark:
        job.body(request, None)
        return
    from recspark.cluster.session import create_session

    last = config.until if job.name == "pipeline" else job.name
    spark = create_session(
        config.spark, app_name=f"{job.name} {config.name}", is_light=last in LIGHT_JOBS
    )
    try:
        job.body(request, spark)
    finally:
        spark.stop()


def _show_help(job: Job, words: Sequence[str]) -> None:
    from recspark.config.help import format_help

    pairs = zip(words, [*words, ""][1:], strict=True)
    shows_all = any(
        word == "--help=all" or (word in _HELP and following == "all") for word, following in pairs
    )
    _print(format_help(f"{PROG} {job.name}", job.summary, None if shows_all else job.sections))


def _print(text: str) -> None:
    """Print a long text, although its reader (`head`, a pager) may have closed the pipe."""
    try:
        print(text, flush=True)
    except BrokenPipeError:
        # Python would write again when it exits, and report an error.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def _list_jobs() -> str:
    width = max(map(len, JOBS)) + 2
    lines = [f"  {job.name:<{width}}{job.summary}" for job in JOBS.values()]
    return "\n".join(
        [
            f"usage: {PROG} <job> --config FILE [--setting value ...]",
            "",
            "Turn raw ratings into scored test sets, top-N lists and a report.",
            "",
            "jobs:",
            *lines,
            "",
            "before the first job:",
            f"  {inspect.NAME:<{width}}{inspect.SUMMARY}",
            "",
            f"`{PROG} <job> --help` shows the settings of a job, `{PROG} --version` the version.",
        ]
    )


def _explain_unknown(name: str) -> str:
    nearest = difflib.get_close_matches(name, [*JOBS, inspect.NAME], n=1, cutoff=0.5)
    remedy = f"Did you mean {nearest[0]}?" if nearest else f"{PROG} --help lists them."
    if name.startswith("-"):
        remedy = f"Name the job first: {PROG} <job> {name} ..."
    return describe(PROG, found=f"job {name}", expected=f"one of {', '.join(JOBS)}", remedy=remedy)
