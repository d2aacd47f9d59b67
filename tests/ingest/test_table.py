from __future__ import annotations

import gzip
import json
import logging
from collections.abc import Callable
from datetime import date
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from recspark.arrays.ids import to_list
from recspark.arrays.ratings import NO_TIME
from recspark.config import Config, IngestConfig, PrepareConfig, TableConfig
from recspark.errors import ConfigError, DataError
from recspark.ingest.formats import Format
from recspark.ingest.table import table_format
from recspark.tables import parsed as r
from recspark.text.sources import Source
from tests.ingest.sources import sources_of

Rating = tuple[int | str, int | str, float, int]
MAPPING = TableConfig(user="who", movie="what", rating="stars", time="when")
DAY = 1_107_129_600  # 2005-01-31


def read(
    path: Path | list[Source], settings: TableConfig, split_bytes: int = 10**6
) -> tuple[list[Rating], list[tuple[int, int, str, str]]]:
    """Return the ratings and (line from 1, offset, text, reason) of each refused line.

    Files are read again as `load_ratings` does it.
    """
    sources = path if isinstance(path, list) else sources_of(str(path))
    layout = table_format(settings, sources)
    while True:
        ratings, rejects, better = _read_once(layout, sources, split_bytes)
        if better is None:
            return ratings, rejects
        layout = better


def _read_once(
    layout: Format, sources: list[Source], split_bytes: int
) -> tuple[list[Rating], list[tuple[int, int, str, str]], Format | None]:
    ratings: list[Rating] = []
    rejects, line, name = [], 0, ""
    for one in (one for task in layout.plan(sources, split_bytes) for one in task):
        line = line if one.source.name == name else 0
        name = one.source.name
        for offset, block in layout.read(one):
            parsed = layout.parse(block, None)
            if parsed.text_user or parsed.text_movie:
                return [], [], layout.as_text(bool(parsed.text_user), bool(parsed.text_movie))
            if parsed.has_open_quote:
                return [], [], layout.by_record()
            rows = parsed.rows
            ratings += zip(
                to_list(rows.users),
                to_list(rows.movies),
                rows.ratings.tolist(),
                rows.times.tolist(),
                strict=True,
            )
            rejects += [
                (line + x.line + 1, offset + x.offset, x.text, x.reason) for x in parsed.rejects
            ]
            line += parsed.num_lines
    return ratings, rejects, None


def write(path: Path, text: str, encoding: str = "utf-8") -> Path:
    path.write_bytes(text.encode(encoding))
    return path


@pytest.mark.parametrize("separator", [",", "\t", ";", "|", "::", "\x01", " "])
@pytest.mark.parametrize("is_named", [True, False])
def test_separator_is_guessed_or_set(tmp_path: Path, separator: str, is_named: bool) -> None:
    text = 'what,when,stars,who\n7,2005-01-31,3.5,1\n"8",2005-01-31,-1,2\n'
    path = write(tmp_path / "a.txt", "\ufeff" + text.replace(",", separator).replace("\n", "\r\n"))
    setting = None if is_named else separator
    found = TableConfig(user="who", movie="what", rating="stars", time="when", separator=setting)
    assert read(path, found) == ([(1, 7, 3.5, DAY), (2, 8, -1.0, DAY)], [])


def test_separator_of_a_file_in_a_folder_called_tsv(tmp_path: Path) -> None:
    (tmp_path / "old.tsv.d").mkdir()
    path = write(tmp_path / "old.tsv.d" / "a.csv", "user_id,movie_id,rating\n1,2,3\n")
    assert read(path, TableConfig())[0] == [(1, 2, 3.0, NO_TIME)]


@pytest.mark.parametrize(
    "header",
    [
        "who, what, stars, when",
        "WHO,What,STARS,When",
        '"who","what","stars","when"',
        "who:token,what:token,stars:float,when:float",
        "sep=,\nwho,what,stars,when",
        "who,what,stars,when,",
    ],
)
def test_spelling_of_the_header_is_forgiven(tmp_path: Path, header: str) -> None:
    end = "," if header.endswith(",") else ""
    path = write(tmp_path / "a.csv", f"{header}\n1, 2, 3, 2005-01-31{end}\n4,5,6,2005-01-31\n")
    assert read(path, MAPPING) == ([(1, 2, 3.0, DAY), (4, 5, 6.0, DAY)], [])


