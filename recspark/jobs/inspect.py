"""The command `recspark inspect FILE…`: what files are, and how they would be read."""

from __future__ import annotations

import sys
from collections.abc import Sequence

from recspark.config.fields import list_settings
from recspark.config.load import load_settings
from recspark.config.table import TableConfig
from recspark.errors import ConfigError, DataError, RecsparkError, describe

NAME = "inspect"
SUMMARY = "Say what raw files are and how they would be read; prints a config to start with."


def main(words: Sequence[str], prog: str) -> int:
    """Print the report, and return 0 if something would be read as ratings.

    Args:
        words: Files, folders, globs or archives, and settings of `ingest.table`, such as
            `--separator ";"`, that are not to be guessed.
        prog: The command, for messages.
    """
    from recspark.first_look.inspection import inspect_paths

    if not words or {"-h", "--help"} & set(words):
        print(format_usage(prog))
        return 0 if words else ConfigError.exit_code
    try:
        paths, options = _split(words)
        given = load_settings(TableConfig, options, prog) if options else None
        if not paths:
            raise ConfigError(
                describe(prog, found="no file", expected="one", remedy=f"Try {prog} FILE.")
            )
        report = inspect_paths(paths, given)
        while True:
            try:
                print(next(report))
            except StopIteration as end:
                return 0 if end.value else DataError.exit_code
    except RecsparkError as error:
        print(f"{NAME}: {error}", file=sys.stderr)
        return error.exit_code


def format_usage(prog: str) -> str:
    """Return the help of the command."""
    settings = list_settings(TableConfig).values()
    width = max(len(one.path) for one in settings) + 4
    lines = [f"  {'--' + one.path:<{width}}{one.text}" for one in settings]
    return "\n".join(
        [
            f"usage: {prog} FILE... [--setting value ...]",
            "",
            SUMMARY,
            "",
            "settings of ingest.table, guessed where none is given:",
            *lines,
        ]
    )


def _split(words: Sequence[str]) -> tuple[list[str], list[str]]:
    """Return the files and the options with their values, in any order."""
    paths: list[str] = []
    options: list[str] = []
    left = list(words)
    while left:
        word = left.pop(0)
        if not word.startswith("--"):
            paths.append(word)
            continue
        options.append(word)
        if "=" not in word and left:
            options.append(left.pop(0))
    return paths, options
