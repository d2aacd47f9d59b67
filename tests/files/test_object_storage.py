"""Everything that goes through fsspec, against an S3 server on loopback.

Spark's own Parquet on s3a:// is not covered: the pyspark package lacks Hadoop's S3 jars.
"""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from recspark.cluster.java import ensure_java
from recspark.contract.paths import RunPaths
from recspark.files import json_files, parquet, storage
from tests.jobs.test_jobs import CONFIG, write_raw

pytestmark = pytest.mark.s3

ROOT = Path(__file__).resolve().parents[2]
SECRET = "wJalrNeverShownAnywhere42"
BUCKET = "s3://ratings"


@pytest.fixture(scope="module")
def s3(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, str]]:
    """Start a server with an empty bucket; the environment names it, as for any S3 client."""
    import s3fs

    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        port = found.getsockname()[1]
    environment = {
        "AWS_ACCESS_KEY_ID": "AKIAEXAMPLE",
        "AWS_SECRET_ACCESS_KEY": SECRET,
        "AWS_ENDPOINT_URL": f"http://127.0.0.1:{port}",
        "AWS_DEFAULT_REGION": "us-east-1",
    }
    log = tmp_path_factory.mktemp("s3") / "server.log"
    with open(log, "wb") as out:
        server = subprocess.Popen(
            [sys.executable, "-m", "moto.server", "-H", "127.0.0.1", "-p", str(port)],
            stdout=out,
            stderr=out,
        )
    before = dict(os.environ)
    os.environ.update(environment)
    try:
        deadline = time.monotonic() + 60
        while True:
            try:
                s3fs.S3FileSystem.clear_instance_cache()
                s3fs.S3FileSystem().mkdir("ratings")
                break
            except Exception:
                assert server.poll() is None, log.read_text()
                assert time.monotonic() < deadline, log.read_text()
                time.sleep(0.5)
        yield environment
    finally:
        os.environ.clear()
        os.environ.update(before)
        s3fs.S3FileSystem.clear_instance_cache()
        server.terminate()
        server.wait(30)


def start(*command: str | Path) -> str:
    """Run a command that must succeed, and return its output."""
    done = subprocess.run(
        [str(word) for word in command],
        capture_output=True,
        text=True,
        cwd=ROOT,
        env={**os.environ, "JAVA_HOME": ensure_java(), "PYTHONPATH": str(ROOT)},
        timeout=600,
        check=False,
    )
    said = done.stdout + done.stderr
    assert done.returncode == 0, said
    return said


def rows(folder: str) -> list[tuple[object, ...]]:
    tables = [pq.read_table(file) for file in sorted(Path(folder).rglob("*.parquet"))]
    return sorted(tuple(row.values()) for table in tables for row in table.to_pylist())


def put(local: str, remote: str) -> None:
    fs, stripped = storage.filesystem(remote)
    fs.put(local, stripped, recursive=True)


def test_storage_reads_writes_and_moves(s3: dict[str, str], tmp_path: Path) -> None:
    root = f"{BUCKET}/storage"
    json_files.write_json(f"{root}/set/_MANIFEST.json", {"ü": 1})
    assert json_files.read_json(f"{root}/set/_MANIFEST.json") == {"ü": 1}
    json_files.write_json(f"{root}/set/_MANIFEST.json", {"ü": 2})
    assert json_files.read_json("s3a://ratings/storage/set/_MANIFEST.json") == {"ü": 2}
    local = tmp_path / "part-0.parquet"
    pq.write_table(pa.table({"a": [1, 2, 3]}), local)
    put(str(local), f"{root}/set/bucket=1/part-0.parquet")
    (file,) = parquet.parquet_files(f"{root}/set")
    assert file == f"{root}/set/bucket=1/part-0.parquet"
    assert parquet.count_rows(file) == 3
    with storage.local_copy(file) as copy:
        assert Path(copy).read_bytes() == local.read_bytes()
    assert not Path(copy).exists()
    storage.move(f"{root}/set", f"{root}/moved")
    assert not storage.exists(f"{root}/set")
    assert json_files.read_json(f"{root}/moved/_MANIFEST.json") == {"ü": 2}
    assert parquet.parquet_files(f"{root}/moved") == [f"{root}/moved/bucket=1/part-0.parquet"]
    storage.move(f"{root}/moved/_MANIFEST.json", f"{root}/alone.json")
    assert [one.path for one in storage.list_files(f"{root}/*.json")] == [f"{root}/alone.json"]
    storage.remove(f"{root}/moved")
    assert not storage.exists(f"{root}/moved")