def test_no_header_and_columns_by_position(tmp_path: Path) -> None:
    path = write(tmp_path / "a.csv", "2005-01-31,3.5,7,u1\n2005-02-01,4,8,u2\n")
    settings = TableConfig(user=4, movie="3", rating=2, time=1)
    assert read(path, settings)[0] == [("u1", 7, 3.5, DAY), ("u2", 8, 4.0, DAY + 86_400)]
    with pytest.raises(DataError, match=r"a\.csv:1: .*names no columns.*\{user: 1, movie: 2"):
        read(path, TableConfig())


@pytest.mark.parametrize(
    ("header", "message"),
    [
        ("who,what,Stars,Stars,when", r"2 columns stars among .*position, from 1"),
        ("who,what,star,when", r"no columns stars .*mean star\? Set ingest\.table\.rating"),
        ("userId,what,stars,when", r"no columns who among .*mean userId\? Set ingest\.table\.user"),
        ("who,what,overall,when", r"mean overall\? Set ingest\.table\.rating"),
    ],
)
def test_missing_column_names_the_likely_one(tmp_path: Path, header: str, message: str) -> None:
    path = write(tmp_path / "a.csv", header + "\n1,2,3,4,5\n")
    with pytest.raises(DataError, match=message):
        read(path, MAPPING)


def test_wrong_separator_is_told(tmp_path: Path) -> None:
    path = write(tmp_path / "a.inter", "user_id:token\tmovie_id:token\trating:float\n1\t2\t3\n")
    with pytest.raises(
        DataError, match=r"separated by a tab: set ingest\.table\.separator to '\\t'"
    ):
        read(path, TableConfig(separator=","))


def test_control_characters_of_a_header_are_not_printed(tmp_path: Path) -> None:
    path = write(tmp_path / "a.csv", "\x1b[31mwho,what\x07\n1,2\n")
    with pytest.raises(DataError) as error:
        read(path, TableConfig())
    assert "\x1b" not in str(error.value)
    assert r"\x1b[31mwho" in str(error.value)


def test_each_file_has_columns_and_an_encoding_of_its_own(tmp_path: Path) -> None:
    write(tmp_path / "a.csv", "who,what,stars,when\n1,2,3,2005-01-31\n")
    write(tmp_path / "b.csv", "when;stars;extra;what;who\n2005-01-31;4;é;5;6\n", "cp1252")
    write(tmp_path / "c.csv", "\n")
    path = tmp_path / "d.csv"
    path.write_bytes("who,what,stars,when\n7,8,9,2005-01-31\n".encode("utf-16"))
    assert read(tmp_path, MAPPING)[0] == [(1, 2, 3.0, DAY), (6, 5, 4.0, DAY), (7, 8, 9.0, DAY)]


def test_files_of_two_kinds_are_refused(tmp_path: Path) -> None:
    write(tmp_path / "a.csv", "user_id,movie_id,rating\n1,2,3\n")
    pq.write_table(pa.table({"user_id": [1]}), tmp_path / "b.parquet")
    with pytest.raises(DataError, match=r"b\.parquet: found a file of the kind parquet"):
        read(tmp_path, TableConfig())


def test_folders_give_columns(tmp_path: Path) -> None:
    for user, text in (("a%2Fb", "movie_id,rating\n1,2\n"), ("c", "rating,movie_id\n3,4\n")):
        folder = tmp_path / f"user_id={user}"
        folder.mkdir()
        write(folder / "part-0.csv", text)
    sources = [x for one in ("a%2Fb", "c") for x in sources_of(f"{tmp_path}/user_id={one}/*.csv")]
    assert read(sources, TableConfig())[0] == [
        ("a/b", 1, 2.0, NO_TIME),
        ("c", 4, 3.0, NO_TIME),
    ]


def test_events_counts_and_values_for_missing(tmp_path: Path) -> None:
    path = write(tmp_path / "a.csv", "user_id,movie_id,plays\n1,2,\n1,3,7\n1,4,-1\n")
    events = [(1, 2, 1.0, NO_TIME), (1, 3, 1.0, NO_TIME), (1, 4, 1.0, NO_TIME)]
    assert read(path, TableConfig(rating=None))[0] == events
    counts = TableConfig(rating="plays", missing=(-1.0, ""))
    assert read(path, counts) == ([(1, 3, 7.0, NO_TIME)], [])


def test_decimal_comma_and_thousands(tmp_path: Path) -> None:
    path = write(tmp_path / "a.csv", "user_id;movie_id;rating\n1;2;3,5\n1;3;1.300,25\n")
    found = read(path, TableConfig(decimal=",", thousands="."))
    assert found == ([(1, 2, 3.5, NO_TIME), (1, 3, 1300.25, NO_TIME)], [])
    path = write(tmp_path / "b.csv", 'user_id,movie_id,rating\n1,2,"1,300"\n1,3,"1,3"\n')
    ratings, rejects = read(path, TableConfig(thousands=","))
    assert (ratings, [x[3] for x in rejects]) == ([(1, 2, 1300.0, NO_TIME)], [r.BAD_NUMBER])


