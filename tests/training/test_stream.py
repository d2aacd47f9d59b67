from __future__ import annotations

import threading
from collections.abc import Callable
from pathlib import Path

import fsspec
import numpy as np
import pytest
import torch

from recspark.arrays.compiled import Threads
from recspark.arrays.user_buckets import Shard
from recspark.config import TrainConfig
from recspark.errors import TrainingError
from recspark.files.parquet import RowGroup
from recspark.training import feed, petastorm_reader, stream
from recspark.training.batches import Batch, Batches
from recspark.training.plan import StepPlan
from recspark.training.stored import Columns
from tests.training.jobs import write_bucket

CPU = torch.device("cpu")
NUM_BUCKETS = 6
ROWS = {0: 205, 1: 90, 2: 1, 4: 61, 5: 130}  # bucket 3 is empty; row groups have 30 rows
BATCH_SIZE = 70
MODES = ("resident", "streaming")


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Ratings whose movie is a unique row number; bucket and rating follow from it."""
    target, start = tmp_path_factory.mktemp("feed") / "train", 0
    for bucket, rows in ROWS.items():
        markers = np.arange(start, start + rows)
        users = markers % 5 * NUM_BUCKETS + bucket
        write_bucket(target, bucket, users, markers, markers / 2)
        start += rows
    return target


@pytest.fixture
def small_buffers(monkeypatch: pytest.MonkeyPatch) -> None:
    """Make one MiB hold 60 rows per bucket, so that the tiny buckets fill several buffers."""
    monkeypatch.setattr(stream, "ROW_BYTES", 2**20 // 4 // NUM_BUCKETS // 60)


def shard(rank: int = 0, num_ranks: int = 1) -> Shard:
    return Shard(num_users=5 * NUM_BUCKETS, num_buckets=NUM_BUCKETS, rank=rank, num_ranks=num_ranks)


def open_feed(
    path: Path | str, mode: str, rank: int = 0, num_ranks: int = 1, seed: int = 3
) -> Batches:
    settings = TrainConfig(feed=mode, feed_memory_mib=1)  # type: ignore[arg-type]
    plan = StepPlan(ROWS, BATCH_SIZE, seed)
    return feed.open_batches(
        (str(path),), ROWS, shard(rank, num_ranks), plan, CPU, settings, Threads(1)
    )


def markers(batches: list[Batch]) -> list[list[int]]:
    return [movies.tolist() for _, movies, _ in batches]


def epoch_markers(path: Path, mode: str, epoch: int = 0, first: int = 0, seed: int = 3) -> list:
    batches = open_feed(path, mode, seed=seed)
    found = markers(list(batches.epoch_steps(epoch, first)))
    batches.close()
    return found


@pytest.mark.usefixtures("small_buffers")
@pytest.mark.parametrize("mode", MODES)
def test_every_row_comes_once_and_ranks_do_not_change_the_steps(folder: Path, mode: str) -> None:
    owner = np.repeat(list(ROWS), list(ROWS.values()))
    reference: list[list[int]] = []
    for num_ranks in (1, 2, 3, 4):
        steps: list[list[int]] = [[] for _ in range(7)]  # ceil(487 / 70)
        for rank in range(num_ranks):
            batches, mine = open_feed(folder, mode, rank, num_ranks), shard(rank, num_ranks)
            taken = list(batches.epoch_steps(2))
            batches.close()
            assert len(taken) == 7
            for step, (users, movies, ratings) in zip(steps, taken, strict=True):
                assert (users.dtype, movies.dtype, ratings.dtype) == (
                    *(torch.int32, torch.int32),
                    torch.float32,
                )
                step += movies.tolist()
                np.testing.assert_array_equal(ratings.numpy(), movies.numpy() / 2)
                places = [mine.offsets[owner[m]] + m % 5 for m in movies.tolist()]
                assert users.tolist() == places
        assert sorted(row for step in steps for row in step) == list(range(487))
        steps = [sorted(step) for step in steps]
        for number, step in enumerate(steps):
            for bucket, rows in ROWS.items():
                share = (number + 1) * rows // 7 - number * rows // 7
                assert sum(owner[row] == bucket for row in step) == share
        reference = reference or steps
        assert steps == reference


@pytest.mark.usefixtures("small_buffers")
@pytest.mark.parametrize("mode", MODES)
def test_an_epoch_started_in_the_middle_has_the_same_rest(folder: Path, mode: str) -> None:
    whole = epoch_markers(folder, mode, epoch=1)
    for first in (1, 4, 6, 7):
        assert epoch_markers(folder, mode, epoch=1, first=first) == whole[first:]


@pytest.mark.usefixtures("small_buffers")
def test_skipped_buffers_are_not_read(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    whole, read = feed.read_row_group, []
    monkeypatch.setattr(
        feed,
        "read_row_group",
        lambda reader, group: read.append(group.num_rows) or whole(reader, group),
    )
    epoch_markers(folder, "streaming")
    assert sum(read) == 487
    read.clear()
    epoch_markers(folder, "streaming", first=6)
    assert sum(read) < 250


@pytest.mark.usefixtures("small_buffers")
@pytest.mark.parametrize("mode", MODES)
def test_order_depends_on_seed_and_epoch_alone(folder: Path, mode: str) -> None:
    first = epoch_markers(folder, mode)
    assert epoch_markers(folder, mode) == first
    assert epoch_markers(folder, mode, epoch=1) != first
    assert epoch_markers(folder, mode, seed=4) != first


def test_a_single_row_group_is_shuffled_in_each_epoch(tmp_path: Path) -> None:
    write_bucket(tmp_path, 0, np.zeros(30), np.arange(30), np.arange(30))
    one = Shard(num_users=1, num_buckets=1, rank=0, num_ranks=1)
    settings, plan = TrainConfig(feed="streaming"), StepPlan({0: 30}, 30, 3)
    batches = feed.open_batches((str(tmp_path),), {0: 30}, one, plan, CPU, settings, Threads(1))
    first, second = (markers(list(batches.epoch_steps(epoch)))[0] for epoch in (0, 1))
    batches.close()
    assert sorted(first) == sorted(second) == list(range(30))
    assert first != second


@pytest.mark.usefixtures("small_buffers")
def test_a_buffer_mixes_the_rows_of_its_row_groups(folder: Path) -> None:
    rows = [row for step in epoch_markers(folder, "streaming") for row in step if row < 205]
    # A buffer holds two row groups of 30: rows are not in stored order, and from these two alone.
    assert all(len({row // 30 for row in rows[at : at + 60]}) <= 3 for at in range(0, 180, 60))
    assert np.mean(np.abs(np.diff(rows)) == 1) < 0.1
    groups = [row // 30 for row in rows]
    assert groups != sorted(groups)


@pytest.mark.usefixtures("small_buffers")
def test_each_epoch_takes_the_row_groups_in_another_order(folder: Path) -> None:
    orders = set()
    for epoch in range(4):
        rows = [row for step in epoch_markers(folder, "streaming", epoch) for row in step]
        groups = [row // 30 for row in rows if row < 205]
        # The groups that share a buffer, buffer by buffer: shuffled rows tell no more.
        orders.add(tuple(frozenset(groups[at : at + 60]) for at in range(0, 180, 60)))
    assert len(orders) >= 3  # two of them may be equal by chance


def test_a_short_read_is_repeated_once_and_then_ends_the_run(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole, times = petastorm_reader.read_row_group, []

    def flaky(failures: int) -> Callable[[RowGroup], Columns | None]:
        """Return nothing a few times, as petastorm's pool does when it finishes too early."""

        def read_row_group(group: RowGroup) -> Columns | None:
            times.append(group)
            return None if 5 <= len(times) < 5 + failures else whole(group)

        return read_row_group

    undisturbed = epoch_markers(folder, "streaming")
    monkeypatch.setattr(petastorm_reader, "read_row_group", flaky(1))
    assert epoch_markers(folder, "streaming") == undisturbed
    times.clear()
    monkeypatch.setattr(petastorm_reader, "read_row_group", flaky(2))
    before = threading.active_count()
    with pytest.raises(
        TrainingError, match=r"row group \d+: found 0 rows in 2 attempts, expected \d+, as its man"
    ):
        epoch_markers(folder, "streaming")
    assert threading.active_count() == before


