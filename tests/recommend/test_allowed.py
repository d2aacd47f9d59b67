from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from recspark.arrays.ids import TextIds
from recspark.config import RecommendConfig
from recspark.errors import ConfigError, DataError
from recspark.recommend.allowed import find_candidates, name_columns, require_columns

IDS = np.array([50, 7, 9, 1000, 3])
NUM_RATINGS = np.array([9, 5, 5, 1, 0])
COLUMNS = {
    "year": pa.array([1990, None, 1995, 2001, 1995], pa.int32()),
    "genres": pa.array(["Comedy|Drama", None, "Film-Noir", "drama", "Comedy"]),
    "language": pa.array(["en", "fr", None, "EN ", "en"]),
    "runtime": pa.array([90.0, 121.5, None, 90.0, 90.0]),
}


def candidates(**section: Any) -> list[int]:
    settings = RecommendConfig(**section)
    assert name_columns(settings) <= COLUMNS.keys()
    found = find_candidates(settings, NUM_RATINGS, IDS, COLUMNS)
    assert found.dtype == np.int32
    return found.tolist()


@pytest.mark.parametrize(
    ("section", "expected"),
    [
        ({}, [0, 1, 2, 3]),
        ({"min_ratings": 5}, [0, 1, 2]),
        ({"min_year": 1995}, [2, 3]),
        ({"max_year": 1995}, [0, 2]),
        ({"min_year": 1991, "max_year": 2000}, [2]),
        ({"allow_values": {"genres": ("DRAMA", "Horror")}}, [0, 3]),
        ({"deny_values": {"genres": ("Comedy", "film-noir")}}, [1, 3]),
        ({"allow_values": {"genres": ("Drama",), "language": ("en",)}}, [0, 3]),
        ({"allow_values": {"runtime": (90, "121.5")}}, [0, 1, 3]),
        ({"deny_values": {"runtime": ("90",), "language": ("fr",)}}, [2]),
        ({"allow_values": {"year": (1995.0,)}, "min_ratings": 1}, [2]),
    ],
)
def test_movies_by_year_and_value(section: dict[str, Any], expected: list[int]) -> None:
    assert candidates(**section) == expected


def test_files_of_movies(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    allow, deny = tmp_path / "allow.txt", tmp_path / "deny.txt"
    allow.write_text("7\n3\n1000\n12345\n50\n")
    deny.write_text("7\n")
    assert candidates(allow_movies=str(allow)) == [0, 1, 3]
    assert f"1 of 5 movies of {allow} are not in this run" in caplog.text
    assert candidates(allow_movies=str(allow), deny_movies=str(deny)) == [0, 3]
    assert candidates(deny_movies=str(deny)) == [0, 2, 3]
    deny.write_text("7\nx7\n")
    with pytest.raises(DataError, match=r"deny\.txt:2: 'x7'.*recommend\.deny_movies"):
        candidates(deny_movies=str(deny))


def test_files_of_text_ids(tmp_path: Path) -> None:
    deny = tmp_path / "deny.txt"
    deny.write_text("007\nunknown\n")
    ids = TextIds.of(["7", "007", "b", "c", "d"])
    settings = RecommendConfig(deny_movies=str(deny))
    assert find_candidates(settings, np.full(5, 9), ids, {}).tolist() == [0, 2, 3, 4]


def test_a_value_that_no_movie_has_is_told(caplog: pytest.LogCaptureFixture) -> None:
    candidates(deny_values={"genres": ("Drama", "Westren")})
    assert "no movie has westren in genres" in caplog.text


def test_nothing_left_is_an_error() -> None:
    with pytest.raises(DataError, match=r"recommend: found no movie that may be listed, of 4 with"):
        candidates(min_year=2050)
    with pytest.raises(DataError, match=r"min_ratings: found no movie with 99 ratings in train"):
        candidates(min_ratings=99)


def test_unknown_columns_are_refused() -> None:
    settings = RecommendConfig(deny_values={"genre": ("Drama",)})
    message = r"recommend\.deny_values: found genre, which movies does not have, expected some of "
    with pytest.raises(ConfigError, match=message):
        require_columns(settings, list(COLUMNS))
    require_columns(RecommendConfig(allow_values={"language": ("en",)}), list(COLUMNS))
