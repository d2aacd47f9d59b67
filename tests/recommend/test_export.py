from __future__ import annotations

import csv
import json
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from recspark.contract import columns as c
from recspark.recommend.export import export_lists

COLUMNS = [c.USER_ID, c.RANK, c.MOVIE_ID, c.SCORE, c.TITLE, c.REASONS]
ROWS = [
    ("anna", 1, 7, 0.1, 'The "Best", really', [(50, 0.25), (9, 1e-8)]),
    ("anna", 2, 9, -3.75, None, []),
    ("=1+1", 1, 7, 12345.678, "Ünï\nline", [(3, 2 / 3)]),
]


@pytest.fixture
def lists(tmp_path: Path) -> str:
    """Lists in two files, the second with a single row."""
    reason = pa.struct({c.MOVIE_ID: pa.int64(), c.CONTRIBUTION: pa.float32()})
    kinds = [pa.string(), pa.int32(), pa.int64(), pa.float32(), pa.string(), pa.list_(reason)]
    for number, rows in enumerate((ROWS[:2], ROWS[2:])):
        columns = [list(one) for one in zip(*rows, strict=True)]
        columns[-1] = [
            [{c.MOVIE_ID: movie, c.CONTRIBUTION: value} for movie, value in reasons]
            for reasons in columns[-1]
        ]
        arrays = [pa.array(one, kind) for one, kind in zip(columns, kinds, strict=True)]
        table = pa.table(dict(zip(COLUMNS, arrays, strict=True)))
        pq.write_table(table, tmp_path / f"part-{number}.parquet")
    return str(tmp_path)


def is_single(text: str, value: float) -> bool:
    """Return whether a text is the shortest that reads as a number of single precision."""
    return np.float32(text) == np.float32(value) and len(text) <= len(str(np.float32(value)))


def test_csv_has_the_rows_of_parquet(lists: str, tmp_path: Path) -> None:
    assert export_lists(lists, COLUMNS, str(tmp_path / "out"), "csv") == 3
    with open(tmp_path / "out" / "lists.csv", newline="", encoding="utf-8") as file:
        header, *rows = csv.reader(file)
    assert header == COLUMNS
    for row, (user, rank, movie, score, title, reasons) in zip(rows, ROWS, strict=True):
        assert (row[0], int(row[1]), int(row[2]), row[4]) == (user, rank, movie, title or "")
        assert is_single(row[3], score)
        found = [(one[c.MOVIE_ID], one[c.CONTRIBUTION]) for one in json.loads(row[5])]
        assert found == [(one, pytest.approx(value, rel=1e-7)) for one, value in reasons]


def test_json_lines_have_the_rows_of_parquet(lists: str, tmp_path: Path) -> None:
    assert export_lists(lists, COLUMNS, str(tmp_path / "out"), "jsonl") == 3
    lines = (tmp_path / "out" / "lists.jsonl").read_text(encoding="utf-8").split("\n")
    assert lines.pop() == ""
    for line, (user, rank, movie, score, title, reasons) in zip(lines, ROWS, strict=True):
        row = json.loads(line)
        assert list(row) == COLUMNS
        assert [row[name] for name in (c.USER_ID, c.RANK, c.MOVIE_ID, c.TITLE)] == [
            *(user, rank, movie, title)
        ]
        assert is_single(repr(row[c.SCORE]), score)
        assert [one[c.MOVIE_ID] for one in row[c.REASONS]] == [one for one, _ in reasons]
        for one, (_, value) in zip(row[c.REASONS], reasons, strict=True):
            assert np.float32(one[c.CONTRIBUTION]) == np.float32(value)


def test_lists_without_rows(tmp_path: Path) -> None:
    pq.write_table(pa.table({c.USER_ID: pa.array([], pa.int64())}), tmp_path / "a.parquet")
    for form, text in (("csv", '"user_id"\n'), ("jsonl", "")):
        assert export_lists(str(tmp_path), [c.USER_ID], str(tmp_path / form), form) == 0
        assert (tmp_path / form / f"lists.{form}").read_text() == text


def test_titles_in_csv_are_no_formulas_and_ids_stay_as_they_are(tmp_path: Path) -> None:
    titles = ["=1+1", "@home", "-", "+ 1", "\tTab", "Seven = 7", None, ""]
    users = ["=a", *"bcdefgh"]
    kind = pa.string()
    table = pa.table({c.USER_ID: pa.array(users, kind), c.TITLE: pa.array(titles, kind)})
    pq.write_table(table, tmp_path / "part-0.parquet")
    export_lists(str(tmp_path), [c.USER_ID, c.TITLE], str(tmp_path / "out"), "csv")
    with open(tmp_path / "out" / "lists.csv", newline="", encoding="utf-8") as file:
        _, *rows = csv.reader(file)
    assert [row[0] for row in rows] == users
    expected = ["'=1+1", "'@home", "'-", "'+ 1", "'\tTab", "Seven = 7", "", ""]
    assert [row[1] for row in rows] == expected
