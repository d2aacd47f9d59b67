from __future__ import annotations

import gzip
from pathlib import Path

import pytest

from recspark.errors import DataError
from recspark.prepare.pairs import read_pairs


def write(tmp_path: Path, text: str, name: str = "pairs.txt") -> str:
    path = tmp_path / name
    path.write_text(text)
    return str(path)


def rows(path: str) -> list[tuple[int, ...]]:
    return [tuple(row) for row in read_pairs(path).to_numpy().tolist()]


def test_probe_names_the_movie_in_a_header(tmp_path: Path) -> None:
    path = write(tmp_path, "1:\n30878\n2647871\n10:\r\n1952305\r\n")
    assert rows(path) == [(30878, 1), (2647871, 1), (1952305, 10)]


@pytest.mark.parametrize("separator", ["\t", ",", "::"])
def test_two_leading_columns(tmp_path: Path, separator: str) -> None:
    lines = [separator.join(row) for row in (["1", "6", "5", "887431973"], ["2", "10", "3", "8"])]
    assert rows(write(tmp_path, "\n".join(lines))) == [(1, 6), (2, 10)]


def test_header_row_and_blank_lines_are_skipped(tmp_path: Path) -> None:
    assert rows(write(tmp_path, "user,movie\n1,2\n\n3,4\n")) == [(1, 2), (3, 4)]


def test_compressed(tmp_path: Path) -> None:
    path = tmp_path / "probe.txt.gz"
    path.write_bytes(gzip.compress(b"7:\n1\n2\n"))
    assert rows(str(path)) == [(1, 7), (2, 7)]


def test_bad_lines_are_counted_and_shown(tmp_path: Path) -> None:
    path = write(tmp_path, "1,2\nx,3\n4\n5,6\n")
    with pytest.raises(DataError, match=r"2 lines that are not pairs .*pairs.txt:2: 'x,3'"):
        read_pairs(path)


def test_missing_empty_and_directory(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="found nothing"):
        read_pairs(str(tmp_path / "none.txt"))
    with pytest.raises(DataError, match="found a directory"):
        read_pairs(str(tmp_path))
    with pytest.raises(DataError, match="an empty file"):
        read_pairs(write(tmp_path, "\n\n"))


def test_ids_beyond_32_bits_are_refused(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="1 lines that are not pairs"):
        read_pairs(write(tmp_path, "1,2\n99999999999,3\n"))
