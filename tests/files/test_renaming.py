"""A file system with rename and hosts in its paths, like HDFS: nothing is copied or forgotten."""

from __future__ import annotations

from pathlib import Path

import pyarrow as pa
import pytest

from recspark.cluster.tasks import commit_parts, sums_of, write_part
from recspark.contract import schemas
from recspark.datasets.manifest import Manifest, read_manifest
from recspark.datasets.step import Step
from recspark.errors import DataError
from recspark.files import json_files, parquet, storage
from tests.files.renaming import register

START = register()


def publish(root: str, rows: int, **changes: object) -> tuple[Step, Manifest]:
    """Run a stage whose tasks write `train` and which reads `ratings`."""
    output = f"{root}/train"
    arguments = {"stage": "prepare", "settings": {}, "inputs": {}, "outputs": [output], **changes}
    step = Step(**arguments)  # type: ignore[arg-type]
    with step:
        folder = step.staging(output)
        table = pa.table({"x": list(range(rows))})
        parts = [write_part(table, folder, f"bucket={one}/part-0.parquet") for one in (0, 1)]
        assert commit_parts(parts, folder) == 2 * rows
        json_files.write_json(f"{folder}/extra.json", {"rows": rows})
        return step, step.publish(output, schemas.TRAIN, sums=sums_of(parts))


def test_step_runs_whole_and_is_done_afterwards(tmp_path: Path) -> None:
    root = f"{START}{tmp_path}/run"
    publish(root, 3)
    _, second = publish(root, 4)
    assert read_manifest(f"{root}/train") == second
    assert second.bucket_rows == {0: 4, 1: 4}
    assert None not in second.files["bucket=1/part-0.parquet"]  # as the task summed it
    assert Step("prepare", {}, {}, [f"{root}/train"]).is_done()
    assert parquet.parquet_files(f"{root}/train") == [
        f"{root}/train/bucket={one}/part-0.parquet" for one in (0, 1)
    ]
    assert [path.name for path in (tmp_path / "run").iterdir()] == ["train"]


def test_failed_step_leaves_what_was_there(tmp_path: Path) -> None:
    root = f"{START}{tmp_path}/run"
    _, first = publish(root, 3)

    def fail() -> None:
        with Step("prepare", {}, {}, [f"{root}/train"], force=True) as step:
            storage.write_bytes(f"{step.staging(step.outputs[0])}/half", b"x")
            raise RuntimeError("on purpose")

    with pytest.raises(RuntimeError, match="on purpose"):
        fail()
    assert read_manifest(f"{root}/train") == first
    assert [path.name for path in (tmp_path / "run").iterdir()] == ["train"]


def test_truncated_file_is_seen(tmp_path: Path) -> None:
    root = f"{START}{tmp_path}/run"
    publish(root, 3)
    part = tmp_path / "run" / "train" / "bucket=1" / "part-0.parquet"
    part.write_bytes(part.read_bytes()[:-1])
    assert not Step("prepare", {}, {}, [f"{root}/train"]).is_done()
    with (
        pytest.raises(DataError, match=r"bucket=1/part-0\.parquet of \d+ bytes instead of"),
        Step("train", {}, {}, [f"{root}/model"], reads=[f"{root}/train"]),
    ):
        pass


def test_json_and_folders_are_replaced(tmp_path: Path) -> None:
    root = f"{START}{tmp_path}"
    for value in (1, 2):
        json_files.write_json(f"{root}/a/x.json", value)
    assert json_files.read_json(f"{root}/a/x.json") == 2
    storage.move(f"{root}/a", f"{root}/b/c")
    assert storage.list_folders(f"{root}/b") == [f"{root}/b/c"]
    assert storage.resolve(f"{root}/b/") == f"{root}/b"
    one = f"{root}/b/c/x.json"
    for pattern in (one, f"{root}/b/c", f"{root}/b/c/*.json"):
        assert [file.path for file in storage.list_files(pattern)] == [one]
    assert [file.path for file in storage.list_tree(f"{root}/b")] == [one]
    assert storage.list_entries(f"{root}/b/c") == [one]
    assert storage.file_info(one).size == 2
    storage.remove(f"{root}/b")
    assert list(tmp_path.iterdir()) == []
