"""The layouts of the MovieLens sets: user, movie, rating and Unix time, in that order."""

from __future__ import annotations

from recspark.ingest.delimited import Delimited
from recspark.ingest.rating_scales import HALF_STARS, WHOLE_STARS, Scale
from recspark.ingest.time_formats import TimeFormat


def _layout(separator: bytes, scale: Scale) -> Delimited:
    return Delimited(
        separator=separator,
        num_columns=4,
        user=0,
        movie=1,
        rating=2,
        time=3,
        scale=scale,
        time_format=TimeFormat("seconds"),
    )


ML_100K = _layout(b"\t", WHOLE_STARS)  # u.data
ML_1M = _layout(b"::", WHOLE_STARS)  # ratings.dat
ML_10M = _layout(b"::", HALF_STARS)  # ratings.dat
ML_CSV = _layout(b",", HALF_STARS)  # ratings.csv of 20M, 25M, 32M and latest
