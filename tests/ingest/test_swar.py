from __future__ import annotations

from datetime import date, timedelta

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from recspark.ingest.swar import WORD, Pattern, Words, parse_dates, parse_numbers

# Until 2038-01-18, whose seconds are the last that 32 bits hold.
NUM_DAYS = (date(2038, 1, 18) - date(1970, 1, 1)).days + 1


def words_of(texts: list[bytes]) -> Words:
    assert {len(text) for text in texts} == {8}
    return np.frombuffer(b"".join(texts), WORD)


def number(text: bytes, num_digits: int) -> list[int] | None:
    found = parse_numbers(words_of([text]), np.array([num_digits], np.uint64))
    return None if found is None else found.tolist()


def time(text: str) -> list[int] | None:
    century = np.array([int(text[:2])], np.uint64)
    found = parse_dates(century, words_of([text[2:].encode()]))
    return None if found is None else found.tolist()


@given(st.lists(st.tuples(st.integers(1, 8), st.binary(min_size=8, max_size=8)), min_size=1))
def test_numbers_are_those_that_int_reads(lines: list[tuple[int, bytes]]) -> None:
    digits = [b"%08d" % (int.from_bytes(text) % 10**8) for _, text in lines]
    mixed = [text[: 8 - n] + one[8 - n :] for (n, text), one in zip(lines, digits, strict=True)]
    found = parse_numbers(words_of(mixed), np.array([n for n, _ in lines], np.uint64))
    assert found is not None
    assert found.tolist() == [int(one[8 - n :]) for (n, _), one in zip(lines, digits, strict=True)]


@pytest.mark.parametrize("place", range(8))
@pytest.mark.parametrize("byte", [b"/", b":", b" ", b"\0", b"\x80", b"\xb0", b"\xff", b"a"])
def test_a_character_that_is_not_a_digit_matters_only_within_the_number(
    place: int, byte: bytes
) -> None:
    text = b"12345678"[:place] + byte + b"12345678"[place + 1 :]
    assert number(text, 8 - place) is None
    if place < 7:
        assert number(text, 7 - place) == [int(b"12345678"[place + 1 :])]


def test_every_day_that_can_be_stored() -> None:
    days = [date(1970, 1, 1) + timedelta(n) for n in range(NUM_DAYS)]
    texts = [one.isoformat() for one in days]
    centuries = np.array([int(text[:2]) for text in texts], np.uint64)
    found = parse_dates(centuries, words_of([text[2:].encode() for text in texts]))
    assert found is not None
    assert found.tolist() == [86_400 * n for n in range(NUM_DAYS)]


@pytest.mark.parametrize(
    "text",
    [
        *("1969-12-31", "2038-01-19", "2105-01-01", "0005-01-01", "9999-12-31", "2005-02-29"),
        *("1900-01-01", "2000-00-10", "2000-13-10", "2000-10-00", "2000-04-31", "2000-10-99"),
        *("2000/01/01", "2000-1a-01", "2000-01-0:", "20000-1-01", "2000-01-0 "),
    ],
)
def test_invalid_dates(text: str) -> None:
    assert time(text) is None


def test_leap_days() -> None:
    assert time("2000-02-29") == [(date(2000, 2, 29) - date(1970, 1, 1)).days * 86_400]


def test_pattern_holds_digits_and_characters_and_ignores_the_rest() -> None:
    pattern = Pattern.of("??0,0-00")
    found = pattern.digits(words_of([b"x\xff7,3-21"]))
    assert found is not None
    assert found.tobytes()[2:] == bytes([7, 0, 3, 0, 2, 1])
    for wrong in (b"xxa,3-21", b"xx7;3-21", b"xx7,3-2\xb1", b"xx7,\x833-21"[:8]):
        assert pattern.digits(words_of([wrong])) is None
