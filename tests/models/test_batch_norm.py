from __future__ import annotations

import multiprocessing
from datetime import timedelta
from multiprocessing.queues import Queue
from pathlib import Path
from typing import Any

import pytest
import torch
import torch.distributed as dist
from torch import Tensor, nn

from recspark.models.batch_norm import BatchNorm
from recspark.models.layers import build_layers

NUM_ROWS, STEPS = 23, 3


def make_layers(norm: type[nn.BatchNorm1d]) -> nn.Sequential:
    torch.manual_seed(4)
    dense = build_layers(["dense 6", "relu"], 5, 6)
    return nn.Sequential(dense, norm(6), nn.ReLU(), nn.Linear(6, 1))


def step_rows(step: int) -> Tensor:
    generator = torch.Generator().manual_seed(100 + step)
    return 4 + 2 * torch.randn(NUM_ROWS, 5, generator=generator)


def take_steps(layers: nn.Sequential, rank: int, shares: list[tuple[int, ...]]) -> dict[str, Any]:
    """Take SGD steps on a rank's part of each step; return gradients, statistics and weights."""
    gradients = []
    for step, share in enumerate(shares):
        rows = step_rows(step).split(share)[rank].clone().requires_grad_()
        layers.zero_grad()
        (layers(rows).square().sum() / NUM_ROWS).backward()
        for parameter in layers.parameters():
            if dist.is_initialized():
                dist.all_reduce(parameter.grad)
            parameter.data -= 0.01 * parameter.grad
        gradients.append([rows.grad, *(p.grad.clone() for p in layers.parameters())])
    state = {name: tensor.numpy() for name, tensor in layers.state_dict().items()}
    return {"gradients": [[g.numpy() for g in step] for step in gradients], "state": state}


def run_rank(
    rank: int, meeting: str, shares: list[tuple[int, ...]], results: Queue[tuple[int, Any]]
) -> None:
    torch.set_num_threads(1)
    dist.init_process_group(
        "gloo",
        init_method=f"file://{meeting}",
        rank=rank,
        world_size=len(shares[0]),
        timeout=timedelta(seconds=60),
    )
    layers = make_layers(BatchNorm)
    for module in layers.modules():
        if isinstance(module, BatchNorm):
            module.group = dist.group.WORLD
    results.put((rank, take_steps(layers, rank, shares)))
    dist.destroy_process_group()


def test_two_ranks_with_unequal_parts_agree_with_one_process(tmp_path: Path) -> None:
    shares = [(5, 18), (23, 0), (1, 22)]
    context = multiprocessing.get_context("spawn")
    results = context.Queue()
    ranks = [
        context.Process(target=run_rank, args=(rank, str(tmp_path / "meet"), shares, results))
        for rank in range(2)
    ]
    for rank in ranks:
        rank.start()
    found = dict(results.get(timeout=90) for _ in ranks)
    for rank in ranks:
        rank.join(timeout=60)
        assert rank.exitcode == 0

    whole = take_steps(make_layers(nn.BatchNorm1d), 0, [(NUM_ROWS,)] * STEPS)
    for name, expected in whole["state"].items():
        assert (found[0]["state"][name] == found[1]["state"][name]).all(), name
        torch.testing.assert_close(
            torch.from_numpy(found[0]["state"][name]), torch.from_numpy(expected), msg=name
        )
    for step in range(STEPS):
        inputs = [torch.from_numpy(found[rank]["gradients"][step][0]) for rank in range(2)]
        of_one = [torch.from_numpy(gradient) for gradient in whole["gradients"][step]]
        torch.testing.assert_close(torch.cat(inputs), of_one[0], rtol=1e-4, atol=1e-6)
        for rank in range(2):
            for mine, expected in zip(found[rank]["gradients"][step][1:], of_one[1:], strict=True):
                torch.testing.assert_close(torch.from_numpy(mine), expected, rtol=1e-4, atol=1e-5)


@pytest.fixture
def lone_group(tmp_path: Path):
    """A group with this process only, so that the summing path runs."""
    dist.init_process_group("gloo", init_method=f"file://{tmp_path / 'm'}", rank=0, world_size=1)
    yield dist.group.WORLD
    dist.destroy_process_group()


def test_a_group_of_one_is_torchs_batch_norm(lone_group: dist.ProcessGroup) -> None:
    ours, torchs = make_layers(BatchNorm), make_layers(nn.BatchNorm1d)
    ours[1].group = lone_group
    found, expected = (take_steps(m, 0, [(NUM_ROWS,)] * STEPS) for m in (ours, torchs))
    for step in range(STEPS):
        for mine, theirs in zip(found["gradients"][step], expected["gradients"][step], strict=True):
            torch.testing.assert_close(
                torch.from_numpy(mine), torch.from_numpy(theirs), rtol=1e-4, atol=1e-5
            )
    rows = step_rows(9)
    torch.testing.assert_close(ours(rows), torchs(rows))
    torch.testing.assert_close(ours[1].running_mean, torchs[1].running_mean)
    torch.testing.assert_close(ours[1].running_var, torchs[1].running_var)
    assert ours[1].num_batches_tracked == torchs[1].num_batches_tracked == STEPS + 1
    torch.testing.assert_close(ours.eval()(rows), torchs.eval()(rows))


def test_a_step_of_one_row_and_an_empty_part_in_eval() -> None:
    norm = BatchNorm(3)
    norm.bias.data = torch.tensor([1.0, 2.0, 3.0])
    assert norm(torch.tensor([[7.0, 8.0, 9.0]])).tolist() == [[1.0, 2.0, 3.0]]
    assert norm.running_mean.tolist() == pytest.approx([0.7, 0.8, 0.9])
    assert norm.running_var.tolist() == pytest.approx([0.9] * 3)
    assert norm.eval()(torch.empty(0, 3)).shape == (0, 3)


def test_bfloat16_rows_are_counted_exactly(lone_group: dist.ProcessGroup) -> None:
    norm = BatchNorm(1)
    norm.group = lone_group
    rows = torch.ones(1001, 1, dtype=torch.bfloat16)  # bfloat16 holds 1000 and 1004, not 1001
    rows[0] = 1002.0 - 1000.0
    assert norm(rows).dtype == torch.bfloat16
    assert norm.running_mean.item() == pytest.approx(0.1 * 1002 / 1001, rel=1e-6)


def test_variance_keeps_its_digits_far_from_zero(lone_group: dist.ProcessGroup) -> None:
    norm = BatchNorm(1)
    norm.group, norm.running_mean = lone_group, torch.tensor([5000.0])
    rows = torch.tensor([[5000.0], [5000.5], [5001.0]])
    # mean 5000.5, variance 1/6: near 25,000,000 float32 holds only multiples of 2
    expected = [-(1.5**0.5), 0.0, 1.5**0.5]
    assert norm(rows).flatten().tolist() == pytest.approx(expected, rel=1e-4)
