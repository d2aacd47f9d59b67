"""Write a synthetic run at the size of the Netflix set: indexes, ratings and ALS factors.

    python scripts/benchmarks/fabricate.py RUN_DIR --num_pairs 20000000

The benchmarks of score and recommend use this run, because their speed depends on the number of
rows and not on the values. The factors are saved in MLlib's own layout and as the arrays that
recspark memory-maps. `biased_mf` has the same factors, in the form that jobs/train.py writes.
"""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import torch
from common import prepared_counts

from recspark.arrays.user_buckets import Shard
from recspark.baselines import als
from recspark.cluster.session import create_session
from recspark.config import SparkConfig
from recspark.contract import columns as c
from recspark.contract import schemas
from recspark.contract.catalog import TRAIN
from recspark.contract.paths import MODEL_CARD, SPARK_MODEL, RunPaths
from recspark.contract.schemas import IdTypes
from recspark.datasets.manifest import require_manifest
from recspark.datasets.step import Output, Step
from recspark.files import json_files
from recspark.models.spec import ModelSpec
from recspark.models.target import Target
from recspark.saved import weights
from recspark.stages import baseline

NUM_USERS, NUM_MOVIES, NUM_BUCKETS, FACTORS = 480_189, 17_770, 64, 64


def write(table: pa.Table, path: str) -> None:
    Path(path).parent.mkdir(parents=True, exist_ok=True)
    pq.write_table(table, path)


