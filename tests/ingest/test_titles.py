from __future__ import annotations

from pathlib import Path

from recspark.ingest import titles as t
from recspark.ingest.rows import BAD_MOVIE, WRONG_FIELDS
from recspark.ingest.titles import read_titles


def write(tmp_path: Path, data: bytes) -> str:
    path = tmp_path / "movies.txt"
    path.write_bytes(data)
    return str(path)


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


def test_refused_lines_are_kept(tmp_path: Path) -> None:
    found = read_titles(write(tmp_path, b"1,2003,A\nx,2003,B\n2,20x3,C\n3\n1,2004,D\n"))
    assert [(x.line + 1, x.text, x.reason) for x in found.rejects] == [
        (2, "x,2003,B", BAD_MOVIE),
        (3, "2,20x3,C", t.BAD_YEAR),
        (4, "3", WRONG_FIELDS),
        (5, "1,2004,D", t.REPEATED),
    ]
    assert found.movies == [(1, 2003, "A")]
