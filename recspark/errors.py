"""The error families of recspark. Every message reads `where: found X, expected Y. Remedy.`"""

from __future__ import annotations

import errno
import os
import re

from recspark.redact import printable, redact

MAX_PART = 3000
"""Longest part of a message (characters)."""


class RecsparkError(Exception):
    """Base of all errors that recspark raises on purpose; each class has an exit code.

    Its text shows no credentials, even if a URL in the message contains some, and no control
    characters of a file's name or content.
    """

    exit_code = 1

    def __str__(self) -> str:
        return printable(redact(super().__str__()))


class EnvironmentProblem(RecsparkError):
    """A package, Java or the interpreter is missing or unsuitable; the message names the remedy."""

    exit_code = 3


class ConfigError(RecsparkError):
    """A setting is unknown, has the wrong type or contradicts another one."""

    exit_code = 2


class SchemaError(RecsparkError):
    """A data set on disk does not have the columns of its contract."""

    exit_code = 4


class DataError(RecsparkError):
    """Input is missing, damaged beyond the allowed share, or a count is not conserved."""

    exit_code = 5


class TrainingError(RecsparkError):
    """A rank failed, hung or diverged; the message carries the rank and its last log lines."""

    exit_code = 6


class GateError(RecsparkError):
    """The data or the model is intact, but worse than a gate allows."""

    exit_code = 7


class InUseError(RecsparkError):
    """Another job is using the same data sets; the message names it."""

    exit_code = 8


_RAISED_IN_TASK = re.compile(r"recspark\.errors\.(\w+): (.+?)(?=\n\s*\n|\n\s+at |\Z)", re.DOTALL)


def from_task(error: Exception) -> RecsparkError | None:
    """Return the RecsparkError that a Spark task raised, recovered from Spark's own error.

    A full disk is a DataError, whether a task, the JVM or the driver met it.
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
                expected="space for the output of the job",
                remedy="Free some space, or move one of them, and run the job again. Data sets "
                "that existed before are unchanged.",
            )
        )
    return None


def describe(where: str, *, found: object, expected: object, remedy: str) -> str:
    """Return the message `where: found X, expected Y. Remedy.` in the form of all errors.

    A part of more than MAX_PART characters is cut.
    """
    where, found, expected, remedy = map(_cut, (where, found, expected, remedy))
    return redact(f"{where}: found {found}, expected {expected}. {remedy}")


def _cut(part: object) -> str:
    text = redact(str(part))
    return text if len(text) <= MAX_PART else f"{text[: MAX_PART - 1]}…"
