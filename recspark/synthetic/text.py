"""Formats the rows of one movie as bytes for the four kinds of files."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta

import numpy as np
from numpy.typing import NDArray

from recspark.synthetic.calendar import FIRST_DAY, NUM_DAYS
from recspark.synthetic.rows import MovieRows

COMBINED, PROBE, QUALIFYING, ANSWERS = "combined_data", "probe", "qualifying", "qualifying_answers"

Texts = NDArray[np.bytes_]

_RATINGS = np.array([f",{rating}" for rating in range(6)], dtype=np.bytes_)
_ANSWERS = np.array([f"{rating}\n" for rating in range(6)], dtype=np.bytes_)


@dataclass(frozen=True)
class Fields:
    """Lookup tables of text: the id of each user, and `,date` with a line end for each day."""

    ids: Texts
    dates: Texts


def build_fields(user_ids: NDArray[np.int32]) -> Fields:
    """Return the fields for the users of a population."""
    width = len(str(user_ids.max()))
    days = [(FIRST_DAY + timedelta(days=day)).isoformat() for day in range(NUM_DAYS)]
    dates = np.array([f",{day}\n" for day in days], dtype=np.bytes_)
    return Fields(ids=user_ids.astype(f"S{width}"), dates=dates)


def join_rows(*columns: Texts) -> bytes:
    """Return the concatenated texts of each row, row after row.

    NumPy pads shorter texts with NUL bytes. No field contains one, so all NUL bytes are dropped.
    """
    kinds = [(f"f{place}", column.dtype) for place, column in enumerate(columns)]
    table = np.empty(len(columns[0]), dtype=kinds)
    for (name, _), column in zip(kinds, columns, strict=True):
        table[name] = column
    return table.tobytes().translate(None, b"\0")


def format_movie(movie_id: int, rows: MovieRows, fields: Fields) -> dict[str, bytes]:
    """Return the movie's block for each kind of file, header first; empty if it has no rows."""
    users, held_out = rows.users[: rows.num_ratings], rows.users[rows.num_ratings :]
    days, held_out_days = rows.days[: rows.num_ratings], rows.days[rows.num_ratings :]
    ratings, answers = rows.ratings[: rows.num_ratings], rows.ratings[rows.num_ratings :]
    probe = fields.ids[users[rows.probe]]
    blocks = {
        COMBINED: join_rows(fields.ids[users], _RATINGS[ratings], fields.dates[days]),
        PROBE: join_rows(probe, np.full(len(probe), b"\n")),
        QUALIFYING: join_rows(fields.ids[held_out], fields.dates[held_out_days]),
        ANSWERS: join_rows(_ANSWERS[answers]),
    }
    header = b"%d:\n" % movie_id
    return {kind: header + block if block else b"" for kind, block in blocks.items()}
