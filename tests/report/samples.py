"""Findings for the page without a run, written by hand or drawn with a seed."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from recspark.contract.paths import RunPaths
from recspark.datasets.manifest import Manifest
from recspark.evaluation import slices
from recspark.evaluation.leaderboard import rank_models
from recspark.evaluation.list_figures import METRICS
from recspark.report.co_rated import Neighbors
from recspark.report.embedding import Embedding
from recspark.report.examples import Example, Listed
from recspark.report.findings import Findings
from recspark.report.histories import Training
from recspark.report.inventory import Inventory
from recspark.report.leaderboards import Board, Leaderboards, ListsBoard
from recspark.report.movies import Movies
from tests.explore import samples as ratings
from tests.runs import prepared_counts

HOSTILE = "</script><img src=x onerror=\"alert(1)\"> & 'Don't' <script>alert(2)</script>"
NUM_MOVIES = 60
NUM_ROWS = 20_000


def manifest(stage: str, id_: str, **values: Any) -> Manifest:
    """Return a manifest with small, plain values for everything that is not given."""
    return Manifest(
        **{
            "stage": stage,
            "id": id_,
            "run": f"r-{id_}",
            "fingerprint": f"f-{id_}",
            "num_rows": 0,
            "columns": {},
            "partition_rows": {},
            "counts": {},
            "settings": {},
            "inputs": {},
            "versions": {"recspark": "0.1.0"},
            "seconds": 2.5,
            "peak_memory_bytes": 2**30,
            "memory_measure": "proportional",
            "created_at": "2026-01-02T03:04:05+00:00",
            **values,
        }
    )


def make_inventory(models: Sequence[str] = ("bias", "mf"), **more: Manifest) -> Inventory:
    """Return a prepared run with these models. `mf` is a trained model, the others baselines."""
    counts = prepared_counts(num_movies=NUM_MOVIES)
    raw = {"path": "/raw/u.data", "size": 1234, "modified": "5.5"}
    found = {
        "ratings": manifest("ingest", "i", num_rows=400, raw_files=[raw]),
        "movies": manifest("ingest", "i", num_rows=NUM_MOVIES),
        "train": manifest("prepare", "p", counts=counts, settings={"split": "random", "seed": 1}),
        "valid": manifest("prepare", "p", num_rows=800, counts=counts),
        "test": manifest("prepare", "p", num_rows=NUM_ROWS, counts=counts),
    }
    for name in models:
        fitted = manifest(
            "train" if name == "mf" else "baseline",
            f"m-{name}",
            inputs={"train": "p"},
            counts={"architecture": "biased_mf", "best_epoch": 3} if name == "mf" else {},
            settings={"algorithm": name},
        )
        scored = {"model": f"m-{name}", "test": "p"}
        found[f"models/{name}"] = fitted
        found[f"predictions/{name}"] = manifest("score", f"s-{name}", inputs=scored)
    return Inventory(RunPaths("/runs/small"), {**found, **more})


def make_metrics(name: str, seed: int, noise: float = 1.0, **values: Any) -> dict[str, Any]:
    """Return the content of `metrics/<name>.json`, with slices and calibration of random rows."""
    draw = np.random.default_rng(seed)
    rating = draw.integers(1, 6, NUM_ROWS).astype(np.float32)
    prediction = np.clip(rating + noise * draw.normal(size=NUM_ROWS), 1, 5).astype(np.float32)
    rows = slices.measure_rows(rating, prediction)
    keys = {
        slices.USER_ACTIVITY: slices.support_key(draw.integers(1, 90, NUM_ROWS)),
        slices.MOVIE_POPULARITY: slices.support_key(draw.integers(0, 3000, NUM_ROWS)),
        slices.RATING_VALUE: slices.rating_key(rating),
        slices.MONTH: slices.month_key(
            86_400 * draw.integers(12_000, 12_900, NUM_ROWS).astype(np.int32)
        ),
        slices.CALIBRATION: slices.calibration_key(prediction),
    }
    groups: dict[str, slices.Groups] = {
        slices.FALLBACKS: {slices.MODEL: rows[:, :-10].sum(1), "user_effect": rows[:, -10:].sum(1)}
    }
    for slice_name, key in keys.items():
        groups[slice_name] = {}
        slices.add_rows(groups[slice_name], key, rows)
    error = (prediction - rating).astype(float)
    rmse = float(np.sqrt((error**2).mean()))
    return {
        "model": name,
        "protocol": "small; split random 0.1",
        "predictions": f"s-{name}",
        "seconds": 3.5,
        "num_rows": NUM_ROWS,
        "num_users": 400,
        "rmse": rmse,
        "rmse_interval": [rmse - 0.02, rmse + 0.02],
        "mae": float(np.abs(error).mean()),
        "coverage": 0.98,
        "num_fallbacks": 10,
        "cuts": {
            slice_name: slices.list_groups(groups, slice_name)
            for slice_name in groups
            if slice_name != slices.CALIBRATION
        },
        "calibration": slices.list_groups(groups, slices.CALIBRATION),
        "bootstrap": {
            "level": 0.95,
            "resamples": 3,
            "seed": 1,
            "rmse": [rmse - 0.01, rmse, rmse + 0.01],
        },
        "top_n": None,
        **values,
    }


def make_board(best: str = "mf") -> Board:
    """Return a leaderboard of `best` before `bias`."""
    metrics = [make_metrics(best, 1, 0.7), make_metrics("bias", 2)]
    return Board(rank_models(metrics), {one["model"]: one for one in metrics})


def make_list_row(model: str, ndcg: float, **values: Any) -> dict[str, Any]:
    """Return a row of `lists.json` without comparisons; each figure follows from the NDCG."""
    figures = {
        name: ndcg * part
        for name, part in zip(METRICS, (0.5, 0.6, 0.7, 1.0, 0.4, 1.2, 1.5), strict=True)
    }
    spread = {f"{name}_std": value for name, value in figures.items()}
    return {
        "model": model,
        "protocol": "small; first 10 of the unrated movies; relevant ≥ 4",
        "test": "p",
        "recommendations": f"r-{model}",
        "k": 10,
        "relevant_rating": 4.0,
        "num_lists": 400,
        "num_users": 380,
        "num_users_without_list": 3,
        "unmeasured": None,
        **figures,
        "intervals": {"ndcg": [ndcg - 0.02, ndcg + 0.02], "recall": [0.1, 0.2]},
        "catalogue_coverage": ndcg,
        "novelty": 3.5,
        "concentration": 1 - ndcg,
        "popularity_lift": 1.25,
        "diversity": 0.75,
        "diversity_by": "genres",
        "by_length": [{"k": 10, **figures}, {"k": 5, **dict.fromkeys(METRICS, ndcg / 2)}],
        "by_activity": [
            {"from": low, "to": 2 * low - 1, "num_users": users, **figures, **spread, "ndcg": value}
            for low, users, value in zip(
                (8, 16, 32, 64, 128, 256),
                (20, 200, 160, 150, 120, 90),
                (ndcg, ndcg / 2, 2 * ndcg, 1.7 * ndcg, 1.2 * ndcg, 0.8 * ndcg),
                strict=True,
            )
        ],
        "versus": {},
        **values,
    }


def versus(difference: float, half: float = 0.01) -> dict[str, Any]:
    """Return a comparison of two models' lists."""
    low, high = difference - half, difference + half
    one = {"difference": difference, "low": low, "high": high, "is_tie": low <= 0 <= high}
    return {"ndcg": one, "recall": one}


