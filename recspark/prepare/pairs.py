"""Files of held-out user-movie pairs: Netflix's probe.txt, CSV and its like, Parquet."""

from __future__ import annotations

from dataclasses import dataclass

from recspark.arrays.ids import Ids, concatenate_ids
from recspark.config import PrepareConfig
from recspark.errors import DataError, describe
from recspark.files import storage
from recspark.ingest.pair_files import (
    NUM_SAMPLES,
    Piece,
    describe_bad,
    list_sources,
    read_piece,
    show_bad,
    split_files,
)
from recspark.ingest.pairs import Kinds, PairColumns, Pairs


@dataclass(frozen=True)
class HeldOutIds:
    """Pairs of raw ids, in the file's order.

    Ids are text where those of the ratings are, and where some of the file are no whole numbers.
    """

    users: Ids
    movies: Ids


def read_pairs(settings: PrepareConfig, kinds: Kinds) -> HeldOutIds:
    """Return the pairs of the file `prepare.pairs`. Runs on the driver.

    Columns are found by their names. A file without names begins with user and movie, or is a probe
    (`1234:` for the movie, then one user id per line).

    Args:
        settings: Names the file and its columns.
        kinds: Whether the ids of the ratings are text.

    Raises:
        DataError: The file is missing, empty or damaged, has no such columns, or some rows are not
            pairs (the message gives their count and samples).
    """
    path = settings.pairs or ""
    require_pairs_file(path)
    columns = PairColumns(
        settings.pairs_user, settings.pairs_movie, ("prepare.pairs_user", "prepare.pairs_movie")
    )
    pieces = list(split_files(list_sources(path), columns, kinds))
    found, shown, num_bad = _read(pieces, kinds)
    if num_bad:
        raise describe_bad(path, num_bad, shown, columns, kinds)
    wider = tuple(kind or any(one.has_text[at] for one in found) for at, kind in enumerate(kinds))
    if wider != kinds:
        found, _, _ = _read(pieces, (wider[0], wider[1]))
    if not any(len(one.users) for one in found):
        raise DataError(_message(path, "an empty file", "Point prepare.pairs at the real file."))
    return HeldOutIds(
        concatenate_ids([one.users for one in found]),
        concatenate_ids([one.movies for one in found]),
    )


def require_pairs_file(path: str) -> None:
    """Raise a DataError if a path, a folder or a glob names no file."""
    if not storage.list_files(path):
        found = f"nothing{storage.start_of(path)}"
        if storage.is_folder(path):
            found = "a directory without files"
        raise DataError(_message(path, found, "Point prepare.pairs at the file."))


def _read(pieces: list[Piece], kinds: Kinds) -> tuple[list[Pairs], list[str], int]:
    """Return the pairs, some of the rows that are none as `file:line: 'text'`, and their number."""
    found: list[Pairs] = []
    shown: list[str] = []
    num_bad, name, line = 0, "", 1
    for piece in pieces:
        line = line if piece.source.name == name else 1
        name = piece.source.name
        for pairs in read_piece(piece, kinds):
            found.append(pairs)
            shown += [show_bad(name, line, row) for row in pairs.bad[:NUM_SAMPLES]]
            num_bad += len(pairs.bad)
            line += pairs.num_lines
    return found, shown, num_bad


def _message(path: str, found: str, remedy: str) -> str:
    expected = "user-movie pairs (columns of users and movies, or probe.txt)"
    return describe(path, found=found, expected=expected, remedy=remedy)
