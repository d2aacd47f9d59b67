from __future__ import annotations

import pytest
import torch

from recspark.models.dropout import Dropout


@pytest.mark.parametrize("share", [0.1, 0.25, 0.75])
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_each_value_is_dropped_with_the_same_chance(share: float, dtype: torch.dtype) -> None:
    torch.manual_seed(3)
    ones, total, rounds = torch.ones(9501, 7, dtype=dtype), torch.zeros(9501, 7), 30
    for _ in range(rounds):
        found = Dropout(share)(ones)
        assert found.dtype == dtype
        kept = found[found != 0]
        torch.testing.assert_close(kept.float(), torch.full(kept.shape, 1 / (1 - share)), **CLOSE)
        total += found == 0
    deviation = (share * (1 - share)) ** 0.5
    places = 9501 * 7
    assert total.sum() / (rounds * places) == pytest.approx(
        share, abs=4 * deviation / (rounds * places) ** 0.5 + 1e-5
    )
    # Places differ no more than independent draws do.
    spread = (total / rounds).std().item()
    assert spread == pytest.approx(deviation / rounds**0.5, rel=0.05)


CLOSE = {"rtol": 0.004, "atol": 0.0}  # bfloat16 has 8 bits


def test_neighbours_are_independent() -> None:
    torch.manual_seed(4)
    dropped = (Dropout(0.5)(torch.ones(400_003)) == 0).float()
    for shift in (1, 2, 3, 4, 8):
        both = (dropped[shift:] * dropped[:-shift]).mean().item()
        assert both == pytest.approx(0.25, abs=0.004)


def test_shares_are_finer_than_a_thousandth() -> None:
    torch.manual_seed(5)
    dropped = (Dropout(0.0005)(torch.ones(4_000_000)) == 0).sum().item()
    assert dropped == pytest.approx(2000, abs=4 * 2000**0.5)


def test_the_gradient_has_the_same_mask() -> None:
    torch.manual_seed(6)
    x = torch.ones(33_000, 5, requires_grad=True)
    found = Dropout(0.3)(x)
    found.sum().backward()
    assert x.grad is not None
    assert torch.equal(x.grad, found.detach())


def test_a_seed_repeats_masks_and_evaluation_changes_nothing() -> None:
    x = torch.ones(100_001)
    masks = []
    for seed in (7, 7, 8):
        torch.default_generator.manual_seed(seed)
        masks.append(Dropout(0.5)(x))
    assert torch.equal(masks[0], masks[1])
    assert not torch.equal(masks[0], masks[2])
    assert Dropout(0.5).eval()(x) is x
    assert torch.equal(Dropout(0.0)(x), x)
    assert Dropout(0.5)(torch.ones(0, 3)).shape == (0, 3)
