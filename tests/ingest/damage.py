"""Synthetic raw text with every kind of damage seen in copies of the data sets."""

from __future__ import annotations

from hypothesis import strategies as st

ENDS = st.sampled_from([b"\n", b"\n", b"\n", b"\r\n"])
LAST_ENDS = st.sampled_from([b"\n", b"\r\n", b"", b"\r"])

NETFLIX_GOOD = st.builds(
    lambda user, rating, day: b"%d,%d,2005-01-%02d" % (user, rating, day),
    st.integers(1, 2_649_429),
    st.integers(1, 5),
    st.integers(1, 31),
)
NETFLIX_HEADER = st.builds(lambda movie: b"%d:" % movie, st.integers(1, 17_770))
NETFLIX_BAD = st.sampled_from(
    [
        b"12,6,2005-01-01",
        b"12,0,2005-01-01",
        b"12,3.5,2005-01-01",
        b"12,3.0,2005-01-01",
        b"12,,2005-01-01",
        b"12,-1,2005-01-01",
        b"12,+3,2005-01-01",
        b"12,3,2005-13-45",
        b"12,3,2005-02-29",
        b"12,3,0005-01-01",
        b"12,3,2105-01-01",
        b"12,3,1969-12-31",
        b"12,3,2005-1-1",
        b"12,3,20050101",
        b"12,3,2005/01/01",
        b"12,3,2005-01-01 10:00",
        b"12,3,2005-01-0",
        b"12,3,2005",
        b"12,3",
        b"12",
        b"12,3,2005-01-01,9",
        b"12,3,2005-01-01,,",
        b"12, 3,2005-01-01",
        b" 12,3,2005-01-01 ",
        b"12,\t3,2005-01-01",
        b"0012,03,2005-01-01",
        b"0,3,2005-01-01",
        b"-12,3,2005-01-01",
        b"1e3,3,2005-01-01",
        b"0x12,0x3,2005-01-01",
        b"0X12,3,2005-01-01",
        b"abc,3,2005-01-01",
        b"2147483647,3,2005-01-01",
        b"2147483648,3,2005-01-01",
        b"99999999999999999999,3,2005-01-01",
        b"9" * 5000 + b",3,2005-01-01",
        b"0" * 5000 + b"7,3,2005-01-01",
        b"12,3\r,2005-01-01",
        b"12,3,2005-01-01\r13,4,2005-01-01",
        b"1\x002,3,2005-01-01",
        b"\x00",
        b"12,3,2005-01-01\xe9",
        b"\xff\xfe\xe9",
        b"\xe9:",
        b'"12",3,2005-01-01',
        b'12,"3",2005-01-01',
        b"12,3,null",
        b"NA,3,2005-01-01",
        "１２,3,2005-01-01".encode(),
        "１２:".encode(),
        b"CustomerID,Rating,Date",
        b"user,rating,date",
        b"a,b,c",
        b"",
        b"   ",
        b"\t",
        b"\r",
        b",,",
        b",",
        b":",
        b"abc:",
        b"0:",
        b"12: ",
        b" 12:",
        b"0012:",
        b"12:,",
        b"12:13",
        b"12::",
        b"99999999999:",
        b"3000000000:",
        b"\xef\xbb\xbf7:",
        b"196\t242\t3\t881250949",
    ]
)

MOVIELENS_GOOD = st.builds(
    lambda user, movie, rating, seconds: b"%d\t%d\t%d\t%d" % (user, movie, rating, seconds),
    st.integers(1, 943),
    st.integers(1, 1682),
    st.integers(1, 5),
    st.integers(874_724_710, 893_286_638),
)
MOVIELENS_BAD = [
    b"1\t2\t6\t881250949",
    b"1\t2\t0\t881250949",
    b"1\t2\t3.5\t881250949",
    b"1\t2\t3.0\t881250949",
    b"1\t2\t\t881250949",
    b"1\t2\t3\t",
    b"1\t2\t3",
    b"1\t2\t3\t881250949\t",
    b"1\t2\t3\t881250949,",
    b"1\t2\t3\t881250949\t9",
    b"1\t2\t3\t-1",
    b"1\t2\t3\t0",
    b"1\t2\t3\t2831155199",
    b"1\t2\t3\t2831155200",
    b"1\t2\t3\t99999999999999999999",
    b"1\t2\t3\t881250949.5",
    b"1\t2\t3\t1997-12-04",
    b"abc\t2\t3\t881250949",
    b"1\tabc\t3\t881250949",
    b"0\t2\t3\t881250949",
    b"1\t0\t3\t881250949",
    b"1\t-2\t3\t881250949",
    b" 1\t 2\t3 \t881250949 ",
    b"001\t02\t03\t0881250949",
    b"0x1\t2\t3\t881250949",
    b"2147483648\t2\t3\t881250949",
    b"1\t2147483648\t3\t881250949",
    b"1\x00\t2\t3\t881250949",
    b"1\t2\t3\t881250949\xe9",
    b"1\t2\r\t3\t881250949",
    b"1\t2\t3\t881250949\r1\t2\t3\t881250949",
    b"user_id:token\titem_id:token\trating:float\ttimestamp:float",
    b"user\titem\trating\ttimestamp",
    b"a\tb\tc\td",
    b"",
    b"  ",
    b"\t\t\t",
    b"\r",
    b"1::2::3::881250949",
    b"1,2,3,881250949",
    b'"1"\t2\t3\t881250949',
    b"\x00",
]

