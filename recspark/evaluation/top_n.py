"""Figures of the top-N lists of any number of models, in one pass over their entries.

`measure_lists` returns for each model (`top_n` in `metrics/<model>.json`, and, without `bootstrap`,
a row of `lists.json`):

    k, relevant_rating       ranks that count; lowest rating that makes a movie relevant
    num_lists                users with a list
    num_users                users with a list and a relevant movie: figures are means over them
    num_users_without_list   users with a relevant movie and no list
    unmeasured               why there are no figures, else null
    precision … hit_rate     see `recspark.evaluation.list_figures`, at k
    intervals                of ndcg and recall: [low, high], 95 % of the resamples of the users
    by_length                the figures at each length, `k` first
    by_activity              by ratings in train, `from` – `to`: num_users, and for each figure its
                             mean and, as `<figure>_std`, its standard deviation over users
    catalogue_coverage, novelty, concentration, popularity_lift, diversity, diversity_by
                             see `recspark.evaluation.variety`; over all lists, cut at k
    versus                   by the other model, `best` and `popularity`: for ndcg and recall the
                             difference, low, high and is_tie, over the users whom both count
    bootstrap                resamples, seed, level, and the figures in each resample
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import asdict
from typing import Any

import numpy as np
from pyspark.sql import SparkSession

from recspark.cluster.tasks import broadcast, spread
from recspark.errors import DataError, describe
from recspark.evaluation import bootstrap, slices
from recspark.evaluation.list_bootstrap import Pair, Resampled, resample_lists
from recspark.evaluation.list_figures import METRICS
from recspark.evaluation.list_sums import (
    COMPARED,
    Entries,
    ListFrame,
    ListSums,
    divide_file,
    no_sums,
    sum_lists,
)
from recspark.evaluation.variety import summarise
from recspark.evaluation.yardstick import YARDSTICK
from recspark.files import parquet

Figures = dict[str, Any]


def measure_lists(
    spark: SparkSession,
    lists: Mapping[str, str],
    frame: ListFrame,
    *,
    num_resamples: int,
) -> dict[str, Figures]:
    """Return the figures of each model's lists, and of the yardstick, best first.

    Sums are added in the order of the buckets, so no figure depends on the number of tasks.

    Args:
        spark: The session whose tasks measure.
        lists: Model to the path of its lists.
        frame: What the lists are measured against.
        num_resamples: Bootstrap resamples of the users.

    Raises:
        DataError: A list has an unknown id, or the same rank or movie twice.
    """
    sums = _sum(spark, lists, frame)
    for name, path in lists.items():
        _require_sound(path, sums[name])
    figures = {name: _figures(one, frame) for name, one in sums.items()}
    ranked = sorted(figures, key=lambda name: (-(figures[name]["ndcg"] or 0.0), name))
    measured = {name: sums[name] for name in ranked if len(sums[name].users)}
    if measured:
        pairs = list(_pairs(measured))
        resampled = resample_lists(spark, measured, pairs, num_resamples, frame.seed)
        best = next(iter(measured))
        for name in measured:
            figures[name] |= _intervals(name, resampled, num_resamples, frame.seed)
            figures[name]["versus"] = {
                key: {on: _describe(one) for on, one in resampled.compare(name, other).items()}
                for key, other in (("best", best), (YARDSTICK, YARDSTICK))
                if (name, other) in pairs
            }
    return {name: figures[name] for name in ranked}


def _sum(spark: SparkSession, lists: Mapping[str, str], frame: ListFrame) -> dict[str, ListSums]:
    work = [(name, file) for name, path in lists.items() for file in parquet.parquet_files(path)]
    names = list(lists)
    with broadcast(spark.sparkContext, frame) as shared:

        def divide(item: tuple[str, str]) -> Iterator[tuple[int, Entries]]:
            return divide_file(*item, shared.value)

        def add(bucket: int, found: Iterable[tuple[int, Entries]]) -> list[dict[str, ListSums]]:
            return [sum_lists(bucket, (entries for _, entries in found), names, shared.value)]

        by_bucket = (
            spread(spark, work, len(work))
            .flatMap(divide)
            .partitionBy(frame.num_buckets, int)  # so that a partition is a bucket
            .mapPartitionsWithIndex(add)
            .collect()
        )
    total = {name: no_sums(frame) for name in by_bucket[0]}
    for part in by_bucket:
        for name, sums in part.items():
            total[name].add(sums)
    return total


def _require_sound(path: str, sums: ListSums) -> None:
    faults = []
    if sums.num_unknown:
        faults.append(f"{sums.num_unknown:,} rows with ids that are not in the index")
    if sums.num_faults:
        faults.append(f"{sums.num_faults:,} rows that repeat a rank or a movie, or have no rank")
    if faults:
        raise DataError(
            describe(
                path,
                found=" and ".join(faults),
                expected="lists of indexed movies for indexed users, each rank and movie once",
                remedy="Run jobs/recommend.py with --force for this model.",
            )
        )


def _pairs(measured: Mapping[str, ListSums]) -> Iterator[Pair]:
    """Yield each model with the best one and with the yardstick, if some user counts for both."""
    best = next(iter(measured))
    for name, sums in measured.items():
        for other in dict.fromkeys((best, YARDSTICK)):
            if other == name or other not in measured:
                continue
            if np.isin(sums.users, measured[other].users, assume_unique=True).any():
                yield name, other


def _figures(sums: ListSums, frame: ListFrame) -> Figures:
    """Return one model's figures without intervals and comparisons."""
    count = len(sums.users)
    means = {
        length: dict(zip(METRICS, (row / count).tolist(), strict=True))
        if count
        else dict.fromkeys(METRICS)
        for length, row in zip(frame.lengths, sums.sums, strict=True)
    }
    others = [length for length in frame.lengths if length != frame.top_k]
    return {
        "k": frame.top_k,
        "relevant_rating": frame.relevant_rating,
        "num_lists": sums.num_lists,
        "num_users": count,
        "num_users_without_list": sums.num_without,
        "unmeasured": None if count else _why_unmeasured(sums.num_lists, frame.relevant_rating),
        **means[frame.top_k],
        "intervals": dict.fromkeys(COMPARED),
        **summarise(sums.listed, frame.support, frame.num_users),
        "diversity": sums.diversity / sums.num_diverse if sums.num_diverse else None,
        "diversity_by": frame.vectors.made_of,
        "by_length": [{"k": length, **means[length]} for length in (frame.top_k, *others)],
        "by_activity": list_activity(sums.by_activity),
        "versus": {},
        "bootstrap": None,
    }


