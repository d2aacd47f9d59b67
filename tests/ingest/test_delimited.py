from __future__ import annotations

from collections.abc import Callable
from datetime import date, datetime, timezone

import pytest
from hypothesis import given, settings

from recspark.ingest import movielens
from recspark.ingest import parsed as r
from recspark.ingest.delimited import Delimited
from recspark.ingest.rating_scales import ANY_NUMBER
from recspark.ingest.time_formats import ISO_DATE, TimeFormat
from tests.ingest import damage
from tests.ingest.reference import as_list, read, read_table, reading_of


def table(form: str) -> Delimited:
    """The layout of `user,note,stars,item,when`."""
    return Delimited(
        separator=b",",
        num_columns=5,
        user=0,
        movie=3,
        rating=2,
        time=4,
        scale=ANY_NUMBER,
        time_format=TimeFormat(form),
        header=damage.TABLE_HEADER,
        padding=b"",
        is_quoted=True,
    )


def iso_day(text: str) -> date | None:
    """A date at the end of the text or followed by T or a space."""
    return date.fromisoformat(text[:10]) if text[10:11] in ("", "T", " ") else None


def millisecond_day(text: str) -> date | None:
    if not text.isdecimal() or not text.isascii() or len(text) > 13:
        return None
    return datetime.fromtimestamp(int(text) // 1000, timezone.utc).date()


def check(layout: Delimited, data: bytes) -> r.Parsed:
    """Check that the two parsers agree, and return the result of `parse`."""
    clean, slow = layout.parse_clean(data), layout.parse_lines(data)
    total = len(slow.rows) + len(slow.rejects) + slow.num_headers + slow.num_blanks
    assert total == slow.num_lines
    if clean is not None:
        assert reading_of(clean) == reading_of(slow)
    return layout.parse(data.removeprefix(b"\xef\xbb\xbf"))


@settings(max_examples=500, deadline=None)
@given(data=damage.HALVES_DAT)
def test_dat_agrees_with_the_obvious_reading(data: bytes) -> None:
    expected = read(data.removeprefix(b"\xef\xbb\xbf"), "::", halves=True)
    assert reading_of(check(movielens.ML_10M, data)) == expected


@settings(max_examples=500, deadline=None)
@given(data=damage.HALVES_CSV)
def test_csv_agrees_with_the_obvious_reading(data: bytes) -> None:
    expected = read(data.removeprefix(b"\xef\xbb\xbf"), ",", halves=True)
    assert reading_of(check(movielens.ML_CSV, data)) == expected


@settings(max_examples=500, deadline=None)
@given(data=damage.TABLE_DATES)
def test_table_with_dates_agrees_with_the_obvious_reading(data: bytes) -> None:
    check_table(data, ISO_DATE, iso_day)


@settings(max_examples=500, deadline=None)
@given(data=damage.TABLE_MILLISECONDS)
def test_table_with_milliseconds_agrees_with_the_obvious_reading(data: bytes) -> None:
    check_table(data, "milliseconds", millisecond_day)


def check_table(data: bytes, form: str, parse_day: Callable[[str], date | None]) -> None:
    bare = data.removeprefix(b"\xef\xbb\xbf")
    expected = read_table(bare, damage.TABLE_HEADER.decode(), ",", parse_day)
    assert reading_of(check(table(form), data)) == expected


@pytest.mark.parametrize(
    ("layout", "data"),
    [
        (movielens.ML_1M, b"1::1193::5::978300760\n1::661::3::978302109\n"),
        (movielens.ML_10M, b"1::122::3.5::838985046\n1::185::5::838983525\n"),
        (movielens.ML_CSV, b"1,296,3.5,1147880044\r\n1,306,5.0,1147868817\r\n"),
        (table(ISO_DATE), b'1,"a, ""b""",-3.5,7,2005-01-31\n2,,1e2,"8",2005-01-31 10:00\n'),
        (table("milliseconds"), b"1,x,3,7,881250949000\n2,x,4,8,881250949000"),
    ],
)
def test_clean_text_is_parsed_vectorised(layout: Delimited, data: bytes) -> None:
    parsed = layout.parse_clean(data)
    assert parsed is not None
    assert (len(parsed.rows), parsed.num_lines) == (2, 2)


def test_half_stars_and_days() -> None:
    parsed = movielens.ML_CSV.parse(
        b"userId,movieId,rating,timestamp\n1,296,0.5,86399\n1,306,4.5,86400\n1,307,4.4,86400\n"
    )
    assert as_list(parsed.rows) == [(1, 296, 0.5, 0), (1, 306, 4.5, 1)]
    assert parsed.num_headers == 1
    assert [x.reason for x in parsed.rejects] == [r.BAD_HALF_RATING]
    assert [x.reason for x in movielens.ML_1M.parse(b"1::2::4.5::86400\n").rejects] == [
        r.BAD_RATING
    ]


@pytest.mark.parametrize(
    ("layout", "line", "reason"),
    [
        (movielens.ML_CSV, b"1,2,3,-0", r.BAD_TIME),  # Arrow takes these for numbers
        (movielens.ML_CSV, b"0x1,2,3,86400", r.BAD_USER),
        (movielens.ML_CSV, b"1,2,nan,86400", r.BAD_HALF_RATING),
        (movielens.ML_10M, b"1::2\t3::86400", r.WRONG_FIELDS),
        (table(ISO_DATE), b'"1"2,n,3,7,2005-01-31', r.BAD_QUOTES),
    ],
)
def test_one_line_that_arrow_would_misread(layout: Delimited, line: bytes, reason: str) -> None:
    assert layout.parse_clean(line) is None
    assert [x.reason for x in layout.parse(line + b"\n").rejects] == [reason]


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        (b"abc,n,3,7,2005-01-31", r.BAD_USER),
        (b"1,n,3,2147483648,2005-01-31", r.BAD_MOVIE),
        (b"1,n,three,7,2005-01-31", r.BAD_NUMBER),
        (b"1,n,nan,7,2005-01-31", r.BAD_NUMBER),
        (b"1,n,1e39,7,2005-01-31", r.BAD_NUMBER),  # no 32-bit float
        (b"1,n,3,7,31.01.2005", r.BAD_DATE),
        (b"1,n,3,7", r.WRONG_FIELDS),
        (b"1,n,m,3,7,2005-01-31", r.WRONG_FIELDS),
        (b'1,"n,3,7,2005-01-31', r.BAD_QUOTES),
        (b'1,"n"m,3,7,2005-01-31', r.BAD_QUOTES),
    ],
)
def test_refused_table_lines(line: bytes, reason: str) -> None:
    good = b'1,"n, m",3,7,2005-01-31\n'
    parsed = table(ISO_DATE).parse(good + line + b"\n" + good)
    assert len(parsed.rows) == 2
    assert [(x.line, x.offset, x.reason) for x in parsed.rejects] == [(1, len(good), reason)]


def test_quoted_line_end_is_refused_on_both_its_lines() -> None:
    data = b'1,"first\nsecond",3,7,2005-01-31\n2,n,3,7,2005-01-31\n'
    parsed = table(ISO_DATE).parse(data)
    assert [x.reason for x in parsed.rejects] == [r.BAD_QUOTES, r.WRONG_FIELDS]
    assert as_list(parsed.rows)[0][0] == 2


@pytest.mark.parametrize(
    ("form", "text", "day"),
    [
        ("%d.%m.%Y", b"31.01.2005", date(2005, 1, 31)),
        ("%m/%d/%Y", b"1/5/2005 10:30", date(2005, 1, 5)),
        ("%Y%m%d", b"20050131", date(2005, 1, 31)),
        ("%Y%m%d", b"2005131", None),
        ("%d.%m.%Y", b"31.02.2005", None),
        ("seconds", b"86400", date(1970, 1, 2)),
        ("milliseconds", b"86399999", date(1970, 1, 1)),
    ],
)
def test_forms_of_time(form: str, text: bytes, day: date | None) -> None:
    assert TimeFormat(form).parse(text) == (day and (day - date(1970, 1, 1)).days)
