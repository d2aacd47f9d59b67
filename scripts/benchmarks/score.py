"""Measure score and recommend against Spark MLlib on the same factors, alternately, in one run.

    python scripts/benchmarks/score.py score
    python scripts/benchmarks/score.py recommend --repeats 3

Makes a run at the size of the Netflix set once under --work (fabricate.py), then runs each variant
in its own process. Prints rows per second (users per second for recommend), their ratio, CPU
seconds and peak memory. Writes the same as JSON under --work/results. `recommend` also compares the
lists with those of ALSModel, for a sample of users.
"""

from __future__ import annotations

import argparse
import json
import shutil
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path

from common import HERE, JOBS, Usage, from_manifest, from_report, header, print_table, run, save
from yardsticks import report

from recspark.contract.catalog import RECOMMENDATIONS, TEST, TRAIN
from recspark.contract.paths import SPARK_MODEL, RunPaths
from recspark.datasets.manifest import require_manifest

TOP_N = 10
UDF_ROWS = 300_000
SAMPLE_USERS = 500
Measurement = tuple[str, list[str], Callable[[str], tuple[int, float]]]


def session(cores: int):
    """Return a Spark session like that of the jobs."""
    from recspark.cluster.session import create_session
    from recspark.config import SparkConfig

    return create_session(SparkConfig(master=f"local[{cores}]", shuffle_partitions=8), "yardstick")


def als_transform(paths: RunPaths, cores: int, num_users: int) -> None:
    """Run ALSModel.transform on test and write the result as plain Parquet."""
    from pyspark.ml.recommendation import ALSModel

    spark = session(cores)
    started = time.monotonic()
    model = ALSModel.load(f"{paths.model('als')}/{SPARK_MODEL}")
    test = spark.read.parquet(paths.test)
    target = f"{paths.root}/yardstick"
    model.transform(test).write.mode("overwrite").parquet(target)
    seconds = time.monotonic() - started
    report(spark.read.parquet(target).count(), seconds)
    shutil.rmtree(target)


