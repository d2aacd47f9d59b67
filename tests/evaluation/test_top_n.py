from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from pyspark.sql import SparkSession

from recspark.datasets.prepared import PreparedFacts
from recspark.errors import DataError
from recspark.evaluation.bootstrap import draw_weights
from recspark.evaluation.list_figures import METRICS
from recspark.evaluation.lists_leaderboard import YARDSTICK
from recspark.evaluation.top_n import measure_lists
from recspark.evaluation.yardstick import list_popular, rank_movies
from tests.evaluation import lists as small
from tests.evaluation.lists import NUM_MOVIES, NUM_USERS, SEED, Run
from tests.runs import prepared_counts

RESAMPLES = 200


def measure(
    spark: SparkSession, folder: Path, run: Run, popular: list[int] | None = None
) -> dict[str, dict[str, Any]]:
    frame = small.write_run(folder, run, popular)
    paths = {
        name: small.write_lists(folder / "lists" / name, found) for name, found in run.lists.items()
    }
    return measure_lists(spark, paths, frame, num_resamples=RESAMPLES)


def means(run: Run, name: str, k: int) -> dict[str, float]:
    figures = small.by_user(run, run.lists[name], k).values()
    return {metric: float(np.mean([one[metric] for one in figures])) for metric in METRICS}


def test_figures_are_those_of_the_definitions(spark: SparkSession, tmp_path: Path) -> None:
    run = small.random_run(6)
    found = measure(spark, tmp_path, run)
    likers = {user for (user, _), rating in run.test.items() if rating >= 4}
    for name, lists in run.lists.items():
        one = found[name]
        assert [group["k"] for group in one["by_length"]] == [5, 1, 12]
        for group in one["by_length"]:
            expected = means(run, name, group["k"])
            assert {m: group[m] for m in METRICS} == pytest.approx(expected, abs=1e-9)
        assert {m: one[m] for m in METRICS} == pytest.approx(means(run, name, 5), abs=1e-9)
        everything = small.of_all_lists(run, lists)
        assert {m: one[m] for m in everything} == pytest.approx(everything, abs=1e-9)
        assert one["num_lists"] == len(lists)
        assert one["num_users"] == len(likers & set(lists))
        assert one["num_users_without_list"] == len(likers - set(lists))
    assert len(likers - set(run.lists["m0"])) > 0


def test_figures_by_activity_are_those_of_its_users(spark: SparkSession, tmp_path: Path) -> None:
    run = small.random_run(6)
    found = measure(spark, tmp_path, run)["m1"]
    figures = small.by_user(run, run.lists["m1"], 5)
    counts = {user: sum(one == user for one, _ in run.train) for user in figures}
    groups = found["by_activity"]
    assert len(groups) > 2
    assert sum(group["num_users"] for group in groups) == found["num_users"]
    for group in groups:
        mine = [figures[user] for user, n in counts.items() if group["from"] <= n <= group["to"]]
        assert group["num_users"] == len(mine)
        for metric in METRICS:
            values = [one[metric] for one in mine]
            assert group[metric] == pytest.approx(np.mean(values), abs=1e-9)
            assert group[f"{metric}_std"] == pytest.approx(np.std(values), abs=1e-7)


def resampled(run: Run, name: str, users: set[int], metric: str) -> list[float]:
    """Return the means of each resample by repeating each user as often as it was drawn."""
    figures = small.by_user(run, run.lists[name], run.top_k)
    drawn = draw_weights(np.arange(NUM_USERS), RESAMPLES, SEED)
    chosen = [[user for user in users for _ in range(weights[user])] for weights in drawn]
    return [float(np.mean([figures[user][metric] for user in one])) for one in chosen]


