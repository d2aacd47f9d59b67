from __future__ import annotations

import zlib
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from recspark.contract import schemas
from recspark.contract.catalog import TRAIN
from recspark.datasets.manifest import read_manifest, require_manifest
from recspark.datasets.step import Step
from recspark.errors import DataError


def make_step(tmp_path: Path, **changes: object) -> Step:
    arguments: dict[str, object] = {
        "stage": "prepare",
        "settings": {"seed": 1},
        "inputs": {"ratings": "abc"},
        "outputs": [str(tmp_path / "train")],
    }
    return Step(**{**arguments, **changes})  # type: ignore[arg-type]


def write_rows(folder: str, rows: dict[int, int]) -> None:
    for bucket, num_rows in rows.items():
        target = Path(folder) / f"bucket={bucket}"
        target.mkdir(parents=True)
        pq.write_table(pa.table({"x": list(range(num_rows))}), target / "part-0.parquet")


def run_once(tmp_path: Path, rows: dict[int, int] | None = None, **changes: object) -> Step:
    step = make_step(tmp_path, **changes)
    with step:
        output = step.outputs[0]
        write_rows(step.staging(output), rows or {0: 3, 10: 4, 9: 5})
        step.publish(output, schemas.TRAIN, {"filtered": 2})
    return step


def test_rows_are_counted_from_what_is_on_disk(tmp_path: Path) -> None:
    step = run_once(tmp_path)
    manifest = require_manifest(str(tmp_path / "train"), TRAIN)
    assert manifest.num_rows == 12
    assert manifest.bucket_rows == {0: 3, 9: 5, 10: 4}
    assert manifest.counts == {"filtered": 2}
    assert manifest.run == step.attempt
    assert manifest.settings == {"seed": 1}
    assert manifest.inputs == {"ratings": "abc"}
    assert manifest.versions["pyarrow"] == pa.__version__
    assert manifest.peak_memory_bytes > 10_000_000


def test_files_with_known_sums_are_not_read_again(tmp_path: Path) -> None:
    step = make_step(tmp_path)
    with step:
        output = step.outputs[0]
        write_rows(step.staging(output), {0: 3, 1: 4})
        known = f"{step.staging(output)}/bucket=1/part-0.parquet"
        manifest = step.publish(output, schemas.TRAIN, sums={known: [5, 6]})
    other = (tmp_path / "train" / "bucket=0" / "part-0.parquet").read_bytes()
    assert manifest.files == {
        "bucket=0/part-0.parquet": [len(other), zlib.crc32(other)],
        "bucket=1/part-0.parquet": [5, 6],
    }


def test_done_only_while_settings_and_inputs_match(tmp_path: Path) -> None:
    assert not make_step(tmp_path).is_done()
    run_once(tmp_path)
    assert make_step(tmp_path).is_done()
    assert not make_step(tmp_path, settings={"seed": 2}).is_done()
    assert not make_step(tmp_path, inputs={"ratings": "abd"}).is_done()
    assert not make_step(tmp_path, force=True).is_done()
    two = [str(tmp_path / "train"), str(tmp_path / "test")]
    assert not make_step(tmp_path, outputs=two).is_done()


def test_failure_leaves_the_old_data_set_and_nothing_else(tmp_path: Path) -> None:
    run_once(tmp_path)
    before = require_manifest(str(tmp_path / "train"), TRAIN)

    def fail() -> None:
        with make_step(tmp_path, force=True) as step:
            write_rows(step.staging(step.outputs[0]), {0: 1})
            raise RuntimeError("on purpose")

    with pytest.raises(RuntimeError, match="on purpose"):
        fail()
    assert require_manifest(str(tmp_path / "train"), TRAIN) == before
    assert sorted(p.name for p in tmp_path.iterdir()) == ["train"]


def test_new_data_set_replaces_the_old_one_whole(tmp_path: Path) -> None:
    run_once(tmp_path, {0: 3, 1: 1})
    run_once(tmp_path, {5: 2}, force=True)
    assert [p.name for p in sorted((tmp_path / "train").glob("bucket=*"))] == ["bucket=5"]
    assert sorted(p.name for p in tmp_path.iterdir()) == ["train"]


