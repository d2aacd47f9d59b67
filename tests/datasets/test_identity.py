"""Equal content has equal ids; a change that does not reach the result redoes nothing."""

from __future__ import annotations

import os
import uuid
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from recspark.contract import schemas
from recspark.datasets.identity import content_id, join_ids
from recspark.datasets.manifest import Manifest, read_manifest
from recspark.datasets.step import Step
from recspark.errors import DataError
from recspark.files import storage

FILES = {"bucket=0/part-0.parquet": [10, 111], "bucket=1/part-0.parquet": [10, 222]}


def identify(files: dict[str, list[int | None]], **changes: Any) -> str:
    given: dict[str, Any] = {"columns": {"x": "INT"}, "counts": {"n": 2}, "attempt": "a1"}
    return content_id(files=files, **{**given, **changes})


def test_id_follows_from_files_columns_and_counts() -> None:
    same = identify(FILES)
    assert identify(dict(reversed(FILES.items())), attempt="a2") == same
    different = [
        identify({**FILES, "bucket=1/part-0.parquet": [10, 223]}),
        identify({**FILES, "bucket=1/part-0.parquet": [11, 222]}),
        identify({"bucket=0/part-0.parquet": [10, 222], "bucket=1/part-0.parquet": [10, 111]}),
        identify({"bucket=0/part-0.parquet": [10, 111]}),
        identify(FILES, columns={"x": "BIGINT"}),
        identify(FILES, counts={"n": 3}),
    ]
    assert len({same, *different}) == 7


def test_random_names_and_times_of_writing_are_no_content() -> None:
    def spark_files(time: int) -> dict[str, list[int | None]]:
        name = f"part-00000-{uuid.uuid4()}-c000.snappy.parquet"
        return {
            f"data/{name}": [5, 6],
            "metadata/part-00000": [90, time],
            "history.jsonl": [40, time],
            "model.json": [7, 8],
        }

    assert identify(spark_files(1)) == identify(spark_files(2))
    assert identify({**spark_files(1), "model.json": [7, 9]}) != identify(spark_files(1))


def test_content_that_nobody_read_is_never_taken_as_equal() -> None:
    unread: dict[str, list[int | None]] = {"model.safetensors": [10, None]}
    assert identify(unread, attempt="a1") != identify(unread, attempt="a2")
    assert identify(unread, attempt="a1") == identify(unread, attempt="a1")


def test_joined_id_covers_each() -> None:
    assert join_ids(["a"]) == "a"
    assert len({join_ids(["a", "b"]), join_ids(["a", "c"]), join_ids(["c", "b"])}) == 3


def publish(root: Path, contents: dict[str, int], **changes: Any) -> list[Manifest]:
    """Publish data sets of one file, with so many rows, as one run of a stage."""
    outputs = [f"{root}/{name}" for name in contents]
    step = Step(**{"stage": "s", "settings": {}, "inputs": {}, "outputs": outputs, **changes})
    with step:
        for output, num_rows in zip(outputs, contents.values(), strict=True):
            folder = Path(step.staging(output), "bucket=0")
            folder.mkdir(parents=True)
            pq.write_table(pa.table({"x": list(range(num_rows))}), folder / "part-0.parquet")
        return step.publish_all([(output, schemas.TRAIN, None) for output in outputs])


def ids(manifests: Sequence[Manifest]) -> list[str]:
    return [manifest.id for manifest in manifests]


def test_data_sets_that_belong_together_share_an_id_that_covers_all(tmp_path: Path) -> None:
    first = publish(tmp_path, {"train": 3, "user_index": 2})
    assert len(set(ids(first))) == 1
    assert ids(publish(tmp_path, {"train": 3, "user_index": 2})) == ids(first)
    assert ids(publish(tmp_path, {"train": 3, "user_index": 1}))[0] != first[0].id


def test_data_sets_that_are_apart_change_alone(tmp_path: Path) -> None:
    first = publish(tmp_path, {"ratings": 3, "movies": 2}, are_apart=True)
    second = publish(tmp_path, {"ratings": 3, "movies": 1}, are_apart=True)
    assert first[0].id == second[0].id
    assert first[1].id != second[1].id
    assert first[0].run != second[0].run == second[1].run


@pytest.mark.parametrize("spelling", ["{file}", "file://{file}", "{folder}/../raw/u.data"])
def test_stage_is_done_however_its_raw_file_is_spelled(tmp_path: Path, spelling: str) -> None:
    file = tmp_path / "raw" / "u.data"
    file.parent.mkdir()
    file.write_text("1,2,3\n")
    publish(tmp_path, {"ratings": 1}, files=storage.list_files(str(file)))
    raw = storage.list_files(spelling.format(file=file, folder=file.parent))
    again = Step("s", {}, {}, [f"{tmp_path}/ratings"], files=raw)
    assert again.is_done()
    os.utime(file, (1.0, 1.0))
    assert not Step(
        "s", {}, {}, [f"{tmp_path}/ratings"], files=storage.list_files(str(file))
    ).is_done()


def test_settings_without_effect_redo_nothing_and_are_recorded(tmp_path: Path) -> None:
    settings = {"limit": 1, "seed": 2}
    [made] = publish(tmp_path, {"ratings": 1}, settings=settings, without_effect=["limit"])
    assert made.settings == settings
    outputs = [f"{tmp_path}/ratings"]

    def is_done(**changed: int) -> bool:
        chosen = {**settings, **changed}
        return Step("s", chosen, {}, outputs, without_effect=["limit"]).is_done()

    assert is_done(limit=5)
    assert not is_done(seed=3)


def test_nothing_is_moved_unless_all_can_be(tmp_path: Path) -> None:
    publish(tmp_path, {"train": 3, "test": 1})
    before = {path: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()}
    step = Step("s", {}, {}, [f"{tmp_path}/train", f"{tmp_path}/test", f"{tmp_path}/mine"])

    def run() -> None:
        with step:
            for output in step.outputs:
                storage.make_folder(step.staging(output))
            (tmp_path / "mine").mkdir()
            (tmp_path / "mine" / "cat.jpg").write_text("cat")
            step.publish_all([(output, None, None) for output in step.outputs])

    with pytest.raises(DataError, match=r"mine: found files that recspark did not write"):
        run()
    after = {path: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()}
    assert after == {**before, tmp_path / "mine" / "cat.jpg": b"cat"}


def test_run_killed_between_two_moves_is_seen(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Even with the same settings and rows, because the first run may have had other code."""
    publish(tmp_path, {"train": 3, "test": 1})
    moves: list[str] = []

    def move(source: str, target: str, then: Any = storage.move) -> None:
        moves.append(target)
        if source.endswith("/.test.tmp"):
            raise KeyboardInterrupt
        then(source, target)

    monkeypatch.setattr(storage, "move", move)
    with pytest.raises(KeyboardInterrupt):
        publish(tmp_path, {"train": 3, "test": 1}, force=True)
    monkeypatch.undo()
    assert f"{tmp_path}/train" in moves
    found = [read_manifest(f"{tmp_path}/{name}") for name in ("train", "test")]
    assert all(found)  # the second one's old data set is back
    assert not Step("s", {}, {}, [f"{tmp_path}/train", f"{tmp_path}/test"]).is_done()
