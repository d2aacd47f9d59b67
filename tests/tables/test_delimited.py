from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from recspark.arrays.ratings import NO_TIME
from recspark.ingest import movielens
from recspark.tables import parsed as r
from recspark.tables.delimited import Delimited
from recspark.tables.quotes import Quoting
from recspark.tables.rating_scales import ANY_NUMBER
from recspark.tables.time_formats import ISO_DATE, TimeFormat
from recspark.tables.values import RowRules
from tests.ingest import damage
from tests.ingest.obvious_table import Obvious, Reading, epoch, iso, reading_of

HEADER = b"user,note,stars,item,when"
POSITIONS = {"user": 0, "movie": 3, "rating": 2, "time": 4}
DAY = 1_107_129_600  # 2005-01-31


def table(form: str = ISO_DATE, ids: str = "whole", **changes: object) -> Delimited:
    """The layout of `user,note,stars,item,when`."""
    layout = Delimited(
        quoting=Quoting(b",", b'"'),
        num_columns=5,
        positions=POSITIONS,
        rules=RowRules(ids, ids, ANY_NUMBER, TimeFormat(form)),  # type: ignore[arg-type]
        headers=(HEADER,),
    )
    return replace(layout, **changes)  # type: ignore[arg-type]


def rows_of(parsed: r.Parsed) -> list[tuple[int | str, int | str, float, int]]:
    return reading_of(parsed).rows


_IDS = [b"1", b"22", b"-7", b"0", b"12.0", b" 8 ", b"9223372036854775807", b"007", b"-0", b"12."]
_ODD_IDS = [
    *(b"x", b"9223372036854775808", b"1.5", b"1e3", b"+12", b"", b" ", b"NULL", b"nan", b"0x12"),
    *("１２".encode(), "é\u00a0".encode(), b"\xe9", b"a\x00b", b"a\tb", b"a b", b"y" * 257, b"'7'"),
    *(b"9" * 5000, b"0" * 5000 + b"7", b"-9223372036854775809", b"a\rb", b"3\r", b"1,000"),
]
_STARS = [b"3", b"-2.5", b"1e2", b" 4 ", b"0", b"100", b".5", b"4.", b"+3", b"-1", b"99"]
_ODD_STARS = [
    *(b"x", b"", b"nan", b"inf", b"1e39", b"1e400", b"1_0", b"1,5", b"1,300", b"1.300,5", b"NA"),
    *("\u0663".encode(), b"--1", b"0x1", b"3.5000000000000001", b"\xff", b"1,30", b"1,300.5"),
]
_DATES = [b"2005-01-31", b"2004-02-29 10:00:00", b"2004-02-29T10:00:00.5Z", b"2005-1-1"]
_DATES += [b"2005-09-06T23:30:00-08:00", b"2005-09-06 1:05 pm", b"2005-09-06 13:05:00 +0200"]
_ODD_DATES = [
    *(b"2005-02-29", b"31.01.2005", b"", b"NaT", b"2005-01-31x", b"1850-01-01", b"2005", b"nan"),
    *(b"2005-01-31 garbage", b"2039-01-01", b"2005-01-31 24:00", b"0000-00-00", b"2005-13-01"),
    *(b"0000-01-01", b"2005-01-31 10:61", b"\xe9", b"2005-01-31 13:00 pm", b"0x"),
]
_SECONDS = [b"881250949", b"0", b"-1", b"992821253.0", b"9.78e8", b"881250949.9"]
_ODD_SECONDS = [
    *(b"", b"NULL", b"9" * 20, b"1e400", b"x", b"2005-01-31", b"-0", b"2147397248", b"2147397249"),
    *(b"-2147397248", b"-2147397249", b"1 2", b"0x1", b"99999999999"),
]
_NOTES = [b"", b"plain", "é".encode(), b"0 x", b'5" nails']
_ODD_NOTES = [b"\xe9", b"\x00", b"a\rb", b"0xy", b" "]


