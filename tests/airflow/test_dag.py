"""The DAG as Airflow runs it, in a separate environment with its own database and spark-submit."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import psutil
import pytest

from recspark.cluster.java import ensure_java
from recspark.contract.paths import RunPaths
from recspark.datasets.manifest import read_manifest
from tests.cluster.conftest import Cluster, cluster, raw
from tests.cluster.faults import leftovers, local, started, succeed
from tests.jobs.test_jobs import write_raw

__all__ = ["cluster", "raw"]  # fixtures

pytestmark = pytest.mark.airflow

ROOT = Path(__file__).resolve().parents[2]
AIRFLOW = ROOT / ".venv-airflow" / "bin"
CONFIG = """
models: [bias]
spark: {{master: "local[2]", driver_memory: 1g, shuffle_partitions: 2}}
ingest: {{format: movielens_100k, ratings: {folder}/u.data, movies: {folder}/u.item}}
prepare: {{split: random, test_fraction: 0.2, valid_fraction: 0.1, num_buckets: 4}}
"""
HISTORY = "models/biased_mf/history.jsonl"
TASKS = [
    *("plan", "each_trained", "ingest", "prepare", "data_gate"),
    *("baseline", "train", "score", "each_blend", "blend"),
    *("each_listed", "recommend", "each_similar", "similar"),
    *("evaluate", "lists_gate", "model_gate", "report"),
]


@dataclass(frozen=True)
class Airflow:
    """An Airflow home with its database."""

    environment: dict[str, str]

    def run(self, *command: str | Path, **more: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [str(word) for word in command],
            capture_output=True,
            text=True,
            cwd=ROOT,
            env={**self.environment, **more},
            timeout=1200,
            check=False,
        )

    def test(self, date: str, params: dict[str, object], **more: str) -> tuple[int, str]:
        """Run the whole DAG for a logical date; return exit code and output."""
        words = ["dags", "test", "recspark", date, "-c", json.dumps(params)]
        done = self.run(AIRFLOW / "airflow", *words, **more)
        return done.returncode, done.stdout + done.stderr


@pytest.fixture(scope="module")
def airflow(tmp_path_factory: pytest.TempPathFactory) -> Airflow:
    subprocess.run(["scripts/airflow_env.sh"], cwd=ROOT, check=True)
    home = tmp_path_factory.mktemp("airflow")
    local = {"conn_type": "spark", "host": "local[2]", "extra": {"deploy-mode": "client"}}
    made = Airflow(
        {
            **os.environ,
            "AIRFLOW_HOME": str(home),
            "AIRFLOW__CORE__DAGS_FOLDER": str(ROOT / "jobs" / "airflow"),
            "AIRFLOW__CORE__LOAD_EXAMPLES": "False",
            "AIRFLOW_CONN_SPARK_DEFAULT": json.dumps(local),
            # What docs/airflow.md requires of workers.
            "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}",
            "PYSPARK_PYTHON": sys.executable,
            "PYTHONPATH": str(ROOT),
            "JAVA_HOME": ensure_java(),
            "SPARK_CONF_DIR": str(ROOT / "conf"),
        }
    )
    migrated = made.run(AIRFLOW / "airflow", "db", "migrate")
    assert migrated.returncode == 0, migrated.stderr
    return made


@pytest.fixture(scope="module")
def tastes(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A config and its raw data: half of the users mostly watch one half of the movies."""
    folder = tmp_path_factory.mktemp("tastes")
    is_alike = np.arange(80)[:, None] % 2 == np.arange(50) % 2
    write_raw(folder, np.where(is_alike, 0.7, 0.2))
    config = folder / "tastes.yaml"
    config.write_text(CONFIG.format(folder=folder))
    return config


def params(config: Path, root: Path, *settings: str) -> dict[str, object]:
    """Return the parameters of a night with the default models and lists."""
    return {"config": str(config), "root": str(root), "settings": list(settings)}


def check_run(root: Path, date: str) -> None:
    """Assert that the default run is complete with its lists, and that the pointer names it."""
    paths = check_accepted(root, date, ["list_blend"])
    fitted = ["bias", "cosine_user", "als", "biased_mf", "bayesian_mf_interactions"]
    ranks = ["popularity", "ease", "ials", "list_blend"]
    complete = [*map(paths.model, fitted + ranks), *map(paths.predictions, fitted)]
    for path in (*complete, paths.similar_movies("ease")):
        assert read_manifest(path) is not None, path
    lists = json.loads(Path(paths.lists_leaderboard).read_text())
    assert {row["model"] for row in lists} == {"list_blend", "popularity"}


