from __future__ import annotations

from datetime import date, datetime, timedelta, timezone

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from recspark.arrays.ratings import NO_TIME
from recspark.config.date_patterns import has_date
from recspark.errors import DataError
from recspark.tables.guess_times import find_doubt, guess_time_format
from recspark.tables.time_formats import ISO_DATE, TimeFormat

EPOCH = datetime(1970, 1, 1, tzinfo=timezone.utc)
NOW = 1.75e9  # 2025-06-15


def read(form: str, *texts: str | None) -> list[str | None]:
    """The times as ISO text; `bad` for what is refused, None for what is unknown."""
    found = TimeFormat(form).read(pa.array(texts, pa.string()))
    return [
        "bad"
        if is_bad
        else None
        if seconds == NO_TIME
        else (EPOCH + timedelta(seconds=seconds)).strftime("%Y-%m-%d %H:%M:%S")
        for seconds, is_bad in zip(found.seconds.tolist(), found.is_bad.tolist(), strict=True)
    ]


@pytest.mark.parametrize(
    ("form", "text", "time"),
    [
        (ISO_DATE, "2005-09-06", "2005-09-06 00:00:00"),
        (ISO_DATE, "2005-9-6", "2005-09-06 00:00:00"),
        (ISO_DATE, "2005-09-06T23:30:00-08:00", "2005-09-07 07:30:00"),
        (ISO_DATE, "2005-09-06 23:30:00.999+0200", "2005-09-06 21:30:00"),
        (ISO_DATE, "2005-09-06T13:05Z", "2005-09-06 13:05:00"),
        (ISO_DATE, "2005-09-06 garbage", "bad"),
        (ISO_DATE, "2005-02-29", "bad"),
        (ISO_DATE, "2004-02-29", "2004-02-29 00:00:00"),
        (ISO_DATE, "1969-12-31 23:59:59", "1969-12-31 23:59:59"),
        (ISO_DATE, "1850-01-01", None),
        (ISO_DATE, "2038-01-19 00:00:00", None),
        (ISO_DATE, "0000-00-00 00:00:00", None),
        (ISO_DATE, "", None),
        ("%Y/%m/%d", "2005/09/06 13:05", "2005-09-06 13:05:00"),
        ("%Y%m%d", "20050906", "2005-09-06 00:00:00"),
        ("%Y%m%d", "2005906", "bad"),
        ("%d.%m.%Y", "06.09.2005", "2005-09-06 00:00:00"),
        ("%d.%m.%Y", "31.02.2005", "bad"),
        ("%m/%d/%y %H:%M", "9/6/05 13:05", "2005-09-06 13:05:00"),
        ("%m/%d/%y %H:%M", "9/6/69 3:05", "1969-09-06 03:05:00"),
        ("%m/%d/%y %H:%M", "9/6/05", "bad"),
        ("%b %d, %Y", "Sep 6, 2005", "2005-09-06 00:00:00"),
        ("%b %d, %Y", "September 6, 2005 1:05:00 PM", "2005-09-06 13:05:00"),
        ("%d %b, %Y", "06 Sep, 2013", "2013-09-06 00:00:00"),
        ("%m %d, %Y", "07 11, 2013", "2013-07-11 00:00:00"),
        ("%Y-%j", "2004-366", "2004-12-31 00:00:00"),
        ("%Y-%j", "2005-366", "bad"),
        ("%Y-%m-%d %I:%M %p", "2005-09-06 12:05 AM", "2005-09-06 00:05:00"),
        ("%Y-%m-%d %I:%M %p", "2005-09-06 13:05 PM", "bad"),
        ("%a %b %d %H:%M:%S %z %Y", "Sat Sep 06 13:05:00 -0700 2005", "2005-09-06 20:05:00"),
        ("%Y年%m月%d日", "2005年9月6日", "2005-09-06 00:00:00"),
        ("seconds", "978300760", "2000-12-31 22:12:40"),
        ("seconds", "9.78300760e8", "2000-12-31 22:12:40"),
        ("seconds", "978300760.0", "2000-12-31 22:12:40"),
        ("seconds", "-1", "1969-12-31 23:59:59"),
        ("seconds", "978300760999", None),
        ("seconds", "2005-09-06", "bad"),
        ("milliseconds", "978300760999", "2000-12-31 22:12:40"),
        ("microseconds", "978300760999999", "2000-12-31 22:12:40"),
        ("nanoseconds", "978300760999999999", "2000-12-31 22:12:40"),
    ],
)
def test_forms_of_time(form: str, text: str, time: str | None) -> None:
    assert read(form, text) == [time]


