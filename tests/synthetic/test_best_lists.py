"""The NDCG of the best lists, against loops over every user and movie."""

from __future__ import annotations

import dataclasses
import json
import math
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pytest
from numpy.typing import NDArray

from recspark.synthetic import best_lists
from recspark.synthetic.best_lists import join_pairs, known_pairs, mark_listed, measure_best
from recspark.synthetic.choose import build_slots
from recspark.synthetic.generate import generate, open_step
from recspark.synthetic.population import Population, build_population
from recspark.synthetic.rows import MovieRows, build_rows
from recspark.synthetic.settings import GenerateConfig
from tests.synthetic.reader import read_blocks, read_ratings

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

CONFIG = GenerateConfig(
    num_users=600, num_movies=150, num_ratings=12_000, seed=11, choice=4.0, probe_share=0.15
)
Floats = NDArray[np.float64]


@dataclasses.dataclass
class Made:
    population: Population
    rows: list[MovieRows]

    @property
    def train(self) -> set[tuple[int, int]]:
        found = set()
        for movie, part in enumerate(self.rows):
            rated = np.delete(part.users[: part.num_ratings], part.probe)
            found |= {(user, movie) for user in rated.tolist()}
        return found

    @property
    def liked(self) -> dict[int, set[int]]:
        """The probe movies with 4 or 5 of each user who has any."""
        found: dict[int, set[int]] = {}
        for movie, part in enumerate(self.rows):
            for place in part.probe.tolist():
                if part.ratings[place] >= 4:
                    found.setdefault(int(part.users[place]), set()).add(movie)
        return found


@pytest.fixture(scope="module")
def made() -> Made:
    population = build_population(CONFIG)
    slots = build_slots(population.weights, population.pull)
    return Made(population, [build_rows(population, m, slots) for m in range(CONFIG.num_movies)])


def measured(made: Made) -> dict[str, float]:
    listed = mark_listed(made.population)
    pairs = [known_pairs(part, movie, listed) for movie, part in enumerate(made.rows)]
    exposures = np.array([part.exposure for part in made.rows])
    return measure_best(made.population, join_pairs(pairs), exposures)


def log_rates(population: Population) -> Floats:
    """[N, M] weight and pull of every pair, by the formulas in float64."""
    planted = population.planted
    users, movies = planted.user_taste.astype(float), planted.movie_taste.astype(float)
    k = (math.sqrt(1 + 4 * (4.0 * 0.18) ** 2) - 1) / 2
    pull = 4.0 * users.T @ movies - k / 2 * (users**2).sum(axis=0)[:, None] / 0.18
    return np.asarray(np.log(population.weights)[:, None] + pull)


def solve_exposures(rates: Floats, counts: Floats) -> Floats:
    """[M] exposures at which each movie's expected number of users is as given."""
    low, high = np.full(len(counts), 1e-12), np.full(len(counts), 1e6)
    for _ in range(200):
        middle = np.sqrt(low * high)
        is_low = -np.expm1(-middle * rates).sum(axis=0) < counts
        low, high = np.where(is_low, middle, low), np.where(is_low, high, middle)
    return low


def chance_of_4(population: Population) -> Floats:
    """[N, M] mean over 16 times of the probability of a 4 or 5."""
    planted = population.planted
    start = np.maximum(population.joined[:, None], population.opened).astype(float)
    base = planted.user_effect[:, None] + planted.movie_effect.astype(float)
    base = base + planted.user_taste.T.astype(float) @ planted.movie_taste
    drift = 0.2 + planted.user_drift[:, None] + planted.movie_drift.astype(float)
    total = np.zeros(start.shape)
    for part in (np.arange(16) + 0.5) / 16:
        mean = base + drift * (start + (1 - start) * part - 0.75)
        total += 0.5 * np.vectorize(math.erfc)((planted.cuts[2] - mean) / 0.86 / math.sqrt(2))
    return total / 16


def brute_force(made: Made, scores: Floats) -> list[float]:
    """NDCG@10 of each user with a liked probe movie, for lists ranked by the scores."""
    train, found = made.train, []
    for user, wanted in sorted(made.liked.items()):
        unseen = [m for m in range(scores.shape[1]) if (user, m) not in train]
        top = sorted(unseen, key=lambda m: -scores[user, m])[:10]
        gain = sum(1 / math.log2(rank + 2) for rank, m in enumerate(top) if m in wanted)
        found.append(gain / sum(1 / math.log2(rank + 2) for rank in range(min(10, len(wanted)))))
    return found


def true_scores(made: Made, exposures: Floats) -> Floats:
    rated = -np.expm1(-exposures * np.exp(log_rates(made.population)))
    in_train = 12_000 * 0.85 / (12_000 * 1.028)
    return rated * chance_of_4(made.population) / (1 - in_train * rated)