def list_activity(groups: Mapping[slices.Key, Any]) -> list[Figures]:
    """Return the groups of users by activity, the least active first."""
    found = []
    for key in sorted(groups, key=int):
        (rows, *_), sums, squares = groups[key]
        mean = sums / rows
        std = (squares / rows - mean**2).clip(0) ** 0.5
        one: Figures = {**slices.describe_support(key), "num_users": int(rows)}
        one |= dict(zip(METRICS, mean.tolist(), strict=True))
        one |= {f"{name}_std": value for name, value in zip(METRICS, std.tolist(), strict=True)}
        found.append(one)
    return found


def _intervals(name: str, resampled: Resampled, num_resamples: int, seed: int) -> Figures:
    drawn = resampled.resampled[name, name]
    return {
        "intervals": {
            metric: list(bootstrap.interval(drawn[:, at])) for at, metric in enumerate(COMPARED)
        },
        "bootstrap": {
            "unit": "user",
            "level": bootstrap.LEVEL,
            "resamples": num_resamples,
            "seed": seed,
            **{metric: drawn[:, at].tolist() for at, metric in enumerate(COMPARED)},
        },
    }


def _describe(comparison: bootstrap.Comparison) -> Figures:
    return {**asdict(comparison), "is_tie": comparison.is_tie}


def _why_unmeasured(num_lists: int, relevant_rating: float | None) -> str:
    if not num_lists:
        return "there are no lists"
    if relevant_rating is None:
        return (
            "all ratings of train are the same, so none of them shows what a user liked; if every "
            "rating does, set evaluate.relevant_rating to it"
        )
    return f"no user with a list has a test rating of {relevant_rating:g} or higher"
