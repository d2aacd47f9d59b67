"""Format spark: sources that Spark reads, from the config to the data sets."""

from __future__ import annotations

import json
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

import pytest
from pyspark.sql import SparkSession

from recspark.config import Config, IngestConfig, TableConfig
from recspark.config.spark_source import SparkSourceConfig
from recspark.contract.paths import RunPaths
from recspark.errors import DataError
from recspark.stages import ingest
from recspark.tables import parsed as r

ROWS = [(1, 7, 3.0, 86400), (2, 7, 4.5, 86401), (-5, 2**40, 1.0, None)]


def run(
    tmp_path: Path, spark: SparkSession, source: dict[str, Any], table: TableConfig, **more: Any
) -> RunPaths:
    config = Config(
        name="t",
        run_dir=str(tmp_path / "run"),
        ingest=IngestConfig(format="spark", spark=SparkSourceConfig(**source), table=table, **more),
    )
    ingest.run(config, spark)
    return RunPaths(config.root)


def ratings(spark: SparkSession, paths: RunPaths) -> list[tuple[Any, ...]]:
    """Return (user, movie, rating, seconds since 1970 or None), sorted."""
    rows = spark.read.parquet(paths.ratings).selectExpr(
        "user_id", "movie_id", "rating", "unix_seconds(rated_at)"
    )
    return sorted((tuple(row) for row in rows.collect()), key=str)


def rejects(spark: SparkSession, paths: RunPaths) -> list[tuple[str, int, str, str]]:
    rows = spark.read.parquet(paths.rejects).select("file", "line", "text", "reason").collect()
    return sorted((Path(row.file).name, row.line, row.text, row.reason) for row in rows)


TABLE = TableConfig(user="user", movie="item", rating="stars", time="when", time_format="seconds")


def frame_of(spark: SparkSession) -> Any:
    return spark.createDataFrame(ROWS, "user BIGINT, item BIGINT, stars DOUBLE, when BIGINT")


def expected() -> list[tuple[Any, ...]]:
    return sorted(ROWS, key=str)


def test_json_with_nested_fields_names_file_and_row_of_what_is_refused(
    tmp_path: Path, spark: SparkSession
) -> None:
    folder = tmp_path / "in put"
    folder.mkdir()
    for number in range(2):
        lines = [
            {"who": {"id": number * 10 + 1}, "what": 7, "stars": 3, "at": "2005-09-06T23:30:00Z"},
            {"who": {"id": None}, "what": 7, "stars": 3, "at": None},
            {"who": {"id": number * 10 + 2}, "what": 8, "stars": 4.5, "at": None},
        ]
        (folder / f"p{number}.json").write_text("\n".join(map(json.dumps, lines)))
    table = TableConfig(user="who.id", movie="what", rating="stars", time="at")
    source = {"format": "json", "paths": str(folder)}
    paths = run(tmp_path, spark, source, table, max_reject_fraction=1.0)
    at = int(datetime(2005, 9, 6, 23, 30, tzinfo=timezone.utc).timestamp())
    assert ratings(spark, paths) == sorted(
        [(1, 7, 3.0, at), (2, 8, 4.5, None), (11, 7, 3.0, at), (12, 8, 4.5, None)], key=str
    )
    assert [(name, line, reason) for name, line, _, reason in rejects(spark, paths)] == [
        ("p0.json", 2, r.EMPTY_USER),
        ("p1.json", 2, r.EMPTY_USER),
    ]
    [file] = {Path(one.file).parent for one in spark.read.parquet(paths.rejects).collect()}
    assert file == folder


@pytest.mark.parametrize("kind", ["orc", "parquet", "csv"])
def test_formats_of_spark(tmp_path: Path, spark: SparkSession, kind: str) -> None:
    folder = str(tmp_path / "in")
    frame_of(spark).repartition(2).write.format(kind).option("header", "true").save(folder)
    options = {"header": "true"} if kind == "csv" else {}
    source = {"format": kind, "paths": folder, "options": options}
    assert ratings(spark, run(tmp_path, spark, source, TABLE)) == expected()


def test_table_or_view_with_text_ids(tmp_path: Path, spark: SparkSession) -> None:
    """The second user shows that ids are text; rows of a join have no file."""
    rows = [("1", "a"), ("x-2", "b"), ("", "c")]
    spark.createDataFrame(rows, "user STRING, item STRING").createOrReplaceTempView("h17_events")
    spark.sql(
        "SELECT a.* FROM h17_events a JOIN h17_events b USING (user)"
    ).createOrReplaceTempView("h17_joined")
    for number, name in enumerate(("h17_events", "h17_joined")):
        folder = tmp_path / str(number)
        table = TableConfig(user="User", movie="item", rating=None)
        paths = run(folder, spark, {"table": name}, table, max_reject_fraction=1.0)
        assert ratings(spark, paths) == [("1", "a", 1.0, None), ("x-2", "b", 1.0, None)]
        [(file, _, text, reason)] = rejects(spark, paths)
        assert (file, text, reason) == (name, ",c", r.EMPTY_USER)


