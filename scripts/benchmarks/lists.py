"""Compare lists with those of peers, by NDCG@10 on the published folds of MovieLens-100K.

    python scripts/benchmarks/lists.py
    python scripts/benchmarks/lists.py --folds 1 --models ease --peers popularity

A list holds the ten best of all movies of train that the user has not rated there. A movie is
relevant if the user gave it 4 stars or more in uK.test; the figure is the mean over users with a
relevant movie. All are fitted on all ratings but uK.test, and measured by the same lines of this
script. The peers are popularity, EASE as its paper has it (Steck 2019), and the ALS of `implicit`
on all ratings. Other options are those of jobs/pipeline.py. Needs the extra `benchmark`.
"""

from __future__ import annotations

import argparse
import statistics
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import pyarrow.dataset as ds
from common import describe_machine, save
from scipy import sparse

from recspark.cluster.environment import check_environment
from recspark.cluster.session import create_session
from recspark.config.load import load_model_configs
from recspark.config.order import bases_first
from recspark.contract import columns as c
from recspark.contract.paths import RunPaths
from recspark.logs import configure_logging

LENGTH, RELEVANT = 10, 4
NUM_USERS, NUM_MOVIES = 943, 1682
REG, FACTORS, SWEEPS = 500.0, 64, 15

Lists = dict[int, Sequence[int]]
"""Raw user id to raw movie ids, best first."""
Fit = Callable[[sparse.csr_matrix], np.ndarray]
"""Takes the ratings [users, movies] and returns scores of the same shape."""


def popularity(train: sparse.csr_matrix) -> np.ndarray:
    """Return how many ratings each movie has, for every user."""
    return np.tile(np.asarray((train > 0).sum(axis=0), float), (train.shape[0], 1))


def plain_ease(train: sparse.csr_matrix) -> np.ndarray:
    """Return the scores of EASE on who rated what."""
    rated = (train > 0).astype(float)
    precision = np.linalg.inv((rated.T @ rated).toarray() + REG * np.eye(train.shape[1]))
    weights = -precision / np.diag(precision)
    np.fill_diagonal(weights, 0)
    return np.asarray(rated @ weights)


def implicit_als(train: sparse.csr_matrix) -> np.ndarray:
    """Return the scores of implicit's ALS on who rated what, with its own regularisation."""
    from implicit.als import AlternatingLeastSquares

    model = AlternatingLeastSquares(FACTORS, iterations=SWEEPS, random_state=0)
    model.fit((train > 0).astype(np.float32), show_progress=False)
    return np.asarray(model.user_factors @ model.item_factors.T)


PEERS: dict[str, Fit] = {one.__name__: one for one in (popularity, plain_ease, implicit_als)}


def best_of(scores: np.ndarray, train: sparse.csr_matrix) -> Lists:
    """Return the lists of scores, without the movies of train and those without a rating there."""
    scores = scores.copy()
    scores[train.nonzero()] = -np.inf
    scores[:, np.asarray(train.sum(axis=0)).ravel() == 0] = -np.inf
    order = np.argsort(-scores, axis=1, kind="stable")[:, :LENGTH]
    return {user + 1: (row + 1).tolist() for user, row in enumerate(order)}


def ndcg(lists: Lists, test: np.ndarray) -> float:
    """Return the mean over users with a relevant movie in test [N, 3]; no list counts 0."""
    found = []
    for user in np.unique(test[test[:, 2] >= RELEVANT, 0]):
        relevant = set(test[(test[:, 0] == user) & (test[:, 2] >= RELEVANT), 1])
        gains = 1 / np.log2(np.arange(2, LENGTH + 2))
        hits = [movie in relevant for movie in lists.get(int(user), ())]
        ideal = gains[: len(relevant)].sum()
        found.append(gains[: len(hits)][hits].sum() / ideal)
    return statistics.fmean(found)


def our_lists(arguments: argparse.Namespace, fold: int, others: Sequence[str]) -> dict[str, Lists]:
    """Fit our models on one fold and return their lists."""
    from recspark.stages import baseline, ingest, prepare, recommend, train

    root = arguments.work.resolve() / f"u{fold}"
    words = [
        *("--config", str(arguments.config), "--name", f"u{fold}", "--run_dir", str(root)),
        *("--prepare.split", "pairs", "--prepare.pairs", arguments.pairs.format(fold=fold)),
        *("--recommend.min_ratings", "1", "--models", arguments.models, *others),
    ]
    models = load_model_configs(words, prog="lists")
    config = next(iter(models.values()))
    spark = create_session(config.spark, app_name="lists")
    ingest.run(config, spark)
    prepare.run(config, spark)
    found: dict[str, Lists] = {}
    for name, settings in bases_first(models).items():
        fit = baseline if settings.baseline.algorithm else train
        fit.run(settings, name, spark)
        recommend.run(settings, name, spark)
        table = ds.dataset(RunPaths(str(root)).recommendations(name), exclude_invalid_files=True)
        rows = table.to_table([c.USER_ID, c.RANK, c.MOVIE_ID]).sort_by(c.RANK).to_pylist()
        lists: dict[int, list[int]] = {}
        for row in rows:
            lists.setdefault(row[c.USER_ID], []).append(row[c.MOVIE_ID])
        found[name] = dict(lists)
    return found


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--config", type=Path, default=Path("conf/movielens-100k.yaml"))
    parser.add_argument("--ratings", type=Path, default=Path("data/movielens-100k/u.data"))
    parser.add_argument("--pairs", default="data/movielens-100k/u{fold}.test")
    parser.add_argument("--folds", default="1,2,3,4,5")
    parser.add_argument("--models", default="popularity,item_knn,ease,ials,mult_vae")
    parser.add_argument("--peers", default=",".join(PEERS))
    parser.add_argument("--work", type=Path, default=Path("runs/compare-lists"))
    arguments, others = parser.parse_known_args()
    configure_logging()
    check_environment()
    ratings = np.loadtxt(arguments.ratings, dtype=np.int64)
    found: dict[str, dict[int, float]] = {}
    seconds: dict[str, list[float]] = {}
    for fold in map(int, arguments.folds.split(",")):
        test = np.loadtxt(arguments.pairs.format(fold=fold), dtype=np.int64)[:, :3]
        is_test = np.isin(ratings[:, :2] @ [NUM_MOVIES + 1, 1], test[:, :2] @ [NUM_MOVIES + 1, 1])
        rest = ratings[~is_test]
        cells = rest[:, 2].astype(float), (rest[:, 0] - 1, rest[:, 1] - 1)
        train = sparse.csr_matrix(cells, shape=(NUM_USERS, NUM_MOVIES))
        lists = our_lists(arguments, fold, others)
        for name in arguments.peers.split(","):
            started = time.perf_counter()
            lists[f"peer {name}"] = best_of(PEERS[name](train), train)
            seconds.setdefault(name, []).append(time.perf_counter() - started)
        for name, one in lists.items():
            found.setdefault(name, {})[fold] = ndcg(one, test)
    for name, each in sorted(found.items(), key=lambda item: -statistics.fmean(item[1].values())):
        figures = "  ".join(f"{value:.4f}" for value in each.values())
        print(f"{name:24}{figures}  mean {statistics.fmean(each.values()):.4f}")
    save(arguments.work, "lists", {**describe_machine(), "ndcg": found, "peer_seconds": seconds})
    return 0


if __name__ == "__main__":
    sys.exit(main())
