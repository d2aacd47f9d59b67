from __future__ import annotations

from pathlib import Path

import pytest
from pyspark.sql import SparkSession

from recspark.contract import columns as c
from recspark.contract import schemas
from recspark.errors import SchemaError
from recspark.files import json_files, parquet, storage


def test_json_is_replaced_whole(tmp_path: Path) -> None:
    path = str(tmp_path / "deep" / "x.json")
    json_files.write_json(path, {"title": "Misérables"})
    json_files.write_json(path, {"title": "é"})
    assert json_files.read_json(path) == {"title": "é"}
    assert [p.name for p in (tmp_path / "deep").iterdir()] == ["x.json"]


def test_list_files_takes_a_file_a_folder_or_a_glob(tmp_path: Path) -> None:
    for name in ("b.txt", "a.txt", "c.csv", ".hidden", "_skipped"):
        (tmp_path / name).write_text("x")
    (tmp_path / "sub").mkdir()

    def names(pattern: str) -> list[str]:
        return [Path(file.path).name for file in storage.list_files(pattern)]

    assert names(str(tmp_path)) == ["a.txt", "b.txt", "c.csv"]
    assert names(str(tmp_path / "*.txt")) == ["a.txt", "b.txt"]
    assert names(str(tmp_path / "c.csv")) == ["c.csv"]
    assert names(str(tmp_path / "none*")) == []
    assert storage.list_files(str(tmp_path / "a.txt"))[0].size == 1


def test_another_file_system_by_its_scheme() -> None:
    json_files.write_json("memory://run/models/x.json", [1])
    assert storage.exists("memory://run/models")
    storage.move("memory://run/models", "memory://run/moved")
    assert json_files.read_json("memory://run/moved/x.json") == [1]
    storage.remove("memory://run")
    assert not storage.exists("memory://run/moved/x.json")


def test_data_set_keeps_its_contract(spark: SparkSession, tmp_path: Path) -> None:
    # Columns out of order, an extra column, ids too wide: selecting the contract corrects all.
    frame = spark.createDataFrame(
        [(0.5, 3, "extra", 1), (1.5, 2, "extra", 0)],
        f"{c.EFFECT} FLOAT, {c.MOVIE_INDEX} BIGINT, other STRING, {c.BUCKET} INT",
    )
    path = str(tmp_path / "effects")
    parquet.write_dataset(frame, path, schemas.MOVIE_EFFECTS)
    back = parquet.read_dataset(spark, path, schemas.MOVIE_EFFECTS)
    assert back.dtypes == [(c.MOVIE_INDEX, "int"), (c.EFFECT, "double")]
    assert sorted(tuple(row) for row in back.collect()) == [(2, 1.5), (3, 0.5)]


def test_missing_column_is_refused(spark: SparkSession, tmp_path: Path) -> None:
    frame = spark.createDataFrame([(1,)], f"{c.MOVIE_INDEX} INT")
    with pytest.raises(SchemaError, match=r"writing movie_effects: .*also \['effect'\]"):
        parquet.write_dataset(frame, str(tmp_path / "x"), schemas.MOVIE_EFFECTS)


def test_move_in_an_object_store_brings_the_manifest_last() -> None:
    """A reader that sees the manifest at the target sees all files, as after a rename."""
    import fsspec

    memory = fsspec.filesystem("memory")
    for name in ("_MANIFEST.json", "a/part-1.parquet", "z/part-2.parquet", "model.json"):
        with memory.open(f"/moves/source/{name}", "wb") as file:
            file.write(name.encode())
    storage.move("memory://moves/source", "memory://moves/target")
    found = {name: memory.info(name)["created"] for name in memory.find("/moves/target")}
    assert len(found) == 4
    assert max(found, key=lambda name: found[name]) == "/moves/target/_MANIFEST.json"
    assert memory.cat("/moves/target/a/part-1.parquet") == b"a/part-1.parquet"
    assert not storage.exists("memory://moves/source")


def test_linked_files_of_a_folder_are_listed_with_the_size_of_their_target(tmp_path: Path) -> None:
    (tmp_path / "store").write_text("12345")
    folder = tmp_path / "data"
    folder.mkdir()
    (folder / "a.csv").symlink_to(tmp_path / "store")
    (folder / "lost.csv").symlink_to(tmp_path / "nothing")
    assert [(Path(x.path).name, x.size) for x in storage.list_files(str(folder))] == [("a.csv", 5)]


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ("~/x", "{home}/x"),
        ("file:/a/x", "/a/x"),
        ("file:///a/x", "/a/x"),
        ("file:~/x", "{home}/x"),
        ("x", "{cwd}/x"),
        ("../x", "{parent}/x"),
        ("hdfs://host/a", "hdfs://host/a"),
        ("s3a://b/a", "s3a://b/a"),
    ],
)
def test_absolute_path_means_what_it_says(
    given: str, expected: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "home").mkdir()
    (tmp_path / "now").mkdir()
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    monkeypatch.chdir(tmp_path / "now")
    places = {"home": tmp_path / "home", "cwd": tmp_path / "now", "parent": tmp_path}
    assert storage.absolute(given) == expected.format(**places)


def test_relative_path_is_shown_with_its_start(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    assert storage.start_of("data/x.csv") == f" from the folder {tmp_path}"
    for path in ("/data/x.csv", "~/x.csv", "s3://b/x.csv", "file:/x.csv"):
        assert storage.start_of(path) == ""
