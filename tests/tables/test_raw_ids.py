from __future__ import annotations

import uuid
from decimal import Decimal

import pyarrow as pa
import pytest

from recspark.arrays.ids import to_list
from recspark.tables import raw_ids
from recspark.tables.raw_ids import is_id_type, read_ids

UUID = "0f8fad5b-d9cb-469f-a165-70867728950e"


def ids_of(column: pa.Array, *, as_text: bool = False) -> list[int | str | None]:
    """The ids; None where there is a problem."""
    found = read_ids(column, as_text=as_text)
    ids = to_list(found.ids) if len(getattr(found.ids, "values", [0])) else [0] * len(column)
    return [one if problem == 0 else None for one, problem in zip(ids, found.problems, strict=True)]


@pytest.mark.parametrize(
    "column",
    [
        pa.array([12, None, -3], pa.int8()),
        pa.array([12, None, -3], pa.int64()),
        pa.array([12.0, None, -3.0]),
        pa.array([12.0, float("nan"), -3.0], pa.float32()),
        pa.array([Decimal("12.00"), None, Decimal("-3.00")]),
        pa.array(["12", "", "-3"]),
        pa.array([" 12.0 ", "NULL", "-3"], pa.large_string()),
        pa.array([b"12", None, b"-3.0"]),
        pa.array(["12", None, "-3"]).dictionary_encode(),
        pa.array([12, None, -3]).dictionary_encode(),
    ],
    ids=lambda column: str(column.type),
)
def test_the_same_id_is_the_same_in_every_type(column: pa.Array) -> None:
    assert is_id_type(column.type)
    assert ids_of(column) == [12, None, -3]


@pytest.mark.parametrize(
    "column",
    [
        pa.array([12, None], pa.uint16()),
        pa.array([12.0, None]),
        pa.array([Decimal("12.00"), None]),
        pa.array(["12", None]),
        pa.array([b" 12 ", b"nan"]),
    ],
    ids=lambda column: str(column.type),
)
def test_numbers_as_text(column: pa.Array) -> None:
    assert ids_of(column, as_text=True) == ["12", None]


def test_the_ends_of_64_bits() -> None:
    ends = [2**63 - 1, -(2**63)]
    assert ids_of(pa.array(ends)) == ends
    assert ids_of(pa.array([str(one) for one in ends])) == ends
    assert ids_of(pa.array([2**63, 5], pa.uint64())) == [None, 5]
    assert ids_of(pa.array([2**63, 5], pa.uint64()), as_text=True) == [str(2**63), "5"]
    assert ids_of(pa.array([2.0**63, -(2.0**63), 0.5])) == [None, -(2**63), None]


def test_uuids_of_16_bytes() -> None:
    column = pa.array([uuid.UUID(UUID).bytes, None], pa.binary(16))
    assert ids_of(column, as_text=True) == [UUID, None]
    assert read_ids(column, as_text=False).problems.tolist() == [raw_ids.NOT_WHOLE, raw_ids.EMPTY]


def test_text_is_stripped_and_may_become_the_same() -> None:
    found = read_ids(pa.array(["a", " a", "a\u00a0", "b"]), as_text=True)
    assert to_list(found.ids) == ["a", "a", "a", "b"]
    assert sorted(found.ids.values.to_pylist()) == ["a", "b"]  # type: ignore[union-attr]


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("x" * 256, raw_ids.FINE),
        ("é" * 256, raw_ids.FINE),
        ("x" * 257, raw_ids.LONG),
        ("a\x1b[31m", raw_ids.CONTROL),
        ("a\u2028b", raw_ids.CONTROL),
        ("a\x9fb", raw_ids.CONTROL),
        ("  ", raw_ids.EMPTY),
        ("<NA>", raw_ids.EMPTY),
        ("Null Island", raw_ids.FINE),
        ("=cmd()", raw_ids.FINE),
    ],
)
def test_what_text_ids_may_hold(text: str, problem: int) -> None:
    assert read_ids(pa.array([text]), as_text=True).problems.tolist() == [problem]


@pytest.mark.parametrize("kind", [pa.bool_(), pa.date32(), pa.list_(pa.int64()), pa.timestamp("s")])
def test_types_that_hold_no_ids(kind: pa.DataType) -> None:
    assert not is_id_type(kind)
