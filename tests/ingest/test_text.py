from __future__ import annotations

import gzip
from pathlib import Path

import pytest

from recspark import storage
from recspark.ingest import netflix, text
from recspark.ingest import rows as r
from recspark.ingest.text import movie_in_force, plan_ranges, read_pieces

FILE = (
    b"1:\r\n10,3,2005-01-01\r\n11,6,2005-01-01\r\n\r\n22:\n12,4,2004-02-29\nabc:\n13,1,2005-01-01\n"
    b"3:\n14,5,2005-01-02\n15,5"
)


def read_all(path: Path, split_bytes: int) -> tuple[list[tuple[int, int]], list[tuple[int, str]]]:
    """Return (user, movie) of all ranges together, and (offset, reason) of what was refused."""
    rows, rejects, lines = [], [], 0
    for ranges in plan_ranges(storage.list_files(str(path)), split_bytes):
        for one in ranges:
            movie = None if one.is_compressed else movie_in_force(one)
            for offset, piece in read_pieces(one):
                parsed = netflix.parse(piece, movie)
                movie = parsed.movie
                rows += zip(parsed.rows.users.tolist(), parsed.rows.movies.tolist(), strict=True)
                rejects += [(offset + x.offset, x.reason) for x in parsed.rejects]
                lines += parsed.num_lines
    assert lines == 11
    return rows, rejects


EXPECTED_ROWS = [(10, 1), (12, 22), (14, 3)]
EXPECTED_REJECTS = [
    (FILE.index(b"11,6"), r.BAD_RATING),
    (FILE.index(b"abc:"), r.BAD_HEADER),
    (FILE.index(b"13,1"), r.LOST_HEADER),
    (FILE.index(b"15,5"), r.WRONG_FIELDS),
]


@pytest.mark.parametrize("split_bytes", range(1, len(FILE) + 2))
@pytest.mark.parametrize("piece_bytes", [1, 7, 40, 256 * 1024])
def test_cuts_at_every_byte_lose_and_repeat_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, split_bytes: int, piece_bytes: int
) -> None:
    monkeypatch.setattr(text, "PIECE_BYTES", piece_bytes)
    monkeypatch.setattr(text, "LOOK_BACK_BYTES", 5)
    path = tmp_path / "combined_data_1.txt"
    path.write_bytes(FILE)
    assert read_all(path, split_bytes) == (EXPECTED_ROWS, EXPECTED_REJECTS)


def test_compressed_file_is_read_as_one_stream(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(text, "PIECE_BYTES", 16)
    path = tmp_path / "combined_data_1.txt.gz"
    path.write_bytes(gzip.compress(FILE))
    assert read_all(path, 10) == (EXPECTED_ROWS, EXPECTED_REJECTS)


def test_byte_order_mark_is_no_part_of_the_first_line(tmp_path: Path) -> None:
    path = tmp_path / "combined_data_1.txt"
    path.write_bytes(b"\xef\xbb\xbf" + FILE)
    rows, rejects = read_all(path, 20)
    assert rows == EXPECTED_ROWS
    assert rejects == [(offset + 3, reason) for offset, reason in EXPECTED_REJECTS]


def test_header_far_above_is_found_without_reading_the_file(tmp_path: Path) -> None:
    path = tmp_path / "combined_data_1.txt"
    path.write_bytes(b"1:\n" + b"5,3,2005-01-01\n" * 50_000 + b"2:\n" + b"6,3,2005-01-01\n" * 9000)
    for split_bytes, movie in ((600_000, 1), (800_000, 2)):
        cut = plan_ranges(storage.list_files(str(path)), split_bytes)[1][0]
        assert movie_in_force(cut) == movie


def test_small_files_travel_together_and_large_ones_are_cut(tmp_path: Path) -> None:
    for movie in range(1, 501):
        (tmp_path / f"mv_{movie:07d}.txt").write_bytes(b"%d:\n5,3,2005-01-01\n" % movie)
    tasks = plan_ranges(storage.list_files(str(tmp_path)), 2000)
    assert len(tasks) == 5
    paths = [one.path for ranges in tasks for one in ranges]
    assert len(paths) == 500
    assert paths == sorted(paths)
    big = tmp_path / "combined_data_1.txt"
    big.write_bytes(b"1:\n" + b"5,3,2005-01-01\n" * 1000)
    ranges = [one for task in plan_ranges(storage.list_files(str(big)), 4000) for one in task]
    assert [(one.start, one.end) for one in ranges] == [
        (0, 4000),
        (4000, 8000),
        (8000, 12000),
        (12000, 15003),
    ]
