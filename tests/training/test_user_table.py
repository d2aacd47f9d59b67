from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest
import torch

from recspark.arrays.compiled import Threads
from recspark.arrays.user_buckets import Shard
from recspark.config import TrainConfig
from recspark.models.biased_mf import BiasedMF
from recspark.models.spec import ModelSpec
from recspark.models.target import Target
from recspark.training.optimisers import Update
from recspark.training.order_loops import cut, order_by_row
from recspark.training.user_table import UserTable, init_user_rows


def make_model(num_movies: int = 6) -> BiasedMF:
    target = Target(kind="centered", mean=3.0)
    spec = ModelSpec(num_movies=num_movies, target=target, embedding_size=2, init_scale=0.3)
    return BiasedMF.build(spec, torch.Generator().manual_seed(1))


def make_table(rows: torch.Tensor, threads: int = 1, **changed: object) -> UserTable:
    return UserTable(rows, TrainConfig(**changed), Threads(threads))  # type: ignore[arg-type]


@pytest.mark.parametrize("optimizer", ["adam", "sgd"])
@pytest.mark.parametrize("scale", [None, 0.25])
def test_loops_and_tensor_operations_take_the_same_steps(
    optimizer: str, scale: float | None
) -> None:
    rng = torch.Generator().manual_seed(5)
    start = torch.randn(300, 7, generator=rng)
    loops, tensors = (make_table(start.clone(), 2, optimizer=optimizer) for _ in range(2))
    dense = start.double().clone()
    first = torch.zeros_like(dense)
    factor = None if scale is None else torch.tensor(scale)
    for step in range(1, 20):
        users = torch.randint(0, 290, (200,), generator=rng, dtype=torch.int32)
        weight = torch.randn(200, 7, generator=rng)
        for table in (loops, tensors):
            (table.gather(users) * weight).sum().backward()
        gradient = torch.zeros_like(dense).index_add_(0, users.long(), weight.double())
        squares = loops.gradient_squares()
        assert squares.item() == pytest.approx(gradient.square().sum().item(), rel=1e-6)
        loops.update(0.1, step, factor)
        tensors.update_by_tensors(Update.of(tensors._settings, 0.1, step), factor)
        if optimizer == "sgd":
            touched = users.long().unique()
            gradient = gradient[touched] * (scale or 1)
            first[touched] = 0.9 * first[touched] + gradient
            dense[touched] -= 0.1 * first[touched]
    torch.testing.assert_close(loops.rows, tensors.rows, atol=2e-5, rtol=0)
    for name, table in loops.memory.items():
        torch.testing.assert_close(table, tensors.memory[name], atol=1e-5, rtol=1e-5)
    assert torch.equal(loops.rows[290:], start[290:])
    if optimizer == "sgd":
        torch.testing.assert_close(loops.rows.double(), dense, atol=1e-4, rtol=0)


def test_gradient_of_a_batch_without_backward_is_zero() -> None:
    table = make_table(torch.ones(4, 3))
    table.gather(torch.tensor([1, 1], dtype=torch.int32))
    table.update(0.5, 1)
    assert table.gradient_squares() == 0
    assert torch.equal(table.rows, torch.ones(4, 3))


@pytest.mark.parametrize("num_rows", [1, 2, 3, 5, 4096, 70_000, 2_000_000_000])
def test_order_by_row_is_a_stable_sort(num_rows: int) -> None:
    rng = np.random.default_rng(num_rows)
    rows = rng.integers(0, num_rows, 5000).astype(np.int32)
    order = order_by_row(rows, num_rows)
    np.testing.assert_array_equal(order, np.argsort(rows, kind="stable"))


@pytest.mark.parametrize("num_parts", [1, 2, 3, 7, 20])
@pytest.mark.parametrize("bucket_rows", [1, 40, 400])
@pytest.mark.parametrize("size", [0, 1, 3, 500, 5000])
def test_no_row_is_in_two_parts(num_parts: int, bucket_rows: int, size: int) -> None:
    """Rows come bucket by bucket, at random within each."""
    rows = np.sort(np.random.default_rng(1).integers(0, 1000, size)).astype(np.int32)
    for start in range(0, 1000, bucket_rows):
        bucket = slice(*np.searchsorted(rows, [start, start + bucket_rows]))
        rows[bucket] = np.random.default_rng(start).permutation(rows[bucket])
    cuts = cut(rows, num_parts)
    assert (cuts[0], cuts[-1], len(cuts)) == (0, size, num_parts + 1)
    assert (np.diff(cuts) >= 0).all()
    parts = [set(rows[start:end]) for start, end in pairwise(cuts)]
    assert sum(map(len, parts)) == len(set(rows))
    if bucket_rows < 400 and size >= 500:
        assert np.diff(cuts).max() < size / num_parts + size * bucket_rows / 1000 + 10
    shuffled = np.random.default_rng(2).permutation(rows)
    parts = [set(shuffled[start:end]) for start, end in pairwise(cut(shuffled, num_parts))]
    assert sum(map(len, parts)) == len(set(rows))


@pytest.mark.parametrize("num_ranks", [1, 2, 3])
def test_initial_rows_of_a_user_do_not_depend_on_the_ranks(num_ranks: int) -> None:
    model = make_model()
    whole = Shard(num_users=23, num_buckets=5, rank=0, num_ranks=1)
    reference = init_user_rows(model, whole, seed=9)
    for rank in range(num_ranks):
        shard = Shard(num_users=23, num_buckets=5, rank=rank, num_ranks=num_ranks)
        rows = init_user_rows(model, shard, seed=9)
        for user in (user for user in range(23) if user % 5 in shard.buckets):
            mine = rows[shard.offsets[user % 5] + user // 5]
            assert torch.equal(mine, reference[whole.offsets[user % 5] + user // 5])
    assert len({tuple(row) for row in reference.tolist()}) == 23
    assert not torch.equal(reference, init_user_rows(model, whole, seed=10))