def make_lists_board() -> ListsBoard:
    """Return lists of `mf`, better than those of popularity, and of `bias`, worse than them."""
    rows = [
        make_list_row("mf", 0.3, versus={"popularity": versus(0.1)}),
        make_list_row("popularity", 0.2, versus={"best": versus(-0.1)}, recommendations=None),
        make_list_row("bias", 0.1, versus={"best": versus(-0.2), "popularity": versus(-0.1)}),
    ]
    return ListsBoard(rows)


def make_training(model: str = "mf", num_epochs: int = 6, first: float = 1.2) -> Training:
    """Return a history whose RMSE falls from `first`. The fourth epoch was kept."""
    epochs = [
        {
            "epoch": epoch,
            "train_rmse": first if not epoch else 1.0 - 0.05 * epoch,
            "valid_rmse": 1.0 - 0.02 * epoch,
            "learning_rate": 0.01,
            "ratings_per_second": 1000 + epoch,
            "seconds": 0.5,
        }
        for epoch in range(num_epochs)
    ]
    return Training(model, "biased_mf", epochs, min(3, num_epochs - 1), 4.5)


def make_movies() -> Movies:
    """Return movies; the most rated one has the hostile title."""
    return Movies(
        ids=list(range(100, 100 + NUM_MOVIES)),
        num_ratings=np.arange(NUM_MOVIES, 0, -1).astype(np.int64) * 3,
        labels=[HOSTILE, *(f"Film {number} (1999)" for number in range(1, NUM_MOVIES))],
    )


def make_embedding() -> Embedding:
    """Return an embedding of the fifty most rated movies."""
    vectors = np.random.default_rng(3).normal(size=(50, 4)).astype(np.float32)
    return Embedding("mf", np.arange(50), vectors)


def make_findings() -> Findings:
    """Return complete findings."""
    found = ratings.make_ratings()
    example = Example(
        user_id=7,
        num_ratings=33,
        liked=[(HOSTILE, 5.0), ("Film 2 (1999)", 4.5)],
        listed=[
            Listed("Film 3 (1999)", 4.91, 4.0, [(HOSTILE, 0.5), ("Film 2 (1999)", 0.25)]),
            Listed(HOSTILE, 4.2, None),
        ],
        popular=[Listed("Film 9 (1999)", 123.0, None)],
    )
    return Findings(
        name="small <b>run</b>",
        inventory=make_inventory(),
        leaderboards=Leaderboards([make_board()]),
        trainings=[make_training()],
        lists=make_lists_board(),
        statistics=ratings.make_statistics(found, {1: HOSTILE, 2: "Plain"}),
        movies=make_movies(),
        embedding=make_embedding(),
        co_rated=Neighbors("ease", {0: [(4, 0.75), (2, 0.5)], 1: [(3, 0.25)]}),
        min_ratings=3,
        lists_model="mf",
        examples=[example],
    )