@pytest.fixture(scope="module")
def prepared(
    s3: dict[str, str], tmp_path_factory: pytest.TempPathFactory
) -> tuple[Path, list[str]]:
    """A config, whose run was prepared from raw text in the bucket, and the jobs' output."""
    folder = tmp_path_factory.mktemp("s3-run")
    write_raw(folder)
    config = folder / "tiny.yaml"
    config.write_text(CONFIG.format(folder=folder, run_dir=folder / "run"))
    for name in ("u.data", "u.item"):
        put(str(folder / name), f"{BUCKET}/raw/{name}")
    raw = ["--ingest.ratings", f"{BUCKET}/raw/u.data", "--ingest.movies", f"{BUCKET}/raw/u.item"]
    said = [start(sys.executable, "jobs/ingest.py", "--config", config, *raw)]
    said.append(start(sys.executable, "jobs/prepare.py", "--config", config))
    return config, said


def test_raw_text_from_the_bucket_gives_the_same_rows(prepared: tuple[Path, list[str]]) -> None:
    config = prepared[0]
    other = config.parent / "from-disk"
    start(sys.executable, "jobs/ingest.py", "--config", config, "--run_dir", other)
    for name in ("ratings", "movies"):
        found = rows(f"{config.parent}/run/{name}")
        assert len(found) == len(rows(f"{other}/{name}")) > 40
        assert found == rows(f"{other}/{name}")


def test_training_reads_and_writes_the_bucket(prepared: tuple[Path, list[str]]) -> None:
    """Two ranks with a run directory in the bucket give the bytes of two ranks on disk."""
    config, said = prepared
    run_dir = str(config.parent / "run")
    for name in ("ratings", "user_index", "movie_index", "train", "valid"):
        put(f"{run_dir}/{name}", f"{BUCKET}/run/{name}")
    torchrun = [Path(sys.executable).parent / "torchrun", "--standalone", "--nproc_per_node", "2"]
    if not torchrun[0].exists():  # an environment that sees another's packages
        torchrun = [sys.executable, "-m", "torch.distributed.run", *torchrun[1:]]
    words = ["jobs/train.py", "--config", config, "--models", "biased_mf", "--run_dir"]
    said.append(start(*torchrun, *words, f"{BUCKET}/run"))
    start(*torchrun, *words, run_dir)
    fs, stored = storage.filesystem(RunPaths(f"{BUCKET}/run").model("biased_mf"))
    local = Path(RunPaths(run_dir).model("biased_mf"))
    weights = sorted(file.relative_to(local) for file in local.rglob("*.safetensors"))
    assert len(weights) == 9  # movies, four buckets of users, four of what the first fit said
    for name in weights:
        assert fs.cat(f"{stored}/{name}") == (local / name).read_bytes()
    left = [name for name in fs.find("ratings/run/models") if "/." in name]
    assert left == []
    # The second time there is nothing to do.
    assert "up to date, skipped" in start(*torchrun, *words, f"{BUCKET}/run")


def test_gate_keeps_its_pointer_in_the_bucket(prepared: tuple[Path, list[str]]) -> None:
    config, said = prepared
    for name in ("ratings", "train"):
        put(f"{config.parent}/run/{name}", f"{BUCKET}/gated/{name}")
    words = ["jobs/gate.py", "--config", config, "--run_dir", f"{BUCKET}/gated"]
    said.append(start(sys.executable, *words))
    assert "gate: data of s3://ratings/gated pass" in said[-1]


def test_credentials_are_nowhere(prepared: tuple[Path, list[str]]) -> None:
    """Runs last: searches everything that the jobs above printed and stored."""
    config, said = prepared
    assert len(said) >= 4
    assert SECRET not in "".join(said)
    files = [file for file in config.parent.rglob("*") if file.is_file()]
    assert len(files) > 20
    for file in files:
        assert SECRET.encode() not in file.read_bytes(), file
    fs, _ = storage.filesystem(BUCKET)
    for name in fs.find("ratings"):
        assert SECRET.encode() not in fs.cat(name), name
