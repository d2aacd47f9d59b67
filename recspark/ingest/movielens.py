"""The layouts of the MovieLens sets: user, movie, rating and Unix time, in that order."""

from __future__ import annotations

from recspark.tables.delimited import Delimited
from recspark.tables.quotes import Quoting
from recspark.tables.rating_scales import HALF_STARS, WHOLE_STARS, Scale
from recspark.tables.time_formats import TimeFormat
from recspark.tables.values import ROLES, RowRules


def _layout(separator: bytes, scale: Scale) -> Delimited:
    return Delimited(
        quoting=Quoting(separator),
        num_columns=len(ROLES),
        positions={role: position for position, role in enumerate(ROLES)},
        rules=RowRules(scale=scale, time_format=TimeFormat("seconds")),
        padding=b"" if separator == b"," else b" ,",
    )


ML_100K = _layout(b"\t", WHOLE_STARS)  # u.data
ML_1M = _layout(b"::", WHOLE_STARS)  # ratings.dat
ML_10M = _layout(b"::", HALF_STARS)  # ratings.dat
ML_CSV = _layout(b",", HALF_STARS)  # ratings.csv of 20M, 25M, 32M and latest