def check_accepted(root: Path, date: str, lists: list[str]) -> RunPaths:
    """Assert that the pointer names the run and its lists; return the paths of the run."""
    paths = RunPaths(str(root / date))
    assert read_manifest(paths.report) is not None
    [pointer] = root.glob("accepted-*.json")
    accepted = json.loads(pointer.read_text())
    assert (accepted["run_dir"], accepted["date"]) == (paths.root, date)
    assert 0.4 < accepted["rmse"] < 1.0
    made = {name: read_manifest(paths.recommendations(name)) for name in lists}
    assert {name: one["id"] for name, one in accepted["lists"].items()} == {
        name: manifest.id for name, manifest in made.items() if manifest
    }
    for one in accepted["lists"].values():
        assert one["num_asked"] == one["counts"]["num_lists"] == 80
        assert one["quality"]["over_popularity"][1] > 0  # better beyond the interval
    return paths


def test_dag_loads_with_all_tasks(airflow: Airflow) -> None:
    code = (
        "import json; from airflow.dag_processing.dagbag import DagBag; "
        "bag = DagBag(dag_folder='jobs/airflow'); dag = bag.dags['recspark']; "
        "print(json.dumps([bag.import_errors, "
        "{t.task_id: sorted(t.downstream_task_ids) for t in dag.tasks}]))"
    )
    done = airflow.run(AIRFLOW / "python", "-c", code)
    assert done.returncode == 0, done.stderr
    errors, downstream = json.loads(done.stdout.strip().splitlines()[-1])
    assert errors == {}
    assert sorted(downstream) == sorted(TASKS)
    assert downstream["data_gate"] == ["baseline", "train"]
    assert downstream["score"] == ["blend"]
    assert downstream["blend"] == ["recommend", "similar"]
    assert downstream["recommend"] == downstream["similar"] == ["evaluate"]
    assert downstream["evaluate"] == ["lists_gate", "report"]
    assert downstream["lists_gate"] == ["model_gate"]


def test_parameters_are_checked_before_anything_runs(airflow: Airflow, tmp_path: Path) -> None:
    code, said = airflow.test("2026-11-01", {"root": str(tmp_path), "num_ranks": 0})
    assert code != 0
    assert "num_ranks" in said
    fewer = {"root": str(tmp_path), "baselines": ["bias", "popularity"], "trained": ["ials"]}
    code, said = airflow.test("2026-11-01", fewer)
    assert code != 0
    assert "parameter list_blend: found ease, expected some of bias, ials, popularity." in said
    assert not list(tmp_path.iterdir())


@pytest.fixture(scope="module")
def accepted_night(
    airflow: Airflow, tastes: Path, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Path]:
    """A root with one night in local mode, which is accepted and stays so."""
    root = tmp_path_factory.mktemp("nights")
    code, said = airflow.test("2026-11-01", params(tastes, root))
    assert code == 0, said[-5000:]
    check_run(root, "2026-11-01")
    yield root
    check_run(root, "2026-11-01")


def next_night(
    airflow: Airflow, tastes: Path, root: Path, date: str, lines: list[str], *settings: str
) -> tuple[int, str]:
    """Run the DAG on other ratings."""
    (tastes.parent / f"{date}.data").write_text("".join(lines))
    words = ("--ingest.ratings", str(tastes.parent / "{date}.data"), *settings)
    return airflow.test(date, params(tastes, root, *words))


def test_the_same_day_again_changes_nothing(
    airflow: Airflow, tastes: Path, accepted_night: Path
) -> None:
    """Every stage but evaluate is skipped, and the pointer stays."""
    before = {path: path.read_bytes() for path in accepted_night.rglob("_MANIFEST.json")}
    code, said = airflow.test("2026-11-01", params(tastes, accepted_night))
    assert code == 0, said[-5000:]
    after = {path: path.read_bytes() for path in accepted_night.rglob("_MANIFEST.json")}
    assert {path.parent.name for path in after if after[path] != before.get(path)} == {"metrics"}


