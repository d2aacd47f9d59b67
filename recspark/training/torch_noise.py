"""The normals of `solve_loops` in torch: the same numbers, made on the device that needs them.

torch has no arithmetic of unsigned 64-bit numbers, but signed products wrap around to the same
bits.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor


def make_normals(key: int, names: Tensor, size: int) -> Tensor:
    """Return float64 [R, size], the standard normals of rows as in `solve_loops.normal`.

    Args:
        key: Of the draw, 64 bits.
        names: int64 [R], of the rows.
        size: Normals of a row.
    """
    streams = _mix(_mix((names + 1) * _GOLDEN) ^ _signed(key))
    numbers = torch.arange(1, 2 * size + 1, device=names.device) * _GOLDEN
    bits = _shift(_mix(streams[:, None] + numbers), 11)
    uniforms = (bits.double() + 0.5) * 2.0**-53
    radii = (-2 * uniforms[:, 0::2].log()).sqrt()
    return radii * (2 * math.pi * uniforms[:, 1::2]).cos()


def _mix(values: Tensor) -> Tensor:
    values = (values ^ _shift(values, 30)) * _FIRST
    values = (values ^ _shift(values, 27)) * _SECOND
    return values ^ _shift(values, 31)


def _shift(values: Tensor, count: int) -> Tensor:
    """Shift right and fill with zeros."""
    return (values >> count) & ((1 << (64 - count)) - 1)


def _signed(bits: int) -> int:
    return bits - (1 << 64) if bits >> 63 else bits


_GOLDEN = _signed(0x9E3779B97F4A7C15)
_FIRST, _SECOND = _signed(0xBF58476D1CE4E5B9), _signed(0x94D049BB133111EB)