@st.composite
def texts(draw: st.DrawFn, layout: Delimited, times: list[bytes], odd_times: list[bytes]) -> bytes:
    """Files with valid and damaged lines of `user,note,stars,item,when` in a dialect."""
    separator, quote = layout.quoting.separator, layout.quoting.quote
    escape = layout.quoting.escape

    def one(good: list[bytes], odd: list[bytes], is_clean: bool) -> bytes:
        value = draw(st.sampled_from(good if is_clean else [*good, *odd]))
        must = separator in value or (escape is not None and escape in value)
        if quote is None or not (must or draw(st.sampled_from([False, False, True]))):
            return value
        if escape is not None:
            value = value.replace(escape, escape * 2)
            return quote + value.replace(quote, escape + quote) + quote
        return quote + value.replace(quote, quote * 2) + quote

    def line(is_clean: bool) -> bytes:
        user, note, stars, item, when = (
            one(good, odd, is_clean)
            for good, odd in (
                (_IDS, _ODD_IDS),
                (_NOTES, _ODD_NOTES),
                (_STARS, _ODD_STARS),
                (_IDS, _ODD_IDS),
                (times, odd_times),
            )
        )
        text = separator.join((user, note, stars, item, when))
        return text if is_clean else text + draw(st.sampled_from([b"", b"", separator, b" "]))

    others = [HEADER.replace(b",", separator), b"", b" ", b"1", separator * 4, separator * 6]
    others += [b'"', b'""', b'1,"open,3,7,2005-01-31', b'"1"2,n,3,7,2005-01-31', b'a"b"', b"."]
    lines = []
    is_clean_file = draw(st.booleans())
    for _ in range(draw(st.integers(1, 8))):
        kind = draw(st.integers(0, 9))
        is_other = kind == 0 and not is_clean_file
        lines.append(draw(st.sampled_from(others)) if is_other else line(is_clean_file or kind < 6))
    ends = [draw(damage.ENDS) for _ in lines[:-1]] + [draw(damage.LAST_ENDS)]
    return b"".join(text + end for text, end in zip(lines, ends, strict=True))


DIALECTS = [
    Quoting(b",", b'"'),
    Quoting(b";", b'"', b"\\"),
    Quoting(b"\t", None),
    Quoting(b"::", b'"'),
    Quoting(b"|", b"'"),
    Quoting(b" ", b'"'),
]


@pytest.mark.parametrize("quoting", DIALECTS, ids=lambda one: repr(one.separator))
@pytest.mark.parametrize("ids", ["whole", "auto", "text"])
@settings(max_examples=120, deadline=None)
@given(data=st.data())
def test_parser_agrees_with_the_obvious_reading(
    quoting: Quoting, ids: str, data: st.DataObject
) -> None:
    is_epoch = data.draw(st.booleans())
    scale = data.draw(
        st.sampled_from(
            [
                ANY_NUMBER,
                replace(ANY_NUMBER, missing=(-1.0, 99.0, "NA", "")),
                replace(ANY_NUMBER, decimal=","),
                replace(ANY_NUMBER, thousands=","),
                None,
            ]
        )
    )
    positions = {role: place for role, place in POSITIONS.items() if scale or role != "rating"}
    form = TimeFormat("seconds" if is_epoch else ISO_DATE)
    layout = Delimited(
        quoting,
        5,
        positions,
        RowRules(ids, ids, scale, form),  # type: ignore[arg-type]
        headers=(HEADER.replace(b",", quoting.separator),),
        is_by_record=data.draw(st.booleans()),
    )
    times = (_SECONDS, _ODD_SECONDS) if is_epoch else (_DATES, _ODD_DATES)
    text = data.draw(texts(layout, *times))
    expected = Obvious(
        separator=quoting.separator,
        num_columns=5,
        user=0,
        movie=3,
        rating=2 if scale else None,
        time=4,
        parse_time=epoch(1) if is_epoch else iso,
        quote=quoting.quote,
        escape=quoting.escape,
        ids=ids,
        missing=scale.missing if scale else (),
        decimal=scale.decimal if scale else ".",
        thousands=scale.thousands if scale else None,
        headers=layout.headers,
        is_by_record=layout.is_by_record,
    ).read(text)
    parsed = layout.parse(text)
    # The parser tells only the first line of each kind.
    expected.text_users, expected.text_movies = expected.text_users[:1], expected.text_movies[:1]
    assert reading_of(parsed) == expected
    if not (parsed.text_user or parsed.text_movie):
        assert parsed.num_lines == sum(
            (
                *(len(parsed.rows), len(parsed.rejects), parsed.num_headers, parsed.num_blanks),
                *(parsed.num_unrated, parsed.num_continued),
            )
        )


def movielens_reader(separator: bytes, step: float) -> Obvious:
    return Obvious(
        separator=separator,
        num_columns=4,
        user=0,
        movie=1,
        rating=2,
        time=3,
        parse_time=epoch(1),
        lowest=step,
        highest=5,
        step=step,
        headers=None,
        padding="" if separator == b"," else " ,",
    )


@settings(max_examples=400, deadline=None)
@given(data=damage.MOVIELENS)
@example(data=b"1\t2\t3\t881250949,,\n1\t2\t3\t\n")
def test_movielens_100k_agrees_with_the_obvious_reading(data: bytes) -> None:
    data = data.removeprefix(b"\xef\xbb\xbf")
    expected = movielens_reader(b"\t", 1).read(data)
    assert reading_of(movielens.ML_100K.parse(data)) == expected


