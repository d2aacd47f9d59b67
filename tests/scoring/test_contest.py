from __future__ import annotations

from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from recspark.scoring import contest


def test_a_movie_that_continues_in_the_next_batch_or_file_has_one_header(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(contest, "BATCH_ROWS", 2)
    files = [[(8, 1.5), (8, 2.25), (8, 3.0)], [(8, 4.0), (1, 1.0 / 3), (8, 5.0)]]
    for number, rows in enumerate(files):
        movies, predictions = zip(*rows, strict=True)
        table = pa.table({"movie_id": movies, "prediction": pa.array(predictions, pa.float32())})
        pq.write_table(table, tmp_path / f"part-{number}.parquet")
    target = tmp_path / "contest" / "prediction.txt"
    assert contest.write_contest(str(tmp_path), str(target)) == 6
    assert target.read_text() == (
        "8:\n1.500000\n2.250000\n3.000000\n4.000000\n1:\n0.333333\n8:\n5.000000\n"
    )
