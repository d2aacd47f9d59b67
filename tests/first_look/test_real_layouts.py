"""Well-known public data sets are read with what `recspark inspect` prints."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from pyspark.sql import SparkSession

from recspark.arrays.ids import to_list
from recspark.arrays.ratings import NO_TIME
from recspark.config import Config, IngestConfig, TableConfig
from recspark.contract import columns as c
from recspark.errors import DataError
from recspark.first_look.inspection import inspect_source
from recspark.first_look.suggest import as_yaml
from recspark.first_look.trial import try_table
from recspark.ingest.table import table_format
from recspark.stages import ingest
from tests.first_look.real_event_layouts import EVENTS
from tests.first_look.real_layouts import RATINGS, Layout, Row, lines
from tests.ingest.sources import source_of

LAYOUTS = {one.name: one for one in (*RATINGS, *EVENTS)}
DOCS = Path(__file__).parents[2] / "docs" / "data-formats.md"


@pytest.mark.parametrize("layout", LAYOUTS.values(), ids=LAYOUTS)
def test_inspect_prints_the_settings_that_read_it(layout: Layout, tmp_path: Path) -> None:
    source = source_of(layout.write(tmp_path))
    found = inspect_source(source, None)
    assert found.settings == {"format": "table", "table": layout.table}, "\n".join(found.lines)
    assert layout.note in "\n".join(found.lines)
    parsed = try_table(TableConfig(**layout.table), source).parsed
    assert parsed is not None
    rows = parsed.rows
    assert to_list(rows.users) == [user for user, *_ in layout.rows]
    assert to_list(rows.movies) == [movie for _, movie, *_ in layout.rows]
    np.testing.assert_allclose(rows.ratings, [rating for _, _, rating, _ in layout.rows], 1e-6)
    times = [NO_TIME if time is None else time for *_, time in layout.rows]
    assert rows.times.tolist() == times


def test_docs_name_these_settings() -> None:
    text = DOCS.read_text()
    for one in LAYOUTS.values():
        file = one.file.removesuffix(".gz")
        assert f"| {one.name} | `{file}` | `{as_yaml(dict(one.table))}` |" in text


def test_netflix_as_kaggle_has_it(tmp_path: Path) -> None:
    path = tmp_path / "combined_data_1.txt"
    path.write_text(
        lines("1:", "1488844,3,2005-09-06", "822109,5,2005-05-13", "2:", "885013,4,2005-10-19")
    )
    found = inspect_source(source_of(path), None)
    assert found.settings == {"format": "netflix"}
    assert "3 would be read, 0 refused" in "\n".join(found.lines)


# eigentaste.berkeley.edu/dataset: a line a user, the number of jokes rated, then 100 ratings
def test_matrix_of_jester_is_refused_with_what_to_do(tmp_path: Path) -> None:
    path = tmp_path / "jester-data-1.csv"
    jokes = ["99", "-7.82", "8.79"] * 33 + ["4.47"]
    path.write_text(lines(*(",".join([str(n), *jokes]) for n in (67, 67, 68))))
    found = inspect_source(source_of(path), None)
    assert found.settings == {}
    assert "a row for each user, a column for each movie" in found.lines[-1]
    assert "melt()" in found.lines[-1]
    # The lines that docs/data-formats.md makes of it.
    frame = pd.read_csv(path, header=None).drop(columns=0)
    melted = tmp_path / "jester.csv"
    frame.melt(ignore_index=False).reset_index().to_csv(melted, index=False)
    settings = TableConfig(user="index", movie="variable", rating="value", missing=(99,))
    parsed = try_table(settings, source_of(melted)).parsed
    assert parsed is not None
    assert (len(parsed.rows), parsed.num_unrated) == (3 * 67, 3 * 33)
    assert set(to_list(parsed.rows.users)) == {0, 1, 2}
    assert "missing: [99]" in DOCS.read_text()


def test_without_settings_the_message_names_them(tmp_path: Path) -> None:
    path = LAYOUTS["Book-Crossing"].write(tmp_path)
    with pytest.raises(DataError, match=r"Did you mean User-ID\? Set ingest\.table\.user"):
        table_format(TableConfig(), [source_of(path)])
    path = LAYOUTS["Steam 200k"].write(tmp_path)
    with pytest.raises(DataError, match=r"by position.*recspark inspect prints settings"):
        table_format(TableConfig(), [source_of(path)])


def test_quote_left_open_in_a_short_file(tmp_path: Path) -> None:
    path = tmp_path / "a.tsv"
    path.write_text(lines("u1\ti1\t3", 'u2\t"i2\t4', "u3\ti3\t5"))
    parsed = try_table(TableConfig(user=1, movie=2, rating=3), source_of(path)).parsed
    assert parsed is not None
    assert (len(parsed.rows), [one.line for one in parsed.rejects]) == (2, [1])
    found = inspect_source(source_of(path), None)
    assert found.settings["table"] == {"user": 1, "movie": 2, "rating": 3, "quote": None}


@pytest.mark.parametrize("name", ["Food.com", "MyAnimeList"])
def test_ingest_on_spark(name: str, tmp_path: Path, spark: SparkSession) -> None:
    layout = LAYOUTS[name]
    settings = IngestConfig(
        format="table",
        ratings=str(layout.write(tmp_path)),
        table=TableConfig(**layout.table),
    )
    ingest.run(Config(run_dir=str(tmp_path / "run"), ingest=settings), spark)
    stored = spark.read.parquet(str(tmp_path / "run" / "ratings"))
    found: list[Row] = [
        (row[c.USER_ID], row[c.MOVIE_ID], row[c.RATING], row["seconds"])
        for row in stored.selectExpr("*", "unix_timestamp(rated_at) AS seconds").collect()
    ]
    assert sorted(found) == sorted(layout.rows)
