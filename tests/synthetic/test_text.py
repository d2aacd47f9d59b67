from __future__ import annotations

import numpy as np

from recspark.synthetic.rows import MovieRows
from recspark.synthetic.text import build_fields, format_movie
from recspark.synthetic.titles import build_titles


def test_blocks_of_a_movie() -> None:
    rows = MovieRows(
        users=np.array([2, 0, 1], dtype=np.int32),
        days=np.array([0, 2242, 50], dtype=np.int32),
        ratings=np.array([5, 1, 3], dtype=np.int8),
        num_ratings=2,
        probe=np.array([1]),
        squared_errors=np.zeros(3),
        variances=np.zeros(3),
        exposure=np.nan,
    )
    fields = build_fields(np.array([7, 123, 2_649_429], dtype=np.int32))
    assert format_movie(42, rows, fields) == {
        "combined_data": b"42:\n2649429,5,1999-11-11\n7,1,2005-12-31\n",
        "probe": b"42:\n7\n",
        "qualifying": b"42:\n123,1999-12-31\n",
        "qualifying_answers": b"42:\n3\n",
    }


def test_a_movie_without_held_out_rows_has_no_header_there() -> None:
    rows = MovieRows(
        users=np.array([0], dtype=np.int32),
        days=np.array([1], dtype=np.int32),
        ratings=np.array([4], dtype=np.int8),
        num_ratings=1,
        probe=np.array([], dtype=np.int64),
        squared_errors=np.zeros(1),
        variances=np.zeros(1),
        exposure=np.nan,
    )
    blocks = format_movie(3, rows, build_fields(np.array([10], dtype=np.int32)))
    assert blocks["combined_data"] == b"3:\n10,4,1999-11-12\n"
    assert blocks["probe"] == blocks["qualifying"] == blocks["qualifying_answers"] == b""


def test_titles_have_every_quirk_of_the_real_file() -> None:
    raw = build_titles(1, np.full(17_770, 1999, dtype=np.int32))
    rows = [line.split(b",", 2) for line in raw.split(b"\n")[:-1]]
    assert [int(row[0]) for row in rows] == list(range(1, 17_771))
    years, titles = [row[1] for row in rows], [row[2] for row in rows]
    assert raw.count(b"\xe9") == 1
    assert sum(byte > 127 for byte in raw) == 1
    assert sum(b'"' in title for title in titles) == 7
    assert sum(b"," in title for title in titles) == 336
    assert years.count(b"NULL") == 7
    assert set(years) == {b"NULL", b"1999"}
    assert len(titles) - len(set(titles)) == 365


def test_a_small_file_has_every_quirk_too() -> None:
    raw = build_titles(1, np.full(20, 1950, dtype=np.int32))
    titles = [line.split(b",", 2)[2] for line in raw.split(b"\n")[:-1]]
    assert raw.count(b"\xe9") == raw.count(b"NULL") == 1
    assert sum(b'"' in title for title in titles) == sum(b"," in title for title in titles) == 1
    assert len(titles) - len(set(titles)) == 1
    assert len(build_titles(1, np.full(1, 1950, dtype=np.int32)).splitlines()) == 1


def test_more_titles_than_word_pairs_are_distinct() -> None:
    raw = build_titles(1, np.full(60_000, 1950, dtype=np.int32))
    titles = {line.split(b",", 2)[2] for line in raw.split(b"\n")[:-1]}
    assert len(titles) == 60_000 - round(60_000 * 365 / 17_770)