def test_best_ndcg_is_that_of_a_brute_force(made: Made, monkeypatch: pytest.MonkeyPatch) -> None:
    drawn = np.array([part.exposure for part in made.rows])
    by_user = brute_force(made, true_scores(made, drawn))
    found = measured(made)
    assert found["num_users"] == len(by_user) > 300
    assert found["best_ndcg"] == pytest.approx(np.mean(by_user), abs=1e-4)
    error = np.std(by_user, ddof=1) / math.sqrt(len(by_user))
    assert found["standard_error"] == pytest.approx(error, rel=1e-2)
    # However few movies are looked at first.
    monkeypatch.setattr(best_lists, "_CANDIDATES", 10)
    monkeypatch.setattr(best_lists, "_BLOCK_USERS", 7)
    assert measured(made) == found


def test_exposures_that_were_drawn_are_near_those_expected(made: Made) -> None:
    home = np.diff(made.population.home_start)
    counts = (made.population.num_rows - home).astype(float)
    expected = solve_exposures(np.exp(log_rates(made.population)), counts)
    drawn = np.array([part.exposure for part in made.rows])
    many = (counts > 50) & (counts < 400)  # few are left of the others: the last take long
    np.testing.assert_allclose(drawn[many] / expected[many], 1, atol=0.5)
    assert np.log(drawn[many] / expected[many]).mean() == pytest.approx(0, abs=0.08)
    by_user = brute_force(made, true_scores(made, expected))
    assert measured(made)["best_ndcg"] == pytest.approx(np.mean(by_user), abs=0.015)


def test_popularity_is_far_below_and_taste_near_the_best(made: Made) -> None:
    best = measured(made)["best_ndcg"]
    train = made.train
    counts = np.bincount([movie for _, movie in train], minlength=CONFIG.num_movies)
    shape = (CONFIG.num_users, CONFIG.num_movies)
    popular = np.mean(brute_force(made, np.broadcast_to(counts, shape)))
    # What a list by the probability of a rating, of whatever value, can reach.
    drawn = np.array([part.exposure for part in made.rows])
    tasteful = np.mean(brute_force(made, np.log(drawn) + log_rates(made.population)))
    assert popular < 0.75 * best
    assert 0.9 * best < tasteful < best


def test_only_the_sample_is_measured(made: Made, monkeypatch: pytest.MonkeyPatch) -> None:
    everyone = measured(made)["num_users"]
    monkeypatch.setattr(best_lists, "MOST_USERS", 150)
    listed = mark_listed(made.population)
    assert listed.sum() == 150
    sample = measured(made)
    assert sample["num_users"] == len(set(made.liked) & set(np.flatnonzero(listed).tolist()))
    assert sample["num_users"] < everyone / 2


def test_no_held_out_pair_means_no_figure(made: Made) -> None:
    listed = np.zeros(CONFIG.num_users, dtype=bool)
    pairs = join_pairs([known_pairs(part, 0, listed) for part in made.rows])
    found = measure_best(made.population, pairs, np.ones(CONFIG.num_movies))
    assert (found["best_ndcg"], found["standard_error"], found["num_users"]) == (None, None, 0)


def test_truth_holds_the_figure_of_the_files(
    made: Made, spark: SparkSession, tmp_path: Path
) -> None:
    texts = []
    for num_tasks in (1, 5):
        folder = tmp_path / str(num_tasks)
        config = dataclasses.replace(CONFIG, output=str(folder), num_tasks=num_tasks)
        generate(config, open_step(config), spark)
        texts.append({p.name: p.read_bytes() for p in folder.iterdir() if p.name[0] != "_"})
    assert texts[0] == texts[1]
    truth = json.loads(texts[0]["truth.json"])
    assert truth["lists"] == {"k": 10, "relevant_rating": 4, **measured(made)}
    assert set(truth["lists"]) - set(truth["about"]) == {"k", "relevant_rating"}
    assert truth["settings"]["choice"] == 4.0
    # The files hold the pairs that were measured.
    ratings = read_ratings(folder)
    probe = {(int(line), m) for m, lines in read_blocks(folder / "probe.txt") for line in lines}
    ids = made.population.user_ids
    assert {(ids[user], movie + 1) for user, movie in made.train} == ratings.keys() - probe
    liked = {(ids[user], m + 1) for user, movies in made.liked.items() for m in movies}
    assert liked == {pair for pair in probe if ratings[pair][0] >= 4}


def test_a_data_set_without_choice_has_no_lists_and_its_old_settings(
    spark: SparkSession, tmp_path: Path
) -> None:
    config = dataclasses.replace(CONFIG, output=str(tmp_path / "set"), choice=0.0)
    generate(config, open_step(config), spark)
    truth = json.loads((tmp_path / "set" / "truth.json").read_text())
    assert "lists" not in truth
    assert set(truth["about"]) == {"floor_rmse", "planted_rmse"}
    assert "choice" not in truth["settings"]