_STARS = [b"3", b"0.5", b"4.5", b"5.0", b"3.50", b"6", b"0", b"0.25", b"5.5", b"3,5", b"-1", b"nan"]
_STARS += [
    b"inf",
    b"1e0",
    b"1e400",
    b".5",
    b"4.",
    b".",
    b"+3",
    b"-0",
    b" 2.5 ",
    b"0x1",
    b"1_0",
    b"",
]
_STARS += [b"3.5000000000000001", b"3.50000001", b"\xd9\xa3", b"1e", b"e", b"5e-1", b"-.5", b"--1"]


def half_star_lines(separator: bytes) -> tuple[st.SearchStrategy[bytes], st.SearchStrategy[bytes]]:
    """Valid and damaged lines of MovieLens with half stars."""
    good = st.builds(
        lambda user, movie, halves, seconds: separator.join(
            (b"%d" % user, b"%d" % movie, b"%g" % (halves / 2), b"%d" % seconds)
        ),
        st.integers(1, 162_541),
        st.integers(1, 209_171),
        st.integers(1, 10),
        st.integers(789_652_009, 1_574_327_703),
    )
    fields = st.tuples(
        st.sampled_from([b"7", b"007", b"0", b"-7", b"x7", b"0x7", b"2147483648", b" 7", b""]),
        st.sampled_from([b"7", b"7.0", b"1e1", b"0", b"2147483647", b"\t7", b'"7"', b"7:"]),
        st.sampled_from(_STARS),
        st.sampled_from(
            [b"881250949", b"-0", b"0", b"-1", b"881250949.5", b"2831155200", b"9" * 20]
        ),
    ).map(separator.join)
    moved = st.sampled_from([byte.replace(b"\t", separator) for byte in MOVIELENS_BAD])
    names = st.just(separator.join((b"userId", b"movieId", b"rating", b"timestamp")))
    return good, st.one_of(fields, fields, moved, names, st.sampled_from(MOVIELENS_MIXED))


MOVIELENS_MIXED = [
    b"1:2:3:881250949",
    b"1:::2::3::881250949",
    b"1::2:::3::881250949",
    b"1::2\t3::881250949",
    b"1\t2::3::881250949",
    b"1::2::3::881250949::",
    b"1,2,3,881250949,,",
    b"userId,movieId,rating,timestamp",
    b"::",
]


def texts(
    good: st.SearchStrategy[bytes], bad: st.SearchStrategy[bytes], max_lines: int = 12
) -> st.SearchStrategy[bytes]:
    """Files of valid and damaged lines, LF and CRLF mixed; the last line end may be missing."""

    @st.composite
    def build(draw: st.DrawFn) -> bytes:
        # Many files should be entirely clean, so that the vectorised parser reads them.
        kinds = draw(st.sampled_from([good, good, st.one_of(good, good, bad)]))
        lines = draw(st.lists(kinds, min_size=1, max_size=max_lines))
        data = b"".join(line + draw(ENDS) for line in lines[:-1]) + lines[-1] + draw(LAST_ENDS)
        return draw(st.sampled_from([b"", b"", b"\xef\xbb\xbf"])) + data

    return build()


NETFLIX = texts(st.one_of(NETFLIX_GOOD, NETFLIX_GOOD, NETFLIX_GOOD, NETFLIX_HEADER), NETFLIX_BAD)
MOVIELENS = texts(MOVIELENS_GOOD, st.sampled_from(MOVIELENS_BAD))
HALVES_DAT = texts(*half_star_lines(b"::"))
HALVES_CSV = texts(*half_star_lines(b","))
