from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from recspark.arrays.ratings import NO_TIME
from recspark.ingest import netflix
from recspark.tables import parsed as r
from tests.ingest import damage
from tests.ingest.reference import as_list, read, reading_of

DAY = 12_784 * 86_400  # 2005-01-01


def parse_one(line: bytes) -> tuple[list[tuple[int, int, float, int]], list[str]]:
    """Return the rating on a line below the header 7:, and the reasons if the line is refused."""
    parsed = netflix.parse(line, 7)
    return as_list(parsed.rows), [reject.reason for reject in parsed.rejects]


def test_clean_text_is_parsed_vectorised() -> None:
    data = b"1:\n10,3,2005-01-01\n11,4,2005-01-02\n2:\n3:\n10,1,2005-01-01\n\n"
    parsed = netflix._parse_clean(data, None)
    assert parsed is not None
    assert as_list(parsed.rows) == [
        (10, 1, 3.0, DAY),
        (11, 1, 4.0, DAY + 86_400),
        (10, 3, 1.0, DAY),
    ]
    assert (parsed.num_lines, parsed.num_headers, parsed.num_blanks) == (7, 3, 1)
    assert parsed.movie == 3


@pytest.mark.parametrize("user", [0, -10, 2**31, 2**63 - 1, -(2**63)])
def test_any_whole_number_is_a_user(user: int) -> None:
    assert parse_one(b"%d,3,2005-01-01" % user) == ([(user, 7, 3.0, DAY)], [])


def test_header_above_the_text_is_in_force() -> None:
    assert as_list(netflix.parse(b"10,3,2005-01-01\n8:\n", 7).rows) == [(10, 7, 3.0, DAY)]


@pytest.mark.parametrize(
    "line",
    [
        b"10,3,2005-01-01",
        b"10,3,2005-01-01\r\n",
        b"10,3,2005-01-01,\n",
        b"10,3,2005-01-01,,\r\n",
        b" 10, 3, 2005-01-01 \n",
        b"0010,03,2005-01-01\n",
        b"0" * 5000 + b"10,3,2005-01-01\n",
    ],
)
def test_ways_to_write_one_rating(line: bytes) -> None:
    assert parse_one(line) == ([(10, 7, 3.0, DAY)], [])


@pytest.mark.parametrize("day", [b"0005-01-01", b"1969-12-31", b"2038-01-19", b"2105-01-01"])
def test_date_whose_seconds_do_not_fit_loses_the_time_and_not_the_row(day: bytes) -> None:
    parsed = netflix.parse(b"10,3," + day + b"\n11,4,2005-01-01", 7)
    known = day == b"1969-12-31"
    time = -86_400 if known else NO_TIME
    assert as_list(parsed.rows) == [(10, 7, 3.0, time), (11, 7, 4.0, DAY)]
    assert parsed.num_untimed == (not known)


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        (b"10,6,2005-01-01", r.BAD_RATING),
        (b"10,0,2005-01-01", r.BAD_RATING),
        (b"10,3.5,2005-01-01", r.BAD_RATING),
        (b"10,,2005-01-01", r.BAD_RATING),
        (b"10,0x3,2005-01-01", r.BAD_RATING),
        (b"10,3,2005-13-45", r.BAD_DATE),
        (b"10,3,2005-02-29", r.BAD_DATE),
        (b"10,3,2005-01-0", r.BAD_DATE),
        (b"10,3,2005-01-01\xe9", r.BAD_DATE),
        (b"abc,3,2005-01-01", r.BAD_USER),
        (b"--10,3,2005-01-01", r.BAD_USER),
        (b"9223372036854775808,3,2005-01-01", r.BAD_USER),
        (b"9" * 5000 + b",3,2005-01-01", r.BAD_USER),
        (b"1\x000,3,2005-01-01", r.BAD_USER),
        (b"10,3", r.WRONG_FIELDS),
        (b"10,3,2005-01-01,9", r.WRONG_FIELDS),
        (b"10,3,2005-01-01\r11,3,2005-01-01", r.WRONG_FIELDS),
        (b"a,b,c", r.BAD_USER),
        (b"abc:", r.BAD_HEADER),
        (b":", r.BAD_HEADER),
        (b"0:", r.BAD_HEADER),
        (b"-5:", r.BAD_HEADER),
    ],
)
@pytest.mark.parametrize("end", [b"", b"\n", b"\r\n"])
def test_refused_lines(line: bytes, reason: str, end: bytes) -> None:
    assert parse_one(line + end) == ([], [reason])


def test_refused_line_among_valid_ones_has_line_and_offset() -> None:
    parsed = netflix.parse(b"1:\r\n\r\n10,3,2005-01-01\r\n11,6,2005-01-01\r\n12,1,2005-01-01", None)
    assert [row[0] for row in as_list(parsed.rows)] == [10, 12]
    assert parsed.rejects == [r.Reject(3, 23, "11,6,2005-01-01", r.BAD_RATING)]
    assert (parsed.num_lines, parsed.num_headers, parsed.num_blanks) == (5, 1, 1)


def test_rating_before_any_header_and_below_a_damaged_one() -> None:
    parsed = netflix.parse(b"10,3,2005-01-01\nabc:\n10,3,2005-01-01\n5:\n10,3,2005-01-01\n", None)
    assert [x.reason for x in parsed.rejects] == [r.NO_HEADER, r.BAD_HEADER, r.LOST_HEADER]
    assert as_list(parsed.rows) == [(10, 5, 3.0, DAY)]


def test_added_row_of_column_names_is_a_header() -> None:
    parsed = netflix.parse(b"CustomerID,Rating,Date\n1:\n10,3,2005-01-01\n", None)
    assert (len(parsed.rows), parsed.num_headers, parsed.rejects) == (1, 2, [])


@settings(max_examples=600, deadline=None)
@given(data=damage.NETFLIX, movie=st.sampled_from([None, r.LOST, 7]))
def test_vectorised_and_line_by_line_agree(data: bytes, movie: int | None) -> None:
    clean, slow = netflix._parse_clean(data, movie), netflix.parse_lines(data, movie)
    total = len(slow.rows) + len(slow.rejects) + slow.num_headers + slow.num_blanks
    assert total == slow.num_lines
    if clean is not None:
        assert reading_of(clean) == reading_of(slow)
        assert clean.movie == slow.movie


@settings(max_examples=600, deadline=None)
@given(data=damage.NETFLIX)
def test_parser_agrees_with_the_obvious_reading(data: bytes) -> None:
    while data.startswith(b"\xef\xbb\xbf"):  # the reader drops one, the parser gets none
        data = data.removeprefix(b"\xef\xbb\xbf")
    assert reading_of(netflix.parse(data, None)) == read(data)