def test_quotes_escaped_by_a_backslash_are_guessed(tmp_path: Path) -> None:
    path = write(tmp_path / "a.csv", 'user_id,title,movie_id,rating\n1,"a \\"b\\", c",2,3\n')
    assert read(path, TableConfig())[0] == [(1, 2, 3.0, NO_TIME)]


def test_quoted_line_end_over_cuts_and_pieces(tmp_path: Path) -> None:
    lines = ["user_id,movie_id,rating,note"]
    expected: list[Rating] = []
    for user in range(3000):
        lines.append(f'{user},7,3,"{"x" * 70}\n5,6,1,phantom {"x" * 70}\nend"')
        expected.append((user, 7, 3.0, NO_TIME))
    lines.insert(100, '9,9,9,"never closed properly" x')
    path = write(tmp_path / "a.csv", "\n".join(lines))
    ratings, rejects = read(path, TableConfig(), split_bytes=10_000)
    assert ratings == expected
    assert [(x[2], x[3]) for x in rejects] == [(lines[100], r.BAD_QUOTES)]


def test_text_ids_need_one_text_id(tmp_path: Path) -> None:
    rows = [f"{user},{user + 1},3" for user in range(30_000)]
    path = write(tmp_path / "a.csv", "\n".join(["user_id,movie_id,rating", *rows, "B00X,12.0,1"]))
    ratings, rejects = read(path, TableConfig(), split_bytes=100_000)
    assert rejects == []
    assert (ratings[0], ratings[-1]) == (("0", 1, 3.0, NO_TIME), ("B00X", 12, 1.0, NO_TIME))
    ratings, rejects = read(path, TableConfig(ids="whole"))
    assert (len(ratings), [x[3] for x in rejects]) == (30_000, [r.BAD_USER])
    assert read(path, TableConfig(ids="text"))[0][-1] == ("B00X", "12.0", 1.0, NO_TIME)


def test_row_names_of_r_have_no_name_in_the_header(tmp_path: Path) -> None:
    path = write(tmp_path / "a.csv", '"user_id","movie_id","rating"\n"1",5,6,3\n"2",7,8,4\n')
    assert read(path, TableConfig())[0] == [(5, 6, 3.0, NO_TIME), (7, 8, 4.0, NO_TIME)]


def test_header_that_fits_the_rows_is_never_one(tmp_path: Path) -> None:
    text = "user_id,movie_id\na,b\n"
    path = write(tmp_path / "a.csv", text + "x,y\n" * 70_000 + text)
    ratings, _ = read(path, TableConfig(rating=None, ids="text"))
    assert len(ratings) == 70_002
    assert {row[0] for row in ratings} == {"a", "x"}


def test_gzip_and_epoch(tmp_path: Path) -> None:
    path = tmp_path / "a.tsv.gz"
    path.write_bytes(gzip.compress(b"who\twhat\tstars\twhen\n1\t2\t3\t992821253000\n"))
    assert read(path, MAPPING)[0] == [(1, 2, 3.0, 992_821_253)]


