from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st

from recspark.arrays.ids import to_list
from recspark.arrays.ratings import NO_TIME
from recspark.ingest import pairs_text
from recspark.ingest.pairs_text import Dialect
from recspark.tables.time_formats import TimeFormat

LINES = st.lists(
    st.sampled_from(["1,2,x", "12,-7,", " 3 , 4 ,5", "", "a,1,2", "1,2", '"8","9",z', ",2,3"]),
    max_size=8,
)


@settings(max_examples=150, deadline=None)
@given(LINES, st.sampled_from(["\n", "\r\n"]), st.booleans())
def test_the_fast_parser_equals_the_slow_one_or_gives_up(
    lines: list[str], end: str, are_text: bool
) -> None:
    text = "".join(line + end for line in lines).encode()
    dialect, kinds = Dialect(",", 3), (are_text, False)
    slow = pairs_text._parse_lines(text, dialect, kinds)
    fast = pairs_text._parse_clean(text, dialect, kinds)
    good = [one.split(",") for one in lines if one not in ("", "1,2", ",2,3")]
    assert [row.row for row in slow.bad] == [
        number for number, one in enumerate(lines) if one in ("1,2", ",2,3")
    ]
    assert slow.has_text == (not are_text and "a,1,2" in lines, False)
    if not slow.has_text[0]:
        users = [one[0].strip(' "') for one in good]
        assert to_list(slow.users) == (users if are_text else [int(user) for user in users])
    assert to_list(slow.movies) == [int(one[1].strip(' "')) for one in good]
    if fast is not None:
        assert not slow.bad
        assert (fast.has_text, fast.num_lines) == (slow.has_text, len(lines))
        assert to_list(fast.movies) == to_list(slow.movies)
        assert slow.has_text[0] or to_list(fast.users) == to_list(slow.users)


TIMED = st.lists(
    st.sampled_from(["1,2,86400", "3,4,", '"5","6","1.5"', "7,8, null", "9,10,soon", ",1,5", ""]),
    max_size=8,
)


@settings(max_examples=100, deadline=None)
@given(TIMED)
def test_the_fast_parser_reads_the_same_times(lines: list[str]) -> None:
    text = "".join(line + "\n" for line in lines).encode()
    dialect = Dialect(",", 3, time=2, time_format=TimeFormat("seconds"))
    slow = pairs_text._parse_lines(text, dialect, (False, False))
    fast = pairs_text._parse_clean(text, dialect, (False, False))
    times = {"1": 86_400, "3": NO_TIME, "5": 1, "7": NO_TIME}
    firsts = [line.split(",")[0].strip('"') for line in lines if line]
    assert slow.times.tolist() == [times[one] for one in firsts if one in times]
    assert [row.text for row in slow.bad] == [
        line for line in lines if line in ("9,10,soon", ",1,5")
    ]
    assert [bool(row.reason) for row in slow.bad] == [row.text != ",1,5" for row in slow.bad]
    if fast is not None:
        assert not slow.bad
        assert fast.times.tolist() == slow.times.tolist()
