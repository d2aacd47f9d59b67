from __future__ import annotations

import pytest
from hypothesis import given, settings

from recspark.ingest import movielens
from recspark.ingest import parsed as r
from tests.ingest import damage
from tests.ingest.reference import as_list, read, reading_of

GOOD = b"196\t242\t3\t881250949"  # 1997-12-04
ROW = (196, 242, 3.0, 10_199)


def test_clean_text_is_parsed_vectorised() -> None:
    parsed = movielens.ML_100K.parse_clean(GOOD + b"\n\n" + GOOD + b"\r\n")
    assert parsed is not None
    assert as_list(parsed.rows) == [ROW, ROW]
    assert (parsed.num_lines, parsed.num_headers, parsed.num_blanks) == (3, 0, 1)


@pytest.mark.parametrize(
    "line",
    [
        GOOD,
        GOOD + b"\r\n",
        GOOD + b"\t\n",
        GOOD + b",,\n",
        b" 196\t0242\t3 \t881250949\n",
    ],
)
def test_ways_to_write_one_rating(line: bytes) -> None:
    parsed = movielens.ML_100K.parse(line)
    assert (as_list(parsed.rows), parsed.rejects) == ([ROW], [])


def test_added_row_of_column_names_is_a_header() -> None:
    names = b"user_id:token\titem_id:token\trating:float\ttimestamp:float\n"
    parsed = movielens.ML_100K.parse(names + GOOD)
    assert (as_list(parsed.rows), parsed.num_headers) == ([ROW], 1)


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        (b"196\t242\t6\t881250949", r.BAD_RATING),
        (b"196\t242\t3.5\t881250949", r.BAD_RATING),
        (b"196\t242\t0x3\t881250949", r.BAD_RATING),
        (b"abc\t242\t3\t881250949", r.BAD_USER),
        (b"196\tabc\t3\t881250949", r.BAD_MOVIE),
        (b"196\t2147483648\t3\t881250949", r.BAD_MOVIE),
        (b"196\t242\t3\t-1", r.BAD_TIME),
        (b"196\t242\t3\t2831155200", r.BAD_TIME),  # 2059-09-19
        (b"196\t242\t3\t" + b"9" * 5000, r.BAD_TIME),
        (b"196\t242\t3", r.WRONG_FIELDS),
        (b"196\t242\t3\t881250949\t1", r.WRONG_FIELDS),
        (b"196::242::3::881250949", r.WRONG_FIELDS),
    ],
)
def test_refused_lines(line: bytes, reason: str) -> None:
    parsed = movielens.ML_100K.parse(GOOD + b"\n" + line + b"\n" + GOOD)
    assert as_list(parsed.rows) == [ROW, ROW]
    assert [(x.line, x.offset, x.reason) for x in parsed.rejects] == [(1, len(GOOD) + 1, reason)]


@settings(max_examples=600, deadline=None)
@given(data=damage.MOVIELENS)
def test_vectorised_and_line_by_line_agree(data: bytes) -> None:
    clean, slow = movielens.ML_100K.parse_clean(data), movielens.ML_100K.parse_lines(data)
    total = len(slow.rows) + len(slow.rejects) + slow.num_headers + slow.num_blanks
    assert total == slow.num_lines
    if clean is not None:
        assert reading_of(clean) == reading_of(slow)


@settings(max_examples=600, deadline=None)
@given(data=damage.MOVIELENS)
def test_parser_agrees_with_the_obvious_reading(data: bytes) -> None:
    data = data.removeprefix(b"\xef\xbb\xbf")
    assert reading_of(movielens.ML_100K.parse(data)) == read(data, "\t")