@pytest.mark.parametrize("metric", ["ndcg", "recall"])
def test_intervals_are_those_of_brute_force(
    spark: SparkSession, tmp_path: Path, metric: str
) -> None:
    run = small.random_run(6, num_models=3)
    run.lists[YARDSTICK] = run.lists.pop("m0")
    found = measure(spark, tmp_path, run)
    best = next(iter(found))
    users = {name: set(small.by_user(run, lists, 5)) for name, lists in run.lists.items()}
    assert len({frozenset(mine) for mine in users.values()}) == 3
    for name, one in found.items():
        drawn = resampled(run, name, users[name], metric)
        assert one["bootstrap"][metric] == pytest.approx(drawn, abs=1e-9)
        expected = np.quantile(drawn, [0.025, 0.975])
        assert one["intervals"][metric] == pytest.approx(expected, abs=1e-9)
        assert set(one["versus"]) == {"best", YARDSTICK} - {"best" if name == best else "", name}
        for key, versus in one["versus"].items():
            other = best if key == "best" else key
            both = users[name] & users[other]  # whom only one model lists for says nothing
            mine, theirs = (resampled(run, model, both, metric) for model in (name, other))
            low, high = np.quantile(np.subtract(mine, theirs), [0.025, 0.975])
            whole = [
                np.mean([small.by_user(run, run.lists[model], 5)[user][metric] for user in both])
                for model in (name, other)
            ]
            assert versus[metric] == pytest.approx(
                {
                    "difference": whole[0] - whole[1],
                    "low": low,
                    "high": high,
                    "is_tie": low <= 0 <= high,
                },
                abs=1e-9,
            )


def test_models_are_ordered_by_ndcg_and_equal_ones_by_name(
    spark: SparkSession, tmp_path: Path
) -> None:
    run = small.random_run(6)
    for name in ("z", "a"):
        run = small.with_model(run, name, run.lists["m0"])
    found = measure(spark, tmp_path, run)
    assert list(found) == sorted(found, key=lambda name: (-found[name]["ndcg"], name))
    equal = [name for name in found if name != "m1"]
    assert equal == ["a", "m0", "z"]
    versus = found["z"]["versus"].get("best", {"ndcg": {"difference": 1}})["ndcg"]
    if next(iter(found)) == "a":
        assert (versus["difference"], versus["low"], versus["high"]) == (0, 0, 0)


def test_a_perfect_list_scores_one_in_every_figure(spark: SparkSession, tmp_path: Path) -> None:
    run = Run(
        train={(0, 1): 3.0},
        test={(0, 2): 5, (0, 4): 4, (0, 9): 3, (1, 1): 5, (1, 3): 5},
        lists={"m": {0: [4, 2], 1: [1, 3]}},
        lengths=(2,),
        top_k=2,
    )
    found = measure(spark, tmp_path, run)["m"]
    assert [found[name] for name in METRICS] == [1] * len(METRICS)


@pytest.mark.parametrize("relevant_rating", [4.0, None])
def test_popularity_is_counted_without_a_model_of_it(
    spark: SparkSession, tmp_path: Path, relevant_rating: float | None
) -> None:
    run = dataclasses.replace(small.random_run(6), relevant_rating=relevant_rating)
    users = sorted({user for lists in run.lists.values() for user in lists})
    expected = small.popular_lists(run, users, 12)
    likes = np.zeros(NUM_MOVIES, np.int64)
    for (_, movie), rating in [*run.train.items(), *run.valid.items()]:
        likes[movie] += relevant_rating is None or rating >= relevant_rating
    order = rank_movies(likes, np.array(run.support))
    assert sorted(order.tolist()) == list(range(NUM_MOVIES - 1))  # the last one is not in train
    found = measure(spark, tmp_path / "counted", run, order.tolist())
    modelled = measure(spark, tmp_path / "modelled", small.with_model(run, YARDSTICK, expected))
    assert found == modelled
    assert found[YARDSTICK]["num_lists"] == len(users)
    if relevant_rating is not None:
        assert found["m0"]["versus"][YARDSTICK]["ndcg"]["difference"] != 0