def test_leftovers_of_a_killed_run_are_cleared(tmp_path: Path) -> None:
    write_rows(str(tmp_path / ".train.tmp"), {0: 3})
    run_once(tmp_path, {1: 1})
    assert require_manifest(str(tmp_path / "train"), TRAIN).bucket_rows == {1: 1}


def test_data_set_without_a_manifest_counts_as_missing(tmp_path: Path) -> None:
    write_rows(str(tmp_path / "train"), {0: 3})
    assert read_manifest(str(tmp_path / "train")) is None
    with pytest.raises(DataError, match=r"train: found no finished data set.*jobs/prepare\.py"):
        require_manifest(str(tmp_path / "train"), TRAIN)


def test_damaged_manifest_names_the_file(tmp_path: Path) -> None:
    run_once(tmp_path)
    (tmp_path / "train" / "_MANIFEST.json").write_text('{"stage": "prepare"')
    with pytest.raises(DataError, match=r"_MANIFEST\.json: found an unreadable manifest"):
        read_manifest(str(tmp_path / "train"))


def test_forgetting_an_output_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="0 data sets published"), make_step(tmp_path):
        pass


def test_credentials_are_not_stored_and_change_nothing(tmp_path: Path) -> None:
    made_from = {
        "inputs": {"s3://key:hunter2ABC@bucket/u.data": "5@1"},
        "settings": {"ratings": "https://host/u.data?X-Amz-Signature=hunter2ABC"},
    }
    run_once(tmp_path, **made_from)
    stored = (tmp_path / "train" / "_MANIFEST.json").read_text()
    assert "hunter2ABC" not in stored
    assert "s3://***@bucket/u.data" in stored
    assert make_step(tmp_path, **made_from).is_done()


def test_outputs_of_two_runs_are_not_done(tmp_path: Path) -> None:
    """A forced run that was killed while publishing leaves some of its outputs and some older."""
    both = [str(tmp_path / "train"), str(tmp_path / "test")]
    for outputs in (both, both[:1]):
        with make_step(tmp_path, outputs=outputs) as step:
            for output in outputs:
                write_rows(step.staging(output), {0: 3})
                step.publish(output, schemas.TRAIN)
        assert make_step(tmp_path, outputs=both).is_done() == (outputs == both)


def test_interrupted_replacement_is_undone(tmp_path: Path) -> None:
    run_once(tmp_path)
    before = require_manifest(str(tmp_path / "train"), TRAIN)
    (tmp_path / "train").rename(tmp_path / ".train.old")
    write_rows(str(tmp_path / ".train.tmp"), {0: 1})
    write_rows(str(tmp_path / ".train.tmp.parts"), {0: 1})
    with pytest.raises(RuntimeError), make_step(tmp_path, force=True):
        raise RuntimeError
    assert require_manifest(str(tmp_path / "train"), TRAIN) == before
    assert [p.name for p in tmp_path.iterdir()] == ["train"]


def damage(file: Path, how: str) -> None:
    content = bytearray(file.read_bytes())
    if how == "truncated":
        del content[-3:]
    elif how == "flipped":
        content[len(content) // 2] ^= 4
    file.unlink()
    if how != "missing":
        file.write_bytes(content)


@pytest.mark.parametrize("how", ["truncated", "flipped", "missing"])
def test_damaged_output_is_made_again_and_damaged_input_refused(tmp_path: Path, how: str) -> None:
    run_once(tmp_path)
    part = tmp_path / "train" / "bucket=9" / "part-0.parquet"
    damage(part, how)
    assert not make_step(tmp_path).is_done()
    later = make_step(tmp_path, outputs=[str(tmp_path / "model")], reads=[str(tmp_path / "train")])
    with pytest.raises(DataError, match=rf"found .*{part}.*Run jobs/prepare\.py"), later:
        pass
    run_once(tmp_path)
    assert make_step(tmp_path).is_done()
    with later:
        (tmp_path / ".model.tmp").mkdir()
        later.publish(later.outputs[0], None)
