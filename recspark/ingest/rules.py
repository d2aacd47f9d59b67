"""How the values of a table are read: what the settings say, and what the first rows show."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from dataclasses import replace

import pyarrow as pa

from recspark.config import TableConfig
from recspark.errors import DataError, describe
from recspark.ingest.guess_times import find_doubt, guess_time_format
from recspark.ingest.rating_scales import ANY_NUMBER
from recspark.ingest.time_formats import TimeFormat, is_date_type
from recspark.ingest.values import RowRules
from recspark.redact import shown

logger = logging.getLogger(__name__)


def make_rules(settings: TableConfig, name: str, sample_times: Callable[[], pa.Array]) -> RowRules:
    """Return how values are read; the form of times is guessed if it is not set, and checked.

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
    if settings.time is None:
        return rules
    values = sample_times()
    where = f"{name}: column {shown(str(settings.time))}"
    form, is_date = settings.time_pattern, is_date_type(values.type)
    if is_date:
        form = "%Y-%m-%d"
    elif settings.time_format == "auto":
        form, why = guess_time_format(values, where)
        logger.info("ingest: %s: time_format %s (%s)", where, form, why)
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
        logger.warning("ingest: %s: %s (time_format %s); check them", where, doubt, form)
    return replace(rules, time_format=TimeFormat(form))