@pytest.mark.parametrize("length", [1, 3, 40])
def test_users_who_rated_most_popular_movies_get_the_next_ones(length: int) -> None:
    order = np.random.default_rng(2).permutation(300)[:200]
    rng = np.random.default_rng(3)
    rows = np.array([1, 2, 5, 6, 9])
    rated = {
        1: order[:198],
        2: order,
        5: np.arange(0),
        6: rng.permutation(300)[:250],
        9: order[:16],
        7: order[:3],
    }
    seen = tuple(
        np.concatenate(parts)
        for parts in zip(
            *((np.full(len(movies), row), movies) for row, movies in rated.items()), strict=True
        )
    )
    found = list_popular(order, 300, rows, (seen[0], seen[1]), length)
    for row in rows.tolist():
        mine = found.rows == row
        expected = [movie for movie in order.tolist() if movie not in set(rated[row].tolist())]
        assert found.movies[mine].tolist() == expected[:length]
        assert found.ranks[mine].tolist() == list(range(1, len(expected[:length]) + 1))
    assert set(found.rows.tolist()) == {1, 5, 6, 9}


def one_list(rows: list[int], **changes: Any) -> Run:
    run = Run({(0, 1): 3.0}, {(0, 2): 5.0}, {"m": {0: rows}}, lengths=(2,), top_k=2)
    return dataclasses.replace(run, **changes)


@pytest.mark.parametrize(
    ("movies", "user", "why"),
    [
        ([4, NUM_MOVIES + 1], 0, "found 1 rows with ids that are not in the index"),
        ([4, 2], NUM_USERS + 8, "found 2 rows with ids that are not in the index"),
        ([4, 4], 0, "found 1 rows that repeat a rank or a movie"),
    ],
)
def test_lists_that_are_none_are_refused(
    spark: SparkSession, tmp_path: Path, movies: list[int], user: int, why: str
) -> None:
    with pytest.raises(DataError, match=f"lists/m: {why}"):
        measure(spark, tmp_path, one_list(movies, lists={"m": {user: movies}}))


def test_the_same_rank_twice_is_refused(spark: SparkSession, tmp_path: Path) -> None:
    run = one_list([4, 2])
    frame = small.write_run(tmp_path, run)
    path = small.write_lists(tmp_path / "lists", run.lists["m"], 1)
    small.write_lists(tmp_path / "lists" / "more", {0: [7]}, 1)
    with pytest.raises(DataError, match="found 1 rows that repeat a rank"):
        measure_lists(spark, {"m": path}, frame, num_resamples=9)


@pytest.mark.parametrize(
    ("lists", "relevant_rating", "why"),
    [
        ({}, 4.0, "there are no lists"),
        ({0: [4, 2]}, 5.5, "no user with a list has a test rating of 5.5 or higher"),
        ({1: [4, 2]}, 4.0, "no user with a list has a test rating of 4 or higher"),
        ({0: [4, 2]}, None, "all ratings of train are the same"),
    ],
)
def test_figures_that_cannot_be_measured_say_why(
    spark: SparkSession,
    tmp_path: Path,
    lists: dict[int, list[int]],
    relevant_rating: float | None,
    why: str,
) -> None:
    run = one_list([], lists={"m": lists}, relevant_rating=relevant_rating)
    found = measure(spark, tmp_path, run, [1])
    assert set(found) == {"m", YARDSTICK}
    one = found["m"]
    assert one["unmeasured"].startswith(why)
    assert [one[name] for name in METRICS] == [None] * len(METRICS)
    assert one["intervals"] == {"ndcg": None, "recall": None}
    assert (one["num_lists"], one["num_users"], one["by_activity"]) == (len(lists), 0, [])
    assert one["catalogue_coverage"] == 2 * len(lists) / NUM_MOVIES
    assert (one["novelty"] is None) == (not lists)


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        ([1, 2, 3, 4, 5], 4),
        ([0.5, 1, 1.5, 2, 2.5, 3, 3.5, 4, 4.5, 5], 3.5),
        (range(1, 11), 7),
        (range(101), 60),
        (range(-10, 11), 2),
        ([-1, 1], 1),
        (np.arange(31, dtype=np.float32) / np.float32(10), np.float32(1.8)),
        ([2, 4], 4),
        ([1], None),
    ],
)
def test_the_upper_two_fifths_of_the_scale_are_relevant(
    values: Any, expected: float | None
) -> None:
    counts = prepared_counts(
        rating_min=float(min(values)),
        rating_max=float(max(values)),
        rating_values=tuple(map(float, values)),
    )
    facts = PreparedFacts(**{**counts, "rating_values": tuple(counts["rating_values"])})
    assert facts.relevant_rating == expected
