from __future__ import annotations

import logging
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from recspark.config import IngestConfig, TableConfig
from recspark.config.attributes import MovieColumns
from recspark.errors import DataError
from recspark.ingest import titles as t
from recspark.ingest.attributes import REPEATED, Attributes
from recspark.ingest.titles import read_titles
from recspark.ingest.users import read_users
from recspark.tables.parsed import BAD_MOVIE, BAD_QUOTES, EMPTY_MOVIE, WRONG_FIELDS
from tests.ingest.sources import source_of


def read(
    tmp_path: Path, data: bytes | str, *, is_text: bool = False, **settings: Any
) -> Attributes:
    path = tmp_path / "movies.txt"
    path.write_bytes(data.encode() if isinstance(data, str) else data)
    found = read_titles([source_of(path)], IngestConfig(**settings), is_text=is_text)
    counted = len(found.frame) + len(found.rejects) + found.num_headers + found.num_blanks
    assert counted == found.num_lines
    return found


def rows(found: Attributes) -> list[tuple[object, ...]]:
    frame = found.frame.astype(object)
    return [tuple(row) for row in frame.where(frame.notna(), None).to_numpy().tolist()]


def movies(found: Attributes) -> list[tuple[object, ...]]:
    """Return (id, year, title) of each movie."""
    return [row[:3] for row in rows(found)]


def reasons(found: Attributes) -> list[tuple[int, str, str]]:
    return [(x.line + 1, x.text, x.reason) for _, x in found.rejects]


def test_netflix_titles_with_every_quirk(tmp_path: Path) -> None:
    found = read(
        tmp_path,
        b'1,2003,One, Two, Three\n2,NULL,No Year\n3,1997,The "Quoted" One\n'
        b"4,2001,Caf\xe9\r\n5,1997,One, Two, Three\n\n",
    )
    assert movies(found) == [
        (1, 2003, "One, Two, Three"),
        (2, None, "No Year"),
        (3, 1997, 'The "Quoted" One'),
        (4, 2001, "Café"),
        (5, 1997, "One, Two, Three"),
    ]
    assert (found.num_lines, found.num_blanks, found.rejects) == (6, 1, [])


def test_utf8_copy_is_read_as_such(tmp_path: Path) -> None:
    assert movies(read(tmp_path, "4,2001,Café\n")) == [(4, 2001, "Café")]


def test_flags_of_u_item_are_genres(tmp_path: Path) -> None:
    flags = ["0"] * 19
    flags[3] = flags[5] = "1"
    item = "1|Film One (1995)|01-Jan-1995||url|" + "|".join(flags) + "\n267|unknown||||1\n"
    assert rows(read(tmp_path, item)) == [
        (1, 1995, "Film One (1995)", "Animation|Comedy"),
        (267, None, "unknown", None),
    ]


def test_recbole_names_its_types(tmp_path: Path) -> None:
    found = read(
        tmp_path,
        "item_id:token\tmovie_title:token_seq\trelease_year:token\tclass:token_seq\n"
        "1\tFilm One\t1995\tDrama Sci-Fi\n267\tunkonwn\tunkonwn\tunknown\n",
    )
    assert rows(found) == [
        (1, 1995, "Film One", "Drama|Sci-Fi"),
        (267, None, "unkonwn", "unknown"),
    ]
    assert found.num_headers == 1


def test_movielens_dat_and_csv(tmp_path: Path) -> None:
    dat = (
        "1::Toy Story (1995)::Animation|Children's\n"
        "2::Cité des enfants perdus, La (1995)::Drama\n"
        "3::No Year: A Film::Drama\n4::broken\n"
    )
    found = read(tmp_path, dat.encode("latin-1"))
    assert rows(found) == [
        (1, 1995, "Toy Story (1995)", "Animation|Children's"),
        (2, 1995, "Cité des enfants perdus, La (1995)", "Drama"),
        (3, None, "No Year: A Film", "Drama"),
    ]
    assert [reason for *_, reason in reasons(found)] == [WRONG_FIELDS]
    csv = (
        'movieId,title,genres\r\n11,"American President, The (1995)",Comedy|Drama\r\n'
        '12,"Say ""Ah"" (2006–2007)",(no genres listed)\r\n13,"Open (1999),Drama\r\n'
        "14,Plain (1980) ,Drama\r\n"
    )
    found = read(tmp_path, csv)
    assert rows(found) == [
        (11, 1995, "American President, The (1995)", "Comedy|Drama"),
        (12, 2006, 'Say "Ah" (2006–2007)', None),
        (14, 1980, "Plain (1980) ", "Drama"),
    ]
    assert [(line, reason) for line, _, reason in reasons(found)] == [(4, BAD_QUOTES)]
    assert found.num_headers == 1


