"""A small data set made for real by Spark tasks, read back by a plain reader."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Callable
from datetime import date
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from recspark.errors import DataError
from recspark.synthetic.choose import build_slots
from recspark.synthetic.generate import generate, open_step
from recspark.synthetic.population import build_population
from recspark.synthetic.rows import build_rows
from recspark.synthetic.settings import GenerateConfig
from tests.synthetic.reader import read_blocks, read_ratings

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

SMALL = GenerateConfig(num_users=700, num_movies=90, num_ratings=9_000, seed=5)
Make = Callable[..., Path]


@pytest.fixture(scope="module")
def make(spark: SparkSession, tmp_path_factory: pytest.TempPathFactory) -> Make:
    def run(**changes: object) -> Path:
        folder = tmp_path_factory.mktemp("generated") / "set"
        config = dataclasses.replace(SMALL, output=str(folder), **changes)
        generate(config, open_step(config), spark)
        return folder

    return run


@pytest.fixture(scope="module")
def folder(make: Make) -> Path:
    return make(num_tasks=3)


def contents(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir() if path.name[0] != "_"}


def test_the_files_are_those_of_the_real_set(folder: Path) -> None:
    combined = [f"combined_data_{number}.txt" for number in (1, 2, 3, 4)]
    others = ["movie_titles.csv", "probe.txt", "qualifying.txt", "qualifying_answers.txt"]
    assert sorted(contents(folder)) == [*combined, *others, "truth.json"]
    assert not list(folder.parent.glob(".*")), "temporary files are left"


@pytest.mark.parametrize("num_tasks", [1, 2, 5, 20])
def test_bytes_do_not_depend_on_the_number_of_tasks(
    make: Make, folder: Path, num_tasks: int
) -> None:
    assert contents(make(num_tasks=num_tasks)) == contents(folder)


def test_another_seed_gives_other_ratings(make: Make, folder: Path) -> None:
    other = contents(make(seed=6))
    assert all(other[name] != text for name, text in contents(folder).items())


def test_counts_are_exact_and_every_user_and_movie_appears(folder: Path) -> None:
    ratings = read_ratings(folder)
    assert len(ratings) == 9_000
    users, movies = {user for user, _ in ratings}, {movie for _, movie in ratings}
    assert len(users) == 700
    assert movies == set(range(1, 91))
    assert max(users) == round(700 * 2_649_429 / 480_189), "ids have gaps as in the real set"
    days = {date.fromisoformat(day) for _, day in ratings.values()}
    assert date(1999, 11, 11) <= min(days) < max(days) <= date(2005, 12, 31)


def test_movies_are_in_order_over_the_files(folder: Path) -> None:
    files = sorted(folder.glob("combined_data_*.txt"))
    order = [movie for path in files for movie, _ in read_blocks(path)]
    assert order == list(range(1, 91))


def test_rows_of_a_movie_are_sorted_by_neither_user_nor_date(folder: Path) -> None:
    lines = max((lines for _, lines in read_blocks(folder / "combined_data_1.txt")), key=len)
    users = [int(line.split(",")[0]) for line in lines]
    days = [line.split(",")[2] for line in lines]
    for values in (users, days):
        rises = sum(a < b for a, b in pairwise(values)) / (len(values) - 1)
        assert 0.3 < rises < 0.7


def test_probe_is_part_of_the_ratings_in_string_order(folder: Path) -> None:
    ratings, blocks = read_ratings(folder), read_blocks(folder / "probe.txt")
    order = [str(movie) for movie, _ in blocks]
    assert order == sorted(order)
    pairs = [(int(line), movie) for movie, lines in blocks for line in lines]
    assert len(pairs) == len(set(pairs)) == round(0.014 * 9_000)
    assert set(pairs) <= set(ratings)


def test_qualifying_is_not_in_the_ratings_and_its_answers_fit(folder: Path) -> None:
    ratings = read_ratings(folder)
    asked = read_blocks(folder / "qualifying.txt")
    answers = read_blocks(folder / "qualifying_answers.txt")
    assert [(movie, len(lines)) for movie, lines in asked] == [
        (movie, len(lines)) for movie, lines in answers
    ]
    pairs = [(int(line.split(",")[0]), movie) for movie, lines in asked for line in lines]
    assert len(pairs) == len(set(pairs)) == round(0.028 * 9_000)
    assert not set(pairs) & set(ratings)
    assert {user for user, _ in pairs} <= {user for user, _ in ratings}
    population = build_population(SMALL)
    slots = build_slots(population.weights)
    for (movie, lines), (_, found) in zip(asked, answers, strict=True):
        rows = build_rows(population, movie - 1, slots)
        known = dict(zip(population.user_ids[rows.users], rows.ratings, strict=True))
        assert [known[int(line.split(",")[0])] for line in lines] == [int(line) for line in found]


def test_truth_counts_what_the_files_hold(folder: Path) -> None:
    truth = json.loads((folder / "truth.json").read_text())
    values = [rating for rating, _ in read_ratings(folder).values()]
    counts = {str(rating): values.count(rating) for rating in range(1, 6)}
    assert truth["ratings"]["rating_counts"] == counts
    assert truth["settings"] == SMALL.content()


def test_same_settings_are_reused_and_others_refused(make: Make, spark: SparkSession) -> None:
    folder = make()
    config = dataclasses.replace(SMALL, output=str(folder))
    assert open_step(config).is_done()
    assert open_step(dataclasses.replace(config, num_tasks=7)).is_done()
    other = dataclasses.replace(config, seed=9)
    before = contents(folder)
    with pytest.raises(DataError, match="--force"):
        open_step(other)
    assert contents(folder) == before
    forced = dataclasses.replace(other, force=True)
    generate(forced, open_step(forced), spark)
    assert contents(folder)["probe.txt"] != before["probe.txt"]


def test_a_folder_that_was_not_generated_is_never_replaced(tmp_path: Path) -> None:
    (tmp_path / "combined_data_1.txt").write_text("1:\n")
    config = dataclasses.replace(SMALL, output=str(tmp_path), force=True)
    with pytest.raises(DataError, match="not generated"):
        open_step(config)


@pytest.mark.parametrize(
    "counts",
    [
        {"num_users": 3, "num_movies": 2, "num_ratings": 5, "qualifying_share": 0.0},
        {"num_users": 30, "num_movies": 20, "num_ratings": 600, "qualifying_share": 0.0},
        {"num_users": 30, "num_movies": 20, "num_ratings": 50, "qualifying_share": 1.0},
    ],
)
def test_extreme_counts(make: Make, counts: dict[str, float]) -> None:
    folder = make(**counts)
    assert len(read_ratings(folder)) == counts["num_ratings"]