@pytest.mark.parametrize("expected", [89, 91])
def test_a_bucket_that_differs_from_its_manifest_is_refused(folder: Path, expected: int) -> None:
    rows = {**ROWS, 1: expected}
    settings, plan = TrainConfig(feed="streaming"), StepPlan(rows, BATCH_SIZE, 3)
    with pytest.raises(TrainingError, match=rf"bucket=1: found 90 rows, expected {expected}"):
        feed.open_batches((str(folder),), rows, shard(), plan, CPU, settings, Threads(1))


def test_damage_found_during_an_epoch_reaches_the_trainer(folder: Path, tmp_path: Path) -> None:
    write_bucket(tmp_path, 0, np.zeros(300), np.arange(300), np.arange(300))
    file = tmp_path / "bucket=0" / "part-0.parquet"
    plan = StepPlan({0: 300}, 50, 3)
    one = Shard(num_users=1, num_buckets=1, rank=0, num_ranks=1)
    settings = TrainConfig(feed="streaming", feed_memory_mib=1)
    batches = feed.open_batches((str(tmp_path),), {0: 300}, one, plan, CPU, settings, Threads(1))
    content = bytearray(file.read_bytes())
    content[200:1200] = b"\xff" * 1000
    file.write_bytes(content)
    before = threading.active_count()
    with pytest.raises(OSError):
        list(batches.epoch_steps(0))
    assert threading.active_count() == before


