"""A run with a fitted model of every kind, for the stages that use models."""

from __future__ import annotations

import dataclasses
import shutil
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pytest
import torch
from pyspark.sql import SparkSession

from recspark.arrays.user_buckets import Shard
from recspark.config import AlsConfig, BaselineConfig, Config, CosineUserConfig, PrepareConfig
from recspark.contract import catalog
from recspark.contract.paths import MODEL_CARD, RunPaths
from recspark.datasets.manifest import read_manifest, require_manifest
from recspark.datasets.step import Step
from recspark.files import json_files
from recspark.models.spec import ModelSpec
from recspark.models.target import Target
from recspark.saved import weights
from recspark.stages import baseline
from tests.baselines import dense
from tests.runs import write_prepared
from tests.stages.fitted import (
    BLEND_INTERCEPT,
    BLEND_WEIGHTS,
    NUM_BUCKETS,
    NUM_MOVIES,
    NUM_USERS,
    TEST,
    TRAIN,
    VALID,
    Fitted,
    mf_tables,
)


@pytest.fixture(scope="session")
def fitted(spark: SparkSession, tmp_path_factory: pytest.TempPathFactory) -> Fitted:
    """A run with bias, als, cosine_user, and a biased_mf and a blend of known weights."""
    root = str(tmp_path_factory.mktemp("fitted"))
    config = Config(name="t", run_dir=root, prepare=PrepareConfig(num_buckets=NUM_BUCKETS))
    write_prepared(
        spark,
        config,
        train=dense.cells(TRAIN),
        valid=VALID,
        test=TEST,
        num_users=NUM_USERS,
        num_movies=NUM_MOVIES,
    )
    configs = {"biased_mf": config}
    for name in ("bias", "als", "cosine_user"):
        settings = BaselineConfig(
            algorithm=name,  # type: ignore[arg-type]
            cosine_user=CosineUserConfig(num_neighbors=4, block_users=3),
            als=AlsConfig(embedding_size=3, epochs=3, shrinkage=5),
        )
        configs[name] = dataclasses.replace(config, baseline=settings)
        baseline.run(configs[name], name, spark)
    write_biased_mf(config)
    write_blend(config)
    return Fitted(config, {**configs, "blend": config})


@pytest.fixture
def copied(fitted: Fitted, tmp_path: Path) -> Fitted:
    """A copy of the run, to damage."""
    shutil.copytree(fitted.config.root, tmp_path / "run")
    return fitted.at(str(tmp_path / "run"))


def write_biased_mf(config: Config) -> None:
    """Publish a model like the train stage, with random weights."""
    paths = RunPaths(config.root)
    users, movies = (torch.from_numpy(table) for table in mf_tables())
    seen_users = torch.from_numpy(~np.isnan(TRAIN).all(axis=1))
    seen_movies = torch.from_numpy(~np.isnan(TRAIN).all(axis=0))
    target = Target(kind="standardized", mean=3.0, std=0.5)
    spec = ModelSpec(num_movies=NUM_MOVIES, embedding_size=4, target=target)
    step = Step(
        "train",
        {},
        {"train": require_manifest(paths.train, catalog.TRAIN).id},
        [paths.model("biased_mf")],
    )
    with step:
        folder = step.staging(step.outputs[0])
        shard = Shard(num_users=NUM_USERS, num_buckets=NUM_BUCKETS, rank=0, num_ranks=1)
        order = torch.cat([torch.arange(b, NUM_USERS, NUM_BUCKETS) for b in range(NUM_BUCKETS)])
        weights.save_users(folder, shard, users[order], seen_users[order])
        weights.save_movies(folder, {"movies": movies}, seen_movies)
        card = {"architecture": "biased_mf", "spec": spec.to_card()}
        json_files.write_json(f"{folder}/{MODEL_CARD}", card)
        step.publish(step.outputs[0], None)


def write_blend(config: Config, weights: Mapping[str, float] = BLEND_WEIGHTS) -> None:
    """Publish a blend like the blend stage, with given weights."""
    paths = RunPaths(config.root)
    inputs = {f"models/{name}": paths.model(name) for name in weights}
    inputs |= {"fallback": paths.model("bias"), "train": paths.train}
    ids = {name: found.id for name, path in inputs.items() if (found := read_manifest(path))}
    card = {
        "algorithm": "blend",
        "intercept": BLEND_INTERCEPT,
        "scale": [1, 5],
        "members": [{"model": name, "weight": weight} for name, weight in weights.items()],
    }
    step = Step("blend", {}, ids, [paths.model("blend")])
    with step:
        json_files.write_json(f"{step.staging(step.outputs[0])}/{MODEL_CARD}", card)
        step.publish(step.outputs[0], None, card)
