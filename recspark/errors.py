"""The error families of recspark. Every message reads `where: found X, expected Y. Remedy.`"""


class RecsparkError(Exception):
    """Base of all errors that recspark raises on purpose; a job turns one into its exit code."""

    exit_code = 1


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


def describe(where: str, *, found: object, expected: object, remedy: str) -> str:
    """Return the message `where: found X, expected Y. Remedy.` in the one form all errors use."""
    return f"{where}: found {found}, expected {expected}. {remedy}"
