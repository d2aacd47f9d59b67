from __future__ import annotations

import gzip
import logging
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from recspark.arrays.ids import to_list
from recspark.config import PrepareConfig
from recspark.errors import DataError
from recspark.ingest.pairs import Kinds
from recspark.prepare.pairs import read_pairs

TEXT = (True, True)
WHOLE = (False, False)


def write(tmp_path: Path, text: str | bytes, name: str = "pairs.txt") -> Path:
    path = tmp_path / name
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return path


def rows(path: Path, kinds: Kinds = WHOLE, **names: str) -> list[tuple[object, object]]:
    found = read_pairs(PrepareConfig(split="pairs", pairs=str(path), **names), kinds)
    return list(zip(to_list(found.users), to_list(found.movies), strict=True))


@pytest.mark.parametrize("start", ["", "\ufeff"])
def test_probe_names_the_movie_in_a_header(tmp_path: Path, start: str) -> None:
    path = write(tmp_path, start + "1:\n30878\n2647871\n10:\r\n1952305\r\n")
    assert rows(path) == [(30878, 1), (2647871, 1), (1952305, 10)]


def test_damaged_header_is_no_other_movie(tmp_path: Path) -> None:
    path = write(tmp_path, "1:\n5\n2x:\n6\n3:\n7\n")
    with pytest.raises(DataError, match=r"2 rows without two ids .*pairs\.txt:3: '2x:'.*:4: '6'"):
        rows(path)
    path = write(tmp_path, "1:\n5\n99999999999:\n6\n")
    assert rows(path) == [(5, 1), (6, 99999999999)]


@pytest.mark.parametrize("separator", ["\t", ",", "::", ";", "|", " "])
def test_without_names_user_and_movie_come_first(
    tmp_path: Path, separator: str, caplog: pytest.LogCaptureFixture
) -> None:
    lines = [separator.join(row) for row in (["1", "6", "5", "887431973"], ["2", "10", "3", "8"])]
    with caplog.at_level(logging.INFO):
        assert rows(write(tmp_path, "\n".join(lines))) == [(1, 6), (2, 10)]
    assert "no column names; user and movie are the first two" in caplog.text


@pytest.mark.parametrize(
    "text",
    [
        "user,movie\n1,2\n\n3,4\n",
        "itemId,userId\n2,1\n4,3\n",
        ",user_id,movie_id\n0,1,2\n1,3,4\n",
        '"","movieId","rating","userId"\n"1",2,5,1\n"2",4,5,3\n',
        "\ufeffUser ID;Movie ID\r\n1;2\r\n3;4",
        "user::item\n1::2\n3::4\n",
        "\nuser_id:token\titem_id:token\n1\t2\n3\t4\n",
        "user,movie\n1.0,2.0\n3.0,4.0\n",
        "\ufeff1,2\n3,4\n",
        "1.0,2.0\n3.0,4.0\n",
        '1,2,"a, b"\n3,4,"c ""d"""\n',
    ],
)
def test_columns_are_found_by_name_whatever_the_form(tmp_path: Path, text: str) -> None:
    assert rows(write(tmp_path, text)) == [(1, 2), (3, 4)]
    assert rows(write(tmp_path, text.encode("utf-16"))) == [(1, 2), (3, 4)]


def test_settings_name_the_columns(tmp_path: Path) -> None:
    path = write(tmp_path, "who,user,movie,what\n1,9,9,2\n")
    assert rows(path, pairs_user="Who", pairs_movie="what") == [(1, 2)]
    with pytest.raises(DataError, match=r"'who,user,movie,what'.*prepare\.pairs_user"):
        rows(path, pairs_user="buyer")
    with pytest.raises(DataError, match=r"'who,what'.*prepare\.pairs_user and prepare\.pairs_mov"):
        rows(write(tmp_path, "who,what\n1,2\n"))


def test_parquet_by_name_with_the_index_of_pandas(tmp_path: Path) -> None:
    path = tmp_path / "pairs.parquet"
    frame = pd.DataFrame({"itemId": [2.0, 4.0], "userId": pd.array([1, 3], "Int64")})
    frame.index = pd.Index([7, 8], name="row")
    frame.to_parquet(path)
    assert rows(path) == [(1, 2), (3, 4)]
    path.write_bytes(path.read_bytes()[:-20])
    with pytest.raises(DataError, match=r"pairs\.parquet: found damaged Parquet file"):
        rows(path)
    pq.write_table(pa.table({"user": pa.array([True]), "item": [1]}), path)
    with pytest.raises(DataError, match="found a column of bool for ids"):
        rows(path)


@pytest.mark.parametrize("kinds", [TEXT, (True, False)])
def test_text_ids(tmp_path: Path, kinds: Kinds) -> None:
    item: Sequence[object] = ["7", "0"] if kinds[1] else [7, 0]
    path = write(tmp_path, "user,item\nu-1,7\nü2,0\n")
    assert rows(path, kinds) == [("u-1", item[0]), ("ü2", item[1])]
    path = write(tmp_path, "u-1,7\nü2,0\n")
    assert rows(path, kinds) == [("u-1", item[0]), ("ü2", item[1])]


def test_an_id_of_another_form_is_kept_as_text(tmp_path: Path) -> None:
    assert rows(write(tmp_path, "user,item\n5,7\nabc,8\n")) == [("5", 7), ("abc", 8)]
    path = tmp_path / "pairs.parquet"
    large = pa.array(np.array([5, 2**63 + 1], np.uint64))
    pq.write_table(pa.table({"user": large, "item": [1, 2]}), path)
    assert rows(path) == [("5", 1), ("9223372036854775809", 2)]


def test_folder_of_part_files_with_an_empty_one(tmp_path: Path) -> None:
    for name, text in (("p0.csv", "user,item\n1,2\n"), ("p1.csv", ""), ("_SUCCESS", "")):
        write(tmp_path, text, name)
    write(tmp_path, "user,item\n3,4\n", "p2.csv")
    assert rows(tmp_path) == [(1, 2), (3, 4)]


def test_compressed(tmp_path: Path) -> None:
    path = tmp_path / "probe.txt.gz"
    path.write_bytes(gzip.compress(b"7:\n1\n2\n"))
    assert rows(path) == [(1, 7), (2, 7)]


def test_lines_that_are_no_pairs_are_refused_with_samples(tmp_path: Path) -> None:
    path = write(tmp_path, "user,item\n1,2\n,3\n4\n\n5,6\n7,null\n")
    with pytest.raises(DataError, match=r"3 rows .*pairs\.txt:3: ',3'.*:4: '4'.*:7: '7,null'"):
        rows(path)


def test_a_quoted_field_over_several_lines_is_refused(tmp_path: Path) -> None:
    path = write(tmp_path, 'user,item,note\n1,2,"a\n5,6,b"\n3,4,"c"\n')
    with pytest.raises(DataError, match=r"1 rows without two ids .*pairs\.txt:2: '1,2,\"a'"):
        rows(path)


def test_missing_and_empty(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="found nothing"):
        rows(tmp_path / "none.txt")
    with pytest.raises(DataError, match="found a directory without files"):
        rows(tmp_path)
    with pytest.raises(DataError, match="found no text"):
        rows(write(tmp_path, "\n\n"))
    with pytest.raises(DataError, match="found an empty file"):
        rows(write(tmp_path, ""))
    with pytest.raises(DataError, match="found an empty file"):
        rows(write(tmp_path, "user,item\n"))
    with pytest.raises(DataError, match="found an SQLite database"):
        rows(write(tmp_path, b"SQLite format 3\x00"))
