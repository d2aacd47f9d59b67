"""Counts of the rows of lists written by hand, with ids of both kinds, in one group and in many."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st

from recspark.arrays.ids import Ids, TextIds
from recspark.arrays.lookup import Lookup
from recspark.contract import columns as c
from recspark.gates import list_rows
from recspark.gates.list_rows import Known, StoredLists, count_rows

Row = tuple[int, int, int]
"""User, movie, rank."""
USERS, MOVIES = [30, 10, 20, 40], [7, 3, 5, 9, 1]


def write(folder: Path, rows: Sequence[Row], *, as_text: bool = False) -> Path:
    """Write rows to two files, the first ones to the first file."""
    folder.mkdir(parents=True)
    half = (len(rows) + 1) // 2
    for number, part in enumerate((rows[:half], rows[half:])):
        table = pa.table(
            {
                c.USER_ID: pa.array([_id(row[0], as_text) for row in part], _kind(as_text)),
                c.RANK: pa.array([row[2] for row in part], pa.int32()),
                c.MOVIE_ID: pa.array([_id(row[1], as_text) for row in part], _kind(as_text)),
            }
        )
        pq.write_table(table, folder / f"part-{number}.parquet")
    return folder


def _id(value: int, as_text: bool) -> int | str:
    return f"n{value}" if as_text else value


def _kind(as_text: bool) -> pa.DataType:
    return pa.string() if as_text else pa.int64()


def stored(folder: Path, rows: Sequence[Row], length: int = 3) -> StoredLists:
    return StoredLists(str(folder), len(rows), length)


def known(*, as_text: bool = False, without: Sequence[int] | None = None) -> Known:
    """Return the index, with titles for all movies but `without`."""
    users, movies = (_ids(values, as_text) for values in (USERS, MOVIES))
    has_title = None if without is None else ~np.isin(MOVIES, without)
    return Known(Lookup.of(users), Lookup.of(movies), has_title)


def _ids(values: Sequence[int], as_text: bool) -> Ids:
    if as_text:
        return TextIds.of([f"n{value}" for value in values])
    return np.array(values)


@pytest.fixture(params=[1, 2, 3], ids=lambda count: f"{count} groups")
def groups(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> int:
    """Set GROUP_ROWS so that the 10 rows of these tests need this many groups."""
    monkeypatch.setattr(list_rows, "GROUP_ROWS", {1: 10, 2: 6, 3: 4}[request.param])
    return int(request.param)


TONIGHT = [(10, 7, 1), (10, 3, 2), (20, 7, 1), (20, 5, 2), (40, 1, 1)]
# 10: the same movies in another order. 20: one of two kept. 40: nothing kept.
BEFORE = [(10, 3, 1), (10, 7, 2), (20, 9, 1), (20, 7, 2), (40, 9, 1)]


@pytest.mark.parametrize("as_text", [False, True], ids=["numbers", "text"])
@pytest.mark.usefixtures("groups")
def test_churn_by_hand(tmp_path: Path, as_text: bool) -> None:
    before = [*BEFORE, (30, 7, 1)]
    mine = write(tmp_path / "a", TONIGHT, as_text=as_text)
    theirs = write(tmp_path / "b", before, as_text=as_text)
    found = count_rows(
        stored(mine, TONIGHT), known(as_text=as_text, without=[1, 7]), stored(theirs, before)
    )
    assert (found.num_rows, found.num_lists) == (5, 3)
    assert (found.num_shared, found.churn) == (3, pytest.approx((0 + 0.5 + 1) / 3))
    assert (found.num_repeats, found.num_unknown) == (0, 0)
    vanished = ("n7", "n1") if as_text else ("7", "1")  # by index; 7 is in two lists
    assert (found.num_vanished, found.vanished) == (3, vanished)


@pytest.mark.usefixtures("groups")
def test_faults_are_counted(tmp_path: Path) -> None:
    rows = [
        *((10, 7, 1), (10, 7, 2)),  # a movie again, in the first file
        *((20, 7, 1), (20, 5, 1)),  # a rank again
        *((99, 7, 1), (40, 98, 1)),  # a user and a movie that the index does not have
        *((40, 9, 2), (10, 3, 3), (10, 3, 4), (10, 7, 5)),  # two more again, across files
    ]
    found = count_rows(stored(write(tmp_path / "a", rows), rows), known(), None)
    assert (found.num_rows, found.num_lists) == (10, 3)
    assert (found.num_repeats, found.num_unknown) == (4, 2)
    assert (found.num_vanished, found.num_shared, found.churn) == (0, None, None)


def test_lists_of_other_lengths_are_cut_at_the_shorter_one(tmp_path: Path) -> None:
    longer = [(10, 7, 1), (10, 3, 2), (10, 5, 3)]
    shorter = [(10, 3, 1), (10, 7, 2)]
    a = stored(write(tmp_path / "a", longer), longer, 3)
    b = stored(write(tmp_path / "b", shorter), shorter, 2)
    assert count_rows(a, known(), b).churn == 0
    assert count_rows(b, known(), a).churn == 0
    # A user with few movies left has a short list: two of three are new.
    short = stored(write(tmp_path / "c", [(10, 7, 1)]), [(10, 7, 1)], 3)
    assert count_rows(a, known(), short).churn == pytest.approx(2 / 3)


def test_movies_that_left_the_index_count_as_changed(tmp_path: Path) -> None:
    mine, theirs = [(10, 7, 1), (10, 3, 2)], [(10, 7, 1), (10, 98, 2)]
    found = count_rows(
        stored(write(tmp_path / "a", mine), mine),
        known(),
        stored(write(tmp_path / "b", theirs), theirs),
    )
    assert (found.num_shared, found.churn) == (1, 0.5)


def test_no_user_in_common(tmp_path: Path) -> None:
    mine, theirs = [(10, 7, 1)], [(20, 7, 1)]
    found = count_rows(
        stored(write(tmp_path / "a", mine), mine),
        known(),
        stored(write(tmp_path / "b", theirs), theirs),
    )
    assert (found.num_shared, found.churn) == (0, None)


def test_rows_are_counted_in_the_files(tmp_path: Path) -> None:
    folder = write(tmp_path / "a", TONIGHT)
    assert count_rows(StoredLists(str(folder), 99, 3), known(), None).num_rows == 5


def test_empty_lists(tmp_path: Path) -> None:
    found = count_rows(stored(write(tmp_path / "a", []), []), known(without=[]), None)
    assert (found.num_rows, found.num_lists, found.vanished) == (0, 0, ())


def test_text_that_names_numbers_is_the_same_user(tmp_path: Path) -> None:
    """The ids of the accepted run were text, and those of tonight are numbers."""
    folder = tmp_path / "b"
    folder.mkdir()
    table = pa.table({c.USER_ID: ["10"], c.RANK: pa.array([1], pa.int32()), c.MOVIE_ID: ["7"]})
    pq.write_table(table, folder / "part-0.parquet")
    mine = [(10, 7, 1)]
    found = count_rows(
        stored(write(tmp_path / "a", mine), mine), known(), StoredLists(str(folder), 1, 3)
    )
    assert (found.num_shared, found.churn) == (1, 0)


LISTS = st.dictionaries(
    st.sampled_from([*USERS, 50]), st.lists(st.sampled_from([*MOVIES, 11]), unique=True, max_size=4)
)


@given(mine=LISTS, theirs=LISTS, group_rows=st.integers(1, 20))
def test_churn_equals_that_of_sets(
    tmp_path_factory: pytest.TempPathFactory,
    mine: dict[int, list[int]],
    theirs: dict[int, list[int]],
    group_rows: int,
) -> None:
    folder = tmp_path_factory.mktemp("lists")
    sides = []
    for name, lists in (("a", mine), ("b", theirs)):
        rows = [(u, m, at) for u, movies in lists.items() for at, m in enumerate(movies, start=1)]
        sides.append(stored(write(folder / name, rows), rows))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(list_rows, "GROUP_ROWS", group_rows)
        found = count_rows(sides[0], known(), sides[1])
    both = [user for user in USERS if mine.get(user) and theirs.get(user)]
    changed = []
    for user in both:
        one, other = mine[user][:3], theirs[user][:3]
        same = {*one} & {*other} & {*MOVIES}
        changed.append(1 - len(same) / max(len(one), len(other)))
    assert found.num_shared == len(both)
    assert found.churn == (pytest.approx(np.mean(changed)) if both else None)