def test_a_night_with_half_the_ratings_missing_stops_before_training(
    airflow: Airflow, tastes: Path, accepted_night: Path
) -> None:
    lines = (tastes.parent / "u.data").read_text().splitlines(keepends=True)
    fewer = lines[: len(lines) // 2]
    code, said = next_night(airflow, tastes, accepted_night, "2026-11-02", fewer)
    assert code != 0
    assert "gate.max_fewer_ratings" in said
    assert not (accepted_night / "2026-11-02" / "models").exists()


def test_a_night_whose_lists_are_refused_promotes_no_model(
    airflow: Airflow, tastes: Path, accepted_night: Path
) -> None:
    """A new movie is in the lists and not in the titles file; and they change too much."""
    lines = (tastes.parent / "u.data").read_text().splitlines(keepends=True)
    more = [*lines, *(f"{user}\t51\t4\t880009999\n" for user in range(1, 81))]
    limits = ("--gate.max_churn", "0", "--gate.max_rmse_rise", "1")
    code, said = next_night(airflow, tastes, accepted_night, "2026-11-03", more, *limits)
    assert code != 0
    assert "of a list changed since the accepted run, on average over 80 users" in said
    assert "movies that the titles file does not have, such as 51 (" in said
    paths = RunPaths(str(accepted_night / "2026-11-03"))
    assert read_manifest(paths.report) is not None
    verdict = json.loads(Path(paths.lists_verdict).read_text())
    assert verdict["compared_with"] == str(accepted_night / "2026-11-01")
    assert 0 < verdict["lists"]["list_blend"]["counts"]["churn"] < 0.9
    # With limits that allow it, the same lists pass.
    again = local("gate", tastes, Path(paths.root), "--models", "bias,popularity,ease,ials")
    succeed(*again, "--gate.check", "lists", "--gate.max_churn", "1", "--gate.max_vanished", "1")
    assert json.loads(Path(paths.lists_verdict).read_text())["faults"] == []


def test_killed_training_is_resumed_by_the_retry(
    airflow: Airflow, raw: Path, tmp_path: Path
) -> None:
    """Airflow's retry continues from the checkpoint, and the blend follows."""
    root = tmp_path / "nightly"
    run_dir = root / "2026-11-01"
    many = ("--train.epochs", "60", "--train.patience", "60", "--train.checkpoint_steps", "2")
    words = {
        **params(raw, root, *many),
        "baselines": ["bias"],
        "trained": ["biased_mf"],
        "blend": ["bias", "biased_mf"],
        **{name: [] for name in ("list_blend", "recommend", "similar")},
        "num_ranks": 2,
    }
    command = [AIRFLOW / "airflow", "dags", "test", "recspark", "2026-11-01"]
    with started(*command, "-c", json.dumps(words), **airflow.environment) as night:
        checkpoints = run_dir / "checkpoints" / "biased_mf"
        night.wait_for(lambda: len(list(checkpoints.glob("*/state.json"))) > 1)
        drivers = []
        for one in psutil.Process(night.process.pid).children(recursive=True):
            with contextlib.suppress(psutil.Error):
                if "jobs/train.py" in " ".join(one.cmdline()) and "python" in one.name():
                    drivers.append(one)
        assert drivers
        for one in drivers:
            one.kill()
        assert night.end() == 0, night.said[-5000:]
    assert "--train.resume true" in night.said
    assert "continues from" in night.said
    paths = check_accepted(root, "2026-11-01", [])
    assert read_manifest(paths.predictions("blend")) is not None
    assert leftovers(run_dir) == []
    # The same training without a failure.
    undisturbed = tmp_path / "undisturbed"
    for name in ("ratings", "movies", "user_index", "movie_index", "train", "valid", "test"):
        shutil.copytree(run_dir / name, undisturbed / name)
    model = ["--models", "biased_mf", *many, "--train.num_ranks", "2"]
    succeed(*local("train", raw, undisturbed, *model))
    resumed, whole = (
        [json.loads(line)["valid_rmse"] for line in (one / HISTORY).read_text().splitlines()]
        for one in (run_dir, undisturbed)
    )
    assert len(resumed) == 60
    assert resumed == pytest.approx(whole, abs=0.001)


def test_nightly_run_on_the_standalone_cluster(
    airflow: Airflow, cluster: Cluster, tastes: Path, tmp_path: Path
) -> None:
    library = tmp_path / "recspark.zip"
    zipped = [sys.executable, ROOT / "scripts" / "zip_library.py", library]
    assert airflow.run(*zipped).returncode == 0
    host, _, port = cluster.url.rpartition(":")
    connection = {
        "conn_type": "spark",
        "host": host,
        "port": int(port),
        "extra": {"deploy-mode": "client"},
    }
    spark = {
        "spark.driver.memory": "1g",
        "spark.executor.memory": "1g",
        "spark.submit.pyFiles": str(library),
        "spark.executorEnv.PYTHONPATH": library.name,
        "spark.pyspark.python": sys.executable,
    }
    root = tmp_path / "nightly"
    code, said = airflow.test(
        "2026-11-01",
        {**params(tastes, root), "num_ranks": 2, "spark": spark},
        AIRFLOW_CONN_SPARK_DEFAULT=json.dumps(connection),
        SPARK_CONF_DIR=str(cluster.folder / "conf"),
    )
    assert code == 0, said[-5000:]
    check_run(root, "2026-11-01")
    # The secrets of the cluster came from its settings folder, and are nowhere else.
    (secret,) = [
        line.split()[1]
        for line in (cluster.folder / "conf" / "spark-defaults.conf").read_text().splitlines()
        if line.startswith("spark.authenticate.secret")
    ]
    assert secret not in said
