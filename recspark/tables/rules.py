"""How the values of a table are read: what the settings say, and what the first rows show."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import replace

import pyarrow as pa

from recspark.config import TableConfig
from recspark.errors import DataError, describe
from recspark.redact import shown
from recspark.tables.guess_times import find_doubt, guess_time_format
from recspark.tables.rating_scales import ANY_NUMBER
from recspark.tables.time_formats import TimeFormat, is_date_type
from recspark.tables.values import RowRules


def make_rules(
    settings: TableConfig, name: str, sample_times: Callable[[], pa.Array]
) -> tuple[RowRules, list[str]]:
    """Return how values are read, and notes on what was guessed or is doubtful.

    The form of times is guessed if it is not set, and checked.

    Args:
        settings: What the config says.
        name: The first file or the table, for messages.
        sample_times: Returns some times, as text unless they are dates. Called only if there are
            times.

    Raises:
        DataError: The form of times is not clear, or another unit than the one set fits.
    """
    scale = None
    if settings.rating is not None:
        scale = replace(
            ANY_NUMBER,
            missing=settings.missing,
            decimal=settings.decimal,
            thousands=settings.thousands,
        )
    rules = RowRules(settings.ids, settings.ids, scale)
    notes: list[str] = []
    if settings.time is None:
        return rules, notes
    values = sample_times()
    where = f"{name}: column {shown(str(settings.time))}"
    form, is_date = settings.time_pattern, is_date_type(values.type)
    if is_date:
        form = "%Y-%m-%d"
    elif settings.time_format == "auto":
        form, why = guess_time_format(values, where)
        notes.append(f"{where}: time_format {form} ({why})")
    doubt, better = find_doubt(values, form, time.time())
    if better is not None:
        raise DataError(
            describe(
                where,
                found=f"{form}, with which {doubt}",
                expected=f"{better}, with which they do not",
                remedy=f"Set ingest.table.time_format: {better}.",
            )
        )
    if doubt is not None:
        notes.append(f"{where}: {doubt} (time_format {form}). Check them.")
    return replace(rules, time_format=TimeFormat(form)), notes
