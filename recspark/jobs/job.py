"""A job, and a request to it."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from recspark.config import Config


@dataclass(frozen=True)
class Request:
    """What a job is asked for.

    Attributes:
        config: The run's own config.
        models: Each model's config, its preset layered in, by name.
        names_models: Whether the command line has `--models`.
        words: The settings as on the command line.
    """

    config: Config
    models: Mapping[str, Config]
    names_models: bool = False
    words: Sequence[str] = ()


Body = Callable[[Request, Any], None]
"""Runs the job with the Spark session (None if the job runs without one)."""
Check = Callable[[Request], None]
"""Raises a RecsparkError for a mistake that can be found without Spark."""


def no_check(request: Request) -> None:
    """Accept the request."""


@dataclass(frozen=True)
class Job:
    """One job.

    Attributes:
        name: Its name, as in `recspark <name>` and `jobs/<name>.py`.
        summary: What it does, in one line.
        sections: The sections of the config that it reads, and `until` if it reads that.
        body: The job itself.
        check: The check that runs before the session starts.
        uses_spark: Whether it needs a session.
        takes_blend: Whether the blends may be among its models.
    """

    name: str
    summary: str
    sections: tuple[str, ...]
    body: Body
    check: Check = no_check
    uses_spark: bool = True
    takes_blend: bool = False


def maker_of(settings: Config) -> str:
    """Return the job that makes a model."""
    return "baseline" if settings.baseline.algorithm else "train"