def python_udf(paths: RunPaths, cores: int, num_users: int) -> None:
    """Predict the first rows of test by a row-wise Python UDF over broadcast factors."""
    import numpy as np
    from pyspark.sql import functions as F
    from pyspark.sql.types import FloatType

    from recspark.contract import columns as c
    from recspark.saved.arrays import read_movies, read_users

    spark = session(cores)
    num_buckets = require_manifest(paths.test, TEST).counts["num_buckets"]
    users = [np.array(read_users(paths.model("als"), b)) for b in range(num_buckets)]
    shared = spark.sparkContext.broadcast((users, np.array(read_movies(paths.model("als")))))

    def predict(user: int, movie: int) -> float:
        users, movies = shared.value
        return float(users[user % num_buckets][user // num_buckets] @ movies[movie])

    rows = spark.read.parquet(paths.test).limit(UDF_ROWS).repartition(cores).cache()
    rows.count()
    udf = F.udf(predict, FloatType())
    started = time.monotonic()
    predicted = rows.withColumn(c.PREDICTION, udf(c.USER_INDEX, c.MOVIE_INDEX))
    target = f"{paths.root}/yardstick"
    predicted.write.mode("overwrite").parquet(target)
    seconds = time.monotonic() - started
    report(rows.count(), seconds)
    shutil.rmtree(target)


def als_recommend(paths: RunPaths, cores: int, num_users: int) -> None:
    """Run ALSModel.recommendForUserSubset for `num_users`, or recommendForAllUsers for all."""
    from pyspark.ml.recommendation import ALSModel

    from recspark.contract import columns as c

    spark = session(cores)
    started = time.monotonic()
    model = ALSModel.load(f"{paths.model('als')}/{SPARK_MODEL}")
    known = model.userFactors.count()
    if num_users >= known:
        lists = model.recommendForAllUsers(TOP_N)
    else:
        step = known // num_users
        subset = spark.range(0, num_users * step, step).withColumnRenamed("id", c.USER_INDEX)
        lists = model.recommendForUserSubset(subset, TOP_N)
    target = f"{paths.root}/yardstick"
    lists.write.mode("overwrite").parquet(target)
    seconds = time.monotonic() - started
    report(spark.read.parquet(target).count(), seconds)
    shutil.rmtree(target)


def compare(paths: RunPaths, cores: int, num_users: int) -> None:
    """Print how many lists of a sample equal those of ALSModel without the rated movies."""
    from pyspark.ml.recommendation import ALSModel

    from recspark.contract import columns as c
    from recspark.datasets.manifest import require_manifest
    from recspark.datasets.train_buckets import read_bucket

    spark = session(cores)
    counts = require_manifest(paths.train, TRAIN).counts
    step = counts["num_users"] // SAMPLE_USERS
    sample = list(range(0, SAMPLE_USERS * step, step))
    seen: dict[int, set[int]] = {user: set() for user in sample}
    for path in (paths.train, paths.valid):
        for bucket in sorted({user % counts["num_buckets"] for user in sample}):
            columns = read_bucket(path, bucket, [c.USER_INDEX, c.MOVIE_INDEX])
            for user, movie in zip(*(column.tolist() for column in columns), strict=True):
                if user in seen:
                    seen[user].add(movie)
    model = ALSModel.load(f"{paths.model('als')}/{SPARK_MODEL}")
    subset = spark.createDataFrame([(user,) for user in sample], f"{c.USER_INDEX} INT")
    longest = TOP_N + max(map(len, seen.values()))
    ids = [
        dict(spark.read.parquet(path).select(c.INDEX, c.ID).collect())
        for path in (paths.user_index, paths.movie_index)
    ]
    wanted = {}
    for user, entries in model.recommendForUserSubset(subset, longest).collect():
        left = [(movie, score) for movie, score in entries if movie not in seen[user]][:TOP_N]
        wanted[ids[0][user]] = [(ids[1][movie], score) for movie, score in left]
    rows = spark.read.parquet(paths.recommendations("als"))
    rows = rows.where(rows[c.USER_ID].isin(list(wanted))).orderBy(c.USER_ID, c.RANK)
    found: dict[int, list[tuple[int, float]]] = {}
    for row in rows.collect():
        found.setdefault(row[c.USER_ID], []).append((row[c.MOVIE_ID], row[c.SCORE]))
    same = sum([m for m, _ in found[u]] == [m for m, _ in wanted[u]] for u in wanted)
    gap = max(
        abs(one[1] - two[1])
        for user in wanted
        for one, two in zip(found[user], wanted[user], strict=True)
    )
    print(json.dumps({"users": len(wanted), "same_lists": same, "largest_score_gap": gap}))


YARDSTICKS = {
    "als_transform": als_transform,
    "python_udf": python_udf,
    "als_recommend": als_recommend,
    "compare": compare,
}


def measurements(arguments: argparse.Namespace, paths: RunPaths) -> list[Measurement]:
    """Return (name, command, reader of the result): recspark's variants, then the yardsticks."""

    def job(stage: str, model: str, *extra: str) -> list[str]:
        return [
            *(sys.executable, str(JOBS / f"{stage}.py"), "--name", "benchmark"),
            *("--run_dir", paths.root, "--models", model, "--force"),
            *("--spark.master", f"local[{arguments.cores}]", *extra),
        ]

    def yardstick(way: str) -> list[str]:
        return [
            *(sys.executable, str(HERE / "score.py"), way, "--work", str(arguments.work)),
            *("--cores", str(arguments.cores), "--num_users", str(arguments.num_users)),
            *("--num_pairs", str(arguments.num_pairs)),
        ]

    def users_of(path: str) -> Callable[[str], tuple[int, float]]:
        def read(_: str) -> tuple[int, float]:
            manifest = require_manifest(path, RECOMMENDATIONS)
            return manifest.counts["lists"], manifest.seconds

        return read

    if arguments.stage == "score":
        return [
            ("recspark als", job("score", "als"), from_manifest(paths.predictions("als"))),
            (
                "recspark biased_mf",
                job("score", "biased_mf"),
                from_manifest(paths.predictions("biased_mf")),
            ),
            ("ALSModel.transform", yardstick("als_transform"), from_report),
            ("row-wise Python UDF", yardstick("python_udf"), from_report),
        ]
    return [
        (
            f"recspark {model}",
            job("recommend", model, "--recommend.models", model, "--recommend.top_n", str(TOP_N)),
            users_of(paths.recommendations(model)),
        )
        for model in ("als", "biased_mf")
    ] + [("ALSModel.recommendFor…", yardstick("als_recommend"), from_report)]


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("stage", choices=["score", "recommend", *YARDSTICKS])
    parser.add_argument("--num_pairs", type=int, default=20_000_000)
    parser.add_argument(
        "--num_users", type=int, default=48_000, help="for ALSModel.recommendForUserSubset"
    )
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--cores", type=int, default=2, help="Spark's local cores")
    parser.add_argument("--work", type=Path, default=Path("runs/benchmark"))
    parser.add_argument("--only", nargs="*", help="only variants whose names begin with these")
    arguments = parser.parse_args()
    work = arguments.work.resolve()
    run_dir = work / f"scored-{arguments.num_pairs}"
    paths = RunPaths(str(run_dir))
    if arguments.stage in YARDSTICKS:
        YARDSTICKS[arguments.stage](paths, arguments.cores, arguments.num_users)
        return 0
    if not run_dir.exists():
        print("fabricating a run …", file=sys.stderr)
        command = [sys.executable, str(HERE / "fabricate.py"), str(run_dir)]
        subprocess.run([*command, "--num_pairs", str(arguments.num_pairs)], check=True)
    ways = measurements(arguments, paths)
    if arguments.only:
        ways = [way for way in ways if way[0].startswith(tuple(arguments.only))]
    names = [name for name, _, _ in ways]
    runs: dict[str, list[Usage]] = {name: [] for name in names}
    arguments.num_ratings = arguments.num_pairs
    head = header(arguments)
    for number in range(arguments.repeats):
        for name, command, result in ways:
            runs[name].append(run(command, result))
            print(f"run {number + 1}: {name} {runs[name][-1].work_seconds:.1f} s", file=sys.stderr)
    if arguments.stage == "recommend" and not arguments.only:
        command = [sys.executable, str(HERE / "score.py"), "compare"]
        command += ["--work", str(work), "--num_pairs", str(arguments.num_pairs)]
        out = subprocess.run(command, check=True, capture_output=True, text=True).stdout
        head["same_answers"] = json.loads(out.strip().splitlines()[-1])
    print(json.dumps(head, indent=1))
    print_table(names, runs)
    record = {name: [asdict(usage) for usage in usages] for name, usages in runs.items()}
    save(work, f"{arguments.stage}-{arguments.num_pairs}", head | {"runs": record})
    return 0


if __name__ == "__main__":
    sys.exit(main())
