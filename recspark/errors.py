"""The error families of recspark. Every message reads `where: found X, expected Y. Remedy.`"""

from __future__ import annotations

import errno
import os
import re

from recspark.redact import redact


class RecsparkError(Exception):
    """Base of all errors that recspark raises on purpose; a job turns one into its exit code.

    Its text shows no credentials, whatever URL the message was made of.
    """

    exit_code = 1

    def __str__(self) -> str:
        return redact(super().__str__())


class EnvironmentProblem(RecsparkError):
    """A package, Java or the interpreter does not fit; the message names the remedy."""

    exit_code = 3


class ConfigError(RecsparkError):
    """A setting is unknown, has the wrong type or contradicts another one."""

    exit_code = 2


class SchemaError(RecsparkError):
    """A data set on disk does not have the columns its contract names."""

    exit_code = 4


class DataError(RecsparkError):
    """Input is missing, damaged beyond the allowed share, or a count is not conserved."""

    exit_code = 5


class TrainingError(RecsparkError):
    """A rank failed, hung or diverged; the message carries the rank and its last log lines."""

    exit_code = 6


class GateError(RecsparkError):
    """Data or a model that is whole, but worse than what a gate lets through."""

    exit_code = 7


class InUseError(RecsparkError):
    """Another job is at work on the same data sets; it is named."""

    exit_code = 8


_RAISED_IN_TASK = re.compile(r"recspark\.errors\.(\w+): (.+?)(?=\n\s*\n|\n\s+at |\Z)", re.DOTALL)


def from_task(error: Exception) -> RecsparkError | None:
    """Return the RecsparkError that a Spark task raised, out of the error that Spark made of it.

    A full disk, whoever met it (a task, the JVM, the driver), is a DataError.
    """
    found = _RAISED_IN_TASK.findall(str(error))
    families = {family.__name__: family for family in RecsparkError.__subclasses__()}
    for name, message in found:
        if name in families:
            return families[name](message.strip())
    if os.strerror(errno.ENOSPC) in str(error):
        return DataError(
            describe(
                "the disk of --run_dir or of spark.local.dir",
                found=os.strerror(errno.ENOSPC),
                expected="room for what the job writes",
                remedy="Free some, or move one of them, and run the job again. Data sets that were "
                "there before are as they were.",
            )
        )
    return None


def describe(where: str, *, found: object, expected: object, remedy: str) -> str:
    """Return the message `where: found X, expected Y. Remedy.` in the one form all errors use."""
    return redact(f"{where}: found {found}, expected {expected}. {remedy}")
