"""Checks that the settings dataclasses run on their own values."""

from __future__ import annotations

import re
from collections.abc import Iterable
from datetime import date

from recspark.errors import ConfigError, describe

# Hadoop takes the first ones for patterns and backslashes for slashes; # begins a URL's fragment.
_SPECIAL = "*?[]{}\\#"
_MAX_NAME = 100
_MODEL_NAME = re.compile(rf"\w[\w.+-]{{0,{_MAX_NAME - 1}}}")
_ONE_SLASH = re.compile(r"(?!file:)[a-z][a-z0-9]+:/(?!/)")


def require(holds: bool, where: str, found: object, expected: str) -> None:
    """Raise a ConfigError about the field `where` unless the condition holds."""
    if not holds:
        raise ConfigError(
            describe(where, found=found, expected=expected, remedy=f"Change {where} in the config.")
        )


def is_model_name(name: str) -> bool:
    """Return whether a text can name a model, and so a folder."""
    return _MODEL_NAME.fullmatch(name) is not None


def require_model_names(where: str, names: Iterable[str]) -> None:
    """Require names of models, which become names of folders."""
    for name in names:
        require(
            is_model_name(name),
            where,
            repr(name[:_MAX_NAME]),
            f"a name of letters, digits and _ . + -, at most {_MAX_NAME} characters",
        )


def require_run_name(name: str, *, is_folder: bool) -> None:
    """Require the name of a run, which pages and logs show.

    Args:
        name: The name.
        is_folder: Whether it also names the run directory, below `runs`.
    """
    require(
        name.isprintable() and len(name) <= _MAX_NAME,
        "name",
        repr(name[:_MAX_NAME]),
        f"at most {_MAX_NAME} characters, without control characters",
    )
    require(
        not is_folder or ("/" not in name and name not in (".", "..")),
        "name",
        repr(name),
        "a name that is no path, or run_dir set as well",
    )


def require_share(where: str, value: float) -> None:
    """Require a share of at least 0 and below 1."""
    require(0 <= value < 1, where, value, "a share of at least 0 and below 1")


def require_run_dir(path: str) -> None:
    """Require a run directory that Spark and the readers of Parquet take by its letter."""
    bad = [one for one in path if one in _SPECIAL or not one.isprintable()]
    if "::" in path:
        bad.append("::")  # fsspec's chains of file systems
    if bad:
        raise ConfigError(
            describe(
                "run_dir",
                found=f"{bad[0]!r} in {path!r}",
                expected=f"a path without {' '.join(_SPECIAL)} :: or control characters, which "
                "Spark or fsspec would take for a pattern or an address",
                remedy="Choose another --run_dir, or rename the folder.",
            )
        )
    if _ONE_SLASH.match(path):
        raise ConfigError(
            describe(
                "run_dir",
                found=f"{path!r}, an address with one slash",
                expected="two slashes, as in hdfs://host/path or hdfs:///path",
                remedy="Correct --run_dir.",
            )
        )


def is_date(text: str) -> bool:
    """Return whether the text is a date written YYYY-MM-DD."""
    try:
        date.fromisoformat(text)
    except ValueError:
        return False
    return True