def test_a_line_number_counts_the_rows_of_a_file_in_several_tasks(
    tmp_path: Path, spark: SparkSession
) -> None:
    lines = [f"{user},7,3,{86400 + user}" for user in range(1, 2001)]
    lines[1500] = ",7,3,86400"
    path = tmp_path / "a.csv"
    path.write_text("\n".join(lines) + "\n")
    table = TableConfig(user="_c0", movie="_c1", rating="_c2", time="_c3")
    before = spark.conf.get("spark.sql.files.maxPartitionBytes")
    spark.conf.set("spark.sql.files.maxPartitionBytes", "4096")
    try:
        paths = run(tmp_path, spark, {"format": "csv", "paths": str(path)}, table)
    finally:
        spark.conf.set("spark.sql.files.maxPartitionBytes", str(before))
    assert len(ratings(spark, paths)) == 1999
    assert [row[:2] for row in rejects(spark, paths)] == [("a.csv", 1501)]


def test_a_changed_source_is_read_again(tmp_path: Path, spark: SparkSession) -> None:
    path = tmp_path / "a.json"
    table = TableConfig(user="user", movie="item", rating=None)
    source = {"format": "json", "paths": str(path)}
    for text in ('{"user": 1, "item": 2}', '{"user": 10, "item": 2}'):
        path.write_text(text)
        user = int(json.loads(text)["user"])
        assert ratings(spark, run(tmp_path, spark, source, table)) == [(user, 2, 1.0, None)]
    for user in (3, 4):
        frame = spark.createDataFrame([(user, 2)], "user BIGINT, item BIGINT")
        frame.createOrReplaceTempView("h17_changing")
        paths = run(tmp_path, spark, {"table": "h17_changing"}, table)
        assert ratings(spark, paths) == [(user, 2, 1.0, None)]


def test_jdbc(tmp_path: Path, spark: SparkSession) -> None:
    url = f"jdbc:derby:{tmp_path}/db;create=true;user=me;password=hush-hush"
    options = {"url": url, "dbtable": "ratings", "driver": "org.apache.derby.jdbc.EmbeddedDriver"}
    frame = frame_of(spark).withColumnRenamed("user", "who").withColumnRenamed("when", "made")
    try:
        frame.write.format("jdbc").options(**options).save()
    except Exception as error:  # Spark without Derby's jar
        pytest.skip(str(error)[:200])
    table = TableConfig(user="who", movie="item", rating="stars", time="made")
    paths = run(tmp_path, spark, {"format": "jdbc", "options": options}, table)
    assert ratings(spark, paths) == expected()
    stored = [one.read_text() for one in (tmp_path / "run").rglob("*.json")]
    assert stored
    assert not any("hush-hush" in text for text in stored)


def test_what_spark_cannot_read_is_an_error_of_ours(tmp_path: Path, spark: SparkSession) -> None:
    (tmp_path / "x").write_text("x")
    for source in (
        {"format": "nosuch", "paths": str(tmp_path / "x")},
        {"table": "no_such_table"},
    ):
        with pytest.raises(DataError, match=r"found a source that Spark cannot read .*ingest\.spa"):
            run(tmp_path, spark, source, TABLE)
    with pytest.raises(DataError, match=r"ingest\.spark\.paths .*none: found no file"):
        run(tmp_path, spark, {"format": "orc", "paths": str(tmp_path / "none")}, TABLE)
    path = tmp_path / "a.json"
    path.write_text('{"user": 1, "item": 2}\n')
    with pytest.raises(DataError, match=r"no columns stars among item, user"):
        run(tmp_path, spark, {"format": "json", "paths": str(path)}, TABLE)
    (tmp_path / "b.orc").write_bytes(b"ORC rubbish")
    with pytest.raises(DataError, match=r"found a source that Spark cannot read"):
        run(tmp_path, spark, {"format": "orc", "paths": str(tmp_path / "b.orc")}, TABLE)


def test_an_error_in_a_task_keeps_its_words(tmp_path: Path, spark: SparkSession) -> None:
    kinds = "user STRING, item STRING, stars STRING, when BIGINT"
    frame = spark.createDataFrame([("x", "y", "nothing", 1)], kinds)
    frame.createOrReplaceTempView("h17_bad")
    with pytest.raises(DataError, match=r"1 of 1 lines refused"):
        run(tmp_path, spark, {"table": "h17_bad"}, TABLE)