@settings(max_examples=400, deadline=None)
@given(data=damage.HALVES_DAT)
def test_dat_agrees_with_the_obvious_reading(data: bytes) -> None:
    data = data.removeprefix(b"\xef\xbb\xbf")
    assert reading_of(movielens.ML_10M.parse(data)) == movielens_reader(b"::", 0.5).read(data)


@settings(max_examples=400, deadline=None)
@given(data=damage.HALVES_CSV)
def test_csv_agrees_with_the_obvious_reading(data: bytes) -> None:
    data = data.removeprefix(b"\xef\xbb\xbf")
    assert reading_of(movielens.ML_CSV.parse(data)) == movielens_reader(b",", 0.5).read(data)


@pytest.mark.parametrize(
    ("layout", "data"),
    [
        (movielens.ML_1M, b"1::1193::5::978300760\n1::661::3::978302109\n"),
        (movielens.ML_CSV, b"1,296,3.5,1147880044\r\n1,306,5.0,1147868817\r\n"),
        (table(), b'1,"a, ""b""",-3.5,7,2005-01-31\n2,,1e2,"8",2005-01-31 10:00\n'),
        (table(ids="text"), b"u1,x,3,7,2005-01-31\nu2,x,4,7,\n"),
        (table("milliseconds"), b"1,x,3,7,881250949000\n2,x,4,8,881250949000"),
    ],
)
def test_clean_text_is_read_into_typed_columns(layout: Delimited, data: bytes) -> None:
    parsed = layout._parse_typed(data)
    assert parsed is not None
    assert (len(parsed.rows), parsed.num_lines) == (2, 2)


@pytest.mark.parametrize(
    ("layout", "line", "reason"),
    [
        (movielens.ML_CSV, b"0x1,2,3,86400", r.BAD_USER),  # Arrow takes this for a number
        (movielens.ML_CSV, b"1,2,nan,86400", r.BAD_HALF_RATING),
        (movielens.ML_CSV, b"1,2,3,now", "not a time in seconds since 1970"),
        (movielens.ML_1M, b"1::2::4.5::86400", r.BAD_RATING),
        (movielens.ML_10M, b"1::2\t3::86400", r.WRONG_FIELDS),
        (table(), b"abc,n,3,7,2005-01-31", r.BAD_USER),
        (table(), b",n,3,7,2005-01-31", r.EMPTY_USER),
        (table(), b"1,n,3,9223372036854775808,2005-01-31", r.BAD_MOVIE),
        (table(ids="text"), b"1,n,3,NULL,2005-01-31", r.EMPTY_MOVIE),
        (table(ids="text"), b"1,n,3," + b"x" * 257 + b",2005-01-31", r.LONG_MOVIE),
        (table(ids="text"), b"a\x1bb,n,3,7,2005-01-31", r.CONTROL_USER),
        (table(ids="text"), b"\xe9,n,3,7,2005-01-31", r.GARBLED_USER),
        (table(), b"1,n,three,7,2005-01-31", r.BAD_NUMBER),
        (table(), b"1,n,1e39,7,2005-01-31", r.BAD_NUMBER),  # no 32-bit float
        (table(), b"1,n,3,7,31.01.2005", "not a date of the form %Y-%m-%d"),
        (table(), b"1,n,3,7,2005-09-06 garbage", "not a date of the form %Y-%m-%d"),
        (table(), b"1,n,3,7", r.WRONG_FIELDS),
        (table(), b"1,n,m,3,7,2005-01-31", r.WRONG_FIELDS),
        (table(), b'1,"n"m,3,7,2005-01-31', r.BAD_QUOTES),
        (table(), b'"1"2,n,3,7,2005-01-31', r.BAD_QUOTES),
    ],
)
def test_refused_lines(layout: Delimited, line: bytes, reason: str) -> None:
    good = {
        b",": b"1,2,3,86400\n" if layout is movielens.ML_CSV else b'1,"n, m",3,7,2005-01-31\n',
        b"::": b"1::2::3::86400\n",
    }[layout.quoting.separator]
    parsed = layout.parse(good + line + b"\n" + good)
    assert len(parsed.rows) == 2
    assert [(x.line, x.offset, x.reason) for x in parsed.rejects] == [(1, len(good), reason)]


def test_ids_of_all_kinds_and_times_to_the_second() -> None:
    data = (
        b"-9223372036854775808,n,3,12.0,2005-01-31T23:30:00-08:00\n"
        b'0,n,3,"9223372036854775807",2005-01-31 00:00:01\n'
    )
    assert rows_of(table().parse(data)) == [
        (-(2**63), 12, 3.0, DAY + 86_400 + 7 * 3600 + 1800),
        (0, 2**63 - 1, 3.0, DAY + 1),
    ]
    text = b"  0439554934 ,n,3,b00,2005-01-31\n0439554934,n,4,B00,2005-01-31\n"
    assert rows_of(table(ids="text").parse(text)) == [
        ("0439554934", "b00", 3.0, DAY),
        ("0439554934", "B00", 4.0, DAY),
    ]


