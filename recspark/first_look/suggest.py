"""Settings that would read a file, found by looking at it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import asdict, replace
from typing import Any

import numpy as np
import yaml

from recspark.config import TableConfig
from recspark.errors import ConfigError, DataError
from recspark.first_look.guess_roles import suggest_roles
from recspark.first_look.trial import Trial, try_table
from recspark.ingest.format_check import share_read
from recspark.ingest.formats import FORMATS
from recspark.tables.look import Look
from recspark.text.sources import Source

_MOVIELENS_NAMES = ("userId", "movieId", "rating", "timestamp")
# Of the lines, how many a known format must read to be suggested.
_SURE = 0.95
_FEW_RATINGS = 4  # different ones: -1, 0 and 1 are likes


def suggest_format(look: Look) -> str | None:
    """Return the known format (other than table) that reads the first lines of a file, or None."""
    if look.kind != "text" or not look.start.strip():
        return None
    shares = {name: share_read(look.start, layout) for name, layout in FORMATS.items()}
    best = max(shares, key=lambda name: shares[name])
    has_rows = len(FORMATS[best].parse(look.start, 1).rows) > 0
    # The names of its columns make another file a table.
    is_named = look.has_names and best != "netflix"
    fits = not is_named or set(_MOVIELENS_NAMES) <= set(look.names)
    return best if shares[best] >= _SURE and has_rows and fits else None


def suggest_settings(look: Look, known: TableConfig) -> TableConfig:
    """Return settings for a file with the columns that `suggest_roles` finds.

    Args:
        look: The file.
        known: Settings that stay as they are, but for the columns.
    """
    columns: dict[str, Any] = {role: name for role, (name, _) in suggest_roles(look).items()}
    if not look.has_names:
        columns = {
            role: int(name) if name in look.names else name for role, name in columns.items()
        }
    rest = {"rating": None, "time": None}
    return replace(known, **{**rest, **columns})


def improve(settings: TableConfig, source: Source) -> tuple[TableConfig, Trial]:
    """Return settings that read as many of the first rows as possible, and how many they read.

    Only settings that help are changed, one after the other.
    """
    best, trial = settings, _try(settings, source)
    while trial.share < 1:
        tried = [(one, _try(one, source)) for one in _changes(best)]
        chosen, better = max(tried, key=lambda one: one[1].share, default=(best, trial))
        if better.share <= trial.share:
            break
        best, trial = chosen, better
    return best, trial


def suggest_missing(trial: Trial) -> tuple[tuple[float, ...], str]:
    """Return the ratings that mean "not rated", as it seems from the others, and a note on it."""
    values = trial.parsed.rows.ratings if trial.parsed else np.array([])
    found, counts = np.unique(values, return_counts=True)
    if len(found) < _FEW_RATINGS:
        return (), ""
    for code, number, rest in ((-1, counts[0], found[1:]), (99, counts[-1], found[:-1])):
        is_scale = rest.max() <= 10 and (code > 0 or rest.min() >= 0)
        if code in found and is_scale:
            return (code,), f"{number:,} ratings of {code} mean not rated, as it seems"
    if found[0] == 0 and found[-1] <= 10 and np.all(found % 1 == 0):
        note = f"{counts[0]:,} ratings are 0: if that means not rated, set ingest.table.missing"
        return (), f"{note}: [0]"
    return (), ""


def changed(settings: TableConfig, base: TableConfig) -> dict[str, Any]:
    """Return the settings that differ from others, as plain values for YAML."""
    others = asdict(base)
    return {
        name: list(value) if isinstance(value, tuple) else value
        for name, value in asdict(settings).items()
        if value != others[name]
    }


def as_yaml(values: dict[str, Any]) -> str:
    """Return settings as one line of YAML, `{user: 1, movie: 2}`."""
    text: str = yaml.safe_dump(
        values, default_flow_style=True, sort_keys=False, allow_unicode=True, width=10_000
    )
    return text.strip()


def _try(settings: TableConfig, source: Source) -> Trial:
    try:
        return try_table(settings, source)
    except DataError:
        return Trial()


def _changes(settings: TableConfig) -> Iterator[TableConfig]:
    """Yield the settings with one of them changed to what often helps."""
    options: dict[str, Sequence[Any]] = {
        "time_format": ("auto",),
        "ids": ("auto",),
        "separator": (None,),
        "quote": ('"', None, "'"),
        "escape": (None,),
        "encoding": (None,),
        "header": ("auto",),
        "thousands": (",", "."),
        "decimal": (",",),
    }
    for name, values in options.items():
        for value in values:
            if getattr(settings, name) != value:
                try:
                    yield replace(settings, **{name: value})
                except ConfigError:  # the same character for two purposes
                    continue
