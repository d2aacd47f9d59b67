"""A run directory holds data, never code: recspark does not unpickle anything in it."""

from __future__ import annotations

import ast
import pickle
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import torch
import yaml

import recspark
from recspark.arrays.user_buckets import Shard
from recspark.config import TrainConfig
from recspark.config.load import load_config
from recspark.contract import columns as c
from recspark.errors import ConfigError
from recspark.training.feed import read_ratings

ROOT = Path(recspark.__file__).parent.parent
SOURCES = [
    *(ROOT / "recspark").rglob("*.py"),
    *(ROOT / "jobs").rglob("*.py"),
    *(ROOT / "scripts").glob("*.py"),
]
# Modules and calls that can turn a file into running code. Calls are matched by their last name.
MODULES = {"pickle", "cPickle", "cloudpickle", "dill", "joblib", "shelve", "marshal"}
CALLS = {
    *("torch.load", "torch.jit.load", "pd.read_pickle"),
    *("yaml.load", "yaml.unsafe_load", "yaml.full_load"),
    # Spark: reading Python objects from a file, and models whose metadata names the class to load.
    *("sparkContext.pickleFile", "sc.pickleFile", "PipelineModel.load", "Pipeline.load"),
}
# The key under which petastorm looks for a pickled schema.
UNISCHEMA = b"dataset-toolkit.unischema.v1"


def offences(source: str) -> list[str]:
    """Return the names in Python source that could run code from a file."""
    found = []
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            found += [alias.name for alias in node.names if alias.name.split(".")[0] in MODULES]
        elif isinstance(node, ast.ImportFrom) and (node.module or "").split(".")[0] in MODULES:
            found.append(str(node.module))
        elif isinstance(node, ast.Call):
            name = ast.unparse(node.func)
            if name in {"eval", "exec"} or any(
                name == call or name.endswith(f".{call}") for call in CALLS
            ):
                found.append(name)
            # NumPy does not unpickle by default.
            found += [
                "allow_pickle"
                for word in node.keywords
                if word.arg == "allow_pickle" and ast.unparse(word.value) != "False"
            ]
    return found


@pytest.mark.parametrize(
    "source",
    [
        "import pickle",
        "from pyspark import cloudpickle as p\nimport cloudpickle",
        "torch.load(path, weights_only=True)",
        "spark.sparkContext.pickleFile(path)",
        "np.load(path, allow_pickle=True)",
        "yaml.load(text, Loader=yaml.Loader)",
        "PipelineModel.load(path)",
    ],
)
def test_the_search_finds_all_offences(source: str) -> None:
    assert offences(source)


def test_nothing_unpickles_or_evaluates_files() -> None:
    assert len(SOURCES) > 80
    found = {str(path): names for path in SOURCES if (names := offences(path.read_text()))}
    assert not found


class Payload:
    """Unpickling an instance writes a file. This needs only a builtin, which petastorm allows."""

    def __init__(self, file: Path) -> None:
        self.file = file

    def __reduce__(self) -> tuple[object, ...]:
        return eval, (f"open({str(self.file)!r}, 'w').close()",)


def test_feed_ignores_pickles_that_petastorm_would_load(tmp_path: Path) -> None:
    mark = tmp_path / "executed"
    # Protocol 0, because petastorm decodes the bytes as text first.
    pickled = {UNISCHEMA: pickle.dumps(Payload(mark), protocol=0)}
    table = pa.table(
        {
            c.USER_INDEX: pa.array([0, 1], pa.int32()),
            c.MOVIE_INDEX: pa.array([1, 0], pa.int32()),
            c.RATING: pa.array([3.0, 4.0], pa.float32()),
        }
    )
    folder = tmp_path / "train" / f"{c.BUCKET}=0"
    folder.mkdir(parents=True)
    pq.write_table(table.replace_schema_metadata(pickled), folder / "part-0.parquet")
    for where in (folder, folder.parent):
        schema = table.schema.with_metadata(pickled)
        pq.write_metadata(schema, where / "_common_metadata")
    shard = Shard(num_users=2, num_buckets=1, rank=0, num_ranks=1)
    ratings = read_ratings(
        (str(tmp_path / "train"),), {0: 2}, shard, torch.device("cpu"), TrainConfig()
    )
    assert ratings.ratings.tolist() == [3.0, 4.0]
    assert not mark.exists()


def test_payload_is_live(tmp_path: Path) -> None:
    """Petastorm itself runs the payload in this folder, so the test above would notice."""
    from petastorm.etl.dataset_metadata import depickle_legacy_package_name_compatible

    mark = tmp_path / "executed"
    depickle_legacy_package_name_compatible(pickle.dumps(Payload(mark), protocol=0))
    assert mark.exists()


def test_config_files_create_no_objects(tmp_path: Path) -> None:
    mark = tmp_path / "executed"
    file = tmp_path / "evil.yaml"
    file.write_text(f"name: !!python/object/apply:builtins.open ['{mark}', 'w']\n")
    with pytest.raises((ConfigError, yaml.YAMLError)):
        load_config(["--config", str(file)], prog="ingest.py")
    assert not mark.exists()
