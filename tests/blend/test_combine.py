from __future__ import annotations

import dataclasses
import shutil
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest

from recspark.blend.combine import combine_bucket
from recspark.contract import columns as c
from recspark.errors import DataError
from tests.evaluation.samples import Sample, random_sample, write_predictions

FIRST = random_sample(1)


def other_model(order: np.ndarray) -> Sample:
    """Return other predictions for the same rows, stored in another order."""
    rows = {n: getattr(FIRST, n)[order] for n in ("user", "movie", "rating")}
    times = [FIRST.rated_at[row] for row in order]
    flags = ["bias" if row % 3 else None for row in order]
    return dataclasses.replace(
        FIRST,
        **rows,
        rated_at=times,
        prediction=(5 - FIRST.prediction / 2)[order],
        fallback=flags,
    )


def test_rows_are_matched_whatever_their_order(tmp_path: Path) -> None:
    order = np.random.default_rng(3).permutation(len(FIRST.user))
    write_predictions(tmp_path / "a", FIRST, 3)
    write_predictions(tmp_path / "b", other_model(order), 3)
    members = {name: str(tmp_path / name) for name in ("a", "b")}
    weights = np.array([0.3, 0.9])
    batches = [
        batch for bucket in range(3) for batch in combine_bucket(members, weights, -0.5, bucket)
    ]
    found = {
        (row[c.USER_INDEX], row[c.MOVIE_INDEX]): row
        for row in pa.Table.from_batches(batches).to_pylist()
    }
    assert len(found) == len(FIRST.user)
    for row in range(len(FIRST.user)):
        one = found[int(FIRST.user[row]), int(FIRST.movie[row])]
        first = float(FIRST.prediction[row])
        by_both = FIRST.fallback[row] is not None and row % 3
        expected = first if by_both else -0.5 + 0.3 * first + 0.9 * (5 - first / 2)
        assert one[c.PREDICTION] == pytest.approx(expected, abs=1e-5)
        assert (one[c.RATING], one[c.RATED_AT]) == (FIRST.rating[row], FIRST.rated_at[row])
        assert one[c.BUCKET] == FIRST.user[row] % 3
        assert one[c.FALLBACK] == (FIRST.fallback[row] if by_both else None)


def test_members_with_different_pairs_are_refused(tmp_path: Path) -> None:
    write_predictions(tmp_path / "a", FIRST, 3)
    movie = FIRST.movie.copy()
    movie[FIRST.user % 3 == 1] += 1
    write_predictions(tmp_path / "b", dataclasses.replace(FIRST, movie=movie), 3)
    members = {name: str(tmp_path / name) for name in ("a", "b")}
    list(combine_bucket(members, np.ones(2), 0.0, 0))
    with pytest.raises(DataError, match="b, bucket 1: found pairs other than those of a,"):
        list(combine_bucket(members, np.ones(2), 0.0, 1))
    shutil.rmtree(tmp_path / "b" / "bucket=0")
    with pytest.raises(DataError, match="bucket=0: found no rows"):
        list(combine_bucket(members, np.ones(2), 0.0, 0))
