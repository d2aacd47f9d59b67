"""The pipeline on a real cluster: through scripts/submit.sh, the same rows as in local mode."""

from __future__ import annotations

import json
import re
import sys
import tarfile
from datetime import datetime
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from recspark.contract.paths import RunPaths
from recspark.datasets.manifest import read_manifest
from tests.cluster.conftest import Cluster, run
from tests.cluster.faults import started

pytestmark = pytest.mark.cluster

MODELS = ["bias", "cosine_user", "als", "biased_mf"]
PREPARED = ["ratings", "movies", "rejects", "user_index", "movie_index", "train", "valid", "test"]


@pytest.fixture(scope="module")
def runs(cluster: Cluster, raw: Path) -> tuple[RunPaths, RunPaths]:
    """The same pipeline in local mode and on the cluster, both with two ranks."""
    local, clustered = raw.parent / "local", raw.parent / "clustered"
    words = ("--config", str(raw), "--run_dir")
    done = run(sys.executable, "jobs/pipeline.py", *words, local)
    assert done.returncode == 0, done.stderr
    done = cluster.submit("pipeline", *words, str(clustered))
    assert done.returncode == 0, done.stderr + done.stdout
    # The master's log shows that it was not a local run.
    assert "recspark pipeline tiny" in (cluster.folder / "master.log").read_text()
    return RunPaths(str(local)), RunPaths(str(clustered))


def rows(path: str) -> list[tuple[object, ...]]:
    """Return a data set's rows, sorted; partition columns are part of a row."""
    # By glob: the manifest beside the files is not Parquet.
    tables = [
        pq.read_table(file, partitioning="hive").select(sorted(pq.read_schema(file).names))
        for file in sorted(Path(path).rglob("*.parquet"))
    ]
    return sorted(tuple(row.values()) for table in tables for row in table.to_pylist())


@pytest.mark.parametrize("name", PREPARED)
def test_data_sets_equal_those_of_local_mode(runs: tuple[RunPaths, RunPaths], name: str) -> None:
    local, clustered = (rows(getattr(paths, name)) for paths in runs)
    assert local or name == "rejects"
    assert local == clustered


def test_partitions_equal_those_of_local_mode(runs: tuple[RunPaths, RunPaths]) -> None:
    for name in ("ratings", "train", "valid", "test"):
        local, clustered = (read_manifest(getattr(paths, name)) for paths in runs)
        assert local is not None
        assert clustered is not None
        assert local.partition_rows == clustered.partition_rows
        assert local.counts == clustered.counts


@pytest.mark.parametrize("model", MODELS)
def test_figures_equal_those_of_local_mode(runs: tuple[RunPaths, RunPaths], model: str) -> None:
    local, clustered = (json.loads(Path(paths.metrics(model)).read_text()) for paths in runs)
    assert local["num_rows"] == clustered["num_rows"] > 300
    assert clustered["rmse"] == pytest.approx(local["rmse"], abs=0.001)
    assert clustered["num_fallbacks"] == local["num_fallbacks"]


def test_second_submission_finds_everything_done(
    runs: tuple[RunPaths, RunPaths], cluster: Cluster, raw: Path
) -> None:
    before = read_manifest(runs[1].train)
    done = cluster.submit("prepare", "--config", str(raw), "--run_dir", runs[1].root)
    assert done.returncode == 0, done.stderr
    assert read_manifest(runs[1].train) == before


def test_library_travels_and_every_rank_gets_its_gpu(cluster: Cluster, tmp_path: Path) -> None:
    """The code that submit.sh ships is what runs, in Spark's workers and in training processes.

    The environment is a stand-in for a packed one, of gigabytes: an interpreter that tells where it
    was unpacked, and is the tests' own.
    """
    python = tmp_path / "python"
    python.write_text(f'#!/bin/sh\nSHIPPED="$0" exec {sys.executable} "$@"\n')
    python.chmod(0o755)
    packed = tmp_path / "env.tar.gz"
    with tarfile.open(packed, "w:gz") as archive:
        archive.add(python, "bin/python")
    words = ["--environment", packed, "--gpus", "1", "--cores", "1", "--memory", "1g"]
    # What a Worker hands down does not say which GPU Spark gave to a task.
    words += ["--conf", "spark.executorEnv.CUDA_VISIBLE_DEVICES=7"]
    # A dry run does not create it, and an old one may exist.
    assert run(sys.executable, "scripts/zip_library.py", "build/recspark.zip").returncode == 0
    shown = run("scripts/submit.sh", *words, "--dry-run", cluster.url, "train").stdout.split()
    probe = Path(__file__).with_name("probe.py")
    done = run(*shown[:-1], probe, tmp_path, SPARK_CONF_DIR=str(cluster.folder / "conf"))
    assert done.returncode == 0, done.stderr + done.stdout
    tasks = json.loads((tmp_path / "tasks.json").read_text())
    ranks = json.loads((tmp_path / "ranks.json").read_text())
    for one in [*tasks, *ranks]:
        assert one["library"].endswith("recspark.zip/recspark/__init__.pyc")
        assert one["environment"].endswith("environment/bin/python")
    assert [one["has_broadcast"] for one in tasks] == [True, True]
    assert sorted(one["gpus"] for one in ranks) == ["3", "5"]


def test_too_few_slots_end_with_a_clear_message_within_a_minute(
    runs: tuple[RunPaths, RunPaths], cluster: Cluster, raw: Path
) -> None:
    words = ["--models", "biased_mf", "--train.num_ranks", "3", "--force"]
    done = cluster.submit("train", "--config", str(raw), "--run_dir", runs[1].root, *words)
    said = done.stderr + done.stdout
    assert done.returncode == 6, said
    assert "found fewer free task slots than 3 ranks" in said
    assert "Lower train.num_ranks" in said
    assert "Traceback" not in said
    start, end = (
        datetime.strptime(found, "%H:%M:%S")
        for found in re.findall(r"^\S+ (\S+) \w+ \S+ train(?:: start| failed)", said, re.M)
    )
    assert (end - start).seconds < 60
    assert read_manifest(runs[1].model("biased_mf")) is not None  # the earlier model stays
    assert not list(Path(runs[1].root, "models").glob(".*"))


def test_a_wait_for_executors_that_no_worker_has_room_for_is_not_silent(
    cluster: Cluster, raw: Path, tmp_path: Path
) -> None:
    wanted = ["executor.resource.gpu.amount=2", "task.resource.gpu.amount=1", "task.cpus=1"]
    conf = [f"--conf=spark.{one}" for one in wanted]
    words = [*conf, "ingest", "--config", str(raw), "--run_dir", str(tmp_path / "run")]
    with started(*cluster.command(*words), **cluster.settings) as job:
        job.wait_for_line("Initial job has not accepted any resources", 120)
        assert "sufficient resources" in job.said
