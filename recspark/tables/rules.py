"""How the values of a table are read: what the settings say, and what the first rows show."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import replace

import pyarrow as pa

from recspark.config import TableConfig
from recspark.redact import shown
from recspark.tables.guess_times import settle_time_format
from recspark.tables.rating_scales import ANY_NUMBER, Scale
from recspark.tables.values import RowRules


def make_rules(
    settings: TableConfig,
    name: str,
    sample_times: Callable[[], pa.Array],
    allowed: Scale = ANY_NUMBER,
) -> tuple[RowRules, list[str]]:
    """Return how values are read, and notes on what was guessed or is doubtful.

    The form of times is guessed if it is not set, and checked.

    Args:
        settings: What the config says.
        name: The first file or the table, for messages.
        sample_times: Returns some times, as text unless they are dates. Called only if there are
            times.
        allowed: The ratings that are not refused.

    Raises:
        DataError: The form of times is not clear, or another unit than the one set fits.
    """
    scale = None
    if settings.rating is not None:
        scale = replace(
            allowed,
            missing=settings.missing,
            decimal=settings.decimal,
            thousands=settings.thousands,
        )
    rules = RowRules(settings.ids, settings.ids, scale)
    if settings.time is None:
        return rules, []
    where = f"{name}: column {shown(str(settings.time))}"
    time_format, notes = settle_time_format(
        sample_times(), settings.time_pattern, where, now=time.time()
    )
    return replace(rules, time_format=time_format), notes
