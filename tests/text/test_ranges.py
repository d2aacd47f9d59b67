from __future__ import annotations

import gzip
from pathlib import Path

import pytest

from recspark.config import TableConfig
from recspark.errors import DataError
from recspark.ingest import netflix
from recspark.ingest.formats import FORMATS
from recspark.ingest.netflix import movie_in_force
from recspark.ingest.table import table_format
from recspark.tables import parsed as r
from recspark.text import ranges
from recspark.text.ranges import plan_ranges, read_pieces
from recspark.text.sources import Source
from tests.ingest.sources import sources_of

FILE = (
    b"1:\r\n10,3,2005-01-01\r\n11,6,2005-01-01\r\n\r\n22:\n12,4,2004-02-29\nabc:\n13,1,2005-01-01\n"
    b"3:\n14,5,2005-01-02\n15,5"
)


def read_all(path: Path, split_bytes: int) -> tuple[list[tuple[int, int]], list[tuple[int, str]]]:
    """Return (user, movie) of all ranges together, and (offset, reason) of each refused line."""
    rows, rejects, lines = [], [], 0
    for task in plan_ranges(sources_of(str(path)), split_bytes):
        for one in task:
            movie = movie_in_force(one)
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
    monkeypatch.setattr(ranges, "PIECE_BYTES", piece_bytes)
    monkeypatch.setattr(netflix, "LOOK_BACK_BYTES", 5)
    path = tmp_path / "combined_data_1.txt"
    path.write_bytes(FILE)
    assert read_all(path, split_bytes) == (EXPECTED_ROWS, EXPECTED_REJECTS)


def test_compressed_file_is_read_as_one_stream(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ranges, "PIECE_BYTES", 16)
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
        cut = plan_ranges(sources_of(str(path)), split_bytes)[1][0]
        assert movie_in_force(cut) == movie


def test_small_files_share_a_task_and_large_ones_are_cut(tmp_path: Path) -> None:
    for movie in range(1, 501):
        (tmp_path / f"mv_{movie:07d}.txt").write_bytes(b"%d:\n5,3,2005-01-01\n" % movie)
    tasks = plan_ranges(sources_of(str(tmp_path)), 2000)
    assert len(tasks) == 5
    paths = [one.source.path for ranges in tasks for one in ranges]
    assert len(paths) == 500
    assert paths == sorted(paths)
    big = tmp_path / "combined_data_1.txt"
    big.write_bytes(b"1:\n" + b"5,3,2005-01-01\n" * 1000)
    ranges = [one for task in plan_ranges(sources_of(str(big)), 4000) for one in task]
    assert [(one.start, one.end) for one in ranges] == [
        (0, 4000),
        (4000, 8000),
        (8000, 12000),
        (12000, 15003),
    ]


ML_FILE = b"1::2::3.5::86400\r\n\n3::4::9::86400\n5::6::0.5::86400\n7::8::4"
TABLE_FILE = b'user,note,stars,item,when\n1,"a, ""b""",3,2,86400\n1,"a\nb",3,2,86400\n3,,2,4,86400'


@pytest.mark.parametrize("split_bytes", range(1, len(TABLE_FILE) + 2))
@pytest.mark.parametrize(
    ("name", "data", "rows", "rejects"),
    [
        ("movielens_10m", ML_FILE, [(1, 2), (5, 6)], [b"3::4", b"7::8"]),
        ("movielens_csv", ML_FILE.replace(b"::", b","), [(1, 2), (5, 6)], [b"3,4", b"7,8"]),
        ("table", TABLE_FILE, [(1, 2), (3, 4)], [b'1,"a\n', b'b",3']),
    ],
)
def test_cuts_at_every_byte_in_lines_that_name_their_movie(
    tmp_path: Path,
    name: str,
    data: bytes,
    rows: list[tuple[int, int]],
    rejects: list[bytes],
    split_bytes: int,
) -> None:
    # The file is in the middle of a larger one, like a member of a tar.
    path = tmp_path / "holder"
    path.write_bytes(b"9,9,9\n9" + data + b"9\n9::9::1::9\n")
    source = Source("x.csv", str(path), len(data), start=7)
    settings = TableConfig(
        user="user", movie="item", rating="stars", time="when", time_format="seconds"
    )
    layout = table_format(settings, [source]) if name == "table" else FORMATS[name]
    found, refused, num_lines = [], [], 0
    for task in layout.plan([source], split_bytes):
        for one in task:
            for offset, piece in layout.read(one):
                parsed = layout.parse(piece, None)
                found += zip(parsed.rows.users.tolist(), parsed.rows.movies.tolist(), strict=True)
                refused += [offset + x.offset for x in parsed.rejects]
                num_lines += parsed.num_lines
    assert found == rows
    assert refused == [data.index(start) for start in rejects]
    assert num_lines == 5


def test_thousands_of_small_files_are_few_tasks() -> None:
    sources = [Source(f"mv_{n:07d}.txt", f"mv_{n:07d}.txt", 117_000) for n in range(1, 17_771)]
    tasks = plan_ranges(sources, 64 * 1024 * 1024)
    assert len(tasks) == 32  # 573 files of 117 kB fit into 64 MiB
    assert sum(len(ranges) for ranges in tasks) == 17_770


def test_gzip_data_that_is_cut_off_is_named(tmp_path: Path) -> None:
    path = tmp_path / "combined_data_1.txt.gz"
    path.write_bytes(gzip.compress(FILE * 50)[:-9])
    with pytest.raises(DataError, match=r"combined_data_1\.txt\.gz: found damaged gzip data"):
        read_all(path, 10)
