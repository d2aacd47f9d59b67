"""Random draws that depend on stable keys and a seed alone, never on row order or partitioning."""

from __future__ import annotations

import zlib

import numpy as np
import numpy.typing as npt

IntArray = npt.NDArray[np.integer]

_HASH_BITS = np.uint64(53)  # as many as a double holds exactly


def hash_keys(seed: int, purpose: str, first: IntArray, second: IntArray) -> npt.NDArray[np.uint64]:
    """Return a 64-bit hash of each pair of keys.

    It applies SplitMix64's finaliser (Steele, Lea, Flood 2014, figure 19) to the packed pair and
    again to the result with the salt: after two rounds no structure of either key shows.

    Args:
        seed: The run's seed.
        purpose: A word that makes the draws for different purposes independent.
        first: Non-negative numbers or `id_keys`, any shape.
        second: The same, of the same shape.
    """
    salt = np.uint64((seed * 0x9E3779B97F4A7C15 + zlib.crc32(purpose.encode())) % 2**64)
    high, low = first.astype(np.uint64), second.astype(np.uint64)
    packed = ((high << np.uint64(32)) | (high >> np.uint64(32))) ^ low
    return mix(mix(packed + np.uint64(0x9E3779B97F4A7C15)) ^ salt)


def uniform(seed: int, purpose: str, first: IntArray, second: IntArray) -> npt.NDArray[np.float64]:
    """Return a number in [0, 1) for each pair of keys (see `hash_keys`)."""
    top = hash_keys(seed, purpose, first, second) >> (np.uint64(64) - _HASH_BITS)
    return top.astype(np.float64) / float(2 ** int(_HASH_BITS))


def hashed_order(
    seed: int, purpose: str, first: IntArray, second: IntArray
) -> tuple[npt.NDArray[np.int64], bool]:
    """Return the positions of pairs in the order of their hashes, and whether pairs may repeat.

    The latter is False only if all pairs differ; it costs nothing beside the order.

    Args:
        seed: The run's seed.
        purpose: A word that makes the draws for different purposes independent.
        first: Non-negative numbers or `id_keys`, shape (n,).
        second: The same. Equal pairs keep their order in the arrays.
    """
    hashes = hash_keys(seed, purpose, first, second)
    low = np.uint64(2 ** max(1, len(hashes)).bit_length() - 1)
    # Hash and position share one number: sorting these is faster than an argsort of the hashes.
    packed = np.sort((hashes & ~low) | np.arange(len(hashes), dtype=np.uint64))
    if (packed[1:] ^ packed[:-1] <= low).any():  # two hashes agree in the bits kept
        return np.argsort(hashes, kind="stable"), True
    return (packed & low).view(np.int64), False


def mix(value: npt.NDArray[np.uint64]) -> npt.NDArray[np.uint64]:
    """Return SplitMix64's finaliser of each number: one number for each, no structure left."""
    value = value ^ (value >> np.uint64(30))
    value = value * np.uint64(0xBF58476D1CE4E5B9)
    value = value ^ (value >> np.uint64(27))
    value = value * np.uint64(0x94D049BB133111EB)
    return value ^ (value >> np.uint64(31))
