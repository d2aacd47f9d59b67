from __future__ import annotations

from pathlib import Path

from recspark.ingest import titles as t
from recspark.ingest.parsed import BAD_MOVIE, BAD_QUOTES, WRONG_FIELDS
from recspark.ingest.titles import read_titles
from recspark.text.sources import Source
from tests.ingest.sources import source_of


def write(tmp_path: Path, data: bytes) -> Source:
    path = tmp_path / "movies.txt"
    path.write_bytes(data)
    return source_of(path)


def test_netflix_titles_with_every_quirk(tmp_path: Path) -> None:
    found = read_titles(
        write(
            tmp_path,
            b'1,2003,One, Two, Three\n2,NULL,No Year\n3,1997,The "Quoted" One\n'
            b"4,2001,Caf\xe9\r\n5,1997,One, Two, Three\n\n",
        )
    )
    assert found.movies == [
        (1, 2003, "One, Two, Three"),
        (2, None, "No Year"),
        (3, 1997, 'The "Quoted" One'),
        (4, 2001, "Café"),
        (5, 1997, "One, Two, Three"),
    ]
    assert (found.num_lines, found.num_blanks, found.rejects) == (6, 1, [])


def test_utf8_copy_is_read_as_such(tmp_path: Path) -> None:
    assert read_titles(write(tmp_path, "4,2001,Café\n".encode())).movies == [(4, 2001, "Café")]


def test_movielens_layouts(tmp_path: Path) -> None:
    item = b"1|Film One (1995)|01-Jan-1995||url|0|1\n267|unknown||||1\n"
    assert read_titles(write(tmp_path, item)).movies == [
        (1, 1995, "Film One (1995)"),
        (267, None, "unknown"),
    ]
    named = (
        b"item_id:token\tmovie_title:token_seq\trelease_year:token\tclass\n"
        b"1\tFilm One\t1995\tDrama\n267\tunkonwn\tunkonwn\tunknown\n"
    )
    found = read_titles(write(tmp_path, named))
    assert found.movies == [(1, 1995, "Film One"), (267, None, "unkonwn")]
    assert found.num_headers == 1


def test_movielens_dat_and_csv(tmp_path: Path) -> None:
    dat = (
        "1::Toy Story (1995)::Animation|Children's\n"
        "2::Cité des enfants perdus, La (1995)::Drama\n"
        "3::No Year: A Film::Drama\n4::broken\n"
    )
    found = read_titles(write(tmp_path, dat.encode("latin-1")))
    assert found.movies == [
        (1, 1995, "Toy Story (1995)"),
        (2, 1995, "Cité des enfants perdus, La (1995)"),
        (3, None, "No Year: A Film"),
    ]
    assert [x.reason for x in found.rejects] == [WRONG_FIELDS]
    csv = (
        'movieId,title,genres\r\n11,"American President, The (1995)",Comedy\r\n'
        '12,"Say ""Ah"" (2006–2007)",Drama\r\n13,"Open (1999),Drama\r\n14,Plain (1980) ,Drama\r\n'
    )
    found = read_titles(write(tmp_path, csv.encode()))
    assert found.movies == [
        (11, 1995, "American President, The (1995)"),
        (12, 2006, 'Say "Ah" (2006–2007)'),
        (14, 1980, "Plain (1980) "),
    ]
    assert [(x.line, x.reason) for x in found.rejects] == [(3, BAD_QUOTES)]
    assert found.num_headers == 1


def test_refused_lines_are_kept(tmp_path: Path) -> None:
    found = read_titles(write(tmp_path, b"1,2003,A\nx,2003,B\n2,20x3,C\n3\n1,2004,D\n"))
    assert [(x.line + 1, x.text, x.reason) for x in found.rejects] == [
        (2, "x,2003,B", BAD_MOVIE),
        (3, "2,20x3,C", t.BAD_YEAR),
        (4, "3", WRONG_FIELDS),
        (5, "1,2004,D", t.REPEATED),
    ]
    assert found.movies == [(1, 2003, "A")]
