from __future__ import annotations

import pytest
from pyspark.sql import SparkSession

from recspark.errors import DataError, TrainingError, from_task


def test_the_error_of_a_task_is_recovered(spark: SparkSession) -> None:
    def fail(number: int) -> int:
        raise DataError(f"file.txt:{number}: found damage, expected none. Fetch it again.")

    with pytest.raises(Exception, match="found damage") as caught:
        spark.sparkContext.parallelize([7], 1).map(fail).collect()
    raised = from_task(caught.value)
    assert isinstance(raised, DataError)
    assert str(raised) == "file.txt:7: found damage, expected none. Fetch it again."


def test_message_of_several_lines_stays_complete() -> None:
    raised = from_task(RuntimeError("x\nrecspark.errors.TrainingError: one\n  two\n\n\tat org.X"))
    assert isinstance(raised, TrainingError)
    assert str(raised) == "one\n  two"


def test_other_errors_are_left_alone() -> None:
    assert from_task(ValueError("recspark.errors.Nothing: x")) is None
    assert from_task(ValueError("no")) is None


def test_a_full_disk_is_reported_with_its_remedy_wherever_it_occurs() -> None:
    in_task = "Py4JJavaError: … OSError: [Errno 28] No space left on device\n at org.apache.spark"
    in_jvm = "java.io.IOException: No space left on device"
    for error in (
        RuntimeError(in_task),
        RuntimeError(in_jvm),
        OSError(28, "No space left on device"),
    ):
        raised = from_task(error)
        assert isinstance(raised, DataError)
        assert "Free some space" in str(raised)
