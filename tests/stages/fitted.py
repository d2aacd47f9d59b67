"""The fitted run of these tests, and dense computations of its models' predictions."""

from __future__ import annotations

import dataclasses
import functools

import numpy as np
import pyarrow.parquet as pq

from recspark.config import Config
from recspark.contract.paths import RunPaths
from tests.baselines import dense

NUM_USERS, NUM_MOVIES, NUM_BUCKETS = 22, 30, 4
UNSEEN_USER, UNSEEN_MOVIE = 21, 29

TRAIN = dense.random_ratings(11, NUM_USERS, NUM_MOVIES, 0.4)
TRAIN[UNSEEN_USER], TRAIN[:, UNSEEN_MOVIE] = np.nan, np.nan
BLEND_WEIGHTS = {"biased_mf": 0.6, "cosine_user": 0.5, "als": -0.2}
BLEND_INTERCEPT = 0.3
_GAPS = [(int(u), int(m), 4.0) for u, m in np.argwhere(np.isnan(TRAIN))]
VALID, TEST = _GAPS[::5], _GAPS[1::5]


@dataclasses.dataclass(frozen=True)
class Fitted:
    """A run and the settings of each of its models."""

    config: Config
    models: dict[str, Config]

    def at(self, root: str) -> Fitted:
        """Return the same for a copy of the run."""
        models = {n: dataclasses.replace(one, run_dir=root) for n, one in self.models.items()}
        return Fitted(dataclasses.replace(self.config, run_dir=root), models)


def mf_tables() -> tuple[np.ndarray, np.ndarray]:
    """Return the user and movie rows of biased_mf: four factors, then the bias."""
    rng = np.random.default_rng(5)
    return tuple(  # type: ignore[return-value]
        rng.normal(0, 0.8, (count, 5)).astype(np.float32) for count in (NUM_USERS, NUM_MOVIES)
    )


def answers(config: Config, name: str) -> np.ndarray:
    """Return `dense_answers` of the run's model."""
    return dense_answers(config.root, name)


@functools.cache
def dense_answers(root: str, name: str, clips: bool = True) -> np.ndarray:
    """Return a model's prediction of every pair, [users, movies], not clipped; NaN for none.

    `clips` says whether the members of a blend are clipped, as in every prediction but in no list.
    """
    known = np.outer(~np.isnan(TRAIN).all(axis=1), ~np.isnan(TRAIN).all(axis=0))
    if name == "biased_mf":
        users, movies = mf_tables()
        table = 3 + 0.5 * (users[:, -1:] + movies[:, -1] + users[:, :-1] @ movies[:, :-1].T)
    elif name == "bias":
        mean, users, movies = dense.bias_effects(TRAIN, reg_user=10, reg_movie=25)
        table = mean + users[:, None] + movies
    elif name == "cosine_user":
        table = np.array(
            [
                [dense.neighbor_mean(TRAIN, user, movie, 4) for movie in range(NUM_MOVIES)]
                for user in range(NUM_USERS)
            ]
        )
    elif name == "blend":
        mean, of_users, of_movies = dense.bias_effects(TRAIN, reg_user=10, reg_movie=25)
        fallback = mean + of_users[:, None] + of_movies
        table = np.full((NUM_USERS, NUM_MOVIES), BLEND_INTERCEPT)
        for member, weight in BLEND_WEIGHTS.items():
            answer = dense_answers(root, member)
            filled = np.where(np.isnan(answer), fallback, answer)
            table += weight * (np.clip(filled, 1, 5) if clips else filled)
    else:
        saved = RunPaths(root).model("als") + "/spark_model"
        table = np.full((NUM_USERS, NUM_MOVIES), np.nan)
        num_rated, num_raters = ((~np.isnan(TRAIN)).sum(axis=axis) for axis in (1, 0))
        mean, of_user, of_movie = dense.bias_effects(TRAIN, reg_user=10, reg_movie=25)
        users, movies = (
            pq.read_table(f"{saved}/{kind}").to_pydict() for kind in ("userFactors", "itemFactors")
        )
        for user, left in zip(users["id"], users["features"], strict=True):
            for movie, right in zip(movies["id"], movies["features"], strict=True):
                effects = mean + of_user[user] + of_movie[movie]
                weight = np.prod([n / (n + 5) for n in (num_rated[user], num_raters[movie])])
                table[user, movie] = effects + weight * np.dot(left, right)
    return np.where(known, table, np.nan)


def expected(config: Config, name: str, user: int, movie: int) -> tuple[float, str | None]:
    """Return (prediction, flag) of a pair of indexes by the documented chain; -1: unknown."""
    mean, users, movies = dense.bias_effects(TRAIN, reg_user=10, reg_movie=25)
    answer = answers(config, name)[user, movie] if user >= 0 and movie >= 0 else np.nan
    if not np.isnan(answer):
        return float(np.clip(answer, 1, 5)), None
    of_user = users[user] if user >= 0 else np.nan
    of_movie = movies[movie] if movie >= 0 else np.nan
    flag = {
        (False, False): "bias",
        (True, False): "movie_effect",
        (False, True): "user_effect",
        (True, True): "global_mean",
    }[bool(np.isnan(of_user)), bool(np.isnan(of_movie))]
    return float(np.clip(mean + np.nan_to_num(of_user) + np.nan_to_num(of_movie), 1, 5)), flag
