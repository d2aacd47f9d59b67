"""Pieces of text that tasks write, and the files assembled from them."""

from __future__ import annotations

import posixpath
import shutil
import uuid
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import BinaryIO

import numpy as np
from numpy.typing import NDArray

from recspark.files import storage
from recspark.synthetic.best_lists import KnownPairs, join_pairs, known_pairs, mark_listed
from recspark.synthetic.choose import build_slots
from recspark.synthetic.population import Population
from recspark.synthetic.rows import MovieRows, build_rows
from recspark.synthetic.text import ANSWERS, COMBINED, PROBE, QUALIFYING, build_fields, format_movie

KINDS = (COMBINED, PROBE, QUALIFYING, ANSWERS)


@dataclass(frozen=True)
class Piece:
    """The text and the totals of one run of consecutive movies."""

    movies: range
    paths: Mapping[str, str]
    """Kind of file to the path of the piece's text."""
    lengths: Mapping[str, list[int]]
    """Kind of file to the number of bytes of each movie in it."""
    totals: NDArray[np.float64]
    """The result of `sum_rows` for each movie: [len(movies), 3, 8]."""
    exposures: NDArray[np.float64]
    """Of each movie, from `choose_pulled`; NaN without a pull."""
    pairs: KnownPairs | None
    """For the best lists; None without a pull."""


def write_pieces(population: Population, runs: Iterable[range], folder: str) -> Iterator[Piece]:
    """Write the text of each run of movies below `folder`, under unique names.

    Memory: the population and one movie's rows, however long a run is; with a pull, also 9 bytes
    for each pair of a listed user.
    """
    slots = build_slots(population.weights, population.pull)
    fields = build_fields(population.user_ids)
    is_listed = None if population.pull is None else mark_listed(population)
    for movies in runs:
        parent = posixpath.join(folder, uuid.uuid4().hex)
        storage.make_folder(parent)
        paths = {kind: posixpath.join(parent, kind) for kind in KINDS}
        files: dict[str, BinaryIO] = {}
        lengths: dict[str, list[int]] = {kind: [] for kind in KINDS}
        totals, exposures = [], []
        pairs: list[KnownPairs] = []
        try:
            for kind, path in paths.items():
                fs, stripped = storage.filesystem(path)
                files[kind] = fs.open(stripped, "wb")
            for movie in movies:
                rows = build_rows(population, movie, slots)
                for kind, block in format_movie(movie + 1, rows, fields).items():
                    files[kind].write(block)
                    lengths[kind].append(len(block))
                totals.append(sum_rows(rows))
                exposures.append(rows.exposure)
                if is_listed is not None:
                    pairs.append(known_pairs(rows, movie, is_listed))
        finally:
            for file in files.values():
                file.close()
        yield Piece(
            movies,
            paths,
            lengths,
            totals=np.array(totals),
            exposures=np.array(exposures),
            pairs=join_pairs(pairs) if pairs else None,
        )


def sum_rows(rows: MovieRows) -> NDArray[np.float64]:
    """Return [3, 8] for the movie's ratings, probe and qualifying rows.

    The eight columns: number of rows, sum of squared errors of the expected rating, expected value
    of that sum, and the numbers of ratings 1, 2, 3, 4 and 5.
    """
    held_out = np.arange(rows.num_ratings, len(rows.ratings))
    parts = (np.arange(rows.num_ratings), rows.probe, held_out)
    return np.array(
        [
            [
                len(part),
                rows.squared_errors[part].sum(),
                rows.variances[part].sum(),
                *np.bincount(rows.ratings[part], minlength=6)[1:],
            ]
            for part in parts
        ]
    )


def concatenate(pieces: Sequence[Piece], kind: str, target: str) -> None:
    """Write the pieces' text to one file, one after the other; streams, so size is no limit."""
    fs, stripped = storage.filesystem(target)
    with fs.open(stripped, "wb") as out:
        for piece in pieces:
            source_fs, source = storage.filesystem(piece.paths[kind])
            with source_fs.open(source, "rb") as text:
                shutil.copyfileobj(text, out, 1 << 20)


def collate(pieces: Sequence[Piece], kind: str, target: str) -> None:
    """Write the movies' blocks to one file, ordered by their ids as text (1, 10, 100, 2, …).

    Memory: the whole file (55 MB for qualifying.txt at the size of the Netflix Prize).
    """
    blocks: dict[str, bytes] = {}
    for piece in pieces:
        fs, stripped = storage.filesystem(piece.paths[kind])
        text = fs.cat_file(stripped)
        ends = np.cumsum(piece.lengths[kind])
        for movie, end, length in zip(piece.movies, ends, piece.lengths[kind], strict=True):
            blocks[str(movie + 1)] = text[end - length : end]
    fs, stripped = storage.filesystem(target)
    with fs.open(stripped, "wb") as out:
        out.writelines(blocks[movie] for movie in sorted(blocks))
