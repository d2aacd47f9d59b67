from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from recspark.arrays.ratings import Ratings
from recspark.ingest.duplicates import mark_duplicates

ROWS = st.lists(st.tuples(st.integers(1, 4), st.integers(1, 4), st.just(3.0), st.integers(0, 3)))


@given(values=ROWS)
def test_the_newest_rating_is_kept_and_on_one_day_the_last_line(
    values: list[tuple[int, int, float, int]],
) -> None:
    best: dict[tuple[int, int], tuple[int, int]] = {}
    for line, (user, movie, _, day) in enumerate(values):
        best[user, movie] = max(best.get((user, movie), (-1, -1)), (day, line))
    kept = {line for _, line in best.values()}
    is_duplicate = mark_duplicates(Ratings.of(values))
    assert [line for line in range(len(values)) if not is_duplicate[line]] == sorted(kept)
