"""Measure other people's recommenders on the published folds of MovieLens-100K.

    python scripts/benchmarks/peers.py
    python scripts/benchmarks/peers.py --folds 1 --peers surprise_svd,myfm

RMSE on uK.test after a fit on all other ratings, without clipping of ours: each peer as its own
documentation uses it. Compare with scripts/benchmarks/models.py --prepare.valid_fraction 0, which
fits on the same ratings. Needs the extra `benchmark`.
"""

from __future__ import annotations

import argparse
import json
import statistics
import sys
import time
from collections.abc import Callable
from importlib.metadata import version
from pathlib import Path

import numpy as np
from scipy import sparse

Ratings = np.ndarray
"""Columns user, movie, rating, seconds; ids count from 1."""
NUM_USERS, NUM_MOVIES, FOLD_ROWS = 943, 1682, 20_000
RANK, SWEEPS = 8, 110


def surprise_svd(train: Ratings, test: Ratings) -> np.ndarray:
    """Return predictions of scikit-surprise's SVD with its defaults."""
    from surprise import SVD

    return _by_surprise(SVD(random_state=0), train, test)


def surprise_svdpp(train: Ratings, test: Ratings) -> np.ndarray:
    """Return predictions of scikit-surprise's SVD++ with its defaults."""
    from surprise import SVDpp

    return _by_surprise(SVDpp(random_state=0), train, test)


def _by_surprise(model: object, train: Ratings, test: Ratings) -> np.ndarray:
    import pandas as pd
    from surprise import Dataset, Reader

    frame = pd.DataFrame(train[:, :3], columns=["user", "movie", "rating"])
    data = Dataset.load_from_df(frame, Reader(rating_scale=(1, 5))).build_full_trainset()
    model.fit(data)  # type: ignore[attr-defined]
    return np.array([model.predict(u, m).est for u, m in test[:, :2]])  # type: ignore[attr-defined]


def myfm(train: Ratings, test: Ratings) -> np.ndarray:
    """Return predictions of myFM's Bayesian factorisation machine on users and movies."""
    return _by_myfm(train, test, knows_who_rated=False)


def myfm_who_rated(train: Ratings, test: Ratings) -> np.ndarray:
    """Return the same with who rated what: each user's movies and each movie's users in train."""
    return _by_myfm(train, test, knows_who_rated=True)


def _by_myfm(train: Ratings, test: Ratings, *, knows_who_rated: bool) -> np.ndarray:
    from myfm import MyFMRegressor, RelationBlock

    sizes = NUM_USERS, NUM_MOVIES
    ones = sparse.csr_matrix((np.ones(len(train)), (train[:, 0] - 1, train[:, 1] - 1)), shape=sizes)
    tables, groups = [], []
    for size, rated in zip(sizes, (ones, ones.T.tocsr()), strict=True):
        parts = [sparse.identity(size, format="csr")]
        if knows_who_rated:
            counts = np.asarray(rated.sum(axis=1)).ravel()
            parts.append(sparse.diags(1 / np.sqrt(np.maximum(counts, 1))) @ rated)
        tables.append(sparse.hstack(parts, format="csr"))
        groups += [part.shape[1] for part in parts]
    blocks = [
        [RelationBlock(rows[:, side].astype(np.int64) - 1, tables[side]) for side in (0, 1)]
        for rows in (train, test)
    ]
    nothing = [sparse.csr_matrix((len(rows), 0)) for rows in (train, test)]
    model = MyFMRegressor(rank=RANK, random_seed=0)
    model.fit(
        *(nothing[0], train[:, 2], blocks[0]),
        n_iter=SWEEPS,
        n_kept_samples=SWEEPS - 10,
        group_shapes=groups,
    )
    return np.clip(model.predict(nothing[1], blocks[1]), 1, 5)


PEERS: dict[str, Callable[[Ratings, Ratings], np.ndarray]] = {
    one.__name__: one for one in (surprise_svd, surprise_svdpp, myfm, myfm_who_rated)
}


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--ratings", type=Path, default=Path("data/movielens-100k/u.data"))
    parser.add_argument("--folds", default="1,2,3,4,5")
    parser.add_argument("--peers", default=",".join(PEERS))
    parser.add_argument("--work", type=Path, default=Path("runs/compare"))
    arguments = parser.parse_args()
    rows = np.loadtxt(arguments.ratings, dtype=np.int64)
    folds = [int(fold) for fold in arguments.folds.split(",")]
    found: dict[str, dict[str, object]] = {}
    for name in arguments.peers.split(","):
        rmse, seconds = {}, []
        for fold in folds:
            place = slice((fold - 1) * FOLD_ROWS, fold * FOLD_ROWS)
            test, train = rows[place], np.delete(rows, place, axis=0)
            started = time.perf_counter()
            predicted = PEERS[name](train, test)
            seconds.append(time.perf_counter() - started)
            rmse[fold] = float(np.sqrt(np.mean((predicted - test[:, 2]) ** 2)))
        found[name] = {"rmse": rmse, "seconds": seconds}
        each = "  ".join(f"{value:.4f}" for value in rmse.values())
        mean, took = statistics.fmean(rmse.values()), statistics.median(seconds)
        print(f"{name:16}{each}  mean {mean:.4f}  {took:.1f} s a fold", flush=True)
    packages = {name: version(name) for name in ("scikit-surprise", "myfm")}
    arguments.work.mkdir(parents=True, exist_ok=True)
    file = arguments.work / "peers.json"
    file.write_text(json.dumps({"versions": packages, "peers": found}, indent=1))
    print(f"written to {file}", file=sys.stderr)
    return 0


if __name__ == "__main__":
    sys.exit(main())
