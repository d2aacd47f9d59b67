"""scripts/submit.sh --dry-run: the command for each kind of cluster. Runs everywhere."""

from __future__ import annotations

import os
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

from recspark.cli import LIGHT_JOBS
from recspark.cluster.session import QUICK_JVM

ROOT = Path(__file__).resolve().parents[2]


def submit(*words: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        ["scripts/submit.sh", "--dry-run", *words],
        capture_output=True,
        text=True,
        cwd=ROOT,
        env={**os.environ, "PYTHON": sys.executable},
        check=False,
    )


def options(*words: str) -> tuple[dict[str, str], dict[str, str], list[str]]:
    """Return the options, the Spark properties, and the application with its arguments."""
    done = submit(*words)
    assert done.returncode == 0, done.stderr
    command = shlex.split(done.stdout)
    assert command[0].endswith("bin/spark-submit")
    given: dict[str, str] = {}
    properties: dict[str, str] = {}
    position = 1
    while command[position].startswith("--"):
        name, value = command[position : position + 2]
        if name == "--conf":
            key, _, value = value.partition("=")
            assert key not in properties, key
            properties[key] = value
        else:
            given[name] = value
        position += 2
    return given, properties, command[position:]


def test_standalone() -> None:
    given, properties, rest = options(
        *("--executors", "3", "--cores", "4", "--memory", "6g", "spark://h:7077"),
        *("pipeline", "--config", "conf/a b.yaml"),
    )
    assert given["--master"] == "spark://h:7077"
    assert (given["--executor-cores"], given["--executor-memory"]) == ("4", "6g")
    # A standalone master gives an application all cores unless it sets a limit.
    assert properties["spark.cores.max"] == "12"
    assert given["--py-files"].endswith(".zip")
    assert properties["spark.executorEnv.PYTHONPATH"] == Path(given["--py-files"]).name
    assert properties["spark.pyspark.python"] == sys.executable
    assert rest == [str(ROOT / "jobs/pipeline.py"), "--config", "conf/a b.yaml"]
    assert not [name for name in properties if "gpu" in name or "authenticate" in name]


@pytest.mark.parametrize("job", ["baseline", "pipeline", *LIGHT_JOBS])
@pytest.mark.parametrize("until", ["score", *LIGHT_JOBS])
def test_drivers_of_light_jobs_get_what_their_executors_get(job: str, until: str) -> None:
    given, _, _ = options("spark://h:7077", job, "--seed", "1", "--until", until)
    is_light = (until if job == "pipeline" else job) in LIGHT_JOBS
    wanted = QUICK_JVM["spark.executor.extraJavaOptions"] if is_light else None
    assert given.get("--driver-java-options") == wanted


def test_packed_environment() -> None:
    given, properties, _ = options("--environment", "env.tar.gz", "spark://h:7077", "score")
    assert given["--archives"] == "env.tar.gz#environment"
    assert properties["spark.pyspark.python"] == "./environment/bin/python"
    assert properties["spark.pyspark.driver.python"] == sys.executable


def test_yarn_with_gpus() -> None:
    given, properties, _ = options(
        "--executors", "2", "--cores", "8", "--gpus", "2", "yarn", "train"
    )
    assert (given["--master"], given["--deploy-mode"]) == ("yarn", "client")
    assert given["--num-executors"] == "2"
    assert properties["spark.executor.resource.gpu.amount"] == "2"
    assert properties["spark.task.resource.gpu.amount"] == "1"
    assert properties["spark.task.cpus"] == "4"
    # The script travels under its own name.
    script = properties["spark.executor.resource.gpu.discoveryScript"]
    assert (ROOT / "scripts" / Path(script).name).exists()
    assert given["--files"].endswith(f"/scripts/{Path(script).name}")
    # YARN itself sets PYTHONPATH for --py-files, but not if it is set here.
    assert "spark.executorEnv.PYTHONPATH" not in properties
    assert properties["spark.authenticate"] == "true"
    assert properties["spark.network.crypto.enabled"] == "true"
    assert properties["spark.io.encryption.enabled"] == "true"


def test_kubernetes() -> None:
    given, properties, rest = options(
        "--image", "r/s:1", "--gpus", "1", "k8s://https://h:1", "train"
    )
    assert given["--deploy-mode"] == "cluster"
    assert properties["spark.kubernetes.container.image"] == "r/s:1"
    assert properties["spark.executor.instances"] == "2"
    assert properties["spark.executor.resource.gpu.vendor"] == "nvidia.com"
    assert rest == ["local:///opt/recspark/jobs/train.py"]
    assert "--py-files" not in given


def test_properties_of_the_user_come_last() -> None:
    done = submit("--conf", "spark.task.cpus=3", "--gpus", "1", "yarn", "train")
    assert done.stdout.index("spark.task.cpus=2") < done.stdout.index("spark.task.cpus=3")


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--exectors", "3", "yarn", "train"], "--exectors: unknown option"),
        (["yarn"], "--executors N"),
        (["mesos://h", "train"], "expected spark://HOST:PORT, yarn or k8s://URL"),
        (["k8s://https://h:1", "train"], "needs --image"),
    ],
)
def test_refusals(words: list[str], message: str) -> None:
    done = submit(*words)
    assert done.returncode != 0
    assert message in done.stderr


def test_every_default_has_its_reason() -> None:
    lines = (ROOT / "conf/spark-defaults.conf").read_text().splitlines()
    explained = False
    names = []
    for line in lines:
        if line.startswith("#"):
            explained = True
        elif line.strip():
            assert explained, line
            names.append(line.split()[0])
        else:
            explained = False
    assert len(names) == len(set(names)) >= 5
