from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from recspark.training.plan import StepPlan

BUCKETS = st.lists(st.integers(0, 40), min_size=4, max_size=7).filter(any)


def global_steps(plan: StepPlan, num_buckets: int, num_ranks: int, epoch: int) -> list[list[tuple]]:
    """Return the (bucket, row in the bucket) of each step, sorted, over all ranks."""
    steps: list[list[tuple]] = [[] for _ in range(plan.num_steps)]
    for rank in range(num_ranks):
        mine = range(rank, num_buckets, num_ranks)
        place = [(b, row) for b in mine for row in range(plan.bucket_rows.get(b, 0))]
        taken = list(plan.epoch_steps(epoch, mine))
        assert len(taken) == plan.num_steps
        for step, positions in enumerate(taken):
            steps[step] += [place[position] for position in positions.tolist()]
    return [sorted(step) for step in steps]


@settings(max_examples=60, deadline=None)
@given(BUCKETS, st.integers(1, 30), st.integers(0, 3))
def test_any_number_of_ranks_sees_the_same_batches_and_every_row_once(
    rows: list[int], batch_size: int, epoch: int
) -> None:
    plan = StepPlan(dict(enumerate(rows)), batch_size, seed=5)
    assert plan.num_steps == -(-sum(rows) // batch_size)
    reference = global_steps(plan, len(rows), 1, epoch)
    everything = sorted(place for step in reference for place in step)
    assert everything == [(b, row) for b, count in enumerate(rows) for row in range(count)]
    for num_ranks in (2, 3, 4):
        assert global_steps(plan, len(rows), num_ranks, epoch) == reference
    for step, places in enumerate(reference):
        assert plan.global_rows(step) == len(places)
        # A bucket's share of a step is its share of the rows.
        for bucket, count in enumerate(rows):
            share = sum(1 for place in places if place[0] == bucket)
            assert abs(share - count / plan.num_steps) < 1


@pytest.mark.parametrize(("rows", "steps"), [(1000, 10), (70, 7), (30, 5), (3, 3)])
def test_few_rows_make_steps_smaller_before_fewer(rows: int, steps: int) -> None:
    plan = StepPlan({0: rows // 3, 2: rows - rows // 3}, 10 if rows < 1000 else 100, 5, min_steps=5)
    assert plan.num_steps == steps
    taken = [place for step in global_steps(plan, 3, 2, 0) for place in step]
    assert len(set(taken)) == len(taken) == rows


def test_order_depends_on_epoch_seed_and_bucket() -> None:
    def order(seed: int, epoch: int, bucket: int) -> list[int]:
        plan = StepPlan({0: 50, 1: 50}, 100, seed)
        return next(iter(plan.epoch_steps(epoch, [bucket]))).tolist()

    assert order(1, 0, 0) == order(1, 0, 0)
    others = [order(2, 0, 0), order(1, 1, 0), order(1, 0, 1)]
    assert all(other != order(1, 0, 0) for other in others)
    assert order(1, 0, 0) != list(range(50))