@settings(max_examples=200, deadline=None)
@given(
    values=st.lists(
        st.tuples(
            st.datetimes(datetime(1902, 1, 1), datetime(2037, 12, 31)),
            st.integers(-14 * 60, 14 * 60),
            st.sampled_from(["%Y-%m-%d %H:%M:%S", "%Y-%m-%dT%H:%M", "%Y-%m-%d"]),
            st.booleans(),
        )
    )
)
def test_dates_agree_with_datetime(values: list[tuple[datetime, int, str, bool]]) -> None:
    texts, expected = [], []
    for moment, minutes, form, has_zone in values:
        text = moment.strftime(form)
        zone = timezone(timedelta(minutes=minutes)) if has_zone and "%H" in form else timezone.utc
        if zone is not timezone.utc:
            text += moment.replace(tzinfo=zone).strftime("%z")
        shown = datetime.strptime(moment.strftime(form), form).replace(tzinfo=zone)
        texts.append(text)
        expected.append(round((shown - EPOCH).total_seconds()))
    found = TimeFormat(ISO_DATE).read(pa.array(texts, pa.string()))
    assert found.seconds.tolist() == expected
    assert not found.is_bad.any()


@pytest.mark.parametrize(
    "column",
    [
        pa.array([date(2005, 1, 31), None]),
        pa.array([datetime(2005, 1, 31), None], pa.date64()),
        *(
            pa.array([datetime(2005, 1, 31), None], pa.timestamp(unit))
            for unit in ["s", "ms", "us", "ns"]
        ),
        pa.array(
            [datetime(2005, 1, 31, tzinfo=timezone.utc), None], pa.timestamp("us", "US/Pacific")
        ),
        pa.array(["2005-01-31", None]).dictionary_encode(),
        pa.array(["2005-01-31", "NaT"]),
    ],
    ids=lambda column: str(column.type),
)
def test_types_of_parquet(column: pa.Array) -> None:
    found = TimeFormat(ISO_DATE).read(column)
    assert found.seconds.tolist() == [1_107_129_600, NO_TIME]
    assert not found.is_bad.any()


def test_numbers_of_parquet() -> None:
    for column in (pa.array([1_107_129_600, None]), pa.array([1_107_129_600.9, float("nan")])):
        assert TimeFormat("seconds").read(column).seconds.tolist() == [1_107_129_600, NO_TIME]
    compact = TimeFormat("%Y%m%d").read(pa.array([20050131, None]))
    assert compact.seconds.tolist() == [1_107_129_600, NO_TIME]


@pytest.mark.parametrize(
    ("texts", "form"),
    [
        (["978300760", "9.9e8"], "seconds"),
        (["978300760999"], "milliseconds"),
        (["978300760999999"], "microseconds"),
        (["978300760999999999"], "nanoseconds"),
        (["20050906", "20060131"], "%Y%m%d"),
        (["20050906130500"], "%Y%m%d%H%M%S"),
        (["2005-09-06T10:00:00Z", "", "NaT"], ISO_DATE),
        (["2005/09/06 10:00"], "%Y/%m/%d"),
        (["13/05/2005", "01/02/2005"], "%d/%m/%Y"),
        (["05/13/2005", "01/02/2005"], "%m/%d/%Y"),
        (["9/6/05 13:05", "9/26/05 13:05"], "%m/%d/%y"),
        (["06.09.2005"], "%d.%m.%Y"),
        (["Sep 6, 2005"], "%b %d, %Y"),
        (["06 Sep, 2013"], "%d %b, %Y"),
        (["07 11, 2013"], "%m %d, %Y"),
        (["Sat Sep 06 13:05:00 +0000 2005"], "%a %b %d %H:%M:%S %z %Y"),
    ],
)
def test_guesses(texts: list[str], form: str) -> None:
    assert guess_time_format(pa.array(texts), "a.csv")[0] == form


def test_days_and_months_that_cannot_be_told_apart_are_refused() -> None:
    with pytest.raises(DataError, match=r"'%d/%m/%Y' \(day first\) or to '%m/%d/%Y' \(month"):
        guess_time_format(pa.array(["01/02/2005", "03/04/2005"]), "a.csv")
    with pytest.raises(DataError, match=r"found times such as soon, .*ingest\.table\.time_format"):
        guess_time_format(pa.array(["soon", "later"]), "a.csv")


@pytest.mark.parametrize(
    ("texts", "form", "doubt", "better"),
    [
        (["992821253"], "milliseconds", "100% of the first times", "seconds"),
        (["992821253000"], "seconds", "100% of the first times", "milliseconds"),
        (["86400", "90000"], "seconds", "100% of the first times", None),
        (["992821253"], "seconds", None, None),
        (["1066-10-14"], ISO_DATE, "100% of the first times", None),
        (["", "2005-01-01"], ISO_DATE, None, None),
        (["soon"], ISO_DATE, None, None),
    ],
)
def test_unlikely_times(texts: list[str], form: str, doubt: str | None, better: str | None) -> None:
    found, unit = find_doubt(pa.array(texts), form, NOW)
    assert (found or "").startswith(doubt or "")
    assert (found is None, unit) == (doubt is None, better)


@pytest.mark.parametrize(
    ("pattern", "is_pattern"),
    [
        ("%Y-%m-%d", True),
        ("%d/%m/%y %H:%M", True),
        ("%Y-%j", True),
        ("%F %T", True),
        ("%Y-%m", False),
        ("%Y-%m-%d %Y", False),
        ("%Y-%m-%d %Q", False),
        ("%d-%m", False),
        ("%Y-%m-%d %", False),
        ("epoch", False),
    ],
)
def test_patterns_name_a_day(pattern: str, is_pattern: bool) -> None:
    assert has_date(pattern) == is_pattern