def test_refused_lines_are_kept_and_told(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    found = read(tmp_path, "1,2003,A\nx,2003,B\n2,20x3,C\n3\n1,2004,D\n,2001,E\n")
    assert reasons(found) == [
        (2, "x,2003,B", BAD_MOVIE),
        (3, "2,20x3,C", t.BAD_YEAR),
        (4, "3", WRONG_FIELDS),
        (5, "1,2004,D", REPEATED),
        (6, ",2001,E", EMPTY_MOVIE),
    ]
    assert movies(found) == [(1, 2003, "A")]
    assert "ingest.movies: 5 of 6 rows refused" in caplog.text


@pytest.mark.parametrize(
    "text",
    [
        "movie_id,title\n1,Ünder 1 (1999)\n2,B\n",
        "\ufeffMovie ID;Title\n1;Ünder 1 (1999)\n2;B\n",
        "movieId,imdb,title,year\n1,tt1,Ünder 1 (1999),\n2,tt2,B,\n",
        "title\tid\nÜnder 1 (1999)\t1\nB\t2\n",
        '"","movie_id","title"\n"1",1,"Ünder 1 (1999)"\n"2",2,"B"\n',
        '"movie_id" "x"\n'.replace(" ", ",").replace("x", "title") + '"7",1,"Ünder 1 (1999)"\n"8",'
        '2,"B"\n',
        "ITEM_ID|NAME\n1|Ünder 1 (1999)\n2|B\n",
        "id::title\n1::Ünder 1 (1999)\n2::B\n",
        "sep=;\nmovieId;title\n1;Ünder 1 (1999);\n2;B;\n",
        '{"movieId": 1, "title": "Ünder 1 (1999)"}\n{"movieId": 2.0, "title": "B"}\n',
        '[{"movieId": 1, "title": "Ünder 1 (1999)"}, {"movieId": 2, "title": "B"}]',
        "movieId,title\r\n1.0,Ünder 1 (1999)\r\n\r\n2.0,B\r\n",
    ],
)
def test_columns_are_found_by_their_names(tmp_path: Path, text: str) -> None:
    assert movies(read(tmp_path, text)) == [(1, 1999, "Ünder 1 (1999)"), (2, None, "B")]


def test_quoted_field_with_line_ends_is_one_record(tmp_path: Path) -> None:
    found = read(tmp_path, 'id,plot,title\n1,"a\nb, ""c""\n",A\n2,d,B\n')
    assert movies(found) == [(1, None, "A"), (2, None, "B")]


def test_settings_name_columns_and_attributes(tmp_path: Path) -> None:
    text = (
        "code,label,made,kind,runtime,studio,zip\n"
        'a-1,First,1999-05-01,"Drama, War",90,X,01002\nb-2,Second,,,,,10001\n'
    )
    found = read(
        tmp_path,
        text,
        is_text=True,
        movie_columns=MovieColumns(id="code", title="Label", year="made", genres="kind"),
        movie_attributes=("runtime", "Studio", "zip"),
    )
    assert rows(found) == [
        ("a-1", 1999, "First", "Drama|War", 90.0, "X", "01002"),
        ("b-2", None, "Second", None, None, None, "10001"),
    ]
    assert list(found.frame.columns)[4:] == ["runtime", "Studio", "zip"]
    assert found.frame["runtime"].dtype == "float64"


def test_the_name_in_ingest_table_is_tried_first(tmp_path: Path) -> None:
    text = "id,sku,title\n9,1,A\n"
    assert movies(read(tmp_path, text, table=TableConfig(movie="SKU"))) == [(1, None, "A")]
    assert movies(read(tmp_path, text)) == [(9, None, "A")]


def test_unknown_columns_are_an_error_that_names_the_setting(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"'code', 'label'.*ingest\.movie_columns\.id"):
        read(tmp_path, "code,label\n1,A\n")
    with pytest.raises(DataError, match=r"ingest\.movie_columns\.title"):
        read(tmp_path, "movie_id,label\n1,A\n")
    with pytest.raises(DataError, match=r"expected studio.*ingest\.movie_attributes"):
        read(tmp_path, "movie_id,title\n1,A\n", movie_attributes=("studio",))
    with pytest.raises(DataError, match="no row that can be read in 1"):
        read(tmp_path, "movie_id,title\nx,A\n")


def test_text_ids(tmp_path: Path) -> None:
    found = read(tmp_path, "isbn,title\n0195153448,A\n080652121X,B\n", is_text=True)
    assert movies(found) == [("0195153448", None, "A"), ("080652121X", None, "B")]


def test_parquet_and_several_files(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    one, two = tmp_path / "a.parquet", tmp_path / "b.csv"
    pd.DataFrame(
        {"movieId": [1.0, 2.0], "title": ["A", "B"], "genres": [["x", "y"], None], "n": [1, 2]}
    ).to_parquet(one)
    two.write_text("item,name,n\n2,C,5\n3,D,\n")
    with caplog.at_level(logging.WARNING):
        found = read_titles([source_of(one), source_of(two)], IngestConfig(movie_attributes=("n",)))
    assert rows(found) == [
        (1, None, "A", "x|y", 1.0),
        (2, None, "B", None, 2.0),
        (3, None, "D", None, None),
    ]
    assert [(name, x.line + 1, x.reason) for name, x in found.rejects] == [(str(two), 2, REPEATED)]


def test_no_file_gives_no_movies() -> None:
    found = read_titles([], IngestConfig())
    assert list(found.frame.columns) == ["movie_id", "year", "title", "genres"]
    assert found.frame.empty
    assert found.frame["movie_id"].dtype == "int64"


def test_users_of_movielens_and_others(tmp_path: Path) -> None:
    path = tmp_path / "u.user"
    path.write_text("1|24|M|technician|85711\n2|53|F|other|V1A9X\n")
    assert rows(read_users([source_of(path)], IngestConfig())) == [
        (1, 24.0, "M", "technician", "85711"),
        (2, 53.0, "F", "other", "V1A9X"),
    ]
    path.write_text("1::F::1::10::48067\n2::M::56::16::01002\n")
    found = read_users([source_of(path)], IngestConfig(user_attributes=("occupation", "zip-code")))
    assert rows(found) == [(1, 10.0, "48067"), (2, 16.0, "01002")]
    assert list(found.frame.columns) == ["user_id", "occupation", "zip_code"]
    path.write_text("User-ID;Location;Age\nu1;Here;\nu2;There;30\n")
    found = read_users([source_of(path)], IngestConfig(), is_text=True)
    assert rows(found) == [("u1", "Here", None), ("u2", "There", 30.0)]
