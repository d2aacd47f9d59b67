"""What one ingest task does: parse its ranges and write its own files."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

import pyarrow as pa

from recspark.arrays.ratings import NO_TIME, Ratings
from recspark.cluster.tasks import PartFile, write_part
from recspark.contract import columns as c
from recspark.contract.schemas import IdTypes
from recspark.datasets.id_maps import id_type
from recspark.ingest.formats import Format
from recspark.ingest.ratings_file import write_ratings
from recspark.tables.parsed import Parsed, Reject
from recspark.text.ranges import Range

RANGE = "range"
# Refused lines of each reason that a part passes to the driver for its message.
NUM_SAMPLES = 3
_REJECTS = pa.schema(
    [
        (RANGE, pa.int32()),
        (c.LINE, pa.int64()),
        (c.OFFSET, pa.int64()),
        (c.TEXT, pa.string()),
        (c.REASON, pa.string()),
    ]
)


@dataclass(frozen=True)
class LineCounts:
    """Lines of the raw files, by what they turned out to be."""

    lines: int = 0
    ratings: int = 0
    rejects: int = 0
    headers: int = 0
    blanks: int = 0
    unrated: int = 0
    """Lines whose rating means that there is none."""
    continued: int = 0
    """Lines inside a quoted field that began on a line above."""

    @staticmethod
    def of(counts: Mapping[str, Any]) -> LineCounts:
        """Return the counts of lines among those in the manifest of ratings."""
        return LineCounts(**{name: counts[name] for name in LineCounts.__dataclass_fields__})

    def __add__(self, other: LineCounts) -> LineCounts:
        return LineCounts(
            *(getattr(self, x) + getattr(other, x) for x in self.__dataclass_fields__)
        )

    @property
    def accounted(self) -> int:
        """Lines that have a kind."""
        return sum(getattr(self, x) for x in self.__dataclass_fields__) - self.lines


@dataclass(frozen=True)
class Place:
    """A line or row of a range: its number within the range, from 0, and the reject there."""

    range_number: int
    reject: Reject


@dataclass(frozen=True)
class Part:
    """The files written for about `part_bytes` of text, and the counts of its lines."""

    ratings: PartFile | None
    rejects: PartFile | None
    num_lines: dict[int, int]
    """Lines by range number."""
    counts: LineCounts
    num_untimed: int
    """Ratings without a time, in a layout with times."""
    reasons: Counter[str] = field(default_factory=Counter)
    """Refused lines by reason."""
    samples: tuple[Place, ...] = ()
    """The first few refused lines of each reason."""
    text_user: Place | None = None
    """The first line whose user id is text although ids were read as whole numbers; nothing has
    been written then."""
    text_movie: Place | None = None
    has_open_quote: bool = False
    """Whether a line ends within a quoted field; nothing has been written then."""
    types: IdTypes | None = None
    """The types of the ids, if there is a rating."""
    earliest: int = NO_TIME
    """Seconds since 1970-01-01 of the earliest rating with a time, and of the latest."""
    latest: int = NO_TIME


@dataclass
class _Pending:
    """What will make up the next part."""

    rows: list[Ratings] = field(default_factory=list)
    rejects: list[Place] = field(default_factory=list)
    num_lines: dict[int, int] = field(default_factory=dict)
    counts: LineCounts = field(default_factory=LineCounts)
    num_untimed: int = 0
    num_bytes: int = 0


def ingest_ranges(
    task: int,
    ranges: Iterable[Range],
    layout: Format,
    *,
    part_bytes: int,
    ratings_root: str,
    rejects_root: str,
) -> Iterator[Part]:
    """Write the ranges in parts, and yield each part once it is written.

    If the layout turns out not to fit, the part that says so is the last one.

    Args:
        task: The task's number, which names its parts.
        ranges: What to read, in order.
        layout: How to parse it.
        part_bytes: Text per part (bytes); memory is about five times that.
        ratings_root: Where part files of ratings go.
        rejects_root: Where part files of rejects go; lines still count from the range's start.
    """
    pending, number, lines = _Pending(), 0, 0
    for one in ranges:
        movie = layout.movie_above(one)
        lines = 0
        for offset, block in layout.read(one):
            parsed = layout.parse(block, movie)
            if parsed.text_user or parsed.text_movie or parsed.has_open_quote:
                yield _unfit(one.number, lines, offset, parsed)
                return
            _add(pending, one.number, lines, offset, parsed)
            pending.num_bytes += layout.size(block)
            movie, lines = parsed.movie, lines + parsed.num_lines
            if pending.num_bytes >= part_bytes:
                yield _write(f"part-{task:05d}-{number:03d}", pending, ratings_root, rejects_root)
                pending, number = _Pending(), number + 1
    if pending.num_lines:
        yield _write(f"part-{task:05d}-{number:03d}", pending, ratings_root, rejects_root)


def _add(pending: _Pending, number: int, first_line: int, offset: int, parsed: Parsed) -> None:
    """Add a parsed piece of a range to the next part.

    Args:
        pending: The next part.
        number: The range's number.
        first_line: Lines of the range before the piece.
        offset: Bytes of the file before the piece.
        parsed: The piece.
    """
    if len(parsed.rows):
        pending.rows.append(parsed.rows)
    pending.rejects += [_place(number, first_line, offset, x) for x in parsed.rejects]
    pending.num_lines[number] = pending.num_lines.get(number, 0) + parsed.num_lines
    pending.num_untimed += parsed.num_untimed
    pending.counts += LineCounts(
        lines=parsed.num_lines,
        ratings=len(parsed.rows),
        rejects=len(parsed.rejects),
        headers=parsed.num_headers,
        blanks=parsed.num_blanks,
        unrated=parsed.num_unrated,
        continued=parsed.num_continued,
    )


def _place(number: int, first_line: int, offset: int, reject: Reject) -> Place:
    line, start = first_line + reject.line, offset + reject.offset
    return Place(number, Reject(line, start, reject.text, reject.reason))


def _unfit(number: int, first_line: int, offset: int, parsed: Parsed) -> Part:
    def place(reject: Reject | None) -> Place | None:
        return _place(number, first_line, offset, reject) if reject else None

    return Part(
        ratings=None,
        rejects=None,
        num_lines={},
        counts=LineCounts(),
        num_untimed=0,
        text_user=place(parsed.text_user),
        text_movie=place(parsed.text_movie),
        has_open_quote=parsed.has_open_quote,
    )


def _write(name: str, pending: _Pending, ratings_root: str, rejects_root: str) -> Part:
    ratings = rejects = None
    earliest = latest = NO_TIME
    types = None
    if pending.rows:
        rows = Ratings.concatenate(pending.rows)
        ratings = write_ratings(rows, ratings_root, f"{name}.parquet")
        types = IdTypes(id_type(rows.users), id_type(rows.movies))
        times = rows.times
        if pending.num_untimed:
            times = times[times != NO_TIME]
        if len(times):
            earliest, latest = int(times.min()), int(times.max())
    if pending.rejects:
        rejects = write_part(_to_table(pending.rejects), rejects_root, f"{name}.parquet")
    reasons = Counter(place.reject.reason for place in pending.rejects)
    samples: list[Place] = []
    for reason in reasons:
        mine = (place for place in pending.rejects if place.reject.reason == reason)
        samples += [place for place, _ in zip(mine, range(NUM_SAMPLES), strict=False)]
    return Part(
        ratings=ratings,
        rejects=rejects,
        num_lines=pending.num_lines,
        counts=pending.counts,
        num_untimed=pending.num_untimed,
        reasons=reasons,
        samples=tuple(samples),
        types=types,
        earliest=earliest,
        latest=latest,
    )


def _to_table(places: list[Place]) -> pa.Table:
    return pa.table(
        {
            RANGE: [place.range_number for place in places],
            c.LINE: [place.reject.line for place in places],
            c.OFFSET: [place.reject.offset for place in places],
            c.TEXT: [place.reject.text for place in places],
            c.REASON: [place.reject.reason for place in places],
        },
        schema=_REJECTS,
    )
