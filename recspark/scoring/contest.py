"""Writes scored pairs as the contest's prediction file: `1234:` for a movie, then its ratings."""

from __future__ import annotations

import numpy as np

from recspark.contract import columns as c
from recspark.files import parquet, storage

PREDICTION_FILE = "prediction.txt"
BATCH_ROWS = 65_536


def write_contest(scored: str, path: str) -> int:
    """Write the file and return its number of ratings.

    A movie's header, `1234:`, precedes its ratings, one per line. With six decimals, predictions
    that differ stay different. Memory: one batch.

    Args:
        scored: A `scored_pairs` data set, made from `qualifying`.
        path: The file to write.
    """
    fs, stripped = storage.filesystem(path)
    storage.make_folder(path.rpartition("/")[0])
    num_ratings, movie = 0, -1
    with fs.open(stripped, "wb") as file:
        for batch in parquet.read_batches(scored, [c.MOVIE_ID, c.PREDICTION], BATCH_ROWS):
            if not batch.num_rows:
                continue
            movies = batch.column(c.MOVIE_ID).to_numpy()
            changes = np.flatnonzero(np.diff(movies, prepend=movie))
            lines = [f"{value:.6f}" for value in batch.column(c.PREDICTION).to_pylist()]
            for at in changes.tolist():
                lines[at] = f"{movies[at]}:\n{lines[at]}"
            file.write(("\n".join(lines) + "\n").encode())
            num_ratings, movie = num_ratings + len(lines), int(movies[-1])
    return num_ratings
