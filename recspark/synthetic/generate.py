"""Generates a complete data set of Netflix-format text with Spark tasks."""

from __future__ import annotations

import itertools
import posixpath
from collections.abc import Iterable, Sequence
from typing import Any

import fsspec
import numpy as np
from pyspark import Broadcast
from pyspark.sql import SparkSession

from recspark.arrays.packing import pack
from recspark.cluster.tasks import broadcast, spread
from recspark.datasets.manifest import read_manifest
from recspark.datasets.step import Step
from recspark.errors import DataError, describe
from recspark.files import json_files, storage
from recspark.synthetic.best_lists import join_pairs, measure_best
from recspark.synthetic.pieces import KINDS, Piece, collate, concatenate, write_pieces
from recspark.synthetic.population import Population, build_population
from recspark.synthetic.settings import GenerateConfig
from recspark.synthetic.text import COMBINED
from recspark.synthetic.titles import build_titles
from recspark.synthetic.truth import build_truth

STAGE = "generate"
TITLES = "movie_titles.csv"
TRUTH = "truth.json"

_NUM_FILES = 4
_ROWS_PER_TASK = 4_000_000  # setting up a task costs as much as 400,000 rows
_PIECES = "_pieces"


def open_step(config: GenerateConfig) -> Step:
    """Return the step that makes the data set; its `is_done` tells whether that is needed.

    Raises:
        DataError: The folder holds something that must not be replaced.
    """
    output = storage.absolute(config.output)
    step = Step(
        stage=STAGE, settings=config.content(), inputs={}, outputs=(output,), force=config.force
    )
    fs, stripped = storage.filesystem(output)
    if fs.isfile(stripped) or (fs.isdir(stripped) and fs.ls(stripped)):
        manifest = read_manifest(output)
        if manifest is None or manifest.stage != STAGE:
            raise DataError(
                describe(
                    output,
                    found="something that was not generated",
                    expected="no folder, an empty one or a generated data set",
                    remedy="Name another --output; not even --force replaces this.",
                )
            )
        if not config.force and not step.is_done():
            raise DataError(
                describe(
                    output,
                    found=f"a data set generated with {manifest.settings}",
                    expected=f"one with {config.content()}",
                    remedy="Name another --output, or replace it with --force.",
                )
            )
    return step


def generate(config: GenerateConfig, step: Step, spark: SparkSession) -> None:
    """Write the data set of `step` (from `open_step`) and move it into place once it is complete.

    The driver builds the population's tables and broadcasts them, so all tasks use the same bits on
    any machine. Tasks make and write everything else.
    """
    (output,) = step.outputs
    with step:
        folder = step.staging(output)
        storage.make_folder(folder)
        population = build_population(config)
        with broadcast(spark.sparkContext, population) as shared:
            pieces = _write_pieces(config, population, shared, spark, folder)
        _assemble(pieces, spark, folder)
        storage.remove(posixpath.join(folder, _PIECES))
        with fsspec.open(posixpath.join(folder, TITLES), "wb") as file:
            file.write(build_titles(config.seed, population.years))
        totals = np.concatenate([piece.totals for piece in pieces])
        best = _measure_lists(population, pieces) if config.choice else None
        json_files.write_json(
            posixpath.join(folder, TRUTH), build_truth(config, population, totals, best)
        )
        counts = {
            "ratings": config.num_ratings,
            "probe": config.num_probe,
            "qualifying": config.num_qualifying,
        }
        step.publish(output, None, counts=counts)


def plan_runs(config: GenerateConfig, population: Population) -> list[range]:
    """Return runs of consecutive movies with about equal work; no run spans two files."""
    num_tasks = config.num_tasks or -(-config.num_rows // _ROWS_PER_TASK)
    capacity = -(-config.num_rows // num_tasks)
    runs = []
    for movies in _file_movies(config.num_movies):
        sizes = [int(num) for num in population.num_rows[movies.start : movies.stop]]
        runs += [
            range(movies[run.start], movies[run.stop - 1] + 1) for run in pack(sizes, capacity)
        ]
    return runs


def _write_pieces(
    config: GenerateConfig,
    population: Population,
    shared: Broadcast[Population],
    spark: SparkSession,
    folder: str,
) -> list[Piece]:
    pieces_folder = posixpath.join(folder, _PIECES)

    def write(runs: Iterable[range]) -> Iterable[Piece]:
        return write_pieces(shared.value, runs, pieces_folder)

    runs = plan_runs(config, population)
    return spread(spark, runs, len(runs)).mapPartitions(write).collect()


def _assemble(pieces: Sequence[Piece], spark: SparkSession, folder: str) -> None:
    """Assemble the files from the pieces, one task per file."""
    num_movies = pieces[-1].movies.stop
    jobs: list[tuple[str, str, list[Piece]]] = []
    for number, movies in enumerate(_file_movies(num_movies), start=1):
        mine = [piece for piece in pieces if piece.movies.start in movies]
        jobs.append((COMBINED, f"{COMBINED}_{number}.txt", mine))
    jobs += [(kind, f"{kind}.txt", list(pieces)) for kind in KINDS if kind != COMBINED]

    def assemble(job: tuple[str, str, list[Piece]]) -> None:
        kind, name, parts = job
        merge = concatenate if kind == COMBINED else collate
        merge(parts, kind, posixpath.join(folder, name))

    spread(spark, jobs, len(jobs)).foreach(assemble)


def _measure_lists(population: Population, pieces: Sequence[Piece]) -> dict[str, Any]:
    pairs = join_pairs([piece.pairs for piece in pieces if piece.pairs is not None])
    return measure_best(population, pairs, np.concatenate([one.exposures for one in pieces]))


def _file_movies(num_movies: int) -> list[range]:
    """Return the movies of each combined_data file: four parts, or fewer for fewer movies."""
    num_files = min(_NUM_FILES, num_movies)
    edges = [num_movies * number // num_files for number in range(num_files + 1)]
    return [range(start, stop) for start, stop in itertools.pairwise(edges)]
