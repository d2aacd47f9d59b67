"""The plain implementations that recspark is measured against, each as a separate command.

    python scripts/benchmarks/yardsticks.py notebook_ingest RATINGS_FILE… --rows 2000000
    python scripts/benchmarks/yardsticks.py arrow_parse RATINGS_FILE…
    python scripts/benchmarks/yardsticks.py plain_prepare RATINGS_DATA_SET

The last line printed is JSON: rows and seconds of the work itself, without imports and start-up.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import sys
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path


def notebook_ingest(files: list[str], rows: int) -> int:
    """Ingest as the public pandas notebook does: loop over lines, write and read a CSV."""
    import pandas as pd

    count = 0
    with tempfile.TemporaryDirectory() as folder:
        target = Path(folder) / "data.csv"
        with target.open("w") as out:
            for file in files:
                movie = ""
                with open(file) as lines:
                    for line in lines:
                        text = line.strip()
                        if text.endswith(":"):
                            movie = text.replace(":", "")
                            continue
                        fields = text.split(",")
                        fields.insert(0, movie)
                        out.write(",".join(fields) + "\n")
                        count += 1
                        if count == rows:
                            break
                if count == rows:
                    break
        frame = pd.read_csv(target, names=["movie", "user", "rating", "date"], parse_dates=["date"])
    return len(frame)


def arrow_parse(files: list[str], num_threads: int = 2) -> int:
    """Parse with pyarrow's CSV reader alone: blocks of 64 MiB, one core each, headers dropped."""
    import pyarrow as pa
    from pyarrow import csv

    types = {"user": pa.int32(), "rating": pa.int8(), "date": pa.date32()}

    def parse(block: bytes) -> int:
        table = csv.read_csv(
            pa.py_buffer(block),
            read_options=csv.ReadOptions(use_threads=False, column_names=list(types)),
            parse_options=csv.ParseOptions(invalid_row_handler=lambda row: "skip"),
            convert_options=csv.ConvertOptions(column_types=types),
        )
        return int(table.num_rows)

    def blocks():
        for file in files:
            with open(file, "rb") as opened:
                while block := opened.read(64 << 20):
                    yield block + opened.readline()

    total = 0
    with ThreadPoolExecutor(num_threads) as pool:
        pending = []
        for block in blocks():
            pending.append(pool.submit(parse, block))
            if len(pending) > num_threads:
                total += pending.pop(0).result()
        total += sum(future.result() for future in pending)
    return total


def plain_prepare(folder: str, target: str, master: str) -> int:
    """Prepare with plain Spark: fit and apply a StringIndexer, randomSplit, write."""
    from pyspark import StorageLevel
    from pyspark.ml.feature import StringIndexer
    from pyspark.sql import functions as F

    from recspark.cluster.session import create_session
    from recspark.config import SparkConfig
    from recspark.contract import columns as c

    spark = create_session(SparkConfig(master=master, shuffle_partitions=64), "plain prepare")
    started = time.monotonic()
    rows = spark.read.parquet(folder)
    for column, index in ((c.USER_ID, c.USER_INDEX), (c.MOVIE_ID, c.MOVIE_INDEX)):
        frequent = rows.groupBy(column).count().where("count >= 1").select(column)
        rows = rows.join(frequent, on=column, how="left_semi")
        rows = StringIndexer(inputCol=column, outputCol=index).fit(rows).transform(rows)
    bucketed = rows.select(
        F.col(c.USER_INDEX).cast("int"),
        F.col(c.MOVIE_INDEX).cast("int"),
        c.RATING,
        F.unix_timestamp(c.RATED_AT).cast("int").alias(c.RATED_AT),
        F.pmod(F.hash(c.USER_INDEX), F.lit(64)).alias(c.BUCKET),
    )
    # Persisted, because randomSplit would otherwise look up every string three times.
    bucketed = bucketed.persist(StorageLevel.MEMORY_AND_DISK)
    parts = bucketed.randomSplit([0.855, 0.045, 0.1], seed=42)
    for name, part in zip(("train", "valid", "test"), parts, strict=True):
        shuffled = part.repartition(64, c.BUCKET).sortWithinPartitions(c.BUCKET, F.rand(42))
        shuffled.write.partitionBy(c.BUCKET).mode("overwrite").parquet(f"{target}/{name}")
    seconds = time.monotonic() - started
    num_rows = sum(spark.read.parquet(f"{target}/{n}").count() for n in ("train", "valid", "test"))
    spark.stop()
    report(num_rows, seconds)
    return num_rows


def report(rows: int, seconds: float) -> None:
    print(json.dumps({"rows": rows, "seconds": round(seconds, 3)}), flush=True)


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("way", choices=["notebook_ingest", "arrow_parse", "plain_prepare"])
    parser.add_argument("paths", nargs="+")
    parser.add_argument("--rows", type=int, default=2_000_000, help="rows the notebook reads")
    parser.add_argument("--master", default="local[2]")
    arguments = parser.parse_args()
    if arguments.way == "plain_prepare":
        target = tempfile.mkdtemp(dir=os.path.dirname(arguments.paths[0]))  # noqa: PTH120
        try:
            plain_prepare(arguments.paths[0], target, arguments.master)
        finally:
            shutil.rmtree(target)
        return 0
    import pandas  # noqa: F401
    import pyarrow.csv  # noqa: F401

    started = time.monotonic()
    if arguments.way == "notebook_ingest":
        rows = notebook_ingest(arguments.paths, arguments.rows)
    else:
        rows = arrow_parse(arguments.paths)
    report(rows, time.monotonic() - started)
    return 0


if __name__ == "__main__":
    sys.exit(main())
