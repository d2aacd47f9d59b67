"""Settings that would read a file, found by looking at it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import asdict, replace
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import yaml

from recspark.config import TableConfig
from recspark.errors import ConfigError, DataError
from recspark.ingest.format_check import share_read
from recspark.ingest.formats import FORMATS
from recspark.ingest.guess_times import find_doubt, guess_time_format
from recspark.ingest.header_names import suggest_columns
from recspark.ingest.look import Look
from recspark.ingest.rating_scales import as_strings
from recspark.ingest.raw_ids import NO_ID
from recspark.ingest.time_formats import is_date_type
from recspark.ingest.trial import Trial, try_table
from recspark.text.sources import Source

_ROLES = ("user", "movie", "rating", "time")
_NUMBER = r"^[+-]?(?:[0-9]+[.,]?[0-9]*|\.[0-9]+)$"
_MOVIELENS_NAMES = ("userId", "movieId", "rating", "timestamp")
_MAX_RATING = 1000
_MAX_STARS = 10
_MAX_DISTINCT = 201  # 0, 0.05, …, 10
# Of the lines, how many a known format must read to be suggested.
_SURE = 0.95


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


def suggest_roles(look: Look) -> dict[str, tuple[str, str]]:
    """Return the column of each role, and why; by the names of columns, else by their values."""
    roles: dict[str, tuple[str, str]] = {}
    if look.has_names:
        roles = {role: (name, "by its name") for role, name in suggest_columns(look.names).items()}
    if "user" in roles and "movie" in roles:
        return roles
    taken = {name for name, _ in roles.values()}
    free = [name for name in look.names if name not in taken and name.strip()]
    values = {name: look.values(name) for name in free}
    if "time" not in roles:
        time = next((name for name in free if _is_time(values[name])), None)
        if time is not None:
            roles["time"] = (time, "its values are times")
            free.remove(time)
    if "rating" not in roles and len(free) > 2:
        ranks = {name: _rank_as_rating(values[name]) for name in free}
        likely = [name for name in free if ranks[name] is not None]
        if likely:
            rating = min(reversed(likely), key=lambda name: ranks[name] or 0)
            roles["rating"] = (rating, "its numbers are small or few")
            free.remove(rating)
    for role in ("user", "movie"):
        if role not in roles and free:
            roles[role] = (free.pop(0), "the first column left")
    return {role: roles[role] for role in _ROLES if role in roles}


def suggest_settings(look: Look, known: TableConfig) -> TableConfig:
    """Return settings for a file with the columns that `suggest_roles` finds.

    Args:
        look: The file.
        known: Settings that stay as they are, but for the columns.
    """
    columns: dict[str, Any] = {role: name for role, (name, _) in suggest_roles(look).items()}
    if not look.has_names:
        columns = {role: int(name) for role, name in columns.items()}
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


def _is_time(values: pa.Array) -> bool:
    if is_date_type(values.type):
        return True
    if _is_number_type(values.type) or pa.types.is_dictionary(values.type):
        values = pa.array([None if one is None else str(one) for one in values.to_pylist()])
    if not pa.types.is_string(values.type) or values.null_count == len(values):
        return False
    try:
        form, _ = guess_time_format(values, "")
    except DataError as error:
        return "day and month" in str(error)
    if form == "%Y-%m-%d" and not pc.any(pc.match_substring_regex(values, r"\d-\d")).as_py():
        return False
    return find_doubt(values, form, 4e9)[0] is None


def _rank_as_rating(values: pa.Array) -> int | None:
    """Return a rank among columns of ratings, best first; None if the values are no ratings.

    Columns of small numbers come first; then those with the fewest different numbers.
    """
    if _is_number_type(values.type):
        values = pa.array([None if one is None else str(one) for one in values.to_pylist()])
    if not pa.types.is_string(values.type):
        return None
    texts = pc.utf8_trim_whitespace(as_strings(values))
    texts = texts.filter(pc.invert(pc.is_in(texts, pa.array(NO_ID)))).unique()
    if not len(texts) or not pc.all(pc.match_substring_regex(texts, _NUMBER)).as_py():
        return None
    numbers = np.array([float(text.replace(",", ".")) for text in texts.to_pylist()])
    if np.abs(numbers).max() > _MAX_RATING or len(numbers) > _MAX_DISTINCT:
        return None
    return 0 if np.abs(numbers).max() <= _MAX_STARS else len(numbers)


def _is_number_type(kind: pa.DataType) -> bool:
    return bool(
        pa.types.is_integer(kind) or pa.types.is_floating(kind) or pa.types.is_decimal(kind)
    )
