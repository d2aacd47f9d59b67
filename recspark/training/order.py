"""Random orders that do not depend on the device or the number of threads.

A key gives a mixing function on k bits, 2^k ≥ n: four rounds of xor, multiplication by an odd
number and xor with itself shifted right. Each of these can be undone, so it visits every number of
k bits once. The order is the sequence of its values for 0, 1, 2, …, without those ≥ n. This costs
less than drawing and swapping, runs on any device, and a resumed run repeats it anywhere.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from recspark.training.seeds import make_generator

ROUNDS = 4


def make_key(seed: int, *purpose: str | int) -> npt.NDArray[np.uint32]:
    """Return the numbers of the mixing function, [ROUNDS, 2]: what to xor, an odd multiplier."""
    generator = make_generator(seed, *purpose)
    drawn = torch.randint(0, 2**31, (ROUNDS, 2), generator=generator).numpy()
    drawn[:, 1] |= 1
    return drawn.astype(np.uint32)


def random_order(count: int, device: torch.device, seed: int, *purpose: str | int) -> Tensor:
    """Return the numbers below `count` in an order that depends on seed and purpose alone.

    Args:
        count: At most 2^31.
        device: Where the order is made.
        seed: The run's seed.
        *purpose: What is ordered, e.g. `"order", epoch, bucket`.

    Returns:
        int32 [count].
    """
    if count == 0:
        return torch.empty(0, dtype=torch.int32, device=device)
    key = make_key(seed, *purpose)
    num_bits = max(1, (count - 1).bit_length())
    if device.type == "cpu":
        from recspark.training.order_loops import fill_order

        order = np.empty(count, np.int32)
        fill_order(order, num_bits, key)
        return torch.from_numpy(order)
    return order_by_tensors(count, num_bits, key, device)


def order_by_tensors(
    count: int, num_bits: int, key: npt.NDArray[np.uint32], device: torch.device
) -> Tensor:
    """Return the same order as `fill_order`, by tensor operations on any device."""
    values = torch.arange(1 << num_bits, dtype=torch.int64, device=device)
    mask, shift = (1 << num_bits) - 1, (num_bits + 1) // 2
    for flip, multiplier in key.tolist():
        values = values.bitwise_xor_(flip & mask).mul_(multiplier & mask).bitwise_and_(mask)
        values = values.bitwise_xor_(values >> shift)
    return values[values < count].int()