def test_wrong_unit_is_refused_and_the_guess_is_logged(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    path = write(tmp_path / "a.csv", "who,what,stars,when\n1,2,3,992821253\n")
    wrong = TableConfig(
        user="who", movie="what", rating="stars", time="when", time_format="milliseconds"
    )
    with pytest.raises(DataError, match=r"Set ingest\.table\.time_format: seconds"):
        read(path, wrong)
    with caplog.at_level(logging.INFO):
        read(path, MAPPING)
    assert "separator a comma (1 of 1 lines have 4 fields)" in caplog.text
    assert "time_format seconds (numbers such as 992821253)" in caplog.text


def test_splits_that_need_times_are_refused_without() -> None:
    for split in ("time", "last"):
        with pytest.raises(ConfigError, match=rf"prepare\.split: found {split} with a table"):
            Config(ingest=IngestConfig(format="table"), prepare=PrepareConfig(split=split))  # type: ignore[arg-type]
    Config(ingest=IngestConfig(format="table", table=MAPPING), prepare=PrepareConfig(split="last"))


@pytest.mark.parametrize(
    "changes",
    [
        {"time": "user_id"},
        {"user": 2, "movie": "2"},
        {"time_format": "epoch"},
        {"time_format": "%Y-%m"},
        {"separator": "12345"},
        {"separator": '"'},
        {"separator": ""},
        {"quote": "''"},
        {"quote": "a"},
        {"escape": '"'},
        {"decimal": ";"},
        {"thousands": "."},
        {"encoding": "utf-9"},
        {"encoding": "zlib"},
    ],
)
def test_settings_that_make_no_sense(changes: dict[str, object]) -> None:
    with pytest.raises(ConfigError, match=r"ingest\.table"):
        TableConfig(**changes)  # type: ignore[arg-type]


def write_parquet(path: Path, **columns: object) -> Path:
    pq.write_table(pa.table(columns), path, row_group_size=2)
    return path


@pytest.mark.parametrize("split_bytes", [1, 10**6])
def test_parquet(tmp_path: Path, split_bytes: int) -> None:
    write_parquet(
        tmp_path / "a.pq",
        when=pa.array([date(2005, 1, 31)] * 3),
        title=["a", "b", "c"],
        stars=pa.array([3, 2.5, 1], pa.float32()),
        what=pa.array([7, 8, 9], pa.uint16()),
        who=pa.array([1, 2, 3], pa.int64()),
    )
    # Other types and another order of columns.
    write_parquet(
        tmp_path / "b.parquet",
        WHO=pa.array([4.0]),
        what=pa.array([5], pa.int32()),
        stars=pa.array(["4.5"]),
        when=pa.array(["2005-01-31"]),
    )
    expected = [(1, 7, 3.0, DAY), (2, 8, 2.5, DAY), (3, 9, 1.0, DAY), (4, 5, 4.5, DAY)]
    assert read(sources_of(f"{tmp_path}/*"), MAPPING, split_bytes) == (expected, [])


def test_parquet_values_that_do_not_fit_are_refused_by_row(tmp_path: Path) -> None:
    path = write_parquet(
        tmp_path / "a.parquet",
        who=pa.array([1, None, -(2**63), 4, 5], pa.int64()),
        what=["7", "8", "9", "", "11"],
        stars=pa.array([1.0, 1.0, 1.0, 1.0, float("nan")]),
        when=pa.array([date(2005, 1, 31), None, None, None, date(2005, 1, 31)]),
    )
    ratings, rejects = read(path, MAPPING)
    assert ratings == [(1, 7, 1.0, DAY), (-(2**63), 9, 1.0, NO_TIME)]
    assert rejects == [
        (2, 1, ",8,1,", r.EMPTY_USER),
        (4, 3, "4,,1,", r.EMPTY_MOVIE),
        (5, 4, "5,11,nan,2005-01-31", r.BAD_NUMBER),
    ]


def test_parquet_text_ids_nested_names_and_missing_values(tmp_path: Path) -> None:
    path = write_parquet(
        tmp_path / "a.parquet",
        user=[{"id": "u1"}, {"id": "u2"}, None],
        movie_id=[1, 2, 3],
        rating=pa.array([5, None, 4]),
    )
    found = read(path, TableConfig(user="user.id", missing=("",)))
    assert found[0] == [("u1", 1, 5.0, NO_TIME)]
    assert [x[3] for x in found[1]] == [r.EMPTY_USER]


@pytest.mark.parametrize(
    ("column", "message"),
    [
        (pa.array([True]), r"found bool in the column user_id.*Set ingest\.table\.user"),
        (pa.array([[1]]), r"found list<.*in the column user_id"),
    ],
)
def test_parquet_types_that_hold_no_ids(tmp_path: Path, column: pa.Array, message: str) -> None:
    path = write_parquet(tmp_path / "a.parquet", user_id=column, movie_id=[1], rating=[1])
    with pytest.raises(DataError, match=message):
        read(path, TableConfig())


def test_damaged_parquet_is_named(tmp_path: Path) -> None:
    (tmp_path / "a.parquet").write_bytes(b"PAR1 and no more")
    with pytest.raises(DataError, match=r"a\.parquet: found damaged Parquet file"):
        read(tmp_path / "a.parquet", MAPPING)
    path = write_parquet(tmp_path / "b.parquet", user_id=[1] * 9, movie_id=[1] * 9, rating=[1] * 9)
    data = bytearray(path.read_bytes())
    data[4:60] = b"\xff" * 56
    path.write_bytes(data)
    with pytest.raises(DataError, match=r"b\.parquet: found damaged Parquet file"):
        read(path, TableConfig())


def test_json_lines(tmp_path: Path) -> None:
    lines = [
        {"user": {"id": 1}, "asin": "B01", "overall": 5.0, "when": "2005-01-31"},
        {"user": {"id": 2}, "asin": "0002", "overall": 4, "when": None, "helpful": [0, 1]},
    ]
    settings = TableConfig(user="user.id", movie="asin", rating="overall", time="when")
    path = write(tmp_path / "a.jsonl", "\n".join(map(json.dumps, lines)))
    expected = [(1, "B01", 5.0, DAY), (2, "0002", 4.0, NO_TIME)]
    assert read(path, settings) == (expected, [])
    text = path.read_text()
    twice = write(tmp_path / "c.jsonl", text + "\n" + text.replace("\n", ""))
    assert [x[3] for x in read(twice, settings)[1]] == [r.BAD_JSON]
    # As JSON writes it elsewhere: ids of mixed types, blank lines, rubbish.
    text = '{"user":{"id":"1.0"},"asin":"B01","overall":"5","when":"2005-01-31"}\n\nrubbish\n[1]\n'
    text += '{"user":{"id":2.0},"asin":"0002","overall":4}\n{"user":null,"asin":"x","overall":1}\n'
    path = write(tmp_path / "b.json", text)
    ratings, rejects = read(path, settings)
    assert ratings == expected
    assert [(x[0], x[3]) for x in rejects] == [
        (3, r.BAD_JSON),
        (4, r.BAD_JSON),
        (6, r.EMPTY_USER),
    ]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ('[{"user_id": 1}]', r"one JSON array.*jq -c"),
        ("{'user_id': 1}", "Python dictionaries"),
        ('{\n "user_id": 1\n}\n', "over several lines"),
    ],
)
def test_other_json_is_explained(tmp_path: Path, text: str, message: str) -> None:
    with pytest.raises(DataError, match=message):
        read(write(tmp_path / "a.json", text), TableConfig())


