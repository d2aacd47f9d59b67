from __future__ import annotations

from datetime import datetime, timezone
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from recspark.arrays.ids import TextIds
from recspark.arrays.ratings import NO_TIME, Ratings
from recspark.cluster.tasks import commit_parts
from recspark.contract import columns as c
from recspark.ingest.ratings_file import write_ratings


def written(rows: Ratings, root: Path) -> pq.ParquetFile:
    commit_parts([write_ratings(rows, str(root), "part-0.parquet")], str(root))
    return pq.ParquetFile(root / "part-0.parquet")


def test_stored_types_and_values(tmp_path: Path) -> None:
    rows = Ratings(
        TextIds.of(["a", "b", "a"]),
        np.array([2**40, -1, 0]),
        np.array([1, 2.5, 4], np.float32),
        np.array([1, NO_TIME, -1], np.int32),
    )
    file = written(rows, tmp_path)
    table = file.read().cast(
        pa.schema(
            [
                (c.USER_ID, pa.string()),
                (c.MOVIE_ID, pa.int64()),
                (c.RATING, pa.float32()),
                (c.RATED_AT, pa.timestamp("us", "UTC")),
            ]
        )
    )
    times = [datetime.fromtimestamp(second, timezone.utc) for second in (1, -1)]
    assert table.to_pydict() == {
        c.USER_ID: ["a", "b", "a"],
        c.MOVIE_ID: [2**40, -1, 0],
        c.RATING: [1.0, 2.5, 4.0],
        c.RATED_AT: [times[0], None, times[1]],
    }


def test_days_are_stored_with_a_dictionary_and_seconds_as_differences(tmp_path: Path) -> None:
    ids = np.arange(5)
    for name, seconds, encoding in (("days", 0, "RLE_DICTIONARY"), ("times", 1, "DELTA_BINARY")):
        times = (86_400 * np.arange(5) + seconds).astype(np.int32)
        file = written(Ratings(ids, ids, np.ones(5, np.float32), times), tmp_path / name)
        group = file.metadata.row_group(0)
        assert any(one.startswith(encoding) for one in group.column(3).encodings)
        assert any(one.startswith("DELTA_BINARY") for one in group.column(0).encodings)
