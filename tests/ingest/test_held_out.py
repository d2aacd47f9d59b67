from __future__ import annotations

import gzip
from datetime import date
from pathlib import Path

from recspark.contract import columns as c
from recspark.ingest.held_out import read_held_out
from recspark.tables import parsed as r
from tests.ingest.sources import source_of


def test_probe_lists_users_below_movies_in_string_order(tmp_path: Path) -> None:
    path = tmp_path / "probe.txt"
    path.write_bytes(b"1:\n30878\n2647871\n10:\n1952305\n\n1000:\n")
    found = read_held_out(source_of(path), has_dates=False)
    pairs = found.frame[[c.POSITION, c.USER_ID, c.MOVIE_ID]].to_numpy().tolist()
    assert pairs == [[0, 30878, 1], [1, 2647871, 1], [2, 1952305, 10]]
    assert (found.num_lines, found.num_headers, found.num_blanks) == (7, 3, 1)
    assert found.frame[c.RATED_ON].isna().all()


def test_qualifying_has_dates_and_keeps_its_order(tmp_path: Path) -> None:
    path = tmp_path / "qualifying.txt.gz"
    path.write_bytes(gzip.compress(b"7:\r\n5,2005-12-19\r\n3,2004-01-02\r\n2:\r\n5,2003-06-30"))
    frame = read_held_out(source_of(path), has_dates=True).frame
    assert frame.to_numpy().tolist() == [
        [0, 5, 7, date(2005, 12, 19)],
        [1, 3, 7, date(2004, 1, 2)],
        [2, 5, 2, date(2003, 6, 30)],
    ]


def test_refused_lines_are_stored_with_line_and_reason(tmp_path: Path) -> None:
    path = tmp_path / "qualifying.txt"
    path.write_bytes(b"4,2005-01-01\n1:\n5\nx,2005-01-01\n6,2005-13-01\nq:\n7,2005-01-01\n")
    found = read_held_out(source_of(path), has_dates=True)
    assert len(found.frame) == 0
    assert [(x.line + 1, x.offset, x.text, x.reason) for x in found.rejects] == [
        (1, 0, "4,2005-01-01", r.NO_HEADER),
        (3, 16, "5", r.WRONG_FIELDS),
        (4, 18, "x,2005-01-01", r.BAD_USER),
        (5, 31, "6,2005-13-01", r.BAD_DATE),
        (6, 44, "q:", r.BAD_HEADER),
        (7, 47, "7,2005-01-01", r.LOST_HEADER),
    ]