def write_splits(paths: RunPaths, num_pairs: int) -> None:
    """Write indexes, train and test with `num_pairs` distinct pairs each, and a small valid."""
    splits = {
        paths.train: (schemas.TRAIN, num_pairs, 1),
        paths.valid: (schemas.VALID, num_pairs // 100, 2),
        paths.test: (schemas.TEST, num_pairs, 3),
    }
    indexes = {
        paths.user_index: (schemas.USER_INDEX, NUM_USERS),
        paths.movie_index: (schemas.MOVIE_INDEX, NUM_MOVIES),
    }
    counts = prepared_counts(NUM_USERS, NUM_MOVIES, NUM_BUCKETS)
    published: list[Output] = []
    with Step("prepare", {}, {}, [*indexes, *splits], True) as step:
        for path, (schema, count) in indexes.items():
            index = np.arange(count, dtype=np.int32)
            ids = 7 + index.astype(np.int64)
            table = pa.table({c.ID: ids, c.INDEX: index, c.NUM_RATINGS: count - index})
            write(table, f"{step.staging(path)}/part-0.parquet")
            published.append((path, schema.with_ids(IdTypes()), None))
        for path, (schema, count, seed) in splits.items():
            for bucket in range(NUM_BUCKETS):
                table = random_pairs(count // NUM_BUCKETS, bucket, seed)
                write(table, f"{step.staging(path)}/{c.BUCKET}={bucket}/part-0.parquet")
            published.append((path, schema, counts))
        step.publish_all(published)


def random_pairs(count: int, bucket: int, seed: int) -> pa.Table:
    """Return distinct pairs of one bucket in random order. Movies are skewed as in real data."""
    rng = np.random.default_rng([seed, bucket])
    size = int(count * 1.3)
    users = rng.integers(0, NUM_USERS // NUM_BUCKETS, size) * NUM_BUCKETS + bucket
    movies = (NUM_MOVIES * rng.random(size) ** 3).astype(np.int64)
    keys = np.unique(users * NUM_MOVIES + movies)
    keys = rng.permutation(keys)[:count]
    return pa.table(
        {
            c.USER_INDEX: pa.array(keys // NUM_MOVIES, pa.int32()),
            c.MOVIE_INDEX: pa.array(keys % NUM_MOVIES, pa.int32()),
            c.RATING: pa.array(rng.integers(1, 6, len(keys)), pa.float32()),
            c.RATED_AT: pa.array(rng.integers(950_000_000, 1_123_200_000, len(keys)), pa.int32()),
        }
    )


def write_als(paths: RunPaths, spark, users: np.ndarray, movies: np.ndarray) -> None:
    """Save the factors as MLlib saves an ALSModel, and export them as the baseline stage does."""
    train = require_manifest(paths.train, TRAIN)
    with Step("baseline", {}, {"train": train.id}, [paths.model("als")], True) as step:
        folder = step.staging(paths.model("als"))
        saved = f"{folder}/{SPARK_MODEL}"
        for kind, table in (("userFactors", users), ("itemFactors", movies)):
            for part, rows in enumerate(np.array_split(np.arange(len(table)), 10)):
                lists = pa.FixedSizeListArray.from_arrays(table[rows].ravel(), FACTORS)
                features = lists.cast(pa.list_(pa.float32()))
                columns = {c.ID: pa.array(rows, pa.int32()), "features": features}
                write(pa.table(columns), f"{saved}/{kind}/part-{part:05d}.parquet")
        metadata = {
            "class": "org.apache.spark.ml.recommendation.ALSModel",
            "timestamp": 0,
            "sparkVersion": spark.version,
            "uid": "ALS_fabricated",
            "paramMap": {"userCol": c.USER_INDEX, "itemCol": c.MOVIE_INDEX},
            "defaultParamMap": {
                "coldStartStrategy": "nan",
                "predictionCol": c.PREDICTION,
                "blockSize": 4096,
            },
            "rank": FACTORS,
        }
        Path(saved, "metadata").mkdir()
        Path(saved, "metadata", "part-00000").write_text(json.dumps(metadata))
        sizes = {"num_users": NUM_USERS, "num_movies": NUM_MOVIES, "num_buckets": NUM_BUCKETS}
        als.export(folder, saved, spark, **sizes)
        json_files.write_json(f"{folder}/{MODEL_CARD}", {"algorithm": "als"})
        step.publish(paths.model("als"), None)


def write_biased_mf(paths: RunPaths, users: np.ndarray, movies: np.ndarray) -> None:
    """Write the same factors as a trained model whose biases and mean are 0."""
    train = require_manifest(paths.train, TRAIN)
    with Step("train", {}, {"train": train.id}, [paths.model("biased_mf")], True) as step:
        folder = step.staging(paths.model("biased_mf"))
        shard = Shard(num_users=NUM_USERS, num_buckets=NUM_BUCKETS, rank=0, num_ranks=1)
        order = np.concatenate([np.arange(b, NUM_USERS, NUM_BUCKETS) for b in range(NUM_BUCKETS)])
        rows, table = (
            torch.from_numpy(np.column_stack([part, np.zeros(len(part), np.float32)]))
            for part in (users[order], movies)
        )
        weights.save_users(folder, shard, rows, torch.ones(NUM_USERS, dtype=torch.bool))
        seen = torch.ones(NUM_MOVIES, dtype=torch.bool)
        weights.save_movies(folder, {"movies": table}, seen)
        spec = ModelSpec(num_movies=NUM_MOVIES, embedding_size=FACTORS, target=Target(kind="raw"))
        card = {"architecture": "biased_mf", "spec": spec.to_card()}
        json_files.write_json(f"{folder}/{MODEL_CARD}", card)
        step.publish(paths.model("biased_mf"), None)


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("run_dir", type=Path)
    parser.add_argument("--num_pairs", type=int, default=20_000_000)
    arguments = parser.parse_args()
    paths = RunPaths(str(arguments.run_dir.resolve()))
    write_splits(paths, arguments.num_pairs)
    rng = np.random.default_rng(0)
    # Like those of a fitted model, predictions are around 3.6 with a spread of about 0.6.
    users = rng.normal(0.237, 0.15, (NUM_USERS, FACTORS)).astype(np.float32)
    movies = rng.normal(0.237, 0.15, (NUM_MOVIES, FACTORS)).astype(np.float32)
    spark = create_session(SparkConfig(), "fabricate")
    write_als(paths, spark, users, movies)
    write_biased_mf(paths, users, movies)
    from recspark.config.load import load_model_configs

    argv = ["--name", "benchmark", "--run_dir", str(arguments.run_dir.resolve())]
    [config] = load_model_configs([*argv, "--models", "bias"], "fabricate").values()
    baseline.run(config, "bias", spark)
    spark.stop()
    return 0


if __name__ == "__main__":
    sys.exit(main())