_IDS = st.one_of(
    st.integers(-(2**63), 2**63 - 1),
    st.text(st.characters(codec="utf-8", exclude_categories=["C", "Z"]), min_size=1, max_size=9),
)


def _write_csv(path: Path, rows: list[tuple[int | str, int | str, float]]) -> Path:
    def quote(one: object) -> str:
        return '"' + str(one).replace('"', '""') + '"'

    lines = [",".join(map(quote, row)) for row in rows]
    return write(path.with_suffix(".csv"), "\n".join(["user_id,movie_id,rating", *lines]))


def _write_json(path: Path, rows: list[tuple[int | str, int | str, float]]) -> Path:
    names = ("user_id", "movie_id", "rating")
    lines = [json.dumps(dict(zip(names, row, strict=True))) for row in rows]
    return write(path.with_suffix(".jsonl"), "\n".join(lines))


def _write_parquet(path: Path, rows: list[tuple[int | str, int | str, float]]) -> Path:
    users, movies, ratings = zip(*rows, strict=True)
    columns = [
        list(ids) if all(isinstance(one, int) for one in ids) else list(map(str, ids))
        for ids in (users, movies)
    ]
    return write_parquet(
        path.with_suffix(".parquet"), user_id=columns[0], movie_id=columns[1], rating=ratings
    )


@settings(max_examples=60, deadline=None)
@given(rows=st.lists(st.tuples(_IDS, _IDS, st.floats(-1e6, 1e6, width=32)), min_size=1, max_size=5))
@pytest.mark.parametrize("writer", [_write_csv, _write_json, _write_parquet])
def test_ids_come_back_from_every_format(
    tmp_path_factory: pytest.TempPathFactory,
    writer: Callable[[Path, list[tuple[int | str, int | str, float]]], Path],
    rows: list[tuple[int | str, int | str, float]],
) -> None:
    path = writer(tmp_path_factory.mktemp("ids") / "a", rows)
    is_nothing = [
        any(
            str(one) in ("nan", "NaN", "NULL", "null", "None", "none", "\\N", "<NA>") for one in row
        )
        for row in rows
    ]
    kept = [row for row, is_none in zip(rows, is_nothing, strict=True) if not is_none]
    expected = []
    for place in (0, 1):
        ids = [str(row[place]) for row in kept]
        whole = [_whole(one) for one in ids]
        expected.append(ids if None in whole else whole)
    found = [row[:3] for row in read(path, TableConfig())[0]]
    assert found == [
        (user, movie, row[2]) for user, movie, row in zip(*expected, kept, strict=True)
    ]


def _whole(text: str) -> int | None:
    digits = text.removeprefix("-").partition(".")
    if not (digits[0].isascii() and digits[0].isdigit() and not digits[2].strip("0")):
        return None
    value = int(digits[0]) * (-1 if text[0] == "-" else 1)
    return value if -(2**63) <= value < 2**63 else None