@pytest.mark.usefixtures("small_buffers")
def test_nothing_leaks_over_50_epochs_however_they_end(folder: Path) -> None:
    def handles() -> tuple[int, int]:
        threads = [one for one in threading.enumerate() if one.name == "feed"]
        return len(threads), len(list(Path("/proc/self/fd").iterdir()))

    batches = open_feed(folder, "streaming", 1, 3)  # two buckets: 8 row groups per epoch
    list(batches.epoch_steps(0))
    before = handles()
    left = []  # kept, so that the garbage collector closes nothing
    for epoch in range(50):
        steps = batches.epoch_steps(epoch)
        next(steps)
        left.append(steps)
        if epoch % 4 == 0:
            list(steps)
        elif epoch % 4 == 2:
            with pytest.raises(KeyboardInterrupt):
                steps.throw(KeyboardInterrupt)  # type: ignore[attr-defined]
        elif epoch % 4 == 3:
            steps.close()  # type: ignore[attr-defined]
        # Otherwise the next epoch or close() ends it.
    assert handles()[0] == before[0] + 1
    batches.close()
    assert handles() == before
    assert not list(steps)
    batches.close()


def test_auto_holds_ratings_where_the_largest_rank_fits(folder: Path) -> None:
    mib = 2**20
    rows = {0: 4 * mib // 18, 1: mib // 18}  # bytes per rating, as the resident feed states

    def answers(feed_memory_mib: int, num_ranks: int) -> list[bool]:
        settings = TrainConfig(feed_memory_mib=feed_memory_mib)
        ranks = (shard(rank, num_ranks) for rank in range(num_ranks))
        return [feed.is_resident(rows, rank, settings) for rank in ranks]

    assert answers(5, 1) == [True]
    assert answers(4, 1) == [False]
    assert answers(4, 2) == [True, True]
    assert answers(3, 2) == [False, False]
    forced = TrainConfig(feed="streaming", feed_memory_mib=100)
    assert not feed.is_resident(rows, shard(), forced)


@pytest.mark.usefixtures("small_buffers")
def test_remote_files_are_copied_once(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    memory = fsspec.filesystem("memory")
    memory.put(str(folder), "/feed/train", recursive=True)
    copied: list[str] = []
    fetch = type(memory).get_file
    monkeypatch.setattr(
        type(memory),
        "get_file",
        lambda self, path, *rest, **named: copied.append(path) or fetch(self, path, *rest, **named),
    )
    try:
        batches = open_feed("memory://feed/train", "streaming")
        found = [markers(list(batches.epoch_steps(epoch))) for epoch in (0, 1)]
        places = {group.path for each in batches._groups.values() for group in each}  # type: ignore[attr-defined]
        assert all(Path(place).exists() for place in places)
        batches.close()
    finally:
        memory.rm("/feed", recursive=True)
    assert found == [epoch_markers(folder, "streaming", epoch) for epoch in (0, 1)]
    assert len(copied) == len(places) == 5
    assert not any(Path(place).exists() for place in places)
