"""The first rows of a file, read on trial."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field, replace
from itertools import islice

from recspark.config import TableConfig
from recspark.ingest.formats import Format
from recspark.ingest.table import choose_format
from recspark.tables.parsed import Parsed, Reject
from recspark.text.sources import Source

_TASK_BYTES = 64 * 1024 * 1024


@dataclass
class Trial:
    """What became of the first rows.

    Attributes:
        parsed: The first piece of the file; None if it is empty.
        notes: What was guessed.
    """

    parsed: Parsed | None = None
    notes: list[str] = field(default_factory=list)

    @property
    def num_rows(self) -> int:
        """Ratings among the rows."""
        return len(self.parsed.rows) if self.parsed else 0

    @property
    def share(self) -> float:
        """The share of the rows that are ratings, or that mean there is none."""
        if self.parsed is None:
            return 0.0
        fine = len(self.parsed.rows) + self.parsed.num_unrated
        return fine / max(fine + len(self.parsed.rejects), 1)

    @property
    def reasons(self) -> list[tuple[str, int, Reject]]:
        """The reasons why lines are refused, the commonest first: reason, number, first line."""
        rejects = self.parsed.rejects if self.parsed else []
        counts = Counter(one.reason for one in rejects)
        return [
            (reason, count, next(one for one in rejects if one.reason == reason))
            for reason, count in counts.most_common()
        ]


def try_table(settings: TableConfig, source: Source) -> Trial:
    """Return what becomes of the first rows of a file with these settings.

    Raises:
        DataError: As `choose_format`.
    """
    layout, notes = choose_format(settings, [source])
    return Trial(try_format(layout, source), notes)


def try_format(layout: Format, source: Source) -> Parsed | None:
    """Return the first piece of a file, parsed; None if the file is empty."""
    num_pieces = 1
    while True:
        ranges = [one for task in layout.plan([source], _TASK_BYTES) for one in task]
        pieces = islice(layout.read(ranges[0]), num_pieces) if ranges else iter(())
        blocks = [block for _, block in pieces]
        if not blocks:
            return None
        block = blocks[0]
        if len(blocks) > 1:
            block = replace(block, text=b"".join(one.text for one in blocks))
        parsed = layout.parse(block, None)
        better = None
        if parsed.text_user or parsed.text_movie:
            better = layout.as_text(parsed.text_user is not None, parsed.text_movie is not None)
        elif parsed.has_open_quote:
            better, num_pieces = layout.by_record(), 2  # a quote left open is in the second piece
        if better is None:
            return parsed
        layout = better
