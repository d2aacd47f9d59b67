"""From a run's data sets to the priors of users and movies."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from recspark.config.sampler import SamplerConfig
from recspark.training import attributes
from recspark.training.side_data import make_priors
from tests.training.row_data import alone, make_tables


def write(folder: Path, **columns: list[object]) -> None:
    folder.mkdir()
    pq.write_table(pa.table(columns), folder / "part-0.parquet")


@pytest.mark.parametrize("interactions", [0, 2])
def test_features_of_both_kinds_have_groups_of_their_own(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, interactions: int
) -> None:
    monkeypatch.setattr(attributes, "MIN_ROWS", 1)
    write(tmp_path / "users", user_id=[7, 5, 9], sex=["f", "m", "f"], job=["a", "a", "b"])
    write(tmp_path / "user_index", id=[9, 7, 5], index=[0, 1, 2])
    write(tmp_path / "movie_index", id=[1, 2], index=[0, 1])
    users, movies = make_tables(
        *(np.array([0, 1, 1]), np.array([0, 0, 1]), np.ones(3)),
        num_users=3,
        num_movies=2,
        num_factors=1,
    )
    settings = SamplerConfig(interactions=interactions, attributes=True)
    mine, theirs = make_priors(users, movies, settings, str(tmp_path), alone(), 0)
    found = mine.features
    # f, m, a, b of users 9, 7 and 5
    expected = [[1, 0, 0, 1], [1, 0, 1, 0], [0, 1, 1, 0]]
    assert found.values[:, interactions:].tolist() == expected
    first = 1 if interactions else 0
    assert found.groups.tolist() == [0] * interactions + [first, first, first + 1, first + 1]
    assert found.is_rated.tolist() == [True, True, False]
    # the run has no attributes of movies
    assert theirs.features.values.shape == (2, interactions)


def test_without_side_data_there_are_no_features(tmp_path: Path) -> None:
    tables = make_tables(
        *(np.array([0]), np.array([0]), np.ones(1)), num_users=1, num_movies=1, num_factors=1
    )
    priors = make_priors(*tables, SamplerConfig(), str(tmp_path), alone(), 0)
    assert [one.features.values.shape for one in priors] == [(1, 0), (1, 0)]
