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

import psutil
import pytest

from recspark.cluster.java import ensure_java
from recspark.contract.paths import RunPaths
from recspark.datasets.manifest import read_manifest
from tests.cluster.conftest import Cluster, cluster, raw
from tests.cluster.faults import leftovers, local, started, succeed

__all__ = ["cluster", "raw"]  # fixtures

pytestmark = pytest.mark.airflow

ROOT = Path(__file__).resolve().parents[2]
AIRFLOW = ROOT / ".venv-airflow" / "bin"
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


def params(raw: Path, root: Path, *settings: str) -> dict[str, object]:
    return {
        "config": str(raw),
        "root": str(root),
        "baselines": ["bias", "popularity"],
        "trained": ["biased_mf"],
        "recommend": ["popularity", "biased_mf"],
        "similar": ["biased_mf"],
        "num_ranks": 2,
        "settings": ["--gate.max_rmse_rise", "0.0001", *settings],
    }


def check_run(root: Path, date: str) -> None:
    """Assert that a run is complete, and that the pointer names it."""
    paths = RunPaths(str(root / date))
    complete = (paths.model("bias"), paths.model("biased_mf"), paths.predictions("biased_mf"))
    lists = {name: paths.recommendations(name) for name in ("popularity", "biased_mf")}
    for path in (*complete, *lists.values(), paths.similar_movies("biased_mf"), paths.report):
        assert read_manifest(path) is not None, path
    [pointer] = root.glob("accepted-*.json")
    accepted = json.loads(pointer.read_text())
    assert (accepted["run_dir"], accepted["date"]) == (paths.root, date)
    assert 0.4 < accepted["rmse"] < 1.0
    made = {name: read_manifest(path) for name, path in lists.items()}
    assert {x: one["id"] for x, one in accepted["lists"].items()} == {
        name: manifest.id for name, manifest in made.items() if manifest
    }
    for one in accepted["lists"].values():
        assert one["num_asked"] == one["counts"]["num_lists"] == 80
        assert one["quality"]["ndcg"] > 0


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
    assert not list(tmp_path.iterdir())


@pytest.fixture(scope="module")
def accepted_night(
    airflow: Airflow, raw: Path, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Path]:
    """A root with one night in local mode, which is accepted and stays so."""
    root = tmp_path_factory.mktemp("nights")
    code, said = airflow.test("2026-11-01", params(raw, root))
    assert code == 0, said[-5000:]
    check_run(root, "2026-11-01")
    yield root
    check_run(root, "2026-11-01")


def next_night(
    airflow: Airflow, raw: Path, root: Path, date: str, lines: list[str], *settings: str
) -> tuple[int, str]:
    """Run the DAG on other ratings."""
    (raw.parent / f"{date}.data").write_text("".join(lines))
    words = ("--ingest.ratings", str(raw.parent / "{date}.data"), *settings)
    return airflow.test(date, params(raw, root, *words))


def test_the_same_day_again_changes_nothing(
    airflow: Airflow, raw: Path, accepted_night: Path
) -> None:
    """Every stage but evaluate is skipped, and the pointer stays."""
    before = {path: path.read_bytes() for path in accepted_night.rglob("_MANIFEST.json")}
    code, said = airflow.test("2026-11-01", params(raw, accepted_night))
    assert code == 0, said[-5000:]
    after = {path: path.read_bytes() for path in accepted_night.rglob("_MANIFEST.json")}
    assert {path.parent.name for path in after if after[path] != before.get(path)} == {"metrics"}


def test_a_night_with_half_the_ratings_missing_stops_before_training(
    airflow: Airflow, raw: Path, accepted_night: Path
) -> None:
    lines = (raw.parent / "u.data").read_text().splitlines(keepends=True)
    fewer = lines[: len(lines) // 2]
    code, said = next_night(airflow, raw, accepted_night, "2026-11-02", fewer)
    assert code != 0
    assert "gate.max_fewer_ratings" in said
    assert not (accepted_night / "2026-11-02" / "models").exists()


def test_a_night_whose_lists_are_refused_promotes_no_model(
    airflow: Airflow, raw: Path, accepted_night: Path
) -> None:
    """A new movie is in the lists and not in the titles file; and they change too much."""
    lines = (raw.parent / "u.data").read_text().splitlines(keepends=True)
    more = [*lines, *(f"{user}\t51\t4\t880009999\n" for user in range(1, 81))]
    limits = ("--gate.max_churn", "0", "--gate.max_rmse_rise", "1")
    code, said = next_night(airflow, raw, accepted_night, "2026-11-03", more, *limits)
    assert code != 0
    assert "of a list changed since the accepted run, on average over 80 users" in said
    assert "movies that the titles file does not have, such as 51 (" in said
    paths = RunPaths(str(accepted_night / "2026-11-03"))
    assert read_manifest(paths.report) is not None
    verdict = json.loads(Path(paths.lists_verdict).read_text())
    assert verdict["compared_with"] == str(accepted_night / "2026-11-01")
    assert 0 < verdict["lists"]["biased_mf"]["counts"]["churn"] < 0.9
    # With limits that allow it, the same lists pass.
    again = local("gate", raw, Path(paths.root), "--models", "bias,popularity,biased_mf")
    succeed(*again, "--gate.check", "lists", "--gate.max_churn", "1", "--gate.max_vanished", "1")
    assert json.loads(Path(paths.lists_verdict).read_text())["faults"] == []


def test_killed_training_is_resumed_by_the_retry(
    airflow: Airflow, raw: Path, tmp_path: Path
) -> None:
    """Airflow's retry continues from the checkpoint, and the blend follows."""
    root = tmp_path / "nightly"
    run_dir = root / "2026-11-01"
    many = ("--train.epochs", "60", "--train.patience", "60", "--train.checkpoint_steps", "2")
    words = {**params(raw, root, *many), "blend": ["bias", "biased_mf"]}
    words["trained"] = ["biased_mf"]
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
    check_run(root, "2026-11-01")
    assert read_manifest(RunPaths(str(run_dir)).predictions("blend")) is not None
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
    airflow: Airflow, cluster: Cluster, raw: Path, tmp_path: Path
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
        {**params(raw, root), "spark": spark},
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
