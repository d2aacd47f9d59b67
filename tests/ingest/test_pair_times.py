"""The times of requested pairs, in every form of file."""

from __future__ import annotations

from datetime import date, datetime, timezone
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from recspark.arrays.ids import to_list
from recspark.arrays.ratings import NO_TIME
from recspark.errors import DataError
from recspark.ingest.pair_files import list_sources, read_piece, split_files
from recspark.ingest.pairs import BadRow, PairColumns, Pairs, TimeSettings

WHOLE = (False, False)
DAY = 86_400
FIRST, SECOND = 12_749 * DAY, 12_750 * DAY  # 2004-11-27 and 28


def read(path: Path, form: str = "auto", column: str | None = "when") -> list[Pairs]:
    time = column and TimeSettings(column, form, ("s.time_column", "s.time_format"))
    columns = PairColumns("user_id", "movie_id", ("s.user", "s.movie"), time or None)
    pieces = split_files(list_sources(str(path)), columns, WHOLE)
    return [pairs for piece in pieces for pairs in read_piece(piece, WHOLE)]


def write(path: Path, content: str | dict[str, Any]) -> Path:
    if isinstance(content, str):
        path.write_text(content)
    else:
        pq.write_table(pa.table(content), path, row_group_size=2)
    return path


@pytest.mark.parametrize(
    ("text", "form"),
    [
        ("when,movie_id,user_id\n2004-11-27,5,1\n,6,2\n2004-11-28 00:00:00,7,3\n", "auto"),
        (f"user_id;movie_id;x;when\n1;5;;{FIRST}\n2;6;;\n3;7;;{SECOND}\n", "auto"),
        (f"user_id;movie_id;x;when\n1;5;;{FIRST}000\n2;6;;NaN\n3;7;;{SECOND}000\n", "auto"),
        ('user_id,movie_id,when\n1,5,"2004-11-27"\n2,6," "\n3,7,2004-11-28\n', "auto"),
        ("user_id::movie_id::when\n1::5::27/11/2004\n2::6::null\n3::7::28/11/2004\n", "auto"),
        ("user_id,movie_id,when\n1,5,11.04.27\n2,6,\n3,7,11.04.28\n", "%m.%y.%d"),
        ("\ufeff1\t5\t2004-11-27\tz\n2\t6\tNA\tz\n3\t7\t2004-11-28\tz\n", "auto"),  # no names
        ("5:\n1,2004-11-27\n6:\n2\n7:\n3,4,2004-11-28\n", "auto"),  # with a rating too
        (f"5:\n1,{FIRST}\n6:\n2,\n7:\n3,{SECOND}\n", "seconds"),
    ],
)
def test_times_in_text(tmp_path: Path, text: str, form: str) -> None:
    [pairs] = read(write(tmp_path / "x.csv", text), form)
    assert pairs.bad == []
    assert (to_list(pairs.users), to_list(pairs.movies)) == ([1, 2, 3], [5, 6, 7])
    assert pairs.times.tolist() == [FIRST, NO_TIME, SECOND]


@pytest.mark.parametrize(
    "times",
    [
        [FIRST, None, SECOND],
        [FIRST + 0.5, float("nan"), float(SECOND)],
        [date(2004, 11, 27), None, date(2004, 11, 28)],
        [datetime(2004, 11, 27), None, datetime(2004, 11, 28, tzinfo=timezone.utc)],
        ["2004-11-27", "", "2004-11-28"],
        pa.array(["27.11.2004", None, "28.11.2004"]).dictionary_encode(),
    ],
    ids=["whole", "float", "date", "timestamp", "text", "coded"],
)
def test_times_in_parquet(tmp_path: Path, times: Any) -> None:
    table = {"when": times, "user_id": [1, 2, 3], "movie_id": [5, 6, 7]}
    groups = read(write(tmp_path / "x.parquet", table))
    assert [one.times.tolist() for one in groups] == [[FIRST, NO_TIME], [SECOND]]
    assert not any(one.bad for one in groups)


def test_without_a_column_no_time_is_known_and_none_can_be_wrong(tmp_path: Path) -> None:
    [pairs] = read(write(tmp_path / "x.csv", "user_id,movie_id,when\n1,2,soon\n"), column=None)
    assert (pairs.times.tolist(), pairs.bad) == ([NO_TIME], [])


REASON = "not a date of the form %Y-%m-%d"


@pytest.mark.parametrize(
    ("content", "bad"),
    [
        (
            "user_id,movie_id,when\n3,4,soon\n1,2,2004-11-27\n,5,soon\n",
            [BadRow(1, "3,4,soon", REASON), BadRow(3, ",5,soon")],
        ),
        ("5:\n1,2004-11-27\n3,soon\n", [BadRow(2, "3,soon", REASON)]),
        (
            {"user_id": [1, 3], "movie_id": [2, 4], "when": ["2004-11-27", "soon"]},
            [BadRow(1, "3,4,soon", REASON)],
        ),
    ],
    ids=["text", "probe", "parquet"],
)
def test_a_text_that_is_no_time_makes_a_bad_row(
    tmp_path: Path, content: str | dict, bad: list[BadRow]
) -> None:
    [pairs] = read(write(tmp_path / "x", content))
    assert pairs.bad == bad
    assert to_list(pairs.users) == [1]
    assert pairs.times.tolist() == [FIRST]


@pytest.mark.parametrize(
    ("content", "form", "message"),
    [
        ("user_id,movie_id\n1,2\n", "auto", r"x:1: found 'user_id,movie_id', .* column when .*s.t"),
        ("1,2\n3,4\n", "auto", r"x:1: found '1,2', expected .*third column.*set that to null"),
        (
            {"user_id": [1], "movie_id": [2]},
            "auto",
            r"expected when.* with s.time",
        ),
        (
            {"user_id": [1], "movie_id": [2], "when": [True]},
            "auto",
            "a column of bool for times, expected dates, timestamps, numbers or text",
        ),
        ("1,2,01/02/2004\n", "auto", r"either way round, .* Set s\.time_format to '%d/%m/%Y'"),
        (
            "1,2,soon\n",
            "auto",
            r"when: found times such as soon, .*Set s\.time_format, e\.g",
        ),
        (f"1,2,{FIRST}000\n", "seconds", r"found seconds, .* Set s\.time_format: milliseconds"),
        ({"user_id": [1], "movie_id": [2], "when": [FIRST]}, "nanoseconds", "format: seconds"),
    ],
)
def test_a_file_whose_times_are_unclear_is_refused(
    tmp_path: Path, content: str | dict, form: str, message: str
) -> None:
    with pytest.raises(DataError, match=message):
        read(write(tmp_path / "x", content), form)


def test_a_request_about_the_future_is_no_mistake(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO")
    [pairs] = read(write(tmp_path / "x", "1,2,2036-05-01\n"))
    assert pairs.times.tolist() == [int(datetime(2036, 5, 1, tzinfo=timezone.utc).timestamp())]
    assert "time_format %Y-%m-%d" in caplog.text
    assert "lie outside" not in caplog.text