def test_a_missing_time_loses_the_time_and_not_the_row() -> None:
    parsed = table().parse(b"1,n,3,7,\n2,n,3,7,NaT\n3,n,3,7,1850-01-01\n4,n,3,7,2005-01-31\n")
    assert [row[3] for row in rows_of(parsed)] == [NO_TIME, NO_TIME, NO_TIME, DAY]
    assert (parsed.num_untimed, parsed.rejects) == (3, [])


def test_the_first_text_id_is_told_where_ids_are_supposed_to_be_whole() -> None:
    data = b"1,n,x,a,2005-01-31\n1,n,3,7,2005-01-31\n1,n,3,B7,2005-01-31\nu,n,3,7,2005-01-31\n"
    parsed = table(ids="auto").parse(data)
    # The first line is refused for its rating, so its ids decide nothing.
    assert [x.reason for x in parsed.rejects] == [r.BAD_NUMBER]
    assert parsed.text_movie is not None
    assert (parsed.text_movie.line, parsed.text_movie.text) == (2, "1,n,3,B7,2005-01-31")
    assert parsed.text_user is not None
    assert parsed.text_user.line == 3
    again = table(ids="auto").as_text(user=False, movie=True).parse(data)
    assert again.text_movie is None
    assert rows_of(again)[0][:2] == (1, "7")


def test_values_that_mean_not_rated() -> None:
    rules = RowRules("whole", "whole", replace(ANY_NUMBER, missing=(-1.0, 99.0, "NA")), None)
    layout = table(rules=rules, positions={"user": 0, "movie": 3, "rating": 2})
    parsed = layout.parse(b"1,n,-1.0,7,\n2,n,5,7,\n3,n,99,7,\n4,n,NA,7,\n5,n,,7,\n")
    assert [row[0] for row in rows_of(parsed)] == [2]
    assert parsed.num_unrated == 3
    assert [x.reason for x in parsed.rejects] == [r.BAD_NUMBER]


PHANTOM = b'1,"nice\n5,n,1,6,2005-01-31\nend",3,2,2005-01-31\n7,n,3,8,2005-01-31\n'


def test_quoted_line_end_makes_no_phantom_rating() -> None:
    parsed = table().parse(PHANTOM)
    assert parsed.has_open_quote
    by_record = table(is_by_record=True).parse(PHANTOM)
    assert rows_of(by_record) == [(1, 2, 3.0, DAY), (7, 8, 3.0, DAY)]
    assert (by_record.num_lines, by_record.num_continued, by_record.rejects) == (4, 2, [])
    assert not by_record.has_open_quote


def test_quote_that_is_never_closed_refuses_its_line_only() -> None:
    data = b'1,"open,3,7,2005-01-31\n' + b"2,n,3,7,2005-01-31\n" * 1200
    parsed = table(is_by_record=True).parse(data)
    assert len(parsed.rows) == 1200
    assert [(x.line, x.reason) for x in parsed.rejects] == [(0, r.BAD_QUOTES)]
    # What closes it comes too late.
    parsed = table(is_by_record=True).parse(data + b'end",3,7,2005-01-31\n')
    assert len(parsed.rows) == 1200
    assert [x.line for x in parsed.rejects] == [0, 1201]


@pytest.mark.filterwarnings("error")
def test_lines_that_are_not_utf_8_are_refused_quietly() -> None:
    parsed = table().parse(b"1,\xe9,3,7,2005-01-31\n\xe9\n")
    assert (len(parsed.rows), [x.text for x in parsed.rejects]) == (1, ["\\xe9"])


def test_other_encodings() -> None:
    data = "Jürgen,n,3,7,2005-01-31\nx\n".encode("cp1252")
    parsed = table(ids="text", encoding="cp1252").parse(data)
    assert rows_of(parsed)[0][0] == "Jürgen"
    assert [x.offset for x in parsed.rejects] == [24]


def test_folders_give_values() -> None:
    rules = RowRules("auto", "auto", ANY_NUMBER, None)
    layout = Delimited(
        Quoting(b","), 2, {"user": 0, "rating": 1}, rules, headers=(), constants={"movie": "9"}
    )
    assert reading_of(layout.parse(b"1,3\n2,4\n")) == Reading(
        rows=[(1, 9, 3.0, NO_TIME), (2, 9, 4.0, NO_TIME)], lines=2
    )
