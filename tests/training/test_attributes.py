"""Attributes of users and movies as features."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from recspark.training import attributes
from recspark.training.attributes import encode_attributes, fill_features, read_attributes


@pytest.fixture(autouse=True)
def small_limits(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(attributes, "MIN_ROWS", 2)
    monkeypatch.setattr(attributes, "NUM_BINS", 4)
    monkeypatch.setattr(attributes, "FEW_VALUES", 5)


def features_of(values: list[object], kind: pa.DataType) -> np.ndarray:
    found = encode_attributes({"one": pa.chunked_array([pa.array(values, kind)])})
    rows = np.arange(len(values))
    return fill_features(list(found.values()), rows, len(values))[0]


def test_numbers_go_into_bins_of_equal_size() -> None:
    found = features_of([*range(10, 18), None, float("nan")], pa.float64())
    assert found.argmax(axis=1)[:8].tolist() == [0, 0, 1, 1, 2, 2, 3, 3]
    assert found.sum(axis=1).tolist() == [1] * 8 + [0, 0]


def test_equal_numbers_share_a_bin() -> None:
    found = features_of([0, 0, 0, 0, 1, 2, 3, 4, 5, 6, 7, 8], pa.int64())
    # The quartiles are 0, 2.5 and 5.25.
    assert found.argmax(axis=1).tolist() == [0, 0, 0, 0, 1, 1, 2, 2, 2, 3, 3, 3]


def test_numbers_with_few_values_are_codes() -> None:
    found = features_of([1, 7, 7, 1, 1, None], pa.int32())
    assert found.tolist() == [[1, 0], [0, 1], [0, 1], [1, 0], [1, 0], [0, 0]]


def test_words_with_few_rows_share_a_feature() -> None:
    found = features_of(["a", "b", "a", "c", "b", " a ", None, ""], pa.string())
    expected = [[1, 0, 0], [0, 1, 0], [1, 0, 0], [0, 0, 1], [0, 1, 0], [1, 0, 0]]
    assert found.tolist() == [*expected, [0, 0, 0], [0, 0, 0]]


def test_text_that_seldom_repeats_counts_by_its_first_character() -> None:
    found = features_of(["02139", "02445", "94043", "94110", "V3N4P", "94110"], pa.string())
    # 94110 alone repeats, in two rows of six
    assert found.tolist() == [[0, 1, 0], [0, 1, 0], [1, 0, 0], [1, 0, 0], [0, 0, 1], [1, 0, 0]]


def test_lists_are_divided_by_the_root_of_their_length() -> None:
    found = features_of(["War|Drama", "Drama", "War|Drama|Drama|", "Noir|Drama", None], pa.string())
    half = 1 / np.sqrt(2)  # columns: Drama, War, and those with one row
    expected = [[half, half, 0], [1, 0, 0], [half, half, 0], [half, 0, half], [0, 0, 0]]
    np.testing.assert_allclose(found, expected)


def test_attributes_follow_each_other_and_rows_can_be_chosen() -> None:
    columns = {
        "age": pa.chunked_array([pa.array([3, 3, 4, 4])]),
        "nothing": pa.chunked_array([pa.array([None] * 4, pa.string())]),
        "sex": pa.chunked_array([pa.array(["f", "m", "m", "f"])]),
    }
    found = encode_attributes(columns)
    assert list(found) == ["age", "sex"]
    features, groups = fill_features(list(found.values()), np.array([3, 0]), 4)
    assert features.tolist() == [[0, 1, 1, 0], [1, 0, 1, 0]]
    assert groups.tolist() == [0, 0, 1, 1]


@pytest.mark.parametrize("kind", [pa.int64(), pa.string()])
def test_rows_are_joined_by_id_and_come_in_the_order_of_the_index(
    tmp_path: Path, kind: pa.DataType
) -> None:
    for folder in ("movies", "movie_index"):
        (tmp_path / folder).mkdir()
    ids = pa.array([30, 10, 20]).cast(kind)
    movies = {"movie_id": ids, "title": ["x", "y", "z"], "year": [1990, None, 2000]}
    pq.write_table(pa.table(movies), tmp_path / "movies" / "part-0.parquet")
    # 40 has ratings, but no row among the movies
    index = {"id": pa.array([20, 40, 30, 10]).cast(kind), "index": [2, 1, 0, 3]}
    pq.write_table(pa.table(index), tmp_path / "movie_index" / "part-0.parquet")
    found = read_attributes(str(tmp_path / "movies"), str(tmp_path / "movie_index"), "movie_id")
    assert {name: column.to_pylist() for name, column in found.items()} == {
        "year": [1990, None, 2000, None]
    }
    assert read_attributes(str(tmp_path / "users"), str(tmp_path / "movie_index"), "user_id") == {}
