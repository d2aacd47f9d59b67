"""What recspark did not write stays: nothing without a manifest is replaced, moved or deleted."""

from __future__ import annotations

from pathlib import Path

import fsspec
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from recspark.contract import schemas
from recspark.datasets.step import Step
from recspark.errors import DataError
from recspark.files import storage


def publish(root: Path | str, **changes: object) -> None:
    """Run a stage that writes `train`."""
    output = f"{root}/train"
    step = Step(
        **{"stage": "prepare", "settings": {}, "inputs": {}, "outputs": [output], **changes}
    )
    with step:
        staged = step.staging(output)
        storage.make_folder(f"{staged}/bucket=0")
        fs, stripped = storage.filesystem(f"{staged}/bucket=0/part-0.parquet")
        with fs.open(stripped, "wb") as file:
            pq.write_table(pa.table({"x": [1]}), file)
        step.publish(output, schemas.TRAIN)


def contents(root: Path) -> dict[str, bytes]:
    return {
        str(path.relative_to(root)): path.read_bytes() for path in root.rglob("*") if path.is_file()
    }


@pytest.mark.parametrize("force", [False, True])
def test_folder_of_the_user_is_refused_and_left_as_it_was(tmp_path: Path, force: bool) -> None:
    (tmp_path / "train" / "photos").mkdir(parents=True)
    (tmp_path / "train" / "photos" / "cat.jpg").write_bytes(b"cat")
    (tmp_path / "train" / "notes.txt").write_text("mine")
    before = contents(tmp_path)
    with pytest.raises(DataError, match=r"train: found files that recspark did not write \(notes"):
        publish(tmp_path, force=force)
    assert contents(tmp_path) == before
    assert sorted(path.name for path in tmp_path.iterdir()) == ["train"]


def test_file_in_the_place_of_an_output_is_refused(tmp_path: Path) -> None:
    (tmp_path / "train").write_text("a file")
    with pytest.raises(DataError, match=r"did not write \(a file\)"):
        publish(tmp_path)
    assert (tmp_path / "train").read_text() == "a file"


def test_folder_put_there_during_the_run_is_left_alone(tmp_path: Path) -> None:
    step = Step("prepare", {}, {}, [str(tmp_path / "train")])

    def run() -> None:
        with step:
            storage.make_folder(step.staging(step.outputs[0]))
            (tmp_path / "train").mkdir()
            (tmp_path / "train" / "mine").write_text("x")
            step.publish(step.outputs[0], None)

    with pytest.raises(DataError, match="did not write"):
        run()
    assert contents(tmp_path) == {"train/mine": b"x"}


def test_empty_folder_and_own_data_set_are_replaced(tmp_path: Path) -> None:
    (tmp_path / "train").mkdir()
    publish(tmp_path)
    first = (tmp_path / "train" / "_MANIFEST.json").read_text()
    publish(tmp_path)
    assert (tmp_path / "train" / "_MANIFEST.json").read_text() != first
    assert sorted(path.name for path in tmp_path.iterdir()) == ["train"]


@pytest.mark.parametrize("spelling", ["{root}/train/u.data", "{root}/x/../train/u.data", "{link}"])
def test_input_inside_an_output_is_refused_before_anything_starts(
    tmp_path: Path, spelling: str
) -> None:
    publish(tmp_path)
    (tmp_path / "x").mkdir()
    raw, link = tmp_path / "train" / "u.data", tmp_path / "link.data"
    raw.write_text("1\t2\t3\t4\n")
    link.symlink_to(raw)
    files = [storage.FileInfo(spelling.format(root=tmp_path, link=link), 8, "")]
    before = contents(tmp_path)
    with pytest.raises(DataError, match=r"found an input in .*/train, which this job replaces"):
        publish(tmp_path, files=files)
    assert contents(tmp_path) == before


def test_input_beside_an_output_of_a_longer_name_is_read(tmp_path: Path) -> None:
    (tmp_path / "train-raw").mkdir()
    raw = tmp_path / "train-raw" / "u.data"
    raw.write_text("1\t2\t3\t4\n")
    publish(tmp_path, files=storage.list_files(str(raw)))
    assert raw.exists()


def test_move_that_a_kill_cut_short_on_an_object_store_is_made_again() -> None:
    memory = fsspec.filesystem("memory")
    try:
        publish("memory://cut")
        # As a kill leaves it: copied in part, the manifest still to come.
        memory.copy("/cut/train", "/cut/.train.tmp", recursive=True)
        memory.rm("/cut/train/_MANIFEST.json")
        publish("memory://cut")
        assert storage.exists("memory://cut/train/_MANIFEST.json")
        assert not storage.exists("memory://cut/.train.tmp")
        # What nobody's move explains is not ours.
        memory.rm("/cut/train/_MANIFEST.json")
        with pytest.raises(DataError, match="did not write"):
            publish("memory://cut")
    finally:
        memory.rm("/cut", recursive=True)


@pytest.mark.parametrize("place", ["{root}/file/run", "/proc/recspark/run"])
def test_run_directory_that_cannot_be_written_is_named(tmp_path: Path, place: str) -> None:
    (tmp_path / "file").write_text("x")
    root = place.format(root=tmp_path)
    with pytest.raises(DataError, match=rf"{root}: found no way to write there.*--run_dir"):
        publish(root)
